//! The fairness keys of one queue: how many jobs of each run, and whether another one may begin. A key is known as long as one of
//! its jobs has not ended, and a second longer where its rate is bounded: by then its bucket is full again.

use std::{collections::VecDeque, time::Duration};

use super::{KeyIndex, ready::Share};
use crate::base::{
    clock::Instant,
    hash::HashMap,
    rate::{Bucket, Rate},
};

/// A bucket of one second's tokens is full again after this.
const RESTS: Duration = Duration::from_secs(1);

/// All keys of a queue.
#[derive(Debug, Default)]
pub(super) struct Keys {
    by_name: HashMap<Box<str>, KeyIndex>,
    keys: Vec<Option<Key>>,
    free: Vec<KeyIndex>,
    /// Keys without jobs, and since when.
    resting: VecDeque<(Instant, KeyIndex)>,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: Box<str>,
    pub(super) weight: u32,
    pub(super) running: u32,
    /// Jobs that have not ended.
    jobs: u32,
    bucket: Bucket,
}

impl Key {
    fn share(&self) -> Share {
        Share { running: self.running, weight: self.weight }
    }
}

impl Keys {
    /// A job of the key is there, and may say what it weighs.
    pub(super) fn enter(&mut self, name: &str, weight: u32, rate: Rate, now: Instant) -> KeyIndex {
        let index = self.by_name.get(name).copied().unwrap_or_else(|| self.make(name, rate, now));
        if let Some(key) = self.get_mut(index) {
            key.jobs += 1;
            if weight > 0 {
                key.weight = weight;
            }
        }
        index
    }

    fn make(&mut self, name: &str, rate: Rate, now: Instant) -> KeyIndex {
        let key = Key { name: name.into(), weight: 1, running: 0, jobs: 0, bucket: Bucket::full(rate, now) };
        let index = self.free.pop().unwrap_or_else(|| {
            self.keys.push(None);
            KeyIndex(u32::try_from(self.keys.len() - 1).unwrap_or(u32::MAX))
        });
        self.by_name.insert(name.into(), index);
        self.keys[index.0 as usize] = Some(key);
        index
    }

    /// A job of the key has ended.
    pub(super) fn leave(&mut self, index: KeyIndex, rate: Rate, now: Instant) {
        let Some(key) = self.get_mut(index) else { return };
        key.jobs = key.jobs.saturating_sub(1);
        if key.jobs > 0 {
            return;
        }
        if rate.count == 0 {
            self.forget(index);
        } else {
            self.resting.push_back((now, index));
        }
        self.sweep(now);
    }

    /// Forgets keys that have rested.
    fn sweep(&mut self, now: Instant) {
        while let Some((since, index)) = self.resting.front().copied() {
            if now.saturating_duration_since(since) < RESTS {
                return;
            }
            self.resting.pop_front();
            // It may have come back, and gone again later.
            if self.get(index).is_some_and(|key| key.jobs == 0) {
                self.forget(index);
            }
        }
    }

    fn forget(&mut self, index: KeyIndex) {
        if let Some(key) = self.keys.get_mut(index.0 as usize).and_then(Option::take) {
            self.by_name.remove(&key.name);
            self.free.push(index);
        }
    }

    /// What a key has of the workers.
    pub(super) fn share(&self, index: KeyIndex) -> Share {
        self.get(index).map_or(Share { running: 0, weight: 1 }, Key::share)
    }

    /// What a key has of which another job may begin; otherwise when that is to be asked again, unless a job has to end first.
    pub(super) fn admits(
        &mut self,
        index: KeyIndex,
        (concurrency_max, rate): (u32, Rate),
        now: Instant,
    ) -> Result<Share, Option<Duration>> {
        let Some(key) = self.get_mut(index) else { return Ok(Share { running: 0, weight: 1 }) };
        if concurrency_max > 0 && key.running >= concurrency_max {
            return Err(None);
        }
        key.bucket.ready(rate, 1, now).map(|()| key.share()).map_err(Some)
    }

    /// A job of the key begins.
    pub(super) fn begin(&mut self, index: KeyIndex, rate: Rate, now: Instant) {
        if let Some(key) = self.get_mut(index) {
            // Whoever has admitted it has asked; after a restart it runs whatever is left.
            key.bucket.take(rate, now).ok();
        }
    }

    /// One more job of the key runs, or one less.
    pub(super) fn runs(&mut self, index: KeyIndex, more: bool) {
        if let Some(key) = self.get_mut(index) {
            key.running = if more { key.running + 1 } else { key.running.saturating_sub(1) };
        }
    }

    /// All that are known.
    pub(super) fn all(&self) -> Vec<KeyIndex> {
        self.by_name.values().copied().collect()
    }

    /// A key.
    pub(super) fn get(&self, index: KeyIndex) -> Option<&Key> {
        self.keys.get(index.0 as usize).and_then(Option::as_ref)
    }

    fn get_mut(&mut self, index: KeyIndex) -> Option<&mut Key> {
        self.keys.get_mut(index.0 as usize).and_then(Option::as_mut)
    }

    /// Another rate holds.
    pub(super) fn refill(&mut self, rate: Rate, now: Instant) {
        for key in self.keys.iter_mut().flatten() {
            key.bucket = Bucket::full(rate, now);
        }
    }
}
