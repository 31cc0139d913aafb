//! What one message of the stream holds: records, and behind them a sum over everything before it, since a store that has
//! repaired itself says nothing. A message without records says who claims the log, or where a snapshot is. Pure.

use bytes::Bytes;
use prost::{
    Message,
    encoding::{self, WireType},
};

use super::super::Position;

/// Records of one message at most: what the number of one within its message holds.
pub(super) const RECORDS_MAX: u64 = 1 << INDEX_BITS;
/// Bits of a position that tell which record of its message it is.
const INDEX_BITS: u32 = 16;
/// Bytes of the sum and its key.
const SUM_BYTES: usize = 5;
/// What a record costs beside its bytes, at most.
pub(super) const RECORD_OVERHEAD_BYTES: usize = 6;

/// The position of a record.
pub(super) fn position(sequence: u64, index: u64) -> Position {
    Position(sequence << INDEX_BITS | index)
}

/// The message that holds the record at a position, and which of its records it is.
pub(super) fn place(at: Position) -> (u64, usize) {
    (at.0 >> INDEX_BITS, (at.0 & (RECORDS_MAX - 1)) as usize)
}

/// A message that is read.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Batch {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub(super) records: Vec<Bytes>,
    #[prost(fixed32, tag = "2")]
    sum: u32,
    /// The object that holds the snapshot of everything before `before`; empty for none.
    #[prost(string, tag = "3")]
    pub(super) snapshot: String,
    #[prost(uint64, tag = "4")]
    pub(super) before: u64,
}

/// A message that is being filled.
#[derive(Debug, Default)]
pub(super) struct Filling {
    bytes: Vec<u8>,
    records: u64,
}

impl Filling {
    /// Puts in a record, and returns which of the message it is.
    pub(super) fn push(&mut self, record: &[u8]) -> u64 {
        encoding::encode_key(1, WireType::LengthDelimited, &mut self.bytes);
        encoding::encode_varint(record.len() as u64, &mut self.bytes);
        self.bytes.extend_from_slice(record);
        self.records += 1;
        self.records - 1
    }

    pub(super) fn records(&self) -> u64 {
        self.records
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The message.
    pub(super) fn seal(self) -> Bytes {
        seal(self.bytes)
    }
}

/// The message that says where a snapshot is.
pub(super) fn pointer(snapshot: &str, before: Position) -> Bytes {
    let batch = Batch { snapshot: snapshot.to_owned(), before: before.0, ..Batch::default() };
    seal(batch.encode_to_vec())
}

/// A message that says nothing but that it is there.
pub(super) fn nothing() -> Bytes {
    seal(Vec::new())
}

fn seal(mut bytes: Vec<u8>) -> Bytes {
    let sum = crc32c::crc32c(&bytes);
    encoding::encode_key(2, WireType::ThirtyTwoBit, &mut bytes);
    bytes.extend_from_slice(&sum.to_le_bytes());
    bytes.into()
}

/// Reads a message.
///
/// # Errors
/// Says what is wrong with one that was not written like that.
pub(super) fn read(message: &Bytes) -> Result<Batch, String> {
    let length = message.len().checked_sub(SUM_BYTES).ok_or("it is too short")?;
    let batch = Batch::decode(message.clone()).map_err(|error| error.to_string())?;
    if crc32c::crc32c(&message[..length]) != batch.sum {
        return Err("its sum is another one".to_owned());
    }
    Ok(batch)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_was_put_in_is_read(records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..20)) {
            let mut filling = Filling::default();
            for (index, record) in records.iter().enumerate() {
                prop_assert_eq!(filling.push(record), index as u64);
            }
            let batch = read(&filling.seal()).unwrap();
            prop_assert_eq!(batch.records, records);
        }

        #[test]
        fn a_changed_byte_is_noticed(record in prop::collection::vec(any::<u8>(), 1..200), at in any::<prop::sample::Index>(), bit in 0_u8..8) {
            let mut filling = Filling::default();
            filling.push(&record);
            let mut bytes = filling.seal().to_vec();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let read = read(&bytes.into());
            prop_assert!(read.is_err(), "{:?}", read);
        }
    }

    #[test]
    fn a_pointer_tells_where_the_snapshot_is() {
        let batch = read(&pointer("object", position(7, 0))).unwrap();
        assert_eq!((batch.snapshot.as_str(), batch.before, batch.records.len()), ("object", 7 << 16, 0));
        assert_eq!(place(position(7, 3)), (7, 3));
    }
}
