//! What other nodes are told of the members here, and what they tell of theirs. It is told under the lock of the room, so that
//! they hear it in the order in which it happens.

use std::{fmt::Debug, sync::Arc};

use rialto_proto::{
    node::{Members, RoomChange, RoomCount, RoomCounts},
    v1::Presence,
};
use tokio_util::sync::CancellationToken;

use super::{
    Hub,
    address::{Address, Key, Kind},
    changed::Changed,
    counting::{MEMBERS_NAMED_MAX, Telling},
    everybody::Everybody,
    member::info,
    others::{Heard, Others},
    presence::{Change, Reported},
    room::Room,
    shard::Shard,
};
use crate::base::{
    clock::Instant,
    ids::{NodeId, RoomName},
    limits::MEMBERS_BYTES_MAX,
};

/// Rooms of which is told at once how many members they have.
const COUNTS_MAX: usize = 1_000;

/// Takes what other nodes are to be told. Waits for nothing.
pub trait Outward: Debug + Send + Sync {
    /// Tells who of this node is in a room: a node that has asked, or all that listen to the room. False when there was no room
    /// for it.
    fn tell_members(&self, to: Option<NodeId>, members: Members) -> bool;

    /// Tells the nodes that watch a namespace, if there are any, that somebody of this node came or went.
    fn tell_watchers(&self, namespace: &str, change: &dyn Fn() -> RoomChange);

    /// Tells a node that watches how many members rooms of this one have. False when there was no room for it.
    fn tell_counts(&self, to: NodeId, counts: RoomCounts) -> bool;
}

/// A room that a session is about to join.
#[derive(Debug)]
pub struct Met {
    /// Cancelled when all nodes have said who is there.
    pub known: CancellationToken,
    /// Whether this is the first time, and they have to be asked.
    pub new: bool,
}

impl Hub {
    /// Begins to keep who is in a room on other nodes: `nodes` are asked by the caller.
    pub fn meet(&self, namespace: &str, room: &RoomName, nodes: &[NodeId]) -> Met {
        let address = Address::room(namespace, room.as_str());
        let mut shard = self.shards.lock_one(&address);
        if let Some(others) = shard.others.get(&address) {
            return Met { known: others.known().clone(), new: false };
        }
        let others = Others::new(nodes.iter().copied());
        let known = others.known().clone();
        shard.others.insert(address.key(), others);
        Met { known, new: true }
    }

    /// Whether all nodes have said who is in these rooms.
    pub fn has_met(&self, namespace: &str, rooms: &[RoomName]) -> bool {
        rooms.iter().all(|room| {
            let address = Address::room(namespace, room.as_str());
            let shard = self.shards.lock_one(&address);
            shard.others.get(&address).is_some_and(|others| others.known().is_cancelled())
        })
    }

    /// Forgets who is in a room on other nodes: this node does not listen to it any more.
    pub fn forget_others(&self, namespace: &str, room: &str) {
        let address = Address::room(namespace, room);
        self.shards.lock_one(&address).others.swap_remove(&address);
    }

    /// Rooms of which is known who is there on other nodes, by namespace and name, and marks in all of them that `node` is asked
    /// again.
    pub fn ask_again(&self, node: NodeId) -> Vec<(String, String)> {
        let mut rooms = Vec::new();
        for mut shard in self.shards.each() {
            for (key, others) in &mut shard.others {
                others.ask(node);
                rooms.push((key.namespace.to_string(), key.name.to_string()));
            }
        }
        rooms
    }

    /// A node was asked for the first time, and has said of those rooms in which somebody is that somebody is there.
    pub fn note_answered(&self, namespace: &str, rooms: &[String], node: NodeId) {
        for room in rooms {
            let address = Address::room(namespace, room);
            if let Some(others) = self.shards.lock_one(&address).others.get_mut(&address) {
                others.answered(node);
            }
        }
    }

