//! How far rooms that are kept by another node have been handed out here: the newest event of each, and what came before those
//! that are missing. Says of each event whether it is the next, was handed out before, or comes too early. Pure.

use std::collections::{BTreeMap, VecDeque};

use rialto_proto::{node::Head, v1::RoomPosition};

use crate::{base::hash::HashMap, bridge::Carried};

/// Events of one room that may wait for those before them. Beyond, those are told as missed.
const HELD_MAX: usize = 1_024;

/// All rooms that this node listens to and that keep something.
#[derive(Debug, Default)]
pub(super) struct Mirror {
    rooms: BTreeMap<String, HashMap<String, Room>>,
}

/// How far one room has been handed out.
#[derive(Debug, Default)]
struct Room {
    /// Which life; empty before the first event.
    epoch: String,
    /// The oldest event that was kept when somebody asked.
    first: u64,
    /// The newest event that was handed out.
    last: u64,
    /// The newest event of this life that its owner has told of.
    reaches: u64,
    /// Which life of its state.
    state_epoch: String,
    /// The newest change that was told.
    revision: u64,
    /// Events that wait for those before them.
    held: VecDeque<Carried>,
    /// The missing ones are being read.
    repairing: bool,
}

/// What to do with an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Turn {
    /// It comes next in every room.
    Next,
    /// It was handed out before.
    Again,
    /// Those before it in this room are missing.
    Early(Hole),
    /// It begins another life of this room, of which more is missing, and so may be something of the one before.
    OtherLife(RoomPosition),
}

/// Events that were not heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hole {
    pub(super) room: String,
    pub(super) epoch: String,
    pub(super) from: u64,
    pub(super) to: u64,
}

/// What becomes of an event that comes too early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// Those before it are to be read.
    Begins,
    /// They are being read.
    Begun,
}

/// What of a room was not heard.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Missing {
    /// These events.
    pub(super) hole: Option<Hole>,
    /// What came in a life that is over, after this.
    pub(super) ended: Option<(String, u64)>,
    /// What has changed in the state, after this.
    pub(super) state: Option<(String, u64)>,
}

/// What to do with a change of a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// It comes next.
    Next,
    /// It was told before.
    Again,
    /// Those after this revision of this life are missing.
    After { epoch: String, revision: u64 },
}

impl Room {
    fn behind(&mut self, room: &str) -> Option<Hole> {
        let behind = self.last < self.reaches && !self.repairing;
        self.repairing |= behind;
        let (room, epoch, from, to) = (room.to_owned(), self.epoch.clone(), self.last + 1, self.reaches);
        behind.then_some(Hole { room, epoch, from, to })
    }
}

impl Mirror {
    fn room(&self, namespace: &str, room: &str) -> Option<&Room> {
        self.rooms.get(namespace)?.get(room)
    }

    fn room_mut(&mut self, namespace: &str, room: &str) -> Option<&mut Room> {
        self.rooms.get_mut(namespace)?.get_mut(room)
    }

    /// Notes where a room stands by its owner, in the moment in which that is heard. A room that is known already goes on from
    /// where it is. Returns what of it was not heard; that is to be read.
    pub(super) fn begin(&mut self, namespace: &str, room: &str, head: &Head) -> Missing {
        let rooms = self.rooms.entry(namespace.to_owned()).or_default();
        let Some(known) = rooms.get_mut(room) else {
            let new = Room {
                epoch: head.epoch.clone(),
                first: head.first_offset,
                last: head.last_offset,
                state_epoch: head.state_epoch.clone(),
                revision: head.revision,
                ..Room::default()
            };
            rooms.insert(room.to_owned(), new);
            return Missing::default();
        };
        let state = (known.state_epoch != head.state_epoch || known.revision < head.revision).then(|| {
            let known_epoch = std::mem::replace(&mut known.state_epoch, head.state_epoch.clone());
            (known_epoch, std::mem::replace(&mut known.revision, head.revision))
        });
        let mut ended = None;
        if known.epoch != head.epoch && !head.epoch.is_empty() {
            let before = std::mem::replace(&mut known.epoch, head.epoch.clone());
            ended = (!before.is_empty()).then(|| (before, known.last + 1));
            (known.first, known.last) = (head.first_offset, head.first_offset.saturating_sub(1));
            known.reaches = head.last_offset;
        }
        if known.epoch == head.epoch {
            known.first = known.first.max(head.first_offset);
            known.reaches = known.reaches.max(head.last_offset);
        }
        Missing { hole: known.behind(room), ended, state }
    }

    /// What of a room was not heard, when nobody reads it yet; that is to be read.
    pub(super) fn behind(&mut self, namespace: &str, room: &str) -> Option<Hole> {
        self.room_mut(namespace, room)?.behind(room)
    }

    /// Where the history of a room stands here; `None` when that is not known.
    pub(super) fn stand(&self, namespace: &str, room: &str) -> Option<Head> {
        let room = self.room(namespace, room)?;
        Some(Head {
            epoch: room.epoch.clone(),
            first_offset: room.first,
            last_offset: room.last,
            state_epoch: room.state_epoch.clone(),
            revision: room.revision,
        })
    }

    /// Whether less of a room was handed out than its owner has told of.
    pub(super) fn is_behind(&self, namespace: &str, room: &str) -> bool {
        self.room(namespace, room).is_some_and(|room| room.last < room.reaches)
    }

