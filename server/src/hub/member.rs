//! A session in a room: what it wants beside events, what it has got of them, and what it is to others.

use std::sync::Arc;

use rialto_proto::v1::Member as MemberInfo;

use crate::session::Session;

/// What a member wants to be told beside events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Who else is there, and who comes and goes.
    pub presence: bool,
    /// The keyed state.
    pub state: bool,
    /// Events as the difference to the one before.
    pub delta: bool,
}

impl Wishes {
    pub(super) fn and(self, more: Self) -> Self {
        Self {
            presence: self.presence || more.presence,
            state: self.state || more.state,
            delta: self.delta || more.delta,
        }
    }
}

/// A session in a room.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) session: Arc<Session>,
    pub(super) wishes: Wishes,
    /// It comes from another node, which still has it: it gathers what is said here, and is not counted or named.
    pub(super) arriving: bool,
    /// It had no room for the number of members.
    pub(super) number_owed: bool,
    /// It has got all events of the room from this number on, if its outbox has lost nothing more.
    pub(super) clean_since: u64,
    /// What its outbox had lost by then.
    pub(super) losses: u64,
}

/// A session as others see it.
pub fn info(session: &Session) -> MemberInfo {
    let attributes = session.attributes();
    let away = session.outbox.away();
    MemberInfo { who: Some(session.sender()), attributes: (*attributes).clone(), away }
}
