//! Waiting for jobs, and watching them.

use std::sync::Arc;

use rialto_proto::v1::{self, JobState};
use tokio::time::timeout;

use super::control::LOOK;
use crate::{
    auth::Identity,
    base::{
        limits::{JOB_WAIT_DEFAULT, JOB_WAIT_MAX, JOBS_PER_WATCH_MAX, WATCHED_CHANGED_MAX},
        refusal::Refusal,
    },
    jobs::{Seq, Shard, Watch, is_live},
    router::Router,
    wire::job,
};

/// Somebody watches jobs.
#[derive(Debug)]
pub struct JobWatch {
    shard: Arc<Shard>,
    watch: Arc<Watch>,
    /// Jobs as they were at first.
    first: std::vec::IntoIter<v1::Job>,
}

impl JobWatch {
    /// The next job, at first or after a change. One that is not kept any more is passed over.
    ///
    /// *Falling behind*: ends with `LIMIT_REACHED`. *Cancel safety*: none; what was taken out is lost.
    pub async fn next(&mut self) -> Result<v1::Job, Refusal> {
        if let Some(job) = self.first.next() {
            return Ok(job);
        }
        loop {
            let behind = |_| Refusal::limit("watched_jobs_changed_max", WATCHED_CHANGED_MAX);
            let seq = self.watch.next().await.map_err(behind)?;
            let (job, last) = self.shard.ask(|engine, _| (engine.job_by_seq(seq), engine.last()));
            if let Some(job) = job {
                self.shard.durable(last).await?;
                return Ok(job);
            }
        }
    }
}

impl Router {
    /// One job once it has ended, or as it is when the time is up.
    pub async fn wait_job(
        &self,
        identity: &Identity,
        request: v1::WaitJobRequest,
        deadline: Option<std::time::Duration>,
    ) -> Result<v1::Job, Refusal> {
        let within = job::bounded("timeout", request.timeout, JOB_WAIT_MAX)?.unwrap_or(JOB_WAIT_DEFAULT);
        // So that there is time for the answer.
        let within = deadline.map_or(within, |deadline| within.min(deadline.mul_f32(0.9)));
        let (namespace, queue) = self.queue(identity, &LOOK, (request.namespace, request.queue))?;
        job::job_id(&request.job_id)?;
        let shard = self.shard()?;
        let id = request.job_id.as_str();
        let seq = shard.ask(|engine, _| engine.seq(&namespace, &queue, id))?;
        let watch = shard.watch_jobs(&[seq]);
        let ended = async {
            loop {
                let job = shard.ask(|engine, _| engine.job(&namespace, &queue, id));
                match job {
                    Ok(job) if !has_ended(&job) => {}
                    job => return job,
                }
                // One job at a time does not fall behind.
                watch.next().await.ok();
            }
        };
        let now = || shard.ask(|engine, _| engine.job(&namespace, &queue, id));
        let job = timeout(within, ended).await.unwrap_or_else(|_| now())?;
        let position = shard.ask(|engine, _| engine.last());
        shard.durable(position).await?;
        Ok(v1::Job { body: None, ..job })
    }

    /// Watches some jobs, or all that change in a queue from now on.
    pub fn watch_jobs(
        &self,
        identity: &Identity,
        request: v1::WatchJobsRequest,
    ) -> Result<JobWatch, Refusal> {
        let (namespace, queue) = self.queue(identity, &LOOK, (request.namespace, request.queue))?;
        if request.job_ids.len() > JOBS_PER_WATCH_MAX {
            return Err(Refusal::invalid(
                "job_ids",
                format_args!("has more than {JOBS_PER_WATCH_MAX} entries"),
            ));
        }
        let shard = Arc::clone(self.shard()?);
        if request.job_ids.is_empty() {
            let watch = shard.watch_queue((namespace.into(), queue.into()));
            return Ok(JobWatch { shard, watch, first: Vec::new().into_iter() });
        }
        let mut seqs: Vec<Seq> = Vec::new();
        for id in &request.job_ids {
            job::job_id(id)?;
            seqs.push(shard.ask(|engine, _| engine.seq(&namespace, &queue, id))?);
        }
        // First watched, then looked at, so that no change is missed.
        let watch = shard.watch_jobs(&seqs);
        let first: Vec<v1::Job> =
            shard.ask(|engine, _| seqs.iter().filter_map(|seq| engine.job_by_seq(*seq)).collect());
        Ok(JobWatch { shard, watch, first: first.into_iter() })
    }
}

/// Whether a job stays where it is, unless somebody redrives it.
fn has_ended(job: &v1::Job) -> bool {
    job.state() != JobState::Unspecified && !is_live(job.state())
}
