//! Which member of a room may be told an event as the difference to the one before it. A member has got a base when it
//! was put in its outbox as a frame since it joined, and since when nothing was lost on its way; the outbox counts
//! losses. Rooms in which nobody wants deltas keep nothing. Pure but for the outboxes that it fills.

use bytes::Bytes;
use indexmap::IndexMap;

use super::{fan_out::FanOut, member::Member};
use crate::{
    base::config::BehindPolicy,
    wire::{Class, Frame, delta::Whole},
};

/// Things, by event name and key, of which a room keeps the last payload.
const BASES_MAX: usize = 64;
/// Bytes of payloads that a room keeps.
const BASES_BYTES_MAX: usize = 1 << 20;

/// An event on its way to the members of a room, and the one who does not hear it.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) frame: Frame,
    pub(super) delta: Option<Delta>,
    pub(super) except: Option<u64>,
}

/// The same event as the difference to an earlier one.
#[derive(Debug, Clone)]
pub(super) struct Delta {
    pub(super) frame: Frame,
    /// The number of the earlier one.
    pub(super) base: u64,
    /// Who has not heard that.
    pub(super) unheard_by: Option<u64>,
}

impl Delta {
    /// Whether a member can read it that has got everything since the event with that number.
    pub(super) fn is_for(&self, member: u64, since: u64) -> bool {
        self.base >= since && self.unheard_by != Some(member)
    }
}

/// Frames that are put together, in full and, where it can be, with deltas.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) full: Frame,
    pub(super) delta: Option<Frame>,
}

/// The last payloads of a room.
#[derive(Debug, Default)]
pub(super) struct Bases {
    /// The one that was set last is last.
    things: IndexMap<(String, String), Base>,
    bytes: usize,
    /// The number of the next event.
    pub(super) next: u64,
}

#[derive(Debug)]
struct Base {
    number: u64,
    event_id: String,
    dictionary: Bytes,
    unheard_by: Option<u64>,
}

impl Bases {
    /// Notes an event, and makes the difference to the one before it if there is one and it is worth it.
    pub(super) fn take(&mut self, frame: &Frame, except: Option<u64>) -> Option<Delta> {
        let number = self.next;
        self.next += 1;
        let whole = Whole::of(frame)?;
        let before = self.forget(whole.thing());
        let dictionary = whole.dictionary().filter(|_| frame.class() == Class::Reliable)?;
        let delta = before.and_then(|base| {
            let frame = whole.delta(&base.event_id, &base.dictionary)?;
            Some(Delta { frame, base: base.number, unheard_by: base.unheard_by })
        });
        let (name, key) = whole.thing();
        let thing = (name.to_owned(), key.to_owned());
        self.bytes += dictionary.len();
        let event_id = whole.id().to_owned();
        self.things.insert(thing, Base { number, event_id, dictionary, unheard_by: except });
        while self.things.len() > BASES_MAX || self.bytes > BASES_BYTES_MAX {
            if let Some((_, oldest)) = self.things.shift_remove_index(0) {
                self.bytes -= oldest.dictionary.len();
            }
        }
        delta
    }

    /// Notes an event that some have got and some not: what follows it is told in full.
    pub(super) fn pass(&mut self, frame: &Frame) {
        if let Some(whole) = Whole::of(frame).filter(Whole::is_for_one_room) {
            self.forget(whole.thing());
        }
    }

    fn forget(&mut self, (name, key): (&str, &str)) -> Option<Base> {
        let base = self.things.shift_remove(&(name.to_owned(), key.to_owned()))?;
        self.bytes -= base.dictionary.len();
        Some(base)
    }

    /// Panics when its bound is passed or its count is wrong. For tests, after each step.
    #[cfg(test)]
    pub(super) fn check(&self) {
        assert_eq!(self.bytes, self.things.values().map(|base| base.dictionary.len()).sum::<usize>());
        assert!(self.things.len() <= BASES_MAX && self.bytes <= BASES_BYTES_MAX);
        assert!(self.things.values().is_sorted_by_key(|base| base.number));
    }
}

impl FanOut {
    /// Puts runs of frames in the outbox of a member that takes deltas; the next event of the room will have the number `next`.
    pub(super) fn put_runs(&mut self, member: &mut Member, runs: &[Run], policy: BehindPolicy, next: u64) {
        let losses = member.losses;
        for run in runs {
            let (put, now) = member.session.outbox.put_either(&run.full, run.delta.as_ref(), losses, policy);
            // When one is lost, those behind it are compared with the count of before, and come in full.
            member.losses = now;
            self.note(put, &run.full, &member.session);
        }
        if member.losses != losses {
            member.clean_since = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use rialto_proto::v1::{Content, Event, content::Body};

    use super::*;

    fn frame(key: &str, length: usize) -> Frame {
        let body = Some(Body::Text("abcdefgh".repeat(length / 8)));
        let content = Content { event: "move".into(), key: key.into(), body, ..Content::default() };
        Frame::event(Event { content: Some(content), ..Event::default() }, Class::Reliable)
    }

    #[test]
    fn the_oldest_bases_go_first() {
        let mut bases = Bases::default();
        for number in 0..BASES_MAX + 1 {
            assert!(bases.take(&frame(&number.to_string(), 256), None).is_none());
            bases.check();
        }
        assert!(bases.take(&frame("1", 256), None).is_some_and(|delta| delta.base == 1));
        assert!(bases.take(&frame("0", 256), None).is_none(), "it was the oldest");
        assert!(bases.take(&frame("2", 256), None).is_none(), "it has gone for the one before");
        bases.check();
    }

    #[test]
    fn bases_are_bounded_in_bytes() {
        let mut bases = Bases::default();
        for number in 0..40 {
            bases.take(&frame(&number.to_string(), 64 << 10), None);
            bases.check();
        }
        assert!(bases.things.len() < 40);
    }

    #[test]
    fn an_event_that_may_be_lost_is_no_base_and_ends_the_one_before() {
        let mut bases = Bases::default();
        bases.take(&frame("a", 256), None);
        let volatile = Frame::event(frame("a", 256).events().remove(0), Class::Volatile);
        assert!(bases.take(&volatile, None).is_none());
        assert!(bases.take(&frame("a", 256), None).is_none());
    }
}
