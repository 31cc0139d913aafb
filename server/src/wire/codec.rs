//! How encoded frames become one gRPC message. [`Burst`] stands for `AttachResponse` and `ListenResponse` in the
//! generated service traits (`build.rs` maps them): it writes a few private bytes and then the shared records.
//! [`FrameCodec`] is tonic-prost's codec with small buffers: its default of 8 KiB a direction is what an idle stream
//! would mostly consist of.

use std::marker::PhantomData;

use bytes::{Buf, BufMut, Bytes};
use prost::{
    DecodeError, Message,
    encoding::{self, DecodeContext, WireType},
};
use tonic::codec::{BufferSettings, Codec};
use tonic_prost::{ProstCodec, ProstDecoder, ProstEncoder};

/// Number of the field `first_seq` in both responses.
const FIRST_SEQ_FIELD: u32 = 1;
/// First allocation of a stream's buffers, in bytes; they grow when needed.
const BUFFER_BYTES: usize = 256;
/// Ready messages are written together up to this many bytes: tonic's own default.
const YIELD_BYTES: usize = 32 << 10;

/// All frames that waited for one session, as one response message.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Burst {
    first_seq: u32,
    records: Records,
}

/// One record is by far the most frequent case and needs no allocation.
#[derive(Debug, Clone, PartialEq)]
enum Records {
    One(Bytes),
    Many(Vec<Bytes>),
}

impl Default for Records {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl Burst {
    /// A burst of one record, or of a gathered one.
    pub fn one(first_seq: u32, record: Bytes) -> Self {
        Self { first_seq, records: Records::One(record) }
    }

    /// A burst of several records, in order.
    pub fn many(first_seq: u32, records: Vec<Bytes>) -> Self {
        Self { first_seq, records: Records::Many(records) }
    }

    /// Sequence number of the first frame in it.
    pub fn first_seq(&self) -> u32 {
        self.first_seq
    }

    fn records(&self) -> &[Bytes] {
        match &self.records {
            Records::One(record) => std::slice::from_ref(record),
            Records::Many(records) => records,
        }
    }
}

impl Message for Burst {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        encoding::uint32::encode(FIRST_SEQ_FIELD, &self.first_seq, buf);
        for record in self.records() {
            buf.put_slice(record);
        }
    }

    /// The server never reads its own responses.
    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        encoding::skip_field(wire_type, tag, buf, context)
    }

    fn encoded_len(&self) -> usize {
        let head = encoding::uint32::encoded_len(FIRST_SEQ_FIELD, &self.first_seq);
        head + self.records().iter().map(Bytes::len).sum::<usize>()
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

/// tonic-prost's codec with small buffers.
#[derive(Debug, Clone)]
pub struct FrameCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for FrameCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for FrameCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = ProstDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<T, U>::raw_encoder(BufferSettings::new(BUFFER_BYTES, YIELD_BYTES))
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstCodec::<T, U>::raw_decoder(BufferSettings::new(BUFFER_BYTES, YIELD_BYTES))
    }
}

#[cfg(test)]
mod tests {
    use rialto_proto::v1::{AttachResponse, Content, Event, Ping, ServerFrame, server_frame::Frame as Body};

    use super::*;
    use crate::wire::{Class, Frame};

    #[test]
    fn a_burst_reads_as_the_response_that_it_stands_for() {
        let content = Content { event: "message".into(), ..Content::default() };
        let event = Event { namespace: "n".into(), content: Some(content), ..Event::default() };
        let first = Frame::event(event.clone(), Class::Reliable);
        let second = Frame::answer(7, Body::Ping(Ping {}));
        let gathered = Frame::gathered(&[first.clone(), first.clone()]);
        let records = vec![first.record().clone(), second.record().clone(), gathered.record().clone()];

        let burst = Burst::many(41, records);
        let bytes = burst.encode_to_vec();
        assert_eq!(bytes.len(), burst.encoded_len());

        let event = ServerFrame { r#ref: 0, frame: Some(Body::Event(event)) };
        let ping = ServerFrame { r#ref: 7, frame: Some(Body::Ping(Ping {})) };
        let expected =
            AttachResponse { first_seq: 41, frames: vec![event.clone(), ping, event.clone(), event] };
        assert_eq!(AttachResponse::decode(bytes.as_slice()), Ok(expected));
    }
}
