//! Identities and what they may do. Decides from what was granted at authentication; never looks at tokens, keys or
//! the configuration again. The router asks at every command, so asking allocates nothing.
//!
//! # What a grant means
//! A grant is a pattern of namespaces, patterns of rooms, and rights. Everything that no grant allows is forbidden;
//! grants add up and none takes away.
//! * A pattern is a name, the beginning of names and `*`, or `*` alone ([`Pattern`]).
//! * A right *in a room* (or in a queue: queues are matched like rooms) needs one grant that has the right and whose
//!   patterns match both the namespace and the room.
//! * A right over a namespace *as a whole* (emit to everyone, to users or sessions; list rooms; change settings) needs
//!   one grant that has the right, matches the namespace and has the room pattern `*`.
//! * To *enter* a namespace any grant is enough that matches it, even one without rooms. A grant with rights and
//!   without rooms would mean nothing and is refused, so that a forgotten `rooms` is noticed.
//! * `{user}`, at most once in a pattern, stands for the identity's name. The name is data: a user called `*` gets
//!   the room `inbox-*` from `inbox-{user}`, and no other. Without a name such a pattern matches nothing.
//! * Where `*` follows, as in `dm-{user}-*`, a character must stand right after `{user}`, and for users whose names
//!   hold that character the pattern matches nothing: `a` would otherwise reach the rooms `dm-a-b-…` of user `a-b`.

mod granted;

use std::{sync::Arc, time::SystemTime};

use crate::base::{
    config::GrantConfig,
    ids::UserName,
    pattern::{Pattern, PatternError},
    right::Right,
};

/// Grants of one identity.
pub const GRANTS_MAX: usize = 32;
/// Room patterns of one grant.
pub const ROOMS_PER_GRANT_MAX: usize = 32;

const USER: &str = "{user}";

/// Why grants are refused. Sentences for whoever wrote them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// Too many grants.
    #[error("there are more than {GRANTS_MAX} grants")]
    TooManyGrants,
    /// Too many rooms in one grant.
    #[error("a grant has more than {ROOMS_PER_GRANT_MAX} room patterns")]
    TooManyRooms,
    /// Rights that concern no room.
    #[error("a grant for {namespace:?} has rights but no rooms; `*` means all of them")]
    NoRooms {
        /// Its pattern of namespaces.
        namespace: String,
    },
    /// A pattern is none.
    #[error("the pattern {pattern:?} {error}")]
    Pattern {
        /// The text.
        pattern: String,
        /// What is wrong with it.
        error: PatternError,
    },
    /// `{user}` more than once, or next to `*`.
    #[error("the pattern {pattern:?} may hold `{{user}}` once, with a character between it and `*`")]
    User {
        /// The text.
        pattern: String,
    },
}

/// Who somebody is and what they may do. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The name, if there is one.
    pub user: Option<UserName>,
    /// When it ends, tolerance included; `None` for never. Holders of long streams end them then.
    pub expires_at: Option<SystemTime>,
    /// The id of the token that was presented, if it has one.
    pub token_id: Option<Arc<str>>,
    /// When the token was made, if it says so.
    pub issued_at: Option<SystemTime>,
    grants: Grants,
}

#[derive(Debug, Clone)]
enum Grants {
    Everything,
    Only(Arc<[Grant]>),
}

#[derive(Debug)]
struct Grant {
    namespace: Pattern,
    rooms: Box<[Pattern]>,
    rights: RightSet,
    whole_namespace: bool,
}

#[derive(Debug, Clone, Copy)]
struct RightSet(u16);

impl RightSet {
    fn of(rights: &[Right]) -> Self {
        Self(rights.iter().fold(0, |set, right| set | 1 << *right as u16))
    }

    fn has(self, right: Right) -> bool {
        self.0 & (1 << right as u16) != 0
    }
}

impl Identity {
    /// Somebody on a node that authenticates nobody: the name is believed, everything is allowed.
    pub fn open(user: Option<UserName>) -> Self {
        Self { user, expires_at: None, token_id: None, issued_at: None, grants: Grants::Everything }
    }

