//! What a session tells about itself: the state of its connection, and incidents that an application may want to show
//! or repair. Values only.

use rialto_proto::v1;
use tokio::{sync::broadcast, time::Instant};

use crate::error::{Closing, Refusal};

/// The state of a session's connection, as [`Session::status`](crate::Session::status) shows it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Status {
    /// Connecting, or greeting the server.
    Connecting,
    /// Commands are carried out, events arrive.
    Attached {
        /// Id of the session; another one after each reconnect.
        session: String,
        /// The user, as the server understood the credentials.
        user: String,
        /// The node that holds the session.
        node: String,
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

/// Something that happened to the session beside its events.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Incident {
    /// The session is attached again after its connection was lost. Events of the time between are lost.
    Reconnected {
        /// Id of the session before.
        before: String,
        /// Id of the session now.
        now: String,
        /// True when the server kept the session and nothing is lost.
        resumed: bool,
        /// Why the connection was lost.
        cause: String,
    },
    /// The server dropped events because the session was behind.
    Missed(Missed),
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
    /// So many incidents were overwritten before they were read.
    Overlooked(u64),
}

/// Events that this session should have received and did not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missed {
    /// The namespace.
    pub namespace: String,
    /// The rooms they were sent to; empty for events to sessions, users or everyone.
    pub rooms: Vec<String>,
    /// How many.
    pub count: u32,
}

impl From<v1::Missed> for Missed {
    fn from(missed: v1::Missed) -> Self {
        Self { namespace: missed.namespace, rooms: missed.rooms, count: missed.count }
    }
}

/// Incidents, from the moment of asking for them.
///
/// *Falling behind*: 64 are kept for a reader that is slow; then the oldest are overwritten and
/// [`Incident::Overlooked`] says how many. Unread incidents never slow the session.
#[derive(Debug)]
pub struct Incidents {
    pub(crate) receiver: broadcast::Receiver<Incident>,
}

impl Incidents {
    /// The next incident; `None` when the session is over.
    ///
    /// *Cancel safety*: nothing is lost.
    pub async fn next(&mut self) -> Option<Incident> {
        match self.receiver.recv().await {
            Ok(incident) => Some(incident),
            Err(broadcast::error::RecvError::Lagged(count)) => Some(Incident::Overlooked(count)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}
