//! Waiting for jobs, and saying what has changed of those that are watched.

use std::time::Duration;

use rialto_proto::{
    node,
    v1::{self, JobState},
};
use tokio::time::timeout;

use super::{
    call::{Here, POLLED_FOR},
    control::LOOK,
};
use crate::{
    base::{
        limits::{JOB_WAIT_DEFAULT, JOB_WAIT_MAX, JOBS_PER_WATCH_MAX, WATCHED_CHANGED_MAX},
        refusal::Refusal,
    },
    jobs::{ResumePoint, Seq, is_live},
    wire::job,
};

impl Here<'_> {
    /// One job once it has ended, or as it is when the time is up.
    pub(super) async fn wait_job(self, request: v1::WaitJobRequest) -> Result<v1::WaitJobResponse, Refusal> {
        let within = job::bounded("timeout", request.timeout, JOB_WAIT_MAX)?.unwrap_or(JOB_WAIT_DEFAULT);
        let (namespace, queue) = self.queue(&LOOK, (request.namespace, request.queue))?;
        job::job_id(&request.job_id)?;
        let (shard, id) = (self.shard, request.job_id.as_str());
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
        Ok(v1::WaitJobResponse { job: Some(v1::Job { body: None, ..job }) })
    }

    /// Jobs of a watch that have changed; at once those that it begins with, and later once there are some. A job that is not kept any
    /// more is passed over.
    ///
    /// *Falling behind*: ends with `LIMIT_REACHED`.
    pub(super) async fn poll_watch(self, request: node::PollWatch) -> Result<node::WatchPolled, Refusal> {
        let node::PollWatch { watch, number, namespace, queue, job_ids, resume } = request;
        let (namespace, queue) = self.queue(&LOOK, (namespace, queue))?;
        if job_ids.len() > JOBS_PER_WATCH_MAX {
            let what = format_args!("has more than {JOBS_PER_WATCH_MAX} entries");
            return Err(Refusal::invalid("job_ids", what));
        }
        let (shard, watcher) = (self.shard, (self.from, watch));
        let begin = || {
            if job_ids.is_empty() {
                let queue = (namespace.as_str().into(), queue.as_str().into());
                let watch = match point(&resume)? {
                    Some(point) => shard.watch_queue_again(queue, point).ok_or_else(too_much)?,
                    None => shard.watch_queue(queue),
                };
                return Ok((watch, Vec::new()));
            }
            let mut seqs: Vec<Seq> = Vec::new();
            for id in &job_ids {
                job::job_id(id)?;
                seqs.push(shard.ask(|engine, _| engine.seq(&namespace, &queue, id))?);
            }
            // First watched, then looked at, so that no change is missed.
            Ok((shard.watch_jobs(&seqs), seqs))
        };
        let (polled, begins) = shard.poll(watcher, number, begin)?;
        let resume = || shard.resume_point(polled.from()).to_string();
        // One that begins is not let wait.
        let patience = if begins { Duration::ZERO } else { POLLED_FOR };
        let Ok(seqs) = timeout(patience, polled.changed()).await else {
            return Ok(node::WatchPolled { jobs: Vec::new(), resume: resume() });
        };
        let seqs = seqs.map_err(|_| {
            shard.end_poll(watcher);
            too_much()
        })?;
        let resume = resume();
        let (jobs, last) = shard.ask(|engine, _| {
            let jobs: Vec<v1::Job> = seqs.iter().filter_map(|seq| engine.job_by_seq(*seq)).collect();
            (jobs, engine.last())
        });
        shard.durable(last).await?;
        Ok(node::WatchPolled { jobs, resume })
    }
}

/// Where a watch goes on, if it has begun before.
fn point(resume: &str) -> Result<Option<ResumePoint>, Refusal> {
    if resume.is_empty() {
        return Ok(None);
    }
    let point =
        resume.parse().map_err(|_| Refusal::invalid("resume", "is not from a watch of this queue"))?;
    Ok(Some(point))
}

/// So much has changed that it is not known any more what.
fn too_much() -> Refusal {
    Refusal::limit("watched_jobs_changed_max", WATCHED_CHANGED_MAX)
}

/// Whether a job stays where it is, unless somebody redrives it.
fn has_ended(job: &v1::Job) -> bool {
    job.state() != JobState::Unspecified && !is_live(job.state())
}
