//! A log in files: one folder, segments of fixed length, one write and one sync for all that was appended meanwhile.
//! The format, what is cut and what is refused are told in `docs/storage.md`. It never repairs what it did not tear.
//!
//! `layout` says how bytes lie; `intake` takes records; `writer` makes them durable; `reader` shows them; `opening` finds
//! the end with `scan`; `disk` is all that is known of files; `inspection` looks at a log and leaves
//! it as it is.

mod disk;
mod error;
mod inspection;
mod intake;
mod layout;
mod manifest;
mod opening;
mod reader;
mod scan;
mod segment;
#[cfg(any(test, feature = "simulation"))]
pub mod simulated;
mod snapshot;
mod tail;
#[cfg(test)]
mod tests;
mod writer;

use std::{path::Path, sync::Arc, thread};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex, RwLock};
use rialto_proto::v1::Durability;
use tokio::sync::watch;

pub use self::{
    disk::{Disk, DiskFile, DiskLock, RealDisk},
    error::OpenError,
    inspection::{Inspection, Summary, Torn},
};
use self::{
    intake::{Intake, Next},
    layout::{Extent, LogId, SECTOR},
    manifest::Manifest,
    opening::Depth,
    reader::View,
    segment::{BYTES_MAX, BYTES_MIN, Segment},
    writer::{Shared, Writer},
};
use super::{Log, LogError, Position, Progress};
use crate::base::{
    clock,
    limits::{LOG_PENDING_BYTES_MAX, LOG_SEGMENT_BYTES},
};

/// How a log in files works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalOptions {
    /// Bytes of a segment: whole sectors of 512. Holds for segments that are made from now on.
    pub segment_bytes: u64,
    /// Bytes of records that may wait to be written, unless one record alone is longer.
    pub pending_bytes_max: usize,
    /// Who writes.
    pub writing: Writing,
    /// What a new log is called in its files; by chance when not given.
    pub id: Option<u64>,
}

/// Who writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writing {
    /// A thread, as soon as there is something.
    Thread,
    /// Who calls [`Log::flush`], and nobody else: for simulations.
    Inline,
}

impl Default for LocalOptions {
    fn default() -> Self {
        Self {
            segment_bytes: LOG_SEGMENT_BYTES as u64,
            pending_bytes_max: LOG_PENDING_BYTES_MAX,
            writing: Writing::Thread,
            id: None,
        }
    }
}

impl LocalOptions {
    fn check(&self) -> Result<(), OpenError> {
        if !(BYTES_MIN..=BYTES_MAX).contains(&self.segment_bytes) {
            return Err(OpenError::Options("a segment has from 2 KiB to 1 GiB"));
        }
        if !self.segment_bytes.is_multiple_of(SECTOR as u64) {
            return Err(OpenError::Options("a segment has whole sectors of 512 bytes"));
        }
        if self.pending_bytes_max == 0 {
            return Err(OpenError::Options("no record could wait to be written"));
        }
        Ok(())
    }
}

/// Records in files. Dropping it writes and syncs what waits, notes how far that is, and frees the
/// folder.
#[derive(Debug)]
pub struct LocalLog {
    shared: Arc<Shared>,
    thread: Option<thread::JoinHandle<()>>,
    /// Dropped last: until then nobody else opens the folder.
    _lock: DiskLock,
}

impl LocalLog {
    /// Opens the log in `folder`, or makes one there. Waits for the disk.
    pub fn open(folder: &Path, options: &LocalOptions) -> Result<Self, OpenError> {
        let name = folder.display().to_string();
        let disk = RealDisk::create(folder).map_err(OpenError::disk(&name, "open the folder"))?;
        Self::open_on(Arc::new(disk), options)
    }

    /// The same on any disk.
    pub fn open_on(disk: Arc<dyn Disk>, options: &LocalOptions) -> Result<Self, OpenError> {
        options.check()?;
        let lock = disk.lock().map_err(OpenError::disk(disk::LOCK, "lock"))?.ok_or(OpenError::InUse)?;
        let shared = Arc::new(open_shared(disk, options)?);
        if options.writing == Writing::Inline {
            // So that the first records that need the next segment find it.
            while shared.step() {}
        }
        let thread = match options.writing {
            Writing::Inline => None,
            Writing::Thread => {
                let shared = Arc::clone(&shared);
                let thread = thread::Builder::new().name("log-writer".to_owned()).spawn(move || shared.run());
                Some(thread.map_err(OpenError::disk(".", "start a thread for"))?)
            }
        };
        Ok(Self { shared, thread, _lock: lock })
    }

    fn view(&self) -> View<'_> {
        View { tail: *self.shared.durable.lock(), segments: &self.shared.segments }
    }

    fn first(&self) -> Position {
        let segments = self.shared.segments.read();
        segments.first_key_value().map_or_else(Position::default, |(_, segment)| segment.extent.position(0))
    }
}

