//! Tasks with a name, tracked, and the two signals that they obey: *draining* (finish what you have) and *stopping*
//! (end now). Nothing else in the server may spawn.

use std::{future::Future, sync::Arc};

use tokio::task::{JoinError, JoinHandle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument;

/// Spawns tasks and ends them. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    inner: Arc<Signals>,
}

#[derive(Debug, Default)]
struct Signals {
    tracker: TaskTracker,
    draining: CancellationToken,
    stopping: CancellationToken,
}

impl Tasks {
    /// Runs `task` under `name`. It should end soon after [`Tasks::stopping`] is cancelled.
    #[allow(clippy::disallowed_methods, reason = "this is the one place")]
    pub fn spawn<F>(&self, name: &'static str, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let span = tracing::debug_span!("task", name);
        tokio::spawn(self.inner.tracker.track_future(task.instrument(span)))
    }

    /// Cancelled when the node takes nothing new.
    pub fn draining(&self) -> &CancellationToken {
        &self.inner.draining
    }

    /// Cancelled when tasks must end.
    pub fn stopping(&self) -> &CancellationToken {
        &self.inner.stopping
    }

    /// Waits until every task has ended. Call after [`Tasks::stopping`] was cancelled.
    ///
    /// *Cancel safety*: nothing is lost, call it again.
    pub async fn ended(&self) {
        self.inner.tracker.close();
        self.inner.tracker.wait().await;
    }
}

/// Carries out what may have to wait for a disk, beside the threads that serve.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, JoinError> {
    #[cfg(feature = "simulation")]
    if super::clock::simulated::is_begun() {
        return Ok(super::clock::simulated::blocking(work).await);
    }
    tokio::task::spawn_blocking(work).await
}
