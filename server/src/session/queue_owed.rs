//! What a queue owes its receiver: it is read from where it is kept when the receiver comes to it, and may grow meanwhile.

use std::sync::Arc;

use rialto_proto::v1::Event;

use super::{
    owed::{Owed, Rest, StateAfter, Stretch},
    put::{Bounds, Put},
    queue::{Entry, Queue},
};
use crate::wire::Frame;

/// Stretches of histories that a receiver may have fallen behind by, before the policy of the namespace decides.
const LAGS_MAX: usize = 128;

impl Queue {
    /// Puts in something that is to be read when the client comes to it.
    pub(super) fn owe(&mut self, owed: Owed) {
        self.note_missed();
        self.owed += 1;
        self.fresh += 1;
        self.entries.push_back(Entry::Owed(Box::new(owed)));
    }

    /// Puts in a change of a room's state, unless the state is owed anyway; owes it when there is no room. What is owed at the
    /// front may have been read already, and is read on if the change was not.
    pub(super) fn put_state(&mut self, frame: &Frame, before: StateAfter, bounds: Bounds) -> Put {
        let same = |owed: &Owed| matches!(owed, Owed::State(known) if known.room == before.room && known.namespace == before.namespace);
        let owes = |entry: &Entry| matches!(entry, Entry::Owed(owed) if same(owed));
        let owed = if self.owed > 0 { self.entries.iter().rposition(owes) } else { None };
        match owed {
            None if self.fits(frame, bounds) => return self.waits(frame.clone(), 0, bounds),
            None => self.owe(Owed::State(before)),
            Some(0) => self.changed = Some(before),
            Some(_) => {}
        }
        Put::Lags
    }

    /// Puts what was read in the place of what was owed at the front, and owes the rest of it. Does nothing when it is
    /// not there any more.
    pub(super) fn settle(&mut self, owed: &Owed, frames: Vec<Frame>, rest: Rest) {
        let Some(Entry::Owed(front)) = self.entries.front_mut() else { return };
        // While it was read it may have grown by what came after.
        let grown = match (&mut **front, owed) {
            (Owed::Events(now), Owed::Events(then)) if now.to > then.to && now.from == then.from => {
                Some(Owed::Events(Stretch { from: then.to + 1, ..now.clone() }))
            }
            (now, then) if now == then => None,
            _ => return,
        };
        let changed = self.changed.take();
        let rest = match (rest, grown) {
            (Rest::Owed(Owed::Events(rest)), Some(Owed::Events(grown))) => {
                Some(Owed::Events(Stretch { to: grown.to, ..rest }))
            }
            (Rest::Owed(rest), _) => Some(rest),
            (Rest::Since(read), _) => {
                changed.filter(|changed| !read.covers(changed)).map(|_| Owed::State(read))
            }
            (Rest::Nothing, grown) => grown,
        };
        self.entries.pop_front();
        self.owed -= 1;
        if let Some(rest) = rest {
            self.owed += 1;
            self.entries.push_front(Entry::Owed(Box::new(rest)));
        }
        for frame in frames.into_iter().rev() {
            self.count_in(&frame);
            self.entries.push_front(Entry::Frame(frame));
        }
    }

    /// Owes events that are kept in a history, when they can be had from there again.
    pub(super) fn lag(&mut self, frame: &Frame) -> bool {
        if !frame.is_kept() {
            return false;
        }
        let events = frame.events();
        if self.owed + events.len() > LAGS_MAX {
            return false;
        }
        self.losses += 1;
        for stretch in events.into_iter().filter_map(stretch) {
            if let Some(Entry::Owed(last)) = self.entries.back_mut()
                && let Owed::Events(last) = &mut **last
                && last.extend(&stretch)
            {
                continue;
            }
            self.owe(Owed::Events(stretch));
        }
        true
    }
}

/// Where an event can be had again. One that is kept in several histories can be had from each of them.
fn stretch(event: Event) -> Option<Stretch> {
    let (room, epoch, offset) = match (event.offset, event.positions.into_iter().next()) {
        (Some(offset), _) => (event.rooms.into_iter().next()?, event.epoch, offset),
        (None, Some(position)) => (position.room, position.epoch, position.offset),
        (None, None) => return None,
    };
    let namespace: Arc<str> = event.namespace.into();
    Some(Stretch { namespace, room: room.into(), epoch, from: offset, to: offset })
}
