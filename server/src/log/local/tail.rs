//! The end of the log as it is on the disk: the sector that is not yet full, and how a group becomes sectors after it.
//! Pure. The writer has one that runs ahead of the disk; readers are shown a copy of it when it is durable.

use super::layout::{BODY, Extent, Filled, LogId, RECORD_HEADER, SECTOR, body, body_mut, item_bytes};
use crate::log::Position;

/// The end of the log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tail {
    pub(super) id: LogId,
    /// The segment that is written to.
    pub(super) extent: Extent,
    /// Bytes of the stream in it.
    pub(super) offset: u64,
    /// The sector that the next byte goes to.
    pub(super) sector: [u8; SECTOR],
    /// Where in that sector the first record begins.
    start: Option<usize>,
}

impl Tail {
    /// At the beginning of a segment.
    pub(super) fn new(id: LogId, extent: Extent) -> Self {
        Self { id, extent, offset: 0, sector: [0; SECTOR], start: None }
    }

    /// At this byte of the stream of the segment.
    pub(super) fn at(mut self, offset: u64) -> Self {
        self.offset = offset;
        self
    }

    /// Takes over what the sector of the next byte holds before that byte.
    pub(super) fn keep(&mut self, sector: &[u8; SECTOR], filled: Filled) {
        let used = (self.offset % BODY as u64) as usize;
        self.start = filled.start.filter(|start| *start < used);
        body_mut(&mut self.sector)[..used].copy_from_slice(&body(sector)[..used]);
        self.stamp(Filled { used, start: self.start, synced: filled.synced });
    }

    /// Where the next record goes.
    pub(super) fn position(&self) -> Position {
        self.extent.position(self.offset)
    }

    /// The number of the sector that the next byte goes to.
    pub(super) fn number(&self) -> u64 {
        Extent::sector_of(self.offset)
    }

    fn stamp(&mut self, filled: Filled) {
        let address = self.extent.base + self.number() * SECTOR as u64;
        filled.stamp(&mut self.sector, self.id, address);
    }

    /// Appends the sectors that hold `stream`, whole records, to `sectors`; the first is number [`Tail::number`] of before.
    pub(super) fn write(&mut self, stream: &[u8], sectors: &mut Vec<u8>) {
        let synced = self.position();
        let (mut at, mut start) = (0, 0);
        while at < stream.len() {
            let used = (self.offset % BODY as u64) as usize;
            if used == 0 {
                (self.sector, self.start) = ([0; SECTOR], None);
            }
            let bytes = (BODY - used).min(stream.len() - at);
            if start < at + bytes {
                self.start.get_or_insert(used + start - at);
            }
            while start < at + bytes {
                start += item_bytes(&stream[start..]).max(RECORD_HEADER);
            }
            body_mut(&mut self.sector)[used..used + bytes].copy_from_slice(&stream[at..at + bytes]);
            let filled = Filled { used: used + bytes, start: self.start, synced };
            self.stamp(filled);
            sectors.extend_from_slice(&self.sector);
            at += bytes;
            self.offset += bytes as u64;
        }
    }
}
