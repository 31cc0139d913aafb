//! Emits under construction: what is said, to whom, how; sent when awaited. [`Question`] is an emit that asks every
//! receiver for an answer, [`Replies`] the answers as they come in.

use std::{
    future::{Future, IntoFuture},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{Stream, StreamExt};
use rialto_proto::v1::{self, Durability, RefusalCode, client_frame::Command as Wire, server_frame::Frame};
use tokio::sync::mpsc;

use crate::{
    audience::Delivery,
    client::SERVER_MORE,
    content::{Payload, Reply},
    error::{Error, Refusal, carried},
    event::Position,
    link::Link,
    target::Target,
};

type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The server has taken an event: it is in the outbox of each receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Identity of the event, unique for ever.
    pub event_id: String,
    /// How many sessions of the server's node it reaches.
    pub recipients: u32,
    /// Position in the history of the room; `None` when the event is kept in none, or in several.
    pub offset: Option<u64>,
    /// Which life of the history `offset` counts in; empty when there is no offset.
    pub epoch: String,
    /// Positions in the histories of several rooms, when the event went to several.
    pub positions: Vec<Position>,
    /// How sure it is that the event survives.
    pub durability: Durability,
    /// It had been taken before under its idempotency key; all else is as it was answered then.
    pub duplicate: bool,
}

impl From<v1::Accepted> for Accepted {
    fn from(accepted: v1::Accepted) -> Self {
        Self {
            recipients: accepted.recipients_here,
            offset: accepted.offset,
            durability: accepted.durability(),
            event_id: accepted.event_id,
            epoch: accepted.epoch,
            positions: accepted.positions.into_iter().map(Position::from).collect(),
            duplicate: accepted.duplicate,
        }
    }
}

/// An emit, sent when it is awaited: `room.emit("message", "hi").header("lang", "en").await?`
///
/// *Order*: emits of one session take effect in the order in which they were begun, also over reconnects.
/// *Errors*: [`Error::Unavailable`] when the session was not attached before the deadline, [`Error::Unsent`] when the
/// offline buffer had no place: nothing was sent. [`Error::TimedOut`] when it was sent and no answer came in time. While
/// the session is not attached a volatile emit fails at once; one that is volatile and latest is [`Error::Invalid`].
/// *Cancel safety*: dropping it while it is
/// awaited does not take back what was sent.
#[derive(Debug, Clone)]
#[must_use = "an emit is sent when it is awaited"]
pub struct Emission {
    link: Link,
    emit: Box<v1::Emit>,
    within: Duration,
    /// It is sent without a key.
    unnamed: bool,
    conflicts: bool,
}

/// Sets how an event is delivered; true when that was said otherwise before, which makes no sense.
pub(crate) fn set_delivery(now: &mut i32, wanted: v1::Delivery) -> bool {
    let before = std::mem::replace(now, wanted.into());
    before != i32::from(v1::Delivery::Unspecified) && before != *now
}

/// An event cannot be both.
pub(crate) fn conflict() -> Error {
    Error::Invalid("an event is volatile or latest, not both".to_owned())
}

impl Emission {
    pub(crate) fn new(link: Link, namespace: &str, target: Target, event: String, payload: Payload) -> Self {
        let emit = v1::Emit {
            namespace: namespace.to_owned(),
            target: Some(target.raw),
            content: Some(payload.into_content(event)),
            ..v1::Emit::default()
        };
        Self { within: link.deadline(), link, emit: Box::new(emit), unnamed: false, conflicts: false }
    }

    fn retarget(mut self, change: impl FnOnce(&mut v1::Target)) -> Self {
        change(self.emit.target.get_or_insert_default());
        self
    }

    /// Adds a header. At most 16, together 1 KiB.
    pub fn header(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        let content = self.emit.content.get_or_insert_default();
        content.headers.insert(key.into(), value.into());
        self
    }

    /// Media type of the payload, for example `application/json`; as [`Payload::of_type`] says it.
    pub fn content_type(mut self, content_type: impl Into<String>) -> Self {
        self.emit.content.get_or_insert_default().content_type = content_type.into();
        self
    }

