//! Local fan-out: who is reached by a target, each session once, and the frame in each outbox.

use std::{collections::HashSet, fmt, sync::Arc};

use rialto_proto::v1::Sender;

use super::{
    Hub,
    address::{Address, Kind},
    fan_out::FanOut,
    gathered::Busy,
    room,
    shard::{Locked, Shard},
    window::Pace,
};
use crate::{
    base::{
        clock::{self, Instant},
        config::{BehindPolicy, NamespaceSettings},
        ids::RoomName,
        rate::Bucket,
        refusal::Refusal,
    },
    session::{Session, outbox::Put, owed::StateAfter},
    wire::{
        Frame,
        target::{Target, Who},
    },
};

/// An event that was refused. What had to be handed out before it was handed out all the same.
#[derive(Debug)]
pub struct Held {
    /// Why.
    pub refusal: Refusal,
    /// What that has led to.
    pub before: Box<FanOut>,
}

/// An event on its way.
#[derive(Debug, Clone, Copy)]
pub struct Emission<'a> {
    /// Where.
    pub namespace: &'a str,
    /// What holds there.
    pub settings: &'a NamespaceSettings,
    /// To whom.
    pub target: &'a Target,
    /// The key of the sending session, if there is one, on whatever node.
    pub sender: Option<u64>,
    /// What.
    pub what: What<'a>,
    /// Whether the rooms have been charged for it already, by [`Hub::charge`].
    pub charged: bool,
    /// Now.
    pub now: Instant,
}

/// What is emitted.
#[derive(Clone, Copy)]
pub enum What<'a> {
    /// This.
    Frame(&'a Frame),
    /// What this makes, called once under the locks of the rooms: an event that is kept gets its place in the same moment
    /// in which it is handed out, so that all members see the order in which it is kept.
    Made(&'a dyn Fn() -> Result<Frame, Refusal>),
}

impl fmt::Debug for What<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Frame(_) => "Frame",
            Self::Made(_) => "Made",
        })
    }
}

impl What<'_> {
    fn frame(self) -> Result<Frame, Refusal> {
        match self {
            Self::Frame(frame) => Ok(frame.clone()),
            Self::Made(make) => make(),
        }
    }
}

impl Emission<'_> {
    /// The session that does not hear its own event.
    fn excluded(&self) -> Option<u64> {
        self.sender.filter(|_| !self.target.include_sender)
    }

    fn policy(&self) -> BehindPolicy {
        self.settings.falling_behind
    }

    /// The one address that this goes to, when there is nothing else to it.
    fn single(&self) -> Option<Address<'_>> {
        let target = self.target;
        if !target.except_rooms.is_empty() || !target.except_sessions.is_empty() {
            return None;
        }
        match &target.who {
            Who::Everyone => Some(Address::everyone(self.namespace)),
            Who::Union { rooms, sessions, users } if sessions.is_empty() && users.is_empty() => {
                let [room] = rooms.as_slice() else { return None };
                Some(Address::room(self.namespace, room.as_str()))
            }
            _ => None,
        }
    }
}

impl Hub {
    /// Hands an event to everyone it is for on this node.
    ///
    /// *Order*: what one session sends arrives at each receiver in the order of these calls; what others send to a room
    /// in the order of these calls to that room.
    pub fn emit(&self, emission: Emission<'_>) -> Result<FanOut, Held> {
        let Some(address) = emission.single() else {
            return self.emit_asking(emission, |_| Ok(()));
        };
        let before = self.close_other_window(emission, Some(address));
        let mut shard = self.shards.lock_one(&address);
        let taken = self.take(&mut shard, &address, emission);
        let room = shard.rooms.get_full_mut(&address).map(|(_, key, room)| (key, room));
        let frame = match taken.and_then(|()| emission.what.frame()) {
            Ok(frame) => frame,
            Err(refusal) => return Err(Held { refusal, before: before.into() }),
        };
        let Some((key, room)) = room else { return Ok(FanOut::after(before)) };
        let mut fan_out = room.emit(&frame, emission.policy(), emission.excluded(), self.pace(emission));
        fan_out.absorb(before);
        let gathering = room.gathering().then(|| (Arc::clone(&key.namespace), Arc::clone(&key.name)));
        drop(shard);
        if let (Some(sender), Some(at)) = (emission.sender, gathering) {
            for (namespace, room) in self.gathered.note(sender, at) {
                fan_out.absorb(self.flush(&namespace, &room, emission.now));
            }
        }
        Ok(fan_out)
    }

