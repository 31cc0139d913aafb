//! How long nobody could write: when what somebody says in rooms that keep was taken, and by which node.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

/// Somebody who writes.
#[derive(Debug)]
struct Writer {
    /// The node where it began.
    home: usize,
    /// The node to which it is connected.
    at: usize,
    /// What was taken of it, in order: when, and at which node.
    taken: Vec<(Instant, usize)>,
}

/// Measures. Cheap to clone; all clones are the same one.
#[derive(Debug, Clone, Default)]
pub(super) struct Gauge {
    writers: Arc<Mutex<Vec<Writer>>>,
}

impl Gauge {
    /// One more writer, which begins at a node; returns its number.
    pub(super) fn writer(&self, home: usize) -> usize {
        let mut writers = self.writers.lock();
        writers.push(Writer { home, at: home, taken: Vec::new() });
        writers.len() - 1
    }

    /// A writer is at a node, which has taken so many events of it.
    pub(super) fn taken(&self, writer: usize, node: usize, events: u64) {
        let writer = &mut self.writers.lock()[writer];
        writer.at = node;
        writer.taken.extend((0..events).map(|_| (Instant::now(), node)));
    }

    /// Whether every writer is where it began.
    pub(super) fn is_home(&self) -> bool {
        self.writers.lock().iter().all(|writer| writer.at == writer.home)
    }

    /// How many events every writer at one of `nodes` has written there since then, at least.
    pub(super) fn written(&self, nodes: &[usize], since: Instant) -> usize {
        let writers = self.writers.lock();
        let there = writers.iter().filter(|writer| nodes.contains(&writer.at));
        let counts = there.map(|writer| writer.taken.iter().rev().take_while(|(at, _)| *at > since).count());
        counts.min().unwrap_or_default()
    }

    /// At which node each writer is, how much was taken of it, and how long ago the last of that.
    pub(super) fn all(&self) -> Vec<(usize, usize, Option<Duration>)> {
        let writers = self.writers.lock();
        let of = |writer: &Writer| {
            (writer.at, writer.taken.len(), writer.taken.last().map(|(when, _)| when.elapsed()))
        };
        writers.iter().map(of).collect()
    }

    /// The longest that a writer who was at one of `nodes` all the time had nothing taken, between then and now.
    pub(super) fn longest(&self, nodes: &[usize], since: Instant) -> Duration {
        let writers = self.writers.lock();
        let gaps = writers.iter().flat_map(|writer| {
            writer.taken.windows(2).filter_map(|pair| {
                let [(before, node), (after, then)] = pair else { return None };
                let counts = *after > since && node == then && nodes.contains(node);
                counts.then(|| *after - *before)
            })
        });
        gaps.max().unwrap_or_default()
    }
}
