//! The rooms of a node, spread over shards with one lock each. An operation on several addresses takes their locks in
//! ascending order, all before it begins, so that others see it whole and nobody waits in a circle.

use std::{hash::BuildHasher, sync::Arc};

use indexmap::IndexMap;
use parking_lot::{Mutex, MutexGuard};

use super::{
    address::{Address, Key},
    others::Others,
    room::Room,
};
use crate::base::{hash::Hashing, rate::Bucket};

/// More shards than cores that contend: fan-out holds a lock for the length of a member list.
const SHARDS: usize = 64;

/// Rooms without members in one shard whose rates are kept.
const RATES_MAX: usize = 1_024;

/// Rooms whose addresses have one lock.
#[derive(Debug, Default)]
pub(super) struct Shard {
    /// Those with members.
    pub(super) rooms: IndexMap<Key, Room>,
    /// Who is in them on other nodes, as far as this node listens to them.
    pub(super) others: IndexMap<Key, Others>,
    /// Rates of rooms that have members on other nodes alone, as far as this node says something there.
    rates: IndexMap<Key, Bucket>,
}

impl Shard {
    /// The rate of a room, with members or without.
    pub(super) fn rate(&mut self, address: &Address<'_>, fresh: impl FnOnce() -> Bucket) -> &mut Bucket {
        if self.rooms.contains_key(address) {
            return &mut self.rooms[address].rate;
        }
        if self.rates.len() >= RATES_MAX && !self.rates.contains_key(address) {
            // Whoever names so many rooms begins anew in all of them.
            self.rates.clear();
        }
        self.rates.entry(address.key()).or_insert_with(fresh)
    }
}

/// All rooms of the node.
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

    /// Locks the shard of one address.
    pub(super) fn lock_one(&self, address: &Address<'_>) -> MutexGuard<'_, Shard> {
        self.shards[index(&self.hasher, address)].lock()
    }

    /// Locks the shards of all addresses.
    pub(super) fn lock(&self, addresses: &[Address<'_>]) -> Locked<'_> {
        let mut indexes: Vec<usize> = addresses.iter().map(|address| index(&self.hasher, address)).collect();
        indexes.sort_unstable();
        indexes.dedup();
        let guards = indexes.into_iter().map(|index| (index, self.shards[index].lock())).collect();
        Locked { hasher: &self.hasher, guards }
    }

    /// Looks at every room, one shard at a time.
    pub(super) fn visit(&self, mut look: impl FnMut(&Key, &Room)) {
        for shard in &self.shards {
            shard.lock().rooms.iter().for_each(|(key, room)| look(key, room));
        }
    }

    /// All shards, each to be locked by itself.
    pub(super) fn each(&self) -> impl Iterator<Item = MutexGuard<'_, Shard>> {
        self.shards.iter().map(Mutex::lock)
    }
}

fn index(hasher: &Hashing, address: &Address<'_>) -> usize {
    // The remainder is below SHARDS.
    (hasher.hash_one(address) % SHARDS as u64) as usize
}

impl Locked<'_> {
    /// The room at an address, if it has members.
    pub(super) fn room(&mut self, address: &Address<'_>) -> Option<&mut Room> {
        self.shard(address)?.rooms.get_mut(address)
    }

    /// The room at an address, if it has members, and who is in it on other nodes.
    pub(super) fn with_others(&mut self, address: &Address<'_>) -> (Option<&mut Room>, Option<&mut Others>) {
        let Some(shard) = self.shard(address) else { return (None, None) };
        (shard.rooms.get_mut(address), shard.others.get_mut(address))
    }

    /// The room at an address, made if need be. `None` when the address was not locked.
    pub(super) fn room_or_new(&mut self, key: Key, new: impl FnOnce() -> Room) -> Option<&mut Room> {
        let shard = self.shard(&key.address())?;
        Some(shard.rooms.entry(key).or_insert_with(new))
    }

    /// The shard of an address, if it was locked.
    pub(super) fn shard(&mut self, address: &Address<'_>) -> Option<&mut Shard> {
        let wanted = index(self.hasher, address);
        let found = self.guards.iter_mut().find(|(index, _)| *index == wanted);
        found.map(|(_, shard)| &mut **shard)
    }
}

impl Key {
    /// The key of a room.
    pub(super) fn room(namespace: &Arc<str>, room: &Arc<str>) -> Self {
        let (namespace, name) = (Arc::clone(namespace), Arc::clone(room));
        Self { namespace, kind: super::address::Kind::Room, name }
    }
}
