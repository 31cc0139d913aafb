//! The session as an application holds it, and the builder that opens one.

use std::{
    future::{Future, IntoFuture},
    pin::Pin,
    time::Duration,
};

use rialto_proto::v1::{self, client_frame::Command as Wire, server_frame::Frame};
use tokio::sync::{oneshot, watch};
use tonic::transport::Certificate;

use crate::{
    actor::Actor,
    audience::{Interest, Kind},
    backlog::OfflineBuffer,
    error::Error,
    event::Events,
    link::{Link, link},
    namespace::Namespace,
    settings::Settings,
    status::{Reports, Status},
    token::{Token, TokenError, TokenSource},
};

/// A session under construction; opened when it is awaited.
///
/// *Errors*: when the server cannot be reached or turns the session away, at once; with
/// [`Connecting::wait_for_server`] only what will not change by waiting.
#[derive(Debug, Clone)]
#[must_use = "a session is opened when it is awaited"]
pub struct Connecting {
    settings: Settings,
}

impl Connecting {
    /// A token or API key that does not change.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.settings.token = TokenSource::Fixed(Token::new(token));
        self
    }

    /// Where to get a token: asked for each connection, once more when the server turns one down, and before one
    /// expires whose end is known: it says so, or is a JWT.
    pub fn token_from<F, T>(mut self, ask: F) -> Self
    where
        F: Fn() -> T + Send + Sync + 'static,
        T: Future<Output = Result<Token, TokenError>> + Send + 'static,
    {
        self.settings.token = TokenSource::callback(ask);
        self
    }

    /// The user, for servers without authentication.
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.settings.user = user.into();
        self
    }

    /// Something that others see beside the session, for example a display name. At most 16, together 1 KiB.
    pub fn attribute(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.attributes.insert(key.into(), value.into());
        self
    }

    /// The same, several at once.
    pub fn attributes<K: Into<String>, V: Into<String>>(
        mut self,
        attributes: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let attributes = attributes.into_iter().map(|(key, value)| (key.into(), value.into()));
        self.settings.attributes.extend(attributes);
        self
    }

    /// Name and version of the program, for the server's statistics.
    pub fn program(mut self, name: impl Into<String>, version: impl Into<String>) -> Self {
        self.settings.program = v1::ClientInfo { name: name.into(), version: version.into() };
        self
    }

    /// PEM of the authority that signs the server's certificate. Default: those that the public web trusts.
    pub fn certificate_authority(mut self, pem: impl AsRef<[u8]>) -> Self {
        self.settings.authority = Some(Certificate::from_pem(pem));
        self
    }

    /// How long any one command may take, connecting again included. Default 10 s.
    pub fn deadline(mut self, within: Duration) -> Self {
        self.settings.deadline = within;
        self
    }

    /// How long connecting and greeting may take. Default 10 s.
    pub fn connect_timeout(mut self, within: Duration) -> Self {
        self.settings.connect_timeout = within;
        self
    }

    /// How many events may wait in each stream for a slow application. Default 256.
    pub fn events_waiting(mut self, events: usize) -> Self {
        self.settings.events_waiting = events;
        self
    }

    /// What may wait for the connection while there is none. Default: 1,000 commands, 1 MiB, each until its deadline; when
    /// it is full new ones fail.
    pub fn offline_buffer(mut self, buffer: OfflineBuffer) -> Self {
        self.settings.offline = buffer;
        self
    }

    /// Keeps trying until the server is there, also the first time.
    pub fn wait_for_server(mut self) -> Self {
        self.settings.patient = true;
        self
    }

    async fn open(self) -> Result<Session, Error> {
        let endpoint = self.settings.endpoint()?;
        let (link, far) = link(&self.settings);
        let (first, attached) = oneshot::channel();
        let actor = Actor::new(self.settings, endpoint, far, first);
        #[allow(
            clippy::disallowed_methods,
            reason = "the one task of a session; it ends with its last handle"
        )]
        tokio::spawn(actor.run());
        let gone = || Error::Unavailable("the session's task has ended".to_owned());
        attached.await.map_err(|_| gone())??;
        Ok(Session { link })
    }
}

impl IntoFuture for Connecting {
    type Output = Result<Session, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}

/// A session with a Rialto server. Cheap to clone; all clones, namespaces, rooms and streams are handles of the same
/// session, which says goodbye when the last of them is dropped.
///
/// It connects again by itself when its connection is lost, and goes on where it was, or joins its rooms again and
/// recovers what their histories keep; [`Session::reports`] tells.
#[derive(Debug, Clone)]
pub struct Session {
    link: Link,
}

impl Session {
    /// Opens a session with the server at `server`, `http://…` or `https://…`.
    pub fn connect(server: impl Into<String>) -> Connecting {
        Connecting { settings: Settings::new(server.into()) }
    }

    /// A namespace. Nothing is sent: joining a room of it or [`Namespace::enter`] enters it.
    pub fn namespace(&self, namespace: impl Into<String>) -> Namespace {
        Namespace::new(self.link.clone(), namespace.into())
    }

    /// Id of the session, as others see it; empty while it is not attached. Another one when the session was lost.
    pub fn id(&self) -> String {
        match &*self.link.status().borrow() {
            Status::Attached { session, .. } => session.clone(),
            _ => String::new(),
        }
    }

    /// The state of the connection, now and as it changes.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.link.status()
    }

    /// What happens to the session beside its events: reconnects, gaps, rooms that others made it join or part.
    pub fn reports(&self) -> Reports {
        Reports { receiver: self.link.audience().reports() }
    }

    /// All events that reach the session, in any namespace.
    pub fn events(&self) -> Events {
        let interest = Interest { namespace: None, room: None, kind: Kind::Events(None) };
        let receiver = self.link.audience().listen(interest, self.link.events_waiting());
        Events::new(receiver, self.link.clone())
    }

    /// Gives up all emits that wait for the connection; their callers fail with [`Error::Unsent`]. Returns how many.
    pub fn clear_offline_buffer(&self) -> usize {
        self.link.clear()
    }

    /// Begins the next attempt to connect at once, for example because the network is back. The bound of the waits after it is
    /// not changed by that.
    pub fn retry_now(&self) {
        self.link.hurry();
    }

    /// Hands in a new token of the same user. The session does this by itself with [`Connecting::token_from`].
    pub async fn refresh(&self, token: impl Into<String>) -> Result<(), Error> {
        let refresh = Wire::Refresh(v1::Refresh { token: token.into() });
        match self.link.ask(refresh, self.link.deadline()).await? {
            Frame::Refreshed(_) => Ok(()),
            _ => Err(Error::unexpected("a new token")),
        }
    }

    /// Waits for an answer of the server to nothing: the session is alive when it returns.
    pub async fn ping(&self) -> Result<(), Error> {
        match self.link.ask(Wire::Ping(v1::Ping {}), self.link.deadline()).await? {
            Frame::Pong(_) => Ok(()),
            _ => Err(Error::unexpected("a ping")),
        }
    }

    /// Says goodbye and waits until the session is over. What was handed over before is sent before.
    pub async fn close(self) {
        self.link.close().await;
    }
}
