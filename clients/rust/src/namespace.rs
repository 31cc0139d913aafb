//! Namespaces as an application holds them: where to be, what to say, what to hear. Handles only; what they ask for is
//! carried out by the session's actor. One room is in `room.rs`.

use std::time::Duration;

use rialto_proto::v1::{self, client_frame::Command as Wire, server_frame::Frame};

use crate::{
    audience::{Interest, Kind},
    content::{Payload, Reply},
    emission::Emission,
    error::Error,
    event::Events,
    link::Link,
    room::{JoinOptions, Room, RoomState},
    target::Target,
};

/// A namespace, seen from a session. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Namespace {
    pub(crate) link: Link,
    name: String,
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
        Room::new(self.clone(), room.into())
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
        let rooms: Vec<String> = rooms.into_iter().map(Into::into).collect();
        let _under_way = self.link.whereabouts().begins_to_join(&self.name, &rooms);
        let join = Wire::Join(v1::Join {
            namespace: self.name.clone(),
            rooms,
            presence: options.presence,
            recover: options.recover.into_iter().map(Into::into).collect(),
            newest: options.newest,
            state: options.state,
            delta: options.delta,
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

    pub(crate) fn listen(&self, room: Option<String>, event: Option<String>) -> Events {
        let interest = Interest { namespace: Some(self.name.clone()), room, kind: Kind::Events(event) };
        let receiver = self.link.audience().listen(interest, self.link.events_waiting());
        Events::new(receiver, self.link.clone())
    }
}
