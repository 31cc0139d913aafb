//! The body of a call as its service reads it, with a bound on the time that one message may take: the first from the
//! start of the call, others from their first byte. Only the 5-byte prefixes are followed; nothing is buffered. A call
//! between two messages may be silent for as long as it likes. Wrapped around requests by `call`.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use rialto_proto::v1::RefusalCode;
use tokio::time::{Sleep, sleep};
use tonic::{Code, Status};

use super::answer::status;
use crate::base::metrics::{CauseLabel, Metrics};

/// Where the bytes of a body stand between the length prefixes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    Prefix { seen: u8, length: u32 },
    Payload(u32),
}

const START: Reading = Reading::Prefix { seen: 0, length: 0 };

impl Reading {
    /// Takes the next bytes; returns whether a message was completed by them.
    fn follow(&mut self, mut bytes: &[u8]) -> bool {
        let mut completed = false;
        while let [first, rest @ ..] = bytes {
            match *self {
                Self::Prefix { seen, length } => {
                    // The flag byte is shifted out by the four that follow it.
                    let length = length << 8 | u32::from(*first);
                    *self = match seen {
                        4 if length == 0 => START,
                        4 => Self::Payload(length),
                        _ => Self::Prefix { seen: seen + 1, length },
                    };
                    completed |= *self == START;
                    bytes = rest;
                }
                Self::Payload(left) => {
                    let taken = bytes.len().min(left as usize);
                    let left = left - taken as u32;
                    *self = if left == 0 { START } else { Self::Payload(left) };
                    completed |= left == 0;
                    bytes = &bytes[taken..];
                }
            }
        }
        completed
    }
}

pin_project! {
    /// A body whose messages must not take too long.
    pub(super) struct Timely<B> {
        #[pin]
        body: B,
        reading: Reading,
        // Whether the first message is complete.
        begun: bool,
        over: bool,
        limit: Duration,
        // Only while something is awaited, so that a silent session pays nothing for it.
        clock: Option<Pin<Box<Sleep>>>,
        metrics: Arc<Metrics>,
    }
}

impl<B> Timely<B> {
    /// `body`, each message of it within `limit`; zero is without bound.
    pub(super) fn new(body: B, limit: Duration, metrics: Arc<Metrics>) -> Self {
        Self { body, reading: START, begun: false, over: false, limit, clock: None, metrics }
    }
}

impl<B> Body for Timely<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<axum::BoxError>,
{
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        let this = self.project();
        if *this.over {
            return Poll::Ready(None);
        }
        if let Poll::Ready(frame) = this.body.poll_frame(context) {
            if let Some(Ok(frame)) = &frame
                && let Some(data) = frame.data_ref()
                && this.reading.follow(data)
            {
                *this.begun = true;
                *this.clock = None;
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let awaited = !*this.begun || *this.reading != START;
        if !awaited || this.limit.is_zero() {
            return Poll::Pending;
        }
        let clock = this.clock.get_or_insert_with(|| Box::pin(sleep(*this.limit)));
        ready!(clock.as_mut().poll(context));
        *this.over = true;
        let label = CauseLabel { cause: "message_timeout" };
        this.metrics.requests_refused.get_or_create(&label).inc();
        Poll::Ready(Some(Err(late().into())))
    }

    fn is_end_stream(&self) -> bool {
        self.over || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn late() -> Status {
    status(Code::DeadlineExceeded, RefusalCode::Deadline, "a message was not complete in time")
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use http_body_util::StreamBody;
    use tokio::sync::mpsc;
    use tokio_stream::{StreamExt, wrappers::ReceiverStream};

    use super::*;

    fn messages() -> Vec<u8> {
        let mut bytes = vec![0, 0, 0, 0, 3, 1, 2, 3];
        bytes.extend([1, 0, 0, 0, 0]);
        bytes.extend([0, 0, 0, 1, 4]);
        bytes.extend([9; 260]);
        bytes
    }

    #[test]
    fn every_split_of_the_bytes_ends_between_messages() {
        let bytes = messages();
        for split in 0..bytes.len() {
            let mut reading = START;
            reading.follow(&bytes[..split]);
            assert_eq!(reading == START, [0, 8, 13].contains(&split), "after {split} bytes");
            assert!(reading.follow(&bytes[split..]));
            assert_eq!(reading, START);
        }
    }

    type Sender = mpsc::Sender<Bytes>;

    fn body() -> (Sender, Pin<Box<impl Body<Data = Bytes, Error = axum::BoxError>>>) {
        let (sender, receiver) = mpsc::channel(8);
        let frames = ReceiverStream::new(receiver).map(|data| Ok::<_, Status>(Frame::data(data)));
        let body = Timely::new(StreamBody::new(frames), Duration::from_secs(10), Arc::default());
        (sender, Box::pin(body))
    }

    type Polled<B> = Poll<Option<Result<Frame<<B as Body>::Data>, <B as Body>::Error>>>;

    fn poll<B: Body>(body: &mut Pin<Box<B>>) -> Polled<B> {
        body.as_mut().poll_frame(&mut Context::from_waker(Waker::noop()))
    }

    async fn send(sender: &Sender, bytes: &'static [u8]) {
        sender.send(Bytes::from_static(bytes)).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_that_dribbles_is_late() {
        let (sender, mut body) = body();
        for byte in [b"\0", b"\0", b"\0", b"\0", b"\x09", b"a", b"b", b"c", b"d"] {
            send(&sender, byte).await;
            assert!(poll(&mut body).is_ready());
            assert!(poll(&mut body).is_pending());
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        tokio::time::advance(Duration::from_secs(1)).await;
        let Poll::Ready(Some(Err(error))) = poll(&mut body) else { panic!("not late") };
        assert_eq!(Status::from_error(error).code(), Code::DeadlineExceeded);
        assert!(matches!(poll(&mut body), Poll::Ready(None)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_never_begins_is_late() {
        let (_sender, mut body) = body();
        assert!(poll(&mut body).is_pending());
        tokio::time::advance(Duration::from_secs(11)).await;
        assert!(matches!(poll(&mut body), Poll::Ready(Some(Err(_)))));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_between_messages_is_not_late() {
        let (sender, mut body) = body();
        send(&sender, b"\0\0\0\0\x01a").await;
        assert!(poll(&mut body).is_ready());
        assert!(poll(&mut body).is_pending());
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert!(poll(&mut body).is_pending());
    }
}
