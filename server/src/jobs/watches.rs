//! Who watches which jobs. A watch holds the numbers of jobs that have changed since it was looked at, each once: who reads slowly
//! misses steps between, but never the last one. With each it knows when it has changed, so that whoever was away goes on there.

use std::sync::{Arc, Weak};

use indexmap::IndexMap;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{bells::QueueName, engine::Seq};
use crate::{
    base::{
        hash::{HashMap, Hashing},
        limits::WATCHED_CHANGED_MAX,
    },
    log::Position,
};

/// Watches that are made at least before it is looked for those that nobody holds.
const SWEEP_EVERY: usize = 64;

/// What somebody watches.
#[derive(Debug, Default)]
pub struct Watch {
    state: Mutex<Changed>,
    notify: Notify,
}

#[derive(Debug, Default)]
struct Changed {
    /// Jobs that have changed, and when they did so first.
    seqs: IndexMap<Seq, Position, Hashing>,
    /// When the last change was.
    last: Position,
    behind: bool,
}

/// A watch has fallen behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behind;

impl Watch {
    /// The next job that has changed.
    ///
    /// *Falling behind*: beyond 16,384 jobs the watch ends. *Cancel safety*: nothing is lost.
    pub async fn next(&self) -> Result<Seq, Behind> {
        loop {
            {
                let mut state = self.state.lock();
                if state.behind {
                    return Err(Behind);
                }
                if let Some((seq, _)) = state.seqs.shift_remove_index(0) {
                    return Ok(seq);
                }
            }
            self.notify.notified().await;
        }
    }

    /// From where on it has not said what has changed: at that position some may have been said.
    pub fn from(&self) -> Position {
        let state = self.state.lock();
        state.seqs.first().map_or(state.last, |(_, position)| *position)
    }

    /// A job has changed.
    pub(super) fn changed(&self, seq: Seq, position: Position) {
        let mut state = self.state.lock();
        state.last = position;
        if state.seqs.len() >= WATCHED_CHANGED_MAX {
            (state.behind, state.seqs) = (true, IndexMap::default());
        } else {
            state.seqs.entry(seq).or_insert(position);
        }
        self.notify.notify_one();
    }
}

/// All watches of a shard. They end when nobody holds them.
#[derive(Debug, Default)]
pub(super) struct Watches {
    jobs: HashMap<Seq, Vec<Weak<Watch>>>,
    queues: HashMap<QueueName, Vec<Weak<Watch>>>,
    /// Those of all jobs.
    all: Vec<Weak<Watch>>,
    /// When the last change was that was told, or may have been.
    told: Position,
    /// Watches that were made since it was looked for those that nobody holds.
    made: usize,
}

impl Watches {
    /// Whether nobody watches.
    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty() && self.queues.is_empty() && self.all.is_empty()
    }

    /// Watches some jobs.
    pub(super) fn jobs(&mut self, seqs: &[Seq]) -> Arc<Watch> {
        self.sweep_at_times();
        let watch = Arc::new(Watch::default());
        for seq in seqs {
            self.jobs.entry(*seq).or_default().push(Arc::downgrade(&watch));
        }
        watch
    }

    /// All changes before this position were told. What becomes due is a change at the position of the last record, and may follow.
    pub(super) fn told(&mut self, until: Position) {
        self.told = Position(until.0.saturating_sub(1));
    }

    /// Watches all jobs of a queue, from now on.
    pub(super) fn queue(&mut self, queue: QueueName) -> Arc<Watch> {
        self.queue_from(queue, self.told)
    }

    /// The same, when all that has changed before a position was told elsewhere.
    pub(super) fn queue_from(&mut self, queue: QueueName, from: Position) -> Arc<Watch> {
        self.sweep_at_times();
        let watch = Arc::new(Watch::default());
        watch.state.lock().last = from;
        self.queues.entry(queue).or_default().push(Arc::downgrade(&watch));
        watch
    }

    /// Watches all jobs.
    pub(super) fn all(&mut self) -> Arc<Watch> {
        let watch = Arc::new(Watch::default());
        self.all.push(Arc::downgrade(&watch));
        watch
    }

    /// A job has changed.
    pub(super) fn changed(&mut self, (seq, position): (Seq, Position), queue: Option<(&str, &str)>) {
        tell(&mut self.all, seq, position);
        if let Some(watches) = self.jobs.get_mut(&seq) {
            tell(watches, seq, position);
            if watches.is_empty() {
                self.jobs.remove(&seq);
            }
        }
        let named = queue
            .filter(|_| !self.queues.is_empty())
            .map(|(namespace, queue)| (Arc::from(namespace), Arc::from(queue)));
        if let Some(named) = named
            && let Some(watches) = self.queues.get_mut(&named)
        {
            tell(watches, seq, position);
            if watches.is_empty() {
                self.queues.remove(&named);
            }
        }
    }

    /// As often as new ones have come as there are: so each costs little.
    fn sweep_at_times(&mut self) {
        self.made += 1;
        if self.made > SWEEP_EVERY.max(self.jobs.len() + self.queues.len()) {
            self.made = 0;
            self.sweep();
        }
    }

    /// Forgets those that nobody holds.
    fn sweep(&mut self) {
        let held = |watches: &mut Vec<Weak<Watch>>| {
            watches.retain(|watch| watch.strong_count() > 0);
            !watches.is_empty()
        };
        self.jobs.retain(|_, watches| held(watches));
        self.queues.retain(|_, watches| held(watches));
    }
}

fn tell(watches: &mut Vec<Weak<Watch>>, seq: Seq, position: Position) {
    watches.retain(|watch| match watch.upgrade() {
        Some(watch) => {
            watch.changed(seq, position);
            true
        }
        None => false,
    });
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_slow_watcher_sees_each_job_once_and_a_very_slow_one_is_told() {
        let mut watches = Watches::default();
        let watch = watches.queue(("default".into(), "mail".into()));
        for (position, seq) in [(10, 1), (11, 2), (12, 1)] {
            watches.changed((Seq(seq), Position(position)), Some(("default", "mail")));
            watches.changed((Seq(seq), Position(position)), Some(("default", "import")));
        }
        assert_eq!(watch.from(), Position(10));
        assert_eq!(watch.next().now_or_never(), Some(Ok(Seq(1))));
        assert_eq!(watch.from(), Position(11), "the second one was not said");
        assert_eq!(watch.next().now_or_never(), Some(Ok(Seq(2))));
        assert_eq!(watch.next().now_or_never(), None);
        assert_eq!(watch.from(), Position(12));
        for seq in 0..=WATCHED_CHANGED_MAX as u64 {
            watches.changed((Seq(seq), Position(20 + seq)), Some(("default", "mail")));
        }
        assert_eq!(watch.next().now_or_never(), Some(Err(Behind)));
    }

    #[test]
    fn a_watch_that_nobody_holds_is_forgotten() {
        let mut watches = Watches::default();
        drop(watches.jobs(&[Seq(1), Seq(2)]));
        let watch = watches.jobs(&[Seq(2)]);
        watches.changed((Seq(1), Position(1)), None);
        watches.sweep();
        watches.changed((Seq(2), Position(2)), None);
        assert_eq!(watch.next().now_or_never(), Some(Ok(Seq(2))));
        drop(watch);
        watches.sweep();
        assert!(watches.is_empty());
    }
}
