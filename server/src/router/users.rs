//! How many sessions a user has on all nodes. As long as no node has more than its share of what is allowed, all of them together
//! have not too many, and nobody has to be asked. A node that goes beyond its share asks the others, and they know it from then
//! on and ask as well.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use futures_util::future::join_all;
use rialto_proto::node::{UserSessions, UserSessionsDone, errand, errand_done};
use tokio::time::sleep;

use super::Router;
use crate::{
    base::{
        clock::{self, Instant},
        ids::{NodeId, UserName},
        refusal::Refusal,
    },
    session::Session,
};

/// Who asks at the same moment as another node may find that both have too many; the wait before it asks once more.
const AGAIN_WITHIN: Duration = Duration::from_millis(50);
/// How often is asked before it is refused.
const ATTEMPTS: u32 = 2;

/// Which nodes have said that they are beyond their share, by user.
#[derive(Debug, Default)]
pub(super) struct Beyond(HashMap<String, HashSet<NodeId>>);

impl Beyond {
    /// Notes what a node says of its sessions of a user, of which its share is `share`.
    fn note(&mut self, user: &str, node: NodeId, sessions: u32, share: u32) {
        if sessions > share {
            self.0.entry(user.to_owned()).or_default().insert(node);
        } else if let Some(nodes) = self.0.get_mut(user) {
            nodes.remove(&node);
            if nodes.is_empty() {
                self.0.remove(user);
            }
        }
    }

    /// A node is gone.
    pub(super) fn lose(&mut self, node: NodeId) {
        self.0.retain(|_, nodes| {
            nodes.remove(&node);
            !nodes.is_empty()
        });
    }

    fn knows(&self, user: &str) -> bool {
        self.0.contains_key(user)
    }
}

/// A session that is open and not admitted yet. Unless it is kept it is taken back.
pub(super) struct Opened<'a> {
    router: &'a Router,
    session: Option<&'a Arc<Session>>,
}

impl<'a> Opened<'a> {
    pub(super) fn new(router: &'a Router, session: &'a Arc<Session>) -> Self {
        Self { router, session: Some(session) }
    }

    pub(super) fn keep(mut self) {
        self.session = None;
    }
}

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        if let Some(session) = self.session {
            self.router.hub.sessions.remove(session);
            self.router.user_left(session);
        }
    }
}

impl Router {
    /// The most sessions of a user that one node may have without asking the others.
    fn share(&self) -> u32 {
        let nodes = self.bridge.as_ref().map_or(0, |bridge| bridge.nodes().len());
        self.limits.node.sessions_per_user_max / u32::try_from(nodes + 1).unwrap_or(u32::MAX)
    }

    /// Holds when the user of a session that has just been opened has not too many on all nodes; one that is away gives way.
    pub(super) async fn admit_user(&self, session: &Session) -> Result<(), Refusal> {
        let (max, identity) = (self.limits.node.sessions_per_user_max, session.identity());
        let (Some(bridge), Some(user)) = (&self.bridge, identity.user.as_ref().filter(|_| max > 0)) else {
            return Ok(());
        };
        if self.hub.sessions.of_user(user) <= self.share() && !self.beyond.lock().knows(user.as_str()) {
            return Ok(());
        }
        for _ in 0..ATTEMPTS {
            let nodes = bridge.nodes();
            let there = join_all(nodes.iter().map(|node| self.ask_user(*node, user, false))).await;
            let sessions: u32 = there.iter().map(|done| done.sessions).sum();
            let beyond = (self.hub.sessions.of_user(user) + sessions).saturating_sub(max);
            let of_node = |(node, done): (&NodeId, UserSessionsDone)| {
                done.away_ms.into_iter().map(|left| (left, Some(*node))).collect::<Vec<_>>()
            };
            let mut away: Vec<(u64, Option<NodeId>)> = nodes.iter().zip(there).flat_map(of_node).collect();
            away.extend(self.away_of(user).into_iter().map(|(left, _)| (left, None)));
            away.sort_by_key(|(left, _)| *left);
            let mut gave = 0;
            for (_, node) in away.into_iter().take(beyond as usize) {
                gave += u32::from(match node {
                    Some(node) => self.ask_user(node, user, true).await.gave_way,
                    None => self.give_way(user),
                });
            }
            if gave == beyond {
                return Ok(());
            }
            sleep(clock::jitter(AGAIN_WITHIN)).await;
        }
        Err(Refusal::limit("sessions_per_user_max", max))
    }