    /// Whether all that its owner has of a room was handed out, if anything is known of it.
    pub(super) fn is_level(&self, namespace: &str, room: &str, head: &Head) -> bool {
        self.room(namespace, room).is_none_or(|room| {
            let events = head.epoch.is_empty() || room.epoch == head.epoch && room.last >= head.last_offset;
            events && room.state_epoch == head.state_epoch && room.revision >= head.revision
        })
    }

    /// What of a room was not heard, to be read; also when somebody reads it already: he may wait for an owner that is no more, while this node is about to be
    /// the owner itself and to hand out what is new.
    pub(super) fn behind_here(&mut self, namespace: &str, room: &str) -> Option<Hole> {
        self.room_mut(namespace, room)?.repairing = false;
        self.behind(namespace, room)
    }

    /// What of a hole was not handed out is not to be had: it will not be handed out any more. Returns the first and the last of
    /// that.
    pub(super) fn give_up(&mut self, namespace: &str, hole: &Hole) -> Option<(u64, u64)> {
        let Some(room) = self.room_mut(namespace, &hole.room).filter(|room| room.epoch == hole.epoch) else {
            return Some((hole.from, hole.to));
        };
        let from = hole.from.max(room.last + 1);
        room.last = room.last.max(hole.to);
        (from <= hole.to).then_some((from, hole.to))
    }

    /// Whose turn an event is that is kept at `positions`.
    pub(super) fn turn(&self, namespace: &str, positions: &[RoomPosition]) -> Turn {
        let mut again = true;
        for at in positions {
            // Where nobody has asked how far it is, nobody is.
            let Some(room) = self.room(namespace, &at.room) else { continue };
            if room.epoch != at.epoch && !room.epoch.is_empty() && at.offset > 1 {
                return Turn::OtherLife(at.clone());
            }
            let last = if room.epoch == at.epoch { room.last } else { 0 };
            if at.offset <= last {
                continue;
            }
            again = false;
            if at.offset > last + 1 || room.repairing {
                let (room, epoch) = (at.room.clone(), at.epoch.clone());
                return Turn::Early(Hole { room, epoch, from: last + 1, to: at.offset - 1 });
            }
        }
        if again { Turn::Again } else { Turn::Next }
    }

    /// An event is handed out. False when it was before, in all of its rooms.
    pub(super) fn advance(&mut self, namespace: &str, positions: &[RoomPosition]) -> bool {
        let (mut new, mut known) = (false, false);
        for at in positions {
            let Some(room) = self.room_mut(namespace, &at.room) else { continue };
            known = true;
            if room.epoch != at.epoch {
                room.epoch.clone_from(&at.epoch);
                (room.first, room.last, room.reaches) = (at.offset, 0, 0);
            }
            room.first = if room.first == 0 { at.offset } else { room.first };
            new |= at.offset > room.last;
            room.last = room.last.max(at.offset);
        }
        new || !known
    }

    /// Another life of a room has begun. Returns the one before, and the event after the last that was handed out of it.
    pub(super) fn end_life(&mut self, namespace: &str, at: &RoomPosition) -> Option<(String, u64)> {
        let room = self.room_mut(namespace, &at.room)?;
        let before = std::mem::replace(&mut room.epoch, at.epoch.clone());
        let from = room.last + 1;
        (room.first, room.last, room.reaches) = (0, 0, 0);
        Some((before, from))
    }

    /// Lets an event wait for those before it. When too many wait already it is let go: it is read after those before it.
    pub(super) fn hold(&mut self, namespace: &str, hole: &Hole, event: Carried) -> Wait {
        let Some(room) = self.room_mut(namespace, &hole.room) else { return Wait::Begun };
        if room.held.len() < HELD_MAX {
            room.held.push_back(event);
        }
        if std::mem::replace(&mut room.repairing, true) { Wait::Begun } else { Wait::Begins }
    }

    /// What was missing was read, or is not to be had: everything up to `offset` is done with. Returns what has waited.
    pub(super) fn repaired(&mut self, namespace: &str, hole: &Hole) -> VecDeque<Carried> {
        let Some(room) = self.room_mut(namespace, &hole.room) else { return VecDeque::new() };
        room.repairing = false;
        if room.epoch.is_empty() {
            room.epoch.clone_from(&hole.epoch);
        }
        if room.epoch == hole.epoch {
            room.last = room.last.max(hole.to);
        }
        std::mem::take(&mut room.held)
    }

    /// What to do with a change of the state of a room.
    pub(super) fn change(&mut self, namespace: &str, room: &str, (epoch, revision): (&str, u64)) -> Change {
        let Some(room) = self.room_mut(namespace, room) else { return Change::Again };
        let same = room.state_epoch == epoch;
        if same && revision <= room.revision {
            return Change::Again;
        }
        let next = if same { revision == room.revision + 1 } else { revision == 1 };
        let before = (std::mem::replace(&mut room.state_epoch, epoch.to_owned()), room.revision);
        room.revision = revision;
        if next { Change::Next } else { Change::After { epoch: before.0, revision: before.1 } }
    }

    /// All rooms of which something is known.
    pub(super) fn all(&self) -> Vec<(String, String)> {
        let rooms = self.rooms.iter();
        rooms
            .flat_map(|(namespace, rooms)| rooms.keys().map(move |room| (namespace.clone(), room.clone())))
            .collect()
    }

    /// Nobody listens to a room any more.
    pub(super) fn forget(&mut self, namespace: &str, room: &str) {
        if let Some(rooms) = self.rooms.get_mut(namespace) {
            rooms.remove(room);
            if rooms.is_empty() {
                self.rooms.remove(namespace);
            }
        }
    }
}

#[cfg(test)]
#[path = "mirror_tests.rs"]
mod tests;