    /// The same at once, and tells `asked` who is about to receive it, before the first one does; nobody does when that is
    /// refused.
    pub fn emit_asking(
        &self,
        emission: Emission<'_>,
        asked: impl FnOnce(&[Arc<Session>]) -> Result<(), Refusal>,
    ) -> Result<FanOut, Held> {
        let mut fan_out = FanOut::after(self.close_other_window(emission, None));
        let mut locked = self.shards.lock(&addresses(emission.namespace, emission.target));
        if let Err(refusal) = self.charge_all(&mut locked, emission) {
            return Err(Held { refusal, before: fan_out.into() });
        }
        for room in emission.target.rooms() {
            if let Some(room) = locked.room(&Address::room(emission.namespace, room.as_str())) {
                fan_out.absorb(room.close_window(emission.policy(), self.pace(emission)));
            }
        }
        let receivers = receivers(&mut locked, emission.namespace, emission.target, emission.excluded());
        let frame = match asked(&receivers).and_then(|()| emission.what.frame()) {
            Ok(frame) => frame,
            Err(refusal) => return Err(Held { refusal, before: fan_out.into() }),
        };
        for room in emission.target.rooms() {
            if let Some(room) = locked.room(&Address::room(emission.namespace, room.as_str())) {
                room.said_elsewhere(&frame);
            }
        }
        for session in &receivers {
            fan_out.put(session, &frame, emission.policy());
        }
        Ok(fan_out)
    }

    /// Takes one event from the rates of its rooms: from all of them or, when one has no more, from none.
    pub fn charge(&self, emission: Emission<'_>) -> Result<(), Refusal> {
        let mut locked = self.shards.lock(&addresses(emission.namespace, emission.target));
        self.charge_all(&mut locked, emission)
    }

    /// The same of rooms that are locked. All are asked before the first is charged: a refused event has cost nothing.
    fn charge_all(&self, locked: &mut Locked<'_>, emission: Emission<'_>) -> Result<(), Refusal> {
        for charge in [Self::ready, Self::take] {
            for room in emission.target.rooms() {
                let address = Address::room(emission.namespace, room.as_str());
                if let Some(shard) = locked.shard(&address) {
                    charge(self, shard, &address, emission)?;
                }
            }
        }
        Ok(())
    }

    /// Whether a room takes one more event now.
    fn ready(&self, shard: &mut Shard, address: &Address<'_>, emission: Emission<'_>) -> Result<(), Refusal> {
        let per_second = emission.settings.room_emits_per_second;
        self.rate(shard, address, emission)
            .map_or(Ok(()), |bucket| bucket.ready(room::rate(per_second), 1, emission.now))
            .map_err(|after| Refusal::rate("room_emits_per_second", after))
    }

    /// Takes one event from the rate of a room.
    fn take(&self, shard: &mut Shard, address: &Address<'_>, emission: Emission<'_>) -> Result<(), Refusal> {
        let per_second = emission.settings.room_emits_per_second;
        self.rate(shard, address, emission)
            .map_or(Ok(()), |bucket| bucket.take(room::rate(per_second), emission.now))
            .map_err(|after| Refusal::rate("room_emits_per_second", after))
    }

