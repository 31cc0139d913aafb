//! One stream without a socket: what has been said and not arrived, in both directions, and the node's end of it, which
//! does what `grpc/attach.rs` and `grpc/conversation.rs` do, one frame or one burst at a time.

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll, Waker},
};

use futures_util::FutureExt;
use prost::Message;
use rialto_proto::v1::{AttachResponse, ClientFrame, RefusalCode, client_frame::Command};
use rialto_server::{
    base::{
        clock::{self, Instant},
        limits::PRESSED_PAUSE,
        refusal::Refusal,
    },
    router::{
        Router,
        life::{Peer, fell_behind},
    },
    session::{Session, outbox::Next},
    wire::{Burst, Frame, command::Hello},
};

/// Bursts that are on their way before a client that does not read is written to no more.
const WINDOW: usize = 4;

/// What arrives at a client.
#[derive(Debug)]
pub(super) enum Arrival {
    /// A message of the stream.
    Frames(AttachResponse),
    /// The stream has failed before it began.
    Failed(RefusalCode),
    /// The stream has ended.
    Ended,
}

/// The node's answer to a greeting, which may have to ask other nodes.
type Greeting = Pin<Box<dyn Future<Output = Result<(Arc<Session>, u32), Refusal>>>>;

/// A stream, with what is on its way.
#[derive(Default)]
pub(super) struct Stream {
    /// The node that it is to.
    pub(super) site: usize,
    /// From the client.
    pub(super) up: VecDeque<ClientFrame>,
    /// To the client.
    pub(super) down: VecDeque<Arrival>,
    greeting: Option<Greeting>,
    place: Option<(Arc<Session>, u32)>,
    reading: Option<Pin<Box<dyn Future<Output = ()>>>>,
    pause_until: Option<Instant>,
    over: bool,
}

impl Stream {
    /// A stream to a node, on which a client has said this.
    pub(super) fn saying(site: usize, frames: impl IntoIterator<Item = ClientFrame>) -> Self {
        Self { site, up: frames.into_iter().collect(), ..Self::default() }
    }

    /// The session, once it has one.
    pub(super) fn session(&self) -> Option<Weak<Session>> {
        self.place.as_ref().map(|(session, _)| Arc::downgrade(session))
    }

    /// Nothing is on its way, and the node has nothing to say.
    pub(super) fn is_quiet(&self) -> bool {
        let waiting = self.place.as_ref().is_some_and(|(session, _)| session.outbox.waiting().0 > 0);
        let busy = self.greeting.is_some() || self.reading.is_some();
        self.up.is_empty() && self.down.is_empty() && !busy && !waiting
    }

    /// What is on its way, for people.
    pub(super) fn state(&self) -> String {
        let session = self.place.as_ref().map(|(session, stream)| {
            let (waits, reads) = (session.outbox.waiting(), session.outbox.stream());
            format!("stream {stream} of {reads}, waits {waits:?}, {:?}", session.pipeline)
        });
        format!("{} up, {} down, {session:?}", self.up.len(), self.down.len())
    }

    /// The node takes the next frame. False when there is none, or not now.
    pub(super) fn take(&mut self, router: &Arc<Router>) -> bool {
        if self.over || self.pause_until.is_some_and(|until| clock::now() < until) {
            return false;
        }
        let Some((session, stream)) = &self.place else {
            self.greet(router);
            return self.place.is_some() || self.over;
        };
        let speaks = session.closing().is_none() && session.outbox.stream() == *stream;
        let room = session.outbox.waiting().0 < router.limits.session.outbox_frames_max;
        let ready =
            session.pipeline.ready().now_or_never().is_some() && router.writable().now_or_never().is_some();
        if !speaks || !room || !ready {
            return false;
        }
        let Some(frame) = self.up.pop_front() else { return false };
        session.speak(*stream, || router.dispatch(session, frame));
        if session.take_pressed() {
            self.pause_until = Some(clock::now() + PRESSED_PAUSE);
        }
        true
    }

    fn greet(&mut self, router: &Arc<Router>) {
        if self.greeting.is_none()
            && let Some(ClientFrame { command: Some(Command::Hello(hello)), .. }) = self.up.pop_front()
        {
            let router = Arc::clone(router);
            self.greeting = Some(Box::pin(async move {
                let hello = Hello::parse(hello, &router.limits.session)?;
                router.greet(hello, Peer::default()).await
            }));
        }
        self.wait();
    }

    /// The node goes on with its answer to the greeting, if it has one to give.
    pub(super) fn wait(&mut self) {
        let Some(greeting) = &mut self.greeting else { return };
        let Some(greeted) = greeting.now_or_never() else { return };
        self.greeting = None;
        match greeted {
            Ok(place) => self.place = Some(place),
            Err(Refusal { code, .. }) => {
                self.down.push_back(Arrival::Failed(code));
                self.over = true;
            }
        }
    }

    /// The node writes what waits, if the client's window has room. False when there was nothing to do.
    pub(super) fn write(&mut self, router: &Arc<Router>) -> bool {
        if self.over || self.down.len() >= WINDOW {
            return false;
        }
        let Some((session, stream)) = &self.place else { return false };
        let mut context = Context::from_waker(Waker::noop());
        if let Some(reading) = &mut self.reading {
            if reading.as_mut().poll(&mut context).is_pending() {
                return false;
            }
            self.reading = None;
        }
        let Poll::Ready(next) = session.outbox.poll_next(*stream, clock::now(), &mut context) else {
            return false;
        };
        match next {
            Next::Burst(burst) => self.down.push_back(arrival(&burst)),
            Next::Read(owed) => {
                let (router, session) = (Arc::clone(router), Arc::clone(session));
                self.reading = Some(Box::pin(async move { router.read_owed(&session, owed).await }));
            }
            Next::End => self.end(router),
            Next::Cut(last) => {
                // Without a frame another stream has taken over, and nobody reads this one.
                let last = last.unwrap_or_else(|| Frame::close(&fell_behind()));
                self.down.push_back(arrival(&Burst::one(0, last.into_record())));
                self.end(router);
            }
        }
        true
    }

    fn end(&mut self, router: &Router) {
        self.down.push_back(Arrival::Ended);
        self.break_off(router);
    }

    /// The node notices that the stream is gone.
    pub(super) fn break_off(&mut self, router: &Router) {
        self.over = true;
        (self.greeting, self.reading) = (None, None);
        if let Some((session, stream)) = self.place.take() {
            router.detach(&session, stream);
        }
    }
}

fn arrival(burst: &Burst) -> Arrival {
    let bytes = burst.encode_to_vec();
    Arrival::Frames(AttachResponse::decode(bytes.as_slice()).expect("the node writes what decoders read"))
}
