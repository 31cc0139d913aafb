//! The life of one connection, in one task: TLS handshake, protocol, and the time that each stage may take. It decides
//! nothing about requests; it gives them to the app with the [`Connection`] in their extensions. Called by `serve`.

use std::{
    convert::Infallible,
    error::Error,
    future::Future,
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{Router, body::Body, extract::Request, response::Response};
use bytes::Bytes;
use futures_util::future::{Either, select};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper_util::{
    rt::TokioIo,
    server::conn::auto::{self, Builder},
};
use pin_project_lite::pin_project;
use tokio::{
    net::TcpStream,
    time::{Sleep, sleep_until, timeout},
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};
use tower::Service as _;

use super::{
    admission::Ticket,
    connection::{Cause, Connection, Order, StreamOpen, bound},
    guard::Guard,
    protocol::{PONG_FALLBACK, StreamExecutor},
    transport::Transport,
};
use crate::base::{
    clock::{self, Instant},
    limits::ConnectionLimits,
    metrics::{CauseLabel, Metrics},
};

/// How often a connection with open streams is looked at, at least.
const LOOK: Duration = Duration::from_secs(30);

/// What all connections of a listener share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) limits: ConnectionLimits,
    pub(super) tls: Option<Arc<ServerConfig>>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) protocol: Builder<StreamExecutor>,
    pub(super) app: Router,
}

/// Serves the connection of `ticket` to its end.
pub(super) async fn drive(shared: Arc<Shared>, socket: TcpStream, ticket: Ticket) {
    let connection = ticket.connection();
    // The handshake is boxed, because it is larger than what an idle connection needs for the rest of its life.
    let encrypted = match &shared.tls {
        Some(config) => Box::pin(encrypt(config, &shared.limits, socket, connection)).await,
        None => Ok(Transport::Plain(socket)),
    };
    let cause = match encrypted {
        Ok(transport) => {
            connection.await_preface();
            let guard = Guard::new(transport, connection.clone(), shared.limits.control_frames_max);
            let entrance = Entrance { app: shared.app.clone(), connection: connection.clone() };
            // Pinned here, since a future keeps a second place for each argument that it moves.
            let protocol = pin!(shared.protocol.serve_connection(TokioIo::new(guard), entrance));
            attend(protocol, connection, &shared.limits).await
        }
        Err(cause) => Some(cause),
    };
    if let Some(cause) = cause {
        let cause = cause.label();
        tracing::debug!(peer = %connection.peer(), cause, "connection ended by the node");
        shared.metrics.connections_cut.get_or_create(&CauseLabel { cause }).inc();
    }
}

async fn encrypt(
    config: &Arc<ServerConfig>,
    limits: &ConnectionLimits,
    socket: TcpStream,
    connection: &Connection,
) -> Result<Transport, Cause> {
    let acceptor = TlsAcceptor::from(Arc::clone(config));
    let time = bound(limits.tls_timeout).unwrap_or(Duration::MAX);
    let handshake = pin!(timeout(time, acceptor.accept(socket)));
    match select(handshake, pin!(connection.until_cut())).await {
        Either::Left((Ok(Ok(stream)), _)) => Ok(Transport::Encrypted(Box::new(stream))),
        Either::Left(_) => Err(Cause::Tls),
        Either::Right(_) => Err(Cause::Ordered),
    }
}

type Protocol<'s> = auto::Connection<'s, TokioIo<Guard<Transport>>, Entrance, StreamExecutor>;

/// Runs the protocol until it ends or has to. Says why if the node ended it.
async fn attend(
    mut protocol: Pin<&mut Protocol<'_>>,
    connection: &Connection,
    limits: &ConnectionLimits,
) -> Option<Cause> {
    let first_look = connection.due(limits).map_or_else(|| clock::now() + LOOK, |(at, _)| at);
    let mut watch = pin!(Watch { connection, limits, timer: sleep_until(first_look), leaving: None });
    std::future::poll_fn(|context| {
        connection.listen(context);
        loop {
            if let Poll::Ready(ended) = protocol.as_mut().poll(context) {
                return Poll::Ready(watch.verdict(ended));
            }
            match ready!(watch.as_mut().poll_turn(context)) {
                Turn::Leave => protocol.as_mut().graceful_shutdown(),
                Turn::Cut(cause) => return Poll::Ready(Some(cause)),
            }
        }
    })
    .await
}

enum Turn {
    Leave,
    Cut(Cause),
}

