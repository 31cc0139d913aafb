//! Changing keyed state: compare-and-set against what was taken, records, and expiry. The router stages and publishes a
//! change as it does an event.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use rialto_proto::v1::{Durability, Sender, StateEntry, StateSet};

use super::{
    Histories,
    epoch::Epoch,
    life::NOWHERE,
    record::{Kind, StateRecord},
    shard::{Expiry, Shard},
    state::{Expires, Item, Present, State, body, entry_bytes},
};
use crate::{
    base::{
        clock,
        config::{HistoryKind, NamespaceSettings},
        refusal::Refusal,
    },
    log::Position,
    wire::state::SetState,
};

/// When values that could not be taken away are tried again.
const EXPIRE_AGAIN: Duration = Duration::from_secs(1);

/// A change that was taken and is not shown yet.
#[derive(Debug)]
pub struct StagedState {
    /// Show it when the log's progress has passed this; `None`: at once.
    pub position: Option<Position>,
    /// The answer.
    pub set: StateSet,
    /// The key as it becomes; `None` when a key was taken away that was not there: nothing changes.
    pub entry: Option<Arc<StateEntry>>,
    /// Where.
    pub namespace: Arc<str>,
    /// In which room.
    pub room: Arc<str>,
    epoch: Epoch,
}

/// What has expired.
#[derive(Debug, Default)]
pub struct Expired {
    /// Values that are taken away, to be published.
    pub staged: Vec<StagedState>,
    /// When to ask again.
    pub next: Option<SystemTime>,
}

/// A change, checked, with its place.
struct Wanted<'a> {
    namespace: &'a str,
    room: &'a str,
    entry: StateEntry,
    durable: bool,
}

impl Histories {
    /// Takes a change of a key: it has its revision and its record, and nobody sees it yet.
    ///
    /// # Errors
    /// Nothing was taken when the key has another revision, a bound is reached, or the log is full, busy or failed.
    pub fn stage_state(
        &self,
        settings: &NamespaceSettings,
        set: SetState,
        by: Sender,
        now: SystemTime,
    ) -> Result<StagedState, Refusal> {
        crate::wire::content::payload(set.bytes(), settings.payload_bytes_max)?;
        let (namespace, room) = (set.namespace.as_str(), set.room.as_str());
        let mut shard = self.shards.lock(namespace, room);
        let state = shard.get(namespace, room).and_then(|room| room.state.as_ref());
        let present = state.map_or(Present { revision: 0, bytes: None }, |state| state.present(&set.key));
        let revision = present.bytes.map_or(0, |_| present.revision);
        if set.expected_revision.is_some_and(|expected| expected != revision) {
            return Err(Refusal::conflict(revision));
        }
        if set.body.is_none() && present.bytes.is_none() {
            return Ok(self.unchanged(namespace, room, state));
        }
        let entry = StateEntry {
            key: set.key,
            body: set.body.map(body),
            content_type: set.content_type,
            revision: 0,
            by: Some(by),
            set_at: Some(now.into()),
            expires_at: set.expires_in.and_then(|time| now.checked_add(time)).map(Into::into),
        };
        self.bounded(state, present, &entry, settings)?;
        let created = usize::from(shard.get(namespace, room).is_none());
        let counted = self.rooms.enter(namespace, created, settings.rooms_max)?;
        let durable = self.tuning.shared || settings.history == HistoryKind::Durable;
        let staged = self.change(&mut shard, Wanted { namespace, room, entry, durable })?;
        counted.keep();
        Ok(staged)
    }

    /// Whether the state of a room may become so large.
    fn bounded(
        &self,
        state: Option<&State>,
        present: Present,
        entry: &StateEntry,
        settings: &NamespaceSettings,
    ) -> Result<(), Refusal> {
        let (keys, bytes) = state.map_or((0, 0), State::size);
        if entry.body.is_none() {
            return Ok(());
        }
        if present.bytes.is_none() && keys >= settings.state_keys_max as usize {
            return Err(Refusal::limit("state_keys_max", settings.state_keys_max));
        }
        if bytes - present.bytes.unwrap_or(0) + entry_bytes(entry) > self.tuning.state_bytes_max {
            return Err(Refusal::limit("state_bytes_max", self.tuning.state_bytes_max));
        }
        Ok(())
    }

    /// A key that was not there was taken away.
    fn unchanged(&self, namespace: &str, room: &str, state: Option<&State>) -> StagedState {
        let wait_for = state.and_then(|state| state.wait_for);
        let durable = state.is_some_and(|state| state.durable);
        let epoch = state.map(|state| state.epoch);
        StagedState {
            position: wait_for.filter(|position| !self.is_durable(*position)),
            set: StateSet {
                revision: 0,
                epoch: epoch.map(|epoch| epoch.to_string()).unwrap_or_default(),
                durability: if durable { self.durability() } else { Durability::Memory }.into(),
            },
            entry: None,
            namespace: namespace.into(),
            room: room.into(),
            epoch: epoch.unwrap_or(Epoch(0)),
        }
    }

