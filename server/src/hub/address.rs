//! What can be emitted to within a namespace: a room, everyone, or a user's sessions. Address spaces of their own, so
//! that a room called like a user is only a room.

use std::sync::Arc;

use indexmap::Equivalent;

/// Which address space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// The members of a room.
    Room,
    /// Every session in the namespace; the name is empty.
    Everyone,
    /// The sessions of a user.
    User,
}

/// An address, for asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Address<'a> {
    pub(super) namespace: &'a str,
    pub(super) kind: Kind,
    pub(super) name: &'a str,
}

impl<'a> Address<'a> {
    pub(super) fn room(namespace: &'a str, name: &'a str) -> Self {
        Self { namespace, kind: Kind::Room, name }
    }

    pub(super) fn everyone(namespace: &'a str) -> Self {
        Self { namespace, kind: Kind::Everyone, name: "" }
    }

    /// The same for keeping.
    pub(super) fn key(&self) -> Key {
        Key { namespace: self.namespace.into(), kind: self.kind, name: self.name.into() }
    }

    pub(super) fn user(namespace: &'a str, name: &'a str) -> Self {
        Self { namespace, kind: Kind::User, name }
    }
}

/// An address, for keeping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) namespace: Arc<str>,
    pub(super) kind: Kind,
    pub(super) name: Arc<str>,
}

impl Key {
    pub(super) fn address(&self) -> Address<'_> {
        Address { namespace: &self.namespace, kind: self.kind, name: &self.name }
    }
}

// A key is found by the address that it keeps, so both hash alike.
impl std::hash::Hash for Key {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.address().hash(state);
    }
}

impl Equivalent<Key> for Address<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        *self == key.address()
    }
}