pin_project! {
    /// The times and orders of one connection.
    struct Watch<'c> {
        connection: &'c Connection,
        limits: &'c ConnectionLimits,
        #[pin]
        timer: Sleep,
        // When it was told to leave, and why if that was for its silence.
        leaving: Option<(Instant, Option<Cause>)>,
    }
}

impl Watch<'_> {
    fn poll_turn(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Turn> {
        match self.connection.order() {
            Order::Cut => return Poll::Ready(Turn::Cut(Cause::Ordered)),
            Order::Leave if self.leaving.is_none() => return Poll::Ready(self.leave(None)),
            Order::Leave | Order::Stay => {}
        }
        loop {
            let due = self.due();
            if let Some((at, _)) = due
                && at < self.timer.deadline()
            {
                self.as_mut().project().timer.reset(at);
            }
            ready!(self.as_mut().project().timer.poll(context));
            let now = clock::now();
            match due {
                Some((at, cause)) if at <= now => return Poll::Ready(self.elapsed(cause)),
                Some((at, _)) => self.as_mut().project().timer.reset(at),
                None => {
                    let look = bound(self.limits.idle_timeout).map_or(LOOK, |time| time.min(LOOK));
                    self.as_mut().project().timer.reset(now + look);
                }
            }
        }
    }

    /// Silence is first answered with GOAWAY; a peer that does not react has as much time as for a ping.
    fn due(&self) -> Option<(Instant, Cause)> {
        let Some((left, _)) = self.leaving else {
            return self.connection.due(self.limits);
        };
        let silent_since = left.max(self.connection.since());
        let time = bound(self.limits.keepalive_timeout).unwrap_or(PONG_FALLBACK);
        (self.connection.streams() == 0).then(|| (silent_since + time, Cause::Idle))
    }

    fn elapsed(self: Pin<&mut Self>, cause: Cause) -> Turn {
        match cause {
            Cause::Idle if self.leaving.is_none() => self.leave(Some(cause)),
            cause => Turn::Cut(cause),
        }
    }

    fn leave(self: Pin<&mut Self>, cause: Option<Cause>) -> Turn {
        *self.project().leaving = Some((clock::now(), cause));
        Turn::Leave
    }

    fn verdict(&self, ended: Result<(), Box<dyn Error + Send + Sync>>) -> Option<Cause> {
        if self.connection.is_flooded() {
            return Some(Cause::ControlFrames);
        }
        match (self.leaving, ended) {
            (Some((_, cause)), _) => cause,
            (None, Err(error)) => blame(&*error),
            (None, Ok(())) => None,
        }
    }
}

/// Why a connection failed, if the peer did something wrong. A peer that goes away does nothing wrong.
fn blame(error: &(dyn Error + Send + Sync + 'static)) -> Option<Cause> {
    let hyper = error.downcast_ref::<hyper::Error>()?;
    if hyper.is_timeout() {
        return Some(Cause::Preface);
    }
    let mut source = hyper.source();
    while let Some(error) = source {
        if error.is::<io::Error>() {
            return None;
        }
        source = error.source();
    }
    let left = hyper.is_incomplete_message() || hyper.is_body_write_aborted() || hyper.is_canceled();
    (!left).then_some(Cause::Protocol)
}

/// The app as hyper calls it.
#[derive(Debug, Clone)]
pub(super) struct Entrance {
    app: Router,
    connection: Connection,
}

impl hyper::service::Service<Request<Incoming>> for Entrance {
    type Response = Response<Served>;
    type Error = Infallible;
    type Future = Serving;

    fn call(&self, mut request: Request<Incoming>) -> Serving {
        let open = self.connection.stream_opened();
        request.extensions_mut().insert(self.connection.clone());
        Serving { answer: self.app.clone().call(request), open: Some(open) }
    }
}

pin_project! {
    /// The answer to come of one request.
    pub(super) struct Serving {
        #[pin]
        answer: <Router as tower::Service<Request<Incoming>>>::Future,
        open: Option<StreamOpen>,
    }
}

impl Future for Serving {
    type Output = Result<Response<Served>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = match ready!(this.answer.poll(context)) {
            Ok(answer) => answer,
            Err(never) => match never {},
        };
        let open = this.open.take();
        Poll::Ready(Ok(answer.map(|body| Served { body, _open: open })))
    }
}

pin_project! {
    /// The body of an answer; the stream counts as open until it is dropped.
    pub(super) struct Served {
        #[pin]
        body: Body,
        _open: Option<StreamOpen>,
    }
}

impl http_body::Body for Served {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.project().body.poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
