//! Putting jobs into queues, for whoever may, and for chains. What was taken is durable before anybody is told.

use rialto_proto::{
    node,
    v1::{EnqueueOutcome, EnqueueRequest, EnqueueResponse, Enqueued, NewJob, enqueue_outcome::Outcome},
};

use super::{call::Here, count, name_queues};
use crate::{
    auth::{Identity, Right},
    base::{clock, refusal::Refusal},
    hub,
    jobs::{Put, job_name},
    router::{Router, dispatch::forbidden},
    wire::{frame, new_job},
};

impl Router {
    /// Puts jobs into a queue. Each is taken or refused by itself; what was taken is durable when it returns.
    pub async fn enqueue(
        &self,
        identity: &Identity,
        mut request: EnqueueRequest,
    ) -> Result<EnqueueResponse, Refusal> {
        if self.bridge.is_some() {
            // So that it can be asked again when it is not known what became of it.
            let unnamed = |job: &&mut NewJob| job.job_id.is_empty() && !job.completes_batch;
            for job in request.jobs.iter_mut().filter(unnamed) {
                job.job_id = job_name(clock::unix_ms(clock::wall()), clock::random_u64());
            }
        }
        let answer = self.call_queue(identity, request).await?;
        for outcome in &answer.outcomes {
            if let Some(Outcome::Refused(refused)) = &outcome.outcome {
                self.count_refused(refused.code());
            }
        }
        Ok(answer)
    }
}

impl Here<'_> {
    /// Puts jobs into a queue.
    pub(super) async fn enqueue(self, request: EnqueueRequest) -> Result<EnqueueResponse, Refusal> {
        let EnqueueRequest { namespace, queue, mut jobs } = request;
        let (namespace, queue) = self.queue(&[Right::Enqueue], (namespace, queue))?;
        count("jobs", jobs.len())?;
        jobs.iter_mut().for_each(|job| name_queues(job, &queue));
        let mut taken: Vec<Result<Put, Refusal>> = Vec::with_capacity(jobs.len());
        for job in jobs {
            taken.push(self.put(&namespace, &queue, job).await);
        }
        let last = taken.iter().flatten().map(|put| put.position).max();
        let durable = self.shard.durable(last).await;
        let failed = taken.iter().map(|put| put.as_ref().map(drop)).chain([durable.as_ref().map(drop)]);
        let elsewhere = |refusal: &&Refusal| self.router.goes_on_elsewhere(refusal);
        if let Some(refusal) = failed.filter_map(Result::err).find(elsewhere) {
            // It is asked there.
            return Err(refusal.clone());
        }
        let outcome = |taken: Result<Put, Refusal>| match taken.and_then(|put| durable.clone().map(|()| put))
        {
            Ok(Put { job_id, duplicate, .. }) => Outcome::Enqueued(Enqueued { job_id, duplicate }),
            Err(refusal) => Outcome::Refused(frame::refused(&refusal)),
        };
        let outcomes = taken.into_iter().map(|taken| EnqueueOutcome { outcome: Some(outcome(taken)) });
        Ok(EnqueueResponse { outcomes: outcomes.collect(), durability: self.shard.durability().into() })
    }

    async fn put(self, namespace: &str, queue: &str, job: NewJob) -> Result<Put, Refusal> {
        new_job::new_job(&job, &self.router.limits.session)?;
        self.may_put(namespace, &job)?;
        self.has_payload((namespace, queue), &job).await?;
        self.shard.ask(|engine, now| engine.put(now, namespace, queue, job))
    }

    /// Puts in the next job of a chain.
    pub(super) async fn follow_job(self, request: node::FollowJob) -> Result<node::JobFollowed, Refusal> {
        let node::FollowJob { namespace, queue, job } = request;
        let (namespace, queue) = self.queue(&[Right::Enqueue], (namespace, queue))?;
        let mut job = job.unwrap_or_default();
        let result = job.previous_result.take();
        new_job::new_job(&job, &self.router.limits.session)?;
        job.previous_result = result;
        let put = self.shard.ask(|engine, now| engine.put(now, &namespace, &queue, job))?;
        self.shard.durable(Some(put.position)).await?;
        Ok(node::JobFollowed {})
    }

    /// Who puts in a job must be allowed what follows from it: that rooms are told, and that its chain is put in.
    pub(super) fn may_put(self, namespace: &str, job: &NewJob) -> Result<(), Refusal> {
        self.may_notify(namespace, job)?;
        for next in &job.chain {
            if !self.identity.may(Right::Enqueue, namespace, Some(&next.queue)) {
                return Err(Refusal { field: "chain", ..forbidden() });
            }
            next.job.iter().try_for_each(|job| self.may_notify(namespace, job))?;
        }
        Ok(())
    }

    /// Who has a room told must be allowed to speak in it.
    fn may_notify(self, own: &str, job: &NewJob) -> Result<(), Refusal> {
        for notify in &job.notify {
            let namespace = if notify.namespace.is_empty() { own } else { &notify.namespace };
            if !self.identity.may(Right::Emit, namespace, Some(&notify.room)) {
                return Err(Refusal { field: "notify", ..forbidden() });
            }
            self.router.hub.namespaces.settings(namespace).ok_or_else(hub::unknown)?;
        }
        Ok(())
    }
}
