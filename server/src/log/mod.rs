//! Floor 1: records in order that survive what their durability says. A log knows nothing of what its records mean:
//! histories and job queues are state machines over one. A record is appended at once and durable a little later,
//! together with everything that was appended meanwhile; who must not answer before waits for [`Log::progress`].
//!
//! # Order
//! Records are replayed in the order in which they were appended. A record is durable only when all before it are.
//!
//! # Errors
//! A log never guesses. After a write or a sync that failed it takes nothing more and says so: what is on the disk is
//! known again only after a restart. On opening, a tail that was torn by a crash is cut; everything else that is not as
//! it was written is refused, and nothing is changed.

pub mod jetstream;
pub mod local;
pub mod map;
pub mod memory;
mod refused;
#[cfg(feature = "simulation")]
pub mod simulated;

pub use self::refused::refused;

use std::{fmt, sync::Arc};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use rialto_proto::v1::Durability;
use tokio::sync::watch;

/// Where a record begins. Rises with every record; what lies between two positions says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position(pub u64);

/// How far a log is durable.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// Every record that begins before this is durable.
    pub durable: Position,
    /// Why nothing more becomes durable, once that is so.
    pub failed: Option<LogError>,
}

/// Why a log did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// A record is longer than a segment takes.
    #[error("a record of {0} bytes is too long")]
    TooLong(usize),
    /// There is no space for more. Nothing was taken; it may work again later.
    #[error("there is no space left for the log")]
    Full,
    /// Too much waits to be written. Nothing was taken; it may work again as soon as something was.
    #[error("too much waits to be written")]
    Busy,
    /// A write or a sync failed, or the log was closed: nothing is taken until it is opened again.
    #[error("the log takes nothing more: {0}")]
    Failed(String),
    /// There is no record at that position, or not any more.
    #[error("there is no record at {}", .0.0)]
    Gone(Position),
    /// What is stored is not what was written.
    #[error("{file}: {what} at byte {byte}")]
    Damaged {
        /// The file, without its folder.
        file: String,
        /// What is wrong.
        what: String,
        /// Where.
        byte: u64,
    },
}

/// Records in order. Shared by whoever appends and whoever reads.
pub trait Log: fmt::Debug + Send + Sync {
    /// What a record is once [`Progress::durable`] has passed it.
    fn durability(&self) -> Durability;

    /// Takes a record, without waiting. It is durable when [`Log::progress`] has passed the position.
    fn append(&self, record: &[u8]) -> Result<Position, LogError>;

    /// How far it is durable, and every change of that.
    fn progress(&self) -> watch::Receiver<Progress>;

    /// Makes all durable that was appended before the call, and returns the position before which everything is. Waits for
    /// the disk.
    fn flush(&self) -> Result<Position, LogError>;

    /// The first position that is kept, and the one at which the next record begins, or soon after which: a long one may
    /// need a new segment.
    fn bounds(&self) -> (Position, Position);

    /// How many bytes are stored or wait to be: for deciding when to truncate.
    fn bytes(&self) -> u64;

    /// Reads one durable record. May wait for the disk.
    fn read(&self, at: Position) -> Result<Bytes, LogError>;

    /// Shows every durable record from `from` on, in order; stops when `visit` says `false`. May wait for the disk.
    fn replay(&self, from: Position, visit: &mut dyn FnMut(Position, Bytes) -> bool) -> Result<(), LogError>;

    /// Stores what the records before `at` amount to, in place of the snapshot before; durable when it returns. Waits for
    /// the disk.
    fn snapshot(&self, at: Position, chunks: &mut dyn Iterator<Item = Bytes>) -> Result<(), LogError>;

    /// Shows the chunks of the last snapshot, and returns its position; `None` when there is none. May wait for the disk.
    fn last_snapshot(&self, visit: &mut dyn FnMut(Bytes)) -> Result<Option<Position>, LogError>;

    /// Forgets records before `before`: all of them or, where storage is given back in larger pieces, some. Waits for
    /// the disk.
    fn truncate(&self, before: Position) -> Result<(), LogError>;
}

/// Why a log cannot be claimed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{log} cannot be written: {what}")]
pub struct ClaimError {
    /// Which.
    pub log: String,
    /// Why not.
    pub what: String,
}

/// A log that was claimed.
pub struct Claimed {
    /// The log.
    pub log: Arc<dyn Log>,
    /// What has to run for it to be written. When it has ended, or was dropped, the log takes nothing more.
    pub writer: BoxFuture<'static, ()>,
    /// Where the log had ended.
    pub before: Position,
}

impl fmt::Debug for Claimed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claimed")
            .field("log", &self.log)
            .field("before", &self.before)
            .finish_non_exhaustive()
    }
}

/// Logs that one node writes at a time, each of them, and that any node can take over.
pub trait Logs: fmt::Debug + Send + Sync {
    /// Claims the log of this name. What is in it by then is there; from now on nothing of whoever has written it before is
    /// taken, whatever that believes and however late it comes.
    fn claim<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Claimed, ClaimError>>;
}
