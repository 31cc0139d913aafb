//! How long nobody could write: when what somebody says in rooms that keep was taken, and by which node.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

/// What was taken of somebody, in order: when, and at which node.
type Taken = Vec<(Instant, usize)>;

/// Measures. Cheap to clone; all clones are the same one.
#[derive(Debug, Clone, Default)]
pub(super) struct Gauge {
    writers: Arc<Mutex<Vec<Taken>>>,
}

impl Gauge {
    /// One more writer; returns its number.
    pub(super) fn writer(&self) -> usize {
        let mut writers = self.writers.lock();
        writers.push(Vec::new());
        writers.len() - 1
    }

    /// A node has taken something of a writer.
    pub(super) fn taken(&self, writer: usize, node: usize) {
        self.writers.lock()[writer].push((Instant::now(), node));
    }

    /// How many events every writer at one of `nodes` has written there since then, at least.
    pub(super) fn written(&self, nodes: &[usize], since: Instant) -> usize {
        let writers = self.writers.lock();
        let there = writers.iter().filter(|taken| taken.last().is_some_and(|(_, node)| nodes.contains(node)));
        let counts = there.map(|taken| taken.iter().rev().take_while(|(at, _)| *at > since).count());
        counts.min().unwrap_or_default()
    }

    /// The longest that a writer who was at one of `nodes` all the time had nothing taken, between then and now.
    pub(super) fn longest(&self, nodes: &[usize], since: Instant) -> Duration {
        let writers = self.writers.lock();
        let gaps = writers.iter().flat_map(|taken| {
            taken.windows(2).filter_map(|pair| {
                let [(before, node), (after, then)] = pair else { return None };
                let counts = *after > since && node == then && nodes.contains(node);
                counts.then(|| *after - *before)
            })
        });
        gaps.max().unwrap_or_default()
    }
}
