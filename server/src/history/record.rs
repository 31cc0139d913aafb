//! What histories write into the log: the messages of a record and of a snapshot's chunk, versioned by their field
//! numbers. A kind that is not known is refused, never skipped: what it says would be lost.

use bytes::Bytes;
use prost::Message;
use rialto_proto::v1;

use super::OpenError;
use crate::log::Position;

/// One record of the log.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Record {
    #[prost(oneof = "Kind", tags = "1, 2, 3, 4")]
    pub(super) kind: Option<Kind>,
}

/// What a record says.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum Kind {
    /// An event was kept.
    #[prost(message, tag = "1")]
    Event(EventRecord),
    /// A key of a room's state became this.
    #[prost(message, tag = "2")]
    State(StateRecord),
    /// A history goes on where no log sees it.
    #[prost(message, tag = "3")]
    Seal(SealRecord),
    /// A life is over: nothing before this counts.
    #[prost(message, tag = "4")]
    Forgotten(ForgottenRecord),
}

/// An event, and where it is kept.
#[derive(Clone, PartialEq, Message)]
pub(super) struct EventRecord {
    #[prost(string, tag = "1")]
    pub(super) namespace: String,
    #[prost(message, repeated, tag = "2")]
    pub(super) places: Vec<PlaceRecord>,
    /// As it goes to its receivers.
    #[prost(bytes = "bytes", tag = "3")]
    pub(super) frame: Bytes,
    #[prost(uint64, tag = "4")]
    pub(super) at_ms: u64,
    /// The session that does not hear it; empty for none.
    #[prost(string, tag = "5")]
    pub(super) excluded: String,
    #[prost(message, optional, tag = "6")]
    pub(super) key: Option<KeyRecord>,
}

/// An offset in the history of one room.
#[derive(Clone, PartialEq, Message)]
pub(super) struct PlaceRecord {
    #[prost(string, tag = "1")]
    pub(super) room: String,
    #[prost(fixed64, tag = "2")]
    pub(super) epoch: u64,
    #[prost(uint64, tag = "3")]
    pub(super) offset: u64,
}

/// An idempotency key.
#[derive(Clone, PartialEq, Message)]
pub(super) struct KeyRecord {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) digest: Vec<u8>,
}

/// A change of a room's state; several entries when what was in memory before comes with it.
#[derive(Clone, PartialEq, Message)]
pub(super) struct StateRecord {
    #[prost(string, tag = "1")]
    pub(super) namespace: String,
    #[prost(string, tag = "2")]
    pub(super) room: String,
    #[prost(fixed64, tag = "3")]
    pub(super) epoch: u64,
    /// Keys that were taken away by this revision or before are not remembered.
    #[prost(uint64, tag = "4")]
    pub(super) floor: u64,
    #[prost(message, repeated, tag = "5")]
    pub(super) entries: Vec<v1::StateEntry>,
}

/// From after `offset` on events are kept in memory or not at all: after a restart the offsets are not to be used again.
#[derive(Clone, PartialEq, Message)]
pub(super) struct SealRecord {
    #[prost(string, tag = "1")]
    pub(super) namespace: String,
    #[prost(string, tag = "2")]
    pub(super) room: String,
    #[prost(fixed64, tag = "3")]
    pub(super) epoch: u64,
    #[prost(uint64, tag = "4")]
    pub(super) offset: u64,
}

/// The life of a history or a state has ended.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ForgottenRecord {
    #[prost(string, tag = "1")]
    pub(super) namespace: String,
    #[prost(string, tag = "2")]
    pub(super) room: String,
    #[prost(fixed64, tag = "3")]
    pub(super) epoch: u64,
}

/// One chunk of a snapshot.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Chunk {
    #[prost(oneof = "Part", tags = "1, 2, 3")]
    pub(super) part: Option<Part>,
}

/// What a chunk says.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum Part {
    /// Some events of the history of a room; several chunks may be of one.
    #[prost(message, tag = "1")]
    Life(LifePart),
    /// Some keys of the state of a room.
    #[prost(message, tag = "2")]
    State(StateRecord),
    /// Some idempotency keys.
    #[prost(message, tag = "3")]
    Keys(KeysPart),
}

/// Where events of one room are. Positions and times are differences to the one before.
#[derive(Clone, PartialEq, Message)]
pub(super) struct LifePart {
    #[prost(string, tag = "1")]
    pub(super) namespace: String,
    #[prost(string, tag = "2")]
    pub(super) room: String,
    #[prost(fixed64, tag = "3")]
    pub(super) epoch: u64,
    #[prost(uint64, tag = "4")]
    pub(super) first: u64,
    #[prost(sint64, repeated, tag = "5")]
    pub(super) positions: Vec<i64>,
    #[prost(sint64, repeated, tag = "6")]
    pub(super) times_ms: Vec<i64>,
    #[prost(uint32, repeated, tag = "7")]
    pub(super) bytes: Vec<u32>,
    #[prost(uint32, repeated, tag = "8")]
    pub(super) shares: Vec<u32>,
    /// The position of the seal, when there is one, and the offset in it.
    #[prost(uint64, optional, tag = "9")]
    pub(super) seal_position: Option<u64>,
    #[prost(uint64, tag = "10")]
    pub(super) seal_offset: u64,
}

/// Idempotency keys and what was answered.
#[derive(Clone, PartialEq, Message)]
pub(super) struct KeysPart {
    #[prost(message, repeated, tag = "1")]
    pub(super) keys: Vec<HeldKey>,
}

/// One of them.
#[derive(Clone, PartialEq, Message)]
pub(super) struct HeldKey {
    #[prost(message, optional, tag = "1")]
    pub(super) key: Option<KeyRecord>,
    #[prost(uint64, tag = "2")]
    pub(super) at_ms: u64,
    #[prost(message, optional, tag = "3")]
    pub(super) accepted: Option<v1::Accepted>,
}

impl Kind {
    /// The bytes of a record that says this.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        Record { kind: Some(self) }.encode_to_vec()
    }

    /// What the record at `at` says.
    pub(super) fn parse(at: Position, bytes: Bytes) -> Result<Self, OpenError> {
        let record =
            Record::decode(bytes).map_err(|error| OpenError::Malformed { at, what: error.to_string() })?;
        record.kind.ok_or(OpenError::Unknown(at))
    }
}

impl Part {
    /// The bytes of a chunk that says this.
    pub(super) fn into_bytes(self) -> Bytes {
        Chunk { part: Some(self) }.encode_to_vec().into()
    }

    /// What a chunk says.
    pub(super) fn parse(bytes: Bytes) -> Result<Self, OpenError> {
        let chunk = Chunk::decode(bytes).map_err(|error| OpenError::Snapshot(error.to_string()))?;
        chunk.part.ok_or_else(|| OpenError::Snapshot("holds a part of a kind that is not known".to_owned()))
    }
}
