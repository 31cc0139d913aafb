//! A session's stream: commands in, bursts out, in one future.
//!
//! The response stream *is* the conversation: polling it first reads and carries out what the client has said and then
//! hands over what the client has still to be told. There is no task and no channel of its own, and a client that does
//! not read is not read from: HTTP/2 stops polling when its window is full.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use rialto_proto::v1::CloseCode;
use tokio::time::{Interval, MissedTickBehavior, interval_at};
use tokio_stream::Stream;
use tonic::Status;

use super::{line::Line, status};
use crate::{
    base::{
        clock,
        refusal::{Closing, Refusal},
    },
    router::{Router, life::Peer},
    session::{
        Session,
        outbox::{Bounds, Bursts, Outbox},
    },
    wire::{Burst, command::Hello},
};

/// Sequence numbers up to here are used: a burst is far smaller than what is left.
const SEQ_MAX: u32 = u32::MAX - (1 << 20);

/// What reads the client. It ends well when there is nothing more to read, and with a status when the stream must end.
type Reader = Pin<Box<dyn Future<Output = Result<(), Status>> + Send>>;

/// The stream of a session.
pub struct Conversation {
    /// At most one, in a set because a set polls only what was woken: an event for a silent client, which is what most
    /// clients are, must not wade through its request body.
    reader: FuturesUnordered<Reader>,
    seat: Arc<Seat>,
    bursts: Bursts,
    pings: Option<Interval>,
    failed: Option<Status>,
    ended: bool,
}

/// Where the session is put when the client has greeted.
pub(super) struct Seat {
    pub(super) router: Arc<Router>,
    pub(super) outbox: Arc<Outbox>,
    session: OnceLock<Arc<Session>>,
    line: Option<Line>,
}

impl Seat {
    /// An empty seat with the outbox of the session to come.
    pub(super) fn new(router: Arc<Router>, line: Option<Line>) -> Arc<Self> {
        let outbox = Arc::new(Outbox::new(Bounds::from(&router.limits.session)));
        Arc::new(Self { router, outbox, session: OnceLock::new(), line })
    }

    /// Opens the session.
    pub(super) fn greet(&self, hello: Hello, peer: Peer) -> Result<Arc<Session>, Status> {
        let opened = self.router.greet(hello, peer, Arc::clone(&self.outbox));
        let session = opened.map_err(|refusal| self.refused(refusal))?;
        if let Some(line) = &self.line {
            line.opened();
        }
        // Empty until now: a second greeting is refused before it comes here.
        let session = self.session.get_or_init(|| session);
        Ok(Arc::clone(session))
    }

    /// Counts a refusal and makes it a status.
    pub(super) fn refused(&self, refusal: Refusal) -> Status {
        status::refused(&self.router.count_refusal(refusal))
    }

    /// Waits until the client has read enough of its answers to get more. The stream, of which this is a part, hands
    /// them over as soon as this yields.
    pub(super) async fn room(&self) {
        let frames_max = self.router.limits.session.outbox_frames_max;
        poll_fn(|context| {
            if self.outbox.waiting().0 < frames_max {
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
        if let Some(session) = self.seat.session.get() {
            self.seat.router.end(session);
            if let Some(line) = &self.seat.line {
                line.closed();
            }
        }
    }
}

impl Conversation {
    /// A conversation of which `reader` is the incoming half.
    pub(super) fn new(seat: Arc<Seat>, reader: Reader) -> Self {
        let bursts = Bursts(Arc::clone(&seat.outbox));
        Self {
            reader: FuturesUnordered::from_iter([reader]),
            seat,
            bursts,
            pings: None,
            failed: None,
            ended: false,
        }
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
        if self.seat.session.get().is_none() {
            return Some(status);
        }
        self.failed = Some(status);
        None
    }

    /// What waits for the client, or the end.
    fn poll_bursts(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Burst, Status>>> {
        match self.bursts.0.poll_burst(context) {
            Poll::Ready(Some(burst)) => {
                self.check_seq(&burst);
                Poll::Ready(Some(Ok(burst)))
            }
            Poll::Ready(None) => Poll::Ready(self.last()),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Closes the session before its sequence numbers begin again.
    fn check_seq(&self, burst: &Burst) {
        if burst.first_seq() > SEQ_MAX
            && let Some(session) = self.seat.session.get()
        {
            let closing = Closing::new(CloseCode::SessionExhausted, "the session has used up its numbers");
            self.seat.router.close(session, &closing);
        }
    }

    /// The status after the last burst: that of what failed, or of the close.
    fn last(&mut self) -> Option<Result<Burst, Status>> {
        self.ended = true;
        let closing = self.seat.session.get().and_then(|session| session.closing());
        self.failed.take().or_else(|| closing.and_then(status::closed)).map(Err)
    }

    /// A burst with a ping, when it is time for one.
    fn poll_ping(&mut self, context: &mut Context<'_>) {
        let Some(pings) = &mut self.pings else { return };
        while pings.poll_tick(context).is_ready() {
            self.seat.outbox.ping();
        }
    }
}

impl Stream for Conversation {
    type Item = Result<Burst, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
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
