//! A room as an application holds it, how it is joined, and what is found there. Handles and values; what they ask for
//! is carried out by the session's actor, or by `room_calls.rs`.

use std::time::Duration;

use rialto_proto::v1;

use crate::{
    content::Payload,
    emission::{Emission, Question},
    error::Error,
    event::{Events, Position},
    history::History,
    namespace::Namespace,
    presence::{Member, Presence},
    room_calls::{Asker, RoomCalls},
    state::State,
    target::Target,
};

/// How to join: with its events alone, unless more is asked for.
///
/// ```
/// use rialto_client::JoinOptions;
/// let options = JoinOptions::default().presence(true).newest(20);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct JoinOptions {
    /// Asks for the members, and for changes of membership from then on.
    pub presence: bool,
    /// Asks for so many of the newest events of each room, before what is new. At most 300.
    pub newest: u32,
    /// Asks for the keyed state of the rooms, and for its changes from then on.
    pub state: bool,
    /// Lets payloads travel as differences to those before them; the application sees them whole.
    pub delta: bool,
    /// Asks for everything after these positions, each of another room, before what is new.
    pub recover: Vec<Position>,
}

impl JoinOptions {
    /// Asks for the members, and for changes of membership from then on.
    #[must_use]
    pub fn presence(mut self, wanted: bool) -> Self {
        self.presence = wanted;
        self
    }

    /// Asks for so many of the newest events of each room, before what is new. At most 300; needs the right `history`.
    #[must_use]
    pub fn newest(mut self, events: u32) -> Self {
        self.newest = events;
        self
    }

    /// Asks for the keyed state of the rooms, and for its changes from then on; see [`State::watch`].
    #[must_use]
    pub fn state(mut self, wanted: bool) -> Self {
        self.state = wanted;
        self
    }

    /// Lets payloads travel as differences to those before them, which saves bytes where they resemble each other. The
    /// application sees them whole.
    #[must_use]
    pub fn delta(mut self, wanted: bool) -> Self {
        self.delta = wanted;
        self
    }

    /// Asks for everything after this position of a room that is joined, before what is new: what [`Room::position`] has told,
    /// also to another session. What the history does not keep any more is told as missed. Needs the right `history`.
    #[must_use]
    pub fn recover(mut self, after: Position) -> Self {
        self.recover.push(after);
        self
    }
}

/// How a session stands to a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RoomStatus {
    /// It is not a member, and does not want to be.
    Out,
    /// A join is under way.
    Joining,
    /// It is a member.
    In,
    /// It was a member and will be again: its connection is lost, or it is another session that has not returned yet.
    Recovering,
}

/// A room as a new member finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomState {
    /// The room.
    pub room: String,
    /// How many members it has, the new one included.
    pub member_count: u32,
    /// How many users that are: sessions of one user count once, sessions without a user each.
    pub user_count: u32,
    /// The members, when presence was asked for and there are at most 256.
    pub members: Vec<Member>,
    /// Which life of the room's history offsets count in; empty when it keeps none.
    pub epoch: String,
    /// The last event of the history before the session joined; 0 when there is none.
    pub offset: Option<u64>,
    /// The oldest event that the history keeps.
    pub first_offset: Option<u64>,
    /// What became of what was missed, when a lost session joins again.
    pub recovery: v1::Recovery,
}

impl From<v1::RoomState> for RoomState {
    fn from(state: v1::RoomState) -> Self {
        Self {
            recovery: state.recovery(),
            room: state.room,
            member_count: state.member_count,
            user_count: state.user_count,
            members: state.members.into_iter().map(Member::from).collect(),
            epoch: state.epoch,
            offset: state.offset,
            first_offset: state.first_offset,
        }
    }
}

/// A room, seen from a session. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Room {
    namespace: Namespace,
    name: String,
}

impl Room {
    pub(crate) fn new(namespace: Namespace, name: String) -> Self {
        Self { namespace, name }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its namespace.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Joins the room; events of streams that were asked for before begin right after. Harmless when it was joined
    /// already.
    pub async fn join(&self) -> Result<RoomState, Error> {
        self.join_with(JoinOptions::default()).await
    }

    /// Joins the room with options.
    pub async fn join_with(&self, options: JoinOptions) -> Result<RoomState, Error> {
        let states = self.namespace.join([self.name.as_str()], options).await?;
        states.into_iter().next().ok_or_else(|| Error::unexpected("a join"))
    }

    /// Parts the room; true when the session was in it. Nothing more from it is received afterwards.
    pub async fn part(&self) -> Result<bool, Error> {
        Ok(!self.namespace.part([self.name.as_str()]).await?.is_empty())
    }

    /// How the session stands to the room at this moment.
    pub fn status(&self) -> RoomStatus {
        let link = &self.namespace.link;
        link.whereabouts().status(&link.status().borrow(), self.namespace.name(), &self.name)
    }

    /// How far the history of the room was handed over, also after the room was left, or the session is over; `None` where none
    /// is known. Another session goes on there when it joins with [`JoinOptions::recover`].
    pub fn position(&self) -> Option<Position> {
        self.namespace.link.whereabouts().position(self.namespace.name(), &self.name)
    }

    /// Emits to the members of the room, without the sender.
    pub fn emit(&self, event: impl Into<String>, payload: impl Into<Payload>) -> Emission {
        self.namespace.emit_to(&Target::room(self.name.as_str()), event, payload)
    }

    /// Emits and asks every member for an answer.
    pub fn emit_with_replies(
        &self,
        event: impl Into<String>,
        payload: impl Into<Payload>,
        timeout: Duration,
    ) -> Question {
        self.emit(event, payload).expect_replies(timeout)
    }

    /// Events of the room, from now on. Ask before joining, to miss nothing.
    pub fn events(&self) -> Events {
        self.namespace.listen(Some(self.name.clone()), None)
    }

    /// Events of the room with this name, from now on.
    pub fn on(&self, event: impl Into<String>) -> Events {
        self.namespace.listen(Some(self.name.clone()), Some(event.into()))
    }

    /// What the history of the room keeps. The room need not be joined.
    pub fn history(&self) -> History {
        History::new(self.calls())
    }

    /// Who is in the room, now and as it changes. The room need not be joined for the first of the two.
    pub fn presence(&self) -> Presence {
        Presence::new(self.calls())
    }

    /// The keyed state of the room. The room need not be joined, but for watching it.
    pub fn state(&self) -> State {
        State::new(self.calls())
    }

    fn calls(&self) -> RoomCalls {
        let asker = Asker::Session(self.namespace.link.clone());
        RoomCalls::new(asker, self.namespace.name(), &self.name)
    }
}
