//! Putting in what follows in chains.

use std::sync::Arc;

use super::rounds::Rounds;
use crate::{
    base::refusal::Retry,
    jobs::{FollowUp, Shard},
    router::Router,
};

impl Router {
    /// Puts in the next jobs of chains, until the node stops.
    pub(super) async fn run_chains(&self, shard: &Arc<Shard>) {
        let rounds = async {
            let mut rounds = Rounds::new();
            loop {
                let follow_ups = shard.follow_ups(rounds.after).await;
                let last = follow_ups.last().map(|follow_up| follow_up.seq);
                for follow_up in follow_ups {
                    rounds.note(self.put_next(shard, follow_up).await);
                }
                rounds.go_on(last).await;
            }
        };
        tokio::select! {
            () = self.tasks.stopping().cancelled() => {}
            () = rounds => {}
        }
    }

    /// Puts in one. Whether that is done with.
    async fn put_next(&self, shard: &Arc<Shard>, follow_up: FollowUp) -> bool {
        let FollowUp { seq, namespace, queue, job } = follow_up;
        let id = job.job_id.clone();
        let put = shard.ask(|engine, now| engine.put(now, &namespace, &queue, job));
        let put = match put {
            Ok(put) => shard.durable(Some(put.position)).await,
            Err(refusal) => Err(refusal),
        };
        match put {
            Err(refusal) if refusal.retry != Retry::Never => return false,
            Err(refusal) => {
                tracing::warn!(job = id, queue, %refusal, "a chain ends: its next job is not taken")
            }
            Ok(()) => {}
        }
        shard.ask(|engine, now| engine.followed(now, seq)).is_ok()
    }
}
