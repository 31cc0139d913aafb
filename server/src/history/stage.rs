//! Taking events: their offsets, their one encoding, their record; and showing them. Called by the router for each emit.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::SystemTime,
};

use rialto_proto::v1::{Accepted, Durability, Event, RoomPosition};

use super::{
    Histories, Tuning,
    epoch::Epoch,
    keys::{Idempotency, KeyId, Seen},
    life::{Bounds, Entry, Kept, Life, NOWHERE, Seal},
    record::{EventRecord, KeyRecord, Kind, PlaceRecord, SealRecord},
    shard::Locked,
    share,
};
use crate::{
    base::{
        clock,
        config::{HistoryKind, NamespaceSettings},
        ids::{RoomName, SessionId},
        refusal::Refusal,
    },
    log::Position,
    wire::{Class, Frame},
};

/// An event to be taken.
#[derive(Debug)]
pub struct Draft<'a> {
    /// Where.
    pub namespace: &'a str,
    /// What holds there; its `history` says where the event is kept.
    pub settings: &'a NamespaceSettings,
    /// The rooms in whose histories it belongs. Empty for an event that is kept nowhere by its nature.
    pub rooms: &'a [RoomName],
    /// The event, complete but for its positions.
    pub event: Event,
    /// What may happen to it on its way.
    pub class: Class,
    /// The sending session, when that does not hear its own event.
    pub excluded: Option<SessionId>,
    /// Its name for ever.
    pub idempotency: Option<Idempotency<'a>>,
    /// Now.
    pub now: SystemTime,
}

/// What became of a draft.
#[derive(Debug)]
pub enum Outcome {
    /// It was taken.
    Staged(Staged),
    /// An event with its idempotency key was taken before.
    Seen(Seen),
}

/// An event that was taken and is not shown yet.
#[derive(Debug)]
pub struct Staged {
    /// Show it when the log's progress has passed this; `None`: at once.
    pub position: Option<Position>,
    /// The event as it goes to receivers.
    pub frame: Frame,
    /// The answer, but for the number of receivers.
    pub accepted: Accepted,
    namespace: Arc<str>,
    places: Vec<(Arc<str>, Epoch, u64)>,
    key: Option<KeyId>,
}

impl Staged {
    /// Whether a history keeps it.
    pub fn is_kept(&self) -> bool {
        !self.places.is_empty()
    }
}

/// The next place in the history of a room.
struct Place<'a> {
    room: &'a str,
    epoch: Epoch,
    offset: u64,
}

impl Histories {
    /// Takes an event: it has its offsets and its record, and nobody sees it yet.
    ///
    /// # Errors
    /// Nothing was taken when the log is full, busy or failed, or when there are too many rooms.
    pub fn stage(&self, draft: Draft<'_>) -> Result<Outcome, Refusal> {
        let key = draft.idempotency.map(|named| (KeyId::new(draft.namespace, named.user, named.key), named));
        if let Some((id, named)) = key {
            let mut keys = self.keys.lock();
            if let Some(seen) = keys.seen(id, named.digest) {
                return Ok(Outcome::Seen(seen));
            }
            keys.hold(id, named.digest, clock::unix_ms(draft.now));
        }
        let key = key.map(|(id, _)| id);
        let staged = self.take(draft, key);
        if let (Some(id), Err(_)) = (key, &staged) {
            self.keys.lock().give_back(id);
        }
        staged.map(Outcome::Staged)
    }

    fn take(&self, draft: Draft<'_>, key: Option<KeyId>) -> Result<Staged, Refusal> {
        let kind = self.kind(draft.settings);
        let mut locked = self.shards.lock_all(draft.namespace, draft.rooms.iter().map(RoomName::as_str));
        let wait_for = if kind == HistoryKind::Durable {
            None
        } else {
            self.seal(&mut locked, &draft, kind == HistoryKind::Off)?
        };
        let places = if kind == HistoryKind::Off { Vec::new() } else { places(&mut locked, &draft) };
        let created = places.iter().filter(|place| locked.get(draft.namespace, place.room).is_none()).count();
        let room = self.rooms.enter(draft.namespace, created, draft.settings.rooms_max)?;
        let mut staged = self.write(draft, &places, &mut locked, key)?;
        room.keep();
        staged.position = staged.position.max(wait_for);
        Ok(staged)
    }

