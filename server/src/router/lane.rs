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
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::Router;
use crate::log::{LogError, Position, Progress};

/// Deeds that may wait before nobody is read from any more.
const DEEDS_MAX: usize = 4_096;

/// What is done when its time has come; told whether what it waited for is durable.
pub(super) type Deed = Box<dyn FnOnce(&Arc<Router>, Result<(), LogError>) + Send>;

/// Deeds in the order of the log.
#[derive(Default)]
pub(super) struct Lane {
    waiting: Mutex<Waiting>,
    count: AtomicUsize,
    /// Something was put in that waits for nothing but those before it.
    pub(super) changed: Notify,
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
    pub(super) fn next(&self, progress: &Progress) -> Option<(Deed, Result<(), LogError>)> {
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

    /// A deed was done.
    pub(super) fn done(&self) {
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
