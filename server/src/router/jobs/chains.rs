//! Putting in what follows in chains.

use std::sync::Arc;

use rialto_proto::node::{FollowJob, JobFollowed};

use super::rounds::Rounds;
use crate::{
    auth::Identity,
    base::refusal::Retry,
    jobs::{FollowUp, Shard},
    router::Router,
};

impl Router {
    /// Puts in the next jobs of chains, wherever their queues are.
    pub(super) async fn run_chains(&self, shard: &Arc<Shard>) {
        let mut rounds = Rounds::new();
        loop {
            let follow_ups = shard.follow_ups(rounds.after).await;
            let last = follow_ups.last().map(|follow_up| follow_up.seq);
            for follow_up in follow_ups {
                rounds.note(self.put_next(shard, follow_up).await);
            }
            rounds.go_on(last).await;
        }
    }

    /// Puts in one. Whether that is done with.
    async fn put_next(&self, shard: &Arc<Shard>, follow_up: FollowUp) -> bool {
        let FollowUp { seq, namespace, queue, job } = follow_up;
        let id = job.job_id.clone();
        let next = FollowJob { namespace, queue: queue.clone(), job: Some(job) };
        // Whoever put the first one in was allowed to.
        match self.call_queue(&Identity::open(None), next).await {
            Err(refusal) if refusal.retry != Retry::Never => return false,
            Err(refusal) => {
                tracing::warn!(job = id, queue, %refusal, "a chain ends: its next job is not taken")
            }
            Ok(JobFollowed {}) => {}
        }
        shard.ask(|engine, now| engine.followed(now, seq)).is_ok()
    }
}