    /// Tells a node how many sessions of a user are here, and asks what it has; or has one that is away give way. A node that does
    /// not answer has none.
    async fn ask_user(&self, node: NodeId, user: &UserName, give_way: bool) -> UserSessionsDone {
        let (sessions, user) = (self.hub.sessions.of_user(user), user.to_string());
        let ask = UserSessions { user, sessions, give_way };
        match self.send_errand(node, errand::What::UserSessions(ask)).await.map(|done| done.what) {
            Ok(Some(errand_done::What::UserSessions(done))) => done,
            _ => UserSessionsDone::default(),
        }
    }

    /// Says how many sessions of a user are here; or ends one that is away.
    pub(super) fn tell_user(&self, ask: UserSessions, from: NodeId) -> Result<UserSessionsDone, Refusal> {
        self.beyond.lock().note(&ask.user, from, ask.sessions, self.share());
        let user = UserName::try_from(ask.user).map_err(|error| Refusal::invalid("user", error))?;
        let gave_way = ask.give_way && self.give_way(&user);
        let away_ms = self.away_of(&user).into_iter().map(|(left, _)| left).collect();
        Ok(UserSessionsDone { sessions: self.hub.sessions.of_user(&user), away_ms, gave_way })
    }

    /// Sessions of a user that are away, and in how many ms they end, the next one first.
    fn away_of(&self, user: &UserName) -> Vec<(u64, Arc<Session>)> {
        let now = clock::now();
        let left = |ends: Instant| {
            u64::try_from(ends.saturating_duration_since(now).as_millis()).unwrap_or(u64::MAX)
        };
        let all = self.windows.lock().all();
        let away = all.into_iter().filter_map(|(ends, key)| Some((left(ends), self.hub.sessions.get(key)?)));
        away.filter(|(_, session)| session.identity().user.as_ref() == Some(user)).collect()
    }

    /// Ends the session of a user that is away longest. False when none is.
    fn give_way(&self, user: &UserName) -> bool {
        let away = self.away_of(user).into_iter().next();
        away.iter().for_each(|(_, session)| self.abandon(session));
        // One that is back in this moment counts.
        away.is_some_and(|(_, session)| self.hub.sessions.get(session.id.key).is_none())
    }

    /// A session is gone. The others are told when that brings its user back to the share of this node.
    pub(super) fn user_left(&self, session: &Session) {
        let (Some(bridge), Some(router)) = (&self.bridge, self.this.upgrade()) else { return };
        let identity = session.identity();
        let Some(user) = identity.user.clone() else { return };
        if self.limits.node.sessions_per_user_max == 0 || self.hub.sessions.of_user(&user) != self.share() {
            return;
        }
        self.tell_all_of(router, bridge.nodes(), user);
    }

    /// A node has come, so that the share of each is smaller: the others are told of users who have more here.
    pub(super) fn shares_shrink(self: &Arc<Self>, nodes: &[NodeId]) {
        if self.limits.node.sessions_per_user_max > 0 {
            for user in self.hub.sessions.users_beyond(self.share()) {
                self.tell_all_of(Arc::clone(self), nodes.to_vec(), user);
            }
        }
    }

    fn tell_all_of(&self, router: Arc<Self>, nodes: Vec<NodeId>, user: UserName) {
        self.tasks.spawn("users", async move {
            join_all(nodes.into_iter().map(|node| router.ask_user(node, &user, false))).await;
        });
    }
}