    /// The rate that an event is taken from. A room without members has one if it may have members on other nodes.
    fn rate<'a>(
        &self,
        shard: &'a mut Shard,
        address: &Address<'_>,
        emission: Emission<'_>,
    ) -> Option<&'a mut Bucket> {
        if emission.charged {
            return None;
        }
        if self.outward.is_none() || address.kind != Kind::Room {
            return shard.rooms.get_mut(address).map(|room| &mut room.rate);
        }
        let fresh = || room::fresh_rate(emission.settings.room_emits_per_second, emission.now);
        Some(shard.rate(address, fresh))
    }

    /// Hands out what a room, or everyone where `room` is empty, has gathered: its window is over.
    pub fn flush(&self, namespace: &str, room: &str, now: Instant) -> FanOut {
        let Some(settings) = self.namespaces.settings(namespace) else { return FanOut::default() };
        let address = place(namespace, room);
        let pace = Pace::new(settings.delivery_window, now, &self.limits.session);
        let mut shard = self.shards.lock_one(&address);
        shard
            .rooms
            .get_mut(&address)
            .map_or_else(FanOut::default, |room| room.close_window(settings.falling_behind, pace))
    }

    /// Hands out what the sender has said elsewhere and what still waits there, so that this does not overtake it.
    fn close_other_window(&self, emission: Emission<'_>, here: Option<Address<'_>>) -> FanOut {
        let Some(sender) = emission.sender else { return FanOut::default() };
        let elsewhere = |(namespace, room): &Busy| here != Some(place(namespace, room));
        let Some((namespace, room)) = self.gathered.take_if(sender, elsewhere) else {
            return FanOut::default();
        };
        self.flush(&namespace, &room, emission.now)
    }

    /// Tells the members of a room who asked for it that its keyed state has changed; `make` makes the frame and what it
    /// was before, under the lock of the room, so that a session that joins finds it before or is told after.
    pub fn tell_state(
        &self,
        namespace: &str,
        room: &str,
        make: impl FnOnce() -> Option<(Frame, StateAfter)>,
    ) {
        let address = Address::room(namespace, room);
        let shard = self.shards.lock_one(&address);
        if let (Some((frame, before)), Some(room)) = (make(), shard.rooms.get(&address)) {
            room.tell_state(&frame, &before);
        }
    }

    /// Has the members of a room who asked for its keyed state, or one of them, read what has changed after something.
    pub fn owe_state(&self, namespace: &str, room: &str, after: &StateAfter, only: Option<u64>) {
        let address = Address::room(namespace, room);
        let shard = self.shards.lock_one(&address);
        if let Some(room) = shard.rooms.get(&address) {
            room.owe_state(after, only);
        }
    }

    /// Tells everybody in a room, or in the namespace where `room` is empty, behind all that was said there. Returns who fell
    /// behind by it.
    pub fn notify(&self, namespace: &str, room: &str, frame: &Frame, now: Instant) -> Vec<Arc<Session>> {
        let mut behind = self.flush(namespace, room, now).behind;
        let address = place(namespace, room);
        let shard = self.shards.lock_one(&address);
        let members = shard.rooms.get(&address).into_iter().flat_map(|room| room.members.values());
        let overrun = members.filter(|member| member.session.outbox.answer(frame.clone()) == Put::Overrun);
        behind.extend(overrun.map(|member| Arc::clone(&member.session)));
        behind
    }

    /// Whether somebody is in a room beside `except`.
    pub fn has_member(&self, namespace: &str, room: &str, except: Option<u64>) -> bool {
        let address = Address::room(namespace, room);
        let shard = self.shards.lock_one(&address);
        let room = shard.rooms.get(&address);
        room.is_some_and(|room| room.named().any(|member| Some(member.session.id.key) != except))
    }

    /// Whether nobody is in a room, or in the namespace where `room` is empty.
    pub fn is_empty(&self, namespace: &str, room: &str) -> bool {
        let address = place(namespace, room);
        self.shards.lock_one(&address).rooms.get(&address).is_none()
    }

    fn pace(&self, emission: Emission<'_>) -> Pace {
        Pace::new(emission.settings.delivery_window, emission.now, &self.limits.session)
    }

    /// The sessions that a target covers now.
    pub fn select(&self, namespace: &str, target: &Target) -> Vec<Arc<Session>> {
        let mut locked = self.shards.lock(&addresses(namespace, target));
        receivers(&mut locked, namespace, target, None)
    }
}

