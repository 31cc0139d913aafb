//! Jobs that wait for a worker, in the order in which they are served: by priority; within a priority those first of whose fairness
//! key the fewest run for its weight; among such in turns (start-time fair queueing, Goyal, Vin and Cheng 1996, with jobs of cost
//! one); within a key first in, first out. Pure; knows numbers of jobs and keys, and of a key what it has at present.
//!
//! So it is workers that keys share, not beginnings: who floods a queue, or whose jobs take long, has as many of them as everybody
//! else who wants some, and whoever has none is the next.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use super::{KeyIndex, Seq};
use crate::base::hash::HashMap;

/// One service of a key of weight 1, in virtual time.
const SERVICE: u64 = 1 << 20;

/// What a key has of the workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    /// Jobs of it that run.
    pub(super) running: u32,
    /// How much it is to have beside others, at least 1.
    pub(super) weight: u32,
}

impl Share {
    /// What runs for each of its weight.
    fn each(self) -> u64 {
        u64::from(self.running) * SERVICE / self.weighs()
    }

    fn weighs(self) -> u64 {
        u64::from(self.weight.max(1))
    }
}

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
    /// Keys that may be served, in the order in which they are. What runs of one may be more than it was when it came here, never
    /// less.
    turns: BTreeSet<(Turn, KeyIndex)>,
    /// What those weigh together.
    weighs: u64,
    /// Virtual time: how often all of those were served.
    time: u64,
}

/// When it is a key's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    /// What runs of it for its weight.
    share: u64,
    /// The virtual time at which its next service begins.
    start: u64,
    /// Among those that came together, who came first.
    first: Seq,
    /// Which does not count for the order.
    weighs: u64,
}

/// What waits with one key.
#[derive(Debug, Default)]
struct Lane {
    jobs: BTreeSet<Seq>,
    /// The virtual time at which its next service was to begin, when it was in turns last.
    start: u64,
    /// None: it is held back, its jobs may not begin at present.
    turn: Option<Turn>,
}

impl Ready {
    /// A job waits, whose key has so much.
    pub(super) fn insert(&mut self, priority: i8, (key, share): (KeyIndex, Share), seq: Seq) {
        let level = self.levels.entry(Reverse(priority)).or_default();
        let lane = level.lanes.entry(key).or_default();
        let held = lane.turn.is_none() && !lane.jobs.is_empty();
        if lane.jobs.insert(seq) && !held {
            self.open += 1;
            level.take_turn(key, share);
        }
    }

    /// A job does not wait any more. Whether it did.
    pub(super) fn remove(&mut self, priority: i8, key: KeyIndex, seq: Seq) -> bool {
        let Some(level) = self.levels.get_mut(&Reverse(priority)) else { return false };
        let Some(lane) = level.lanes.get_mut(&key) else { return false };
        if !lane.jobs.remove(&seq) {
            return false;
        }
        self.open -= usize::from(lane.turn.is_some());
        level.forget_empty(key);
        if level.lanes.is_empty() {
            self.levels.remove(&Reverse(priority));
        }
        true
    }

    /// Whether a job might be served.
    pub(super) fn is_open(&self) -> bool {
        self.open > 0
    }

    /// Takes out the job that is to be served next. `admits` gives what a key has of which another job may begin. A key of which none
    /// may is held back until [`Ready::let_go`].
    pub(super) fn next(
        &mut self,
        mut admits: impl FnMut(KeyIndex) -> Option<Share>,
    ) -> Option<(Seq, KeyIndex)> {
        let mut found = None;
        for level in self.levels.values_mut() {
            found = level.next(&mut admits, &mut self.open);
            if found.is_some() {
                break;
            }
        }
        let emptied = self.levels.iter().find(|(_, level)| level.lanes.is_empty());
        if let Some(priority) = emptied.map(|(priority, _)| *priority) {
            self.levels.remove(&priority);
        }
        found
    }

    /// A key has less of the workers now, or is not held back any more.
    pub(super) fn let_go(&mut self, key: KeyIndex, share: Share) {
        for level in self.levels.values_mut() {
            let Some(lane) = level.lanes.get(&key) else { continue };
            if lane.turn.is_none() {
                self.open += lane.jobs.len();
            }
            level.take_turn(key, share);
        }
    }

    /// A key may weigh more or less now. One that is held back stays so.
    pub(super) fn weigh(&mut self, key: KeyIndex, share: Share) {
        for level in self.levels.values_mut() {
            if level.lanes.get(&key).is_some_and(|lane| lane.turn.is_some()) {
                level.take_turn(key, share);
            }
        }
    }

