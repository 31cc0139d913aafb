//! Handing work over, and looking what becomes of it: one queue of a server, without a session.

use std::{
    collections::BTreeMap,
    future::Future,
    time::{Duration, SystemTime},
};

use rialto_proto::v1::{
    self, Durability, JobState, enqueue_outcome::Outcome, job_service_client::JobServiceClient,
};
use tokio::time::{Instant, timeout_at};
use tonic::transport::Channel;

use crate::{
    backoff::Backoff,
    client::Client,
    error::{Error, Refusal, carried},
    new_job::NewJob,
};

/// How long one call waits for a job; longer waits are several, because proxies give up what is silent for a minute.
const WAIT: Duration = Duration::from_secs(30);

/// One queue of a server. Cheap to clone.
///
/// ```no_run
/// # async fn example() -> Result<(), rialto_client::Error> {
/// use std::time::Duration;
/// use rialto_client::{Client, NewJob};
///
/// let mail = Client::new("http://127.0.0.1:7400")?.jobs("default", "mail");
/// let job = mail.enqueue(NewJob::new("to ann").of_type("welcome")).await?;
/// let ended = mail.wait(&job.id, Duration::from_secs(60)).await?;
/// assert!(ended.end_time.is_some());
/// # Ok(()) }
/// ```
///
/// *Errors*: `FORBIDDEN` without the right `enqueue` or `work`; `NOT_FOUND` for a job or a queue that is not there.
#[derive(Debug, Clone)]
pub struct Jobs {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    pub(crate) queue: String,
}

/// A job was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enqueued {
    /// Its name in the queue.
    pub id: String,
    /// It, or another one with its unique key, was there before.
    pub duplicate: bool,
    /// How sure it is that it survives.
    pub durability: Durability,
}

/// Which jobs are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// In these states; empty: in all.
    pub states: Vec<JobState>,
    /// Of this type; empty: of any.
    pub kind: String,
    /// With all of these attributes.
    pub attributes: BTreeMap<String, String>,
    /// Of this batch; empty: of any and none.
    pub batch_id: String,
    /// Put in at this time or later.
    pub enqueued_from: Option<SystemTime>,
    /// Put in before this time.
    pub enqueued_before: Option<SystemTime>,
}

/// Some jobs of a queue, the last one put in first.
#[derive(Debug, Clone, PartialEq)]
pub struct JobPage {
    /// The jobs.
    pub jobs: Vec<v1::Job>,
    /// What to hand to the next call; empty when there are no more.
    pub next: String,
}

/// Sends one request about the queue, with credentials and deadline.
macro_rules! ask {
    ($jobs:expr, $call:ident, $message:ident { $($field:ident: $value:expr),* }) => {
        ask!($jobs, $jobs.client.deadline(), $call, $message { $($field: $value),* })
    };
    ($jobs:expr, $within:expr, $call:ident, $message:ident { $($field:ident: $value:expr),* }) => {{
        let message = v1::$message {
            namespace: $jobs.namespace.clone(),
            queue: $jobs.queue.clone(),
            $($field: $value),*
        };
        let call = async |channel, request| $crate::jobs::service(channel).$call(request).await;
        $jobs.client.unary(message, $within, call).await?
    }};
}

pub(crate) use ask;

pub(crate) fn service(channel: Channel) -> JobServiceClient<Channel> {
    JobServiceClient::new(channel).max_decoding_message_size(crate::settings::MESSAGE_BYTES_MAX)
}

impl Client {
    /// A queue of jobs.
    pub fn jobs(&self, namespace: impl Into<String>, queue: impl Into<String>) -> Jobs {
        Jobs { client: self.clone(), namespace: namespace.into(), queue: queue.into() }
    }

    /// Queues of a namespace in which the caller may enqueue or work, by name; and what to ask with for more, empty when these are all.
    pub async fn queues(
        &self,
        namespace: impl Into<String>,
        page_token: impl Into<String>,
    ) -> Result<(Vec<v1::Queue>, String), Error> {
        let request = v1::ListQueuesRequest {
            namespace: namespace.into(),
            page_size: 0,
            page_token: page_token.into(),
        };
        let call = async |channel, request| service(channel).list_queues(request).await;
        let response = self.unary(request, self.deadline(), call).await?;
        Ok((response.queues, response.next_page_token))
    }
}

