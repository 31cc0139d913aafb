//! A job that a worker has, as the program sees it: what is to be done, and what it can say while it does it.

use std::{collections::BTreeMap, sync::Arc, time::SystemTime};

use bytes::Bytes;
use parking_lot::Mutex;
use rialto_proto::v1::{self, Lease, RefusalCode};
use tokio::sync::{Notify, watch};

use crate::{
    client::Client,
    content::Payload,
    error::{Error, Refusal},
    jobs::time,
    outcome::{PROGRESS_BYTES_MAX, RESULT_BYTES_MAX, cut},
    upload::PayloadReader,
    uploaded::Uploaded,
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
    /// Nothing: somebody else may have it.
    LeaseLost,
    /// Nothing: the worker waits no longer.
    Closed,
}

/// Why what is done for a job from now on is for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cancelled {
    /// Somebody wants the job to end. Its outcome is said as usual, and holds.
    Requested,
    /// The lease of the job is over, and somebody else may have it. Nothing more is said of it.
    LeaseLost,
    /// The worker was to stop, and its time is over.
    Closed,
}

impl Wanted {
    fn cancelled(self) -> Option<Cancelled> {
        match self {
            Self::Done | Self::Paused => None,
            Self::Cancelled => Some(Cancelled::Requested),
            Self::LeaseLost => Some(Cancelled::LeaseLost),
            Self::Closed => Some(Cancelled::Closed),
        }
    }
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

/// How far the work has come, and what it has left.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct News {
    pub(crate) progress: Option<v1::JobProgress>,
    pub(crate) checkpoint: Option<Bytes>,
}

impl Said {
    pub(crate) fn new(changed: Arc<Notify>) -> Self {
        Self { news: Mutex::default(), changed }
    }

    /// Takes out what is to be sent.
    pub(crate) fn take(&self) -> News {
        std::mem::take(&mut self.news.lock())
    }

    /// How far the work has come.
    pub(crate) fn progress(&self, progress: v1::JobProgress) {
        self.news.lock().progress = Some(progress);
        self.changed.notify_one();
    }

    /// Something for the next attempt.
    pub(crate) fn checkpoint(&self, checkpoint: Bytes) {
        self.news.lock().checkpoint = Some(checkpoint);
        self.changed.notify_one();
    }

    /// What may not have arrived. Something newer counts more.
    pub(crate) fn put_back(&self, before: News) {
        let mut news = self.news.lock();
        news.progress = news.progress.take().or(before.progress);
        news.checkpoint = news.checkpoint.take().or(before.checkpoint);
    }

    pub(crate) fn is_new(&self) -> bool {
        *self.news.lock() != News::default()
    }
}

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

    /// What there is to know.
    ///
    /// *Errors*: [`Error::Invalid`] when it was uploaded by itself: [`read`](Self::read) it.
    pub fn payload(&self) -> Result<&Payload, Error> {
        match self.uploaded {
            None => Ok(&self.payload),
            Some(_) => Err(Error::Invalid("the payload was uploaded by itself: read it".to_owned())),
        }
    }

    /// That as text.
    ///
    /// *Errors*: as for [`payload`](Self::payload), and when it is not UTF-8.
    pub fn text(&self) -> Result<&str, Error> {
        self.payload()?.text().ok_or_else(|| Error::Invalid("the payload is not UTF-8".to_owned()))
    }

    /// That as bytes, also of text.
    ///
    /// *Errors*: as for [`payload`](Self::payload).
    pub fn bytes(&self) -> Result<&[u8], Error> {
        Ok(self.payload()?.bytes())
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
    pub fn last_checkpoint(&self) -> &Bytes {
        &self.lease.checkpoint
    }

    /// Says how far the work has come: `done` of `total`, 0 when that is not known. The text is cut to 1 KiB. Sent a moment later; of
    /// several the newest.
    pub fn progress(&self, done: u64, total: u64, message: impl Into<String>) {
        let message = cut(message.into(), PROGRESS_BYTES_MAX);
        self.said.progress(v1::JobProgress { done, total, message });
    }

    /// Leaves something for the next attempt, if this one fails. Sent a moment later; of several the newest.
    ///
    /// *Errors*: `PAYLOAD_TOO_LARGE` for more than 64 KiB; what was left before stays.
    pub fn checkpoint(&self, checkpoint: impl Into<Bytes>) -> Result<(), Error> {
        let checkpoint = checkpoint.into();
        if checkpoint.len() > RESULT_BYTES_MAX {
            let reason = format!("a checkpoint has {RESULT_BYTES_MAX} bytes at most");
            return Err(Error::Refused(Refusal::new(RefusalCode::PayloadTooLarge, reason)));
        }
        self.said.checkpoint(checkpoint);
        Ok(())
    }

    /// Whether what is done from now on is for nothing: somebody wants the job cancelled, or its lease is lost.
    pub fn is_cancelled(&self) -> bool {
        self.cancellation().is_some()
    }

    /// Why that is so, if it is.
    pub fn cancellation(&self) -> Option<Cancelled> {
        self.wanted.borrow().cancelled()
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

    /// Waits until what is done from now on is for nothing, and says why.
    ///
    /// *Cancel safety*: nothing is lost.
    pub async fn cancelled(&self) -> Cancelled {
        let why = self.until(|wanted| wanted.cancelled().is_some()).await;
        why.cancelled().unwrap_or(Cancelled::Requested)
    }

    /// Waits until the lease of the job is lost, also after it was to be cancelled.
    ///
    /// *Cancel safety*: nothing is lost.
    pub async fn lost(&self) {
        self.until(|wanted| *wanted == Wanted::LeaseLost).await;
    }

    async fn until(&self, holds: impl FnMut(&Wanted) -> bool) -> Wanted {
        let mut wanted = self.wanted.clone();
        let came = wanted.wait_for(holds).await.map(|wanted| *wanted).ok();
        match came {
            Some(wanted) => wanted,
            // When nobody can say so any more, it never is.
            None => std::future::pending().await,
        }
    }
}
