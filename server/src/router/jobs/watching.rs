//! Watching jobs from this node, wherever they are.

use std::sync::{Arc, atomic::Ordering};

use rialto_proto::{
    node::{PollWatch, WatchPolled},
    v1::{self, RefusalCode},
};

use crate::{
    auth::Identity,
    base::refusal::{Refusal, Retry},
    router::Router,
};

/// Somebody watches jobs.
#[derive(Debug)]
pub struct JobWatch {
    router: Arc<Router>,
    identity: Identity,
    poll: PollWatch,
    /// Jobs that have come and were not looked at.
    jobs: std::vec::IntoIter<v1::Job>,
}

impl JobWatch {
    /// The next job, at first or after a change. One that is not kept any more is passed over.
    ///
    /// *Falling behind*: ends with `LIMIT_REACHED`. *Cancel safety*: nothing is lost.
    pub async fn next(&mut self) -> Result<v1::Job, Refusal> {
        loop {
            if let Some(job) = self.jobs.next() {
                return Ok(job);
            }
            let poll = PollWatch { number: self.poll.number + 1, ..self.poll.clone() };
            self.take(self.router.call_queue(&self.identity, poll).await?)?;
        }
    }

    fn take(&mut self, polled: WatchPolled) -> Result<(), Refusal> {
        if polled.begins && self.poll.number > 0 && self.poll.job_ids.is_empty() {
            // What has changed before is not known there.
            let reason = "another node keeps the queue now: watch it again, and look at what it has";
            let refusal = Refusal::new(RefusalCode::NodesUnreachable, reason);
            return Err(Refusal { retry: Retry::After(std::time::Duration::ZERO), ..refusal });
        }
        self.poll.number += 1;
        self.jobs = polled.jobs.into_iter();
        Ok(())
    }
}

impl Drop for JobWatch {
    fn drop(&mut self) {
        self.router.end_job_watch(&self.poll);
    }
}

impl Router {
    /// Watches some jobs, or all that change in a queue from now on.
    pub async fn watch_jobs(
        self: &Arc<Self>,
        identity: Identity,
        request: v1::WatchJobsRequest,
    ) -> Result<JobWatch, Refusal> {
        let v1::WatchJobsRequest { namespace, queue, job_ids } = request;
        let watch = self.next_ask.fetch_add(1, Ordering::Relaxed);
        let poll = PollWatch { watch, number: 0, namespace, queue, job_ids };
        let first = PollWatch { number: 1, ..poll.clone() };
        let polled = self.call_queue(&identity, first).await?;
        let mut watching =
            JobWatch { router: Arc::clone(self), identity, poll, jobs: Vec::new().into_iter() };
        watching.take(polled)?;
        Ok(watching)
    }

    /// Nobody watches any more.
    fn end_job_watch(&self, poll: &PollWatch) {
        for shard in self.shards_here() {
            shard.end_poll((self.node, poll.watch));
        }
        if let Some(bridge) = &self.bridge {
            // Whoever keeps the queue; one that has kept it before hears nothing of it and forgets it by itself.
            bridge.nodes().into_iter().for_each(|node| bridge.give_up_call(node, poll.watch));
        }
    }
}
