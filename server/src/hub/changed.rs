//! What a change of membership has led to: whom it was too much for, and what is to be told later.

use std::sync::Arc;

use crate::{
    base::clock::Instant,
    session::{Session, outbox::Put},
    wire::Frame,
};

/// When the number of members of a room is to be told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due {
    /// When.
    pub at: Instant,
    /// The namespace.
    pub namespace: Arc<str>,
    /// The room.
    pub room: Arc<str>,
}

/// What a change of membership led to.
#[derive(Debug, Default)]
pub struct Changed {
    /// False when everything was so before.
    pub changed: bool,
    /// Sessions that fell behind by being told.
    pub behind: Vec<Arc<Session>>,
    /// When members are to be told how many they are, by [`Hub::tell_number`].
    pub due: Vec<Due>,
}

impl Changed {
    /// Adds what something else has led to.
    pub(super) fn absorb(&mut self, other: Self) {
        self.changed |= other.changed;
        self.behind.extend(other.behind);
        self.due.extend(other.due);
    }

    /// Gives the session its answer.
    pub(super) fn answer(&mut self, session: &Arc<Session>, answer: Option<Frame>) {
        if let Some(frame) = answer
            && session.outbox.answer(frame) == Put::Overrun
        {
            self.behind.push(Arc::clone(session));
        }
    }
}