/// A room, or everyone where `room` is empty.
fn place<'a>(namespace: &'a str, room: &'a str) -> Address<'a> {
    if room.is_empty() { Address::everyone(namespace) } else { Address::room(namespace, room) }
}

/// Everything that must be locked to know whom a target covers.
fn addresses<'a>(namespace: &'a str, target: &'a Target) -> Vec<Address<'a>> {
    let room = |room: &'a RoomName| Address::room(namespace, room.as_str());
    let mut addresses: Vec<_> = target.rooms().iter().chain(&target.except_rooms).map(room).collect();
    // Whether a session named by its id is in the namespace is known by everyone's list.
    if target.beyond_rooms() {
        addresses.push(Address::everyone(namespace));
    }
    if let Who::Union { users, .. } = &target.who {
        addresses.extend(users.iter().map(|user| Address::user(namespace, user.as_str())));
    }
    addresses
}

fn receivers(
    locked: &mut Locked<'_>,
    namespace: &str,
    target: &Target,
    sender: Option<u64>,
) -> Vec<Arc<Session>> {
    let mut passed: HashSet<u64> = target.except_sessions.iter().map(|id| id.key).chain(sender).collect();
    for room in &target.except_rooms {
        if let Some(room) = locked.room(&Address::room(namespace, room.as_str())) {
            passed.extend(room.members.keys());
        }
    }
    match &target.who {
        Who::Everyone => gather(locked, &[Address::everyone(namespace)], &mut passed),
        Who::AnyOf(room) => any_of(locked, &Address::room(namespace, room.as_str()), &passed),
        Who::Union { rooms, sessions, users } => {
            let rooms = rooms.iter().map(|room| Address::room(namespace, room.as_str()));
            let users = users.iter().map(|user| Address::user(namespace, user.as_str()));
            let addresses: Vec<_> = rooms.chain(users).collect();
            let mut receivers = gather(locked, &addresses, &mut passed);
            let Some(everyone) = locked.room(&Address::everyone(namespace)) else {
                return receivers;
            };
            let named = sessions
                .iter()
                .filter_map(|id| everyone.members.get(&id.key).filter(|member| member.session.id == *id));
            let named = named.filter(|member| passed.insert(member.session.id.key));
            receivers.extend(named.map(|member| Arc::clone(&member.session)));
            receivers
        }
    }
}

/// The members of all addresses, each once, those in `passed` left out.
fn gather(
    locked: &mut Locked<'_>,
    addresses: &[Address<'_>],
    passed: &mut HashSet<u64>,
) -> Vec<Arc<Session>> {
    let mut gathered = Vec::new();
    for address in addresses {
        let Some(room) = locked.room(address) else {
            continue;
        };
        for (key, member) in &room.members {
            if passed.insert(*key) {
                gathered.push(Arc::clone(&member.session));
            }
        }
    }
    gathered
}

/// How many members are looked at for one who is not away.
const LOOKED_AT_MAX: usize = 64;

/// One member at random, none of those in `passed`; one who is away only when nobody else was found.
fn any_of(locked: &mut Locked<'_>, address: &Address<'_>, passed: &HashSet<u64>) -> Vec<Arc<Session>> {
    let Some(room) = locked.room(address) else {
        return Vec::new();
    };
    let members = room.members.len();
    // The remainder is below the number of members.
    let start = (clock::random_u64() % members.max(1) as u64) as usize;
    let order = (start..members).chain(0..start);
    let members = order.filter_map(|at| room.members.get_index(at));
    let takes = members.filter(|(key, member)| !member.arriving && !passed.contains(key));
    let mut away = None;
    for (_, member) in takes.take(LOOKED_AT_MAX) {
        if !member.session.outbox.away() {
            return vec![Arc::clone(&member.session)];
        }
        away.get_or_insert(member);
    }
    away.map(|member| Arc::clone(&member.session)).into_iter().collect()
}

/// Sessions with their names, as those who are asked for replies.
pub fn names(sessions: &[Arc<Session>]) -> Vec<(u64, Sender)> {
    sessions.iter().map(|session| (session.id.key, session.sender())).collect()
}