    /// Which of several things the event is about, for example `player-7` for `moved`; at most 128 bytes. Of
    /// [`latest`](Self::latest) events of the same rooms, name and key the newest waits, and differences are made
    /// between them.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.emit.content.get_or_insert_default().key = key.into();
        self
    }

    /// Names the emit for ever: another one of the same user in the namespace with the same key has no effect and gets
    /// the first one's answer. At most 64 bytes. Default: one that nobody else has, unless the emit is posted or volatile.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.emit.idempotency_key = key.into();
        self
    }

    /// Sends it without a key: when the session is lost before the answer came it is not sent again, and fails with
    /// [`Error::UnknownOutcome`].
    pub fn without_idempotency_key(mut self) -> Self {
        self.unnamed = true;
        self
    }

    /// Dropped, and not waiting, for a receiver that is behind, or when the session is not attached. Never sent again.
    pub fn volatile(mut self) -> Self {
        self.conflicts |= set_delivery(&mut self.emit.delivery, v1::Delivery::Volatile);
        self
    }

    /// Takes the place of the one before it, of the same rooms, name and key, for a receiver that is behind.
    pub fn latest(mut self) -> Self {
        self.conflicts |= set_delivery(&mut self.emit.delivery, v1::Delivery::Latest);
        self
    }

    /// Reaches the sending session too.
    pub fn include_sender(self) -> Self {
        self.retarget(|target| target.include_sender = true)
    }

    /// Leaves out the members of a room.
    pub fn except_room(self, room: impl Into<String>) -> Self {
        self.retarget(|target| target.except_rooms.push(room.into()))
    }

    /// Leaves out a session.
    pub fn except_session(self, session: impl Into<String>) -> Self {
        self.retarget(|target| target.except_sessions.push(session.into()))
    }

    /// Reaches only sessions of the node that takes it.
    pub fn local(self) -> Self {
        self.retarget(|target| target.local = true)
    }

    /// How long to wait for the server's answer, connecting again included.
    pub fn deadline(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }

    /// Asks every receiver for an answer, for at most `timeout` (60 s at most).
    pub fn expect_replies(mut self, timeout: Duration) -> Question {
        self.emit.expect_replies = Some(v1::ExpectReplies { timeout: Some(carried(timeout)) });
        Question { emission: self, timeout }
    }

    /// Hands the event to the connection and does not wait for the server's answer. A refusal comes as
    /// [`Report::Refused`](crate::Report::Refused). What waits for the connection and is given up is told by
    /// [`Report::Unsent`](crate::Report::Unsent); when the connection breaks under it nobody is told.
    pub async fn post(self) -> Result<(), Error> {
        if self.conflicts {
            return Err(conflict());
        }
        self.link.post(Wire::Emit(*self.emit)).await
    }

    /// Makes sure that the emit takes effect once, even if it has to be sent again. What is volatile never is.
    fn named(mut self) -> Result<Self, Error> {
        if self.conflicts {
            return Err(conflict());
        }
        let once = self.unnamed || self.emit.delivery() == v1::Delivery::Volatile;
        if self.emit.idempotency_key.is_empty() && !once {
            self.emit.idempotency_key = format!("{:032x}", rand::random::<u128>());
        }
        Ok(self)
    }

    async fn send(self) -> Result<Accepted, Error> {
        let Self { link, emit, within, .. } = self.named()?;
        match link.ask(Wire::Emit(*emit), within).await? {
            Frame::Accepted(accepted) => Ok(accepted.into()),
            _ => Err(Error::unexpected("an emit")),
        }
    }
}

impl IntoFuture for Emission {
    type Output = Result<Accepted, Error>;
    type IntoFuture = Pending<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

/// An emit that asks every receiver for an answer, sent when it is awaited.
#[derive(Debug, Clone)]
#[must_use = "a question is sent when it is awaited"]
pub struct Question {
    emission: Emission,
    timeout: Duration,
}

impl Question {
    async fn send(self) -> Result<Replies, Error> {
        let Emission { link, emit, within, .. } = self.emission.named()?;
        let (replies, receiver) = mpsc::channel(link.events_waiting());
        match link.ask_many(Wire::Emit(*emit), replies, within).await? {
            Frame::Accepted(accepted) => Ok(Replies {
                accepted: accepted.into(),
                receiver,
                over: Box::pin(tokio::time::sleep(self.timeout.saturating_add(within.max(SERVER_MORE)))),
                end: None,
                _link: link,
            }),
            _ => Err(Error::unexpected("an emit")),
        }
    }
}

impl IntoFuture for Question {
    type Output = Result<Replies, Error>;
    type IntoFuture = Pending<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

/// Answers as they come in, one by one; [`Replies::all`] gathers them. Ends when everybody has answered or left, or
/// when the time is up; then [`Replies::summary`] says who is missing. An error is the last item.
#[derive(Debug)]
pub struct Replies {
    accepted: Accepted,
    receiver: mpsc::Receiver<Delivery>,
    /// The server sends its summary at the timeout; a server that does not is waited for no longer than this.
    over: Pin<Box<tokio::time::Sleep>>,
    end: Option<Result<Summary, Error>>,
    _link: Link,
}

/// Who has not answered, and why.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// How many answered.
    pub answered: u32,
    /// Those who did not. At most 256 are named.
    pub missing: Vec<Missing>,
    /// How many did not answer.
    pub missing_count: u32,
    /// Time was up.
    pub timed_out: bool,
    /// Nodes of the server that were asked and did not say how it went. Whom they have asked is not known.
    pub nodes_missing: Vec<String>,
}

/// A receiver that has not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Its session.
    pub session: String,
    /// Its user.
    pub user: String,
    /// It left before it answered.
    pub left: bool,
}

