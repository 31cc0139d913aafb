//! A segment: one file of fixed length, full of zeros before it is used. Making one is work for many milliseconds, so it
//! is done in slices by whoever writes; a segment has its name only when all of it is durable, so one that is found is
//! whole or damaged, never half made.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    disk::{Disk, DiskFile},
    error::OpenError,
    layout::{ADDRESS_MAX, Extent, LogId, SECTOR, Title},
};

const KIND: [u8; 4] = *b"segm";
const PREFIX: &str = "segment-";
const SUFFIX: &str = ".log";
/// Name while it is made.
pub(super) const UNFINISHED: &str = "segment.tmp";
/// Bytes of the smallest segment.
pub(super) const BYTES_MIN: u64 = 4 * SECTOR as u64;
/// Bytes of the largest.
pub(super) const BYTES_MAX: u64 = 1 << 30;
/// Bytes that are zeroed with one write.
const ZEROS: usize = 1 << 18;

/// A segment that is there.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) name: String,
    pub(super) extent: Extent,
    pub(super) file: Arc<dyn DiskFile>,
}

/// All that are there, by base.
pub(super) type Segments = BTreeMap<u64, Arc<Segment>>;

/// The name of the segment with this base.
pub(super) fn name(base: u64) -> String {
    format!("{PREFIX}{base:016x}{SUFFIX}")
}

/// The base of the segment that has this name; `None` when it is the name of something else.
pub(super) fn base_of(name: &str) -> Option<Result<u64, OpenError>> {
    let rest = name.strip_prefix(PREFIX)?;
    let base = rest.strip_suffix(SUFFIX).and_then(|digits| u64::from_str_radix(digits, 16).ok());
    let base = base.filter(|base| self::name(*base) == name);
    Some(base.ok_or_else(|| OpenError::damaged(name, "no segment has such a name,", 0)))
}

impl Segment {
    /// Opens the segment with this base, and checks its first sector and its length.
    pub(super) fn open(disk: &dyn Disk, base: u64) -> Result<(Self, LogId), OpenError> {
        let name = name(base);
        let file = disk.open(&name).map_err(OpenError::disk(&name, "open"))?;
        let bytes = file.bytes().map_err(OpenError::disk(&name, "look at"))?;
        let mut sector = [0; SECTOR];
        let read = file.read_at(&mut sector, 0).map_err(OpenError::disk(&name, "read"))?;
        if read < SECTOR {
            return Err(OpenError::damaged(&name, "the file ends", bytes));
        }
        let title = Title::decode(&sector, KIND).map_err(|what| OpenError::damaged(&name, what, 0))?;
        let extent = Extent { base: title.numbers[0], bytes: title.numbers[1] };
        let sound =
            (BYTES_MIN..=BYTES_MAX).contains(&extent.bytes) && extent.bytes.is_multiple_of(SECTOR as u64);
        if extent.base != base || base > ADDRESS_MAX || !sound {
            return Err(OpenError::damaged(&name, "the first sector is that of another segment", 0));
        }
        if bytes != extent.bytes {
            let end = bytes.min(extent.bytes);
            return Err(OpenError::damaged(&name, "the file is too short or too long, or ends", end));
        }
        Ok((Self { name, extent, file }, title.id))
    }

    /// Reads whole sectors from `sector` on.
    pub(super) fn read(&self, sector: u64, buffer: &mut [u8]) -> Result<(), OpenError> {
        let offset = sector * SECTOR as u64;
        let read = self.file.read_at(buffer, offset).map_err(OpenError::disk(&self.name, "read"))?;
        if read < buffer.len() {
            return Err(OpenError::damaged(&self.name, "the file ends", offset + read as u64));
        }
        Ok(())
    }

    /// Writes whole sectors from `sector` on. A write that takes less than everything has failed.
    pub(super) fn write(&self, sector: u64, bytes: &[u8]) -> Result<(), OpenError> {
        write_all(&*self.file, bytes, sector * SECTOR as u64).map_err(OpenError::disk(&self.name, "write"))
    }

    /// Makes durable what was written.
    pub(super) fn sync(&self) -> Result<(), OpenError> {
        self.file.sync().map_err(OpenError::disk(&self.name, "sync"))
    }
}

/// Writes all of `bytes` at once, or fails.
pub(super) fn write_all(file: &dyn DiskFile, bytes: &[u8], offset: u64) -> std::io::Result<()> {
    match file.write_at(bytes, offset)? {
        written if written == bytes.len() => Ok(()),
        _ => Err(std::io::ErrorKind::WriteZero.into()),
    }
}

/// A segment that is being made.
#[derive(Debug)]
pub(super) struct Preparation {
    file: Arc<dyn DiskFile>,
    extent: Extent,
    zeroed: u64,
}

impl Preparation {
    /// Begins with a file without bytes.
    pub(super) fn begin(disk: &dyn Disk, extent: Extent) -> Result<Self, OpenError> {
        let file = disk.create(UNFINISHED).map_err(OpenError::disk(UNFINISHED, "create"))?;
        Ok(Self { file, extent, zeroed: 0 })
    }

    /// Bytes that are zeroed.
    pub(super) fn zeroed(&self) -> u64 {
        self.zeroed
    }

    /// Whether only [`Preparation::finish`] is left.
    pub(super) fn is_zeroed(&self) -> bool {
        self.zeroed == self.extent.bytes
    }

    /// Zeroes up to `bytes` more, durably, so that no large sync is left for the end.
    pub(super) fn zero(&mut self, bytes: u64) -> Result<(), OpenError> {
        let zeros = [0; ZEROS];
        let until = (self.zeroed + bytes).min(self.extent.bytes);
        while self.zeroed < until {
            let piece = (until - self.zeroed).min(ZEROS as u64);
            let written = self.file.write_at(&zeros[..piece as usize], self.zeroed);
            match written.map_err(OpenError::disk(UNFINISHED, "write"))? {
                0 => {
                    return Err(OpenError::disk(UNFINISHED, "write")(std::io::ErrorKind::StorageFull.into()));
                }
                written => self.zeroed += written as u64,
            }
        }
        self.file.sync().map_err(OpenError::disk(UNFINISHED, "sync"))
    }

    /// Gives it its first sector and its name, durably.
    pub(super) fn finish(self, disk: &dyn Disk, id: LogId) -> Result<Segment, OpenError> {
        let name = name(self.extent.base);
        let title = Title { kind: KIND, id, numbers: [self.extent.base, self.extent.bytes, 0] };
        write_all(&*self.file, &title.encode(), 0).map_err(OpenError::disk(UNFINISHED, "write"))?;
        self.file.sync().map_err(OpenError::disk(UNFINISHED, "sync"))?;
        disk.rename(UNFINISHED, &name).map_err(OpenError::disk(&name, "rename"))?;
        disk.sync_folder().map_err(OpenError::disk(&name, "sync the folder of"))?;
        Ok(Segment { name, extent: self.extent, file: self.file })
    }
}

/// Makes a whole segment.
pub(super) fn make(disk: &dyn Disk, id: LogId, extent: Extent) -> Result<Segment, OpenError> {
    let mut preparation = Preparation::begin(disk, extent)?;
    preparation.zero(extent.bytes)?;
    preparation.finish(disk, id)
}
