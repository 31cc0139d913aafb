//! Floor 3: what rooms keep on this node: the history of their events, their keyed state, and the answers to events that
//! may be sent again. What is durable are records in one log of the node, with an index of them in memory; the rest is in
//! memory alone. Knows no session and no stream; the router calls it, and nothing here waits but [`Histories::open`],
//! [`Histories::read`] and [`Histories::maintain`], which may wait for the disk.
//!
//! # The way of an event
//! [`Histories::stage`] gives it its offset in every room, encodes it and appends it to the log. When the log has come past
//! its position, [`Histories::publish`] shows it. An event that was staged must be published, in the order of staging for
//! each room; [`Histories::withdraw`] takes back only what is kept nowhere.
//!
//! # Order
//! Offsets of a room are given under the lock of its shard, and the log is appended to under the same lock: the order of
//! offsets is the order of records.
//!
//! # After a crash
//! Everything that became durable is there and shown, whether it had been shown before or not.

mod anew;
mod clean;
mod epoch;
mod keys;
mod life;
mod read;
mod record;
mod replay;
mod retain;
mod shard;
mod snapshot;
mod stage;
mod state;
mod state_read;
mod state_stage;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use parking_lot::Mutex;
use rialto_proto::v1::{Durability, RefusalCode};

pub use self::{
    clean::MaintainError,
    epoch::Epoch,
    keys::{Idempotency, Seen},
    life::Kept,
    read::{Head, Page, ReadError},
    stage::{Draft, Outcome, Staged},
    state_read::{StateCursor, StateKeys, StatePage},
    state_stage::{Expired, StagedState},
};
use self::{clean::Upkeep, keys::Keys, life::Freed, shard::Shards};
use crate::{
    base::{
        config::{HistoryKind, NamespaceSettings},
        limits::{
            HISTORY_CACHE_BYTES, HISTORY_CACHE_ROOM_BYTES, IDEMPOTENCY_HELD, IDEMPOTENCY_KEYS_MAX,
            LOG_CLEAN_FLOOR_BYTES, LOG_CLEAN_STEP_BYTES, LOG_SNAPSHOT_EVERY_BYTES, STATE_BYTES_MAX,
            STATE_FORGET_AFTER, STATE_TOMBSTONES_MAX,
        },
        refusal::Refusal,
    },
    log::{Log, LogError, Position, refused},
};

/// Tells what holds in a namespace, or would hold in it.
pub type SettingsOf = Arc<dyn Fn(&str) -> Option<Arc<NamespaceSettings>> + Send + Sync>;

/// Why what is stored cannot be taken up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A record is of a kind that this version does not know.
    #[error("the record at {} is of a kind that this version does not know", .0.0)]
    Unknown(Position),
    /// A record is none.
    #[error("the record at {} is none: {what}", .at.0)]
    Malformed {
        /// Where it is.
        at: Position,
        /// What is wrong.
        what: String,
    },
    /// A snapshot is none.
    #[error("the snapshot of the histories {0}")]
    Snapshot(String),
}

/// Bounds of the node's histories together.
#[derive(Debug, Clone)]
pub struct Tuning {
    /// Bytes of newest events at hand, of one room.
    pub cache_room_bytes: usize,
    /// Of all rooms.
    pub cache_bytes: usize,
    /// Idempotency keys.
    pub keys_max: usize,
    /// How long one is held.
    pub keys_held: Duration,
    /// Keys of one room that are remembered as taken away.
    pub tombstones_max: usize,
    /// Bytes of the state of one room.
    pub state_bytes_max: usize,
    /// How long a state without keys is remembered.
    pub state_forget_after: Duration,
    /// Bytes of the log beyond twice what is live before it is cleaned.
    pub clean_floor_bytes: u64,
    /// Bytes that one step of cleaning looks through.
    pub clean_step_bytes: u64,
    /// Bytes that are appended from one snapshot to the next.
    pub snapshot_every_bytes: u64,
    /// Everything that rooms keep is written down, whatever the settings say: another node may have to take it over.
    pub shared: bool,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            cache_room_bytes: HISTORY_CACHE_ROOM_BYTES,
            cache_bytes: HISTORY_CACHE_BYTES,
            keys_max: IDEMPOTENCY_KEYS_MAX,
            keys_held: IDEMPOTENCY_HELD,
            tombstones_max: STATE_TOMBSTONES_MAX,
            state_bytes_max: STATE_BYTES_MAX,
            state_forget_after: STATE_FORGET_AFTER,
            clean_floor_bytes: LOG_CLEAN_FLOOR_BYTES,
            clean_step_bytes: LOG_CLEAN_STEP_BYTES,
            snapshot_every_bytes: LOG_SNAPSHOT_EVERY_BYTES,
            shared: false,
        }
    }
}

