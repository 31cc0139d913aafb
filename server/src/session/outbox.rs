//! What one client has still to be told: a bounded queue of frames, polled as the response stream, and behind it what was
//! sent and not confirmed. It outlives the stream: another one may take it up where the first was lost.
//!
//! # Falling behind
//! A receiver that does not read fills its outbox. Volatile events wait only while it is nearly empty, and make room
//! first. A `latest` event takes the place of the one before it. When a reliable event finds the outbox full, the
//! policy of its namespace decides:
//!
//! * *close*: an event that is kept in a history is owed: it is read from there when the receiver comes to it. For any
//!   other the stream is ended, the session goes on without one, and what does not fit meanwhile is dropped and told;
//! * *drop*: the event is dropped and told;
//! * *latest*: older events of the same topic are displaced, else the oldest event, and told.
//!
//! What was dropped is told by `Missed`, at the place where it is missing. Answers are never dropped; the session of a
//! client that asks for more answers than it reads is ended.
//!
//! # Pressure
//! A sender may have more to say at once than an outbox holds. When an event fills a receiver's outbox beyond half, its
//! sender is asked to pause, so that a receiver that reads is never closed for what it was not given time to read.
//!
//! # Order
//! Frames leave in the order in which they were put in; what is owed keeps its place. Sequence numbers are given when
//! frames leave.

use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use rialto_proto::v1::{CloseCode, Ping, server_frame::Frame as Body};

use super::{
    Mutex,
    owed::{Owed, Rest, StateAfter},
    queue::{Front, Queue},
    replay::{Replay, ReplayBounds},
};
pub use super::{
    put::{Bounds, Put},
    replay::Lost,
};
use crate::{
    base::{clock::Instant, config::BehindPolicy, limits::SessionLimits},
    wire::{Burst, Frame},
};

/// What a stream is to do next.
#[derive(Debug)]
pub enum Next {
    /// Send these frames.
    Burst(Burst),
    /// Have this read, and [`Outbox::settle`] it.
    Read(Owed),
    /// End: everything was sent.
    End,
    /// End at once, with this frame: another stream has taken over, or the receiver fell behind.
    Cut(Option<Frame>),
}

/// A bounded queue of frames toward one client.
#[derive(Debug)]
pub struct Outbox {
    bounds: Bounds,
    held: ReplayBounds,
    pub(super) state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) queue: Queue,
    pub(super) replay: Replay,
    /// Which stream reads: the number of those that have taken it up.
    pub(super) stream: u32,
    pub(super) attached: bool,
    /// Its client reads elsewhere: another node has asked for the session while a stream read.
    pub(super) follows: bool,
    /// What waited before the stream came has not been handed over yet.
    pub(super) catching_up: bool,
    /// What the stream sends first: its greeting, without a number, and what was sent before and lost.
    pub(super) preface: Option<Frame>,
    pub(super) again: Option<Burst>,
    pub(super) waker: Option<Waker>,
    /// The last frame of this stream, when it must end and the session goes on.
    pub(super) cut: Option<Frame>,
    pub(super) closed: Option<CloseCode>,
    last: Option<Frame>,
    overran: bool,
}

impl Outbox {
    /// An empty outbox, which stream number 0 reads.
    pub fn new(bounds: Bounds, held: ReplayBounds) -> Self {
        Self { bounds, held, state: Mutex::new(State { attached: true, ..State::default() }) }
    }

    /// The outbox of a session with these limits.
    pub fn of(limits: &SessionLimits) -> Self {
        Self::new(limits.into(), limits.into())
    }

    /// Puts in an event, or several gathered ones; `policy` is that of its namespace.
    pub fn put(&self, frame: &Frame, policy: BehindPolicy) -> Put {
        self.put_with(|queue, bounds| queue.put(frame, policy, bounds))
    }

    /// Puts in `based` if it has a place and if nothing was lost since `losses` were counted, else `full`. Also returns the
    /// count of losses after that.
    pub fn put_either(
        &self,
        full: &Frame,
        based: Option<&Frame>,
        losses: u64,
        policy: BehindPolicy,
    ) -> (Put, u64) {
        let mut now = losses;
        let put = self.put_with(|queue, bounds| {
            let put = based.and_then(|based| queue.put_based(based, losses, bounds));
            let put = put.unwrap_or_else(|| queue.put(full, policy, bounds));
            now = queue.losses();
            put
        });
        (put, now)
    }

    /// How often an event was dropped or owed so far.
    pub fn losses(&self) -> u64 {
        self.state.lock().queue.losses()
    }

    /// Puts in an answer or a notice. It is never dropped, but the session of a client that does not read is ended.
    pub fn answer(&self, frame: Frame) -> Put {
        self.put_with(|queue, bounds| queue.answer(frame, bounds))
    }

