//! Jobs that wait for a worker, in the order in which they are served: by priority; within a priority in turns between fairness
//! keys, each as many as its weight says (deficit round robin, Shreedhar and Varghese 1995, with jobs of cost one); within a key
//! first in, first out. Pure; knows numbers of jobs and keys, and nothing else of them.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, VecDeque},
};

use super::{KeyIndex, Seq};
use crate::base::hash::HashMap;

/// What waits in one queue.
#[derive(Debug, Default)]
pub(super) struct Ready {
    levels: BTreeMap<Reverse<i8>, Level>,
    /// Jobs whose keys are not held back.
    open: usize,
}

/// What waits with one priority.
#[derive(Debug, Default)]
struct Level {
    lanes: HashMap<KeyIndex, Lane>,
    /// Keys in turns. May hold lanes that have become empty.
    turn: VecDeque<KeyIndex>,
}

/// What waits with one key.
#[derive(Debug, Default)]
struct Lane {
    jobs: BTreeSet<Seq>,
    /// How many are served before it is another key's turn.
    deficit: u32,
    /// Whether it is among the turns.
    turning: bool,
    /// Whether it is held back: its jobs may not begin at present.
    held: bool,
}

impl Ready {
    /// A job waits.
    pub(super) fn insert(&mut self, priority: i8, key: KeyIndex, seq: Seq) {
        let level = self.levels.entry(Reverse(priority)).or_default();
        let lane = level.lanes.entry(key).or_default();
        if !lane.jobs.insert(seq) {
            return;
        }
        if !lane.held {
            self.open += 1;
            if !std::mem::replace(&mut lane.turning, true) {
                level.turn.push_back(key);
            }
        }
    }

    /// A job does not wait any more. Whether it did.
    pub(super) fn remove(&mut self, priority: i8, key: KeyIndex, seq: Seq) -> bool {
        let Some(level) = self.levels.get_mut(&Reverse(priority)) else { return false };
        let Some(lane) = level.lanes.get_mut(&key) else { return false };
        if !lane.jobs.remove(&seq) {
            return false;
        }
        self.open -= usize::from(!lane.held);
        if lane.jobs.is_empty() && !lane.turning {
            level.lanes.remove(&key);
        }
        if level.lanes.is_empty() {
            self.levels.remove(&Reverse(priority));
        }
        true
    }

    /// Whether a job might be served.
    pub(super) fn is_open(&self) -> bool {
        self.open > 0
    }

    /// Takes out the job that is to be served next. `admits` gives the weight of a key of which another job may begin: so many of it
    /// are served in a turn. A key of which none may is held back until [`Ready::let_go`].
    pub(super) fn next(
        &mut self,
        mut admits: impl FnMut(KeyIndex) -> Option<u32>,
    ) -> Option<(Seq, KeyIndex)> {
        let mut emptied = Vec::new();
        let mut found = None;
        for (priority, level) in &mut self.levels {
            found = level.next(&mut admits, &mut self.open);
            if level.lanes.is_empty() {
                emptied.push(*priority);
            }
            if found.is_some() {
                break;
            }
        }
        for priority in emptied {
            self.levels.remove(&priority);
        }
        found
    }

    /// A key is not held back any more.
    pub(super) fn let_go(&mut self, key: KeyIndex) {
        for level in self.levels.values_mut() {
            let Some(lane) = level.lanes.get_mut(&key).filter(|lane| lane.held) else { continue };
            lane.held = false;
            self.open += lane.jobs.len();
            if !std::mem::replace(&mut lane.turning, true) {
                level.turn.push_back(key);
            }
        }
    }

    /// Panics when what is counted is not what there is.
    #[cfg(test)]
    pub(super) fn check(&self) {
        let mut open = 0;
        for level in self.levels.values() {
            assert!(!level.lanes.is_empty());
            let turning: BTreeSet<_> = level.turn.iter().copied().collect();
            assert_eq!(turning.len(), level.turn.len(), "a key is in turns once");
            for (key, lane) in &level.lanes {
                assert_eq!(lane.turning, turning.contains(key));
                assert!(lane.turning || lane.held, "nobody would serve {key:?}");
                assert!(lane.turning || !lane.jobs.is_empty());
                open += if lane.held { 0 } else { lane.jobs.len() };
            }
        }
        assert_eq!(open, self.open);
    }

