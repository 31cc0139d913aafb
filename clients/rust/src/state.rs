//! The keyed state of a room: asked for, set under conditions, and watched with a map that is kept right. Values, one
//! builder and one stream; sets over the session's stream or `room_calls.rs`.

use std::{
    collections::BTreeMap,
    future::{Future, IntoFuture},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use rialto_proto::v1::{
    self, Durability, client_frame::Command as Wire, server_frame::Frame, set_state, state_entry,
};
use tokio::sync::mpsc;

use crate::{
    audience::{Delivery, Interest, Kind},
    content::{Body, Payload},
    directory::PageOf,
    error::{Error, carried},
    link::Link,
    room_calls::RoomCalls,
};

/// The keyed state of a room: the last value of each key. Reading needs the right `join`, setting `emit`.
#[derive(Debug, Clone)]
pub struct State {
    calls: RoomCalls,
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct StateEntry {
    /// The key.
    pub key: String,
    /// The value; `None` when the key was taken away or has expired.
    pub value: Option<Payload>,
    /// The revision of the last change; of a room's keys each change has one more than the one before it.
    pub revision: u64,
    /// Session that made it; empty for an expiry, and when it was made without one.
    pub session: String,
    /// User that made it; empty when none is known.
    pub user: String,
    /// When, by the server's clock.
    pub set_at: Option<SystemTime>,
    /// When the value expires; `None` for never.
    pub expires_at: Option<SystemTime>,
}

impl From<v1::StateEntry> for StateEntry {
    fn from(entry: v1::StateEntry) -> Self {
        let by = entry.by.unwrap_or_default();
        let time = |at: Option<prost_types::Timestamp>| at.and_then(|at| SystemTime::try_from(at).ok());
        let body = entry.body.map(|body| match body {
            state_entry::Body::Text(text) => Body::Text(text),
            state_entry::Body::Binary(bytes) => Body::Binary(bytes),
        });
        Self {
            key: entry.key,
            value: body.map(|body| Payload { body, content_type: entry.content_type }),
            revision: entry.revision,
            session: by.session,
            user: by.user,
            set_at: time(entry.set_at),
            expires_at: time(entry.expires_at),
        }
    }
}

/// Some keys of a state.
#[derive(Debug, Clone, PartialEq)]
pub struct StatePage {
    /// The keys, by name.
    pub entries: Vec<StateEntry>,
    /// Token of the next page; empty on the last one.
    pub next: String,
    /// Which life of the room's state revisions count in; empty when it never had any.
    pub epoch: String,
    /// The last revision.
    pub revision: u64,
    /// How many keys there are in all.
    pub total: u32,
}

/// A key was set or taken away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateSet {
    /// The revision that it has by that.
    pub revision: u64,
    /// Which life of the room's state revisions count in.
    pub epoch: String,
    /// How sure it is that it survives.
    pub durability: Durability,
}

impl From<v1::StateSet> for StateSet {
    fn from(set: v1::StateSet) -> Self {
        Self { durability: set.durability(), revision: set.revision, epoch: set.epoch }
    }
}

impl State {
    pub(crate) fn new(calls: RoomCalls) -> Self {
        Self { calls }
    }

    async fn ask(&self, request: v1::GetStateRequest) -> Result<v1::GetStateResponse, Error> {
        let request = v1::GetStateRequest {
            namespace: self.calls.namespace.clone(),
            room: self.calls.room.clone(),
            ..request
        };
        self.calls.ask(request, async |mut service, request| service.get_state(request).await).await
    }

    /// One key; `None` when there is no such key.
    pub async fn get(&self, key: impl Into<String>) -> Result<Option<StateEntry>, Error> {
        let request = v1::GetStateRequest { keys: vec![key.into()], ..v1::GetStateRequest::default() };
        Ok(self.ask(request).await?.entries.into_iter().next().map(StateEntry::from))
    }

    /// Keys by name, page by page.
    pub async fn page(&self, page: PageOf) -> Result<StatePage, Error> {
        let request = v1::GetStateRequest {
            page_size: page.size,
            page_token: page.token,
            ..v1::GetStateRequest::default()
        };
        let response = self.ask(request).await?;
        Ok(StatePage {
            entries: response.entries.into_iter().map(StateEntry::from).collect(),
            next: response.next_page_token,
            epoch: response.epoch,
            revision: response.revision,
            total: response.total_count,
        })
    }

    /// Sets a key, when it is awaited.
    pub fn set(&self, key: impl Into<String>, value: impl Into<Payload>) -> SetState {
        let Payload { body, content_type } = value.into();
        let body = body.said_as(set_state::Body::Text, set_state::Body::Binary);
        // Without a body the key would be taken away.
        let body = body.unwrap_or_else(|| set_state::Body::Binary(Bytes::new()));
        let mut set = self.remove(key);
        set.raw.body = Some(body);
        set.raw.content_type = content_type;
        set
    }

    /// Takes a key away, when it is awaited.
    pub fn remove(&self, key: impl Into<String>) -> SetState {
        let raw = v1::SetState {
            namespace: self.calls.namespace.clone(),
            room: self.calls.room.clone(),
            key: key.into(),
            ..v1::SetState::default()
        };
        SetState { calls: self.calls.clone(), raw: Box::new(raw) }
    }

    /// All keys now, by name, as the changes until now have made them; nothing is asked. `None` unless the session has joined the
    /// room with `state`, and all of it has come.
    ///
    /// *Errors*: [`Error::Invalid`] for a client without a session, which is told nothing.
    pub fn current(&self) -> Result<Option<BTreeMap<String, StateEntry>>, Error> {
        let place = (self.calls.namespace.clone(), self.calls.room.clone());
        let entries = self.session()?.audience().current_state(&place);
        let by_key = |entry: v1::StateEntry| (entry.key.clone(), entry.into());
        Ok(entries.map(|entries| entries.into_iter().map(by_key).collect()))
    }

    fn session(&self) -> Result<&Link, Error> {
        self.calls
            .session()
            .ok_or_else(|| Error::Invalid("state is told to members, which have a session".to_owned()))
    }

    /// The state of a room that the session joins with `state`, and its changes.
    ///
    /// *Errors*: [`Error::Invalid`] for a client without a session, which is told nothing.
    pub fn watch(&self) -> Result<StateWatch, Error> {
        let link = self.session()?;
        let interest = Interest {
            namespace: Some(self.calls.namespace.clone()),
            room: Some(self.calls.room.clone()),
            kind: Kind::State,
        };
        let receiver = link.audience().listen(interest, link.events_waiting());
        Ok(StateWatch { receiver, entries: BTreeMap::new(), _link: link.clone() })
    }
}

/// Sets a key or takes it away, when it is awaited.
///
/// *Errors*: `CONFLICT` when the key has another revision than expected; [`Refusal::revision`](crate::Refusal::revision)
/// has it.
#[derive(Debug, Clone)]
#[must_use = "a key is set when this is awaited"]
pub struct SetState {
    calls: RoomCalls,
    raw: Box<v1::SetState>,
}

impl SetState {
    /// Only if the key has this revision now.
    pub fn if_revision(mut self, revision: u64) -> Self {
        self.raw.expected_revision = Some(revision);
        self
    }

    /// Only if there is no such key.
    pub fn if_absent(self) -> Self {
        self.if_revision(0)
    }

    /// How long the value holds; at least 1 s. Default: until it is set again or taken away.
    pub fn expires_in(mut self, span: Duration) -> Self {
        self.raw.expires_in = Some(carried(span));
        self
    }

    async fn send(self) -> Result<StateSet, Error> {
        let Self { calls, raw } = self;
        if let Some(link) = calls.session() {
            return match link.ask(Wire::SetState(*raw), link.deadline()).await? {
                Frame::StateSet(set) => Ok(set.into()),
                _ => Err(Error::unexpected("a change of state")),
            };
        }
        let request = v1::SetStateRequest { set: Some(*raw) };
        let response =
            calls.ask(request, async |mut service, request| service.set_state(request).await).await?;
        response.set.map(StateSet::from).ok_or_else(|| Error::unexpected("a change of state"))
    }
}

impl IntoFuture for SetState {
    type Output = Result<StateSet, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

/// What became different in the state of a room.
#[derive(Debug, Clone, PartialEq)]
pub struct StateChange {
    /// The keys; those that are gone come without a value.
    pub entries: Vec<StateEntry>,
    /// This is the first, and all that there is.
    pub whole: bool,
}

/// The state of a room, kept: first all of it, then every change. When the session was lost and came back only what is
/// different since then is told. Order, limits and falling behind as for [`Events`](crate::Events), but that of values
/// of one key that follow each other quickly the newest is enough.
#[derive(Debug)]
pub struct StateWatch {
    receiver: mpsc::Receiver<Delivery>,
    entries: BTreeMap<String, StateEntry>,
    _link: Link,
}

impl StateWatch {
    /// The next change; `None` when the session is over.
    pub async fn next(&mut self) -> Option<StateChange> {
        StreamExt::next(self).await
    }

    /// The state as of the last change that was given, by key.
    pub fn entries(&self) -> &BTreeMap<String, StateEntry> {
        &self.entries
    }

    /// The value of a key as of the last change that was given.
    pub fn get(&self, key: &str) -> Option<&Payload> {
        self.entries.get(key)?.value.as_ref()
    }

    fn keep(&mut self, news: Arc<Vec<v1::StateEntry>>, whole: bool) -> StateChange {
        let entries: Vec<StateEntry> = Arc::unwrap_or_clone(news).into_iter().map(StateEntry::from).collect();
        if whole {
            self.entries.clear();
        }
        for entry in &entries {
            match entry.value {
                Some(_) => self.entries.insert(entry.key.clone(), entry.clone()),
                None => self.entries.remove(&entry.key),
            };
        }
        StateChange { entries, whole }
    }
}

impl Stream for StateWatch {
    type Item = StateChange;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<StateChange>> {
        loop {
            match std::task::ready!(self.receiver.poll_recv(context)) {
                Some(Delivery::State(news, whole)) => return Poll::Ready(Some(self.keep(news, whole))),
                Some(_) => {}
                None => return Poll::Ready(None),
            }
        }
    }
}
