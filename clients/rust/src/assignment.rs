//! A job that a worker has, as the program sees it: what is to be done, and what it can say while it does it.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use parking_lot::Mutex;
use rialto_proto::v1::{
    self, JobCompleted, JobDiscarded, JobFailed, JobReleased, Lease, settlement::Outcome,
};
use tokio::sync::{Notify, watch};

use crate::{
    client::Client, content::Payload, error::carried, jobs::time, upload::PayloadReader, uploaded::Uploaded,
};

/// A job that is being worked on. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Assignment {
    lease: Arc<Lease>,
    payload: Arc<Payload>,
    uploaded: Option<Uploaded>,
    client: Client,
    said: Arc<Said>,
    wanted: watch::Receiver<Wanted>,
}

/// What somebody wants of a job, the later the more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wanted {
    /// That it is done.
    #[default]
    Done,
    /// That it is given back for now.
    Paused,
    /// That it is ended.
    Cancelled,
}

/// A job as it came.
#[derive(Debug)]
pub(crate) struct Leased {
    pub(crate) lease: Lease,
    pub(crate) said: Arc<Said>,
    pub(crate) wanted: watch::Receiver<Wanted>,
}

/// What a program has said of a job and was not sent yet.
#[derive(Debug, Default)]
pub(crate) struct Said {
    news: Mutex<News>,
    /// Wakes the worker when there is something to send.
    pub(crate) changed: Arc<Notify>,
}

#[derive(Debug, Default)]
struct News {
    progress: Option<v1::JobProgress>,
    checkpoint: Option<Bytes>,
}

impl Said {
    pub(crate) fn new(changed: Arc<Notify>) -> Self {
        Self { news: Mutex::default(), changed }
    }

    /// Takes out what is to be sent.
    pub(crate) fn take(&self) -> (Option<v1::JobProgress>, Option<Bytes>) {
        let mut news = self.news.lock();
        (news.progress.take(), news.checkpoint.take())
    }

    /// Something for the next attempt.
    pub(crate) fn leave(&self, checkpoint: impl Into<Bytes>) {
        self.news.lock().checkpoint = Some(checkpoint.into());
        self.changed.notify_one();
    }

    /// A checkpoint may not have arrived. A newer one counts.
    pub(crate) fn put_back(&self, checkpoint: Bytes) {
        self.news.lock().checkpoint.get_or_insert(checkpoint);
    }

    pub(crate) fn is_new(&self) -> bool {
        let news = self.news.lock();
        news.progress.is_some() || news.checkpoint.is_some()
    }
}

/// Why a job was not done.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NotDone {
    /// The attempt has failed.
    #[error("{message}")]
    Failed {
        /// For programs, at most 64 bytes.
        code: String,
        /// For people, at most 4 KiB.
        message: String,
        /// It would fail again: the job is dead at once.
        permanent: bool,
        /// When to try again; `None`: as the retry policy says.
        retry_after: Option<Duration>,
    },
    /// Given back: no attempt is counted, and it may begin after this long.
    #[error("given back")]
    Released(Duration),
    /// It is not to be done.
    #[error("{0}")]
    Discarded(String),
}

impl NotDone {
    /// The attempt has failed; another one may not.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::Failed { code: String::new(), message: message.into(), permanent: false, retry_after: None }
    }

    /// It would fail again.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self::Failed { code: String::new(), message: message.into(), permanent: true, retry_after: None }
    }
}

impl From<Result<Payload, NotDone>> for Settled {
    fn from(outcome: Result<Payload, NotDone>) -> Self {
        Self(match outcome {
            Ok(result) => Outcome::Completed(JobCompleted { result: Some(result.into_job()) }),
            Err(NotDone::Failed { code, message, permanent, retry_after }) => {
                let retry_after = retry_after.map(carried);
                Outcome::Failed(JobFailed { code, message, permanent, retry_after })
            }
            Err(NotDone::Released(delay)) => Outcome::Released(JobReleased { delay: Some(carried(delay)) }),
            Err(NotDone::Discarded(reason)) => Outcome::Discarded(JobDiscarded { reason }),
        })
    }
}

/// What became of a job, as it is sent.
pub(crate) struct Settled(pub(crate) Outcome);

