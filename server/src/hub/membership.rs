//! Entering, joining, parting, leaving and going. The answer to the member is put in its outbox at the very point
//! where it holds: nothing from a room comes before its `Joined` or after its `Parted`.
//!
//! Locks are taken in one order: the session's memberships, then shards, then outboxes.

use std::sync::{Arc, atomic::Ordering};

use rialto_proto::{
    node::RoomChange,
    v1::{RefusalCode, RoomState},
};

use super::{
    Hub,
    address::{Address, Key, Kind},
    changed::Changed,
    counting::MEMBERS_NAMED_MAX,
    everybody::Everybody,
    member::{self, Wishes},
    namespaces::{Namespace, unknown},
    presence::Change,
    room::{self, Room},
    shard::{Locked, Shard},
    window::Pace,
};
use crate::{
    base::{
        clock::{self, Instant},
        config::NamespaceSettings,
        ids::RoomName,
        refusal::{Refusal, Retry},
    },
    session::{Session, memberships::Memberships, owed::Owed},
    wire::Frame,
};

/// A session that wants to be in rooms; with no rooms, in the namespace alone.
#[derive(Debug, Clone, Copy)]
pub struct Joining<'a> {
    /// Who.
    pub session: &'a Arc<Session>,
    /// Where.
    pub namespace: &'a str,
    /// Which rooms.
    pub rooms: &'a [RoomName],
    /// What it wants to be told beside events.
    pub wishes: Wishes,
    /// Another node still has it: it gathers what is said here, and is not counted or named before it [arrives](Hub::arrive).
    pub arriving: bool,
    /// Now.
    pub now: Instant,
}

/// A room as a session finds it that joins.
#[derive(Debug)]
pub struct Found {
    /// What it is told.
    pub state: RoomState,
    /// False when it was a member already.
    pub fresh: bool,
}

/// What a session is told at the very point where its membership holds.
#[derive(Debug)]
pub struct Told {
    /// The answer, and notices that belong to it.
    pub frames: Vec<Frame>,
    /// What it is owed from before, and gets before anything new.
    pub owed: Vec<Owed>,
}

/// A joining in the namespace that it is about.
#[derive(Clone, Copy)]
struct Scene<'a> {
    joining: Joining<'a>,
    namespace: &'a Namespace,
    settings: &'a NamespaceSettings,
}

impl Hub {
    /// Joins all rooms or, when one is refused, none. `answer` makes the frame that the session is told by, from the
    /// rooms as it finds them and whether anything has changed.
    pub fn join(
        &self,
        joining: Joining<'_>,
        answer: impl FnOnce(Vec<Found>, bool) -> Option<Told>,
    ) -> Result<Changed, Refusal> {
        let Joining { session, rooms, .. } = joining;
        let mut memberships = session.memberships.lock();
        if memberships.gone() {
            return Err(Refusal::new(RefusalCode::SessionUnknown, "the session has ended"));
        }
        let entered = memberships.rooms(joining.namespace).is_some();
        let pin = if entered { None } else { Some(self.namespaces.pin(joining.namespace)?) };
        let namespace = match pin.as_ref().and_then(|pin| pin.namespace().cloned()) {
            Some(namespace) => namespace,
            None => self.namespaces.get(joining.namespace).ok_or_else(unknown)?,
        };
        let fresh = fresh_rooms(&memberships, &namespace, rooms);
        self.check_session_limits(&memberships, entered, fresh.len())?;

        let user = session.user();
        let mut addresses: Vec<_> =
            rooms.iter().map(|room| Address::room(&namespace.name, room.as_str())).collect();
        addresses.extend([Address::everyone(&namespace.name), Address::user(&namespace.name, &user)]);
        let mut locked = self.shards.lock(&addresses);
        let settings = namespace.settings.load();
        let scene = Scene { joining, namespace: &namespace, settings: &settings };
        self.check_room_limits(&mut locked, scene, &fresh)?;

        let mut changed = Changed { changed: !fresh.is_empty() || !entered, ..Changed::default() };
        let found = find(&mut locked, joining, &namespace.name, &memberships);
        if let Some(Told { frames, owed }) = answer(found, changed.changed) {
            frames.into_iter().for_each(|frame| changed.answer(session, Some(frame)));
            for owed in owed {
                session.outbox.owe(owed);
            }
        }
        if !entered {
            memberships.enter(Arc::clone(&namespace.name));
            if let Some(everyone) = locked.room(&Address::everyone(&namespace.name)) {
                changed.behind.extend(self.close_window(everyone, &namespace.name));
            }
            add_to_namespace(&mut locked, joining, &namespace.name, &user);
        }
        for room in rooms {
            let name = memberships_name(&memberships, &namespace, room);
            let fresh = memberships.join(&namespace.name, Arc::clone(&name));
            let told = self.add(&mut locked, scene, &name, fresh);
            changed.behind.extend(told.behind);
            changed.due.extend(told.due);
        }
        if let Some(pin) = pin {
            pin.keep();
        }
        Ok(changed)
    }

