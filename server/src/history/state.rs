//! The keyed state of one room: the last value of each key, by key and by revision, with the keys that were taken away
//! lately. Pure. A change is taken first, against what was taken before it, and shown later; readers see what was shown.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use rialto_proto::v1::{StateEntry, set_state, state_entry};

use super::{epoch::Epoch, life::NOWHERE};
use crate::log::Position;

/// A key as it is or was.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) entry: Arc<StateEntry>,
    /// Its record, or [`NOWHERE`].
    pub(super) position: Position,
}

impl Item {
    /// Whether the key was taken away.
    pub(super) fn is_tombstone(&self) -> bool {
        self.entry.body.is_none()
    }
}

/// A change that was taken and not shown.
#[derive(Debug)]
struct Change {
    item: Item,
    /// Keys taken away up to here are not remembered once it is shown.
    floor: u64,
    /// It was to be shown before those before it.
    early: bool,
}

/// What a key is with all that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Present {
    pub(super) revision: u64,
    /// Bytes of key and value; `None` when it was taken away.
    pub(super) bytes: Option<usize>,
}

/// What showing changes led to, in order: a value may expire when the one before it would have.
pub(super) type Shown = Vec<Expires>;

/// What becomes of the time when the value of a key expires.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Expires {
    /// The value that expired then was replaced.
    NoMore(u64, Arc<str>),
    /// The value expires then.
    At(u64, Arc<str>),
}

/// One life of the state of a room.
#[derive(Debug)]
pub(super) struct State {
    pub(super) epoch: Epoch,
    /// Whether changes go to the log.
    pub(super) durable: bool,
    /// The last revision that was taken.
    revision: u64,
    /// The last one that was shown.
    shown: u64,
    items: BTreeMap<Arc<str>, Item>,
    by_revision: BTreeMap<u64, Arc<str>>,
    /// Revisions of shown tombstones.
    buried: BTreeSet<u64>,
    /// Of those that will be there when all is shown.
    graves: BTreeSet<u64>,
    /// Who is not newer than this must begin anew; with what was shown, and with what was taken.
    floor: u64,
    floor_taken: u64,
    changes: BTreeMap<u64, Change>,
    /// Keys that have changes which were not shown.
    latest: HashMap<Arc<str>, Present>,
    /// Keys, and bytes of keys and values, with all that was taken.
    keys: usize,
    bytes: usize,
    /// What must be durable before the last change may be shown.
    pub(super) wait_for: Option<Position>,
}

impl State {
    pub(super) fn new(epoch: Epoch, durable: bool) -> Self {
        Self {
            epoch,
            durable,
            revision: 0,
            shown: 0,
            items: BTreeMap::new(),
            by_revision: BTreeMap::new(),
            buried: BTreeSet::new(),
            graves: BTreeSet::new(),
            floor: 0,
            floor_taken: 0,
            changes: BTreeMap::new(),
            latest: HashMap::new(),
            keys: 0,
            bytes: 0,
            wait_for: None,
        }
    }

    /// As it was, everything shown.
    pub(super) fn restored(epoch: Epoch, floor: u64, items: impl IntoIterator<Item = Item>) -> Self {
        let mut state = Self { floor, floor_taken: floor, ..Self::new(epoch, true) };
        for item in items {
            let revision = item.entry.revision;
            if item.is_tombstone() {
                if revision <= floor {
                    continue;
                }
                state.graves.insert(revision);
                state.buried.insert(revision);
            } else {
                state.keys += 1;
                state.bytes += entry_bytes(&item.entry);
            }
            state.revision = state.revision.max(revision);
            let key: Arc<str> = item.entry.key.as_str().into();
            state.by_revision.insert(revision, Arc::clone(&key));
            state.items.insert(key, item);
        }
        state.shown = state.revision;
        state
    }

    /// What a key is with all that was taken; revision 0 for one that is not there.
    pub(super) fn present(&self, key: &str) -> Present {
        let shown = || {
            let item = self.items.get(key)?;
            let bytes = (!item.is_tombstone()).then(|| entry_bytes(&item.entry));
            Some(Present { revision: item.entry.revision, bytes })
        };
        let absent = Present { revision: 0, bytes: None };
        self.latest.get(key).copied().or_else(shown).unwrap_or(absent)
    }

