//! Whether something is missing between what a node has said at a place and what it had said there before: each message names
//! the one before it. Pure.

use std::collections::{HashMap, VecDeque};

use super::{envelope::Heard, subjects::Place};
use crate::base::ids::NodeId;

/// Numbers of messages with several copies that are remembered of one node: copies come close to each other.
const COPIES_MAX: usize = 256;

/// What to do with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Something that was said at the same place before is missing.
    pub gap: bool,
    /// It was heard at another place already.
    pub again: bool,
}

/// What was heard last, everywhere.
#[derive(Debug, Default)]
pub struct Gaps {
    places: HashMap<Place, HashMap<NodeId, u64>>,
    copies: HashMap<NodeId, VecDeque<u64>>,
}

impl Gaps {
    /// Notes a message.
    pub fn note(&mut self, heard: &Heard) -> Verdict {
        let Heard { place, origin, seq, previous, copies, .. } = heard;
        let last = match self.places.get_mut(place) {
            Some(nodes) => nodes.insert(*origin, *seq),
            None => self.places.entry(place.clone()).or_default().insert(*origin, *seq),
        };
        // Who has just begun to listen has missed nothing that it was to hear.
        let gap = last.is_some_and(|last| *previous > last);
        let again = *copies > 1 && self.is_copy(*origin, *seq);
        Verdict { gap, again }
    }

    fn is_copy(&mut self, origin: NodeId, seq: u64) -> bool {
        let known = self.copies.entry(origin).or_default();
        if known.contains(&seq) {
            return true;
        }
        if known.len() == COPIES_MAX {
            known.pop_front();
        }
        known.push_back(seq);
        false
    }

    /// Nobody listens at a place any more.
    pub fn forget(&mut self, place: &Place) {
        self.places.remove(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::Word;

    fn heard(place: &str, origin: NodeId, (seq, previous): (u64, u64), copies: u32) -> Heard {
        Heard {
            place: Place::room("chat", place),
            origin,
            seq,
            previous,
            copies,
            word: Word::Announce { leaves: false },
        }
    }

    #[test]
    fn a_gap_is_found_where_it_is_and_once() {
        let (mut gaps, node, other) = (Gaps::default(), NodeId::random(), NodeId::random());
        let mut note = |place, node, numbers| gaps.note(&heard(place, node, numbers, 1)).gap;
        assert!(!note("a", node, (9, 4)), "what was before is not missing");
        assert!(!note("b", node, (10, 0)));
        assert!(!note("a", node, (11, 9)));
        assert!(!note("a", other, (500, 3)));
        assert!(note("a", node, (17, 15)), "15 was not heard");
        assert!(!note("a", node, (18, 17)));
        assert!(!note("b", node, (20, 10)));
        assert!(!note("a", node, (21, 0)), "it does not know");
        gaps.forget(&Place::room("chat", "a"));
        assert!(!gaps.note(&heard("a", node, (40, 30), 1)).gap);
    }

    #[test]
    fn copies_are_passed_over() {
        let (mut gaps, node, other) = (Gaps::default(), NodeId::random(), NodeId::random());
        let mut note = |place, node, seq| gaps.note(&heard(place, node, (seq, 0), 2)).again;
        assert!(!note("a", node, 1));
        assert!(note("b", node, 1));
        assert!(!note("a", other, 1), "another one's");
        assert!(!note("a", node, 2));
        assert!(note("b", node, 2));
    }
}
