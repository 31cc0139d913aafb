//! Cleaning the log, off the path of events: what is still needed of its oldest part is written again at its end, and
//! when that is durable and the index points there, the part is cut off. At every moment the log holds a record of
//! everything that is needed, and a snapshot never falls between a record that was written again and the index.

use std::{mem, sync::atomic::Ordering};

use bytes::Bytes;

use super::{
    Histories, OpenError,
    epoch::Epoch,
    record::{EventRecord, Kind, PlaceRecord, SealRecord, StateRecord},
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
    kind: Kind,
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

    /// Appends a record again if it is needed: only what is needed of it. The locks are held meanwhile, so that nothing that
    /// ends a life comes between.
    fn rewrite(&self, log: &dyn Log, from: Position, bytes: Bytes) -> Result<Option<Moved>, MaintainError> {
        match Kind::parse(from, bytes)? {
            Kind::Event(event) => self.rewrite_event(log, from, event),
            Kind::State(record) => self.rewrite_state(log, from, record),
            Kind::Seal(seal) => self.rewrite_seal(log, from, seal),
            // It counts for what is before it, and that is cut off too.
            Kind::Forgotten(_) => Ok(None),
        }
    }

    fn rewrite_event(
        &self,
        log: &dyn Log,
        from: Position,
        mut event: EventRecord,
    ) -> Result<Option<Moved>, MaintainError> {
        let EventRecord { namespace, places, .. } = &mut event;
        let rooms: Vec<String> = places.iter().map(|place| place.room.clone()).collect();
        let mut locked = self.shards.lock_all(namespace, rooms.iter().map(String::as_str));
        let mut needed = |place: &PlaceRecord| {
            let life = locked.get(namespace, &place.room).and_then(|room| room.life.as_ref());
            let life = life.filter(|life| life.epoch == Epoch(place.epoch));
            life.and_then(|life| life.entry(place.offset)).is_some_and(|entry| entry.position == from)
        };
        places.retain(&mut needed);
        if event.places.is_empty() {
            return Ok(None);
        }
        let count = event.places.len();
        let moved = self.again(log, from, Kind::Event(event), count);
        drop(locked);
        moved.map(Some)
    }

    fn rewrite_state(
        &self,
        log: &dyn Log,
        from: Position,
        mut record: StateRecord,
    ) -> Result<Option<Moved>, MaintainError> {
        let shard = self.shards.lock(&record.namespace, &record.room);
        let state = shard.get(&record.namespace, &record.room).and_then(|room| room.state.as_ref());
        let Some(state) = state.filter(|state| state.epoch == Epoch(record.epoch)) else { return Ok(None) };
        record.entries.retain(|entry| state.needs(&entry.key, entry.revision, from));
        if record.entries.is_empty() {
            return Ok(None);
        }
        let count = record.entries.len();
        let moved = self.again(log, from, Kind::State(record), count);
        drop(shard);
        moved.map(Some)
    }

    fn rewrite_seal(
        &self,
        log: &dyn Log,
        from: Position,
        seal: SealRecord,
    ) -> Result<Option<Moved>, MaintainError> {
        let mut shard = self.shards.lock(&seal.namespace, &seal.room);
        let life = shard.get_mut(&seal.namespace, &seal.room).and_then(|room| room.life.as_mut());
        let life = life.filter(|life| life.epoch == Epoch(seal.epoch));
        if life.and_then(|life| life.seal_mut(from)).is_none() {
            return Ok(None);
        }
        let moved = self.again(log, from, Kind::Seal(seal), 1);
        drop(shard);
        moved.map(Some)
    }

    fn again(&self, log: &dyn Log, from: Position, kind: Kind, count: usize) -> Result<Moved, MaintainError> {
        let record = kind.clone().into_bytes();
        let to = log.append(&record)?;
        self.books.appended.fetch_add(record.len() as u64, Ordering::Relaxed);
        Ok(Moved { from, to, bytes: record.len() as u64, share: share(record.len(), count), kind })
    }

    /// Lets the index point to where a record is now.
    fn point(&self, moved: &Moved) {
        let mut change = 0;
        match &moved.kind {
            Kind::Event(event) => {
                for place in &event.places {
                    let mut shard = self.shards.lock(&event.namespace, &place.room);
                    let life =
                        shard.get_mut(&event.namespace, &place.room).and_then(|room| room.life.as_mut());
                    let life = life.filter(|life| life.epoch == Epoch(place.epoch));
                    let to = (moved.from, moved.to);
                    change += life.map_or(0, |life| life.moved(place.offset, to.0, to.1, moved.share));
                }
            }
            Kind::State(record) => {
                let mut shard = self.shards.lock(&record.namespace, &record.room);
                let state =
                    shard.get_mut(&record.namespace, &record.room).and_then(|room| room.state.as_mut());
                let state = state.filter(|state| state.epoch == Epoch(record.epoch));
                change += state.map_or(0, |state| {
                    let entries = record.entries.iter();
                    let moves = entries.map(|entry| {
                        state.moved((&entry.key, entry.revision), moved.from, moved.to, moved.share)
                    });
                    moves.sum()
                });
            }
            Kind::Seal(record) => {
                let mut shard = self.shards.lock(&record.namespace, &record.room);
                let life = shard.get_mut(&record.namespace, &record.room).and_then(|room| room.life.as_mut());
                let life = life.filter(|life| life.epoch == Epoch(record.epoch));
                if let Some(seal) = life.and_then(|life| life.seal_mut(moved.from)) {
                    seal.position = moved.to;
                }
            }
            Kind::Forgotten(_) => {}
        }
        let live = &self.books.live;
        if change >= 0 {
            live.fetch_add(change.unsigned_abs(), Ordering::Relaxed);
        } else {
            live.fetch_sub(change.unsigned_abs(), Ordering::Relaxed);
        }
    }
}