    /// The revision that the next change gets, and the floor that holds once it is shown.
    pub(super) fn next(&self, key: &str, deletes: bool, tombstones_max: usize) -> (u64, u64) {
        let Present { revision: before, bytes } = self.present(key);
        let regrown = bytes.is_none() && self.graves.contains(&before);
        let graves = self.graves.len() - usize::from(regrown) + usize::from(deletes);
        let mut oldest = self.graves.iter().filter(|grave| !(regrown && **grave == before));
        let surplus = graves.saturating_sub(tombstones_max.max(1));
        let floor = surplus.checked_sub(1).and_then(|last| oldest.nth(last)).copied();
        (self.revision + 1, floor.unwrap_or(0).max(self.floor_taken))
    }

    /// Keys, and bytes of keys and values, with all that was taken.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.keys, self.bytes)
    }

    /// Takes the change that [`State::next`] has numbered.
    pub(super) fn take(&mut self, item: Item, floor: u64) {
        let revision = item.entry.revision;
        let key: Arc<str> = item.entry.key.as_str().into();
        let before = self.present(&key);
        if let Some(bytes) = before.bytes {
            self.keys -= 1;
            self.bytes -= bytes;
        }
        self.graves.remove(&before.revision);
        let bytes = (!item.is_tombstone()).then(|| entry_bytes(&item.entry));
        match bytes {
            Some(bytes) => {
                self.keys += 1;
                self.bytes += bytes;
            }
            None => {
                self.graves.insert(revision);
            }
        }
        self.graves = self.graves.split_off(&(floor + 1));
        self.floor_taken = floor;
        self.revision = revision;
        if item.position != NOWHERE {
            self.wait_for = Some(item.position);
        }
        self.latest.insert(key, Present { revision, bytes });
        self.changes.insert(revision, Change { item, floor, early: false });
    }

    /// Shows a change, and those after it that were to be shown already.
    pub(super) fn show(&mut self, revision: u64) -> Shown {
        let mut shown = Shown::default();
        if let Some(change) = self.changes.get_mut(&revision) {
            change.early = true;
        }
        while let Some(first) = self.changes.first_entry().filter(|first| first.get().early) {
            let Change { item, floor, .. } = first.remove();
            self.put(item, floor, &mut shown);
        }
        shown
    }

    fn put(&mut self, item: Item, floor: u64, shown: &mut Shown) {
        let revision = item.entry.revision;
        let key: Arc<str> = item.entry.key.as_str().into();
        self.shown = revision;
        if self.latest.get(&key).is_some_and(|latest| latest.revision == revision) {
            self.latest.remove(&key);
        }
        if item.is_tombstone() {
            self.buried.insert(revision);
        }
        self.by_revision.insert(revision, Arc::clone(&key));
        let expires = expires_ms(&item.entry).filter(|_| !item.is_tombstone());
        if let Some(before) = self.items.insert(Arc::clone(&key), item) {
            self.by_revision.remove(&before.entry.revision);
            self.buried.remove(&before.entry.revision);
            shown.extend(expires_ms(&before.entry).map(|at_ms| Expires::NoMore(at_ms, Arc::clone(&key))));
        }
        shown.extend(expires.map(|at_ms| Expires::At(at_ms, key)));
        self.floor = floor;
        while let Some(grave) = self.buried.first().copied().filter(|grave| *grave <= floor) {
            self.buried.remove(&grave);
            if let Some(key) = self.by_revision.remove(&grave) {
                self.items.remove(&key);
            }
        }
    }

    /// The last revision that was shown.
    pub(super) fn shown(&self) -> u64 {
        self.shown
    }

    /// Who has seen everything up to a revision before this must begin anew.
    pub(super) fn floor(&self) -> u64 {
        self.floor
    }

    /// Shown keys and tombstones that were changed after `revision`, by rising revision.
    pub(super) fn since(&self, revision: u64) -> impl Iterator<Item = &Item> {
        let later = self.by_revision.range(revision.saturating_add(1)..);
        later.filter_map(|(_, key)| self.items.get(key))
    }

    /// Shown keys after `after`, by name, without tombstones.
    pub(super) fn by_name(&self, after: Option<&str>) -> impl Iterator<Item = &Item> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = after.map_or(Unbounded, Excluded);
        let items = self.items.range::<str, _>((from, Unbounded));
        items.map(|(_, item)| item).filter(|item| !item.is_tombstone())
    }

    /// A shown key.
    pub(super) fn get(&self, key: &str) -> Option<&Item> {
        self.items.get(key).filter(|item| !item.is_tombstone())
    }

    /// How many shown keys there are.
    pub(super) fn count(&self) -> usize {
        self.items.len() - self.buried.len()
    }

    /// When the last key was taken away, if there is none and nothing is about to be shown.
    pub(super) fn empty_since_ms(&self) -> Option<u64> {
        if self.keys > 0 || !self.changes.is_empty() {
            return None;
        }
        let key = self.by_revision.last_key_value().map(|(_, key)| key);
        let item = key.and_then(|key| self.items.get(key));
        Some(item.and_then(|item| item.entry.set_at).map_or(0, timestamp_ms))
    }

    /// The items that amount to all that was taken in records before `before`, and their floor.
    pub(super) fn before(&self, before: Position) -> (u64, Vec<&Item>) {
        let mut items: BTreeMap<&str, &Item> = BTreeMap::new();
        let changes = self.changes.values().map(|change| &change.item);
        for item in self.items.values().chain(changes).filter(|item| item.position < before) {
            items.insert(&item.entry.key, item);
        }
        let floors = self.changes.values().filter(|change| change.item.position < before);
        let floor = floors.map(|change| change.floor).max().unwrap_or(0).max(self.floor);
        (floor, items.into_values().collect())
    }

    /// All that has no record, by rising revision.
    pub(super) fn unrecorded(&self) -> Vec<StateEntry> {
        let changes = self.changes.values().map(|change| &change.item);
        let items = self.items.values().chain(changes).filter(|item| item.position == NOWHERE);
        let mut entries: Vec<_> = items.map(|item| (*item.entry).clone()).collect();
        entries.sort_by_key(|entry| entry.revision);
        entries
    }

    /// All that had no record is in this one.
    pub(super) fn record(&mut self, position: Position) {
        let changes = self.changes.values_mut().map(|change| &mut change.item);
        for item in self.items.values_mut().chain(changes).filter(|item| item.position == NOWHERE) {
            item.position = position;
        }
        self.durable = true;
    }

    /// All of it is in a record of another life.
    pub(super) fn renew(&mut self, epoch: Epoch, position: Position) {
        self.epoch = epoch;
        self.items.values_mut().for_each(|item| item.position = position);
    }

    /// Shown values that expire: when, and which.
    pub(super) fn expiries(&self) -> impl Iterator<Item = (u64, &Arc<str>)> {
        self.items.iter().filter_map(|(key, item)| Some((expires_ms(&item.entry)?, key)))
    }

    /// Panics when the books disagree.
    #[cfg(test)]
    pub(super) fn check(&self) {
        assert_eq!(self.by_revision.len(), self.items.len());
        for (revision, key) in &self.by_revision {
            assert_eq!(self.items[key].entry.revision, *revision);
            assert!(*revision <= self.shown);
        }
        let buried: BTreeSet<u64> =
            self.items.values().filter(|item| item.is_tombstone()).map(|item| item.entry.revision).collect();
        assert_eq!(buried, self.buried);
        assert!(self.buried.iter().chain(&self.graves).all(|grave| *grave > self.floor));
        assert_eq!(self.revision, self.shown + self.changes.len() as u64);
        let mut keys: BTreeMap<&str, usize> = BTreeMap::new();
        let changes = self.changes.values().map(|change| &change.item);
        for item in self.items.values().chain(changes) {
            keys.remove(item.entry.key.as_str());
            if !item.is_tombstone() {
                keys.insert(&item.entry.key, entry_bytes(&item.entry));
            }
        }
        assert_eq!((keys.len(), keys.values().sum::<usize>()), (self.keys, self.bytes));
    }
}

/// Bytes of a key and its value.
pub(super) fn entry_bytes(entry: &StateEntry) -> usize {
    let body = match &entry.body {
        Some(state_entry::Body::Text(text)) => text.len(),
        Some(state_entry::Body::Binary(binary)) => binary.len(),
        None => 0,
    };
    entry.key.len() + entry.content_type.len() + body
}

/// When a value expires.
pub(super) fn expires_ms(entry: &StateEntry) -> Option<u64> {
    entry.body.as_ref()?;
    entry.expires_at.map(timestamp_ms)
}

/// Whole milliseconds since 1970; 0 before that.
pub(super) fn timestamp_ms(at: prost_types::Timestamp) -> u64 {
    let seconds = u64::try_from(at.seconds).unwrap_or(0);
    seconds.saturating_mul(1000).saturating_add(u64::try_from(at.nanos).unwrap_or(0) / 1_000_000)
}

/// A value as others see it.
pub(super) fn body(body: set_state::Body) -> state_entry::Body {
    match body {
        set_state::Body::Text(text) => state_entry::Body::Text(text),
        set_state::Body::Binary(binary) => state_entry::Body::Binary(binary),
    }
}
