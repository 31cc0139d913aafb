//! What may wait in an outbox, and what becomes of a frame that is put in.

use crate::base::limits::SessionLimits;

/// The bounds of an outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Frames that may wait.
    pub frames: u32,
    /// Bytes that may wait.
    pub bytes: u32,
}

impl From<&SessionLimits> for Bounds {
    fn from(limits: &SessionLimits) -> Self {
        Self { frames: limits.outbox_frames_max, bytes: limits.outbox_bytes_max }
    }
}

/// What became of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It waits. `displaced` events were dropped for it.
    Waits {
        /// How many events were dropped to make room.
        displaced: u32,
        /// The outbox is more than half full, so the sender should let its receiver read. Said only a few times until
        /// the receiver reads: one that has stopped holds nobody up.
        pressed: bool,
    },
    /// It does not fit, and is read again from where it is kept when the receiver comes to it.
    Lags,
    /// It was dropped.
    Dropped,
    /// It was dropped because the receiver has just fallen behind: the caller ends its stream.
    Behind,
    /// An answer found no place: the caller ends the session.
    Overrun,
    /// The session is closed; nothing is taken.
    Closed,
}