    /// Somebody who may do what `grants` say.
    pub fn granted(
        user: Option<UserName>,
        expires_at: Option<SystemTime>,
        grants: &[GrantConfig],
    ) -> Result<Self, GrantError> {
        if grants.len() > GRANTS_MAX {
            return Err(GrantError::TooManyGrants);
        }
        let mut only = Vec::with_capacity(grants.len());
        for grant in grants {
            only.extend(Grant::read(grant, user.as_ref())?);
        }
        let grants = Grants::Only(only.into());
        Ok(Self { user, expires_at, token_id: None, issued_at: None, grants })
    }

    /// The same by a token of that id, made at that time.
    pub fn by_token(self, token_id: Option<&str>, issued_at: Option<SystemTime>) -> Self {
        Self { token_id: token_id.map(Into::into), issued_at, ..self }
    }

    /// Whether `right` is granted in `room` of `namespace`, or without `room` over the namespace as a whole. `room` is
    /// also the name of a queue.
    pub fn may(&self, right: Right, namespace: &str, room: Option<&str>) -> bool {
        let Grants::Only(grants) = &self.grants else {
            return true;
        };
        grants.iter().any(|grant| {
            let in_room = |room| grant.rooms.iter().any(|pattern| pattern.matches(room));
            grant.rights.has(right)
                && grant.namespace.matches(namespace)
                && room.map_or(grant.whole_namespace, in_room)
        })
    }

    /// Whether `namespace` may be entered.
    pub fn may_enter(&self, namespace: &str) -> bool {
        match &self.grants {
            Grants::Everything => true,
            Grants::Only(grants) => grants.iter().any(|grant| grant.namespace.matches(namespace)),
        }
    }

    /// Whether it has ended at the time of day `wall`.
    pub fn has_expired(&self, wall: SystemTime) -> bool {
        self.expires_at.is_some_and(|end| wall >= end)
    }
}

impl Grant {
    /// `None` when it can match nothing for this user.
    fn read(grant: &GrantConfig, user: Option<&UserName>) -> Result<Option<Self>, GrantError> {
        if grant.rooms.len() > ROOMS_PER_GRANT_MAX {
            return Err(GrantError::TooManyRooms);
        }
        if grant.rooms.is_empty() && !grant.can.is_empty() {
            let namespace = grant.namespace.clone();
            return Err(GrantError::NoRooms { namespace });
        }
        let mut rooms = Vec::with_capacity(grant.rooms.len());
        for room in &grant.rooms {
            rooms.extend(read_pattern(room, user)?);
        }
        let namespace = read_pattern(&grant.namespace, user)?;
        Ok(namespace.map(|namespace| Self {
            namespace,
            whole_namespace: rooms.iter().any(Pattern::is_all),
            rooms: rooms.into(),
            rights: RightSet::of(&grant.can),
        }))
    }
}

/// The pattern for this user; `None` when it can match nothing.
fn read_pattern(text: &str, user: Option<&UserName>) -> Result<Option<Pattern>, GrantError> {
    // The rules are checked with a name that cannot break them, so that whether a grant is valid depends on whoever
    // wrote it and never on a user's name.
    let sample: Pattern = text
        .replace(USER, "u")
        .parse()
        .map_err(|error| GrantError::Pattern { pattern: text.to_owned(), error })?;
    let Some((before, after)) = text.split_once(USER) else {
        return Ok(Some(sample));
    };
    let after = if sample.is_open() { after.trim_end_matches('*') } else { after };
    let border = after.chars().next();
    if after.contains(USER) || (sample.is_open() && border.is_none()) {
        let pattern = text.to_owned();
        return Err(GrantError::User { pattern });
    }
    let Some(user) = user else { return Ok(None) };
    let is_ambiguous = sample.is_open() && border.is_some_and(|border| user.as_str().contains(border));
    if is_ambiguous {
        return Ok(None);
    }
    Ok(Some(Pattern::literal(format!("{before}{user}{after}"), sample.is_open())))
}

#[cfg(test)]
#[path = "rights_tests.rs"]
mod tests;
