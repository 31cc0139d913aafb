//! Namespaces and rooms as an application holds them: where to be, what to say, what to hear. Handles only; what they
//! ask for is carried out by the session's actor.

use std::time::Duration;

use rialto_proto::v1::{self, client_frame::Command as Wire, server_frame::Frame};

use crate::{
    audience::{Interest, Kind},
    content::{Payload, Reply},
    emission::{Emission, Question},
    error::Error,
    event::{Events, PresenceChanges, RoomState},
    link::Link,
    target::Target,
};

/// A namespace, seen from a session. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Namespace {
    link: Link,
    name: String,
}

/// How to join.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JoinOptions {
    /// Asks for the members, and for changes of membership from then on.
    pub presence: bool,
}

/// Whom to call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Callee {
    /// This session.
    Session(String),
    /// Any one member of this room, chosen at random.
    AnyOf(String),
}

impl Callee {
    /// The session with this id.
    pub fn session(session: impl Into<String>) -> Self {
        Self::Session(session.into())
    }

    /// Any one member of this room.
    pub fn any_of(room: impl Into<String>) -> Self {
        Self::AnyOf(room.into())
    }
}

impl From<Callee> for Target {
    fn from(callee: Callee) -> Self {
        match callee {
            Callee::Session(session) => Self::session(session),
            Callee::AnyOf(room) => Self::any_of(room),
        }
    }
}

impl Namespace {
    pub(crate) fn new(link: Link, name: String) -> Self {
        Self { link, name }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A room. Nothing is sent.
    pub fn room(&self, room: impl Into<String>) -> Room {
        Room { namespace: self.clone(), name: room.into() }
    }

    /// Enters the namespace without joining a room. Harmless when it was entered already.
    pub async fn enter(&self) -> Result<(), Error> {
        let enter = Wire::Enter(v1::Enter { namespace: self.name.clone() });
        match self.link.ask(enter, self.link.deadline()).await? {
            Frame::Entered(_) => Ok(()),
            _ => Err(Error::unexpected("an enter")),
        }
    }

    /// Leaves the namespace and parts its rooms; returns those. Nothing more from it is received afterwards.
    pub async fn leave(&self) -> Result<Vec<String>, Error> {
        let leave = Wire::Leave(v1::Leave { namespace: self.name.clone() });
        match self.link.ask(leave, self.link.deadline()).await? {
            Frame::Left(left) => Ok(left.rooms),
            _ => Err(Error::unexpected("a leave")),
        }
    }

    /// Joins several rooms: all of them or, when one is refused, none. 1 to 64.
    pub async fn join(
        &self,
        rooms: impl IntoIterator<Item = impl Into<String>>,
        options: JoinOptions,
    ) -> Result<Vec<RoomState>, Error> {
        let join = Wire::Join(v1::Join {
            namespace: self.name.clone(),
            rooms: rooms.into_iter().map(Into::into).collect(),
            presence: options.presence,
            ..Default::default()
        });
        match self.link.ask(join, self.link.deadline()).await? {
            Frame::Joined(joined) => Ok(joined.rooms.into_iter().map(RoomState::from).collect()),
            _ => Err(Error::unexpected("a join")),
        }
    }

    /// Parts several rooms; returns those that the session was in.
    pub async fn part(
        &self,
        rooms: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Vec<String>, Error> {
        let part = Wire::Part(v1::Part {
            namespace: self.name.clone(),
            rooms: rooms.into_iter().map(Into::into).collect(),
        });
        match self.link.ask(part, self.link.deadline()).await? {
            Frame::Parted(parted) => Ok(parted.rooms),
            _ => Err(Error::unexpected("a part")),
        }
    }

    /// Emits to any target. The session must have entered the namespace; joining a room does.
    pub fn emit_to(
        &self,
        target: &Target,
        event: impl Into<String>,
        payload: impl Into<Payload>,
    ) -> Emission {
        Emission::new(self.link.clone(), &self.name, target.clone(), event.into(), payload.into())
    }

    /// Asks one session, or any one member of a room, and waits for its answer. An error that it answers, its leaving,
    /// and the absence of anybody to ask are refusals: `RECIPIENT_FAILED`, `RECIPIENT_LEFT`, `NO_RECIPIENT`.
    pub async fn call(
        &self,
        callee: Callee,
        event: impl Into<String>,
        payload: impl Into<Payload>,
        timeout: Duration,
    ) -> Result<Reply, Error> {
        self.emit_to(&callee.into(), event, payload).expect_replies(timeout).await?.one().await
    }

    /// All events of the namespace, to rooms, sessions, users and everyone, from now on.
    pub fn events(&self) -> Events {
        self.listen(None, None)
    }

    /// Events of the namespace with this name, from now on.
    pub fn on(&self, event: impl Into<String>) -> Events {
        self.listen(None, Some(event.into()))
    }

    fn listen(&self, room: Option<String>, event: Option<String>) -> Events {
        let interest = Interest { namespace: Some(self.name.clone()), room, kind: Kind::Events(event) };
        let receiver = self.link.audience().listen(interest, self.link.events_waiting());
        Events::new(receiver, self.link.clone())
    }
}

/// A room, seen from a session. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Room {
    namespace: Namespace,
    name: String,
}

impl Room {
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

    /// Changes of membership, from now on; for a room that is joined with presence.
    pub fn presence(&self) -> PresenceChanges {
        let link = &self.namespace.link;
        let interest = Interest {
            namespace: Some(self.namespace.name.clone()),
            room: Some(self.name.clone()),
            kind: Kind::Presence,
        };
        let receiver = link.audience().listen(interest, link.events_waiting());
        PresenceChanges::new(receiver, link.clone())
    }
}
