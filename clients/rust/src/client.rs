//! Speaking without a session: publish and call, for services and scripts. How its one connection is shared and closed is
//! in `uplink.rs`.

use std::{
    future::{Future, IntoFuture},
    pin::Pin,
    time::Duration,
};

use rialto_proto::v1::{
    self, call_request, messaging_service_client::MessagingServiceClient, publish_outcome::Outcome,
};
use tokio::time::{Instant, timeout_at};
use tonic::{
    Request, Response, Status, Streaming,
    transport::{Certificate, Channel},
};

use crate::{
    content::{Payload, Reply},
    emission::{Accepted, conflict, set_delivery},
    error::{Error, Refusal, carried},
    history::History,
    line::{Bearer, bearer, signed},
    namespace::Callee,
    presence::Presence,
    room_calls::{Asker, RoomCalls},
    settings::Settings,
    state::State,
    target::Target,
    token::{Token, TokenError, TokenSource},
    uplink::{Opened, Uplink},
};

/// How long a callee may take unless the caller says otherwise.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// How much longer than that the server is waited for at least: it ends the wait for answers, and says who is missing.
pub(crate) const SERVER_MORE: Duration = Duration::from_secs(5);

/// A client without a session. Cheap to clone; all clones, queues, workers and watches share one connection, which ends when
/// [`close`](Client::close) is called or the last of them is dropped.
///
/// *Errors*: every call fails at its deadline (default 10 s) at the latest; none is repeated by itself.
#[derive(Debug, Clone)]
pub struct Client {
    uplink: Uplink,
    token: TokenSource,
    deadline: Duration,
}

/// A client under construction.
#[derive(Debug, Clone)]
#[must_use]
pub struct ClientBuilder {
    settings: Settings,
}

impl ClientBuilder {
    /// A token or API key.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.settings.token = TokenSource::Fixed(Token::new(token));
        self
    }

    /// Where to get a token: asked for each call and each stream, within their deadlines.
    pub fn token_from<F, T>(mut self, ask: F) -> Self
    where
        F: Fn() -> T + Send + Sync + 'static,
        T: Future<Output = Result<Token, TokenError>> + Send + 'static,
    {
        self.settings.token = TokenSource::callback(ask);
        self
    }

    /// PEM of the authority that signs the server's certificate. Default: those that the public web trusts.
    pub fn certificate_authority(mut self, pem: impl AsRef<[u8]>) -> Self {
        self.settings.authority = Some(Certificate::from_pem(pem));
        self
    }

    /// How long a call may take, connecting included. Default 10 s.
    pub fn deadline(mut self, within: Duration) -> Self {
        self.settings.deadline = within;
        self
    }

    /// Makes the client. Connects when it is first used; must be called inside a tokio runtime.
    pub fn build(self) -> Result<Client, Error> {
        if let TokenSource::Fixed(token) = &self.settings.token {
            bearer(token.text())?;
        }
        let channel = self.settings.endpoint()?.connect_lazy();
        Ok(Client {
            uplink: Uplink::new(channel),
            token: self.settings.token,
            deadline: self.settings.deadline,
        })
    }
}

/// An event to publish, with its target; a value that can be kept and published again.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Publication {
    raw: Box<v1::PublishRequest>,
    conflicts: bool,
}

impl Publication {
    /// An event `event` with `payload` for `target` in `namespace`.
    pub fn new(
        namespace: impl Into<String>,
        target: &Target,
        event: impl Into<String>,
        payload: impl Into<Payload>,
    ) -> Self {
        Self {
            raw: Box::new(v1::PublishRequest {
                namespace: namespace.into(),
                target: Some(target.raw.clone()),
                content: Some(payload.into().into_content(event.into())),
                ..v1::PublishRequest::default()
            }),
            conflicts: false,
        }
    }

    /// Adds a header. At most 16, together 1 KiB.
    pub fn header(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        let content = self.raw.content.get_or_insert_default();
        content.headers.insert(key.into(), value.into());
        self
    }

    /// Media type of the payload, for example `application/json`; as [`Payload::of_type`] says it.
    pub fn content_type(mut self, content_type: impl Into<String>) -> Self {
        self.raw.content.get_or_insert_default().content_type = content_type.into();
        self
    }

