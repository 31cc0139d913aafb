//! Who has which leases, and who is away. Soft: after a restart everybody who has a lease is away, and has the same time to come
//! back.

use std::collections::{BTreeMap, BTreeSet};

use super::Seq;
use crate::base::hash::HashMap;

/// All workers that have leases or are away.
#[derive(Debug, Default)]
pub(super) struct Workers {
    leases: HashMap<u64, BTreeSet<Seq>>,
    /// When they are given up.
    away: BTreeMap<u64, u64>,
}

impl Workers {
    /// A worker has a lease. One without a stream is not known.
    pub(super) fn has(&mut self, worker: u64, seq: Seq) {
        if worker == 0 {
            return;
        }
        self.leases.entry(worker).or_default().insert(seq);
    }

    pub(super) fn has_not(&mut self, worker: u64, seq: Seq) {
        let Some(leases) = self.leases.get_mut(&worker) else { return };
        leases.remove(&seq);
        if leases.is_empty() {
            self.leases.remove(&worker);
            self.away.remove(&worker);
        }
    }

    /// The leases of a worker.
    pub(super) fn leases(&self, worker: u64) -> Vec<Seq> {
        self.leases.get(&worker).into_iter().flatten().copied().collect()
    }

    /// A worker that has leases is away, and is given up at `until_ms`.
    pub(super) fn leave(&mut self, worker: u64, until_ms: u64) {
        if self.leases.contains_key(&worker) {
            self.away.insert(worker, until_ms);
        }
    }

    /// A worker is back.
    pub(super) fn come_back(&mut self, worker: u64) {
        self.away.remove(&worker);
    }

    /// Everybody who has leases.
    pub(super) fn all(&self) -> Vec<u64> {
        self.leases.keys().copied().collect()
    }

    /// Who is given up by now.
    pub(super) fn given_up(&self, ms: u64) -> Vec<u64> {
        self.away.iter().filter(|(_, until_ms)| **until_ms <= ms).map(|(worker, _)| *worker).collect()
    }

    /// When the next one is given up.
    pub(super) fn next_ms(&self) -> Option<u64> {
        self.away.values().min().copied()
    }
}