    /// Another node says who of it is in a room. Returns what has changed, and whether the node is to be asked for all of them.
    pub fn hear_members(&self, node: NodeId, said: Members, now: Instant) -> (Changed, bool) {
        let (namespace, room) = (said.namespace.clone(), said.room.clone());
        let address = Address::room(&namespace, &room);
        let mut shard = self.shards.lock_one(&address);
        let Some(others) = shard.others.get_mut(&address) else { return (Changed::default(), false) };
        let heard = others.hear(node, said);
        let ask = heard.ask;
        (self.settle_heard(&mut shard, (&namespace, &room), heard, now), ask)
    }

    /// A node is gone, and its members with it.
    pub fn lose_node(&self, node: NodeId, now: Instant) -> Changed {
        for (namespace, room) in self.watches.lose(node) {
            let count = |room: &Arc<str>, here| self.watches.count((node, &namespace), room, (0, here));
            self.with_count(&namespace, &room, count);
        }
        let mut all = Changed::default();
        for mut shard in self.shards.each() {
            let lost: Vec<(Key, Heard)> =
                shard.others.iter_mut().map(|(key, others)| (key.clone(), others.lose(node))).collect();
            for (key, heard) in lost {
                if heard != Heard::default() {
                    all.absorb(self.settle_heard(&mut shard, (&key.namespace, &key.name), heard, now));
                }
            }
        }
        all
    }

    /// Tells the members here what was heard of others.
    pub(super) fn settle_heard(
        &self,
        shard: &mut Shard,
        (namespace, name): (&str, &str),
        heard: Heard,
        now: Instant,
    ) -> Changed {
        let address = Address::room(namespace, name);
        let mut changed = Changed { changed: heard.counts, ..Changed::default() };
        let (mut room, others) = (shard.rooms.get_mut(&address), shard.others.get_mut(&address));
        if let Some(room) = room.as_deref_mut() {
            changed.behind.extend(self.close_window(room, namespace));
            let reported = room.report_others((namespace, name), others.as_deref(), heard, now);
            reported.add_to(&mut changed, namespace, name);
        }
        if let Some(others) = others
            && others.telling.counted
            && own_are_nameable(room.as_deref(), others)
        {
            // They are few again, though none of this node has gone.
            self.tell_nodes((namespace, name), (room.as_deref(), others), None, now).add_to(
                &mut changed,
                namespace,
                name,
            );
        }
        changed
    }

    /// Tells a node that watches a namespace which of its rooms are here. False when there was no room for it.
    pub fn tell_rooms(&self, namespace: &str, to: NodeId) -> bool {
        let Some(outward) = &self.outward else { return false };
        self.shards.each().all(|shard| {
            let here = |key: &Key| key.kind == Kind::Room && *key.namespace == *namespace;
            let rooms = shard.rooms.iter().filter(|(key, _)| here(key));
            let rooms: Vec<RoomCount> = rooms
                .map(|(key, room)| RoomCount { room: key.name.to_string(), member_count: room.count() })
                .collect();
            let said = |rooms: &[RoomCount]| {
                let (namespace, rooms) = (namespace.to_owned(), rooms.to_vec());
                outward.tell_counts(to, RoomCounts { namespace, rooms })
            };
            rooms.chunks(COUNTS_MAX).all(said)
        })
    }

    /// Somebody came to a room of another node or went from it. False when nobody here watches the namespace.
    pub fn hear_change(&self, node: NodeId, change: RoomChange) -> bool {
        let RoomChange { namespace, room, who, joined, member_count, moved } = change;
        self.with_count(&namespace, &room, |room, here| {
            if moved {
                return self.watches.hear_moved((node, &namespace), room, member_count);
            }
            self.watches.hear((node, &namespace), room, (who, joined), (member_count, here))
        })
    }

    /// Another node says how many members rooms of it have.
    pub fn hear_counts(&self, node: NodeId, counts: &RoomCounts) {
        let namespace = counts.namespace.as_str();
        for RoomCount { room, member_count } in &counts.rooms {
            let count =
                |room: &Arc<str>, here| self.watches.count((node, namespace), room, (*member_count, here));
            self.with_count(namespace, room, count);
        }
    }