    /// Parts rooms; `answer` makes the frame that the session is told by, from the rooms that it was in.
    pub fn part(
        &self,
        session: &Arc<Session>,
        namespace: &str,
        rooms: &[RoomName],
        answer: impl FnOnce(Vec<String>) -> Option<Frame>,
    ) -> Changed {
        let mut changed = Changed::default();
        let mut parted = Vec::new();
        let mut memberships = session.memberships.lock();
        for room in rooms {
            if memberships.part(namespace, room.as_str()) {
                self.remove(session, namespace, room.as_str(), &mut changed);
                parted.push(room.as_str().to_owned());
            }
        }
        changed.changed = !parted.is_empty();
        changed.answer(session, answer(parted));
        changed
    }

    /// Leaves a namespace and parts its rooms; `answer` as in [`Hub::part`].
    pub fn leave(
        &self,
        session: &Arc<Session>,
        namespace: &str,
        answer: impl FnOnce(Vec<String>) -> Option<Frame>,
    ) -> Changed {
        let mut changed = Changed::default();
        let mut memberships = session.memberships.lock();
        let place = memberships.leave(namespace);
        changed.changed = place.is_some();
        let rooms = place.map(|place| place.rooms).unwrap_or_default();
        if changed.changed {
            self.remove_from_namespace(session, namespace, &rooms, &mut changed);
        }
        changed.answer(session, answer(rooms.iter().map(|room| room.to_string()).collect()));
        changed
    }

    /// Takes a session out of everything, for ever.
    pub fn exit(&self, session: &Arc<Session>) -> Changed {
        let mut changed = Changed::default();
        let places = session.memberships.lock().go();
        for place in places {
            self.remove_from_namespace(session, &place.namespace, &place.rooms, &mut changed);
        }
        changed.changed = self.sessions.remove(session);
        changed
    }

    fn check_session_limits(
        &self,
        memberships: &Memberships,
        entered: bool,
        fresh: usize,
    ) -> Result<(), Refusal> {
        let limits = &self.limits.session;
        if memberships.room_count() + fresh > limits.rooms_max as usize {
            return Err(Refusal::limit("rooms_max", limits.rooms_max));
        }
        if !entered && memberships.places().len() >= limits.namespaces_max as usize {
            return Err(Refusal::limit("namespaces_max", limits.namespaces_max));
        }
        Ok(())
    }

    fn check_room_limits(
        &self,
        locked: &mut Locked<'_>,
        scene: Scene<'_>,
        fresh: &[&RoomName],
    ) -> Result<(), Refusal> {
        let Scene { joining, namespace, settings } = scene;
        let (mut here, mut created) = (0_u32, 0);
        for room in fresh {
            let (room, others) = locked.with_others(&Address::room(&namespace.name, room.as_str()));
            here += u32::from(room.is_none());
            created += u32::from(room.is_none() && others.is_none_or(|others| others.count() == 0));
        }
        if here > 0 && namespace.room_count().saturating_add(here) > settings.rooms_max {
            return Err(Refusal::limit("namespace rooms_max", settings.rooms_max));
        }
        self.sessions.take_rooms(joining.session, created, joining.now)
    }

