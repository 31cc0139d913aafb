//! Idempotency keys: what was answered to an event that may be sent again. Bounded in number; each is held for five
//! minutes unless so many come that the oldest must go. Pure: time comes as an argument.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use rialto_proto::v1::{Accepted, RoomPosition};
use sha2::{Digest, Sha256};

use super::{
    epoch::Epoch,
    life::NOWHERE,
    record::{HeldKey, KeyRecord},
};
use crate::log::Position;

/// An event's name for ever.
#[derive(Debug, Clone, Copy)]
pub struct Idempotency<'a> {
    /// Whose key it is; empty for nobody's.
    pub user: &'a str,
    /// The key.
    pub key: &'a str,
    /// A digest of what the event says: the same key for something else is a mistake.
    pub digest: [u8; 16],
}

/// What is known of a key.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen {
    /// The event was taken; this was the answer.
    Answered(Accepted),
    /// The event is being taken; ask again when this is durable, or soon when it is kept in memory.
    Pending(Option<Position>),
    /// The key was used for something else.
    Conflict,
}

/// Namespace, user and key, as one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct KeyId(pub(super) [u8; 16]);

impl KeyId {
    pub(super) fn new(namespace: &str, user: &str, key: &str) -> Self {
        let mut digest = Sha256::new();
        for part in [namespace, user, key] {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
        let mut id = [0; 16];
        id.copy_from_slice(&digest.finalize()[..16]);
        Self(id)
    }
}

/// An answer, smaller than as a message.
#[derive(Debug)]
struct Answer {
    event_id: Box<str>,
    recipients: u32,
    durability: i32,
    places: Box<[(Box<str>, Epoch, u64)]>,
    several: bool,
}

#[derive(Debug)]
struct Held {
    digest: [u8; 16],
    at_ms: u64,
    number: u64,
    /// The record with the key, or [`NOWHERE`].
    position: Position,
    answer: Option<Answer>,
    /// Whether the event was shown.
    shown: bool,
}

/// All keys that are held.
#[derive(Debug)]
pub(super) struct Keys {
    held: HashMap<KeyId, Held>,
    /// In the order of their coming; one that was given back is not found under its number any more.
    order: VecDeque<(KeyId, u64)>,
    next: u64,
    keys_max: usize,
    held_ms: u64,
}

impl Keys {
    pub(super) fn new(keys_max: usize, held: Duration) -> Self {
        let held_ms = u64::try_from(held.as_millis()).unwrap_or(u64::MAX);
        Self { held: HashMap::new(), order: VecDeque::new(), next: 0, keys_max, held_ms }
    }

    /// What is known of a key.
    pub(super) fn seen(&self, id: KeyId, digest: [u8; 16]) -> Option<Seen> {
        let held = self.held.get(&id)?;
        if held.digest != digest {
            return Some(Seen::Conflict);
        }
        let pending = || Seen::Pending((held.position != NOWHERE).then_some(held.position));
        let answer = held.answer.as_ref().filter(|_| held.shown);
        Some(answer.map_or_else(pending, |answer| Seen::Answered(answer.accepted(true))))
    }

    /// Holds a key whose event is being taken.
    pub(super) fn hold(&mut self, id: KeyId, digest: [u8; 16], at_ms: u64) {
        self.insert(id, Held::new(digest, at_ms, NOWHERE));
    }