impl Jobs {
    /// Puts one job in. It is as durable as the answer says when this returns. Said again until the deadline after failures that
    /// pass: the job has a name, so that has one effect.
    pub async fn enqueue(&self, job: NewJob) -> Result<Enqueued, Error> {
        let outcome = self.enqueue_all([job]).await?.into_iter().next();
        outcome.ok_or_else(|| Error::unexpected("an enqueue"))?.map_err(Error::Refused)
    }

    /// Puts up to 1,000 jobs in, each by itself.
    pub async fn enqueue_all(
        &self,
        jobs: impl IntoIterator<Item = NewJob>,
    ) -> Result<Vec<Result<Enqueued, Refusal>>, Error> {
        let jobs: Result<Vec<v1::NewJob>, Error> = jobs.into_iter().map(NewJob::named).collect();
        let jobs = jobs?;
        let response = self
            .again(self.client.deadline(), async |left| {
                let jobs = jobs.clone();
                Ok(ask!(self, left, enqueue, EnqueueRequest { jobs: jobs }))
            })
            .await?;
        let durability = response.durability();
        let outcome = |outcome: v1::EnqueueOutcome| match outcome.outcome {
            Some(Outcome::Enqueued(v1::Enqueued { job_id, duplicate })) => {
                Ok(Ok(Enqueued { id: job_id, duplicate, durability }))
            }
            Some(Outcome::Refused(refused)) => Ok(Err(refused.into())),
            None => Err(Error::unexpected("an enqueue")),
        };
        response.outcomes.into_iter().map(outcome).collect()
    }

    /// Asks again within that time after failures that pass. `ask` is told how much of it is left.
    pub(crate) async fn again<T, F>(&self, within: Duration, ask: impl Fn(Duration) -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let deadline = Instant::now() + within;
        let mut backoff = Backoff::default();
        loop {
            let error = match ask(deadline.saturating_duration_since(Instant::now())).await {
                Err(error) if error.passes() => error,
                outcome => return outcome,
            };
            let wait = backoff.draw().max(error.wait());
            if Instant::now() + wait >= deadline {
                return Err(error);
            }
            self.client.uplink().rest(wait).await?;
        }
    }

    /// One job.
    pub async fn get(&self, id: impl Into<String>) -> Result<v1::Job, Error> {
        let response = ask!(self, get_job, GetJobRequest { job_id: id.into() });
        response.job.ok_or_else(|| Error::unexpected("a lookup"))
    }

