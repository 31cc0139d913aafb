//! Finds the end of a log, and changes nothing. Every sector is blank, written or damaged, and every written one says
//! what was durable before it. So what was torn by a crash is told from what was lost without a guess: the stream ends at
//! its first missing sector, and if any sector after that knows that more was durable, the log is damaged.

use super::{
    error::OpenError,
    layout::{BODY, Extent, Item, LogId, SECTOR, Sector, body, item_bytes, look, take_item},
    segment::{Segment, Segments},
};
use crate::log::Position;

/// Sectors that are read at once.
const SECTORS_READ: u64 = 2048;

/// Where the stream of one segment ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ending {
    /// Whole records.
    pub(super) records: u64,
    /// Byte of the stream after the last whole record or the seal.
    pub(super) offset: u64,
    /// Whether the stream goes on in the next segment.
    pub(super) sealed: bool,
    /// The latest position of which any sector says that all before was durable.
    pub(super) synced: Position,
    /// Where the sectors end that hold what was torn, if anything was.
    pub(super) torn_until: Option<u64>,
}

/// Where the log ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    /// The segment that is written to.
    pub(super) active: Extent,
    /// Its end.
    pub(super) ending: Ending,
    /// The segment before it, if the scan has come by it.
    pub(super) sealed: Option<(u64, Ending)>,
    /// Whole records from the segment on in which the scan began.
    pub(super) records: u64,
}

impl End {
    /// Where the next record goes.
    pub(super) fn position(&self) -> Position {
        self.active.position(self.ending.offset)
    }
}

/// Looks through all segments from the one with base `from` on. They hold at least what is before `durable`.
pub(super) fn find_end(
    segments: &Segments,
    id: LogId,
    (from, durable): (u64, Position),
) -> Result<End, OpenError> {
    let (mut end, mut sealed, mut records): (Option<(&Segment, Ending)>, _, _) = (None, None, 0);
    for segment in segments.range(from..).map(|(_, segment)| segment) {
        let ending = scan(segment, id)?;
        match end {
            // No group reaches over two segments, so that nothing is written here before the seal is durable.
            Some((last, found)) if ending.offset > 0 || ending.torn_until.is_some() => {
                return Err(missing(last, &found));
            }
            Some(_) => {}
            None if ending.sealed => sealed = Some((segment.extent.base, ending)),
            None => end = Some((segment, ending)),
        }
        records += ending.records;
    }
    match end {
        Some((active, ending)) if active.extent.position(ending.offset) < durable => {
            Err(missing(active, &ending))
        }
        Some((active, ending)) => Ok(End { active: active.extent, ending, sealed, records }),
        None => {
            let next = segments.last_key_value().map_or(from, |(_, last)| last.extent.end());
            Err(OpenError::damaged(&super::segment::name(next), "the segment is missing", 0))
        }
    }
}

fn missing(segment: &Segment, ending: &Ending) -> OpenError {
    let byte = segment.extent.position(ending.offset).0 - segment.extent.base;
    OpenError::damaged(&segment.name, "records that were durable are missing", byte)
}

/// Looks through one segment.
pub(super) fn scan(segment: &Segment, id: LogId) -> Result<Ending, OpenError> {
    let mut scan = Scan::new(segment, id);
    let sectors = segment.extent.sectors();
    let mut buffer = vec![0; (sectors.min(SECTORS_READ) as usize) * SECTOR];
    let mut sector = 1;
    while sector < sectors {
        let count = (sectors - sector).min(SECTORS_READ);
        let bytes = &mut buffer[..count as usize * SECTOR];
        segment.read(sector, bytes)?;
        for (number, bytes) in (sector..).zip(bytes.as_chunks::<SECTOR>().0) {
            scan.sector(number, bytes)?;
        }
        scan.items()?;
        sector += count;
    }
    scan.ending()
}

struct Scan<'a> {
    segment: &'a Segment,
    id: LogId,
    /// What was read of the stream and is not yet understood; it begins at `ending.offset`.
    stream: Vec<u8>,
    /// Whether the stream goes on in the sector that comes next.
    whole: bool,
    /// The first sector after all that are not blank.
    blank_from: u64,
    ending: Ending,
}

impl<'a> Scan<'a> {
    fn new(segment: &'a Segment, id: LogId) -> Self {
        let ending = Ending {
            records: 0,
            offset: 0,
            sealed: false,
            synced: segment.extent.position(0),
            torn_until: None,
        };
        Self { segment, id, stream: Vec::new(), whole: true, blank_from: 1, ending }
    }

    fn damaged(&self, what: &'static str, at: Position) -> OpenError {
        OpenError::damaged(&self.segment.name, what, at.0 - self.segment.extent.base)
    }

    fn sector(&mut self, number: u64, bytes: &[u8; SECTOR]) -> Result<(), OpenError> {
        let address = self.segment.extent.base + number * SECTOR as u64;
        match look(bytes, self.id, address) {
            Sector::Damaged => return Err(self.damaged("a damaged sector begins", Position(address))),
            Sector::Blank => self.whole = false,
            Sector::Written(filled) => {
                self.blank_from = number + 1;
                self.ending.synced = self.ending.synced.max(filled.synced);
                if self.whole {
                    self.stream.extend_from_slice(&body(bytes)[..filled.used]);
                    self.whole = filled.used == BODY;
                }
            }
        }
        Ok(())
    }

    /// Understands what was read so far.
    fn items(&mut self) -> Result<(), OpenError> {
        let extent = self.segment.extent;
        let mut at = 0;
        while !self.ending.sealed {
            let position = extent.position(self.ending.offset);
            let rest = &self.stream[at..];
            let item = take_item(rest, self.id, position, extent.record_bytes_max());
            match item {
                Item::Unfinished => break,
                Item::Damaged => return Err(self.damaged("a damaged record begins", position)),
                Item::Record(_) => self.ending.records += 1,
                Item::Seal => self.ending.sealed = true,
            }
            let bytes = item_bytes(rest);
            at += bytes;
            self.ending.offset += bytes as u64;
        }
        self.stream.drain(..at);
        Ok(())
    }

    fn ending(mut self) -> Result<Ending, OpenError> {
        let end = self.ending.offset;
        let position = self.segment.extent.position(end);
        if self.ending.synced > position {
            return Err(missing(self.segment, &self.ending));
        }
        let kept_until = Extent::sector_of(end) + u64::from(!end.is_multiple_of(BODY as u64));
        if self.blank_from > kept_until || !self.stream.is_empty() {
            if self.ending.sealed {
                return Err(self.damaged("something follows a seal", position));
            }
            self.ending.torn_until = Some(self.blank_from);
        }
        Ok(self.ending)
    }
}
