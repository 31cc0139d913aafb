//! A node's edge with a toy service behind it, so that the edge can be attacked without the rest of the server. The
//! service `stub.Stub` echoes, waits for ever, pours, panics or cuts its connection. Used by `edge_*` tests.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use futures_util::{Stream, StreamExt, future::BoxFuture, stream};
use rialto_server::{
    base::{
        config::WebConfig,
        limits::ConnectionLimits,
        metrics::{CauseLabel, Metrics},
        tasks::Tasks,
    },
    grpc::edge::{App, Connection, Edge, Health},
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;
use tonic::{
    Request, Response, Status, Streaming,
    body::Body,
    codec::{CompressionEncoding, EnabledCompressionEncodings},
    codegen::{Service, http},
    server::{Grpc, NamedService, ServerStreamingService, StreamingService, UnaryService},
    service::Routes,
};
use tonic_prost::ProstCodec;

/// Largest message of the toy service.
pub const MESSAGE_BYTES_MAX: usize = 64 << 10;
/// Bytes of each message that `Pour` sends.
pub const POURED_BYTES: usize = 1 << 10;

/// The message of the toy service.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Note {
    /// Anything.
    #[prost(string, tag = "1")]
    pub text: String,
    /// Another one.
    #[prost(message, optional, boxed, tag = "2")]
    pub inner: Option<Box<Note>>,
}

/// What to start.
#[derive(Debug, Default)]
pub struct Setup {
    /// Bounds.
    pub limits: ConnectionLimits,
    /// Pages and origins.
    pub web: WebConfig,
    /// Encryption.
    pub tls: Option<Arc<ServerConfig>>,
}

/// An edge that runs.
#[derive(Debug)]
pub struct Stub {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it counts.
    pub metrics: Arc<Metrics>,
    /// Its tasks and signals.
    pub tasks: Tasks,
    /// Tells connections to end.
    pub farewell: CancellationToken,
    /// What it says of itself.
    pub health: Health,
    /// Messages that `Pour` has made so far.
    pub poured: Arc<AtomicUsize>,
    /// Ends when the edge has ended.
    pub edge: JoinHandle<()>,
}

impl Stub {
    /// Starts an edge with these bounds on a free port.
    pub async fn start(limits: ConnectionLimits) -> Self {
        let setup = Setup { limits, ..Setup::default() };
        setup.start().await
    }

    /// How many connections were ended for `cause`.
    pub fn cut(&self, cause: &'static str) -> u64 {
        self.metrics.connections_cut.get_or_create(&CauseLabel { cause }).get()
    }

    /// How many requests were refused for `cause`.
    pub fn refused(&self, cause: &'static str) -> u64 {
        self.metrics.requests_refused.get_or_create(&CauseLabel { cause }).get()
    }

    /// Asserts that an honest call is served.
    pub async fn is_well(&self) {
        let note = [b"\x0a\x02hi".as_slice()].concat();
        let answer = super::Call::new("/stub.Stub/Echo", super::message(&note)).make(self.address).await;
        assert_eq!((answer.status(), answer.body[5..].to_vec()), (0, note), "{answer:?}");
    }
}

impl Setup {
    /// Starts it on a free port.
    pub async fn start(self) -> Stub {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let toy = Toy::default();
        let poured = Arc::clone(&toy.poured);
        let stub = Stub {
            address: listener.local_addr().unwrap(),
            metrics: Arc::default(),
            tasks: Tasks::default(),
            farewell: CancellationToken::new(),
            health: Health::default(),
            poured,
            edge: Tasks::default().spawn("none", async {}),
        };
        let app = App {
            limits: self.limits.clone(),
            web: self.web,
            authenticates: true,
            metrics: Arc::clone(&stub.metrics),
            health: stub.health.clone(),
            services: Routes::new(toy),
        };
        let edge = Edge {
            limits: self.limits,
            tls: self.tls,
            metrics: Arc::clone(&stub.metrics),
            tasks: stub.tasks.clone(),
            farewell: stub.farewell.clone(),
        };
        stub.health.serve();
        let app = app.router().unwrap();
        let edge = stub.tasks.spawn("edge", edge.serve(listener, app));
        Stub { edge, ..stub }
    }
}

/// The toy service.
#[derive(Debug, Clone, Default)]
struct Toy {
    poured: Arc<AtomicUsize>,
}

impl NamedService for Toy {
    const NAME: &'static str = "stub.Stub";
}

impl Service<http::Request<Body>> for Toy {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let toy = self.clone();
        Box::pin(async move {
            let mut accepted = EnabledCompressionEncodings::default();
            accepted.enable(CompressionEncoding::Gzip);
            let mut grpc = Grpc::new(ProstCodec::<Note, Note>::default())
                .apply_compression_config(accepted, EnabledCompressionEncodings::default())
                .apply_max_message_size_config(Some(MESSAGE_BYTES_MAX), None);
            let path = request.uri().path().to_owned();
            Ok(match path.rsplit('/').next().unwrap_or_default() {
                "Echo" => grpc.unary(toy, request).await,
                "Pour" => grpc.server_streaming(toy, request).await,
                "Talk" => grpc.streaming(toy, request).await,
                "Hang" => std::future::pending().await,
                "Panic" => panic!("the toy was asked to panic"),
                "Cut" => {
                    let connection: &Connection = request.extensions().get().unwrap();
                    connection.cut();
                    std::future::pending().await
                }
                _ => Status::unimplemented("").into_http(),
            })
        })
    }
}

impl UnaryService<Note> for Toy {
    type Response = Note;
    type Future = BoxFuture<'static, Result<Response<Note>, Status>>;

    fn call(&mut self, request: Request<Note>) -> Self::Future {
        Box::pin(async move { Ok(Response::new(request.into_inner())) })
    }
}

type Notes = std::pin::Pin<Box<dyn Stream<Item = Result<Note, Status>> + Send>>;

impl ServerStreamingService<Note> for Toy {
    type Response = Note;
    type ResponseStream = Notes;
    type Future = BoxFuture<'static, Result<Response<Notes>, Status>>;

    /// Sends one message, then nothing, when the request says `silence`; panics after one for `panic`; else pours.
    fn call(&mut self, request: Request<Note>) -> Self::Future {
        let poured = Arc::clone(&self.poured);
        let drop = Note { text: "x".repeat(POURED_BYTES - 3), inner: None };
        let endless = stream::repeat_with(move || {
            poured.fetch_add(1, Relaxed);
            Ok(drop.clone())
        });
        let notes: Notes = match request.into_inner().text.as_str() {
            "silence" => Box::pin(endless.take(1).chain(stream::pending())),
            "panic" => {
                Box::pin(endless.take(1).chain(stream::poll_fn(|_| panic!("the toy was asked to panic"))))
            }
            _ => Box::pin(endless),
        };
        Box::pin(async move { Ok(Response::new(notes)) })
    }
}

impl StreamingService<Note> for Toy {
    type Response = Note;
    type ResponseStream = Notes;
    type Future = BoxFuture<'static, Result<Response<Notes>, Status>>;

    fn call(&mut self, request: Request<Streaming<Note>>) -> Self::Future {
        let echo: Notes = Box::pin(request.into_inner());
        Box::pin(async move { Ok(Response::new(echo)) })
    }
}
