//! Whether something is missing between what a node has said at a place and what it had said there before: each message names
//! the one before it. Pure.

use std::collections::{HashMap, VecDeque};

use super::{envelope::Heard, subjects::Place};
use crate::base::ids::NodeId;

/// Numbers of messages with several copies that are remembered of one node: copies come close to each other.
const COPIES_MAX: usize = 256;
/// Nodes that are remembered, at one place and for their copies. Each start of a node is another one, so that they add up;
/// beyond, all are forgotten, and what was missing just then is not noticed.
const NODES_MAX: usize = 1_024;

/// What to do with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Something that was said at the same place before is missing.
    pub gap: bool,
    /// It was heard at another place already, or what was said later was: then it was told as missing. A server that hung hands out
    /// late what a node had said to it before it went to another one.
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
        if !self.places.contains_key(place) {
            self.places.insert(place.clone(), HashMap::new());
        }
        let last = self.places.get_mut(place).and_then(|nodes| {
            make_room(nodes, origin);
            let known = nodes.get(origin).copied();
            nodes.insert(*origin, known.unwrap_or_default().max(*seq));
            known
        });
        // Who has just begun to listen has missed nothing that it was to hear.
        let gap = last.is_some_and(|last| *previous > last);
        let late = last.is_some_and(|last| *seq <= last);
        let again = late || *copies > 1 && self.is_copy(*origin, *seq);
        Verdict { gap, again }
    }

    fn is_copy(&mut self, origin: NodeId, seq: u64) -> bool {
        make_room(&mut self.copies, &origin);
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

fn make_room<T>(nodes: &mut HashMap<NodeId, T>, for_node: &NodeId) {
    if nodes.len() >= NODES_MAX && !nodes.contains_key(for_node) {
        nodes.clear();
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
            word: Word::Announce { leaves: false, all_answered: false },
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
    fn what_comes_late_is_passed_over_and_missing_once() {
        let (mut gaps, node) = (Gaps::default(), NodeId::random());
        let mut note = |place, numbers| gaps.note(&heard(place, node, numbers, 1));
        let verdict = |gap, again| Verdict { gap, again };
        assert_eq!(note("a", (4, 0)), verdict(false, false));
        assert_eq!(note("a", (9, 7)), verdict(true, false));
        assert_eq!(note("a", (6, 4)), verdict(false, true));
        assert_eq!(note("a", (7, 6)), verdict(false, true));
        assert_eq!(note("a", (9, 7)), verdict(false, true));
        assert_eq!(note("a", (10, 9)), verdict(false, false));
        assert_eq!(note("b", (6, 4)), verdict(false, false), "places are heard each for itself");
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

    #[test]
    fn only_so_many_nodes_are_remembered() {
        let mut gaps = Gaps::default();
        for _ in 0..3 * NODES_MAX {
            gaps.note(&heard("a", NodeId::random(), (1, 0), 2));
            assert!(
                gaps.copies.len() <= NODES_MAX && gaps.places.values().all(|nodes| nodes.len() <= NODES_MAX)
            );
        }
    }
}
