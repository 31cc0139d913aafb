//! What is longer than nodes can say in one message, in pieces. Pure. What one node says comes in order, so that a piece that does
//! not follow the one before means that one was lost.

use bytes::{Bytes, BytesMut};
use rialto_proto::node::Piece;

/// Bytes of a piece: several fit into what waits for the link.
const PIECE_BYTES: usize = 256 << 10;
/// Pieces of one call: more than what a client can ask or be told at once.
const PIECES_MAX: u32 = 128;

/// Bytes as pieces of a call. At least one.
pub(super) fn split(call: u64, bytes: Bytes) -> impl Iterator<Item = Piece> {
    let count = bytes.len().div_ceil(PIECE_BYTES).max(1);
    (0..count).map(move |index| {
        let from = index * PIECE_BYTES;
        let piece = bytes.slice(from..bytes.len().min(from + PIECE_BYTES));
        let number = |count| u32::try_from(count).unwrap_or(u32::MAX);
        Piece { call, index: number(index), count: number(count), bytes: piece }
    })
}

/// Pieces that have come.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    next: u32,
    bytes: BytesMut,
}

/// What has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// All of it.
    Whole(Bytes),
    /// Some of it.
    Part,
    /// Something of it is missing: the rest is of no use.
    Broken,
}

impl Assembly {
    /// The next piece has come.
    pub(super) fn add(&mut self, piece: Piece) -> Came {
        let Piece { index, count, bytes, .. } = piece;
        if index != self.next || index >= count || count > PIECES_MAX || bytes.len() > PIECE_BYTES {
            return Came::Broken;
        }
        if count == 1 {
            return Came::Whole(bytes);
        }
        self.next += 1;
        self.bytes.extend_from_slice(&bytes);
        if self.next < count {
            return Came::Part;
        }
        Came::Whole(std::mem::take(&mut self.bytes).freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(length: usize) -> Bytes {
        (0..length).map(|n| n as u8).collect()
    }

    #[test]
    fn what_was_split_is_whole_again() {
        for length in [0, 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES - 1] {
            let mut assembly = Assembly::default();
            let came: Vec<Came> = split(7, bytes(length)).map(|piece| assembly.add(piece)).collect();
            let (last, before) = came.split_last().unwrap();
            assert!(before.iter().all(|came| *came == Came::Part));
            assert_eq!(*last, Came::Whole(bytes(length)));
        }
    }

    #[test]
    fn what_misses_a_piece_or_is_too_long_is_broken() {
        let pieces: Vec<Piece> = split(7, bytes(3 * PIECE_BYTES)).collect();
        for order in [[0, 2], [1, 2], [0, 0]] {
            let mut assembly = Assembly::default();
            let came: Vec<Came> = order.iter().map(|index| assembly.add(pieces[*index].clone())).collect();
            assert!(came.contains(&Came::Broken), "{order:?}");
        }
        let long = Piece { call: 1, index: 0, count: PIECES_MAX + 1, bytes: bytes(1) };
        assert_eq!(Assembly::default().add(long), Came::Broken);
        let none = Piece { call: 1, index: 0, count: 0, bytes: bytes(1) };
        assert_eq!(Assembly::default().add(none), Came::Broken);
    }
}
