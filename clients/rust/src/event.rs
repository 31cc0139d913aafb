//! Events as the application sees them: values that know how to answer, and the streams they come in.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::SystemTime,
};

use futures_util::{Stream, StreamExt};
use rialto_proto::v1::{self, content};
use tokio::sync::mpsc;

use crate::{audience::Delivery, content::Payload, error::Error, link::Link};

/// An event that has reached this session. Cheap to clone.
#[derive(Clone)]
pub struct Event {
    raw: Arc<v1::Event>,
    reached: Reached,
    /// Absent for an event out of a history, which nobody waits for.
    link: Option<Link>,
}

/// How an event reached the session.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Reached {
    /// It was said before the session was a member.
    pub(crate) past: bool,
    /// Which of the sessions that followed each other it was, which alone can answer.
    pub(crate) session: u32,
}

/// A place in the history of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The room.
    pub room: String,
    /// Which life of the history `offset` counts in.
    pub epoch: String,
    /// The first event of a history has 1, every event one more than the one before it.
    pub offset: u64,
}

impl From<v1::RoomPosition> for Position {
    fn from(position: v1::RoomPosition) -> Self {
        Self { room: position.room, epoch: position.epoch, offset: position.offset }
    }
}

impl From<Position> for v1::RoomPosition {
    fn from(position: Position) -> Self {
        Self { room: position.room, epoch: position.epoch, offset: position.offset }
    }
}

impl Event {
    pub(crate) fn from_history(raw: v1::Event) -> Self {
        Self { raw: Arc::new(raw), reached: Reached { past: true, session: 0 }, link: None }
    }

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

    /// The value that the payload says as JSON text.
    ///
    /// *Errors*: [`Error::Invalid`] when it says none, or another kind of value.
    #[cfg(feature = "json")]
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, Error> {
        crate::content::from_json(self.bytes())
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

    /// Which of several things the event is about; empty when the sender did not say.
    pub fn key(&self) -> &str {
        self.content().map_or("", |content| &content.key)
    }

    /// Position in the history of its room; `None` when it is kept in none, or in several.
    pub fn offset(&self) -> Option<u64> {
        self.raw.offset
    }

    /// Which life of the history [`Event::offset`] counts in; empty when there is no offset.
    pub fn epoch(&self) -> &str {
        &self.raw.epoch
    }

    /// Positions in the histories of several rooms, when the event went to several.
    pub fn positions(&self) -> impl Iterator<Item = Position> {
        self.raw.positions.iter().cloned().map(Position::from)
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

    /// Holds when the event was said before the session was a member: it came because the join asked for the
    /// [newest](crate::JoinOptions::newest), by recovery, or from a history.
    pub fn past(&self) -> bool {
        self.reached.past
    }

    /// Holds when the sender waits for an answer.
    pub fn wants_reply(&self) -> bool {
        !self.raw.reply_token.is_empty()
    }

    /// Answers the sender. Done when the answer is on its way; a refusal of it, for example because the sender no
    /// longer waits, comes as [`Report::Refused`](crate::Report::Refused). It goes over a lost connection, but not to
    /// another session: the asker is told then that this one has left.
    ///
    /// *Errors*: [`Error::Invalid`] when the sender waits for no answer, [`Error::Unavailable`] when the session that was asked was lost.
    pub async fn reply(&self, payload: impl Into<Payload>) -> Result<(), Error> {
        let (link, reply_token) = self.asker()?;
        link.reply(payload.into().into_reply(reply_token)).await
    }

    /// Answers the sender that what it asked for could not be done. At most 1 KiB.
    pub async fn reply_error(&self, error: impl Into<String>) -> Result<(), Error> {
        let (link, reply_token) = self.asker()?;
        let body = Some(v1::reply::Body::Error(error.into()));
        link.reply(v1::Reply { reply_token, body, ..v1::Reply::default() }).await
    }

    fn asker(&self) -> Result<(&Link, String), Error> {
        match self.link.as_ref().filter(|_| self.wants_reply()) {
            Some(link) if link.whereabouts().session() != self.reached.session => {
                Err(Error::Unavailable("the session that was asked is over".to_owned()))
            }
            Some(link) => Ok((link, self.raw.reply_token.clone())),
            None => Err(Error::Invalid("the sender of this event waits for no answer".to_owned())),
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
/// *Order*: as the server sent them; each once, also over reconnects, in rooms with history. *Falling behind*: a bounded number wait here
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
                Some(Delivery::Event(raw, reached)) => {
                    return Poll::Ready(Some(Event { raw, reached, link: Some(self.link.clone()) }));
                }
                Some(_) => {}
                None => return Poll::Ready(None),
            }
        }
    }
}
