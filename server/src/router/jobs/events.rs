//! Telling programs that speak NATS and not Rialto what becomes of jobs, where a namespace lets them hear it.

use std::sync::Arc;

use crate::{
    jobs::{Seq, Shard},
    router::Router,
    wire::job_json::{event_name, job_json},
};

impl Router {
    /// Tells programs what becomes of the jobs of a shard. A job that changes faster than it is looked at is told as it is.
    pub(super) async fn run_job_events(&self, shard: &Arc<Shard>) {
        if self.bridge.is_none() {
            return;
        }
        loop {
            let watch = shard.watch_all();
            while let Ok(seq) = watch.next().await {
                self.tell_programs_of(shard, seq);
                tokio::task::consume_budget().await;
            }
            // So many have changed that some are not known: they are not told, as nothing is to who is not there.
            self.count_lost(1);
        }
    }

    fn tell_programs_of(&self, shard: &Shard, seq: Seq) {
        let Some(bridge) = &self.bridge else { return };
        let job = shard.ask(|engine, _| {
            let (namespace, _) = engine.queue_of(seq)?;
            let heard = self.hub.namespaces.settings(namespace).is_some_and(|settings| settings.nats_out);
            if heard { engine.job_by_seq(seq) } else { None }
        });
        let Some(mut job) = job else { return };
        job.body = None;
        let text = job_json(&job);
        if !bridge.tell_of_job((&job.namespace, &job.queue), &event_name(job.state()), text) {
            self.count_lost(1);
        }
    }
}
