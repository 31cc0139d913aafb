//! What the engine writes into its log: one message a transition, versioned by its field numbers. All times, random numbers and
//! decisions are in it, so that whoever reads the log comes to the same state. A kind that is not known is refused, never
//! skipped: what it says would be lost.

use bytes::Bytes;
use prost::Message;
use rialto_proto::v1;

use super::OpenError;
use crate::log::Position;

/// One record of the log.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Record {
    #[prost(oneof = "Kind", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11")]
    pub(super) kind: Option<Kind>,
}

/// What a record says.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum Kind {
    /// A job, whole: it was put in, or its records before are not needed any more.
    #[prost(message, boxed, tag = "1")]
    Job(Box<JobRecord>),
    /// Jobs were given to a worker.
    #[prost(message, tag = "2")]
    Leased(LeasedRecord),
    /// A lease was prolonged.
    #[prost(message, tag = "3")]
    Extended(ExtendedRecord),
    /// A job is somewhere else.
    #[prost(message, tag = "4")]
    Moved(MovedRecord),
    /// Somebody wants a running job cancelled.
    #[prost(message, tag = "5")]
    Cancelling(CancellingRecord),
    /// What holds in a queue.
    #[prost(message, tag = "6")]
    Queue(QueueRecord),
    /// Rooms were told how a job has ended.
    #[prost(message, tag = "7")]
    Notified(SeqRecord),
    /// A batch is closed, or complete.
    #[prost(message, tag = "8")]
    Batch(BatchRecord),
    /// The next job of a chain was put in.
    #[prost(message, tag = "9")]
    Followed(SeqRecord),
    /// A schedule, or that there is none any more.
    #[prost(message, boxed, tag = "10")]
    Schedule(Box<ScheduleRecord>),
    /// Somebody wants a running job paused, or not any more.
    #[prost(message, tag = "11")]
    Pausing(PausingRecord),
}

/// A job with everything that is known of it.
#[derive(Clone, PartialEq, Message)]
pub(super) struct JobRecord {
    #[prost(uint64, tag = "1")]
    pub(super) seq: u64,
    #[prost(string, tag = "2")]
    pub(super) namespace: String,
    #[prost(string, tag = "3")]
    pub(super) queue: String,
    /// A `NewJob`, its name set.
    #[prost(bytes = "bytes", tag = "4")]
    pub(super) spec: Bytes,
    #[prost(uint64, tag = "5")]
    pub(super) enqueued_ms: u64,
    #[prost(message, optional, tag = "6")]
    pub(super) place: Option<MovedRecord>,
    #[prost(message, optional, tag = "7")]
    pub(super) run: Option<RunRecord>,
    #[prost(message, optional, tag = "8")]
    pub(super) progress: Option<v1::JobProgress>,
    #[prost(bytes = "bytes", tag = "9")]
    pub(super) checkpoint: Bytes,
    #[prost(bool, tag = "10")]
    pub(super) cancelling: bool,
    /// A digest of what was put in first: the body is not kept for ever.
    #[prost(fixed64, tag = "11")]
    pub(super) digest: u64,
    #[prost(bool, tag = "12")]
    pub(super) notified: bool,
    /// The batch that it completes.
    #[prost(message, optional, tag = "13")]
    pub(super) batch: Option<v1::JobBatch>,
    /// The job that completes the batch which it belongs to; 0: none.
    #[prost(uint64, tag = "14")]
    pub(super) batch_seq: u64,
    /// Which schedule has put it in, and for when.
    #[prost(string, tag = "15")]
    pub(super) schedule_id: String,
    #[prost(uint64, tag = "16")]
    pub(super) schedule_ms: u64,
    #[prost(bool, tag = "17")]
    pub(super) pausing: bool,
}

/// An attempt, running or the last one.
#[derive(Clone, PartialEq, Message)]
pub(super) struct RunRecord {
    #[prost(fixed64, tag = "1")]
    pub(super) nonce: u64,
    #[prost(fixed64, tag = "2")]
    pub(super) worker: u64,
    #[prost(string, tag = "3")]
    pub(super) worker_name: String,
    #[prost(uint64, tag = "4")]
    pub(super) began_ms: u64,
    #[prost(uint64, tag = "5")]
    pub(super) lease_ms: u64,
}

/// Jobs that were given to one worker at once.
#[derive(Clone, PartialEq, Message)]
pub(super) struct LeasedRecord {
    /// The job.
    #[prost(uint64, repeated, tag = "1")]
    pub(super) seqs: Vec<u64>,
    /// What each lease is known by.
    #[prost(fixed64, repeated, tag = "2")]
    pub(super) nonces: Vec<u64>,
    #[prost(fixed64, tag = "3")]
    pub(super) worker: u64,
    #[prost(string, tag = "4")]
    pub(super) worker_name: String,
    #[prost(uint64, tag = "5")]
    pub(super) at_ms: u64,
    #[prost(uint64, tag = "6")]
    pub(super) lease_ms: u64,
}

