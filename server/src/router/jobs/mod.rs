//! Jobs, for those who may: who asks, in which queue, and what follows. [`control`] is for who looks after them; [`work`] for
//! workers; [`looking`] for who waits and watches; `notices` tells rooms; `chains` puts in what follows from other jobs, and [`schedules`] is for who has it put in again and again.

mod chains;
pub mod control;
pub mod looking;
mod notices;
mod rounds;
pub mod schedules;
pub mod work;

use std::{sync::Arc, time::Duration};

use rialto_proto::v1::{
    EnqueueOutcome, EnqueueRequest, EnqueueResponse, Enqueued, NewJob, RefusalCode, enqueue_outcome::Outcome,
};

use super::{Router, dispatch::forbidden};
use crate::{
    auth::{Identity, Right},
    base::{limits::JOBS_PER_REQUEST_MAX, refusal::Refusal},
    hub,
    jobs::{Put, Shard},
    wire::{frame, job, new_job},
};

impl Router {
    /// Puts jobs into a queue. Each is taken or refused by itself; what was taken is durable when it returns.
    pub async fn enqueue(
        &self,
        identity: &Identity,
        request: EnqueueRequest,
    ) -> Result<EnqueueResponse, Refusal> {
        let EnqueueRequest { namespace, queue, mut jobs } = request;
        let (namespace, queue) = self.queue(identity, &[Right::Enqueue], (namespace, queue))?;
        count("jobs", jobs.len())?;
        let shard = self.shard()?;
        jobs.iter_mut().for_each(|job| name_queues(job, &queue));
        let put = |job: NewJob| {
            new_job::new_job(&job, &self.limits.session)?;
            self.may_put(identity, &namespace, &job)?;
            shard.ask(|engine, now| engine.put(now, &namespace, &queue, job))
        };
        let taken: Vec<Result<Put, Refusal>> = jobs.into_iter().map(put).collect();
        let last = taken.iter().flatten().map(|put| put.position).max();
        let durable = shard.durable(last).await;
        let outcome = |taken: Result<Put, Refusal>| match taken.and_then(|put| durable.clone().map(|()| put))
        {
            Ok(Put { job_id, duplicate, .. }) => Outcome::Enqueued(Enqueued { job_id, duplicate }),
            Err(refusal) => Outcome::Refused(frame::refused(&self.count_refusal(refusal))),
        };
        let outcomes = taken.into_iter().map(|taken| EnqueueOutcome { outcome: Some(outcome(taken)) });
        Ok(EnqueueResponse { outcomes: outcomes.collect(), durability: shard.durability().into() })
    }

    /// Who puts in a job must be allowed what follows from it: that rooms are told, and that its chain is put in.
    fn may_put(&self, identity: &Identity, namespace: &str, job: &NewJob) -> Result<(), Refusal> {
        self.may_notify(identity, namespace, job)?;
        for next in &job.chain {
            if !identity.may(Right::Enqueue, namespace, Some(&next.queue)) {
                return Err(Refusal { field: "chain", ..forbidden() });
            }
            next.job.iter().try_for_each(|job| self.may_notify(identity, namespace, job))?;
        }
        Ok(())
    }

    /// Who has a room told must be allowed to speak in it.
    fn may_notify(&self, identity: &Identity, own: &str, job: &NewJob) -> Result<(), Refusal> {
        for notify in &job.notify {
            let namespace = if notify.namespace.is_empty() { own } else { &notify.namespace };
            if !identity.may(Right::Emit, namespace, Some(&notify.room)) {
                return Err(Refusal { field: "notify", ..forbidden() });
            }
            self.hub.namespaces.settings(namespace).ok_or_else(hub::unknown)?;
        }
        Ok(())
    }

    /// A queue in which the identity has one of these rights.
    fn queue(
        &self,
        identity: &Identity,
        rights: &[Right],
        (namespace, queue): (String, String),
    ) -> Result<(String, String), Refusal> {
        let (namespace, queue) = job::queue(namespace, queue)?;
        if !rights.iter().any(|right| identity.may(*right, &namespace, Some(&queue))) {
            return Err(forbidden());
        }
        if self.hub.namespaces.settings(&namespace).is_none() {
            return Err(hub::unknown());
        }
        Ok((namespace, queue))
    }

    /// Where the jobs are.
    fn shard(&self) -> Result<&Arc<Shard>, Refusal> {
        let nowhere = "this node is one of several, and those keep no jobs yet";
        self.jobs.as_ref().ok_or_else(|| Refusal::new(RefusalCode::OutOfOrder, nowhere))
    }

    /// Runs the conversation of a worker.
    pub fn spawn_worker(&self, conversation: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn("worker", self.workers.track_future(conversation));
    }

    /// Waits until no worker is here any more. None may come after this was called.
    pub async fn workers_gone(&self) {
        self.workers.close();
        self.workers.wait().await;
    }

    /// The time that workers have when the node stops.
    pub fn stop_drain(&self) -> Duration {
        self.stop_drain
    }

    /// Sees to what waits for the log of jobs and for time.
    pub async fn run_jobs(self: Arc<Self>) {
        if let Some(shard) = &self.jobs {
            let run = Arc::clone(shard).run(self.tasks.stopping().clone());
            tokio::join!(run, self.run_notices(shard), self.run_chains(shard));
        }
    }
}

/// The queues of a chain, each by its name.
fn name_queues(job: &mut NewJob, own: &str) {
    for next in job.chain.iter_mut().filter(|next| next.queue.is_empty()) {
        own.clone_into(&mut next.queue);
    }
}

/// Refuses none and too many.
fn count(field: &'static str, count: usize) -> Result<(), Refusal> {
    if count == 0 || count > JOBS_PER_REQUEST_MAX {
        return Err(Refusal::invalid(field, format_args!("are not between 1 and {JOBS_PER_REQUEST_MAX}")));
    }
    Ok(())
}
