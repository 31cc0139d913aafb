//! Whom an event reaches, as a value that can be kept and used again. Each addition gives a new target and leaves the
//! old one as it was, so a stored target never changes by what others build on it.

use rialto_proto::v1;

/// Whom an event reaches: the union of rooms, sessions and users, each session once; or everyone in the namespace;
/// or any one member of a room.
///
/// ```
/// use rialto_client::Target;
/// let team = Target::room("red").and_room("blue");
/// let quiet = team.except_room("muted");
/// assert_ne!(team, quiet);
/// ```
///
/// *Limits*: 64 rooms, 256 sessions, 256 users; the server refuses more, and a target that names nobody.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Target {
    pub(crate) raw: v1::Target,
}

impl Target {
    fn with(&self, add: impl FnOnce(&mut v1::Target)) -> Self {
        let mut target = self.clone();
        add(&mut target.raw);
        target
    }

    fn begin(add: impl FnOnce(&mut v1::Target)) -> Self {
        let mut raw = v1::Target::default();
        add(&mut raw);
        Self { raw }
    }

    /// The members of a room.
    pub fn room(room: impl Into<String>) -> Self {
        Self::begin(|target| target.rooms.push(room.into()))
    }

    /// The members of several rooms, each once. No room at all is refused by the server; it never means everyone.
    pub fn rooms(rooms: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::begin(|target| target.rooms.extend(rooms.into_iter().map(Into::into)))
    }

    /// One session, by its id.
    pub fn session(session: impl Into<String>) -> Self {
        Self::begin(|target| target.sessions.push(session.into()))
    }

    /// All sessions of a user.
    pub fn user(user: impl Into<String>) -> Self {
        Self::begin(|target| target.users.push(user.into()))
    }

    /// Every session in the namespace.
    pub fn everyone() -> Self {
        Self::begin(|target| target.everyone = true)
    }

    /// Any one member of a room, chosen at random.
    pub fn any_of(room: impl Into<String>) -> Self {
        Self::begin(|target| target.any_of = room.into())
    }

    /// The members of this room too.
    pub fn and_room(&self, room: impl Into<String>) -> Self {
        self.with(|target| target.rooms.push(room.into()))
    }

    /// This session too.
    pub fn and_session(&self, session: impl Into<String>) -> Self {
        self.with(|target| target.sessions.push(session.into()))
    }

    /// This user's sessions too.
    pub fn and_user(&self, user: impl Into<String>) -> Self {
        self.with(|target| target.users.push(user.into()))
    }

    /// Without the members of this room.
    pub fn except_room(&self, room: impl Into<String>) -> Self {
        self.with(|target| target.except_rooms.push(room.into()))
    }

    /// Without this session.
    pub fn except_session(&self, session: impl Into<String>) -> Self {
        self.with(|target| target.except_sessions.push(session.into()))
    }

    /// With the sending session, if the target covers it; it is left out otherwise.
    pub fn include_sender(&self) -> Self {
        self.with(|target| target.include_sender = true)
    }

    /// Only sessions of the node that takes the command.
    pub fn local(&self) -> Self {
        self.with(|target| target.local = true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assertion_06_a_stored_target_is_not_changed_by_later_additions() {
        let stored = Target::room("a");
        let before = stored.clone();
        let wider = stored.and_room("b").except_session("s").include_sender().local();
        assert_eq!(stored, before);
        assert_eq!(stored.raw.rooms, ["a"]);
        assert_eq!(wider.raw.rooms, ["a", "b"]);
        let other = stored.and_user("u");
        assert!(other.raw.except_sessions.is_empty() && !other.raw.include_sender);
    }

    #[test]
    fn each_kind_of_address_has_its_own_space() {
        let target = Target::session("x").and_user("x").and_room("x").except_room("y");
        let expected = v1::Target {
            rooms: vec!["x".into()],
            sessions: vec!["x".into()],
            users: vec!["x".into()],
            except_rooms: vec!["y".into()],
            ..v1::Target::default()
        };
        assert_eq!(target.raw, expected);
        assert!(Target::everyone().raw.everyone);
        assert_eq!(Target::any_of("x").raw.any_of, "x");
    }
}