    /// All jobs that wait.
    #[cfg(test)]
    pub(super) fn all(&self) -> BTreeSet<Seq> {
        self.levels
            .values()
            .flat_map(|level| level.lanes.values())
            .flat_map(|lane| lane.jobs.clone())
            .collect()
    }
}

impl Level {
    fn next(
        &mut self,
        admits: &mut impl FnMut(KeyIndex) -> Option<u32>,
        open: &mut usize,
    ) -> Option<(Seq, KeyIndex)> {
        while let Some(key) = self.turn.front().copied() {
            let Some(lane) = self.lanes.get_mut(&key) else {
                self.turn.pop_front();
                continue;
            };
            let weight = if lane.held || lane.jobs.is_empty() { None } else { admits(key) };
            let Some(weight) = weight else {
                self.turn.pop_front();
                (lane.turning, lane.deficit) = (false, 0);
                if lane.jobs.is_empty() {
                    self.lanes.remove(&key);
                } else if !std::mem::replace(&mut lane.held, true) {
                    *open -= lane.jobs.len();
                }
                continue;
            };
            if lane.deficit == 0 {
                lane.deficit = weight.max(1);
            }
            lane.deficit -= 1;
            let seq = lane.jobs.pop_first()?;
            *open -= 1;
            if lane.jobs.is_empty() {
                self.turn.pop_front();
                self.lanes.remove(&key);
            } else if lane.deficit == 0 {
                self.turn.rotate_left(1);
            }
            return Some((seq, key));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(ready: &mut Ready, weight: impl Fn(KeyIndex) -> u32) -> Vec<u64> {
        let mut order = Vec::new();
        while let Some((seq, _)) = ready.next(|key| Some(weight(key))) {
            ready.check();
            order.push(seq.0);
        }
        order
    }

    #[test]
    fn higher_priorities_come_first_and_within_one_who_came_first() {
        let mut ready = Ready::default();
        for (seq, priority) in [(1, 0), (2, -3), (3, 5), (4, 0), (5, 5)] {
            ready.insert(priority, KeyIndex(0), Seq(seq));
        }
        assert_eq!(served(&mut ready, |_| 1), [3, 5, 1, 4, 2]);
        assert!(!ready.is_open());
    }

    #[test]
    fn a_flood_of_one_key_leaves_every_other_one_its_turn() {
        let mut ready = Ready::default();
        for seq in 0..100 {
            ready.insert(0, KeyIndex(0), Seq(seq));
        }
        ready.insert(0, KeyIndex(1), Seq(100));
        ready.insert(0, KeyIndex(2), Seq(101));
        let order = served(&mut ready, |_| 1);
        assert_eq!(order[..5], [0, 100, 101, 1, 2]);
    }

    #[test]
    fn a_key_of_weight_three_is_served_three_times_in_a_turn() {
        let mut ready = Ready::default();
        for seq in 0..8 {
            ready.insert(0, KeyIndex(0), Seq(seq));
            ready.insert(0, KeyIndex(1), Seq(100 + seq));
        }
        let order = served(&mut ready, |key| if key == KeyIndex(0) { 3 } else { 1 });
        assert_eq!(order[..8], [0, 1, 2, 100, 3, 4, 5, 101]);
    }

    #[test]
    fn a_key_that_may_not_begin_is_held_back_and_served_once_it_is_let_go() {
        let mut ready = Ready::default();
        ready.insert(0, KeyIndex(0), Seq(1));
        ready.insert(0, KeyIndex(1), Seq(2));
        ready.insert(-1, KeyIndex(0), Seq(3));
        let not_0 = |key: KeyIndex| (key != KeyIndex(0)).then_some(1);
        assert_eq!(ready.next(not_0), Some((Seq(2), KeyIndex(1))));
        assert_eq!(ready.next(not_0), None);
        ready.check();
        assert!(!ready.is_open());
        ready.insert(0, KeyIndex(0), Seq(4));
        assert!(!ready.is_open(), "what comes meanwhile is held back too");
        ready.let_go(KeyIndex(0));
        ready.check();
        assert_eq!(served(&mut ready, |_| 1), [1, 4, 3]);
    }
}
