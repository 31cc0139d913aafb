//! Looks at a log that nobody has open, and changes nothing: what `rialto data` shows. What would be repaired on opening
//! is told, what would be refused is refused.

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use parking_lot::RwLock;

use super::{
    disk::{Disk, DiskLock, RealDisk},
    error::OpenError,
    layout::SECTOR,
    opening::{self, Depth, Survey},
    reader::View,
    segment, snapshot,
    tail::Tail,
};
use crate::log::{LogError, Position};

/// A log that is looked at.
#[derive(Debug)]
pub struct Inspection {
    disk: Arc<dyn Disk>,
    survey: Survey,
    tail: Tail,
    /// Nobody opens the log meanwhile.
    _lock: DiskLock,
}

/// What there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// What the log is called in its files.
    pub id: u64,
    /// Where the first record begins, and the next one would.
    pub bounds: (Position, Position),
    /// Whole records.
    pub records: u64,
    /// Segments, and the bytes of their files.
    pub segments: (u64, u64),
    /// Position, chunks and payload bytes of the last snapshot.
    pub snapshot: Option<(Position, u64, u64)>,
    /// What a crash has torn.
    pub torn: Option<Torn>,
    /// Files that a crash has left and that nobody needs.
    pub leftovers: Vec<String>,
}

/// What a crash has torn: unfinished when the power went, so never acknowledged. It is cut on opening.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    /// The segment.
    pub file: String,
    /// Where it begins.
    pub byte: u64,
    /// Where it ends.
    pub until: u64,
}

impl Inspection {
    /// Looks through all of the log in `folder`. Waits for the disk.
    pub fn open(folder: &Path) -> Result<Self, OpenError> {
        Self::open_on(Arc::new(RealDisk::read_only(folder)))
    }

    /// The same on any disk.
    pub fn open_on(disk: Arc<dyn Disk>) -> Result<Self, OpenError> {
        let lock =
            disk.lock().map_err(OpenError::disk(super::disk::LOCK, "lock"))?.ok_or(OpenError::InUse)?;
        let survey = opening::survey(&*disk, Depth::Everything)?.ok_or(OpenError::Absent)?;
        let base = survey.end.active.base;
        let missing = || OpenError::damaged(&segment::name(base), "the segment is missing", 0);
        let active = survey.segments.get(&base).ok_or_else(missing)?;
        let tail = opening::tail_of(active, survey.manifest.id, &survey.end.ending)?;
        Ok(Self { disk, survey, tail, _lock: lock })
    }

    /// What there is.
    pub fn summary(&self) -> Result<Summary, OpenError> {
        let Survey { manifest, segments, end, leftovers } = &self.survey;
        let first =
            segments.first_key_value().map_or_else(Position::default, |(_, first)| first.extent.position(0));
        let mut snapshot = None;
        if let Some(at) = manifest.snapshot {
            let (mut chunks, mut bytes) = (0, 0);
            let mut count = |chunk: Bytes| {
                chunks += 1;
                bytes += chunk.len() as u64;
            };
            snapshot::open(&*self.disk, manifest.id, at)?.show(&mut count)?;
            snapshot = Some((at, chunks, bytes));
        }
        let torn = end.ending.torn_until.map(|until| Torn {
            file: segment::name(end.active.base),
            byte: end.position().0 - end.active.base,
            until: until * SECTOR as u64,
        });
        let bytes = segments.values().map(|segment| segment.extent.bytes).sum();
        Ok(Summary {
            id: manifest.id.0,
            bounds: (first, end.position()),
            records: end.records,
            segments: (segments.len() as u64, bytes),
            snapshot,
            torn,
            leftovers: leftovers.clone(),
        })
    }

    /// Shows every record from `from` on, in order; stops when `visit` says `false`.
    pub fn replay(
        &self,
        from: Position,
        visit: &mut dyn FnMut(Position, Bytes) -> bool,
    ) -> Result<(), LogError> {
        let segments = RwLock::new(self.survey.segments.clone());
        View { tail: self.tail, segments: &segments }.replay(from, visit)
    }
}
