//! Taking up what the log holds. Records come in the order of the log, but what was written again when the log was cleaned
//! comes late, and comes twice when a crash came between; what was let go may be there still, in part. So events are
//! gathered first, sorted by their offsets, and what hangs together up to the newest is the history.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, atomic::Ordering},
    time::SystemTime,
};

use bytes::Bytes;
use rialto_proto::v1::{Accepted, Durability, StateEntry};

use super::{
    Histories, OpenError,
    epoch::Epoch,
    life::{Bounds, Entry, Life, NOWHERE, Seal},
    record::{EventRecord, ForgottenRecord, Kind, LifePart, Part, SealRecord, StateRecord},
    share,
    stage::accepted,
    state::{Item, State},
};
use crate::{
    base::{clock, config::NamespaceSettings, hash::HashMap},
    log::{Log, Position},
    wire::Frame,
};

/// What was found of one room.
#[derive(Debug, Default)]
struct Found {
    life: Option<FoundLife>,
    state: Option<FoundState>,
}

#[derive(Debug)]
struct FoundLife {
    epoch: u64,
    entries: Vec<(u64, Entry)>,
    seal: Option<Seal>,
}

#[derive(Debug)]
struct FoundState {
    epoch: u64,
    floor: u64,
    items: BTreeMap<String, Item>,
}

type FoundRooms = HashMap<Arc<str>, HashMap<Arc<str>, Found>>;

/// What is being taken up.
struct Replay<'a> {
    histories: &'a Histories,
    log: &'a dyn Log,
    rooms: FoundRooms,
    now_ms: u64,
}

impl Histories {
    /// Takes up what the log holds.
    pub(super) fn replay(&self, now: SystemTime) -> Result<(), OpenError> {
        let Some(log) = self.log.as_deref() else { return Ok(()) };
        let mut replay =
            Replay { histories: self, log, rooms: HashMap::default(), now_ms: clock::unix_ms(now) };
        let mut result: Result<(), OpenError> = Ok(());
        let snapshot = log.last_snapshot(&mut |chunk| {
            if result.is_ok() {
                result = Part::parse(chunk).and_then(|part| replay.part(part));
            }
        })?;
        result?;
        let (first, _) = log.bounds();
        let from = snapshot.unwrap_or(first).max(first);
        let mut result: Result<(), OpenError> = Ok(());
        log.replay(from, &mut |at, bytes| {
            self.books.appended.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            result = replay.record(at, bytes);
            result.is_ok()
        })?;
        result?;
        replay.finish(first);
        self.upkeep.lock().snapshot = snapshot;
        self.sweep(now);
        Ok(())
    }
}

