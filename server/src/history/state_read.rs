//! Reading keyed state: what has changed since a revision, and pages by name. All of it is in memory.

use rialto_proto::v1::StateEntry;

use super::{
    Histories,
    epoch::Epoch,
    state::{State, entry_bytes},
};

/// What a reader of changes has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateCursor {
    epoch: String,
    /// Everything up to here was read.
    revision: u64,
    /// Keys that were taken away up to here, the reader has heard of, or has never known.
    known: u64,
}

impl StateCursor {
    /// Of a reader that says it has seen everything up to a revision.
    pub fn after(epoch: impl Into<String>, revision: u64) -> Self {
        Self { epoch: epoch.into(), revision, known: revision }
    }

    /// Of a reader whose cursor was written down.
    pub fn new(epoch: impl Into<String>, revision: u64, known: u64) -> Self {
        Self { epoch: epoch.into(), revision, known }
    }

    /// What was taken away before this was never heard of.
    pub fn known(&self) -> u64 {
        self.known
    }

    /// The last revision that was read.
    pub fn revision(&self) -> u64 {
        self.revision
    }
}

/// Some changes of a room's state.
#[derive(Debug, Clone, PartialEq)]
pub struct StatePage {
    /// Which life; `None` when the room never had a state.
    pub epoch: Option<Epoch>,
    /// Keys as they are, and keys that were taken away, by rising revision.
    pub entries: Vec<StateEntry>,
    /// What the reader knew is to be forgotten first.
    pub reset: bool,
    /// Nothing older follows.
    pub complete: bool,
    /// Where to go on.
    pub next: StateCursor,
}

/// Some keys of a room, by name.
#[derive(Debug, Clone, PartialEq)]
pub struct StateKeys {
    /// Which life; `None` when the room never had a state.
    pub epoch: Option<Epoch>,
    /// The last revision.
    pub revision: u64,
    /// How many keys there are in all.
    pub total_count: usize,
    /// The keys.
    pub entries: Vec<StateEntry>,
    /// True when there are more.
    pub more: bool,
}

impl Histories {
    /// How far the state of a room has come; `None` when it never had one.
    pub fn state_head(&self, namespace: &str, room: &str) -> Option<(Epoch, u64)> {
        let shard = self.shards.lock(namespace, room);
        let state = shard.get(namespace, room)?.state.as_ref()?;
        Some((state.epoch, state.shown()))
    }

    /// What has changed after what a reader has seen; everything, with `reset`, when it has seen nothing, counts in another
    /// life, or has been away for so long that keys which were taken away are not remembered. About `bytes_max`, at least
    /// one key.
    pub fn state_changes_since(
        &self,
        namespace: &str,
        room: &str,
        cursor: Option<&StateCursor>,
        bytes_max: usize,
    ) -> StatePage {
        let shard = self.shards.lock(namespace, room);
        let Some(state) = shard.get(namespace, room).and_then(|room| room.state.as_ref()) else {
            let (reset, next) = (true, StateCursor::after("", 0));
            return StatePage { epoch: None, entries: Vec::new(), reset, complete: true, next };
        };
        changes(state, cursor, bytes_max)
    }

    /// Keys by name: those of `keys`, or all after `after`. At most `entries_max` and about `bytes_max`, at least one.
    pub fn state_page(
        &self,
        (namespace, room): (&str, &str),
        keys: &[String],
        after: Option<&str>,
        (entries_max, bytes_max): (usize, usize),
    ) -> StateKeys {
        let shard = self.shards.lock(namespace, room);
        let mut page =
            StateKeys { epoch: None, revision: 0, total_count: 0, entries: Vec::new(), more: false };
        let Some(state) = shard.get(namespace, room).and_then(|room| room.state.as_ref()) else {
            return page;
        };
        page.epoch = Some(state.epoch);
        page.revision = state.shown();
        page.total_count = state.count();
        let mut wanted: Vec<&str> = keys.iter().map(String::as_str).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let named = wanted.into_iter().filter(|key| after.is_none_or(|after| *key > after));
        let named = named.filter_map(|key| state.get(key));
        let all = state.by_name(after).take(if keys.is_empty() { usize::MAX } else { 0 });
        let mut bytes = 0;
        for item in named.chain(all) {
            let size = entry_bytes(&item.entry);
            let full = page.entries.len() == entries_max || bytes + size > bytes_max && bytes > 0;
            if full {
                page.more = true;
                break;
            }
            bytes += size;
            page.entries.push((*item.entry).clone());
        }
        page
    }
}

fn changes(state: &State, cursor: Option<&StateCursor>, bytes_max: usize) -> StatePage {
    let shown = state.shown();
    let holds = |cursor: &&StateCursor| {
        cursor.epoch.parse() == Ok(state.epoch) && cursor.revision <= shown && cursor.known >= state.floor()
    };
    let cursor = cursor.filter(holds);
    // Who begins anew has never heard of what was taken away until now.
    let (from, known) = cursor.map_or((0, shown), |cursor| (cursor.revision, cursor.known));
    let mut entries: Vec<StateEntry> = Vec::new();
    let (mut bytes, mut last, mut complete) = (0, from, true);
    for item in state.since(from).filter(|item| !item.is_tombstone() || item.entry.revision > known) {
        let size = entry_bytes(&item.entry);
        if bytes + size > bytes_max && !entries.is_empty() {
            complete = false;
            break;
        }
        bytes += size;
        last = item.entry.revision;
        entries.push((*item.entry).clone());
    }
    let revision = if complete { shown } else { last };
    let next = StateCursor { epoch: state.epoch.to_string(), revision, known: known.max(revision) };
    StatePage { epoch: Some(state.epoch), entries, reset: cursor.is_none(), complete, next }
}