    /// Which of several things the event is about; see [`Emission::key`](crate::Emission::key).
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.raw.content.get_or_insert_default().key = key.into();
        self
    }

    /// Names the event for ever, so that publishing it again has no effect but gives the first answer. At most 64 bytes.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.raw.idempotency_key = key.into();
        self
    }

    /// Dropped, and not waiting, for a receiver that is behind.
    pub fn volatile(mut self) -> Self {
        self.conflicts |= set_delivery(&mut self.raw.delivery, v1::Delivery::Volatile);
        self
    }

    /// Takes the place of the one before it, of the same rooms and name, for a receiver that is behind.
    pub fn latest(mut self) -> Self {
        self.conflicts |= set_delivery(&mut self.raw.delivery, v1::Delivery::Latest);
        self
    }

    fn request(self) -> Result<v1::PublishRequest, Error> {
        if self.conflicts { Err(conflict()) } else { Ok(*self.raw) }
    }
}

impl Client {
    /// A client of the server at `server`, `http://…` or `https://…`.
    pub fn builder(server: impl Into<String>) -> ClientBuilder {
        ClientBuilder { settings: Settings::new(server.into()) }
    }

    /// A client without credentials.
    pub fn new(server: impl Into<String>) -> Result<Self, Error> {
        Self::builder(server).build()
    }

    /// Closes the client and its connection, for all its clones: calls and streams that are under way, and all later ones, fail
    /// with [`Error::Closed`], whose code is `CLOSED`. A worker drops what it works on; to let that end [stop](crate::Worker::run_until)
    /// the worker before.
    pub fn close(&self) {
        self.uplink.close();
    }

    /// Makes one call. It ends by its deadline, the token and connecting included, and tells it to the server.
    pub(crate) async fn unary<T, R, F>(
        &self,
        message: T,
        within: Duration,
        call: impl FnOnce(Channel, Request<T>) -> F,
    ) -> Result<R, Error>
    where
        F: Future<Output = Result<Response<R>, Status>>,
    {
        let deadline = Instant::now() + within;
        let late = || Error::TimedOut(format!("no answer within {within:?}"));
        let (channel, bearer) = match timeout_at(deadline, self.way()).await {
            Ok(way) => way?,
            Err(_) => return Err(Error::Unavailable(format!("no token within {within:?}"))),
        };
        let mut request = signed(Request::new(message), &bearer);
        request.set_timeout(deadline.saturating_duration_since(Instant::now()));
        // In a place of its own: what waits for a whole call is large.
        let answer = timeout_at(deadline, Box::pin(call(channel, request)));
        let answer = async {
            match answer.await {
                Ok(response) => Ok(response?.into_inner()),
                Err(_) => Err(late()),
            }
        };
        self.uplink.carry(true, answer).await
    }

    /// Opens a stream, which is there within the deadline and may stay open for ever.
    pub(crate) async fn open<T, R, F>(
        &self,
        message: T,
        call: impl FnOnce(Channel, Request<T>) -> F,
    ) -> Result<Opened<R>, Error>
    where
        F: Future<Output = Result<Response<Streaming<R>>, Status>>,
    {
        let opening = async {
            let (channel, bearer) = self.way().await?;
            let opened = call(channel, signed(Request::new(message), &bearer)).await;
            let stream = opened.map_err(Error::of_stream)?.into_inner();
            Ok(Opened::new(stream, self.uplink.clone()))
        };
        let late = || Error::TimedOut(format!("no answer within {:?}", self.deadline));
        let opening = timeout_at(Instant::now() + self.deadline, opening);
        let opening = async { opening.await.unwrap_or_else(|_| Err(late())) };
        self.uplink.carry(true, opening).await
    }

    /// The channel, with a token for one call.
    async fn way(&self) -> Result<(Channel, Bearer), Error> {
        let token = self.uplink.carry(false, self.token.fetch()).await?;
        let bearer = token.map(|token| bearer(token.text())).transpose()?;
        Ok((self.uplink.channel()?, bearer))
    }

    pub(crate) fn uplink(&self) -> &Uplink {
        &self.uplink
    }

    /// Whether a stream that had been open, and is not any more by this, may be there again later.
    pub(crate) fn passes_after(&self, error: &Error) -> bool {
        error.passes() || (self.token.renewable() && error.is_unauthenticated())
    }

