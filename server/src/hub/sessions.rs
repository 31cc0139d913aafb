//! The sessions of this node, by id, and how many each user and each address has.

use std::{hash::Hash, net::IpAddr, sync::Arc, time::Duration};

use parking_lot::{Mutex, RwLock};
use rialto_proto::v1::RefusalCode;

use crate::{
    base::{
        clock::Instant,
        hash::HashMap,
        ids::{NodeId, UserName},
        limits::NodeLimits,
        rate::{Bucket, Rate},
        refusal::{Refusal, Retry},
    },
    session::Session,
};

/// How long a client waits that comes while its session is on its way.
const ON_ITS_WAY: Duration = Duration::from_millis(200);
/// What tells that from other nodes that are not reached.
const ON_ITS_WAY_FIELD: &str = "session_id";

/// All sessions of the node.
#[derive(Debug)]
pub struct Sessions {
    open: RwLock<HashMap<u64, Open>>,
    users: Mutex<HashMap<UserName, User>>,
    addresses: Mutex<HashMap<IpAddr, u32>>,
    /// How many began with each node.
    homes: Mutex<HashMap<NodeId, u32>>,
    limits: NodeLimits,
}

/// A session and the address that it counts for.
type Open = (Arc<Session>, Option<IpAddr>);

#[derive(Debug)]
struct User {
    sessions: u32,
    rooms_created: Bucket,
}

impl Sessions {
    pub(super) fn new(limits: NodeLimits) -> Self {
        Self {
            open: RwLock::default(),
            users: Mutex::default(),
            addresses: Mutex::default(),
            homes: Mutex::default(),
            limits,
        }
    }

    /// The session with that key.
    pub fn get(&self, key: u64) -> Option<Arc<Session>> {
        self.open.read().get(&key).map(|(session, _)| Arc::clone(session))
    }

    /// The address that a session counts for.
    pub fn address(&self, key: u64) -> Option<IpAddr> {
        self.open.read().get(&key).and_then(|(_, from)| *from)
    }

    /// All sessions.
    pub fn all(&self) -> Vec<Arc<Session>> {
        self.open.read().values().map(|(session, _)| Arc::clone(session)).collect()
    }

    /// Whether there is one that began with `node`.
    pub fn has_of(&self, node: NodeId) -> bool {
        self.homes.lock().contains_key(&node)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.open.read().len()
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a session, unless its user or its address has too many.
    pub(super) fn add(
        &self,
        session: &Arc<Session>,
        from: Option<IpAddr>,
        now: Instant,
    ) -> Result<(), Refusal> {
        if self.get(session.id.key).is_some() {
            return Err(on_its_way());
        }
        if let Some(user) = session.identity().user.clone() {
            let max = self.limits.sessions_per_user_max;
            let mut users = self.users.lock();
            let rate = Rate::per_minute(self.limits.rooms_created_per_minute);
            let user = users
                .entry(user)
                .or_insert_with(|| User { sessions: 0, rooms_created: Bucket::full(rate, now) });
            if max > 0 && user.sessions >= max {
                return Err(Refusal::limit("sessions_per_user_max", max));
            }
            user.sessions += 1;
        }
        if let Some(from) = from {
            let max = self.limits.sessions_per_address_max;
            let mut addresses = self.addresses.lock();
            let count = addresses.entry(from).or_default();
            if max > 0 && *count >= max {
                drop(addresses);
                self.forget_user(session);
                return Err(Refusal::limit("sessions_per_address_max", max));
            }
            *count += 1;
        }
        *self.homes.lock().entry(session.id.node).or_default() += 1;
        self.open.write().insert(session.id.key, (Arc::clone(session), from));
        Ok(())
    }

    /// Removes a session. False when it was not there.
    pub fn remove(&self, session: &Session) -> bool {
        let Some((_, from)) = self.open.write().remove(&session.id.key) else {
            return false;
        };
        self.forget_user(session);
        forget_one(&mut self.homes.lock(), &session.id.node);
        if let Some(from) = from {
            forget_one(&mut self.addresses.lock(), &from);
        }
        true
    }

    /// Takes the creation of `rooms` rooms from the rate of the session's user: of all of them or, when there are too
    /// many, of none. Sessions without a user are not bounded: they exist only where nothing is authenticated.
    pub(super) fn take_rooms(&self, session: &Session, rooms: u32, now: Instant) -> Result<(), Refusal> {
        const LIMIT: &str = "rooms_created_per_minute";
        let max = self.limits.rooms_created_per_minute;
        let identity = session.identity();
        let Some(user) = &identity.user else { return Ok(()) };
        let mut users = self.users.lock();
        let Some(user) = users.get_mut(user) else {
            return Ok(());
        };
        if rooms > max {
            // No waiting would help.
            return Err(Refusal::limit(LIMIT, max));
        }
        let taken = user.rooms_created.take_many(Rate::per_minute(max), rooms, now);
        taken.map_err(|after| Refusal::rate(LIMIT, after))
    }

    /// How many a user has.
    pub fn of_user(&self, user: &UserName) -> u32 {
        self.users.lock().get(user).map_or(0, |user| user.sessions)
    }

    /// Users who have more than so many.
    pub fn users_beyond(&self, sessions: u32) -> Vec<UserName> {
        let users = self.users.lock();
        users.iter().filter(|(_, user)| user.sessions > sessions).map(|(name, _)| name.clone()).collect()
    }

    /// Panics when what users and addresses have does not add up to the sessions. For tests, after each step.
    #[cfg(test)]
    pub(super) fn check(&self) {
        let (mut users, mut addresses) = (HashMap::<_, u32>::default(), HashMap::<_, u32>::default());
        for (session, from) in self.open.read().values() {
            if let Some(user) = session.identity().user.clone() {
                *users.entry(user).or_default() += 1;
            }
            if let Some(from) = from {
                *addresses.entry(*from).or_default() += 1;
            }
        }
        let counted = self.users.lock().iter().map(|(name, user)| (name.clone(), user.sessions)).collect();
        assert_eq!(users, counted);
        assert_eq!(addresses, *self.addresses.lock());
    }

    fn forget_user(&self, session: &Session) {
        let identity = session.identity();
        let Some(user) = &identity.user else { return };
        let mut users = self.users.lock();
        if let Some(entry) = users.get_mut(user) {
            entry.sessions -= 1;
            if entry.sessions == 0 {
                users.remove(user);
            }
        }
    }
}

/// A session comes from another node in this moment.
pub fn on_its_way() -> Refusal {
    let refusal = Refusal::new(RefusalCode::NodesUnreachable, "the session is on its way from another node");
    Refusal { retry: Retry::After(ON_ITS_WAY), field: ON_ITS_WAY_FIELD, ..refusal }
}

/// Whether that is what a refusal says.
pub fn is_on_its_way(refusal: &Refusal) -> bool {
    refusal.code == RefusalCode::NodesUnreachable && refusal.field == ON_ITS_WAY_FIELD
}

/// Counts one less.
fn forget_one<K: Hash + Eq>(counts: &mut HashMap<K, u32>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}