    /// Sees to it that the log knows where a history goes on without it; with `end` that it does not go on. Returns what
    /// must be durable before the event is shown.
    fn seal(
        &self,
        locked: &mut Locked<'_>,
        draft: &Draft<'_>,
        end: bool,
    ) -> Result<Option<Position>, Refusal> {
        let mut wait_for = None;
        for room in draft.rooms {
            let life = locked.get(draft.namespace, room.as_str()).and_then(|room| room.life.as_mut());
            let Some(life) = life else { continue };
            if life.ended && !end {
                // A new life takes its place, and no record says so.
                self.append_end(draft.namespace, room.as_str(), life)?;
                continue;
            }
            if let Some(offset) = life.unsealed() {
                let record = SealRecord {
                    namespace: draft.namespace.to_owned(),
                    room: room.as_str().to_owned(),
                    epoch: life.epoch.0,
                    offset,
                };
                let position = self.append(&Kind::Seal(record).into_bytes())?;
                life.seal(Seal { position, offset }, self.progress());
                life.wait_for = Some(position);
            }
            life.ended |= end;
            wait_for = wait_for.max(life.wait_for.filter(|position| !self.is_durable(*position)));
        }
        Ok(wait_for)
    }

    /// Encodes the event, appends its record and takes it into its histories.
    fn write(
        &self,
        draft: Draft<'_>,
        places: &[Place<'_>],
        locked: &mut Locked<'_>,
        key: Option<KeyId>,
    ) -> Result<Staged, Refusal> {
        let Draft { namespace, settings, mut event, excluded, now, .. } = draft;
        position(&mut event, places);
        let mut accepted = accepted(&event);
        let durable = self.kind(settings) == HistoryKind::Durable && !places.is_empty();
        let class = if places.is_empty() { draft.class } else { Class::Reliable };
        let frame = Frame::event(event, class);
        let mut entry = Entry {
            position: NOWHERE,
            at_ms: clock::unix_ms(now),
            bytes: u32::try_from(frame.bytes()).unwrap_or(u32::MAX),
            share: 0,
        };
        let record = if durable {
            let excluded = excluded.map(|id| id.to_string()).unwrap_or_default();
            Some(EventRecord { excluded, ..event_record(namespace, places, &frame) })
        } else if self.tuning.shared && places.is_empty() && key.is_some() {
            // Whoever goes on from the log has to know the key of what is kept nowhere as well.
            let event = Event { event_id: accepted.event_id.clone(), ..Event::default() };
            Some(event_record(namespace, places, &Frame::event(event, class)))
        } else {
            None
        };
        let written = record.is_some();
        if let Some(record) = record {
            let key = key
                .zip(draft.idempotency)
                .map(|(id, named)| KeyRecord { id: id.0.to_vec(), digest: named.digest.to_vec() });
            let record = Kind::Event(EventRecord { at_ms: entry.at_ms, key, ..record }).into_bytes();
            entry.position = self.append(&record)?;
            entry.share = share(record.len(), places.len());
        }
        if durable {
            accepted.durability = self.durability().into();
        }
        if let Some(id) = key {
            self.keys.lock().place(id, entry.position, &accepted);
        }
        let mut staged = Staged {
            position: written.then_some(entry.position),
            frame,
            accepted,
            namespace: namespace.into(),
            places: Vec::with_capacity(places.len()),
            key,
        };
        for place in places {
            let kept = Kept { offset: place.offset, frame: staged.frame.clone(), excluded };
            self.enter(locked, (namespace, place), (entry, kept), settings);
            staged.places.push((place.room.into(), place.epoch, place.offset));
        }
        Ok(staged)
    }

    /// Takes an event into the history of one room.
    fn enter(
        &self,
        locked: &mut Locked<'_>,
        (namespace, place): (&str, &Place<'_>),
        (entry, kept): (Entry, Kept),
        settings: &NamespaceSettings,
    ) {
        let Some(shard) = locked.shard(namespace, place.room) else { return };
        let life = &mut shard.room(namespace, place.room).life;
        let bounds = Bounds::from(settings);
        if let Some(mut before) = life.take_if(|life| life.epoch != place.epoch) {
            self.books.give_back(before.end());
        }
        let life = life.get_or_insert_with(|| Life::new(place.epoch, bounds));
        life.bounds = bounds;
        if entry.durable() {
            life.wait_for = Some(entry.position);
            self.books.live.fetch_add(entry.share.into(), Relaxed);
        }
        self.books.cached.fetch_add(life.take(entry, kept), Relaxed);
    }

    /// Shows an event that was taken: it is read from now on.
    pub fn publish(&self, staged: &Staged) {
        for (room, epoch, offset) in &staged.places {
            let mut shard = self.shards.lock(&staged.namespace, room);
            let life = shard.get_mut(&staged.namespace, room).and_then(|room| room.life.as_mut());
            let Some(life) = life.filter(|life| life.epoch == *epoch) else { continue };
            self.books.give_back(life.show(*offset));
            let cooled = life.cool(self.cache_room_bytes());
            self.books.cached.fetch_sub(cooled, Relaxed);
        }
        if let Some(id) = staged.key {
            self.keys.lock().answer(id, 0);
        }
    }

    /// The answer to an event that was shown to so many sessions of this node; also what is answered when it comes again.
    pub fn answered(&self, staged: &Staged, recipients_here: u32) -> Accepted {
        if let Some(id) = staged.key {
            self.keys.lock().answer(id, recipients_here);
        }
        Accepted { recipients_here, ..staged.accepted.clone() }
    }

    /// Takes back an event that is kept nowhere: its idempotency key is free again. What a history keeps stays.
    pub fn withdraw(&self, staged: &Staged) {
        if let Some(id) = staged.key.filter(|_| !staged.is_kept()) {
            self.keys.lock().give_back(id);
        }
    }

    /// What is known of an event's name.
    pub fn seen_before(&self, namespace: &str, named: Idempotency<'_>) -> Option<Seen> {
        self.keys.lock().seen(KeyId::new(namespace, named.user, named.key), named.digest)
    }

    /// Bytes that one room may have at hand: less the more all rooms together have, so that each keeps some.
    pub(super) fn cache_room_bytes(&self) -> usize {
        let cached = self.books.cached.load(Relaxed);
        let Tuning { cache_bytes, cache_room_bytes, .. } = self.tuning;
        match cached {
            cached if cached <= cache_bytes / 2 => cache_room_bytes,
            cached if cached <= cache_bytes => cache_room_bytes / 8,
            _ => 0,
        }
    }
}

/// The next offset in each room; each room once.
fn places<'a>(locked: &mut Locked<'_>, draft: &Draft<'a>) -> Vec<Place<'a>> {
    let mut places: Vec<Place<'a>> = Vec::with_capacity(draft.rooms.len());
    for room in draft.rooms {
        let room = room.as_str();
        if places.iter().any(|place| place.room == room) {
            continue;
        }
        let life = locked.get(draft.namespace, room).and_then(|room| room.life.as_ref());
        let (epoch, offset) = match life.filter(|life| !life.ended) {
            Some(life) => (life.epoch, life.next()),
            None => (Epoch::random(), 1),
        };
        places.push(Place { room, epoch, offset });
    }
    places
}

/// Writes its positions into an event.
fn position(event: &mut Event, places: &[Place<'_>]) {
    // One to several rooms, of which others are kept elsewhere, has positions too.
    if let [place] = places
        && event.rooms.len() <= 1
    {
        event.offset = Some(place.offset);
        event.epoch = place.epoch.to_string();
        return;
    }
    event.positions = places
        .iter()
        .map(|place| RoomPosition {
            room: place.room.to_owned(),
            epoch: place.epoch.to_string(),
            offset: place.offset,
        })
        .collect();
}

/// The answer to an event that has its positions.
pub(super) fn accepted(event: &Event) -> Accepted {
    Accepted {
        event_id: event.event_id.clone(),
        offset: event.offset,
        epoch: event.epoch.clone(),
        positions: event.positions.clone(),
        durability: Durability::Memory.into(),
        ..Accepted::default()
    }
}

fn event_record(namespace: &str, places: &[Place<'_>], frame: &Frame) -> EventRecord {
    let place = |place: &Place<'_>| PlaceRecord {
        room: place.room.to_owned(),
        epoch: place.epoch.0,
        offset: place.offset,
    };
    EventRecord {
        namespace: namespace.to_owned(),
        places: places.iter().map(place).collect(),
        frame: frame.record().clone(),
        ..EventRecord::default()
    }
}
