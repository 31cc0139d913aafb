//! The service of a scripted server: takes any call of the contract as bytes, and gives both directions to the script.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Buf, BufMut, Bytes};
use futures_util::{Stream, StreamExt, future::BoxFuture};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Request, Response, Status, Streaming,
    body::Body,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::{Service, http},
    server::{Grpc, NamedService, ServerStreamingService, StreamingService, UnaryService},
    service::Routes,
};

use crate::scripted::{Script, Sent};

/// Messages as bytes, in both directions.
#[derive(Debug, Clone, Copy, Default)]
struct Plain;

impl Codec for Plain {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Plain {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Plain {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}

/// The services that clients call.
const SERVICES: [&str; 5] = [
    "rialto.v1.MessagingService",
    "rialto.v1.RoomService",
    "rialto.v1.DirectoryService",
    "rialto.v1.JobService",
    "rialto.v1.WorkerService",
];

/// One of [`SERVICES`], by its place.
#[derive(Clone)]
struct Toy<const SERVICE: usize> {
    script: Arc<Script>,
    path: String,
}

/// All services, which the script speaks for.
pub(crate) fn services(script: &Arc<Script>) -> Routes {
    Routes::new(toy::<0>(script))
        .add_service(toy::<1>(script))
        .add_service(toy::<2>(script))
        .add_service(toy::<3>(script))
        .add_service(toy::<4>(script))
}

fn toy<const SERVICE: usize>(script: &Arc<Script>) -> Toy<SERVICE> {
    Toy { script: Arc::clone(script), path: String::new() }
}

impl<const SERVICE: usize> NamedService for Toy<SERVICE> {
    const NAME: &'static str = SERVICES[SERVICE];
}

impl<const SERVICE: usize> Service<http::Request<Body>> for Toy<SERVICE> {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let toy = Self { path: request.uri().path().to_owned(), ..self.clone() };
        Box::pin(async move {
            if request.headers().contains_key("rialto-compress") {
                return Ok(Status::invalid_argument("clients do not ask for compressed messages").into_http());
            }
            let mut grpc = Grpc::new(Plain);
            Ok(match toy.path.rsplit('/').next().unwrap_or_default() {
                "Attach" | "Work" => grpc.streaming(toy, request).await,
                "Listen" | "WatchJobs" | "WatchRooms" => grpc.server_streaming(toy, request).await,
                _ => grpc.unary(toy, request).await,
            })
        })
    }
}

type Down = Pin<Box<dyn Stream<Item = Sent> + Send>>;

impl<const SERVICE: usize> UnaryService<Bytes> for Toy<SERVICE> {
    type Response = Bytes;
    type Future = BoxFuture<'static, Result<Response<Bytes>, Status>>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let toy = self.clone();
        Box::pin(async move {
            let message = toy.script.hear(&toy.path, request.into_inner())?;
            toy.script.answer(&toy.path, &message).map(Response::new)
        })
    }
}

impl<const SERVICE: usize> ServerStreamingService<Bytes> for Toy<SERVICE> {
    type Response = Bytes;
    type ResponseStream = Down;
    type Future = BoxFuture<'static, Result<Response<Down>, Status>>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let toy = self.clone();
        Box::pin(async move {
            let down: Down = Box::pin(ReceiverStream::new(toy.script.begin(&toy.path)));
            toy.script.hear(&toy.path, request.into_inner())?;
            Ok(Response::new(down))
        })
    }
}

impl<const SERVICE: usize> StreamingService<Bytes> for Toy<SERVICE> {
    type Response = Bytes;
    type ResponseStream = Down;
    type Future = BoxFuture<'static, Result<Response<Down>, Status>>;

    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Self::Future {
        let toy = self.clone();
        Box::pin(async move {
            let down = ReceiverStream::new(toy.script.begin(&toy.path));
            let up = request.into_inner().filter_map(move |said| {
                // What a client breaks off has no more to say.
                let wrong = said.and_then(|bytes| toy.script.hear(&toy.path, bytes)).err();
                async move { wrong.filter(|status| status.code() == tonic::Code::InvalidArgument).map(Err) }
            });
            // The stream lasts until the script ends it, however much the client has to say.
            let lasting = up.chain(futures_util::stream::pending());
            let both: Down = Box::pin(Both { down, up: Box::pin(lasting) });
            Ok(Response::new(both))
        })
    }
}

/// What goes down, while what comes up is read.
struct Both {
    down: ReceiverStream<Sent>,
    up: Pin<Box<dyn Stream<Item = Sent> + Send>>,
}

impl Stream for Both {
    type Item = Sent;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Sent>> {
        if let Poll::Ready(Some(wrong)) = self.up.poll_next_unpin(context) {
            return Poll::Ready(Some(wrong));
        }
        self.down.poll_next_unpin(context)
    }
}
