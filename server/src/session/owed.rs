//! What a client has still to be told that is not in memory: it is read when the client comes to it. So a client that
//! catches up, however far, costs no more than one page at a time.

use std::sync::Arc;

/// Something to be read and told, at its place among the frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owed {
    /// Events of the history of a room.
    Events(Stretch),
    /// The keyed state of a room, as it is by then.
    State(StateAfter),
}

/// What is left of something owed when a page of it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rest {
    /// Nothing.
    Nothing,
    /// This is still to be read.
    Owed(Owed),
    /// Nothing but what has changed in the state since the page was read, which goes as far as this.
    Since(StateAfter),
}

/// Events of one room, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// The namespace.
    pub namespace: Arc<str>,
    /// The room.
    pub room: Arc<str>,
    /// Which life of the history.
    pub epoch: String,
    /// The first.
    pub from: u64,
    /// The last.
    pub to: u64,
}

impl Stretch {
    /// Takes in the event that follows. False when it does not.
    pub fn extend(&mut self, next: &Self) -> bool {
        let follows = next.from == self.to.saturating_add(1)
            && self.room == next.room
            && self.namespace == next.namespace
            && self.epoch == next.epoch;
        if follows {
            self.to = next.to;
        }
        follows
    }
}

/// What has changed in the state of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateAfter {
    /// The namespace.
    pub namespace: Arc<str>,
    /// The room.
    pub room: Arc<str>,
    /// Which life of the state `revision` counts in; empty when the client knows nothing.
    pub epoch: String,
    /// The last revision that the client knows.
    pub revision: u64,
    /// The client has not heard of what was taken away before this.
    pub known: u64,
}

impl StateAfter {
    /// Whether it goes as far as the change that comes after `before`.
    pub fn covers(&self, before: &Self) -> bool {
        self.epoch == before.epoch && self.revision > before.revision
    }
}
