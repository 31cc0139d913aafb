//! What becomes of an event that is handed to many: whom it reached, whom not, and who fell behind by it.

use std::sync::Arc;

use crate::{
    base::{clock::Instant, config::BehindPolicy},
    session::{Session, outbox::Put},
    wire::Frame,
};

/// What became of an event.
#[derive(Debug, Default)]
pub struct FanOut {
    /// Sessions whose outbox it is in.
    pub delivered: u32,
    /// Sessions that it was dropped for, and events that it displaced.
    pub dropped: u32,
    /// A receiver needs time to read: the sender should pause.
    pub pressed: bool,
    /// Sessions that fell behind by it and must be closed.
    pub behind: Vec<Arc<Session>>,
    /// Sessions that it was meant for and did not reach.
    pub unreached: Vec<u64>,
    /// When the room's window closes, if this event has opened it.
    pub due: Option<Instant>,
}

impl FanOut {
    /// The fan-out of an event that has reached nobody yet, with what the hand-over before it has led to.
    pub(super) fn after(before: FanOut) -> Self {
        let mut fan_out = Self::default();
        fan_out.absorb(before);
        fan_out
    }

    /// Adds what another hand-over has led to, but not whom it has reached: that was said when it was gathered.
    pub fn absorb(&mut self, other: FanOut) {
        self.dropped += other.dropped;
        self.pressed |= other.pressed;
        self.behind.extend(other.behind);
    }

    /// Puts `frame` in the outbox of one session.
    pub(super) fn put(&mut self, session: &Arc<Session>, frame: &Frame, policy: BehindPolicy) {
        self.note(session.outbox.put(frame, policy), frame, session);
    }

    /// Notes what became of `frame`.
    pub(super) fn note(&mut self, put: Put, frame: &Frame, session: &Arc<Session>) {
        match put {
            Put::Waits { displaced, pressed } => {
                self.delivered += 1;
                self.dropped += displaced;
                self.pressed |= pressed;
                return;
            }
            Put::Lags => {
                self.delivered += 1;
                return;
            }
            Put::Dropped => self.dropped += frame.count(),
            Put::Behind | Put::Overrun => {
                self.dropped += frame.count();
                self.behind.push(Arc::clone(session));
            }
            Put::Closed => {}
        }
        self.unreached.push(session.id.key);
    }
}