    /// Puts in a change of the keyed state of a room, which was as `before` says until then.
    pub fn put_state(&self, frame: &Frame, before: StateAfter) -> Put {
        self.put_with(|queue, bounds| queue.put_state(frame, before, bounds))
    }

    /// Puts in something that is to be read when the client comes to it.
    pub fn owe(&self, owed: Owed) -> Put {
        self.put_with(|queue, _| {
            queue.owe(owed);
            Put::Lags
        })
    }

    fn put_with(&self, put: impl FnOnce(&mut Queue, Bounds) -> Put) -> Put {
        let (put, waker) = {
            let mut state = self.state.lock();
            if state.closed.is_some() {
                return Put::Closed;
            }
            let bounds = self.bounds_of(&state);
            let put = match put(&mut state.queue, bounds) {
                // Nobody reads, so nobody is waited for.
                Put::Waits { displaced, .. } if !state.attached => Put::Waits { displaced, pressed: false },
                put => put,
            };
            state.overran |= put == Put::Overrun;
            (put, state.waker_after(put))
        };
        wake(waker);
        put
    }

    /// While nobody reads, what waits may take the place of what is held as well, and until that has been read: who
    /// comes back is not behind.
    fn bounds_of(&self, state: &State) -> Bounds {
        if state.attached && !state.catching_up {
            return self.bounds;
        }
        Bounds {
            frames: self.bounds.frames.max(self.held.frames),
            bytes: self.bounds.bytes.max(self.held.bytes),
        }
    }

    /// Puts in a `Ping` if nothing else waits.
    pub fn ping(&self) {
        if self.waiting().0 == 0 {
            self.answer(Frame::answer(0, Body::Ping(Ping {})));
        }
    }

    /// Puts what was read in the place of `owed`, and owes what is left of it. Does nothing when it is not next any more.
    pub fn settle(&self, owed: &Owed, frames: Vec<Frame>, rest: Rest) {
        let waker = {
            let mut state = self.state.lock();
            if state.reads() {
                state.queue.settle(owed, frames, rest);
            }
            state.waker.take()
        };
        wake(waker);
    }

    /// Notes that frames up to `seq` have arrived.
    pub fn seen(&self, seq: u32) {
        self.state.lock().replay.seen(seq);
    }

    /// Ends the session's stream after what waits and `last`, and takes nothing more. The first call decides.
    pub fn close(&self, code: CloseCode, last: Frame) {
        let waker = {
            let mut state = self.state.lock();
            if state.closed.is_some() {
                return;
            }
            state.closed = Some(code);
            state.last = Some(last);
            state.replay.clear();
            state.waker.take()
        };
        wake(waker);
    }

    /// Ends the stream that reads now, at once and with `last`; what waits is for the next one. From now on what does
    /// not fit is dropped and told. False when no stream reads.
    pub fn suspend(&self, last: Frame) -> bool {
        let (attached, waker) = {
            let mut state = self.state.lock();
            state.queue.fall_behind();
            if state.attached {
                state.cut = Some(last);
            }
            (state.attached, state.waker.take())
        };
        wake(waker);
        attached
    }

    /// Makes another stream the one that reads, beginning after `seq`; `greeting` makes its first frame. Returns the
    /// number of the stream; the one before ends.
    pub fn attach(&self, seq: u32, greeting: impl FnOnce() -> Frame) -> Result<u32, Lost> {
        let (stream, waker) = {
            let mut state = self.state.lock();
            if state.closed.is_some() {
                return Err(Lost::Ended);
            }
            state.again = state.replay.after(seq)?;
            state.replay.seen(seq);
            state.preface = Some(greeting());
            state.cut = None;
            state.queue.catch_up();
            (state.attached, state.follows, state.catching_up) = (true, false, true);
            state.stream += 1;
            (state.stream, state.waker.take())
        };
        wake(waker);
        Ok(stream)
    }

    /// Notes that a stream is gone. False when it was not the one that reads.
    pub fn detach(&self, stream: u32) -> bool {
        let mut state = self.state.lock();
        let current = state.stream == stream && state.attached;
        if current {
            (state.attached, state.waker) = (false, None);
            (state.preface, state.again, state.cut) = (None, None, None);
        }
        current
    }

    /// Abandons it unless a stream reads. False when one does.
    pub fn give_up(&self) -> bool {
        let away = {
            let mut state = self.state.lock();
            if !state.attached {
                state.closed.get_or_insert(CloseCode::SessionLost);
            }
            !state.attached
        };
        if away {
            self.abandon();
        }
        away
    }

    /// Whether an answer has found no place.
    pub fn overran(&self) -> bool {
        self.state.lock().overran
    }

    /// Drops what waits and takes nothing more: nobody will read it.
    pub fn abandon(&self) {
        let mut state = self.state.lock();
        state.closed.get_or_insert(CloseCode::SessionLost);
        state.queue.clear();
        state.replay.clear();
        (state.last, state.preface, state.again) = (None, None, None);
    }