/// A lease goes on.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ExtendedRecord {
    #[prost(uint64, tag = "1")]
    pub(super) seq: u64,
    #[prost(uint64, tag = "2")]
    pub(super) until_ms: u64,
    #[prost(message, optional, tag = "3")]
    pub(super) progress: Option<v1::JobProgress>,
    #[prost(bytes = "bytes", optional, tag = "4")]
    pub(super) checkpoint: Option<Bytes>,
}

/// Where a job is from now on.
#[derive(Clone, PartialEq, Message)]
pub(super) struct MovedRecord {
    #[prost(uint64, tag = "1")]
    pub(super) seq: u64,
    /// A `JobState`.
    #[prost(enumeration = "v1::JobState", tag = "2")]
    pub(super) state: i32,
    #[prost(uint64, tag = "3")]
    pub(super) at_ms: u64,
    /// When the state ends by itself: delayed jobs become ready, leases end. 0: never.
    #[prost(uint64, tag = "4")]
    pub(super) until_ms: u64,
    /// Attempts that count.
    #[prost(uint32, tag = "5")]
    pub(super) attempts: u32,
    #[prost(uint32, tag = "6")]
    pub(super) deliveries: u32,
    #[prost(message, optional, tag = "7")]
    pub(super) error: Option<v1::JobError>,
    #[prost(message, optional, tag = "8")]
    pub(super) result: Option<v1::JobBody>,
    /// By which lease it was settled; 0: by none.
    #[prost(fixed64, tag = "9")]
    pub(super) settled: u64,
    /// When the job expires unless it has begun; 0: never.
    #[prost(uint64, tag = "10")]
    pub(super) expires_ms: u64,
    /// How it was settled by that.
    #[prost(uint32, tag = "11")]
    pub(super) settled_as: u32,
}

/// A running job is to be cancelled.
#[derive(Clone, PartialEq, Message)]
pub(super) struct CancellingRecord {
    #[prost(uint64, tag = "1")]
    pub(super) seq: u64,
    #[prost(string, tag = "2")]
    pub(super) reason: String,
}

/// A running job is to be paused, or not any more.
#[derive(Clone, PartialEq, Message)]
pub(super) struct PausingRecord {
    #[prost(uint64, tag = "1")]
    pub(super) seq: u64,
    #[prost(bool, tag = "2")]
    pub(super) pausing: bool,
}

/// Something is done with for a job.
#[derive(Clone, PartialEq, Message)]
pub(super) struct SeqRecord {
    #[prost(uint64, tag = "1")]
    pub(super) seq: u64,
}

/// A batch.
#[derive(Clone, PartialEq, Message)]
pub(super) struct BatchRecord {
    /// The job that completes it.
    #[prost(uint64, tag = "1")]
    pub(super) seq: u64,
    #[prost(uint64, tag = "2")]
    pub(super) at_ms: u64,
    /// How its jobs have ended, once all have. Otherwise it is only closed.
    #[prost(message, optional, tag = "3")]
    pub(super) complete: Option<v1::JobBatch>,
    /// When the job expires unless it has begun; 0: never.
    #[prost(uint64, tag = "4")]
    pub(super) expires_ms: u64,
}

/// A schedule.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ScheduleRecord {
    #[prost(string, tag = "1")]
    pub(super) namespace: String,
    #[prost(string, tag = "2")]
    pub(super) queue: String,
    #[prost(string, tag = "3")]
    pub(super) schedule_id: String,
    /// Absent: there is none any more.
    #[prost(message, optional, tag = "4")]
    pub(super) schedule: Option<v1::Schedule>,
    /// Times up to this one are done with.
    #[prost(uint64, tag = "5")]
    pub(super) done_ms: u64,
    /// For when it has put a job in last; 0: never.
    #[prost(uint64, tag = "6")]
    pub(super) put_ms: u64,
    #[prost(uint64, tag = "7")]
    pub(super) skipped: u64,
}

/// A queue.
#[derive(Clone, PartialEq, Message)]
pub(super) struct QueueRecord {
    #[prost(string, tag = "1")]
    pub(super) namespace: String,
    #[prost(string, tag = "2")]
    pub(super) queue: String,
    #[prost(message, optional, tag = "3")]
    pub(super) settings: Option<v1::QueueSettings>,
    #[prost(bool, tag = "4")]
    pub(super) paused: bool,
}

impl Kind {
    /// As it is written.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.encoded_len());
        self.encode(&mut bytes);
        bytes
    }

    /// Reads one.
    pub(super) fn parse(at: Position, bytes: Bytes) -> Result<Self, OpenError> {
        let record =
            Record::decode(bytes).map_err(|error| OpenError::Malformed { at, what: error.to_string() })?;
        record.kind.ok_or(OpenError::Unknown(at))
    }
}
