//! Watching jobs over all the streams that this takes: what was told before is not told again, and a watch of named jobs ends when all
//! of them have ended.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use rialto_proto::v1;
use tokio::time::Instant;

use crate::{
    backoff::Backoff,
    error::Error,
    jobs::{Jobs, service},
    uplink::Opened,
};

/// Jobs that one watch may name.
const NAMED_MAX: usize = 64;
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
    stream: Option<Opened<v1::WatchJobsResponse>>,
    opened_at: Instant,
    backoff: Backoff,
}

impl Jobs {
    /// Watches these jobs, 64 at most, as they are and then each change, until all of them have ended. Without any it ends at once.
    ///
    /// *Errors*: [`Error::Invalid`] for more than 64; of the first attempt to connect all, later those that do not pass.
    pub async fn watch<I: Into<String>>(&self, ids: impl IntoIterator<Item = I>) -> Result<JobWatch, Error> {
        let left: BTreeSet<String> = ids.into_iter().map(Into::into).collect();
        if left.len() > NAMED_MAX {
            return Err(Error::Invalid(format!(
                "{} jobs are more than the {NAMED_MAX} of a watch",
                left.len()
            )));
        }
        self.begin_watch(true, left).await
    }

    /// Watches all jobs that are put in or change from now on, for ever. After a lost connection a job may come again.
    ///
    /// *Errors*: as for [`Jobs::watch`], and `LIMIT_REACHED` when too much has happened meanwhile: list, and watch anew.
    pub async fn watch_all(&self) -> Result<JobWatch, Error> {
        self.begin_watch(false, BTreeSet::new()).await
    }

    async fn begin_watch(&self, is_named: bool, left: BTreeSet<String>) -> Result<JobWatch, Error> {
        let mut watch = JobWatch {
            jobs: self.clone(),
            is_named,
            left,
            told: BTreeMap::new(),
            resume: String::new(),
            stream: None,
            opened_at: Instant::now(),
            backoff: Backoff::up_to(AWAY_MAX),
        };
        if !watch.is_over() {
            watch.open().await?;
        }
        Ok(watch)
    }
}

impl JobWatch {
    /// The next job, at first or after a change; `None` when all that are named have ended. While the server cannot be reached it waits.
    ///
    /// *Cancel safety*: nothing is lost.
    pub async fn next(&mut self) -> Result<Option<v1::Job>, Error> {
        loop {
            if self.is_over() {
                return Ok(None);
            }
            let heard = match &mut self.stream {
                Some(stream) => stream.message(Error::of_broken_stream).await,
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
                Err(error) if !self.jobs.client.passes_after(&error) => return Err(error),
                Err(error) => self.lost(error.wait()).await?,
                Ok(None) => self.lost(Duration::ZERO).await?,
            }
        }
    }

    /// Holds when all that are named have ended.
    fn is_over(&self) -> bool {
        self.is_named && self.left.is_empty()
    }

    async fn open(&mut self) -> Result<(), Error> {
        let request = v1::WatchJobsRequest {
            namespace: self.jobs.namespace.clone(),
            queue: self.jobs.queue.clone(),
            job_ids: self.left.iter().cloned().collect(),
            resume: self.resume.clone(),
        };
        let call = async |channel, request| service(channel).watch_jobs(request).await;
        let stream = self.jobs.client.open(request, call).await?;
        (self.stream, self.opened_at) = (Some(stream), Instant::now());
        Ok(())
    }

    async fn lost(&mut self, not_before: Duration) -> Result<(), Error> {
        if self.stream.take().is_some() {
            self.backoff.ended_after(self.opened_at.elapsed());
        }
        let wait = self.backoff.draw().max(not_before);
        self.jobs.client.uplink().rest(wait).await
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

#[cfg(test)]
mod tests {
    use crate::{client::Client, error::Error};

    #[tokio::test]
    async fn a_watch_of_no_jobs_ends_at_once_and_to_redrive_none_redrives_none() {
        let jobs = Client::new("http://127.0.0.1:1").unwrap().jobs("default", "mail");
        let mut watch = jobs.watch([""; 0]).await.expect("nobody is asked");
        assert_eq!(watch.next().await, Ok(None));
        assert_eq!(jobs.redrive([""; 0]).await, Ok(0));
    }

    #[tokio::test]
    async fn a_watch_of_more_jobs_than_it_can_name_is_not_begun() {
        let jobs = Client::new("http://127.0.0.1:1").unwrap().jobs("default", "mail");
        let many = (0..=64).map(|number| number.to_string());
        assert!(matches!(jobs.watch(many).await, Err(Error::Invalid(_))));
        let fits = (0..64).map(|number| number.to_string());
        assert!(matches!(jobs.watch(fits).await, Err(Error::Unavailable(_))), "the server is asked");
    }
}
