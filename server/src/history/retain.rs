//! Letting go: what is too old, rooms of which nothing is left, and memory that is better used elsewhere. The router calls
//! [`Histories::sweep`] every few seconds.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
    time::SystemTime,
};

use parking_lot::Mutex;

use super::{
    Histories,
    epoch::Epoch,
    life::{Bounds, Life},
    record::{ForgottenRecord, Kind},
    shard::{Room, Shard},
    state::State,
};
use crate::base::{clock, config::NamespaceSettings, refusal::Refusal};

/// How many rooms of each namespace keep something: a bound of its own, as a room is kept longer than it has members.
#[derive(Debug, Default)]
pub(super) struct RoomCounts(Mutex<HashMap<Box<str>, u32>>);

/// Rooms that are about to keep something; taken back when dropped.
#[derive(Debug)]
pub(super) struct Entering<'a> {
    counts: &'a RoomCounts,
    namespace: &'a str,
    rooms: usize,
}

impl RoomCounts {
    /// Counts `rooms` more, if there may be so many.
    pub(super) fn enter<'a>(
        &'a self,
        namespace: &'a str,
        rooms: usize,
        rooms_max: u32,
    ) -> Result<Entering<'a>, Refusal> {
        if rooms > 0 {
            let mut counts = self.0.lock();
            let count = counts.get(namespace).copied().unwrap_or(0) as usize + rooms;
            if count > rooms_max as usize {
                return Err(Refusal::limit("rooms_max", rooms_max));
            }
            counts.insert(namespace.into(), u32::try_from(count).unwrap_or(u32::MAX));
        }
        Ok(Entering { counts: self, namespace, rooms })
    }

    /// Counts rooms that were there before a restart.
    pub(super) fn restore(&self, namespace: &str) {
        *self.0.lock().entry(namespace.into()).or_default() += 1;
    }

    fn leave(&self, namespace: &str, rooms: usize) {
        let mut counts = self.0.lock();
        if let Some(count) = counts.get_mut(namespace) {
            *count = count.saturating_sub(u32::try_from(rooms).unwrap_or(u32::MAX));
            if *count == 0 {
                counts.remove(namespace);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn total(&self) -> usize {
        self.0.lock().values().map(|count| *count as usize).sum()
    }
}

impl Entering<'_> {
    /// They keep something.
    pub(super) fn keep(mut self) {
        self.rooms = 0;
    }
}

impl Drop for Entering<'_> {
    fn drop(&mut self) {
        if self.rooms > 0 {
            self.counts.leave(self.namespace, self.rooms);
        }
    }
}

impl Histories {
    /// Lets go what is too old, and applies settings that have changed. Cheap where nothing is to be done.
    pub fn sweep(&self, now: SystemTime) {
        let now_ms = clock::unix_ms(now);
        self.keys.lock().age(now_ms);
        let quiet_ms = self.quiet_ms();
        for shard in self.shards.all() {
            let names: Vec<Arc<str>> = shard.lock().namespaces.keys().cloned().collect();
            for namespace in names {
                let settings = (self.settings)(&namespace);
                self.sweep_namespace(&mut shard.lock(), &namespace, settings.as_deref(), (now_ms, quiet_ms));
            }
        }
    }

    /// How long a room must have been quiet for its events to be better read from the disk when somebody asks: none is
    /// while there is space.
    fn quiet_ms(&self) -> u64 {
        let cached = self.books.cached.load(Ordering::Relaxed);
        match self.tuning.cache_bytes {
            max if cached <= max / 4 * 3 => u64::MAX,
            max if cached <= max => 60_000,
            _ => 0,
        }
    }

    fn sweep_namespace(
        &self,
        shard: &mut Shard,
        namespace: &str,
        settings: Option<&NamespaceSettings>,
        (now_ms, quiet_ms): (u64, u64),
    ) {
        let Some(rooms) = shard.namespaces.get_mut(namespace) else { return };
        let before = rooms.len();
        rooms.retain(|name, room| {
            if let (Some(life), Some(settings)) = (room.life.as_mut(), settings) {
                life.bounds = Bounds::from(settings);
            }
            self.sweep_life(namespace, name, room, now_ms);
            self.sweep_state(namespace, name, room, now_ms);
            if let Some(life) = room.life.as_mut()
                && life.newest_at_ms().saturating_add(quiet_ms) < now_ms
            {
                self.books.cached.fetch_sub(life.cool(0), Ordering::Relaxed);
            }
            room.life.is_some() || room.state.is_some()
        });
        let gone = before - rooms.len();
        if rooms.is_empty() {
            shard.namespaces.remove(namespace);
        }
        if gone > 0 {
            self.rooms.leave(namespace, gone);
        }
    }

    fn sweep_life(&self, namespace: &str, name: &str, room: &mut Room, now_ms: u64) {
        let Some(life) = room.life.as_mut() else { return };
        self.books.give_back(life.age(now_ms));
        self.books.give_back(life.shrink());
        if !life.is_over(now_ms) {
            return;
        }
        // A life that the log cannot be told of stays.
        if let Err(refusal) = self.append_end(namespace, name, life) {
            tracing::debug!(reason = %refusal, "an old history is forgotten later");
            return;
        }
        self.books.give_back(life.end());
        room.life = None;
    }

    fn sweep_state(&self, namespace: &str, name: &str, room: &mut Room, now_ms: u64) {
        let forget_after_ms = u64::try_from(self.tuning.state_forget_after.as_millis()).unwrap_or(u64::MAX);
        let over = |state: &State| {
            state.empty_since_ms().is_some_and(|at| at.saturating_add(forget_after_ms) < now_ms)
        };
        let Some(state) = room.state.as_ref().filter(|state| over(state)) else { return };
        if state.durable
            && let Err(refusal) = self.append_forgotten(namespace, name, state.epoch)
        {
            tracing::debug!(reason = %refusal, "an empty state is forgotten later");
            return;
        }
        room.state = None;
    }

    /// Tells the log that a life is over, if the log knows of it: what is left of it there would come back.
    pub(super) fn append_end(&self, namespace: &str, room: &str, life: &Life) -> Result<(), Refusal> {
        if life.in_log() { self.append_forgotten(namespace, room, life.epoch) } else { Ok(()) }
    }

    fn append_forgotten(&self, namespace: &str, room: &str, epoch: Epoch) -> Result<(), Refusal> {
        let (namespace, room) = (namespace.to_owned(), room.to_owned());
        let record = ForgottenRecord { namespace, room, epoch: epoch.0 };
        self.append(&Kind::Forgotten(record).into_bytes()).map(drop)
    }
}