    /// How it was closed, if it was.
    pub fn closed(&self) -> Option<CloseCode> {
        self.state.lock().closed
    }

    /// The stream that reads, or read last: the first has number 0.
    pub fn stream(&self) -> u32 {
        self.state.lock().stream
    }

    /// Whether a stream reads.
    pub fn attached(&self) -> bool {
        self.state.lock().attached
    }

    /// Whether its client is away: nobody reads, here or where it goes.
    pub fn away(&self) -> bool {
        let state = self.state.lock();
        !state.attached && !state.follows
    }

    /// Frames and bytes that wait, the last one of a closed session too.
    pub fn waiting(&self) -> (u32, u32) {
        let state = self.state.lock();
        let (frames, bytes) = state.queue.waiting();
        (frames + u32::from(state.last.is_some()), bytes)
    }

    /// What `stream` is to do next.
    ///
    /// *Cancel safety*: frames leave only with the burst that is returned, and are held until they are confirmed.
    pub fn poll_next(&self, stream: u32, now: Instant, context: &mut Context<'_>) -> Poll<Next> {
        let mut state = self.state.lock();
        if state.stream != stream {
            return Poll::Ready(Next::Cut(None));
        }
        if let Some(next) = state.next(now, self.held) {
            return Poll::Ready(next);
        }
        let waker = context.waker();
        if !state.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            state.waker = Some(waker.clone());
        }
        Poll::Pending
    }

    /// Panics when the counters and the queue disagree or a bound is passed. For tests, after each step.
    #[cfg(test)]
    pub fn check(&self) {
        self.check_beside(Bounds { frames: 0, bytes: 0 });
    }

    /// The same when so much was read from a history and waits beside what was put in.
    #[cfg(test)]
    pub fn check_beside(&self, read: Bounds) {
        let state = self.state.lock();
        let widest = Bounds {
            frames: self.bounds.frames.max(self.held.frames) + read.frames,
            bytes: self.bounds.bytes.max(self.held.bytes) + read.bytes,
        };
        state.queue.check(widest);
        state.replay.check();
    }
}

pub(super) fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl State {
    /// Whether what is owed is still read. Not for a session that was closed, but for one that said goodbye itself: it has asked for
    /// what comes before that.
    fn reads(&self) -> bool {
        self.closed.is_none_or(|code| code == CloseCode::Bye)
    }

    fn next(&mut self, now: Instant, held: ReplayBounds) -> Option<Next> {
        if let Some(last) = self.cut.take() {
            return Some(Next::Cut(Some(last)));
        }
        if let Some(preface) = self.preface.take() {
            return Some(Next::Burst(Burst::one(0, preface.into_record())));
        }
        if let Some(again) = self.again.take() {
            return Some(Next::Burst(again));
        }
        let front = self.queue.take();
        self.catching_up &= matches!(front, Front::Owed(_));
        match front {
            Front::Frame(frame) => Some(Next::Burst(self.sent_one(frame, now, held))),
            Front::Frames(frames) => Some(Next::Burst(self.sent(frames, now, held))),
            Front::Owed(owed) if self.reads() => Some(Next::Read(owed)),
            Front::Owed(_) | Front::Nothing => match self.last.take() {
                Some(last) => Some(Next::Burst(Burst::one(0, last.into_record()))),
                None => self.closed.map(|_| Next::End),
            },
        }
    }

    /// Numbers a frame and makes it a burst.
    fn sent_one(&mut self, frame: Frame, now: Instant, held: ReplayBounds) -> Burst {
        let first_seq = self.replay.last_seq().wrapping_add(1);
        Burst::one(first_seq, self.number(frame, now, held))
    }

    /// Numbers frames and makes them a burst.
    fn sent(&mut self, frames: Vec<Frame>, now: Instant, held: ReplayBounds) -> Burst {
        let first_seq = self.replay.last_seq().wrapping_add(1);
        let records = frames.into_iter().map(|frame| self.number(frame, now, held)).collect();
        Burst::many(first_seq, records)
    }

    fn number(&mut self, frame: Frame, now: Instant, held: ReplayBounds) -> Bytes {
        let count = frame.count();
        let record = frame.into_record();
        // Nobody comes back to a session that is closed.
        let held = if self.closed.is_some() { ReplayBounds { frames: 0, ..held } } else { held };
        self.replay.keep(&record, count, now, held);
        record
    }

    /// The waker to call after `put`, if the reader waits and there is something to read.
    fn waker_after(&mut self, put: Put) -> Option<Waker> {
        let readable = match put {
            Put::Waits { .. } | Put::Lags => true,
            Put::Dropped => self.queue.misses(),
            Put::Behind | Put::Overrun | Put::Closed => false,
        };
        if readable { self.waker.take() } else { None }
    }
}
