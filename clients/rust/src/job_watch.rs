//! Watching jobs over all the streams that this takes: what was told before is not told again, and a watch of named jobs ends when all
//! of them have ended.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use rialto_proto::v1;
use tokio::time::{Instant, sleep};
use tonic::Streaming;

use crate::{backoff::Backoff, error::Error, jobs::Jobs};

/// The longest wait before the next attempt to connect.
const AWAY_MAX: Duration = Duration::from_secs(5);

/// Jobs as they change. Comes back by itself when its connection is lost, and misses nothing then.
#[derive(Debug)]
pub struct JobWatch {
    jobs: Jobs,
    /// Those that are named and were not seen at their end. One that was may be forgotten, and is not asked for again.
    left: BTreeSet<String>,
    is_named: bool,
    /// Those that are named, as they were told last.
    told: BTreeMap<String, v1::Job>,
    /// Where the next stream goes on, of a watch of all jobs.
    resume: String,
    stream: Option<Streaming<v1::WatchJobsResponse>>,
    opened_at: Instant,
    backoff: Backoff,
}

impl Jobs {
    /// Watches these jobs as they are and then each change, until all of them have ended; without any, all that are put in or change
    /// from now on.
    ///
    /// *Errors*: of the first attempt to connect all, later those that would come again.
    pub async fn watch<I: Into<String>>(&self, ids: impl IntoIterator<Item = I>) -> Result<JobWatch, Error> {
        let left: BTreeSet<String> = ids.into_iter().map(Into::into).collect();
        let mut watch = JobWatch {
            jobs: self.clone(),
            is_named: !left.is_empty(),
            left,
            told: BTreeMap::new(),
            resume: String::new(),
            stream: None,
            opened_at: Instant::now(),
            backoff: Backoff::default(),
        };
        watch.open().await?;
        Ok(watch)
    }
}

impl JobWatch {
    /// The next job, at first or after a change; `None` when all that are named have ended. While the server cannot be reached it waits.
    ///
    /// *Cancel safety*: nothing is lost.
    pub async fn next(&mut self) -> Result<Option<v1::Job>, Error> {
        loop {
            if self.is_named && self.left.is_empty() {
                return Ok(None);
            }
            let heard = match &mut self.stream {
                Some(stream) => stream.message().await.map_err(Error::of_stream),
                None => match self.open().await {
                    Ok(()) => continue,
                    Err(error) => Err(error),
                },
            };
            match heard {
                Ok(Some(v1::WatchJobsResponse { job, resume })) => {
                    self.resume = resume;
                    if let Some(job) = job.and_then(|job| self.news(job)) {
                        return Ok(Some(job));
                    }
                }
                Err(error) if error.is_final() => return Err(error),
                Ok(None) | Err(_) => self.lost().await,
            }
        }
    }

    async fn open(&mut self) -> Result<(), Error> {
        let request = tonic::Request::new(v1::WatchJobsRequest {
            namespace: self.jobs.namespace.clone(),
            queue: self.jobs.queue.clone(),
            job_ids: self.left.iter().cloned().collect(),
            resume: self.resume.clone(),
        });
        let response = self.jobs.service().watch_jobs(self.jobs.client.sign(request)).await?;
        (self.stream, self.opened_at) = (Some(response.into_inner()), Instant::now());
        Ok(())
    }

    async fn lost(&mut self) {
        if self.stream.take().is_some() {
            self.backoff.ended_after(self.opened_at.elapsed());
        }
        sleep(self.backoff.draw().min(AWAY_MAX)).await;
    }

    /// The job, unless it is as it was told last.
    fn news(&mut self, job: v1::Job) -> Option<v1::Job> {
        if !self.is_named {
            return Some(job);
        }
        if job.end_time.is_some() {
            self.left.remove(&job.job_id);
        }
        let before = self.told.insert(job.job_id.clone(), job.clone());
        (before.as_ref() != Some(&job)).then_some(job)
    }
}
