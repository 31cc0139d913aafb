//! Makes groups durable and segments ready. One step at a time: the thread of a log runs them in a loop; a log without a
//! thread runs them in `flush`, so that a simulation decides when. Nothing else writes to segments.
//!
//! While a group is written and synced the next one gathers. After a write or a sync that failed nothing is written
//! again: what is on the disk is known only after opening.

use std::{sync::Arc, time::Duration};

use parking_lot::{Condvar, Mutex, RwLock};
use tokio::sync::watch;

use super::{
    disk::Disk,
    error::OpenError,
    intake::{Group, Intake, Next},
    layout::{Extent, LogId},
    manifest::Manifest,
    segment::{self, Preparation, Segment, Segments},
    tail::Tail,
};
use crate::log::{LogError, Position, Progress};

/// Bytes that are zeroed at once for the next segment. A record that comes meanwhile waits so long.
const SLICE_BYTES: u64 = 256 << 10;
/// While records come, so many bytes are zeroed for each that was taken: the next segment is ready when this one is half
/// full.
const ZEROED_PER_TAKEN: u64 = 2;
/// After so long without a record the writer has time.
const IDLE: Duration = Duration::from_millis(20);
/// Memory that the writer keeps between groups.
const BUFFER_BYTES_KEPT: usize = 1 << 20;

/// What appenders, readers and the writer of one log share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) id: LogId,
    pub(super) segment_bytes: u64,
    pub(super) intake: Mutex<Intake>,
    /// The writer waits here for work.
    pub(super) work: Condvar,
    /// Who flushes waits here for the writer.
    pub(super) done: Condvar,
    pub(super) writer: Mutex<Writer>,
    /// The end as readers may see it.
    pub(super) durable: Mutex<Tail>,
    pub(super) segments: RwLock<Segments>,
    pub(super) progress: watch::Sender<Progress>,
    /// Held while segments or snapshots are put in place or given up.
    pub(super) manifest: Mutex<Manifest>,
}

/// What only the writer has.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) tail: Tail,
    pub(super) segment: Arc<Segment>,
    pub(super) preparation: Option<Preparation>,
    /// The group as sectors.
    pub(super) sectors: Vec<u8>,
}

impl Shared {
    /// Writes one group, or prepares a piece of the next segment, or both; `false` when there was nothing to do. When
    /// there is a group, only what must be prepared by now.
    pub(super) fn step(&self) -> bool {
        let mut writer = self.writer.lock();
        let group = self.intake.lock().take();
        if let Some(group) = &group {
            let written = self.write(&mut writer, group);
            // Under the lock that who flushes holds while looking.
            let mut intake = self.intake.lock();
            match written {
                Ok(()) => {
                    intake.written(group.stream.len());
                    self.progress.send_modify(|progress| progress.durable = group.end);
                }
                Err(error) => self.fail(&mut intake, &error),
            }
            self.done.notify_all();
        }
        let slice = self.slice(writer.preparation.as_ref().map_or(0, Preparation::zeroed), group.is_some());
        if slice > 0 {
            self.prepare(&mut writer, slice);
        }
        group.is_some() || slice > 0
    }

    /// How many bytes of the next segment to zero now, when so many are.
    fn slice(&self, zeroed: u64, busy: bool) -> u64 {
        let intake = self.intake.lock();
        if !intake.wants_segment() {
            return 0;
        }
        let owed = (intake.segment_bytes_taken() * ZEROED_PER_TAKEN).saturating_sub(zeroed);
        let may_wait = busy && !intake.needs_segment() && owed < SLICE_BYTES;
        if may_wait { 0 } else { owed.max(SLICE_BYTES) }
    }

    /// Waits until all is durable that was appended before.
    pub(super) fn flush_by_thread(&self) -> Result<Position, LogError> {
        let mut intake = self.intake.lock();
        let end = intake.position();
        loop {
            // A copy: whoever holds on to what is watched keeps the writer from changing it.
            let durable = self.progress.borrow().durable;
            if durable >= end {
                return Ok(durable);
            }
            if let Some(failed) = &intake.failed {
                return Err(failed.clone());
            }
            self.done.wait(&mut intake);
        }
    }

