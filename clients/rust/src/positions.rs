//! How far each room with history has been handed to the application: one position per room, and above it what came out
//! of turn. Says whether an event is new, and where recovery begins. Never ahead of what was handed over, and pure;
//! used by `intake.rs` and `kept.rs`.

use std::collections::{BTreeMap, HashMap, VecDeque};

use rialto_proto::v1;

/// Ranges above the position that one room may have; with more, the lowest is forgotten: to hear something twice is
/// better than a gap.
const RANGES_MAX: usize = 64;
/// Rooms that were left and whose positions are still told.
const LEFT_MAX: usize = 1024;
/// Former sessions of this client that are known as its own.
const FORMER_MAX: usize = 16;

/// Positions of the rooms that the session is in.
#[derive(Debug, Default)]
pub(crate) struct Positions {
    rooms: HashMap<String, HashMap<String, Position>>,
    /// How far rooms were handed over that the session is not in any more, with their namespaces, the last one left last.
    left: VecDeque<(String, v1::RoomPosition)>,
    /// Ids of the sessions before this one, the newest last.
    former: VecDeque<String>,
    /// The application has asked to hear what it says itself.
    echoes: bool,
}

/// How far one room has been handed over.
#[derive(Debug, Default, PartialEq, Eq)]
struct Position {
    epoch: String,
    /// Everything up to here was handed over, was not for this session, or was told as missed.
    offset: u64,
    /// First and last of each range above `offset` that was handed over, or is of this session's own.
    had: BTreeMap<u64, u64>,
    /// What comes up to here comes out of the history, after the session was lost.
    recovers_to: u64,
    /// What comes up to here was said before the session was a member.
    past_to: u64,
}

impl Position {
    fn at(epoch: &str, offset: u64) -> Self {
        Self { epoch: epoch.to_owned(), offset, ..Self::default() }
    }

    fn told(&self, room: &str) -> v1::RoomPosition {
        v1::RoomPosition { room: room.to_owned(), epoch: self.epoch.clone(), offset: self.offset }
    }

    fn has(&self, offset: u64) -> bool {
        offset <= self.offset
            || self.had.range(..=offset).next_back().is_some_and(|(_, last)| *last >= offset)
    }

    /// Everything up to `offset` has come, or will not.
    fn advance(&mut self, offset: u64) {
        self.offset = self.offset.max(offset);
        while let Some(range) = self.had.first_entry() {
            if *range.key() > self.offset.saturating_add(1) {
                break;
            }
            self.offset = self.offset.max(range.remove());
        }
    }

    /// This one has come; those before it may still come.
    fn mark(&mut self, offset: u64) {
        if self.has(offset) {
            return;
        }
        let below = self.had.range(..offset).next_back().filter(|(_, last)| **last == offset - 1);
        let first = below.map_or(offset, |(first, _)| *first);
        let last = self.had.remove(&offset.saturating_add(1)).unwrap_or(offset);
        self.had.insert(first, last);
        self.advance(self.offset);
        while self.had.len() > RANGES_MAX {
            self.had.pop_first();
        }
    }
}

impl Positions {
    /// The position of a room that the session is in, for its recovery.
    pub(crate) fn of(&self, namespace: &str, room: &str) -> Option<v1::RoomPosition> {
        self.rooms.get(namespace)?.get(room).map(|position| position.told(room))
    }

    /// The position of a room, also after it was left.
    pub(crate) fn last(&self, namespace: &str, room: &str) -> Option<v1::RoomPosition> {
        let left = || self.left.iter().find(|(space, at)| space == namespace && at.room == room);
        self.of(namespace, room).or_else(|| left().map(|(_, at)| at.clone()))
    }

    /// A session has ended that others knew by this id.
    pub(crate) fn ended(&mut self, session: String) {
        self.former.push_back(session);
        while self.former.len() > FORMER_MAX {
            self.former.pop_front();
        }
    }

    /// An emit goes out.
    pub(crate) fn emits(&mut self, emit: &v1::Emit) {
        self.echoes |= emit.target.as_ref().is_some_and(|target| target.include_sender);
    }

    /// `join` was answered.
    pub(crate) fn joined(&mut self, join: &v1::Join, joined: &v1::Joined) {
        for state in &joined.rooms {
            let asked = join.recover.iter().find(|asked| asked.room == state.room);
            self.found(&joined.namespace, state, asked, join.newest);
        }
    }

    fn found(
        &mut self,
        namespace: &str,
        state: &v1::RoomState,
        asked: Option<&v1::RoomPosition>,
        newest: u32,
    ) {
        self.left.retain(|(space, at)| space != namespace || at.room != state.room);
        let rooms = self.rooms.entry(namespace.to_owned()).or_default();
        // A history without an event has no epoch yet, but a position.
        let Some(last) = state.offset else {
            rooms.remove(&state.room);
            return;
        };
        let oldest = state.first_offset.unwrap_or(0).saturating_sub(1).min(last);
        let recovers = matches!(state.recovery(), v1::Recovery::Whole | v1::Recovery::Partial);
        let known = rooms.get_mut(&state.room);
        let known = known.filter(|known| known.epoch == state.epoch || known.epoch.is_empty());
        let offset = match (asked, known) {
            (Some(_), Some(position)) if recovers => {
                position.epoch.clone_from(&state.epoch);
                (position.recovers_to, position.past_to) = (last, last);
                return;
            }
            // The right to recover is missing.
            (Some(_), Some(position)) if position.offset <= last => return,
            // Joined once more: what came before was handed over, and moved the position already.
            (None, Some(_)) => return,
            (Some(asked), _) if recovers => asked.offset,
            (Some(asked), _) if asked.epoch == state.epoch && asked.offset <= last => asked.offset,
            // Of another life, or a shorter one, everything that it keeps comes.
            (Some(_), _) => oldest,
            // What was asked for as newest is still to come.
            (None, None) if newest > 0 => last.saturating_sub(u64::from(newest)).max(oldest),
            (None, None) => last,
        };
        let recovers_to = if asked.is_some() { last } else { 0 };
        let position = Position { recovers_to, past_to: last, ..Position::at(&state.epoch, offset) };
        rooms.insert(state.room.clone(), position);
    }

