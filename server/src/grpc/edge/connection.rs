//! One connection as requests and the node see it: who is at the other end, what lives on it, and the two orders it
//! obeys, *leave* and *cut*. It owns no socket; the task in `drive` does, and looks here each time it wakes. The handle
//! is in the extensions of every request.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures_util::task::AtomicWaker;

use crate::base::{
    clock::{self, Instant},
    limits::ConnectionLimits,
};

/// A connection, for those who serve its requests. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Connection {
    inner: Arc<State>,
}

#[derive(Debug)]
struct State {
    peer: SocketAddr,
    tls: bool,
    born: Instant,
    sessions: AtomicU32,
    streams: AtomicU32,
    stage: AtomicU8,
    /// When the stage began or the last stream ended, in milliseconds after `born`.
    since_ms: AtomicU64,
    order: AtomicU8,
    flooded: AtomicBool,
    waker: AtomicWaker,
}

/// Times are never longer than this, so that no sum of them overflows.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// A time from the configuration: `None` for zero, which is without bound.
pub(super) fn bound(time: Duration) -> Option<Duration> {
    (!time.is_zero()).then_some(time.min(LONGEST))
}

/// What the node wants of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Stay,
    Leave,
    Cut,
}

/// Why the edge ended a connection. A label of `connections_cut`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// No complete preface or request head in time.
    Preface,
    /// No stream for too long.
    Idle,
    /// Too many control frames.
    ControlFrames,
    /// [`Connection::cut`] was called, or the node stopped.
    Ordered,
    /// What the peer sent is not HTTP, or breaks its rules.
    Protocol,
    /// The TLS handshake failed or took too long.
    Tls,
}

impl Cause {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Preface => "preface",
            Self::Idle => "idle",
            Self::ControlFrames => "control_frames",
            Self::Ordered => "ordered",
            Self::Protocol => "protocol",
            Self::Tls => "tls",
        }
    }
}

const STAGE_PREFACE: u8 = 0;
const STAGE_OPEN: u8 = 1;
const STAGE_HEAD: u8 = 2;

const ORDER_LEAVE: u8 = 1;
const ORDER_CUT: u8 = 2;

impl Connection {
    /// A connection that has just been accepted.
    pub fn new(peer: SocketAddr, tls: bool) -> Self {
        Self {
            inner: Arc::new(State {
                peer,
                tls,
                born: clock::now(),
                sessions: AtomicU32::new(0),
                streams: AtomicU32::new(0),
                stage: AtomicU8::new(STAGE_PREFACE),
                since_ms: AtomicU64::new(0),
                order: AtomicU8::new(0),
                flooded: AtomicBool::new(false),
                waker: AtomicWaker::new(),
            }),
        }
    }

    /// The address at the other end, with IPv4 never inside IPv6.
    pub fn peer(&self) -> SocketAddr {
        self.inner.peer
    }

    /// Whether the connection is encrypted by this node.
    pub fn tls(&self) -> bool {
        self.inner.tls
    }

    /// A session began on this connection.
    pub fn session_opened(&self) {
        self.inner.sessions.fetch_add(1, Relaxed);
    }

    /// A session of this connection ended.
    pub fn session_closed(&self) {
        self.inner.sessions.fetch_sub(1, Relaxed);
    }

    /// Sessions that live on this connection.
    pub fn sessions(&self) -> u32 {
        self.inner.sessions.load(Relaxed)
    }

    /// Requests that are being served.
    pub fn streams(&self) -> u32 {
        self.inner.streams.load(Relaxed)
    }

    /// Ends the connection at once, with all that lives on it. Nothing that waits is sent.
    pub fn cut(&self) {
        self.inner.order.store(ORDER_CUT, Relaxed);
        self.inner.waker.wake();
    }

    /// Asks the peer to open no more streams (GOAWAY); the connection ends with its last stream.
    pub fn leave(&self) {
        self.inner.order.fetch_max(ORDER_LEAVE, Relaxed);
        self.inner.waker.wake();
    }

    pub(super) fn order(&self) -> Order {
        match self.inner.order.load(Relaxed) {
            0 => Order::Stay,
            ORDER_LEAVE => Order::Leave,
            _ => Order::Cut,
        }
    }

