//! Doing what waits in the lanes of all parts, each in its order.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, task::coop};

use super::{Router, part::Part};
use crate::log::Progress;

/// How often it is looked whether anybody has a part that is not here any more.
const UNUSED_LOOKED_EVERY: Duration = Duration::from_secs(1);

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
