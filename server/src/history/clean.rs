//! Cleaning the log, off the path of events: events of its oldest part that are still kept are written again at its end,
//! and when that is durable and the index points there, the part is cut off. Only what is before the snapshot is cut, and
//! the snapshot has everything else that the part says. A snapshot never falls between an event that was written again and
//! the index.

use std::{mem, sync::atomic::Ordering};

use bytes::Bytes;

use super::{
    Histories, OpenError,
    epoch::Epoch,
    record::{EventRecord, Kind},
    share,
};
use crate::{
    base::limits::LOG_CLEAN_WRITE_BYTES,
    log::{Log, LogError, Position},
};

/// What is on its way, and where the last snapshot is.
#[derive(Debug, Default)]
pub(super) struct Upkeep {
    /// Records that were written again and that the index does not point to yet.
    moved: Vec<Moved>,
    /// Cut the log before this when everything before the second one is durable.
    cut: Option<(Position, Position)>,
    /// Up to here the log was cleaned; the log may give storage back later.
    cleaned: Position,
    pub(super) snapshot: Option<Position>,
}

/// A record that was written again.
#[derive(Debug)]
struct Moved {
    from: Position,
    to: Position,
    bytes: u64,
    share: u32,
    event: EventRecord,
}

/// Why the log could not be kept in order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MaintainError {
    /// The log does not do what was asked.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A record cannot be read.
    #[error(transparent)]
    Record(#[from] OpenError),
}

impl Histories {
    /// Keeps the log in order: a snapshot now and then, and no more garbage than what is needed. One step at a time; when it
    /// returns a position there is more to do as soon as everything before that is durable. Waits for the disk.
    pub fn maintain(&self) -> Result<Option<Position>, MaintainError> {
        let Some(log) = self.log.as_deref() else { return Ok(None) };
        let mut upkeep = self.upkeep.lock();
        if let Some((before, barrier)) = upkeep.cut {
            if log.progress().borrow().durable < barrier {
                return Ok(Some(barrier));
            }
            for moved in mem::take(&mut upkeep.moved) {
                self.point(&moved);
            }
            upkeep.cut = None;
            log.truncate(before)?;
        }
        if self.books.appended.load(Ordering::Relaxed) >= self.tuning.snapshot_every_bytes {
            upkeep.snapshot = Some(self.write_snapshot(log)?);
        }
        let wanted = self.books.live.load(Ordering::Relaxed) * 2 + self.tuning.clean_floor_bytes;
        if log.bytes() <= wanted {
            return Ok(None);
        }
        self.clean(log, &mut upkeep)?;
        Ok(upkeep.cut.map(|(_, barrier)| barrier))
    }

    /// Writes a snapshot, so that the next start is quick. For an orderly end. Waits for the disk.
    pub fn close(&self) -> Result<(), MaintainError> {
        let Some(log) = self.log.as_deref() else { return Ok(()) };
        let mut upkeep = self.upkeep.lock();
        // A snapshot must not fall between a record that was written again and the index; without it the start is slower.
        if upkeep.moved.is_empty() {
            upkeep.snapshot = Some(self.write_snapshot(log)?);
        }
        Ok(())
    }

    /// Writes again what is needed of the oldest part. Only what is before the snapshot is looked at: what is after it must
    /// be there when the node starts.
    fn clean(&self, log: &dyn Log, upkeep: &mut Upkeep) -> Result<(), MaintainError> {
        let (first, _) = log.bounds();
        let from = first.max(upkeep.cleaned);
        if upkeep.snapshot.is_none_or(|snapshot| snapshot <= from) {
            // Little has come since: what is left is what the log gives back in larger pieces only.
            if self.books.appended.load(Ordering::Relaxed) < self.tuning.clean_step_bytes {
                return Ok(());
            }
            upkeep.snapshot = Some(self.write_snapshot(log)?);
        }
        let until = upkeep.snapshot.unwrap_or(from);
        let (mut seen, mut written, mut to, mut failed) = (0_u64, 0_u64, until, None);
        let moved = &mut upkeep.moved;
        log.replay(from, &mut |at, bytes| {
            if at >= until || seen >= self.tuning.clean_step_bytes || written >= LOG_CLEAN_WRITE_BYTES {
                to = at;
                return false;
            }
            seen += bytes.len() as u64;
            match self.rewrite(log, at, bytes) {
                Ok(again) => {
                    written += again.as_ref().map_or(0, |again| again.bytes);
                    moved.extend(again);
                }
                Err(error) => {
                    to = at;
                    failed = Some(error);
                    return false;
                }
            }
            true
        })?;
        upkeep.cleaned = to;
        // What was found not to be needed is not needed by what was appended until now; that must be durable first.
        upkeep.cut = (to > from).then(|| (to, log.bounds().1));
        match failed {
            // There is room again when the beginning of the log has been cut.
            None | Some(MaintainError::Log(LogError::Full | LogError::Busy)) => Ok(()),
            Some(error) => Err(error),
        }
    }

    /// Appends an event again if it is kept, for the rooms that keep it. The locks are held meanwhile, so that nothing that
    /// ends a life comes between.
    fn rewrite(&self, log: &dyn Log, from: Position, bytes: Bytes) -> Result<Option<Moved>, MaintainError> {
        let Kind::Event(mut event) = Kind::parse(from, bytes)? else { return Ok(None) };
        let EventRecord { namespace, places, .. } = &mut event;
        let rooms: Vec<String> = places.iter().map(|place| place.room.clone()).collect();
        let mut locked = self.shards.lock_all(namespace, rooms.iter().map(String::as_str));
        places.retain(|place| {
            let life = locked.get(namespace, &place.room).and_then(|room| room.life.as_ref());
            let life = life.filter(|life| life.epoch == Epoch(place.epoch));
            life.and_then(|life| life.entry(place.offset)).is_some_and(|entry| entry.position == from)
        });
        if places.is_empty() {
            return Ok(None);
        }
        // The snapshot has it.
        event.key = None;
        let record = Kind::Event(event.clone()).into_bytes();
        let to = log.append(&record)?;
        drop(locked);
        let bytes = record.len() as u64;
        self.books.appended.fetch_add(bytes, Ordering::Relaxed);
        Ok(Some(Moved { from, to, bytes, share: share(record.len(), event.places.len()), event }))
    }

    /// Lets the index point to where an event is now.
    fn point(&self, moved: &Moved) {
        let Moved { from, to, share, event, .. } = moved;
        let mut change = 0;
        for place in &event.places {
            let mut shard = self.shards.lock(&event.namespace, &place.room);
            let life = shard.get_mut(&event.namespace, &place.room).and_then(|room| room.life.as_mut());
            let life = life.filter(|life| life.epoch == Epoch(place.epoch));
            change += life.map_or(0, |life| life.moved(place.offset, *from, *to, *share));
        }
        let live = &self.books.live;
        if change >= 0 {
            live.fetch_add(change.unsigned_abs(), Ordering::Relaxed);
        } else {
            live.fetch_sub(change.unsigned_abs(), Ordering::Relaxed);
        }
    }
}
