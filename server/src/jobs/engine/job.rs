//! One job: what was put in, where it is, and what has become of it so far. A million of them may wait, so that what most do not
//! need is apart, and what is seldom asked stays encoded.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use rialto_proto::v1::{self, JobBatch, JobState, NewJob};
use sha2::{Digest, Sha256};

use super::{
    KeyIndex, QueueIndex, Seq,
    record::{JobRecord, MovedRecord, RunRecord},
    spec::{Marks, without_bodies},
};
use crate::log::Position;

/// A job.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) queue: QueueIndex,
    pub(super) key: KeyIndex,
    pub(super) state: JobState,
    pub(super) priority: i8,
    /// It has an ordering key.
    pub(super) is_ordered: bool,
    /// It is in the line of that.
    pub(super) is_lined: bool,
    /// It is among the live ones: its fairness key and its unique key know it.
    pub(super) is_live: bool,
    /// It is not durable yet, and nobody is given it.
    pub(super) is_staged: bool,
    pub(super) cancelling: bool,
    pub(super) pausing: bool,
    /// Rooms are to be told of it.
    pub(super) has_notify: bool,
    /// They were told how it has ended.
    pub(super) is_notified: bool,
    /// Another one is to be put in once it is completed.
    pub(super) is_chained: bool,
    /// It begins when its batch is complete.
    pub(super) completes_batch: bool,
    /// Its payload was uploaded, and is still needed.
    pub(super) has_upload: bool,
    /// Attempts that count.
    pub(super) attempts: u32,
    pub(super) deliveries: u32,
    pub(super) enqueued_ms: u64,
    /// When it came to be where it is.
    pub(super) at_ms: u64,
    /// When its state ends by itself; 0: never.
    pub(super) until_ms: u64,
    /// What the timers know of it; 0: nothing.
    pub(super) timer_ms: u64,
    /// Where its last whole record is.
    pub(super) position: Position,
    /// A `NewJob`, its name set.
    spec: Box<[u8]>,
    rest: Option<Box<Rest>>,
}

/// What most jobs do not have.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Rest {
    /// The attempt that runs, or the last one.
    pub(super) run: Option<Run>,
    pub(super) progress: Option<v1::JobProgress>,
    pub(super) checkpoint: Bytes,
    pub(super) error: Option<v1::JobError>,
    pub(super) result: Option<v1::JobBody>,
    /// By which lease it was settled last, and how.
    pub(super) settled: (u64, u32),
    /// When it expires unless it has begun; 0: never.
    pub(super) expires_ms: u64,
    /// The batch that it completes.
    pub(super) batch: Option<v1::JobBatch>,
    /// The job that completes the batch which it belongs to.
    pub(super) batch_of: Option<Seq>,
    /// Which schedule has put it in, and for when.
    pub(super) schedule: Option<(Box<str>, u64)>,
    /// A digest of what was put in, when that is not kept any more.
    digest: u64,
}

/// An attempt.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Run {
    pub(super) nonce: u64,
    pub(super) worker: u64,
    pub(super) worker_name: Arc<str>,
    pub(super) began_ms: u64,
    pub(super) lease_ms: u64,
}

impl Job {
    /// The job that a record tells of, in no queue yet.
    pub(super) fn recorded(record: JobRecord, spec: &NewJob, position: Position) -> Self {
        let place = record.place.unwrap_or_default();
        let mut job = Self {
            queue: QueueIndex(0),
            key: KeyIndex(0),
            state: JobState::Waiting,
            priority: priority(spec),
            is_ordered: !spec.ordering_key.is_empty(),
            is_lined: false,
            is_live: false,
            is_staged: false,
            cancelling: record.cancelling,
            pausing: record.pausing,
            has_notify: !spec.notify.is_empty(),
            is_notified: record.notified,
            is_chained: !spec.chain.is_empty(),
            completes_batch: spec.completes_batch,
            has_upload: upload(spec).is_some(),
            attempts: 0,
            deliveries: 0,
            enqueued_ms: record.enqueued_ms,
            at_ms: 0,
            until_ms: 0,
            timer_ms: 0,
            position,
            spec: record.spec.to_vec().into_boxed_slice(),
            rest: None,
        };
        let schedule = (!record.schedule_id.is_empty())
            .then(|| (record.schedule_id.into_boxed_str(), record.schedule_ms));
        let rest = Rest {
            run: record.run.map(Run::from),
            progress: record.progress,
            checkpoint: record.checkpoint,
            batch: record.batch,
            batch_of: (record.batch_seq > 0).then_some(Seq(record.batch_seq)),
            schedule,
            digest: record.digest,
            ..Rest::default()
        };
        if rest != Rest::default() {
            job.rest = Some(Box::new(rest));
        }
        job.place(place);
        job
    }