    /// Panics when what is counted is not what there is.
    #[cfg(test)]
    pub(super) fn check(&self, share: impl Fn(KeyIndex) -> Share) {
        let mut open = 0;
        for level in self.levels.values() {
            assert!(!level.lanes.is_empty());
            assert_eq!(level.weighs, level.turns.iter().map(|(turn, _)| turn.weighs).sum::<u64>());
            let turns: BTreeSet<_> =
                level.lanes.iter().filter_map(|(key, lane)| Some((lane.turn?, *key))).collect();
            assert_eq!(turns, level.turns);
            for (key, lane) in &level.lanes {
                assert!(!lane.jobs.is_empty());
                open += if lane.turn.is_some() { lane.jobs.len() } else { 0 };
                let late = lane.turn.is_some_and(|turn| turn.share > share(*key).each());
                assert!(!late, "{key:?} waits for more than its turn");
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
        admits: &mut impl FnMut(KeyIndex) -> Option<Share>,
        open: &mut usize,
    ) -> Option<(Seq, KeyIndex)> {
        while let Some((turn, key)) = self.turns.first().copied() {
            let lane = self.lanes.get_mut(&key)?;
            let Some(share) = admits(key) else {
                *open -= lane.jobs.len();
                self.hold_back(key);
                continue;
            };
            if share.each() > turn.share {
                // More of it runs by now.
                self.take_turn(key, share);
                continue;
            }
            let seq = lane.jobs.pop_first()?;
            *open -= 1;
            self.time += (SERVICE / self.weighs.max(1)).max(1);
            // Whoever came late to its turns, because it had more than others, does not make up for them all.
            let start = (turn.start + SERVICE / share.weighs()).max(self.time.saturating_sub(SERVICE));
            self.stand(key, share, start);
            self.forget_empty(key);
            return Some((seq, key));
        }
        None
    }

    /// It is a key's turn when what it has says so. One that comes anew gets nothing for the time in which it wanted nothing.
    fn take_turn(&mut self, key: KeyIndex, share: Share) {
        let Some(lane) = self.lanes.get(&key) else { return };
        let start = lane.turn.map_or_else(|| lane.start.max(self.time), |turn| turn.start);
        self.stand(key, share, start);
    }

    fn stand(&mut self, key: KeyIndex, share: Share, start: u64) {
        let Some(lane) = self.lanes.get_mut(&key) else { return };
        let Some(first) = lane.jobs.first().copied() else { return };
        let turn = Turn { share: share.each(), start, first, weighs: share.weighs() };
        if lane.turn == Some(turn) {
            return;
        }
        lane.start = start;
        self.hold_back(key);
        if let Some(lane) = self.lanes.get_mut(&key) {
            lane.turn = Some(turn);
            self.weighs += turn.weighs;
            self.turns.insert((turn, key));
        }
    }

    fn hold_back(&mut self, key: KeyIndex) {
        if let Some(turn) = self.lanes.get_mut(&key).and_then(|lane| lane.turn.take()) {
            self.weighs -= turn.weighs;
            self.turns.remove(&(turn, key));
        }
    }

    fn forget_empty(&mut self, key: KeyIndex) {
        if self.lanes.get(&key).is_some_and(|lane| lane.jobs.is_empty()) {
            self.hold_back(key);
            self.lanes.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idle(weight: u32) -> Share {
        Share { running: 0, weight }
    }

    fn put(ready: &mut Ready, key: u32, seqs: impl IntoIterator<Item = u64>) {
        seqs.into_iter().for_each(|seq| ready.insert(0, (KeyIndex(key), idle(1)), Seq(seq)));
    }

    /// Who is served, one after the other, when each has ended before the next one begins.
    fn served(ready: &mut Ready, weight: impl Fn(KeyIndex) -> u32) -> Vec<u64> {
        let mut order = Vec::new();
        while let Some((seq, _)) = ready.next(|key| Some(idle(weight(key)))) {
            ready.check(|key| idle(weight(key)));
            order.push(seq.0);
        }
        order
    }

    /// Who is served when nobody ends.
    fn served_at_once(ready: &mut Ready, weight: impl Fn(KeyIndex) -> u32) -> Vec<u64> {
        let (mut order, mut running) = (Vec::new(), BTreeMap::<KeyIndex, u32>::new());
        let share = |running: &BTreeMap<KeyIndex, u32>, key| Share {
            running: running.get(&key).copied().unwrap_or_default(),
            weight: weight(key),
        };
        while let Some((seq, key)) = ready.next(|key| Some(share(&running, key))) {
            *running.entry(key).or_default() += 1;
            ready.check(|key| share(&running, key));
            order.push(seq.0);
        }
        order
    }

    #[test]
    fn higher_priorities_come_first_and_within_one_who_came_first() {
        let mut ready = Ready::default();
        for (seq, priority) in [(1, 0), (2, -3), (3, 5), (4, 0), (5, 5)] {
            ready.insert(priority, (KeyIndex(0), idle(1)), Seq(seq));
        }
        assert_eq!(served(&mut ready, |_| 1), [3, 5, 1, 4, 2]);
        assert!(!ready.is_open());
    }

    #[test]
    fn a_flood_of_one_key_leaves_every_other_one_its_turn() {
        let mut ready = Ready::default();
        put(&mut ready, 0, 0..100);
        put(&mut ready, 1, [100]);
        put(&mut ready, 2, [101]);
        assert_eq!(served(&mut ready, |_| 1)[..5], [0, 100, 101, 1, 2]);
    }

    #[test]
    fn who_comes_while_others_flood_is_next() {
        let mut ready = Ready::default();
        (0..10).for_each(|key| put(&mut ready, key, (0..100).map(|n| 1_000 * u64::from(key) + n)));
        for _ in 0..25 {
            ready.next(|_| Some(Share { running: 3, weight: 1 })).unwrap();
        }
        put(&mut ready, 10, [77_777]);
        let floods = |key| Some(Share { running: if key == KeyIndex(10) { 0 } else { 3 }, weight: 1 });
        assert_eq!(ready.next(floods), Some((Seq(77_777), KeyIndex(10))));
    }

    #[test]
    fn a_key_that_comes_and_goes_does_not_keep_a_flood_from_its_turn() {
        let mut ready = Ready::default();
        put(&mut ready, 0, 0..100);
        put(&mut ready, 1, [1_000]);
        let mut floods = 0;
        for seq in 1_001..1_101 {
            // There is always one of the other key, which runs nothing, and never two.
            let (served, _) = ready.next(|_| Some(idle(1))).unwrap();
            ready.check(|_| idle(1));
            if served.0 < 1_000 {
                floods += 1;
            } else {
                put(&mut ready, 1, [seq]);
            }
        }
        assert_eq!(floods, 50);
    }

    #[test]
    fn a_key_of_weight_three_is_served_three_times_as_often_and_has_three_times_as_many_workers() {
        let fill = || {
            let mut ready = Ready::default();
            put(&mut ready, 0, 0..60);
            put(&mut ready, 1, 100..160);
            ready
        };
        let weight = |key| if key == KeyIndex(0) { 3 } else { 1 };
        for order in [served(&mut fill(), weight), served_at_once(&mut fill(), weight)] {
            let heavy = order[..40].iter().filter(|seq| **seq < 100).count();
            assert_eq!(heavy, 30, "{order:?}");
        }
    }

    #[test]
    fn who_has_fewer_workers_is_served_before_who_has_more() {
        let mut ready = Ready::default();
        put(&mut ready, 0, [1, 2]);
        put(&mut ready, 1, [3, 4]);
        let mut running = [5, 3];
        let share = |running: &[u32; 2], key: KeyIndex| Share { running: running[key.0 as usize], weight: 1 };
        let next = |ready: &mut Ready, running| ready.next(|key| Some(share(&running, key))).unwrap().0.0;
        assert_eq!(next(&mut ready, running), 3);
        // Of the first many have ended.
        running = [1, 4];
        ready.let_go(KeyIndex(0), share(&running, KeyIndex(0)));
        assert_eq!(next(&mut ready, running), 1);
    }

    #[test]
    fn a_key_that_may_not_begin_is_held_back_and_served_once_it_is_let_go() {
        let mut ready = Ready::default();
        put(&mut ready, 0, [1]);
        put(&mut ready, 1, [2]);
        ready.insert(-1, (KeyIndex(0), idle(1)), Seq(3));
        let not_0 = |key: KeyIndex| (key != KeyIndex(0)).then_some(idle(1));
        assert_eq!(ready.next(not_0), Some((Seq(2), KeyIndex(1))));
        assert_eq!(ready.next(not_0), None);
        ready.check(|_| idle(1));
        assert!(!ready.is_open());
        put(&mut ready, 0, [4]);
        assert!(!ready.is_open(), "what comes meanwhile is held back too");
        ready.let_go(KeyIndex(0), idle(1));
        ready.check(|_| idle(1));
        assert_eq!(served(&mut ready, |_| 1), [1, 4, 3]);
    }
}