    /// Makes the session a member of one room and tells those who want to know.
    fn add(&self, locked: &mut Locked<'_>, scene: Scene<'_>, name: &Arc<str>, fresh: bool) -> Changed {
        let mut changed = Changed::default();
        let Scene { joining: Joining { session, wishes, arriving, now, .. }, namespace, settings } = scene;
        let new = || Room::new(room::fresh_rate(settings.room_emits_per_second, now));
        let key = Key::room(&namespace.name, name);
        let Some(room) = locked.room_or_new(key, new) else { return changed };
        let pace = Pace::new(settings.delivery_window, now, &self.limits.session);
        changed.behind = room.close_window(settings.falling_behind, pace).behind;
        if room.members.is_empty() {
            namespace.rooms.fetch_add(1, Ordering::Relaxed);
            self.metrics.rooms.inc();
        }
        if arriving {
            room.add_arriving(session, wishes);
            return changed;
        }
        // Joining again may ask for more; only parting takes it back.
        room.add(session, wishes);
        if !fresh {
            return changed;
        }
        self.announce((&namespace.name, name), session, (true, room.count()));
        let change = Change { joined: Some(session), ..Change::of(&namespace.name, name) };
        if let (Some(room), others) = locked.with_others(&Address::room(&namespace.name, name)) {
            changed.absorb(self.report_change((room, others), &change, session.id.key, now));
        }
        changed
    }

    /// Takes the session out of one room and tells those who want to know.
    fn remove(&self, session: &Arc<Session>, namespace: &str, name: &str, changed: &mut Changed) {
        let address = Address::room(namespace, name);
        let mut shard = self.shards.lock_one(&address);
        let Shard { rooms, others, .. } = &mut *shard;
        let Some(room) = rooms.get_mut(&address) else {
            return;
        };
        changed.behind.extend(self.close_window(room, namespace));
        let key = session.id.key;
        let Some((_, arriving)) = room.member(key) else { return };
        room.remove(key);
        let is_empty = room.members.is_empty();
        if !arriving {
            let count = room.count();
            let gone = Change { left: Some(session), ..Change::of(namespace, name) };
            let others = others.get_mut(&address);
            changed.absorb(self.report_change((room, others), &gone, key, clock::now()));
            self.announce((namespace, &name.into()), session, (false, count));
        }
        if is_empty {
            rooms.swap_remove(&address);
            self.room_gone(namespace);
        }
    }

    /// A room of a namespace has no members any more.
    pub(super) fn room_gone(&self, namespace: &str) {
        self.metrics.rooms.dec();
        if let Some(namespace) = self.namespaces.get(namespace) {
            namespace.rooms.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn remove_from_namespace(
        &self,
        session: &Arc<Session>,
        namespace: &str,
        rooms: &[Arc<str>],
        changed: &mut Changed,
    ) {
        for room in rooms {
            self.remove(session, namespace, room, changed);
        }
        self.remove_from_lists(session, namespace, changed);
    }

    /// Takes a session out of everyone in a namespace, and of the sessions of its user there.
    pub(super) fn remove_from_lists(&self, session: &Arc<Session>, namespace: &str, changed: &mut Changed) {
        let user = session.user();
        for address in [Address::everyone(namespace), Address::user(namespace, &user)] {
            let mut shard = self.shards.lock_one(&address);
            if let Some(room) = shard.rooms.get_mut(&address) {
                changed.behind.extend(self.close_window(room, namespace));
                room.remove(session.id.key);
                if room.members.is_empty() {
                    shard.rooms.swap_remove(&address);
                }
            }
        }
        self.namespaces.release(namespace);
    }

    /// Closes a room's window before its members change.
    pub(super) fn close_window(&self, room: &mut Room, namespace: &str) -> Vec<Arc<Session>> {
        if !room.gathering() {
            return Vec::new();
        }
        let Some(settings) = self.namespaces.settings(namespace) else { return Vec::new() };
        let pace = Pace::new(settings.delivery_window, clock::now(), &self.limits.session);
        room.close_window(settings.falling_behind, pace).behind
    }

    /// Tells those who watch, here and on other nodes, that a session has joined a room or has left it.
    fn announce(&self, (namespace, room): (&str, &Arc<str>), session: &Session, (joined, here): (bool, u32)) {
        self.watches.change((namespace, room), || session.sender(), (joined, here));
        if let Some(outward) = &self.outward {
            outward.tell_watchers(namespace, &|| RoomChange {
                namespace: namespace.to_owned(),
                room: room.to_string(),
                who: Some(session.sender()),
                joined,
                member_count: here,
                moved: false,
            });
        }
    }
}

/// The rooms that the session is not in yet, each once.
fn fresh_rooms<'a>(
    memberships: &Memberships,
    namespace: &Namespace,
    rooms: &'a [RoomName],
) -> Vec<&'a RoomName> {
    let mut fresh: Vec<&RoomName> = Vec::with_capacity(rooms.len());
    for room in rooms {
        if !memberships.holds(&namespace.name, room.as_str()) && !fresh.contains(&room) {
            fresh.push(room);
        }
    }
    fresh
}

