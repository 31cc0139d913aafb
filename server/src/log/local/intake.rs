//! What was appended and is not yet written: pure, behind one mutex. Appending copies here and gives the position; the
//! writer takes what has gathered as one group. A group never reaches over two segments.

use std::collections::VecDeque;

use super::layout::{Extent, LogId, RECORD_HEADER, put_record, put_seal};
use crate::log::{LogError, Position};

/// The segment after the one that records go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// It can be used.
    Ready(Extent),
    /// It is to be made, or being made.
    Wanted,
    /// There was no space for it.
    Full,
}

/// What becomes durable with one write and one sync.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// Piece of the stream, whole records.
    pub(super) stream: Vec<u8>,
    /// Where the next record goes after it.
    pub(super) end: Position,
    /// Whether it ends with a seal.
    pub(super) seals: bool,
}

/// What waits to be written.
#[derive(Debug)]
pub(super) struct Intake {
    pub(super) id: LogId,
    /// Bytes that may wait, unless one record alone is longer.
    pub(super) pending_bytes_max: usize,
    pub(super) record_bytes_max: usize,
    pub(super) next: Next,
    /// Whether a record was refused for want of the next segment.
    pub(super) asked: bool,
    /// Why nothing is taken any more.
    pub(super) failed: Option<LogError>,
    /// Whether nothing more will be appended.
    pub(super) closing: bool,
    groups: VecDeque<Group>,
    /// Bytes of groups and of what is being written.
    pending_bytes: usize,
    /// Where the next record goes.
    extent: Extent,
    offset: u64,
}

impl Intake {
    /// Nothing waits; records go to `extent` from `offset` on.
    pub(super) fn new(id: LogId, (extent, offset): (Extent, u64)) -> Self {
        Self {
            id,
            pending_bytes_max: 0,
            record_bytes_max: 0,
            next: Next::Wanted,
            asked: false,
            failed: None,
            closing: false,
            groups: VecDeque::new(),
            pending_bytes: 0,
            extent,
            offset,
        }
    }

    /// Takes a record.
    pub(super) fn append(&mut self, record: &[u8]) -> Result<Position, LogError> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        if record.len() > self.record_bytes_max {
            return Err(LogError::TooLong(record.len()));
        }
        let bytes = RECORD_HEADER + record.len();
        if self.pending_bytes > 0 && self.pending_bytes + bytes > self.pending_bytes_max {
            return Err(LogError::Busy);
        }
        if !self.fits(bytes) {
            self.cross()?;
        }
        let at = self.position();
        let id = self.id;
        put_record(self.group(), id, at, record);
        self.put(bytes);
        Ok(at)
    }

    /// Where the next record goes, if it fits there.
    pub(super) fn position(&self) -> Position {
        self.extent.position(self.offset)
    }

    /// The base of the segment after the one that records go to.
    pub(super) fn next_base(&self) -> u64 {
        self.extent.end()
    }

    /// The oldest group. It counts as pending until [`Intake::written`].
    pub(super) fn take(&mut self) -> Option<Group> {
        self.groups.pop_front()
    }

    /// `bytes` of the stream do not wait any more.
    pub(super) fn written(&mut self, bytes: usize) {
        self.pending_bytes -= bytes;
    }

    /// Whether a group could be taken.
    pub(super) fn has_groups(&self) -> bool {
        !self.groups.is_empty()
    }

    /// Whether the writer should make the next segment when it has time.
    pub(super) fn wants_segment(&self) -> bool {
        self.is_open() && (self.asked || self.next == Next::Wanted)
    }

    /// Whether it should do so at once.
    pub(super) fn needs_segment(&self) -> bool {
        self.is_open() && self.asked
    }

    /// Bytes of the segment that records go to, as far as it was taken.
    pub(super) fn segment_bytes_taken(&self) -> u64 {
        self.position().0 - self.extent.base
    }

    fn is_open(&self) -> bool {
        self.failed.is_none() && !self.closing
    }

    /// Takes nothing any more, and forgets what waits.
    pub(super) fn fail(&mut self, error: LogError) {
        self.failed.get_or_insert(error);
        self.groups.clear();
        self.pending_bytes = 0;
    }

    fn fits(&self, bytes: usize) -> bool {
        self.offset + (bytes + RECORD_HEADER) as u64 <= self.extent.capacity()
    }

    /// Seals the segment and goes on in the next.
    fn cross(&mut self) -> Result<(), LogError> {
        let next = match self.next {
            Next::Ready(next) => next,
            Next::Wanted | Next::Full => {
                self.asked = true;
                return Err(if self.next == Next::Full { LogError::Full } else { LogError::Busy });
            }
        };
        let (id, at) = (self.id, self.position());
        put_seal(self.group(), id, at);
        self.put(RECORD_HEADER);
        (self.extent, self.offset, self.next) = (next, 0, Next::Wanted);
        let end = self.position();
        if let Some(group) = self.groups.back_mut() {
            (group.end, group.seals) = (end, true);
        }
        Ok(())
    }

    /// The stream of the group that is open.
    fn group(&mut self) -> &mut Vec<u8> {
        if self.groups.back().is_none_or(|group| group.seals) {
            self.groups.push_back(Group::default());
        }
        let last = self.groups.len() - 1;
        &mut self.groups[last].stream
    }

    fn put(&mut self, bytes: usize) {
        self.offset += bytes as u64;
        self.pending_bytes += bytes;
        let end = self.position();
        if let Some(group) = self.groups.back_mut() {
            group.end = end;
        }
    }
}
