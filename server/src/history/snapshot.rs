//! The snapshot of the index: what the records before a position amount to, so that only those after it must be read when
//! the node starts. It is gathered shard by shard while others go on appending: whatever is in a record at the position
//! or later is left out, and comes again by that record.

use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::{
    Histories,
    life::{Entry, Life},
    record::{KeysPart, LifePart, Part, StateRecord},
    shard::Room,
    state::State,
};
use crate::log::{Log, LogError, Position};

/// Events of one chunk, and keys.
const CHUNK_ENTRIES_MAX: usize = 16 << 10;
/// Keys of a room's state in one chunk: they come with their values.
const CHUNK_KEYS_MAX: usize = 64;

impl Histories {
    /// Writes a snapshot of everything that is durable now. Nothing may be on its way from one record to another: the
    /// caller holds the lock of what is moved.
    pub(super) fn write_snapshot(&self, log: &dyn Log) -> Result<Position, LogError> {
        let appended = self.books.appended.load(Ordering::Relaxed);
        let at = log.progress().borrow().durable;
        let keys = self.keys.lock().durable(at);
        let keys = keys
            .chunks(CHUNK_ENTRIES_MAX)
            .map(|keys| Part::Keys(KeysPart { keys: keys.to_vec() }).into_bytes());
        let keys: Vec<Bytes> = keys.collect();
        let rooms = self.shards.all().iter().flat_map(|shard| {
            let shard = shard.lock();
            let chunks = shard.rooms().flat_map(|(namespace, name, room)| chunks(namespace, name, room, at));
            chunks.collect::<Vec<_>>()
        });
        log.snapshot(at, &mut keys.into_iter().chain(rooms))?;
        self.books.appended.fetch_sub(appended, Ordering::Relaxed);
        Ok(at)
    }
}

/// What one room keeps in records before `at`.
fn chunks(namespace: &str, name: &str, room: &Room, at: Position) -> Vec<Bytes> {
    let mut chunks = Vec::new();
    if let Some(life) = &room.life {
        life_chunks(namespace, name, life, at, &mut chunks);
    }
    if let Some(state) = room.state.as_ref().filter(|state| state.durable) {
        state_chunks(namespace, name, state, at, &mut chunks);
    }
    chunks
}

fn life_chunks(namespace: &str, room: &str, life: &Life, at: Position, chunks: &mut Vec<Bytes>) {
    let part = |first: u64| LifePart {
        namespace: namespace.to_owned(),
        room: room.to_owned(),
        epoch: life.epoch.0,
        first,
        ..LifePart::default()
    };
    let mut filling: Option<LifePart> = None;
    let mut before = (Position(0), 0_u64);
    if let Some(seal) = life.sealed_before(at) {
        let (seal_position, seal_offset) = (Some(seal.position.0), seal.offset);
        chunks.push(Part::Life(LifePart { seal_position, seal_offset, ..part(0) }).into_bytes());
    }
    for (offset, entry) in life.entries().filter(|(_, entry)| entry.position < at) {
        let full = |part: &mut LifePart| {
            let next = part.first + part.positions.len() as u64;
            next != offset || part.positions.len() == CHUNK_ENTRIES_MAX
        };
        if let Some(full) = filling.take_if(full) {
            chunks.push(Part::Life(full).into_bytes());
        }
        if filling.is_none() {
            before = (Position(0), 0);
        }
        put(filling.get_or_insert_with(|| part(offset)), entry, &mut before);
    }
    chunks.extend(filling.map(|part| Part::Life(part).into_bytes()));
}

fn put(part: &mut LifePart, entry: &Entry, before: &mut (Position, u64)) {
    part.positions.push(entry.position.0.wrapping_sub(before.0.0).cast_signed());
    part.times_ms.push(entry.at_ms.wrapping_sub(before.1).cast_signed());
    part.bytes.push(entry.bytes);
    part.shares.push(entry.share);
    *before = (entry.position, entry.at_ms);
}

fn state_chunks(namespace: &str, room: &str, state: &State, at: Position, chunks: &mut Vec<Bytes>) {
    let (floor, items) = state.before(at);
    for items in items.chunks(CHUNK_KEYS_MAX) {
        let part = StateRecord {
            namespace: namespace.to_owned(),
            room: room.to_owned(),
            epoch: state.epoch.0,
            floor,
            entries: items.iter().map(|item| (*item.entry).clone()).collect(),
        };
        chunks.push(Part::State(part).into_bytes());
    }
}
