//! What waits for the log, in its order: an event that is kept on disk is handed out, and its sender answered, when it is
//! durable and not before. One lane for each log: events of all rooms in it leave in the order in which they were
//! written, so that a sender's events reach everybody in its order, whatever rooms they are for.
//!
//! What a session says while something of it is in the lane goes through the lane as well, so that nothing overtakes.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    sync::{Notify, watch},
    task::coop,
};

use super::{Router, part::Part};
use crate::log::{LogError, Position, Progress};

/// Deeds that may wait before nobody is read from any more.
const DEEDS_MAX: usize = 4_096;

/// How often it is looked whether anybody has a part that is not here any more.
const UNUSED_LOOKED_EVERY: Duration = Duration::from_secs(1);

/// What is done when its time has come; told whether what it waited for is durable.
pub(super) type Deed = Box<dyn FnOnce(&Arc<Router>, Result<(), LogError>) + Send>;

/// Deeds in the order of the log.
#[derive(Default)]
pub(super) struct Lane {
    waiting: Mutex<Waiting>,
    count: AtomicUsize,
    changed: Notify,
    drained: Notify,
}

#[derive(Default)]
struct Waiting {
    deeds: VecDeque<(Option<Position>, Deed)>,
}

impl std::fmt::Debug for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lane").field("count", &self.count).finish_non_exhaustive()
    }
}

impl Lane {
    /// Puts in what `stage` gives, under the lock of the lane: what is written first is first in the lane. `None`: it was
    /// not written.
    pub(super) fn stage<E>(
        &self,
        stage: impl FnOnce() -> Result<Option<(Position, Deed)>, E>,
    ) -> Result<(), E> {
        let mut waiting = self.waiting.lock();
        if let Some((position, deed)) = stage()? {
            self.push(&mut waiting, Some(position), deed);
        }
        Ok(())
    }

    /// Puts in everything that `stage` gives, in its order.
    pub(super) fn stage_all(&self, stage: impl FnOnce() -> Vec<(Position, Deed)>) {
        let mut waiting = self.waiting.lock();
        for (position, deed) in stage() {
            self.push(&mut waiting, Some(position), deed);
        }
    }

    /// Puts in a deed that waits only for those before it.
    pub(super) fn then(&self, deed: Deed) {
        self.push(&mut self.waiting.lock(), None, deed);
        self.changed.notify_one();
    }

    fn push(&self, waiting: &mut Waiting, position: Option<Position>, deed: Deed) {
        waiting.deeds.push_back((position, deed));
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// The next deed, when what it waits for is durable or will never be.
    fn next(&self, progress: &Progress) -> Option<(Deed, Result<(), LogError>)> {
        let mut waiting = self.waiting.lock();
        let (position, _) = waiting.deeds.front()?;
        let outcome = match (position, &progress.failed) {
            (Some(position), _) if *position < progress.durable => Ok(()),
            (Some(_), Some(error)) => Err(error.clone()),
            (Some(_), None) => return None,
            (None, _) => Ok(()),
        };
        waiting.deeds.pop_front().map(|(_, deed)| (deed, outcome))
    }

    fn done(&self) {
        let before = self.count.fetch_sub(1, Ordering::Relaxed);
        if before <= DEEDS_MAX {
            self.drained.notify_waiters();
        }
    }

    /// Waits until the lane takes more.
    pub(super) async fn writable(&self) {
        self.shorter_than(DEEDS_MAX).await;
    }

    /// Waits until nothing is in the lane.
    pub(super) async fn drained(&self) {
        self.shorter_than(1).await;
    }

    async fn shorter_than(&self, count: usize) {
        loop {
            let drained = self.drained.notified();
            if self.count.load(Ordering::Relaxed) < count {
                return;
            }
            drained.await;
        }
    }
}

impl Router {
    /// Does what has waited for the log that is this node's own.
    pub async fn run_own_lane(self: Arc<Self>, progress: watch::Receiver<Progress>) {
        let own = Arc::clone(self.parts.own());
        self.run_lane(own, progress).await;
    }

    /// Does what has waited for the log of a part, until the log ends or the node does.
    pub(super) async fn run_lane(self: Arc<Self>, part: Arc<Part>, mut progress: watch::Receiver<Progress>) {
        loop {
            let reached = progress.borrow_and_update().clone();
            while let Some((deed, outcome)) = part.lane.next(&reached) {
                deed(&self, outcome);
                part.lane.done();
                coop::consume_budget().await;
            }
            tokio::select! {
                biased;
                () = self.tasks.stopping().cancelled() => return,
                () = unused(&part) => return,
                changed = progress.changed() => if changed.is_err() { return },
                () = part.lane.changed.notified() => {}
            }
        }
    }

    /// Waits until the logs take more.
    pub async fn writable(&self) {
        for part in self.parts.all_here() {
            part.lane.writable().await;
        }
    }

    /// Waits until everything that was taken is durable and handed out.
    pub async fn settled(&self) {
        for part in self.parts.all_here() {
            part.lane.drained().await;
        }
        self.nothing_asked().await;
    }
}

/// Waits until a part is not here any more and nobody can put something in its lane.
async fn unused(part: &Arc<Part>) {
    part.closed.cancelled().await;
    while Arc::strong_count(part) > 1 {
        tokio::time::sleep(UNUSED_LOOKED_EVERY).await;
    }
}
