//! The jobs of a part that this node owns: taken up from their log, and seen to until the part is another node's. Rooms of the part do
//! not wait for that.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use tokio::time::sleep;

use crate::{
    base::tasks,
    jobs::Shard,
    log::{Claimed, Logs},
    router::{Router, part::Part},
};

/// The wait before it is tried again, twice as long each time.
const AGAIN_AFTER: Duration = Duration::from_millis(300);
/// The longest.
const AGAIN_AFTER_MAX: Duration = Duration::from_secs(10);

impl Router {
    /// Takes up the jobs of a part and sees to them, until the part is not here any more.
    pub(in super::super) async fn keep_jobs(self: Arc<Self>, logs: Arc<dyn Logs>, here: Arc<Part>) {
        let kept = async {
            let mut again_after = AGAIN_AFTER;
            let (shard, writer) = loop {
                match self.open_jobs(&logs, here.number).await {
                    Ok(opened) => break opened,
                    Err(error) => {
                        tracing::error!(part = here.number, error, "the jobs of a part cannot be taken up");
                        sleep(again_after).await;
                        again_after = AGAIN_AFTER_MAX.min(again_after * 2);
                    }
                }
            };
            // Nobody else does that.
            here.jobs.set(Arc::clone(&shard)).ok();
            tokio::join!(writer, self.run_shard(&shard, &here.closed));
        };
        tokio::select! {
            biased;
            () = self.tasks.stopping().cancelled() => {}
            () = here.closed.cancelled() => {}
            () = kept => {}
        }
        // Whoever waits for the log hears that it is not here any more.
        if let Some(shard) = here.jobs.get() {
            shard.close();
        }
    }

    async fn open_jobs(
        &self,
        logs: &Arc<dyn Logs>,
        part: u32,
    ) -> Result<(Arc<Shard>, BoxFuture<'static, ()>), String> {
        let claimed = logs.claim(&format!("jobs-{part}")).await;
        let Claimed { log, writer, .. } = claimed.map_err(|error| error.to_string())?;
        let shared = self.shards.clone();
        // The network has to be waited for.
        let opened = tasks::blocking(move || Shard::open(part, log, &shared)).await;
        let shard = opened.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        Ok((Arc::new(shard), writer))
    }
}
