//! Messages that no stub would send: bytes of the test's choice where a protobuf message belongs, on a real `Attach`,
//! `Push` or any other call.

use std::marker::PhantomData;

use bytes::{Buf, BufMut, Bytes};
use http::uri::PathAndQuery;
use prost::Message;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Request, Status, Streaming,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    transport::Channel,
};

use crate::within;

/// Path of `Attach`.
pub const ATTACH: &str = "/rialto.v1.MessagingService/Attach";

/// Sends bytes as they are and reads messages of one type.
#[derive(Debug)]
pub struct Untyped<T>(PhantomData<T>);

impl<T> Default for Untyped<T> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T: Message + Default + Send + 'static> Codec for Untyped<T> {
    type Encode = Bytes;
    type Decode = T;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self::default()
    }

    fn decoder(&mut self) -> Self {
        Self::default()
    }
}

impl<T> Encoder for Untyped<T> {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl<T: Message + Default> Decoder for Untyped<T> {
    type Item = T;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<T>, Status> {
        let bytes = buffer.copy_to_bytes(buffer.remaining());
        T::decode(bytes).map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}

/// A call with a stream of bytes upwards: where to put them, and what comes down.
pub async fn stream<T>(channel: Channel, path: &'static str) -> (mpsc::Sender<Bytes>, Streaming<T>)
where
    T: Message + Default + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(16);
    let mut grpc = Grpc::new(channel);
    let call = async {
        grpc.ready().await.expect("a connection");
        let request = Request::new(ReceiverStream::new(receiver));
        grpc.streaming(request, PathAndQuery::from_static(path), Untyped::<T>::default()).await
    };
    let response = within("response headers", call).await.expect("the call is taken");
    (sender, response.into_inner())
}

/// A call with one message of bytes.
pub async fn unary<T>(channel: Channel, path: &'static str, message: Bytes) -> Result<T, Status>
where
    T: Message + Default + Send + 'static,
{
    let mut grpc = Grpc::new(channel);
    let call = async {
        grpc.ready().await.expect("a connection");
        grpc.unary(Request::new(message), PathAndQuery::from_static(path), Untyped::<T>::default()).await
    };
    within("an answer", call).await.map(tonic::Response::into_inner)
}