    /// Wakes the task of `context` when an order comes.
    pub(super) fn listen(&self, context: &Context<'_>) {
        self.inner.waker.register(context.waker());
    }

    /// Waits for the order to cut.
    pub(super) async fn until_cut(&self) {
        std::future::poll_fn(|context| {
            self.listen(context);
            match self.order() {
                Order::Cut => Poll::Ready(()),
                Order::Stay | Order::Leave => Poll::Pending,
            }
        })
        .await;
    }

    /// A stream begins; it ends when the guard is dropped.
    pub(super) fn stream_opened(&self) -> StreamOpen {
        self.inner.streams.fetch_add(1, Relaxed);
        self.enter(STAGE_OPEN);
        StreamOpen(self.clone())
    }

    /// The preface is complete.
    pub(super) fn greeted(&self) {
        self.enter(STAGE_OPEN);
    }

    /// Bytes of HTTP/1 came. Between two requests they begin a head, which has little time.
    pub(super) fn bytes_came(&self) {
        if self.inner.stage.load(Relaxed) == STAGE_OPEN && self.streams() == 0 {
            self.enter(STAGE_HEAD);
        }
    }

    /// The peer floods; the task that owns the socket will end it.
    pub(super) fn flooded(&self) {
        self.inner.flooded.store(true, Relaxed);
    }

    pub(super) fn is_flooded(&self) -> bool {
        self.inner.flooded.load(Relaxed)
    }

    /// When the connection is to end if nothing happens before, and why. `None` while streams are open or when there is
    /// no bound.
    pub(super) fn due(&self, limits: &ConnectionLimits) -> Option<(Instant, Cause)> {
        let (time, cause) = match self.inner.stage.load(Relaxed) {
            STAGE_PREFACE => (limits.preface_timeout, Cause::Preface),
            _ if self.streams() > 0 => return None,
            STAGE_HEAD => (limits.preface_timeout, Cause::Preface),
            _ => (limits.idle_timeout, Cause::Idle),
        };
        bound(time).map(|time| (self.since() + time, cause))
    }

    /// When the present silence began.
    pub(super) fn since(&self) -> Instant {
        self.inner.born + Duration::from_millis(self.inner.since_ms.load(Relaxed))
    }

    /// The time of the preface starts now, after the TLS handshake.
    pub(super) fn await_preface(&self) {
        self.enter(STAGE_PREFACE);
    }

    fn enter(&self, stage: u8) {
        self.touch();
        self.inner.stage.store(stage, Relaxed);
    }

    fn touch(&self) {
        let since = clock::now().saturating_duration_since(self.inner.born);
        let since_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        self.inner.since_ms.store(since_ms, Relaxed);
    }
}

/// A stream that is open.
#[derive(Debug)]
pub(super) struct StreamOpen(Connection);

impl Drop for StreamOpen {
    fn drop(&mut self) {
        self.0.touch();
        self.0.inner.streams.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection() -> Connection {
        Connection::new(SocketAddr::from(([192, 0, 2, 1], 4000)), false)
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_measured_from_the_last_stream() {
        let limits = ConnectionLimits::default();
        let connection = connection();
        let start = clock::now();
        assert_eq!(connection.due(&limits), Some((start + limits.preface_timeout, Cause::Preface)));
        connection.greeted();
        assert_eq!(connection.due(&limits), Some((start + limits.idle_timeout, Cause::Idle)));
        let stream = connection.stream_opened();
        assert_eq!(connection.due(&limits), None);
        tokio::time::advance(Duration::from_secs(100)).await;
        drop(stream);
        let end = start + Duration::from_secs(100);
        assert_eq!(connection.due(&limits), Some((end + limits.idle_timeout, Cause::Idle)));
    }

    #[tokio::test(start_paused = true)]
    async fn the_second_head_of_http_1_has_as_little_time_as_the_first() {
        let limits = ConnectionLimits::default();
        let connection = connection();
        drop(connection.stream_opened());
        tokio::time::advance(Duration::from_secs(3)).await;
        connection.bytes_came();
        assert_eq!(connection.due(&limits), Some((clock::now() + limits.preface_timeout, Cause::Preface)));
    }

    #[test]
    fn a_cut_is_not_taken_back_by_leaving() {
        let connection = connection();
        connection.cut();
        connection.leave();
        assert_eq!(connection.order(), Order::Cut);
    }
}