fn open_shared(disk: Arc<dyn Disk>, options: &LocalOptions) -> Result<Shared, OpenError> {
    let (survey, tail) = match opening::survey(&*disk, Depth::AfterSnapshot)? {
        Some(mut survey) => {
            let tail = opening::repair(&*disk, &mut survey, options.segment_bytes)?;
            (survey, tail)
        }
        None => {
            let id = LogId(options.id.unwrap_or_else(clock::random_u64));
            opening::begin(&*disk, id, options.segment_bytes)?
        }
    };
    let id = survey.manifest.id;
    let segment = |base| {
        let missing = || OpenError::damaged(&segment::name(base), "the segment is missing", 0);
        survey.segments.get(&base).cloned().ok_or_else(missing)
    };
    let active: Arc<Segment> = segment(tail.extent.base)?;
    let mut intake = Intake::new(id, (tail.extent, tail.offset));
    intake.pending_bytes_max = options.pending_bytes_max;
    intake.record_bytes_max = Extent { base: 0, bytes: options.segment_bytes }.record_bytes_max();
    if let Some(next) = survey.segments.get(&tail.extent.end()) {
        intake.next = Next::Ready(next.extent);
    }
    let durable = Progress { durable: tail.position(), failed: None };
    Ok(Shared {
        disk,
        id,
        segment_bytes: options.segment_bytes,
        intake: Mutex::new(intake),
        work: Condvar::new(),
        done: Condvar::new(),
        writer: Mutex::new(Writer { tail, segment: active, preparation: None, sectors: Vec::new() }),
        durable: Mutex::new(tail),
        segments: RwLock::new(survey.segments),
        progress: watch::Sender::new(durable),
        manifest: Mutex::new(survey.manifest),
    })
}

impl Drop for LocalLog {
    fn drop(&mut self) {
        self.shared.intake.lock().closing = true;
        self.shared.work.notify_one();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so itself; what waits is tried below, if nothing has failed.
            thread.join().ok();
        }
        self.shared.close();
    }
}

impl Log for LocalLog {
    fn durability(&self) -> Durability {
        Durability::Fsync
    }

    fn append(&self, record: &[u8]) -> Result<Position, LogError> {
        let appended = self.shared.intake.lock().append(record);
        // Also when it was refused: the writer may have to make a segment.
        self.shared.work.notify_one();
        appended
    }

    fn progress(&self) -> watch::Receiver<Progress> {
        self.shared.progress.subscribe()
    }

    fn flush(&self) -> Result<Position, LogError> {
        if self.thread.is_some() { self.shared.flush_by_thread() } else { self.shared.flush_inline() }
    }

    fn bounds(&self) -> (Position, Position) {
        (self.first(), self.shared.intake.lock().position())
    }

    fn bytes(&self) -> u64 {
        let (first, next) = self.bounds();
        next.0.saturating_sub(first.0)
    }

    fn read(&self, at: Position) -> Result<Bytes, LogError> {
        self.view().read(at)
    }

    fn replay(&self, from: Position, visit: &mut dyn FnMut(Position, Bytes) -> bool) -> Result<(), LogError> {
        self.view().replay(from, visit)
    }

    fn snapshot(&self, at: Position, chunks: &mut dyn Iterator<Item = Bytes>) -> Result<(), LogError> {
        if at > self.shared.progress.borrow().durable && at > self.flush()? {
            return Err(LogError::Gone(at));
        }
        let mut manifest = self.shared.manifest.lock();
        if manifest.snapshot.is_some_and(|before| at < before) {
            return Err(LogError::Gone(at));
        }
        let disk = &*self.shared.disk;
        snapshot::write(disk, self.shared.id, at, chunks)?;
        let before = manifest.snapshot;
        let named =
            Manifest { snapshot: Some(at), durable: self.shared.progress.borrow().durable, ..*manifest };
        named.write(disk)?;
        *manifest = named;
        if let Some(before) = before.filter(|before| *before != at) {
            let name = snapshot::name(before);
            disk.remove(&name).map_err(OpenError::disk(&name, "remove"))?;
        }
        Ok(())
    }

    fn last_snapshot(&self, visit: &mut dyn FnMut(Bytes)) -> Result<Option<Position>, LogError> {
        let (at, snapshot) = {
            // Held, so that the file stays until it is open.
            let manifest = self.shared.manifest.lock();
            let Some(at) = manifest.snapshot else {
                return Ok(None);
            };
            (at, snapshot::open(&*self.shared.disk, self.shared.id, at)?)
        };
        snapshot.show(visit)?;
        Ok(Some(at))
    }

    fn truncate(&self, before: Position) -> Result<(), LogError> {
        let mut manifest = self.shared.manifest.lock();
        let active = self.shared.durable.lock().extent.base;
        let until = before.0.min(active);
        let first = self.shared.segments.read().range(..=until).next_back().map(|(base, _)| *base);
        let Some(first) = first.filter(|first| *first > manifest.first) else {
            return Ok(());
        };
        let named = Manifest { first, durable: self.shared.progress.borrow().durable, ..*manifest };
        named.write(&*self.shared.disk)?;
        *manifest = named;
        let given_up = {
            let mut segments = self.shared.segments.write();
            let kept = segments.split_off(&first);
            std::mem::replace(&mut *segments, kept)
        };
        for segment in given_up.values() {
            let removed = self.shared.disk.remove(&segment.name);
            removed.map_err(OpenError::disk(&segment.name, "remove"))?;
        }
        Ok(())
    }
}