    /// It is where a record says.
    pub(super) fn place(&mut self, moved: MovedRecord) {
        self.state = moved.state();
        (self.at_ms, self.until_ms) = (moved.at_ms, moved.until_ms);
        (self.attempts, self.deliveries) = (moved.attempts, moved.deliveries);
        if self.state != JobState::Running {
            (self.cancelling, self.pausing) = (false, false);
        }
        let bare =
            moved.error.is_none() && moved.result.is_none() && moved.settled == 0 && moved.expires_ms == 0;
        if bare && self.rest.is_none() {
            return;
        }
        let rest = self.rest_mut();
        rest.expires_ms = moved.expires_ms;
        if moved.error.is_some() {
            rest.error = moved.error;
        }
        if moved.result.is_some() {
            rest.result = moved.result;
        }
        if moved.settled != 0 {
            rest.settled = (moved.settled, moved.settled_as);
        }
        self.tidy();
    }

    /// Lets go what is not needed any more where it is now.
    fn tidy(&mut self) {
        if matches!(
            self.state,
            JobState::Completed | JobState::Cancelled | JobState::Discarded | JobState::Expired
        ) {
            self.strip();
        }
        let (completed, ended) = (self.state == JobState::Completed, !is_live(self.state));
        let rest = self.rest_mut();
        if completed {
            rest.error = None;
        }
        if ended {
            rest.checkpoint = Bytes::new();
        }
    }

    /// Forgets what the worker needed to know, but not what it was.
    fn strip(&mut self) {
        if let Some(spec) = without_bodies(&self.spec) {
            self.has_upload = false;
            self.respec(spec);
        }
    }

    /// The next job of the chain was put in: its own chain is not needed any more.
    pub(super) fn unchain(&mut self) {
        self.is_chained = false;
        self.respec(NewJob { chain: Vec::new(), ..self.spec() }.encode_to_vec());
    }

    /// Keeps less of what was put in, and a digest of the whole.
    fn respec(&mut self, spec: Vec<u8>) {
        let digest = self.digest();
        self.rest_mut().digest = digest;
        self.spec = spec.into_boxed_slice();
    }

    /// It whole, as it is written.
    pub(super) fn record(&self, seq: u64, namespace: &str, queue: &str) -> JobRecord {
        let rest = self.rest();
        JobRecord {
            seq,
            namespace: namespace.to_owned(),
            queue: queue.to_owned(),
            spec: Bytes::copy_from_slice(&self.spec),
            enqueued_ms: self.enqueued_ms,
            place: Some(MovedRecord {
                error: rest.and_then(|rest| rest.error.clone()),
                result: rest.and_then(|rest| rest.result.clone()),
                ..self.moved(seq)
            }),
            run: rest.and_then(|rest| rest.run.as_ref()).map(RunRecord::from),
            progress: rest.and_then(|rest| rest.progress.clone()),
            checkpoint: rest.map(|rest| rest.checkpoint.clone()).unwrap_or_default(),
            cancelling: self.cancelling,
            pausing: self.pausing,
            digest: rest.map_or(0, |rest| rest.digest),
            notified: self.is_notified,
            batch: rest.and_then(|rest| rest.batch),
            batch_seq: self.batch_of().map_or(0, |seq| seq.0),
            schedule_id: self.schedule().map(|(id, _)| id.to_string()).unwrap_or_default(),
            schedule_ms: self.schedule().map_or(0, |(_, ms)| *ms),
        }
    }

    /// Where it is, to be changed into where it will be.
    pub(super) fn moved(&self, seq: u64) -> MovedRecord {
        let rest = self.rest();
        let (settled, settled_as) = rest.map_or((0, 0), |rest| rest.settled);
        MovedRecord {
            seq,
            state: self.state.into(),
            at_ms: self.at_ms,
            until_ms: self.until_ms,
            attempts: self.attempts,
            deliveries: self.deliveries,
            error: None,
            result: None,
            settled,
            settled_as,
            expires_ms: rest.map_or(0, |rest| rest.expires_ms),
        }
    }

    /// Its name. It stands first in what is encoded, with the length before it.
    pub(super) fn id(&self) -> &str {
        let text = match self.spec.get(1) {
            Some(&length) if length < 0x80 => self.spec.get(2..2 + usize::from(length)),
            Some(&low) => {
                let high = self.spec.get(2).copied().unwrap_or_default();
                let length = usize::from(low & 0x7f) | usize::from(high) << 7;
                self.spec.get(3..3 + length)
            }
            None => None,
        };
        text.and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default()
    }

