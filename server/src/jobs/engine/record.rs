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
    #[prost(oneof = "Kind", tags = "1, 2, 3, 4, 5, 6, 7")]
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
    Notified(NotifiedRecord),
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

/// Rooms know how a job has ended.
#[derive(Clone, PartialEq, Message)]
pub(super) struct NotifiedRecord {
    #[prost(uint64, tag = "1")]
    pub(super) seq: u64,
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
    pub(super) fn into_bytes(self) -> Vec<u8> {
        Record { kind: Some(self) }.encode_to_vec()
    }

    /// Reads one.
    pub(super) fn parse(at: Position, bytes: Bytes) -> Result<Self, OpenError> {
        let record =
            Record::decode(bytes).map_err(|error| OpenError::Malformed { at, what: error.to_string() })?;
        record.kind.ok_or(OpenError::Unknown(at))
    }
}
