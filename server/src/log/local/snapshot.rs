//! Snapshots: what the records before a position amount to, in one file. It has its name only when all of it is durable,
//! and the one before is removed only after that. Every chunk is checked before it is shown.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    disk::{Disk, DiskFile},
    error::OpenError,
    layout::{LogId, RECORD_HEADER, SEAL, SECTOR, Title, number32, number64},
    segment::write_all,
};
use crate::{
    base::limits::LOG_SEGMENT_BYTES,
    log::{LogError, Position},
};

const KIND: [u8; 4] = *b"snap";
const PREFIX: &str = "snapshot-";
const SUFFIX: &str = ".log";
/// Name while it is made.
pub(super) const UNFINISHED: &str = "snapshot.tmp";
/// Chunks, and their bytes.
const TRAILER_BYTES: usize = 16;
/// Bytes that are read or written at once, unless a chunk is longer.
const BUFFER_BYTES: usize = 1 << 18;
/// Bytes of the longest chunk.
pub(super) const CHUNK_BYTES_MAX: usize = LOG_SEGMENT_BYTES;

/// The name of the snapshot at this position.
pub(super) fn name(at: Position) -> String {
    format!("{PREFIX}{:016x}{SUFFIX}", at.0)
}

/// The position of the snapshot that has this name; `None` when it is the name of something else.
pub(super) fn position_of(name: &str) -> Option<Result<Position, OpenError>> {
    let digits = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX);
    let at = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok()).map(Position);
    let at = at.filter(|at| self::name(*at) == name);
    Some(at.ok_or_else(|| OpenError::damaged(name, "no snapshot has such a name,", 0)))
}

/// Checksums of a snapshot are those of a log of its own, so that no chunk of another one is taken for one of it.
fn chunk_id(id: LogId, at: Position) -> LogId {
    LogId(id.0 ^ at.0.rotate_left(32))
}

/// Writes a snapshot, durably and under its name. Of one that fails nothing is kept.
pub(super) fn write(
    disk: &dyn Disk,
    id: LogId,
    at: Position,
    chunks: &mut dyn Iterator<Item = Bytes>,
) -> Result<(), LogError> {
    let written = write_file(disk, id, at, chunks);
    if written.is_err() {
        // It would keep others from the space. If it stays, the next one takes its place.
        disk.remove(UNFINISHED).ok();
    }
    written
}

fn write_file(
    disk: &dyn Disk,
    id: LogId,
    at: Position,
    chunks: &mut dyn Iterator<Item = Bytes>,
) -> Result<(), LogError> {
    let file = disk.create(UNFINISHED).map_err(OpenError::disk(UNFINISHED, "create"))?;
    let title = Title { kind: KIND, id, numbers: [at.0, 0, 0] };
    let mut out = Output { file, id: chunk_id(id, at), buffer: title.encode().to_vec(), offset: 0 };
    let (mut count, mut bytes) = (0_u64, 0_u64);
    for chunk in chunks {
        if chunk.len() > CHUNK_BYTES_MAX {
            return Err(LogError::TooLong(chunk.len()));
        }
        out.put(u32::try_from(chunk.len()).unwrap_or(SEAL), &chunk)?;
        count += 1;
        bytes += chunk.len() as u64;
    }
    let mut trailer = [0; TRAILER_BYTES];
    trailer[..8].copy_from_slice(&count.to_le_bytes());
    trailer[8..].copy_from_slice(&bytes.to_le_bytes());
    out.put(SEAL, &trailer)?;
    out.drain()?;
    out.file.sync().map_err(OpenError::disk(UNFINISHED, "sync"))?;
    let name = name(at);
    disk.rename(UNFINISHED, &name).map_err(OpenError::disk(&name, "rename"))?;
    disk.sync_folder().map_err(OpenError::disk(&name, "sync the folder of"))?;
    Ok(())
}

struct Output {
    file: Arc<dyn DiskFile>,
    id: LogId,
    buffer: Vec<u8>,
    /// Where the buffer goes.
    offset: u64,
}

