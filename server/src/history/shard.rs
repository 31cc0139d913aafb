//! Rooms that keep something, spread over shards with one lock each. Several are locked in ascending order, all before
//! an operation begins, so that others see it whole and nobody waits in a circle. Locks are leaves: under them only the
//! log is appended to and the table of keys is locked.

use std::{collections::BTreeSet, hash::BuildHasher, sync::Arc};

use parking_lot::{Mutex, MutexGuard};

use super::{life::Life, state::State};
use crate::base::hash::{HashMap, Hashing};

/// As many as the hub has: the work under a lock is of the same length.
const SHARDS: usize = 64;

/// What one room keeps.
#[derive(Debug, Default)]
pub(super) struct Room {
    pub(super) life: Option<Life>,
    pub(super) state: Option<State>,
}

/// When a key expires, and which: time, namespace, room, key.
pub(super) type Expiry = (u64, Arc<str>, Arc<str>, Arc<str>);

/// Some rooms.
#[derive(Debug, Default)]
pub(super) struct Shard {
    pub(super) namespaces: HashMap<Arc<str>, HashMap<Arc<str>, Room>>,
    /// Keys that expire, soonest first.
    pub(super) expiries: BTreeSet<Expiry>,
}

impl Shard {
    pub(super) fn get(&self, namespace: &str, room: &str) -> Option<&Room> {
        self.namespaces.get(namespace)?.get(room)
    }

    pub(super) fn get_mut(&mut self, namespace: &str, room: &str) -> Option<&mut Room> {
        self.namespaces.get_mut(namespace)?.get_mut(room)
    }

    /// The room, made when it is not there.
    pub(super) fn room(&mut self, namespace: &str, room: &str) -> &mut Room {
        if !self.namespaces.contains_key(namespace) {
            self.namespaces.insert(namespace.into(), HashMap::default());
        }
        let rooms = self.namespaces.entry(namespace.into()).or_default();
        rooms.entry(room.into()).or_default()
    }

    /// All rooms.
    pub(super) fn rooms(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<str>, &Room)> {
        let rooms = self.namespaces.iter();
        rooms.flat_map(|(namespace, rooms)| rooms.iter().map(move |(name, room)| (namespace, name, room)))
    }
}

/// All rooms of the node that keep something.
#[derive(Debug)]
pub(super) struct Shards {
    shards: Box<[Mutex<Shard>]>,
    hasher: Hashing,
}

/// Some shards, locked.
pub(super) struct Locked<'a> {
    hasher: &'a Hashing,
    guards: Vec<(usize, MutexGuard<'a, Shard>)>,
}

impl Shards {
    pub(super) fn new() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, hasher: Hashing::default() }
    }

    /// Locks the shard of one room.
    pub(super) fn lock(&self, namespace: &str, room: &str) -> MutexGuard<'_, Shard> {
        self.shards[index(&self.hasher, namespace, room)].lock()
    }

    /// Locks the shards of several rooms.
    pub(super) fn lock_all<'n>(
        &self,
        namespace: &str,
        rooms: impl IntoIterator<Item = &'n str>,
    ) -> Locked<'_> {
        let indexes = rooms.into_iter().map(|room| index(&self.hasher, namespace, room));
        let mut indexes: Vec<usize> = indexes.collect();
        indexes.sort_unstable();
        indexes.dedup();
        let guards = indexes.into_iter().map(|index| (index, self.shards[index].lock())).collect();
        Locked { hasher: &self.hasher, guards }
    }

    /// Every shard, to be locked one at a time.
    pub(super) fn all(&self) -> &[Mutex<Shard>] {
        &self.shards
    }
}

impl Locked<'_> {
    /// The shard of a room that was named when this was locked.
    pub(super) fn shard(&mut self, namespace: &str, room: &str) -> Option<&mut Shard> {
        let index = index(self.hasher, namespace, room);
        let guard = self.guards.iter_mut().find(|(locked, _)| *locked == index)?;
        Some(&mut guard.1)
    }

    /// A room that was named when this was locked, when it keeps something.
    pub(super) fn get(&mut self, namespace: &str, room: &str) -> Option<&mut Room> {
        self.shard(namespace, room)?.get_mut(namespace, room)
    }
}

fn index(hasher: &Hashing, namespace: &str, room: &str) -> usize {
    (hasher.hash_one((namespace, room)) % SHARDS as u64) as usize
}
