//! Forgetting uploads that no job names any more, or none has ever named: by whoever keeps the queues, some time after no job can
//! name them for the first time.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio::time::sleep;

use crate::{
    base::clock,
    jobs::Shard,
    router::Router,
    uploads::{UploadId, UploadKey},
};

/// It is swept so often within the time for which uploads are kept, and one is forgotten so long after its time: the clocks of
/// nodes differ by less.
const SWEEPS: u32 = 24;

/// The first sweep comes so long after the jobs were taken up, at most.
const FIRST_AFTER: Duration = Duration::from_secs(60);

impl Router {
    /// Sweeps the uploads of a shard's queues from time to time.
    pub(super) async fn run_sweeps(&self, shard: &Arc<Shard>) {
        let kept = self.limits.node.uploads_kept;
        let every = kept / SWEEPS;
        // A node that is often begun anew sweeps too.
        sleep(every.min(FIRST_AFTER)).await;
        loop {
            self.sweep_uploads(shard, kept + every).await;
            sleep(every).await;
        }
    }

    async fn sweep_uploads(&self, shard: &Arc<Shard>, kept: Duration) {
        let listed = match self.uploads.list(shard.number).await {
            Ok(listed) => listed,
            Err(error) => {
                tracing::warn!(%error, part = shard.number, "it is not known which uploads there are");
                return;
            }
        };
        let now_ms = clock::unix_ms(clock::wall());
        let kept_ms = u64::try_from(kept.as_millis()).unwrap_or(u64::MAX);
        let is_old = |key: &UploadKey| key.began_ms().saturating_add(kept_ms) < now_ms;
        let old: Vec<UploadKey> = listed.into_iter().filter(is_old).collect();
        if old.is_empty() {
            return;
        }
        let (named, last) = shard.ask(|engine, _| (engine.uploads(), engine.last()));
        // What has ended by what is not durable yet may not have ended.
        if shard.durable(last).await.is_err() {
            return;
        }
        let key = |(namespace, queue, id): (Arc<str>, Arc<str>, String)| {
            Some(UploadKey::of(shard.number, &namespace, &queue, UploadId::parse(&id)?))
        };
        let named: HashSet<UploadKey> = named.into_iter().filter_map(key).collect();
        for key in old.iter().filter(|key| !named.contains(key)) {
            if let Err(error) = self.uploads.remove(key).await {
                tracing::warn!(%error, upload = key.name(), "an upload that nobody needs is still there");
            }
        }
    }
}
