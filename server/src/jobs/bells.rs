//! Waking workers: each waits in the row of a queue, and a queue that has something for somebody wakes the one that has waited
//! longest. Who is woken asks, takes what it can, and so has the next one woken when something is left.

use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::base::hash::HashMap;

/// A namespace and a queue in it.
pub type QueueName = (Arc<str>, Arc<str>);

/// Wakes one worker, once, for one queue.
#[derive(Debug, Default)]
pub struct Bell {
    rung: Notify,
}

impl Bell {
    /// Waits until the queue has rung.
    ///
    /// *Cancel safety*: a ring is not lost.
    pub async fn rung(&self) {
        self.rung.notified().await;
    }
}

/// The rows of all queues.
#[derive(Debug, Default)]
pub(super) struct Bells {
    rows: Mutex<HashMap<QueueName, VecDeque<Weak<Bell>>>>,
}

impl Bells {
    /// A worker waits for a queue. It asks the queue after that once more, so that nothing is missed.
    pub(super) fn wait(&self, queue: &QueueName, bell: &Arc<Bell>) {
        let mut rows = self.rows.lock();
        let row = rows.entry(queue.clone()).or_default();
        // Those at the front who are gone are never woken.
        while row.front().is_some_and(|bell| bell.strong_count() == 0) {
            row.pop_front();
        }
        row.push_back(Arc::downgrade(bell));
    }

    /// Wakes who has waited longest for a queue, if anybody does.
    pub(super) fn ring(&self, queue: &QueueName) {
        let bell = {
            let mut rows = self.rows.lock();
            let Some(row) = rows.get_mut(queue) else { return };
            let bell = std::iter::from_fn(|| row.pop_front()).find_map(|bell| bell.upgrade());
            if row.is_empty() {
                rows.remove(queue);
            }
            bell
        };
        if let Some(bell) = bell {
            bell.rung.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn queue() -> QueueName {
        ("default".into(), "mail".into())
    }

    #[test]
    fn who_has_waited_longest_is_woken_and_only_once() {
        let (bells, first, second) = (Bells::default(), Arc::new(Bell::default()), Arc::new(Bell::default()));
        bells.wait(&queue(), &first);
        bells.wait(&queue(), &second);
        bells.ring(&queue());
        assert!(first.rung().now_or_never().is_some());
        assert!(second.rung().now_or_never().is_none());
        bells.ring(&queue());
        bells.ring(&queue());
        assert!(second.rung().now_or_never().is_some());
        assert!(first.rung().now_or_never().is_none());
    }

    #[test]
    fn who_is_gone_is_passed_over() {
        let (bells, second) = (Bells::default(), Arc::new(Bell::default()));
        bells.wait(&queue(), &Arc::new(Bell::default()));
        bells.wait(&queue(), &second);
        bells.ring(&queue());
        assert!(second.rung().now_or_never().is_some());
    }
}
