//! What a session tells about itself: the state of its connection, and reports that an application may want to show
//! or repair. Values only.

use rialto_proto::v1;
use tokio::{sync::broadcast, time::Instant};

use crate::{
    error::{Closing, Refusal},
    room::RoomState,
};

/// The state of a session's connection, as [`Session::status`](crate::Session::status) shows it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Status {
    /// Connecting, or greeting the server.
    Connecting,
    /// Commands are carried out, events arrive.
    Attached {
        /// Id of the session; another one after a reconnect that could not resume it.
        session: String,
        /// The user, as the server understood the credentials.
        user: String,
        /// The node that holds the session.
        node: String,
        /// The bounds that the server has set to it.
        limits: v1::Limits,
        /// How it came here.
        arrival: Arrival,
    },
    /// The connection is gone; the next attempt is at `until`.
    Waiting {
        /// When the next attempt begins.
        until: Instant,
        /// Why the last one failed or ended.
        cause: String,
    },
    /// Over. The session does not come back.
    Closed(Closing),
}

/// How a session came to be attached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Arrival {
    /// For the first time.
    #[default]
    First,
    /// It goes on where it was.
    Resumed,
    /// It could not go on, and is another session.
    Afresh,
}

/// Something that happened to the session beside its events.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Report {
    /// The session is attached again after its connection was lost.
    ///
    /// `resumed`: it goes on where it was, and nothing is missing. Otherwise it is a new session: [`Report::Rejoined`]
    /// says what became of its rooms, [`Report::Missed`] where something is missing or may be; what was sent to the
    /// session itself, its user or everyone meanwhile is lost.
    Reconnected {
        /// Id of the session before.
        before: String,
        /// Id of the session now.
        now: String,
        /// True when the server held the session and nothing is missing.
        resumed: bool,
        /// Why the connection was lost.
        cause: String,
    },
    /// Rooms that the session was in are joined again by a new session; what their histories keep of the time between
    /// comes as events.
    Rejoined {
        /// The namespace.
        namespace: String,
        /// The rooms.
        rooms: Vec<RoomState>,
    },
    /// Events are missing, or may be; [`Missed::cause`] says why.
    Missed(Missed),
    /// So many posts waited for the connection and were given up: too old, pushed out by newer ones, or cleared.
    Unsent(u32),
    /// A room that the session was in could not be joined again after a reconnect.
    RejoinRefused {
        /// The namespace.
        namespace: String,
        /// The room; empty for the namespace itself.
        room: String,
        /// Why.
        refusal: Refusal,
    },
    /// Somebody else made the session join rooms. It does not join them again after a reconnect.
    Joined {
        /// The namespace.
        namespace: String,
        /// The rooms.
        rooms: Vec<String>,
    },
    /// Somebody else made the session part rooms. It does not join them again after a reconnect.
    Parted {
        /// The namespace.
        namespace: String,
        /// The rooms; empty when the whole namespace was left.
        rooms: Vec<String>,
    },
    /// A command whose answer nobody waits for was refused: a post, a reply, a new token.
    Refused(Refusal),
    /// The token callback failed while the session was attached; it is asked again.
    TokenUnavailable(String),
    /// The server will stop; the session moves by itself.
    Draining,
    /// So many reports were overwritten before they were read.
    Overlooked(u64),
}

/// Events that this session should have received and did not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missed {
    /// The namespace.
    pub namespace: String,
    /// The rooms they were sent to; empty for events to sessions, users or everyone.
    pub rooms: Vec<String>,
    /// How many; 0 when that is not known, and it may be none.
    pub count: u32,
    /// First missing position, in rooms with history.
    pub from_offset: Option<u64>,
    /// Last missing position, in rooms with history. `None`: not known, the history with that epoch is gone.
    pub to_offset: Option<u64>,
    /// Which life of the history the offsets count in.
    pub epoch: String,
    /// Why.
    pub cause: MissedCause,
}

/// Why events are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MissedCause {
    /// The server says so: the session was behind, or the history does not go back so far.
    Said,
    /// The session was lost, and nothing says what happened in the room between.
    Afresh,
    /// An event came as a difference to one that is not here, or that it does not fit, and was not handed over. The
    /// history of the room has it whole, if there is one.
    Delta,
}

impl Missed {
    /// Nobody knows what happened in this room for a while.
    pub(crate) fn unknown(namespace: &str, room: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            rooms: vec![room.to_owned()],
            count: 0,
            from_offset: None,
            to_offset: None,
            epoch: String::new(),
            cause: MissedCause::Afresh,
        }
    }

    /// This event cannot be made whole.
    pub(crate) fn unmade(event: &v1::Event) -> Self {
        Self {
            namespace: event.namespace.clone(),
            rooms: event.rooms.clone(),
            count: 1,
            from_offset: event.offset,
            to_offset: event.offset,
            epoch: event.epoch.clone(),
            cause: MissedCause::Delta,
        }
    }
}

impl From<v1::Missed> for Missed {
    fn from(missed: v1::Missed) -> Self {
        Self {
            namespace: missed.namespace,
            rooms: missed.rooms,
            count: missed.count,
            from_offset: missed.from_offset,
            to_offset: missed.to_offset,
            epoch: missed.epoch,
            cause: MissedCause::Said,
        }
    }
}

/// Reports, from the moment of asking for them.
///
/// *Falling behind*: 64 are kept for a reader that is slow; then the oldest are overwritten and
/// [`Report::Overlooked`] says how many. Unread reports never slow the session.
#[derive(Debug)]
pub struct Reports {
    pub(crate) receiver: broadcast::Receiver<Report>,
}

impl Reports {
    /// The next report; `None` when the session is over.
    ///
    /// *Cancel safety*: nothing is lost.
    pub async fn next(&mut self) -> Option<Report> {
        match self.receiver.recv().await {
            Ok(report) => Some(report),
            Err(broadcast::error::RecvError::Lagged(count)) => Some(Report::Overlooked(count)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

#[cfg(test)]
impl Status {
    /// An attached session without limits.
    pub(crate) fn attached(session: &str, node: &str) -> Self {
        Self::Attached {
            session: session.to_owned(),
            user: String::new(),
            node: node.to_owned(),
            limits: v1::Limits::default(),
            arrival: Arrival::First,
        }
    }
}