    /// One job once it has ended. Fails with [`Error::TimedOut`] when it does not within that time.
    ///
    /// *Cancel safety*: nothing is lost.
    pub async fn wait(&self, id: impl Into<String>, within: Duration) -> Result<v1::Job, Error> {
        let (id, deadline) = (id.into(), Instant::now() + within);
        let late = || Error::TimedOut(format!("job {id} has not ended within {within:?}"));
        let mut backoff = Backoff::default();
        loop {
            let left = deadline.saturating_duration_since(Instant::now()).min(WAIT);
            match timeout_at(deadline, self.wait_once(&id, left)).await {
                Err(_) => return Err(late()),
                Ok(Ok(job)) if job.end_time.is_some() => return Ok(job),
                Ok(Ok(_)) => backoff = Backoff::default(),
                Ok(Err(error)) if error.passes() => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    self.client.uplink().rest(backoff.draw().max(error.wait()).min(left)).await?;
                }
                Ok(Err(error)) => return Err(error),
            }
            if Instant::now() >= deadline {
                return Err(late());
            }
        }
    }

    /// The job once it has ended, or as it is after so long.
    async fn wait_once(&self, id: &str, wait: Duration) -> Result<v1::Job, Error> {
        let (within, job_id) = (wait + self.client.deadline(), id.to_owned());
        let timeout = Some(carried(wait));
        let response = ask!(self, within, wait_job, WaitJobRequest { job_id: job_id, timeout: timeout });
        response.job.ok_or_else(|| Error::unexpected("a wait"))
    }

    /// Some jobs, the last one put in first. `page_token` is empty for the first page.
    pub async fn list(
        &self,
        filter: &JobFilter,
        page_size: u32,
        page_token: impl Into<String>,
    ) -> Result<JobPage, Error> {
        let response = ask!(
            self,
            list_jobs,
            ListJobsRequest {
                states: filter.states.iter().map(|state| (*state).into()).collect(),
                r#type: filter.kind.clone(),
                attributes: filter.attributes.clone(),
                page_size: page_size,
                page_token: page_token.into(),
                batch_id: filter.batch_id.clone(),
                enqueued_from: filter.enqueued_from.map(Into::into),
                enqueued_before: filter.enqueued_before.map(Into::into)
            }
        );
        Ok(JobPage { jobs: response.jobs, next: response.next_page_token })
    }

    /// Ends a job that waits, and asks the worker of one that runs to end it.
    pub async fn cancel(&self, id: impl Into<String>, reason: impl Into<String>) -> Result<v1::Job, Error> {
        let response = ask!(self, cancel_job, CancelJobRequest { job_id: id.into(), reason: reason.into() });
        response.job.ok_or_else(|| Error::unexpected("a cancel"))
    }

    /// Pauses a job that waits, and asks the worker of one that runs to give it back. What it has left is there when it goes on.
    pub async fn pause_job(&self, id: impl Into<String>) -> Result<v1::Job, Error> {
        let response = ask!(self, pause_job, PauseJobRequest { job_id: id.into() });
        response.job.ok_or_else(|| Error::unexpected("a pause"))
    }

    /// Has a paused job go on, or the worker of one that was to be paused keep it.
    pub async fn resume_job(&self, id: impl Into<String>) -> Result<v1::Job, Error> {
        let response = ask!(self, resume_job, ResumeJobRequest { job_id: id.into() });
        response.job.ok_or_else(|| Error::unexpected("a resume"))
    }

    /// Gives these dead jobs all their attempts again. Returns how many. Without any nothing is asked.
    pub async fn redrive<I: Into<String>>(&self, ids: impl IntoIterator<Item = I>) -> Result<u32, Error> {
        let job_ids: Vec<String> = ids.into_iter().map(Into::into).collect();
        if job_ids.is_empty() {
            return Ok(0);
        }
        Ok(ask!(self, redrive_jobs, RedriveJobsRequest { job_ids: job_ids }).redriven_count)
    }

    /// Gives all dead jobs of the queue all their attempts again. Returns how many.
    pub async fn redrive_all(&self) -> Result<u32, Error> {
        Ok(ask!(self, redrive_jobs, RedriveJobsRequest { job_ids: Vec::new() }).redriven_count)
    }

    /// The queue as it is.
    pub async fn queue(&self) -> Result<v1::Queue, Error> {
        ask!(self, get_queue, GetQueueRequest {}).queue.ok_or_else(|| Error::unexpected("a lookup"))
    }

    /// What holds in the queue from now on; what is not set has its default.
    pub async fn set(&self, settings: v1::QueueSettings) -> Result<v1::Queue, Error> {
        let response = ask!(self, set_queue, SetQueueRequest { settings: Some(settings) });
        response.queue.ok_or_else(|| Error::unexpected("a change"))
    }

    /// Begins no more jobs; what runs goes on.
    pub async fn pause(&self) -> Result<v1::Queue, Error> {
        ask!(self, pause_queue, PauseQueueRequest {}).queue.ok_or_else(|| Error::unexpected("a pause"))
    }

    /// Begins jobs again.
    pub async fn resume(&self) -> Result<v1::Queue, Error> {
        ask!(self, resume_queue, ResumeQueueRequest {}).queue.ok_or_else(|| Error::unexpected("a resume"))
    }

    /// Cancels all jobs that wait or are delayed. Returns how many.
    pub async fn purge(&self) -> Result<u32, Error> {
        Ok(ask!(self, purge_queue, PurgeQueueRequest {}).cancelled_count)
    }
}

/// A time of the contract.
pub(crate) fn time(at: Option<prost_types::Timestamp>) -> Option<SystemTime> {
    at.and_then(|at| SystemTime::try_from(at).ok())
}