/// The rooms as the session finds them, itself counted.
fn find(
    locked: &mut Locked<'_>,
    joining: Joining<'_>,
    namespace: &str,
    memberships: &Memberships,
) -> Vec<Found> {
    let Joining { session, rooms, wishes, .. } = joining;
    // The bound holds for the whole answer, not for each of its rooms: it must fit an outbox.
    let mut named_max = MEMBERS_NAMED_MAX;
    let state = |name: &RoomName| {
        let fresh = !memberships.holds(namespace, name.as_str());
        let (room, others) = locked.with_others(&Address::room(namespace, name.as_str()));
        let everybody = Everybody { here: room.as_deref(), others: others.as_deref() };
        let count = everybody.count() + u32::from(fresh);
        let user_count = if fresh { everybody.user_count_with(session) } else { everybody.user_count() };
        let mut members = Vec::new();
        if wishes.presence && count <= named_max && everybody.are_nameable() {
            members = everybody.named();
            members.extend(fresh.then(|| member::info(session)));
            named_max = named_max.saturating_sub(count);
        }
        let room = name.as_str().to_owned();
        let state = RoomState { room, member_count: count, user_count, members, ..RoomState::default() };
        Found { state, fresh }
    };
    rooms.iter().map(state).collect()
}

/// Makes the session reachable by everyone-in-the-namespace and by its user's name.
fn add_to_namespace(locked: &mut Locked<'_>, joining: Joining<'_>, namespace: &Arc<str>, user: &str) {
    let Joining { session, now, arriving, .. } = joining;
    let everyone = (Kind::Everyone, "");
    let user = (!user.is_empty()).then_some((Kind::User, user));
    for (kind, name) in std::iter::once(everyone).chain(user) {
        let key = Key { namespace: Arc::clone(namespace), kind, name: name.into() };
        if let Some(room) = locked.room_or_new(key, || Room::new(room::fresh_rate(0, now))) {
            if arriving {
                room.add_arriving(session, Wishes::default());
            } else {
                room.add(session, Wishes::default());
            }
        }
    }
}

/// The shared name of a room that the session is in already, else a new one.
fn memberships_name(memberships: &Memberships, namespace: &Namespace, room: &RoomName) -> Arc<str> {
    let held = memberships.rooms(&namespace.name).unwrap_or_default();
    held.iter().find(|name| ***name == *room.as_str()).cloned().unwrap_or_else(|| room.as_str().into())
}

/// The session is not in the namespace.
pub fn not_entered() -> Refusal {
    let refusal = Refusal::new(RefusalCode::NotAMember, "the session has not entered the namespace");
    Refusal { retry: Retry::AfterChange, ..refusal }
}