impl Assignment {
    pub(crate) fn new(leased: Leased, client: Client) -> Self {
        let Leased { mut lease, said, wanted } = leased;
        let body = lease.body.take().unwrap_or_default();
        let uploaded = Uploaded::of(&body);
        Self { lease: Arc::new(lease), payload: Arc::new(body.into()), uploaded, client, said, wanted }
    }

    /// Its name in the queue.
    pub fn id(&self) -> &str {
        &self.lease.job_id
    }

    /// The namespace of its queue.
    pub fn namespace(&self) -> &str {
        &self.lease.namespace
    }

    /// Its queue.
    pub fn queue(&self) -> &str {
        &self.lease.queue
    }

    /// What the job before it in its chain has found.
    pub fn previous_result(&self) -> Option<Payload> {
        self.lease.previous_result.clone().map(Payload::from)
    }

    /// The batch that it completes, with how the jobs of that have ended.
    pub fn batch(&self) -> Option<&v1::JobBatch> {
        self.lease.batch.as_ref()
    }

    /// What kind of job it is.
    pub fn kind(&self) -> &str {
        &self.lease.r#type
    }

    /// What there is to know; empty when that was uploaded.
    pub fn payload(&self) -> &Payload {
        &self.payload
    }

    /// That as text; `None` when it is not UTF-8.
    pub fn text(&self) -> Option<&str> {
        self.payload.text()
    }

    /// The payload, if it was uploaded by itself.
    pub fn uploaded(&self) -> Option<&Uploaded> {
        self.uploaded.as_ref()
    }

    /// Reads the payload piece by piece from byte `offset` on, whether it was uploaded or came with the job.
    pub fn read(&self, offset: u64) -> PayloadReader {
        match &self.uploaded {
            Some(uploaded) => self.client.jobs(self.namespace(), self.queue()).read(uploaded, offset),
            None => PayloadReader::inline(Bytes::copy_from_slice(self.payload.bytes()), offset),
        }
    }

    /// Key/value pairs of the job.
    pub fn attributes(&self) -> &BTreeMap<String, String> {
        &self.lease.attributes
    }

    /// Which attempt this is, from 1.
    pub fn attempt(&self) -> u32 {
        self.lease.attempt
    }

    /// How many there may be.
    pub fn attempts_max(&self) -> u32 {
        self.lease.attempts_max
    }

    /// When the job was put in.
    pub fn enqueued_at(&self) -> Option<SystemTime> {
        time(self.lease.enqueue_time)
    }

    /// Why the attempt before failed.
    pub fn last_error(&self) -> Option<&v1::JobError> {
        self.lease.last_error.as_ref()
    }

    /// What the attempt before has left for this one; empty for nothing.
    pub fn checkpoint(&self) -> &Bytes {
        &self.lease.checkpoint
    }

    /// Says how far the work has come: `done` of `total`, 0 when that is not known. Sent a moment later; of several the newest.
    pub fn progress(&self, done: u64, total: u64, message: impl Into<String>) {
        self.said.news.lock().progress = Some(v1::JobProgress { done, total, message: message.into() });
        self.said.changed.notify_one();
    }

    /// Leaves something for the next attempt, if this one fails. Sent a moment later; of several the newest. At most 64 KiB.
    pub fn leave(&self, checkpoint: impl Into<Bytes>) {
        self.said.leave(checkpoint);
    }

    /// Whether somebody wants the job cancelled, or its lease is lost: what is done from now on is for nothing.
    pub fn is_cancelled(&self) -> bool {
        *self.wanted.borrow() == Wanted::Cancelled
    }

    /// Whether somebody wants the job paused: leave a checkpoint, and give it back with [`NotDone::Released`] as soon as that is sensible.
    pub fn is_to_pause(&self) -> bool {
        *self.wanted.borrow() == Wanted::Paused
    }

    /// Waits until the job is to be paused, or cancelled.
    ///
    /// *Cancel safety*: nothing is lost.
    pub async fn to_pause(&self) {
        self.until(|wanted| *wanted >= Wanted::Paused).await;
    }

    /// Waits until that is so.
    ///
    /// *Cancel safety*: nothing is lost.
    pub async fn cancelled(&self) {
        self.until(|wanted| *wanted == Wanted::Cancelled).await;
    }

    async fn until(&self, holds: impl FnMut(&Wanted) -> bool) {
        let mut wanted = self.wanted.clone();
        // When nobody can say so any more, it never is.
        if wanted.wait_for(holds).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
