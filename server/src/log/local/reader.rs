//! Reads what is durable. What a reader sees was checked twice: each sector by its checksum, each record by its own. A
//! full sector is never written again; the one that is not yet full is shown from memory, as it is on the disk, because
//! the writer may be about to replace it.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::RwLock;

use super::{
    error::OpenError,
    layout::{BODY, Item, SECTOR, Sector, body, item_bytes, look, take_item},
    segment::{Segment, Segments},
    tail::Tail,
};
use crate::log::{LogError, Position};

/// Sectors of the first read, and of the later ones at most.
const SECTORS_READ: (u64, u64) = (8, 512);

/// What is durable, at one moment.
#[derive(Debug)]
pub(super) struct View<'a> {
    pub(super) tail: Tail,
    pub(super) segments: &'a RwLock<Segments>,
}

impl View<'_> {
    /// The record at exactly this position.
    pub(super) fn read(&self, at: Position) -> Result<Bytes, LogError> {
        let gone = || LogError::Gone(at);
        let segment = self.segment_with(at).filter(|_| at < self.tail.position()).ok_or_else(gone)?;
        let mut walk = Walk::begin(self, segment, at)?;
        while let Some((position, item)) = walk.next()? {
            match item {
                Found::Record(record) if position == at => return Ok(record),
                _ if position < at => {}
                _ => break,
            }
        }
        Err(gone())
    }

    /// Every record from `from` on, until `visit` says `false`.
    pub(super) fn replay(
        &self,
        from: Position,
        visit: &mut dyn FnMut(Position, Bytes) -> bool,
    ) -> Result<(), LogError> {
        let Some(mut segment) = self.segment_with(from) else {
            return if from < self.tail.position() { Err(LogError::Gone(from)) } else { Ok(()) };
        };
        loop {
            let end = segment.extent.end();
            let mut walk = Walk::begin(self, Arc::clone(&segment), from)?;
            let mut sealed = false;
            while let Some((position, item)) = walk.next()? {
                match item {
                    Found::Record(record) => {
                        if position >= from && !visit(position, record) {
                            return Ok(());
                        }
                    }
                    Found::Seal => sealed = true,
                }
            }
            if !sealed {
                return Ok(());
            }
            let next = self.segments.read().get(&end).cloned();
            let missing = || OpenError::damaged(&super::segment::name(end), "the segment is missing", 0);
            segment = next.ok_or_else(missing)?;
        }
    }

    fn segment_with(&self, at: Position) -> Option<Arc<Segment>> {
        let segments = self.segments.read();
        let (_, segment) = segments.range(..=at.0).next_back()?;
        Some(segment).filter(|segment| at.0 < segment.extent.end()).cloned()
    }
}

/// What a walk comes by.
#[derive(Debug)]
enum Found {
    Record(Bytes),
    Seal,
}

/// A walk through one segment, from the first record that begins in a sector or after it.
struct Walk<'a> {
    view: &'a View<'a>,
    segment: Arc<Segment>,
    /// The sector that is read next.
    sector: u64,
    /// How many are read next.
    sectors_read: u64,
    /// Whether the stream may go on in the next sector.
    whole: bool,
    sealed: bool,
    /// What was read and not yet shown.
    stream: Vec<u8>,
    /// How much of that was shown.
    shown: usize,
    /// Where in the segment's stream the rest begins, once a record's beginning was seen.
    offset: Option<u64>,
}

impl<'a> Walk<'a> {
    fn begin(view: &'a View<'a>, segment: Arc<Segment>, at: Position) -> Result<Self, OpenError> {
        let mut sector = (at.0.saturating_sub(segment.extent.base) / SECTOR as u64).max(1);
        // Behind the seal everything is blank; that this is so, and nothing was lost, only the way there can tell.
        let mut bytes = [0; SECTOR];
        while sector > 1 && segment.extent != view.tail.extent {
            segment.read(sector, &mut bytes)?;
            if bytes != [0; SECTOR] {
                break;
            }
            sector -= 1;
        }
        Ok(Self {
            view,
            segment,
            sector,
            sectors_read: SECTORS_READ.0,
            whole: true,
            sealed: false,
            stream: Vec::new(),
            shown: 0,
            offset: None,
        })
    }