    /// Takes note of an event that is about to be handed over; false when the application has had it, or said it.
    pub(crate) fn is_new(&mut self, event: &v1::Event) -> bool {
        let Some(rooms) = self.rooms.get_mut(&event.namespace) else {
            return true;
        };
        let sender = event.sender.as_ref().map_or("", |sender| sender.session.as_str());
        let own = !self.echoes && self.former.iter().any(|former| former == sender);
        let mut new = true;
        for (room, epoch, offset) in places(event) {
            let Some(position) = rooms.get_mut(room) else { continue };
            if position.epoch.is_empty() {
                epoch.clone_into(&mut position.epoch);
            }
            if position.epoch != epoch {
                *position = Position::at(epoch, offset.saturating_sub(1));
            }
            let said = own && offset <= position.recovers_to;
            new &= !(said || position.has(offset));
        }
        for (room, _, offset) in places(event) {
            let Some(position) = rooms.get_mut(room) else { continue };
            // Events of one room come in their order; one to several rooms comes once, where the first of them has it.
            match event.offset {
                Some(_) => position.advance(offset),
                None => position.mark(offset),
            }
        }
        new
    }

    /// Holds when an event was said before the session was a member: it comes out of a history.
    pub(crate) fn is_past(&self, event: &v1::Event) -> bool {
        let Some(rooms) = self.rooms.get(&event.namespace) else { return false };
        let past =
            |position: &Position, epoch: &str, offset| position.epoch == epoch && offset <= position.past_to;
        places(event).any(|(room, epoch, offset)| {
            rooms.get(room).is_some_and(|position| past(position, epoch, offset))
        })
    }

    /// An own emit was taken: its event does not come, unless it was asked for.
    pub(crate) fn accepted(&mut self, emit: &v1::Emit, accepted: &v1::Accepted) {
        let Some(target) = emit.target.as_ref().filter(|target| !target.include_sender) else {
            return;
        };
        // It was taken from another session then, and came as an event or is still to come.
        if accepted.duplicate {
            return;
        }
        let single = accepted.offset.zip(target.rooms.first()).filter(|_| target.rooms.len() == 1);
        let single = single.map(|(offset, room)| (room.as_str(), accepted.epoch.as_str(), offset));
        let several = accepted.positions.iter().map(|at| (at.room.as_str(), at.epoch.as_str(), at.offset));
        let Some(rooms) = self.rooms.get_mut(&emit.namespace) else { return };
        for (room, epoch, offset) in single.into_iter().chain(several) {
            let Some(position) = rooms.get_mut(room) else { continue };
            if position.epoch.is_empty() {
                epoch.clone_into(&mut position.epoch);
            }
            // Events before it may still be gathered at the server, so the position does not jump.
            if position.epoch == epoch {
                position.mark(offset);
            }
        }
    }

    /// The server has told that events are missing: they will not come.
    pub(crate) fn missed(&mut self, missed: &v1::Missed) {
        let (Some(to), [room]) = (missed.to_offset, missed.rooms.as_slice()) else {
            return;
        };
        let position = self.rooms.get_mut(&missed.namespace).and_then(|rooms| rooms.get_mut(room));
        if let Some(position) = position.filter(|position| position.epoch == missed.epoch) {
            position.advance(to);
        }
    }

    /// The session is no longer in these rooms.
    pub(crate) fn parted(&mut self, namespace: &str, rooms: &[String]) {
        let Some(here) = self.rooms.get_mut(namespace) else { return };
        let gone: Vec<_> = here.extract_if(|room, _| rooms.contains(room)).collect();
        self.keep(namespace, gone);
    }

    /// The session is no longer in this namespace.
    pub(crate) fn left(&mut self, namespace: &str) {
        let gone = self.rooms.remove(namespace).unwrap_or_default();
        self.keep(namespace, gone);
    }

    fn keep(&mut self, namespace: &str, gone: impl IntoIterator<Item = (String, Position)>) {
        let told = gone.into_iter().map(|(room, position)| (namespace.to_owned(), position.told(&room)));
        self.left.extend(told);
        self.left.drain(..self.left.len().saturating_sub(LEFT_MAX));
    }
}

/// Where an event stands in the histories of its rooms.
fn places(event: &v1::Event) -> impl Iterator<Item = (&str, &str, u64)> {
    let single = event.offset.zip(event.rooms.first());
    let single = single.map(|(offset, room)| (room.as_str(), event.epoch.as_str(), offset));
    let several = event.positions.iter().map(|at| (at.room.as_str(), at.epoch.as_str(), at.offset));
    single.into_iter().chain(several)
}

#[cfg(test)]
mod tests;