/// All answers to a question.
#[derive(Debug, Clone, PartialEq)]
pub struct Answers {
    /// The question, as the server took it.
    pub accepted: Accepted,
    /// The answers, in the order of their arrival.
    pub replies: Vec<Reply>,
    /// Who is missing.
    pub summary: Summary,
}

impl From<v1::RepliesDone> for Summary {
    fn from(done: v1::RepliesDone) -> Self {
        let missing = done.missing.into_iter().map(|missing| {
            let from = missing.from.unwrap_or_default();
            Missing { session: from.session, user: from.user, left: missing.left }
        });
        Self {
            answered: done.answered,
            missing: missing.collect(),
            missing_count: done.missing_count,
            timed_out: done.timed_out,
            nodes_missing: done.nodes_missing,
        }
    }
}

impl Replies {
    /// What the server said about the question itself.
    pub fn accepted(&self) -> &Accepted {
        &self.accepted
    }

    /// Who is missing; `None` before the stream has ended, or when it ended by an error.
    pub fn summary(&self) -> Option<&Summary> {
        self.end.as_ref()?.as_ref().ok()
    }

    /// The next answer; `None` when no more will come.
    pub async fn next(&mut self) -> Option<Result<Reply, Error>> {
        StreamExt::next(self).await
    }

    /// Waits for all answers.
    pub async fn all(mut self) -> Result<Answers, Error> {
        let mut replies = Vec::new();
        while let Some(reply) = self.next().await {
            replies.push(reply?);
        }
        let summary = self.end.transpose()?.unwrap_or_default();
        Ok(Answers { accepted: self.accepted, replies, summary })
    }

    /// Waits for the one answer of a call; everything else is an error.
    pub(crate) async fn one(mut self) -> Result<Reply, Error> {
        let refused = |code, reason: &str| Err(Error::Refused(Refusal::new(code, reason)));
        if let Some(reply) = self.next().await {
            let reply = reply?;
            return match &reply.outcome {
                Ok(_) => Ok(reply),
                Err(error) => refused(RefusalCode::RecipientFailed, error),
            };
        }
        match self.end.transpose()?.unwrap_or_default() {
            summary if summary.timed_out => {
                refused(RefusalCode::TimedOut, "the member did not answer in time")
            }
            summary if summary.missing_count > 0 || !summary.nodes_missing.is_empty() => {
                refused(RefusalCode::RecipientLeft, "the member left before it answered")
            }
            _ => refused(RefusalCode::NoRecipient, "there is nobody to ask"),
        }
    }

    fn finish(&mut self, end: Result<Summary, Error>) -> Poll<Option<Result<Reply, Error>>> {
        let last = end.as_ref().err().cloned().map(Err);
        self.end = Some(end);
        Poll::Ready(last)
    }
}

impl Stream for Replies {
    type Item = Result<Reply, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.end.is_some() {
            return Poll::Ready(None);
        }
        match self.receiver.poll_recv(context) {
            Poll::Ready(Some(Delivery::Reply(item))) => return Poll::Ready(Some(Ok((*item).into()))),
            Poll::Ready(Some(Delivery::Done(done))) => return self.finish(Ok(done.into())),
            Poll::Ready(_) => return self.finish(Err(Error::UnknownOutcome)),
            Poll::Pending => {}
        }
        std::task::ready!(self.over.as_mut().poll(context));
        self.finish(Err(Error::TimedOut("the answers did not end".to_owned())))
    }
}