    fn next(&mut self) -> Result<Option<(Position, Found)>, OpenError> {
        while !self.sealed {
            let rest = &self.stream[self.shown..];
            let extent = self.segment.extent;
            let Some(offset) = self.offset else {
                if self.fill()? {
                    continue;
                } else {
                    return Ok(None);
                };
            };
            let at = extent.position(offset);
            let found = match take_item(rest, self.view.tail.id, at, extent.record_bytes_max()) {
                Item::Record(payload) => Found::Record(Bytes::copy_from_slice(payload)),
                Item::Seal => {
                    self.sealed = true;
                    Found::Seal
                }
                Item::Damaged => return Err(self.damaged("a damaged record begins", at)),
                Item::Unfinished => {
                    let ends_well = rest.is_empty() && self.is_active();
                    if self.fill()? {
                        continue;
                    }
                    return if ends_well {
                        Ok(None)
                    } else {
                        Err(self.damaged("records that were durable are missing", at))
                    };
                }
            };
            let bytes = item_bytes(rest);
            self.shown += bytes;
            self.offset = Some(offset + bytes as u64);
            return Ok(Some((at, found)));
        }
        Ok(None)
    }

    fn is_active(&self) -> bool {
        self.segment.extent == self.view.tail.extent
    }

    fn damaged(&self, what: &'static str, at: Position) -> OpenError {
        OpenError::damaged(&self.segment.name, what, at.0 - self.segment.extent.base)
    }

    /// Reads more of the stream; `false` when there is no more.
    fn fill(&mut self) -> Result<bool, OpenError> {
        self.stream.drain(..self.shown);
        self.shown = 0;
        let tail = &self.view.tail;
        let until = if self.is_active() { tail.number() } else { self.segment.extent.sectors() };
        if !self.whole || self.sector > until {
            return Ok(false);
        }
        if self.sector == until {
            self.whole = false;
            let used = !tail.offset.is_multiple_of(BODY as u64);
            return if self.is_active() && used { self.push(&tail.sector).map(|()| true) } else { Ok(false) };
        }
        let mut buffer = vec![0; self.sectors_read.min(until - self.sector) as usize * SECTOR];
        self.segment.read(self.sector, &mut buffer)?;
        self.sectors_read = (self.sectors_read * 2).min(SECTORS_READ.1);
        for sector in buffer.as_chunks::<SECTOR>().0 {
            if self.whole {
                self.push(sector)?;
            }
        }
        Ok(true)
    }

    fn push(&mut self, sector: &[u8; SECTOR]) -> Result<(), OpenError> {
        let relative = self.sector * SECTOR as u64;
        let filled = match look(sector, self.view.tail.id, self.segment.extent.base + relative) {
            Sector::Written(filled) => filled,
            // Behind a seal that fills its sector; where there is no seal, the stream ends too early.
            Sector::Blank if !self.is_active() => {
                self.whole = false;
                return Ok(());
            }
            Sector::Blank | Sector::Damaged => {
                let name = &self.segment.name;
                return Err(OpenError::damaged(name, "a damaged or missing sector begins", relative));
            }
        };
        self.sector += 1;
        self.whole = filled.used == BODY;
        let begin = match (self.offset, filled.start) {
            (Some(_), _) => 0,
            (None, None) => return Ok(()),
            (None, Some(start)) => {
                self.offset = Some((self.sector - 2) * BODY as u64 + start as u64);
                start
            }
        };
        self.stream.extend_from_slice(&body(sector)[begin..filled.used]);
        Ok(())
    }
}