    /// Does all work that there is.
    pub(super) fn flush_inline(&self) -> Result<Position, LogError> {
        while self.step() {}
        match &self.intake.lock().failed {
            Some(failed) => Err(failed.clone()),
            None => Ok(self.progress.borrow().durable),
        }
    }

    /// What the thread does until the log is closed.
    pub(super) fn run(&self) {
        loop {
            {
                let mut intake = self.intake.lock();
                while !intake.has_groups() && !intake.needs_segment() && !intake.closing {
                    if !intake.wants_segment() {
                        self.work.wait(&mut intake);
                    } else if self.work.wait_for(&mut intake, IDLE).timed_out() {
                        break;
                    }
                }
                if intake.closing && !intake.has_groups() {
                    return;
                }
            }
            self.step();
        }
    }

    /// Writes what waits, and notes that all of it was durable. The thread has ended, or there is none.
    pub(super) fn close(&self) {
        self.intake.lock().closing = true;
        while self.step() {}
        if self.intake.lock().failed.is_some() {
            return;
        }
        let noted = Manifest { durable: self.progress.borrow().durable, ..*self.manifest.lock() };
        if let Err(error) = noted.write(&*self.disk) {
            // Only a precaution is missing: everything is durable.
            tracing::warn!(%error, "cannot note that the log was closed");
        }
    }

    fn write(&self, writer: &mut Writer, group: &Group) -> Result<(), OpenError> {
        let first = writer.tail.number();
        writer.sectors.clear();
        writer.tail.write(&group.stream, &mut writer.sectors);
        writer.segment.write(first, &writer.sectors)?;
        writer.segment.sync()?;
        writer.sectors.shrink_to(BUFFER_BYTES_KEPT);
        if group.seals {
            let base = writer.segment.extent.end();
            let next = self.segments.read().get(&base).cloned();
            let missing = || OpenError::damaged(&segment::name(base), "the segment is missing", 0);
            writer.segment = next.ok_or_else(missing)?;
            writer.tail = Tail::new(self.id, writer.segment.extent);
        }
        *self.durable.lock() = writer.tail;
        Ok(())
    }

    fn fail(&self, intake: &mut Intake, error: &OpenError) {
        let failed = LogError::Failed(error.to_string());
        intake.fail(failed.clone());
        self.progress.send_modify(|progress| progress.failed = Some(failed));
    }

    /// Zeroes a piece of the next segment. Where there is no space for it, only that is noted: nothing was taken that
    /// would need it.
    fn prepare(&self, writer: &mut Writer, bytes: u64) {
        let prepared = self.prepare_piece(writer, bytes);
        let mut intake = self.intake.lock();
        // Who asks while it is under way asks again.
        intake.asked &= matches!(prepared, Ok(None));
        match prepared {
            Ok(None) => {}
            Ok(Some(extent)) => intake.next = Next::Ready(extent),
            Err(error) if error.is_full() => {
                writer.preparation = None;
                // What was zeroed so far would only keep others from the space. If it stays, the next attempt takes it.
                self.disk.remove(segment::UNFINISHED).ok();
                intake.next = Next::Full;
            }
            Err(error) => self.fail(&mut intake, &error),
        }
        self.done.notify_all();
    }

    fn prepare_piece(&self, writer: &mut Writer, bytes: u64) -> Result<Option<Extent>, OpenError> {
        let mut preparation = match writer.preparation.take() {
            Some(preparation) => preparation,
            None => {
                let base = self.intake.lock().next_base();
                Preparation::begin(&*self.disk, Extent { base, bytes: self.segment_bytes })?
            }
        };
        preparation.zero(bytes)?;
        if !preparation.is_zeroed() {
            writer.preparation = Some(preparation);
            return Ok(None);
        }
        let segment = preparation.finish(&*self.disk, self.id)?;
        let extent = segment.extent;
        self.segments.write().insert(extent.base, Arc::new(segment));
        Ok(Some(extent))
    }
}