    /// What was put in.
    pub(super) fn spec(&self) -> NewJob {
        // It was encoded here.
        NewJob::decode(&*self.spec).unwrap_or_default()
    }

    /// What of that its queue knows it by.
    pub(super) fn marks(&self) -> Marks {
        Marks::decode(&*self.spec).unwrap_or_default()
    }

    /// A digest of that.
    pub(super) fn digest(&self) -> u64 {
        self.rest()
            .map(|rest| rest.digest)
            .filter(|digest| *digest != 0)
            .unwrap_or_else(|| digest(&self.spec))
    }

    /// Bytes that it holds.
    pub(super) fn bytes(&self) -> u64 {
        let rest = self.rest().map_or(0, |rest| {
            let result = rest.result.as_ref().map_or(0, Message::encoded_len);
            size_of::<Rest>() + result + rest.checkpoint.len()
        });
        (size_of::<Self>() + self.spec.len() + rest) as u64
    }

    /// Bytes of it that a worker is sent.
    pub(super) fn spec_bytes(&self) -> u64 {
        self.spec.len() as u64
    }

    pub(super) fn rest(&self) -> Option<&Rest> {
        self.rest.as_deref()
    }

    pub(super) fn rest_mut(&mut self) -> &mut Rest {
        self.rest.get_or_insert_default()
    }

    /// The attempt that runs, or the last one.
    pub(super) fn run(&self) -> Option<&Run> {
        self.rest().and_then(|rest| rest.run.as_ref())
    }

    /// The job that completes the batch which it belongs to.
    pub(super) fn batch_of(&self) -> Option<Seq> {
        self.rest().and_then(|rest| rest.batch_of)
    }

    /// The batch that it completes: closed or not, and how its jobs have ended once all have.
    pub(super) fn batch(&self) -> JobBatch {
        self.rest().and_then(|rest| rest.batch).unwrap_or_default()
    }

    /// Which schedule has put it in, and for when.
    pub(super) fn schedule(&self) -> Option<&(Box<str>, u64)> {
        self.rest().and_then(|rest| rest.schedule.as_ref())
    }

    /// Rooms are to be told how it has ended.
    pub(super) fn is_unnotified(&self) -> bool {
        self.has_notify && !self.is_notified && !is_live(self.state)
    }

    /// The next one of its chain is to be put in now.
    pub(super) fn is_unfollowed(&self) -> bool {
        self.is_chained && self.state == JobState::Completed
    }

    /// When it expires unless it begins; 0: never.
    pub(super) fn expires_ms(&self) -> u64 {
        self.rest().filter(|_| self.deliveries == 0).map_or(0, |rest| rest.expires_ms)
    }
}

/// Whether a job that is there has not ended.
pub fn is_live(state: JobState) -> bool {
    matches!(
        state,
        JobState::Delayed | JobState::Waiting | JobState::Running | JobState::Blocked | JobState::Paused
    )
}

/// The upload that a job names.
pub(super) fn upload(spec: &NewJob) -> Option<&str> {
    match spec.body.as_ref()?.body.as_ref()? {
        v1::job_body::Body::Uploaded(uploaded) => Some(&uploaded.upload_id),
        v1::job_body::Body::Text(_) | v1::job_body::Body::Binary(_) => None,
    }
}

/// A digest of what was put in.
pub(super) fn digest(spec: &[u8]) -> u64 {
    let digest = Sha256::digest(spec);
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    // 0 stands for none.
    u64::from_be_bytes(first).max(1)
}

/// Checked when it was put in.
fn priority(spec: &NewJob) -> i8 {
    i8::try_from(spec.priority).unwrap_or_default()
}

impl From<RunRecord> for Run {
    fn from(record: RunRecord) -> Self {
        let RunRecord { nonce, worker, worker_name, began_ms, lease_ms } = record;
        Self { nonce, worker, worker_name: worker_name.into(), began_ms, lease_ms }
    }
}

impl From<&Run> for RunRecord {
    fn from(run: &Run) -> Self {
        let Run { nonce, worker, worker_name, began_ms, lease_ms } = run;
        Self {
            nonce: *nonce,
            worker: *worker,
            worker_name: worker_name.as_ref().to_owned(),
            began_ms: *began_ms,
            lease_ms: *lease_ms,
        }
    }
}
