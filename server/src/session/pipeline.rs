//! What of a session waits for the log: events that are being written, and commands that wait behind them.

use std::sync::atomic::{AtomicU32, Ordering};

/// Counts of one session. The router keeps them.
#[derive(Debug, Default)]
pub struct Pipeline {
    written: AtomicU32,
    deferred: AtomicU32,
}

impl Pipeline {
    /// True when nothing waits.
    pub fn is_empty(&self) -> bool {
        self.written.load(Ordering::Acquire) == 0 && !self.defers()
    }

    /// Whether commands wait behind what is being written.
    pub fn defers(&self) -> bool {
        self.deferred.load(Ordering::Acquire) > 0
    }

    /// Something is being written.
    pub fn write(&self) {
        self.written.fetch_add(1, Ordering::AcqRel);
    }

    /// It was written and answered.
    pub fn written(&self) {
        self.written.fetch_sub(1, Ordering::AcqRel);
    }

    /// A command waits.
    pub fn defer(&self) {
        self.deferred.fetch_add(1, Ordering::AcqRel);
    }

    /// It waits no more.
    pub fn deferred(&self) {
        self.deferred.fetch_sub(1, Ordering::AcqRel);
    }
}