    /// What the history of a room keeps.
    pub fn history(&self, namespace: impl AsRef<str>, room: impl AsRef<str>) -> History {
        History::new(self.room(namespace.as_ref(), room.as_ref()))
    }

    /// Who is in a room.
    pub fn presence(&self, namespace: impl AsRef<str>, room: impl AsRef<str>) -> Presence {
        Presence::new(self.room(namespace.as_ref(), room.as_ref()))
    }

    /// The keyed state of a room.
    pub fn state(&self, namespace: impl AsRef<str>, room: impl AsRef<str>) -> State {
        State::new(self.room(namespace.as_ref(), room.as_ref()))
    }

    fn room(&self, namespace: &str, room: &str) -> RoomCalls {
        RoomCalls::new(Asker::Client(self.clone()), namespace, room)
    }

    pub(crate) fn deadline(&self) -> Duration {
        self.deadline
    }

    /// Publishes one event.
    pub async fn publish(&self, publication: Publication) -> Result<Accepted, Error> {
        let publication = publication.request()?;
        let response = self.unary(publication, self.deadline, async |channel, request| {
            MessagingServiceClient::new(channel).publish(request).await
        });
        let response = response.await?;
        response.accepted.map(Accepted::from).ok_or_else(|| Error::unexpected("a publish"))
    }

    /// Publishes up to 256 events, in order. Each is taken or refused by itself.
    pub async fn publish_batch(
        &self,
        publications: impl IntoIterator<Item = Publication>,
    ) -> Result<Vec<Result<Accepted, Refusal>>, Error> {
        let entries: Result<_, Error> = publications.into_iter().map(Publication::request).collect();
        let batch = v1::PublishBatchRequest { entries: entries? };
        let response = self.unary(batch, self.deadline, async |channel, request| {
            MessagingServiceClient::new(channel).publish_batch(request).await
        });
        let response = response.await?;
        response
            .outcomes
            .into_iter()
            .map(|outcome| match outcome.outcome {
                Some(Outcome::Accepted(accepted)) => Ok(Ok(accepted.into())),
                Some(Outcome::Refused(refused)) => Ok(Err(refused.into())),
                None => Err(Error::unexpected("a batch")),
            })
            .collect()
    }

    /// Asks one session, or any one member of a room; sent when it is awaited, and gives its answer. An error that it
    /// answers, its leaving, and the absence of anybody to ask are refusals: `RECIPIENT_FAILED`, `RECIPIENT_LEFT`,
    /// `NO_RECIPIENT`.
    pub fn call(
        &self,
        namespace: impl Into<String>,
        callee: Callee,
        event: impl Into<String>,
        payload: impl Into<Payload>,
    ) -> Call {
        let raw = Box::new(v1::CallRequest {
            namespace: namespace.into(),
            callee: Some(match callee {
                Callee::Session(session) => call_request::Callee::Session(session),
                Callee::AnyOf(room) => call_request::Callee::AnyOf(room),
            }),
            content: Some(payload.into().into_content(event.into())),
            timeout: None,
        });
        Call { client: self.clone(), raw, timeout: CALL_TIMEOUT }
    }
}

/// A question to one session, sent when it is awaited.
#[derive(Debug, Clone)]
#[must_use = "a call is sent when it is awaited"]
pub struct Call {
    client: Client,
    raw: Box<v1::CallRequest>,
    timeout: Duration,
}

impl Call {
    /// Adds a header. At most 16, together 1 KiB.
    pub fn header(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        let content = self.raw.content.get_or_insert_default();
        content.headers.insert(key.into(), value.into());
        self
    }

    /// How long the callee may take. Default 5 s, at most 60 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    async fn send(mut self) -> Result<Reply, Error> {
        self.raw.timeout = Some(carried(self.timeout));
        // The server says who did not answer; the longer deadline is for a server that says nothing.
        let within = self.timeout.saturating_add(self.client.deadline.max(SERVER_MORE));
        let response = self.client.unary(*self.raw, within, async |channel, request| {
            MessagingServiceClient::new(channel).call(request).await
        });
        let response = response.await?;
        response.reply.map(Reply::from).ok_or_else(|| Error::unexpected("a call"))
    }
}

impl IntoFuture for Call {
    type Output = Result<Reply, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
