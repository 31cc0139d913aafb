//! A session's stream: commands in, bursts out, in one future.
//!
//! The response stream *is* the conversation: polling it first reads and carries out what the client has said and then
//! hands over what the client has still to be told. There is no task and no channel of its own, and a client that does
//! not read is not read from: HTTP/2 stops polling when its window is full.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use rialto_proto::v1::{CloseCode, RefusalCode};
use tokio::time::{Interval, MissedTickBehavior, interval_at};
use tokio_stream::Stream;
use tonic::Status;

use super::{line::Line, status};
use crate::{
    base::{
        clock,
        refusal::{Closing, Refusal},
    },
    router::{
        Router,
        life::{Peer, fell_behind},
    },
    session::{Session, outbox::Next},
    wire::{Burst, Frame, command::Hello},
};

/// Sequence numbers up to here are used: a burst is far smaller than what is left.
const SEQ_MAX: u32 = u32::MAX - (1 << 20);

/// What reads the client. It ends well when there is nothing more to read, and with a status when the stream must end.
type Reader = Pin<Box<dyn Future<Output = Result<(), Status>> + Send>>;

/// What reads from a history for a client that has come to what it is owed.
type Reading = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The stream of a session.
pub struct Conversation {
    /// At most one, in a set because a set polls only what was woken: an event for a silent client, which is what most
    /// clients are, must not wade through its request body.
    reader: FuturesUnordered<Reader>,
    seat: Arc<Seat>,
    /// What the client must be told next and is being read.
    reading: Option<Reading>,
    pings: Option<Interval>,
    failed: Option<Status>,
    ended: bool,
    /// The stream ends with this status, and the session goes on.
    cut: Option<Status>,
}

/// Where the session is put when the client has greeted.
pub(super) struct Seat {
    pub(super) router: Arc<Router>,
    place: OnceLock<Place>,
    line: Option<Line>,
}

/// A session and the number of the stream that this is to it.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) session: Arc<Session>,
    pub(super) stream: u32,
}

impl Place {
    /// Whether this stream has still something to say.
    pub(super) fn speaks(&self) -> bool {
        self.session.closing().is_none() && self.session.outbox.stream() == self.stream
    }
}

impl Seat {
    /// An empty seat.
    pub(super) fn new(router: Arc<Router>, line: Option<Line>) -> Arc<Self> {
        Arc::new(Self { router, place: OnceLock::new(), line })
    }

    /// Opens the session, or takes up the one that there was.
    pub(super) async fn greet(&self, hello: Hello, peer: Peer) -> Result<Place, Status> {
        let greeted = self.router.greet(hello, peer).await;
        let (session, stream) = greeted.map_err(|refusal| self.refused(refusal))?;
        if let Some(line) = &self.line {
            line.opened();
        }
        // Empty until now: a second greeting is refused before it comes here.
        Ok(self.place.get_or_init(|| Place { session, stream }).clone())
    }

    /// Counts a refusal and makes it a status. Behind a balancer that keeps connections where they are, the client of a node that
    /// stops would come to the same one again.
    pub(super) fn refused(&self, refusal: Refusal) -> Status {
        if let (RefusalCode::Draining, Some(line)) = (refusal.code, &self.line) {
            line.leave();
        }
        status::refused(&self.router.count_refusal(refusal))
    }