impl Output {
    fn put(&mut self, length: u32, payload: &[u8]) -> Result<(), OpenError> {
        let at = self.offset + self.buffer.len() as u64;
        let length = length.to_le_bytes();
        let checksum = self.id.checksum(at, [&length, payload]);
        self.buffer.extend_from_slice(&checksum.to_le_bytes());
        self.buffer.extend_from_slice(&length);
        self.buffer.extend_from_slice(payload);
        if self.buffer.len() < BUFFER_BYTES { Ok(()) } else { self.drain() }
    }

    fn drain(&mut self) -> Result<(), OpenError> {
        let written = write_all(&*self.file, &self.buffer, self.offset);
        written.map_err(OpenError::disk(UNFINISHED, "write"))?;
        self.offset += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

/// Opens the snapshot at `at`. It can be shown also when another takes its place meanwhile.
pub(super) fn open(disk: &dyn Disk, id: LogId, at: Position) -> Result<Input, OpenError> {
    let name = name(at);
    let file = disk.open(&name).map_err(OpenError::disk(&name, "open"))?;
    let end = file.bytes().map_err(OpenError::disk(&name, "look at"))?;
    let mut input = Input { file, name, id: chunk_id(id, at), end, buffer: Vec::new(), shown: 0, offset: 0 };
    let sector = input.take(SECTOR)?.first_chunk::<SECTOR>().copied().unwrap_or([0; SECTOR]);
    let title = Title::decode(&sector, KIND).map_err(|what| input.damaged(what, 0))?;
    if title.id != id || title.numbers[0] != at.0 {
        return Err(
            input.damaged("the snapshot belongs to another log or position: the first sector begins", 0)
        );
    }
    Ok(input)
}

/// A snapshot that is read.
#[derive(Debug)]
pub(super) struct Input {
    file: Arc<dyn DiskFile>,
    name: String,
    id: LogId,
    /// Where the file ends.
    end: u64,
    buffer: Vec<u8>,
    /// How much of the buffer was taken.
    shown: usize,
    /// Where the buffer begins.
    offset: u64,
}

impl Input {
    /// Shows the chunks, each after it was checked; fails when the snapshot is not whole.
    pub(super) fn show(mut self, visit: &mut dyn FnMut(Bytes)) -> Result<(), OpenError> {
        let (mut count, mut bytes) = (0_u64, 0_u64);
        loop {
            let begin = self.at();
            let head = self.take(RECORD_HEADER)?.first_chunk().copied().unwrap_or([0; RECORD_HEADER]);
            let (id, length) = (self.id, number32(&head[4..]));
            let is_trailer = length == SEAL;
            let payload = self.take(if is_trailer { TRAILER_BYTES } else { length as usize })?;
            if id.checksum(begin, [&head[4..], payload]) != number32(&head[..4]) {
                return Err(self.damaged("a damaged chunk begins", begin));
            }
            if is_trailer {
                let whole = number64(&payload[..8]) == count && number64(&payload[8..]) == bytes;
                if whole && self.at() == self.end {
                    return Ok(());
                }
                return Err(self.damaged("the snapshot does not end as it was written,", begin));
            }
            count += 1;
            bytes += payload.len() as u64;
            visit(Bytes::copy_from_slice(payload));
        }
    }

    fn damaged(&self, what: &'static str, byte: u64) -> OpenError {
        OpenError::damaged(&self.name, what, byte)
    }

    fn at(&self) -> u64 {
        self.offset + self.shown as u64
    }

    /// The next `bytes`. A length that the file cannot hold is refused before memory is taken for it.
    fn take(&mut self, bytes: usize) -> Result<&[u8], OpenError> {
        if self.buffer.len() - self.shown < bytes {
            let at = self.at();
            let left = self.end.saturating_sub(at);
            if bytes as u64 > left {
                return Err(self.damaged("the file ends too early, or a damaged chunk begins", at));
            }
            let wanted = (bytes.max(BUFFER_BYTES) as u64).min(left) as usize;
            self.buffer.resize(wanted, 0);
            let read =
                self.file.read_at(&mut self.buffer, at).map_err(OpenError::disk(&self.name, "read"))?;
            if read < wanted {
                return Err(self.damaged("the file ends too early", at + read as u64));
            }
            (self.offset, self.shown) = (at, 0);
        }
        let begin = self.shown;
        self.shown += bytes;
        Ok(&self.buffer[begin..self.shown])
    }
}
