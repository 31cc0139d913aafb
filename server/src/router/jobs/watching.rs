//! Watching jobs from this node, wherever they are.

use std::sync::{Arc, atomic::Ordering};

use rialto_proto::{
    node::{PollWatch, WatchPolled},
    v1,
};

use crate::{auth::Identity, base::refusal::Refusal, router::Router};

/// Somebody watches jobs.
#[derive(Debug)]
pub struct JobWatch {
    router: Arc<Router>,
    identity: Identity,
    /// What was asked last. When another node keeps the queue by now, the watch goes on there.
    poll: PollWatch,
    /// Jobs that have come and were not looked at.
    jobs: std::vec::IntoIter<v1::Job>,
    /// Where another watch goes on, once those are said.
    resume: String,
    /// Whoever watches all is told where that begins.
    begins: bool,
}

impl JobWatch {
    /// The next job, at first or after a change. One that is not kept any more is passed over.
    ///
    /// *Falling behind*: ends with `LIMIT_REACHED`. *Cancel safety*: nothing is lost.
    pub async fn next(&mut self) -> Result<v1::WatchJobsResponse, Refusal> {
        loop {
            let (job, begins) = (self.jobs.next(), std::mem::take(&mut self.begins));
            if job.is_some() || begins {
                if self.jobs.len() == 0 {
                    self.poll.resume.clone_from(&self.resume);
                }
                return Ok(v1::WatchJobsResponse { job, resume: self.poll.resume.clone() });
            }
            let poll = PollWatch { number: self.poll.number + 1, ..self.poll.clone() };
            let polled = self.router.call_queue(&self.identity, poll).await?;
            self.take(polled);
        }
    }

    fn take(&mut self, WatchPolled { jobs, resume }: WatchPolled) {
        self.poll.number += 1;
        self.jobs = jobs.into_iter();
        if self.poll.job_ids.is_empty() {
            self.resume = resume;
        }
    }
}

impl Drop for JobWatch {
    fn drop(&mut self) {
        self.router.end_job_watch(&self.poll);
    }
}

impl Router {
    /// Watches some jobs, or all that change in a queue from now on, or since an earlier watch.
    pub async fn watch_jobs(
        self: &Arc<Self>,
        identity: Identity,
        request: v1::WatchJobsRequest,
    ) -> Result<JobWatch, Refusal> {
        let v1::WatchJobsRequest { namespace, queue, job_ids, resume } = request;
        if !(resume.is_empty() || job_ids.is_empty()) {
            return Err(Refusal::invalid("resume", "is for who watches all jobs of a queue"));
        }
        let watch = self.next_ask.fetch_add(1, Ordering::Relaxed);
        let begins = job_ids.is_empty();
        let poll = PollWatch { watch, number: 0, namespace, queue, job_ids, resume };
        let first = PollWatch { number: 1, ..poll.clone() };
        let polled = self.call_queue(&identity, first).await?;
        let (router, jobs, resume) = (Arc::clone(self), Vec::new().into_iter(), String::new());
        let mut watching = JobWatch { router, identity, poll, jobs, resume, begins };
        watching.take(polled);
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