    /// Numbers a change, writes its record and takes it.
    fn change(&self, shard: &mut Shard, wanted: Wanted<'_>) -> Result<StagedState, Refusal> {
        let Wanted { namespace, room, mut entry, durable } = wanted;
        let state = shard.get_mut(namespace, room).and_then(|room| room.state.as_mut());
        // What is in the log stays in the log, whatever the namespace says now: revisions would be used twice.
        let durable = durable || state.as_ref().is_some_and(|state| state.durable);
        let epoch = state.as_ref().map_or_else(Epoch::random, |state| state.epoch);
        let (deletes, tombstones_max) = (entry.body.is_none(), self.tuning.tombstones_max);
        let (revision, floor) =
            state.as_ref().map_or((1, 0), |s| s.next(&entry.key, deletes, tombstones_max));
        entry.revision = revision;
        let mut position = NOWHERE;
        if durable {
            let before = state.as_ref().filter(|state| !state.durable);
            let mut entries = before.map(|state| state.unrecorded()).unwrap_or_default();
            entries.push(entry.clone());
            let (namespace, room) = (namespace.to_owned(), room.to_owned());
            let record =
                Kind::State(StateRecord { namespace, room, epoch: epoch.0, floor, entries }).into_bytes();
            position = self.append(&record)?;
            if let Some(state) = state.filter(|state| !state.durable) {
                state.record(position);
            }
        }
        let entry = Arc::new(entry);
        let state = shard.room(namespace, room).state.get_or_insert_with(|| State::new(epoch, durable));
        state.take(Item { entry: Arc::clone(&entry), position }, floor);
        let durability = if durable { self.durability() } else { Durability::Memory };
        Ok(StagedState {
            position: durable.then_some(position),
            set: StateSet { revision, epoch: epoch.to_string(), durability: durability.into() },
            entry: Some(entry),
            namespace: namespace.into(),
            room: room.into(),
            epoch,
        })
    }

    /// Shows a change that was taken.
    pub fn publish_state(&self, staged: &StagedState) {
        let Some(entry) = &staged.entry else { return };
        let (namespace, name) = (&staged.namespace, &staged.room);
        let mut shard = self.shards.lock(namespace, name);
        let state = shard.get_mut(namespace, name).and_then(|room| room.state.as_mut());
        let Some(state) = state.filter(|state| state.epoch == staged.epoch) else { return };
        for expires in state.show(entry.revision) {
            let due = |at_ms, key| (at_ms, Arc::clone(namespace), Arc::clone(name), key);
            match expires {
                Expires::NoMore(at_ms, key) => drop(shard.expiries.remove(&due(at_ms, key))),
                Expires::At(at_ms, key) => drop(shard.expiries.insert(due(at_ms, key))),
            }
        }
    }

    /// Takes away the values that have expired, and says when the next ones do. What the log does not take now is taken
    /// away later.
    pub fn expire_state(&self, now: SystemTime) -> Expired {
        let now_ms = clock::unix_ms(now);
        let mut expired = Expired::default();
        let mut next_ms: Option<u64> = None;
        for shard in self.shards.all() {
            let mut shard = shard.lock();
            while let Some(due) = shard.expiries.first().filter(|(at_ms, ..)| *at_ms <= now_ms).cloned() {
                match self.expire(&mut shard, &due, now) {
                    Ok(staged) => {
                        shard.expiries.remove(&due);
                        expired.staged.extend(staged);
                    }
                    Err(refusal) => {
                        tracing::debug!(reason = %refusal, "an expired key is taken away later");
                        let again_ms = clock::unix_ms(now + EXPIRE_AGAIN);
                        next_ms = Some(next_ms.map_or(again_ms, |next| next.min(again_ms)));
                        break;
                    }
                }
            }
            let due = shard.expiries.first().map(|(at_ms, ..)| *at_ms).filter(|at_ms| *at_ms > now_ms);
            next_ms = next_ms.into_iter().chain(due).min();
        }
        expired.next = next_ms.map(|ms| SystemTime::UNIX_EPOCH + Duration::from_millis(ms));
        expired
    }

    fn expire(
        &self,
        shard: &mut Shard,
        due: &Expiry,
        now: SystemTime,
    ) -> Result<Option<StagedState>, Refusal> {
        let (at_ms, namespace, room, key) = due;
        let state = shard.get(namespace, room).and_then(|room| room.state.as_ref());
        let Some(state) = state else { return Ok(None) };
        let item = state.get(key).filter(|item| super::state::expires_ms(&item.entry) == Some(*at_ms));
        // A later change of the key, which is about to be shown, decides instead.
        let Some(item) = item.filter(|item| state.present(key).revision == item.entry.revision) else {
            return Ok(None);
        };
        let entry =
            StateEntry { key: item.entry.key.clone(), set_at: Some(now.into()), ..StateEntry::default() };
        self.change(shard, Wanted { namespace, room, entry, durable: false }).map(Some)
    }
}