/// What all rooms of the node amount to.
#[derive(Debug, Default)]
struct Books {
    /// Bytes of the log that are needed.
    live: AtomicU64,
    /// Bytes of events that are at hand and on disk.
    cached: AtomicUsize,
    /// Bytes appended since the last snapshot.
    appended: AtomicU64,
}

impl Books {
    fn give_back(&self, freed: Freed) {
        self.live.fetch_sub(freed.live, Ordering::Relaxed);
        self.cached.fetch_sub(freed.cached, Ordering::Relaxed);
    }
}

/// Everything that rooms keep on this node.
pub struct Histories {
    shards: Shards,
    keys: Mutex<Keys>,
    rooms: retain::RoomCounts,
    log: Option<Arc<dyn Log>>,
    settings: SettingsOf,
    books: Books,
    upkeep: Mutex<Upkeep>,
    tuning: Tuning,
}

impl fmt::Debug for Histories {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Histories")
            .field("log", &self.log)
            .field("books", &self.books)
            .finish_non_exhaustive()
    }
}

impl Histories {
    /// Takes up what the log holds: its last snapshot, and what came after it. Waits for the disk.
    pub fn open(
        log: Option<Arc<dyn Log>>,
        settings: SettingsOf,
        now: SystemTime,
        tuning: Tuning,
    ) -> Result<Self, OpenError> {
        let histories = Self {
            shards: Shards::new(),
            keys: Mutex::new(Keys::new(tuning.keys_max, tuning.keys_held)),
            rooms: retain::RoomCounts::default(),
            log,
            settings,
            books: Books::default(),
            upkeep: Mutex::default(),
            tuning,
        };
        histories.replay(now)?;
        Ok(histories)
    }

    /// Where the rooms of a namespace keep their events.
    fn kind(&self, settings: &NamespaceSettings) -> HistoryKind {
        match settings.history {
            HistoryKind::Memory if self.tuning.shared => HistoryKind::Durable,
            kind => kind,
        }
    }

    /// Appends a record for which the answer is awaited.
    fn append(&self, record: &[u8]) -> Result<Position, Refusal> {
        let log =
            self.log.as_deref().ok_or_else(|| Refusal::new(RefusalCode::StorageFailed, "there is no log"))?;
        let position = log.append(record).map_err(refused)?;
        self.books.appended.fetch_add(record.len() as u64, Ordering::Relaxed);
        Ok(position)
    }

    /// Whether everything up to a position is durable.
    fn is_durable(&self, position: Position) -> bool {
        self.log.is_none() || position < self.progress()
    }

    /// Whether nothing more becomes durable.
    pub fn has_failed(&self) -> bool {
        self.log.as_deref().is_some_and(|log| log.progress().borrow().failed.is_some())
    }

    /// Everything before this is durable, or nothing is to be durable.
    pub fn reached(&self) -> Position {
        self.progress()
    }

    /// Everything before this is durable.
    fn progress(&self) -> Position {
        self.log.as_deref().map_or(Position(0), |log| log.progress().borrow().durable)
    }

    /// How sure it is that what is durable survives.
    fn durability(&self) -> Durability {
        self.log.as_deref().map_or(Durability::Memory, Log::durability)
    }
}

/// Bytes of a record that each of `rooms` answers for.
fn share(record: usize, rooms: usize) -> u32 {
    u32::try_from(record.div_ceil(rooms.max(1))).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod rig;
#[cfg(test)]
mod state_model;
#[cfg(test)]
mod state_tests;
#[cfg(test)]
mod stress;
#[cfg(test)]
mod tests;
