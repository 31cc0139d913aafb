//! Whom a command reaches, checked.

use rialto_proto::v1;

use crate::base::{
    ids::{NamespaceName, RoomName, SessionId, UserName},
    limits::{ROOMS_PER_COMMAND_MAX, SESSIONS_PER_COMMAND_MAX},
    refusal::Refusal,
};
use rialto_proto::v1::RefusalCode;

/// Whom an event or a directory operation reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The set before exceptions.
    pub who: Who,
    /// Members of these rooms are left out.
    pub except_rooms: Vec<RoomName>,
    /// These sessions are left out.
    pub except_sessions: Vec<SessionId>,
    /// The sending session is not left out.
    pub include_sender: bool,
    /// Only sessions of this node.
    pub local: bool,
}

/// The set before exceptions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// The members of rooms, sessions, and the sessions of users; each session once.
    Union {
        /// Rooms.
        rooms: Vec<RoomName>,
        /// Sessions.
        sessions: Vec<SessionId>,
        /// Users.
        users: Vec<UserName>,
    },
    /// Every session in the namespace.
    Everyone,
    /// Any one member of a room.
    AnyOf(RoomName),
}

impl Target {
    /// One session.
    pub fn session(id: SessionId) -> Self {
        Self::of(Who::Union { rooms: Vec::new(), sessions: vec![id], users: Vec::new() })
    }

    /// A set without exceptions.
    pub fn of(who: Who) -> Self {
        Self {
            who,
            except_rooms: Vec::new(),
            except_sessions: Vec::new(),
            include_sender: false,
            local: false,
        }
    }

    /// The rooms that it names, for the receivers to see and for rights to be checked.
    pub fn rooms(&self) -> &[RoomName] {
        match &self.who {
            Who::Union { rooms, .. } => rooms,
            Who::AnyOf(room) => std::slice::from_ref(room),
            Who::Everyone => &[],
        }
    }

    /// True when it reaches sessions by other ways than rooms.
    pub fn beyond_rooms(&self) -> bool {
        match &self.who {
            Who::Union { sessions, users, .. } => !sessions.is_empty() || !users.is_empty(),
            Who::AnyOf(_) => false,
            Who::Everyone => true,
        }
    }
}

impl From<&Target> for v1::Target {
    fn from(target: &Target) -> Self {
        fn texts(names: &[impl ToString]) -> Vec<String> {
            names.iter().map(ToString::to_string).collect()
        }
        let mut said = Self {
            except_rooms: texts(&target.except_rooms),
            except_sessions: texts(&target.except_sessions),
            include_sender: target.include_sender,
            local: target.local,
            ..Self::default()
        };
        match &target.who {
            Who::Everyone => said.everyone = true,
            Who::AnyOf(room) => said.any_of = room.to_string(),
            Who::Union { rooms, sessions, users } => {
                (said.rooms, said.sessions, said.users) = (texts(rooms), texts(sessions), texts(users));
            }
        }
        said
    }
}

impl TryFrom<Option<v1::Target>> for Target {
    type Error = Refusal;

    fn try_from(target: Option<v1::Target>) -> Result<Self, Refusal> {
        let target = target.unwrap_or_default();
        let listed = target.rooms.len() + target.sessions.len() + target.users.len();
        let kinds = [listed > 0, target.everyone, !target.any_of.is_empty()];
        let who = match kinds {
            [false, false, false] => {
                let reason = "target names nobody; everyone in the namespace is said by `everyone`";
                return Err(Refusal { field: "target", ..Refusal::new(RefusalCode::TargetEmpty, reason) });
            }
            [true, false, false] => Who::Union {
                rooms: rooms("target.rooms", target.rooms)?,
                sessions: sessions("target.sessions", &target.sessions)?,
                users: users(target.users)?,
            },
            [false, true, false] => Who::Everyone,
            [false, false, true] => Who::AnyOf(room("target.any_of", target.any_of)?),
            _ => return Err(Refusal::invalid("target", "mixes everyone, any_of and lists")),
        };
        Ok(Self {
            who,
            except_rooms: rooms("target.except_rooms", target.except_rooms)?,
            except_sessions: sessions("target.except_sessions", &target.except_sessions)?,
            include_sender: target.include_sender,
            local: target.local,
        })
    }
}

/// Checks a namespace name.
pub fn namespace(name: String) -> Result<NamespaceName, Refusal> {
    NamespaceName::try_from(name).map_err(|error| Refusal::name("namespace", error))
}

/// Checks a room name.
pub fn room(field: &'static str, name: String) -> Result<RoomName, Refusal> {
    RoomName::try_from(name).map_err(|error| Refusal::name(field, error))
}

/// Checks room names and that there are not too many. A room that is named twice counts once.
pub fn rooms(field: &'static str, names: Vec<String>) -> Result<Vec<RoomName>, Refusal> {
    count(field, names.len(), ROOMS_PER_COMMAND_MAX)?;
    let mut rooms = Vec::with_capacity(names.len());
    for name in names {
        let room = room(field, name)?;
        if !rooms.contains(&room) {
            rooms.push(room);
        }
    }
    Ok(rooms)
}

fn sessions(field: &'static str, ids: &[String]) -> Result<Vec<SessionId>, Refusal> {
    count(field, ids.len(), SESSIONS_PER_COMMAND_MAX)?;
    ids.iter().map(|id| id.parse().map_err(|error| Refusal::invalid(field, error))).collect()
}

fn users(names: Vec<String>) -> Result<Vec<UserName>, Refusal> {
    count("target.users", names.len(), SESSIONS_PER_COMMAND_MAX)?;
    let checked = names.into_iter().map(UserName::try_from);
    checked.map(|user| user.map_err(|error| Refusal::name("target.users", error))).collect()
}

fn count(field: &'static str, length: usize, max: usize) -> Result<(), Refusal> {
    if length > max {
        return Err(Refusal::invalid(field, format_args!("has more than {max} entries")));
    }
    Ok(())
}