    /// Waits until the client has read enough of its answers to get more. The stream, of which this is a part, hands
    /// them over as soon as this yields.
    pub(super) async fn room(&self, session: &Session) {
        let frames_max = self.router.limits.session.outbox_frames_max;
        poll_fn(|context| {
            if session.outbox.waiting().0 < frames_max {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        if let Some(place) = self.seat.place.get() {
            self.seat.router.detach(&place.session, place.stream);
            if let Some(line) = &self.seat.line {
                line.closed();
            }
        }
    }
}

impl Conversation {
    /// A conversation of which `reader` is the incoming half.
    pub(super) fn new(seat: Arc<Seat>, reader: Reader) -> Self {
        let reader = FuturesUnordered::from_iter([reader]);
        Self { reader, seat, reading: None, pings: None, failed: None, ended: false, cut: None }
    }

    /// The same, with a `Ping` whenever there was silence for the session limit's `ping_interval`.
    pub(super) fn with_pings(mut self) -> Self {
        let period = self.seat.router.limits.session.ping_interval;
        if !period.is_zero() {
            let mut pings = interval_at(clock::now() + period, period);
            pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
            self.pings = Some(pings);
        }
        self
    }

    /// Reads the client. Returns the status with which the stream must end now: that of a handshake that failed. What
    /// fails later has closed the session, and its status comes after the last burst.
    fn poll_reader(&mut self, context: &mut Context<'_>) -> Option<Status> {
        let Poll::Ready(Some(Err(status))) = self.reader.poll_next_unpin(context) else { return None };
        if self.seat.place.get().is_none() {
            return Some(status);
        }
        self.failed = Some(status);
        None
    }

    /// What waits for the client, or the end.
    fn poll_bursts(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Burst, Status>>> {
        loop {
            let Some(place) = self.seat.place.get() else { return Poll::Pending };
            if let Some(reading) = &mut self.reading {
                ready!(reading.as_mut().poll(context));
                self.reading = None;
            }
            match ready!(place.session.outbox.poll_next(place.stream, clock::now(), context)) {
                Next::Burst(burst) => {
                    self.check_seq(&burst, place);
                    return Poll::Ready(Some(Ok(burst)));
                }
                Next::Read(owed) => {
                    let (router, session) = (Arc::clone(&self.seat.router), Arc::clone(&place.session));
                    self.reading = Some(Box::pin(async move { router.read_owed(&session, owed).await }));
                }
                Next::End => return Poll::Ready(self.last()),
                Next::Cut(last) => return Poll::Ready(Some(Ok(self.cut_with(last)))),
            }
        }
    }

    /// Closes the session before its sequence numbers begin again.
    fn check_seq(&self, burst: &Burst, place: &Place) {
        if burst.first_seq() > SEQ_MAX {
            let closing = Closing::new(CloseCode::SessionExhausted, "the session has used up its numbers");
            self.seat.router.close(&place.session, &closing);
        }
    }

    /// The last frame of a stream that ends while its session goes on.
    fn cut_with(&mut self, last: Option<Frame>) -> Burst {
        let replaced = || Closing::new(CloseCode::Replaced, "another stream has taken up the session");
        let closing = if last.is_some() { fell_behind() } else { replaced() };
        self.cut = Some(status::closed(&closing).unwrap_or_else(|| Status::aborted("")));
        Burst::one(0, last.unwrap_or_else(|| Frame::close(&closing)).into_record())
    }

    /// The status after the last burst: that of what failed, or of the close.
    fn last(&mut self) -> Option<Result<Burst, Status>> {
        self.ended = true;
        let closing = self.seat.place.get().and_then(|place| place.session.closing());
        self.failed.take().or_else(|| closing.and_then(status::closed)).map(Err)
    }

    /// A burst with a ping, when it is time for one.
    fn poll_ping(&mut self, context: &mut Context<'_>) {
        let (Some(pings), Some(place)) = (&mut self.pings, self.seat.place.get()) else { return };
        while pings.poll_tick(context).is_ready() {
            place.session.outbox.ping();
        }
    }
}

impl Stream for Conversation {
    type Item = Result<Burst, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if let Some(status) = self.cut.take() {
            self.ended = true;
            return Poll::Ready(Some(Err(status)));
        }
        if let Some(status) = self.poll_reader(context) {
            self.ended = true;
            return Poll::Ready(Some(Err(status)));
        }
        let bursts = self.poll_bursts(context);
        if bursts.is_ready() {
            if let Some(pings) = &mut self.pings {
                pings.reset();
            }
            return bursts;
        }
        self.poll_ping(context);
        self.poll_bursts(context)
    }
}
