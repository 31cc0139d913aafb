//! A room with its members on all nodes, as far as this node knows of the others.

use rialto_proto::v1::Member as MemberInfo;

use super::{counting::MEMBERS_NAMED_MAX, member::info, others::Others, room::Room};
use crate::session::Session;

/// Everybody in a room.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Everybody<'a> {
    /// Those of this node, if there are any.
    pub(super) here: Option<&'a Room>,
    /// Those of other nodes, if there are other nodes.
    pub(super) others: Option<&'a Others>,
}

impl Everybody<'_> {
    /// How many members it has.
    pub(super) fn count(&self) -> u32 {
        self.here.map_or(0, |room| room.count()) + self.others.map_or(0, |others| others.count())
    }

    /// How many users they are.
    pub(super) fn user_count(&self) -> u32 {
        match (self.here, self.others) {
            (Some(room), Some(others)) => others.users_with(&room.users) + room.nameless,
            (Some(room), None) => room.user_count(),
            (None, Some(others)) => others.users_with(&Default::default()),
            (None, None) => 0,
        }
    }

    /// How many users they would be with one more session.
    pub(super) fn user_count_with(&self, session: &Session) -> u32 {
        let identity = session.identity();
        let is_here = |user: &str| {
            self.here.is_some_and(|room| room.users.contains_key(user))
                || self.others.is_some_and(|others| others.names(user))
        };
        let new = identity.user.as_ref().is_none_or(|user| !is_here(user.as_str()));
        self.user_count() + u32::from(new)
    }

    /// Whether they are few enough to be named, and known by name.
    pub(super) fn are_nameable(&self) -> bool {
        self.count() <= MEMBERS_NAMED_MAX && self.others.is_none_or(|others| others.are_named())
    }

    /// All of them by name, if they can be named.
    pub(super) fn named(&self) -> Vec<MemberInfo> {
        if !self.are_nameable() {
            return Vec::new();
        }
        let here = self.here.into_iter().flat_map(Room::named);
        let here = here.map(|member| info(&member.session));
        here.chain(self.others.into_iter().flat_map(|others| others.named().cloned())).collect()
    }
}