impl Replay<'_> {
    fn found(&mut self, namespace: &str, room: &str) -> &mut Found {
        if !self.rooms.contains_key(namespace) {
            self.rooms.insert(namespace.into(), HashMap::default());
        }
        let rooms = self.rooms.entry(namespace.into()).or_default();
        if !rooms.contains_key(room) {
            rooms.insert(room.into(), Found::default());
        }
        rooms.entry(room.into()).or_default()
    }

    /// The history of a room in this life; an earlier one is over.
    fn life(&mut self, namespace: &str, room: &str, epoch: u64) -> &mut FoundLife {
        let life = &mut self.found(namespace, room).life;
        life.take_if(|life| life.epoch != epoch);
        life.get_or_insert_with(|| FoundLife { epoch, entries: Vec::new(), seal: None })
    }

    fn state(&mut self, namespace: &str, room: &str, epoch: u64) -> &mut FoundState {
        let state = &mut self.found(namespace, room).state;
        state.take_if(|state| state.epoch != epoch);
        state.get_or_insert_with(|| FoundState { epoch, floor: 0, items: BTreeMap::new() })
    }

    fn record(&mut self, at: Position, bytes: Bytes) -> Result<(), OpenError> {
        let length = bytes.len();
        match Kind::parse(at, bytes)? {
            Kind::Event(event) => self.event(at, length, &event),
            Kind::State(state) => self.change(at, state),
            Kind::Seal(SealRecord { namespace, room, epoch, offset }) => {
                self.life(&namespace, &room, epoch).seal(Seal { position: at, offset });
            }
            Kind::Forgotten(ForgottenRecord { namespace, room, epoch }) => {
                let found = self.found(&namespace, &room);
                found.life.take_if(|life| life.epoch == epoch);
                found.state.take_if(|state| state.epoch == epoch);
            }
        }
        Ok(())
    }

    fn event(&mut self, position: Position, length: usize, event: &EventRecord) {
        let share = share(length, event.places.len());
        let bytes = u32::try_from(event.frame.len()).unwrap_or(u32::MAX);
        for place in &event.places {
            let entry = Entry { position, at_ms: event.at_ms, bytes, share };
            let life = self.life(&event.namespace, &place.room, place.epoch);
            life.entries.push((place.offset, entry));
        }
        if let Some(key) = &event.key {
            let kept = !event.places.is_empty();
            let durability = if kept { self.log.durability() } else { Durability::Memory };
            let answer = || {
                let events = Frame::kept(event.frame.clone()).events();
                let answer = events.first().map(accepted).unwrap_or_default();
                Accepted { durability: durability.into(), ..answer }
            };
            self.histories.keys.lock().restore(key, event.at_ms, self.now_ms, answer);
        }
    }

    fn change(&mut self, at: Position, record: StateRecord) {
        let StateRecord { namespace, room, epoch, floor, entries } = record;
        let state = self.state(&namespace, &room, epoch);
        state.floor = state.floor.max(floor);
        for entry in entries {
            state.put(entry, at);
        }
    }

    fn part(&mut self, part: Part) -> Result<(), OpenError> {
        match part {
            Part::Life(life) => self.life_part(&life)?,
            Part::State(StateRecord { namespace, room, epoch, floor, entries }) => {
                let state = self.state(&namespace, &room, epoch);
                state.floor = state.floor.max(floor);
                for entry in entries {
                    state.put(entry, Position(0));
                }
            }
            Part::Keys(part) => {
                let mut keys = self.histories.keys.lock();
                for held in part.keys {
                    let answer = || held.accepted.unwrap_or_default();
                    if let Some(key) = &held.key {
                        keys.restore(key, held.at_ms, self.now_ms, answer);
                    }
                }
            }
        }
        Ok(())
    }

    fn life_part(&mut self, part: &LifePart) -> Result<(), OpenError> {
        let count = part.positions.len();
        if [part.times_ms.len(), part.bytes.len(), part.shares.len()] != [count; 3] {
            return Err(OpenError::Snapshot("holds a history that is not whole".to_owned()));
        }
        let life = self.life(&part.namespace, &part.room, part.epoch);
        if let Some(position) = part.seal_position {
            life.seal(Seal { position: Position(position), offset: part.seal_offset });
        }
        let (mut position, mut at_ms) = (0_u64, 0_u64);
        life.entries.reserve(count);
        for (index, offset) in (0..count).zip(part.first..) {
            position = position.wrapping_add_signed(part.positions[index]);
            at_ms = at_ms.wrapping_add_signed(part.times_ms[index]);
            let (bytes, share) = (part.bytes[index], part.shares[index]);
            life.entries.push((offset, Entry { position: Position(position), at_ms, bytes, share }));
        }
        Ok(())
    }

    /// Makes histories and states of what was found. Records before `first` are gone: they were not needed.
    fn finish(self, first: Position) {
        let Self { histories, rooms, .. } = self;
        for (namespace, rooms) in rooms {
            let settings = (histories.settings)(&namespace);
            let bounds =
                settings.as_deref().map_or_else(|| Bounds::from(&NamespaceSettings::default()), Bounds::from);
            for (name, found) in rooms {
                let life = found.life.and_then(|life| life.finish(bounds, first));
                let state = found.state.and_then(FoundState::finish);
                if life.is_none() && state.is_none() {
                    continue;
                }
                let live = life.as_ref().map_or(0, Life::live);
                histories.books.live.fetch_add(live, Ordering::Relaxed);
                let mut shard = histories.shards.lock(&namespace, &name);
                for (at_ms, key) in state.iter().flat_map(State::expiries) {
                    let expiry = (at_ms, Arc::clone(&namespace), Arc::clone(&name), Arc::clone(key));
                    shard.expiries.insert(expiry);
                }
                let room = shard.room(&namespace, &name);
                (room.life, room.state) = (life, state);
                histories.rooms.restore(&namespace);
            }
        }
    }
}

impl FoundLife {
    /// Of several the one that was written last for the last event counts.
    fn seal(&mut self, seal: Seal) {
        let newer = |before: &Seal| (before.offset, before.position) <= (seal.offset, seal.position);
        if self.seal.as_ref().is_none_or(newer) {
            self.seal = Some(seal);
        }
    }

    fn finish(mut self, bounds: Bounds, first: Position) -> Option<Life> {
        // Of records of one event the last in the log counts.
        self.entries.sort_by_key(|(offset, entry)| (*offset, entry.position));
        let mut entries: VecDeque<Entry> = VecDeque::new();
        let mut oldest = 0;
        for (offset, entry) in self.entries.into_iter().rev() {
            if !entries.is_empty() && offset == oldest {
                continue;
            }
            if entry.position < first || (!entries.is_empty() && offset + 1 != oldest) {
                break;
            }
            oldest = offset;
            entries.push_front(entry);
        }
        if entries.is_empty() {
            return None;
        }
        let mut at_ms = 0;
        for entry in &mut entries {
            at_ms = entry.at_ms.max(at_ms);
            entry.at_ms = at_ms;
        }
        let mut life = Life::restored(Epoch(self.epoch), bounds, oldest, entries);
        if let Some(seal) = self.seal {
            life.seal(seal, NOWHERE);
        }
        life.ended = life.unsealed().is_none();
        Some(life)
    }
}

impl FoundState {
    fn put(&mut self, entry: StateEntry, position: Position) {
        let newer = |item: &Item| item.entry.revision <= entry.revision;
        if self.items.get(&entry.key).is_none_or(newer) {
            let key = entry.key.clone();
            self.items.insert(key, Item { entry: Arc::new(entry), position });
        }
    }

    fn finish(self) -> Option<State> {
        let state = State::restored(Epoch(self.epoch), self.floor, self.items.into_values());
        (state.shown() > 0).then_some(state)
    }
}
