//! Events and presence as the application sees them: values that know how to answer, and the streams they come in.

use std::{
    collections::BTreeMap,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::SystemTime,
};

use futures_util::{Stream, StreamExt};
use rialto_proto::v1::{self, client_frame::Command as Wire, content};
use tokio::sync::mpsc;

use crate::{audience::Delivery, content::Payload, error::Error, link::Link};

/// An event that has reached this session. Cheap to clone.
#[derive(Clone)]
pub struct Event {
    raw: Arc<v1::Event>,
    link: Link,
}

impl Event {
    fn content(&self) -> Option<&v1::Content> {
        self.raw.content.as_ref()
    }

    /// Name of the event.
    pub fn name(&self) -> &str {
        self.content().map_or("", |content| &content.event)
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        &self.raw.namespace
    }

    /// The rooms it was sent to; empty when it was sent to sessions, users or everyone.
    pub fn rooms(&self) -> &[String] {
        &self.raw.rooms
    }

    /// The payload as text; `None` when its bytes are not UTF-8.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(self.bytes()).ok()
    }

    /// Holds when the sender sent the payload as text.
    pub fn is_text(&self) -> bool {
        matches!(self.content().and_then(|content| content.body.as_ref()), Some(content::Body::Text(_)))
    }

    /// The payload's bytes, also of text.
    pub fn bytes(&self) -> &[u8] {
        match self.content().and_then(|content| content.body.as_ref()) {
            Some(content::Body::Text(text)) => text.as_bytes(),
            Some(content::Body::Binary(bytes)) => bytes,
            None => &[],
        }
    }

    /// Media type of the payload; empty when none was given.
    pub fn content_type(&self) -> &str {
        self.content().map_or("", |content| &content.content_type)
    }

    /// A header.
    pub fn header(&self, key: &str) -> Option<&str> {
        self.content()?.headers.get(key).map(String::as_str)
    }

    /// All headers, by key.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let headers = self.content().map(|content| content.headers.iter());
        headers.into_iter().flatten().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Identity of the event, unique for ever.
    pub fn id(&self) -> &str {
        &self.raw.event_id
    }

    /// Session that sent it; empty when it was published without one.
    pub fn sender(&self) -> &str {
        self.raw.sender.as_ref().map_or("", |sender| &sender.session)
    }

    /// User that sent it; empty when none is known.
    pub fn user(&self) -> &str {
        self.raw.sender.as_ref().map_or("", |sender| &sender.user)
    }

    /// When the server took it, by the server's clock.
    pub fn sent_at(&self) -> Option<SystemTime> {
        self.raw.sent_at.and_then(|at| SystemTime::try_from(at).ok())
    }

    /// Holds when the sender waits for an answer.
    pub fn wants_reply(&self) -> bool {
        !self.raw.reply_token.is_empty()
    }

    /// Answers the sender. Done when the answer is on its way; a refusal of it, for example because the sender no
    /// longer waits, comes as [`Incident::Refused`](crate::Incident::Refused).
    pub async fn reply(&self, payload: impl Into<Payload>) -> Result<(), Error> {
        let reply = payload.into().into_reply(self.reply_token()?);
        self.link.post(Wire::Reply(reply)).await
    }

    /// Answers the sender that what it asked for could not be done. At most 1 KiB.
    pub async fn reply_error(&self, error: impl Into<String>) -> Result<(), Error> {
        let reply = v1::Reply {
            reply_token: self.reply_token()?,
            body: Some(v1::reply::Body::Error(error.into())),
            ..v1::Reply::default()
        };
        self.link.post(Wire::Reply(reply)).await
    }

    fn reply_token(&self) -> Result<String, Error> {
        if self.wants_reply() {
            Ok(self.raw.reply_token.clone())
        } else {
            Err(Error::Invalid("the sender of this event waits for no answer".to_owned()))
        }
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Event").field(&self.raw).finish()
    }
}

/// Events, from the moment of asking for them until the session is over.
///
/// *Order*: as the server sent them. *Falling behind*: a bounded number wait here
/// ([`Connecting::events_waiting`](crate::Connecting::events_waiting)); then the session stops reading, answers to its
/// commands wait too, and the server applies the namespace's policy. Read in one task and emit in another where the
/// flow is heavy. *Cancel safety*: nothing is lost.
#[derive(Debug)]
pub struct Events {
    receiver: mpsc::Receiver<Delivery>,
    link: Link,
}

impl Events {
    pub(crate) fn new(receiver: mpsc::Receiver<Delivery>, link: Link) -> Self {
        Self { receiver, link }
    }

    /// The next event; `None` when the session is over.
    pub async fn next(&mut self) -> Option<Event> {
        StreamExt::next(self).await
    }
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        loop {
            match std::task::ready!(self.receiver.poll_recv(context)) {
                Some(Delivery::Event(raw)) => {
                    return Poll::Ready(Some(Event { raw, link: self.link.clone() }));
                }
                Some(_) => {}
                None => return Poll::Ready(None),
            }
        }
    }
}

/// A session in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Id of the session.
    pub session: String,
    /// Its user; empty when none is known.
    pub user: String,
    /// What it says about itself.
    pub attributes: BTreeMap<String, String>,
}

impl From<v1::Member> for Member {
    fn from(member: v1::Member) -> Self {
        let who = member.who.unwrap_or_default();
        Self { session: who.session, user: who.user, attributes: member.attributes }
    }
}

/// A room as a new member finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomState {
    /// The room.
    pub room: String,
    /// How many members it has, the new one included.
    pub member_count: u32,
    /// The members, when presence was asked for and there are at most 256.
    pub members: Vec<Member>,
}

impl From<v1::RoomState> for RoomState {
    fn from(state: v1::RoomState) -> Self {
        Self {
            room: state.room,
            member_count: state.member_count,
            members: state.members.into_iter().map(Member::from).collect(),
        }
    }
}

/// Members came or went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresenceChange {
    /// The namespace.
    pub namespace: String,
    /// The room.
    pub room: String,
    /// Those who came, or whose attributes changed. Empty in rooms of more than 256 members.
    pub joined: Vec<Member>,
    /// Sessions that went, with their users. Empty in rooms of more than 256 members.
    pub left: Vec<v1::Sender>,
    /// How many members the room has now.
    pub member_count: u32,
}

impl From<v1::Presence> for PresenceChange {
    fn from(presence: v1::Presence) -> Self {
        Self {
            namespace: presence.namespace,
            room: presence.room,
            joined: presence.joined.into_iter().map(Member::from).collect(),
            left: presence.left,
            member_count: presence.member_count,
        }
    }
}

/// Changes of membership in rooms that were joined with presence. Order, limits and falling behind as for [`Events`].
#[derive(Debug)]
pub struct PresenceChanges {
    receiver: mpsc::Receiver<Delivery>,
    _link: Link,
}

impl PresenceChanges {
    pub(crate) fn new(receiver: mpsc::Receiver<Delivery>, link: Link) -> Self {
        Self { receiver, _link: link }
    }

    /// The next change; `None` when the session is over.
    pub async fn next(&mut self) -> Option<PresenceChange> {
        StreamExt::next(self).await
    }
}

impl Stream for PresenceChanges {
    type Item = PresenceChange;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<PresenceChange>> {
        loop {
            match std::task::ready!(self.receiver.poll_recv(context)) {
                Some(Delivery::Presence(raw)) => {
                    return Poll::Ready(Some(Arc::unwrap_or_clone(raw).into()));
                }
                Some(_) => {}
                None => return Poll::Ready(None),
            }
        }
    }
}