    fn insert(&mut self, id: KeyId, mut held: Held) {
        self.next += 1;
        held.number = self.next;
        self.order.push_back((id, held.number));
        self.held.insert(id, held);
        while self.held.len() > self.keys_max {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some((id, number)) = self.order.pop_front()
            && self.held.get(&id).is_some_and(|held| held.number == number)
        {
            self.held.remove(&id);
        }
    }

    /// The event of a key is in this record, or [`NOWHERE`], and will be answered so.
    pub(super) fn place(&mut self, id: KeyId, position: Position, accepted: &Accepted) {
        if let Some(held) = self.held.get_mut(&id) {
            held.position = position;
            held.answer = Some(Answer::new(accepted));
        }
    }

    /// The event of a key was not taken.
    pub(super) fn give_back(&mut self, id: KeyId) {
        if self.held.get(&id).is_some_and(|held| !held.shown) {
            self.held.remove(&id);
        }
    }

    /// The event of a key was shown, to so many.
    pub(super) fn answer(&mut self, id: KeyId, recipients: u32) {
        if let Some(held) = self.held.get_mut(&id) {
            held.shown = true;
            if let Some(answer) = &mut held.answer {
                answer.recipients = recipients;
            }
        }
    }

    /// Takes in a key from before a restart, unless it is known or too old.
    pub(super) fn restore(
        &mut self,
        key: &KeyRecord,
        at_ms: u64,
        now_ms: u64,
        accepted: impl FnOnce() -> Accepted,
    ) {
        let (Ok(id), Ok(digest)) = (key.id.as_slice().try_into(), key.digest.as_slice().try_into()) else {
            return;
        };
        if at_ms.saturating_add(self.held_ms) < now_ms || self.held.contains_key(&KeyId(id)) {
            return;
        }
        let answer = Some(Answer::new(&accepted()));
        // What came from before is in the next snapshot whatever its position.
        self.insert(KeyId(id), Held { answer, shown: true, ..Held::new(digest, at_ms, Position(0)) });
    }

    /// Forgets what was held long enough.
    pub(super) fn age(&mut self, now_ms: u64) {
        while let Some((id, number)) = self.order.front() {
            let held = self.held.get(id).filter(|held| held.number == *number);
            if held.is_some_and(|held| held.at_ms.saturating_add(self.held_ms) >= now_ms) {
                break;
            }
            self.drop_oldest();
        }
    }

    /// The answered keys whose records are before `before`.
    pub(super) fn durable(&self, before: Position) -> Vec<HeldKey> {
        let held = self.order.iter().filter_map(|(id, number)| {
            let held = self.held.get(id).filter(|held| held.number == *number && held.position < before)?;
            let key = KeyRecord { id: id.0.to_vec(), digest: held.digest.to_vec() };
            let accepted = held.answer.as_ref()?.accepted(false);
            Some(HeldKey { key: Some(key), at_ms: held.at_ms, accepted: Some(accepted) })
        });
        held.collect()
    }

    #[cfg(test)]
    pub(super) fn check(&self) {
        assert!(self.held.len() <= self.keys_max && self.held.len() <= self.order.len());
    }
}

impl Held {
    fn new(digest: [u8; 16], at_ms: u64, position: Position) -> Self {
        Self { digest, at_ms, number: 0, position, answer: None, shown: false }
    }
}

impl Answer {
    fn new(accepted: &Accepted) -> Self {
        let place =
            |at: &RoomPosition| (at.room.as_str().into(), at.epoch.parse().unwrap_or(Epoch(0)), at.offset);
        let mut places: Vec<_> = accepted.positions.iter().map(place).collect();
        if let Some(offset) = accepted.offset {
            places.push(("".into(), accepted.epoch.parse().unwrap_or(Epoch(0)), offset));
        }
        Self {
            event_id: accepted.event_id.as_str().into(),
            recipients: accepted.recipients_here,
            durability: accepted.durability,
            places: places.into(),
            several: !accepted.positions.is_empty(),
        }
    }

    fn accepted(&self, duplicate: bool) -> Accepted {
        let mut accepted = Accepted {
            event_id: self.event_id.to_string(),
            recipients_here: self.recipients,
            durability: self.durability,
            duplicate,
            ..Accepted::default()
        };
        for (room, epoch, offset) in &self.places {
            if self.several {
                let (room, epoch) = (room.to_string(), epoch.to_string());
                accepted.positions.push(RoomPosition { room, epoch, offset: *offset });
            } else {
                accepted.offset = Some(*offset);
                accepted.epoch = epoch.to_string();
            }
        }
        accepted
    }
}