    /// Another node has said all of its rooms.
    pub fn counts_done(&self, node: NodeId, namespace: &str) {
        for room in self.watches.answered(namespace, node) {
            self.with_count(namespace, &room, |room, here| {
                self.watches.count((node, namespace), room, (0, here))
            });
        }
    }

    fn with_count<T>(&self, namespace: &str, room: &str, then: impl FnOnce(&Arc<str>, u32) -> T) -> T {
        let address = Address::room(namespace, room);
        let shard = self.shards.lock_one(&address);
        then(&room.into(), shard.rooms.get(&address).map_or(0, |room| room.count()))
    }

    /// Tells a node who of this one is in a room, if somebody is or if it is to be told in any case. False when there was no room
    /// for it.
    pub fn tell_whole(&self, namespace: &str, room: &str, to: NodeId, in_any_case: bool) -> bool {
        let Some(outward) = &self.outward else { return false };
        let address = Address::room(namespace, room);
        let shard = self.shards.lock_one(&address);
        let room_here = shard.rooms.get(&address);
        if room_here.is_none() && !in_any_case {
            return true;
        }
        let counted = shard.others.get(&address).is_some_and(|others| others.telling.counted);
        outward.tell_members(Some(to), own((namespace, room), room_here, counted))
    }

    /// Tells the other nodes that somebody here came, went or is described anew, now or when the room's second is over.
    pub(super) fn tell_nodes(
        &self,
        (namespace, name): (&str, &str),
        (room, others): (Option<&Room>, &mut Others),
        change: Option<&Change<'_>>,
        now: Instant,
    ) -> Reported {
        let Some(outward) = &self.outward else { return Reported::default() };
        let due = match (others.telling.change(own_are_nameable(room, others), now), change) {
            (Telling::Names, Some(change)) => {
                let Presence { joined, left, .. } = change.presence();
                let moved_to = change.moved_to.map(|node| node.to_string()).unwrap_or_default();
                let members = Members { joined, left, moved_to, ..counts((namespace, name), room) };
                if outward.tell_members(None, members) { None } else { others.telling.anew(now) }
            }
            (Telling::Number, _) => self.tell_own((namespace, name), room, others, now),
            (Telling::NumberAt(due), _) => Some(due),
            (Telling::Nothing | Telling::Names, _) => None,
        };
        Reported { due, ..Reported::default() }
    }

    /// Tells the other nodes how many are here, or who if they are few enough. Returns when it is to be told again.
    pub(super) fn tell_own(
        &self,
        place: (&str, &str),
        room: Option<&Room>,
        others: &mut Others,
        now: Instant,
    ) -> Option<Instant> {
        let outward = self.outward.as_ref()?;
        let nameable = own_are_nameable(room, others);
        others.telling.tell(nameable, now);
        let own = own(place, room, !nameable);
        others.telling.counted = own.counted;
        if outward.tell_members(None, own) { None } else { others.telling.anew(now) }
    }
}

/// Whether the members here may be named to others: there are not too many in all.
fn own_are_nameable(room: Option<&Room>, others: &Others) -> bool {
    Everybody { here: room, others: Some(others) }.count() <= MEMBERS_NAMED_MAX
}

fn counts((namespace, name): (&str, &str), room: Option<&Room>) -> Members {
    Members {
        namespace: namespace.to_owned(),
        room: name.to_owned(),
        member_count: room.map_or(0, |room| room.count()),
        user_count: room.map_or(0, |room| room.user_count()),
        ..Members::default()
    }
}

/// All members here, by name unless they are counted or their descriptions do not fit one message.
fn own(place: (&str, &str), room: Option<&Room>, counted: bool) -> Members {
    let counts = Members { whole: true, ..counts(place, room) };
    if counted || counts.member_count > MEMBERS_NAMED_MAX {
        return Members { counted: true, ..counts };
    }
    let members = room.into_iter().flat_map(Room::named);
    let named = Members { joined: members.map(|member| info(&member.session)).collect(), ..counts };
    if prost::Message::encoded_len(&named) <= MEMBERS_BYTES_MAX {
        return named;
    }
    Members { counted: true, joined: Vec::new(), ..named }
}
