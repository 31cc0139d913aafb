//! What one client has still to be told: a bounded queue of frames, polled as the response stream.
//!
//! # Falling behind
//! A receiver that does not read fills its outbox. Volatile events wait only while it is nearly empty, and make room
//! first. A `latest` event takes the place of the one before it. When a reliable event finds the outbox full, the
//! policy of its namespace decides: *close* (nothing more is taken, the caller closes the session), *drop* (the event
//! is dropped), *latest* (older events of the same topic are displaced, else the oldest event). What was dropped of
//! reliable and latest events is told by one `Missed` for each target, at the place in the stream where they are missing.
//! Answers are never dropped; a client that asks for more answers than it reads is closed.
//!
//! # Pressure
//! A sender may have more to say at once than an outbox holds. When an event fills a receiver's outbox beyond half, its
//! sender is asked to pause, so that a receiver that reads is never closed for what it was not given time to read.
//!
//! # Order
//! Frames leave in the order in which they were put in. Sequence numbers are given when they leave.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    task::{Context, Poll, Waker},
};

use rialto_proto::v1::{CloseCode, Missed, Ping, server_frame::Frame as Body};

use crate::{
    base::{config::BehindPolicy, limits::SessionLimits, sync::Mutex},
    wire::{Burst, Class, Frame},
};

/// A quarter of the outbox is what volatile events may fill: a receiver with more to read than that is behind.
const VOLATILE_SHARE: u32 = 4;
/// Answers may fill the outbox this many times before the client is closed: it asks without reading.
const ANSWERS_FACTOR: u32 = 2;
/// Part of the outbox beyond which senders are asked to let the receiver read.
const PRESSED_SHARE: u32 = 2;
/// How often senders are asked that before the receiver reads again.
const PATIENCE: u32 = 20;
/// Targets for which drops are told one by one; more are told together.
const MISSED_TARGETS_MAX: usize = 128;

/// The bounds of an outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Frames that may wait.
    pub frames: u32,
    /// Bytes that may wait.
    pub bytes: u32,
}

impl From<&SessionLimits> for Bounds {
    fn from(limits: &SessionLimits) -> Self {
        Self { frames: limits.outbox_frames_max, bytes: limits.outbox_bytes_max }
    }
}

/// What became of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It waits. `displaced` events were dropped for it.
    Waits {
        /// How many events were dropped to make room.
        displaced: u32,
        /// The outbox is more than half full, so the sender should let its receiver read. Said only [`PATIENCE`] times
        /// until the receiver reads: one that has stopped holds nobody up.
        pressed: bool,
    },
    /// It was dropped.
    Dropped,
    /// The receiver has just fallen behind: the caller closes the session. Nothing more is taken.
    Behind,
    /// The session is closed or about to be; nothing is taken.
    Closed,
}

/// A bounded queue of frames toward one client.
#[derive(Debug)]
pub struct Outbox {
    bounds: Bounds,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Frame>,
    frames: u32,
    bytes: u32,
    droppable: u32,
    missed: BTreeMap<(String, Vec<String>), u32>,
    sent_seq: u32,
    waker: Option<Waker>,
    asked: u32,
    behind: bool,
    closed: Option<CloseCode>,
}

impl Outbox {
    /// An empty outbox.
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, state: Mutex::new(State::default()) }
    }

    /// Puts in an event, or several gathered ones; `policy` is that of its namespace.
    pub fn put(&self, frame: &Frame, policy: BehindPolicy) -> Put {
        let (put, waker) = {
            let mut state = self.state.lock();
            let put = state.put(frame, policy, self.bounds);
            (put, state.waker_after(put))
        };
        wake(waker);
        put
    }

    /// Puts in an answer or a notice. It is never dropped, but a client that does not read is closed.
    pub fn answer(&self, frame: Frame) -> Put {
        let (put, waker) = {
            let mut state = self.state.lock();
            let put = state.answer(frame, self.bounds);
            (put, state.waker_after(put))
        };
        wake(waker);
        put
    }

    /// Puts in a `Ping` if nothing else waits.
    pub fn ping(&self) {
        if self.waiting().0 == 0 {
            self.answer(Frame::answer(0, Body::Ping(Ping {})));
        }
    }

    /// Ends the stream after what waits and `last`. The first call decides.
    pub fn close(&self, code: CloseCode, last: Frame) {
        let waker = {
            let mut state = self.state.lock();
            if state.closed.is_some() {
                return;
            }
            state.closed = Some(code);
            state.note_missed();
            state.append(last);
            state.waker.take()
        };
        wake(waker);
    }

    /// Drops what waits and takes nothing more: the stream is gone.
    pub fn abandon(&self) {
        let mut state = self.state.lock();
        state.closed.get_or_insert(CloseCode::SessionLost);
        state.queue = VecDeque::new();
        state.missed.clear();
        (state.frames, state.bytes, state.droppable) = (0, 0, 0);
    }

    /// How it was closed, if it was.
    pub fn closed(&self) -> Option<CloseCode> {
        self.state.lock().closed
    }

    /// Frames and bytes that wait.
    pub fn waiting(&self) -> (u32, u32) {
        let state = self.state.lock();
        (state.frames, state.bytes)
    }

    /// Everything that waits, as one burst; `None` after the last.
    ///
    /// *Cancel safety*: frames leave only with the burst that is returned.
    pub fn poll_burst(&self, context: &mut Context<'_>) -> Poll<Option<Burst>> {
        let mut state = self.state.lock();
        if let Some(burst) = state.take() {
            return Poll::Ready(Some(burst));
        }
        if state.closed.is_some() {
            return Poll::Ready(None);
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
        let state = self.state.lock();
        let queue = &state.queue;
        assert_eq!(state.frames, queue.iter().map(Frame::count).sum::<u32>());
        assert_eq!(state.bytes as usize, queue.iter().map(Frame::bytes).sum::<usize>());
        assert_eq!(state.droppable as usize, queue.iter().filter(|frame| droppable(frame)).count());
        let events = queue.iter().filter(|frame| frame.class() != Class::Answer);
        let bytes: usize = events.clone().map(Frame::bytes).sum();
        assert!(bytes <= self.bounds.bytes as usize, "events fill {bytes} bytes");
        assert!(events.map(Frame::count).sum::<u32>() <= self.bounds.frames);
        assert!(state.missed.len() <= MISSED_TARGETS_MAX + 1);
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// Whether a frame may be taken out again for another one.
fn droppable(frame: &Frame) -> bool {
    matches!(frame.class(), Class::Volatile | Class::Latest)
}

/// The waiting length of a frame; a record is far below 4 GiB.
fn size(frame: &Frame) -> u32 {
    u32::try_from(frame.bytes()).unwrap_or(u32::MAX)
}

impl State {
    fn put(&mut self, frame: &Frame, policy: BehindPolicy, bounds: Bounds) -> Put {
        if self.behind || self.closed.is_some() {
            return Put::Closed;
        }
        match frame.class() {
            Class::Answer => return self.answer(frame.clone(), bounds),
            Class::Volatile => return self.put_volatile(frame, bounds),
            Class::Latest => self.displace_topic(frame.topic()),
            Class::Reliable => {}
        }
        if self.fits(frame, bounds) {
            return self.waits(frame.clone(), 0, bounds);
        }
        let dropped = self.make_room(frame, bounds);
        if self.fits(frame, bounds) {
            return self.waits(frame.clone(), dropped, bounds);
        }
        match policy {
            BehindPolicy::Close => {
                self.behind = true;
                Put::Behind
            }
            BehindPolicy::Drop => {
                self.miss(frame);
                Put::Dropped
            }
            BehindPolicy::Latest => self.put_latest(frame, bounds, dropped),
        }
    }

    fn put_volatile(&mut self, frame: &Frame, bounds: Bounds) -> Put {
        let share = Bounds { frames: bounds.frames / VOLATILE_SHARE, bytes: bounds.bytes / VOLATILE_SHARE };
        // A reader that has nothing to read is not behind, however large the event.
        let idle = self.frames == 0 && self.fits(frame, bounds);
        if !idle && !self.fits(frame, share) {
            return Put::Dropped;
        }
        self.append(frame.clone());
        Put::Waits { displaced: 0, pressed: false }
    }

    /// Drops older events, those of the same topic first, until `frame` fits.
    fn put_latest(&mut self, frame: &Frame, bounds: Bounds, mut displaced: u32) -> Put {
        while !self.fits(frame, bounds) {
            let same = |waiting: &Frame| waiting.topic() == frame.topic() && frame.topic() != 0;
            let at = self.queue.iter().position(same);
            let at = at.or_else(|| self.queue.iter().position(|waiting| waiting.class() != Class::Answer));
            let Some(removed) = at.and_then(|at| self.remove(at)) else {
                self.miss(frame);
                return Put::Dropped;
            };
            displaced += removed.count();
            self.miss(&removed);
        }
        self.waits(frame.clone(), displaced, bounds)
    }

    fn answer(&mut self, frame: Frame, bounds: Bounds) -> Put {
        if self.behind || self.closed.is_some() {
            return Put::Closed;
        }
        let bounds = Bounds {
            frames: bounds.frames.saturating_mul(ANSWERS_FACTOR),
            bytes: bounds.bytes.saturating_mul(ANSWERS_FACTOR),
        };
        if !self.fits(&frame, bounds) {
            self.behind = true;
            return Put::Behind;
        }
        self.append(frame);
        Put::Waits { displaced: 0, pressed: false }
    }

    /// Takes an event in, and says whether its sender should pause.
    fn waits(&mut self, frame: Frame, displaced: u32, bounds: Bounds) -> Put {
        self.append(frame);
        let full = self.frames > bounds.frames / PRESSED_SHARE || self.bytes > bounds.bytes / PRESSED_SHARE;
        let pressed = full && self.asked < PATIENCE;
        self.asked += u32::from(pressed);
        Put::Waits { displaced, pressed }
    }

    fn fits(&self, frame: &Frame, bounds: Bounds) -> bool {
        let frames = self.frames.saturating_add(frame.count());
        let bytes = self.bytes.saturating_add(size(frame));
        frames <= bounds.frames && bytes <= bounds.bytes
    }

    /// Takes out volatile events, oldest first, until `frame` fits or none is left.
    fn make_room(&mut self, frame: &Frame, bounds: Bounds) -> u32 {
        let mut dropped = 0;
        let mut at = 0;
        while self.droppable > 0 && at < self.queue.len() && !self.fits(frame, bounds) {
            if self.queue[at].class() == Class::Volatile {
                dropped += self.remove(at).map_or(0, |removed| removed.count());
            } else {
                at += 1;
            }
        }
        dropped
    }

    /// Takes out the waiting `latest` event of this topic: the new one stands for it.
    fn displace_topic(&mut self, topic: u64) {
        if self.droppable == 0 {
            return;
        }
        let same = |waiting: &Frame| waiting.class() == Class::Latest && waiting.topic() == topic;
        if let Some(at) = self.queue.iter().position(same) {
            self.remove(at);
        }
    }

    fn append(&mut self, frame: Frame) {
        self.frames += frame.count();
        self.bytes += size(&frame);
        self.droppable += u32::from(droppable(&frame));
        self.queue.push_back(frame);
    }

    fn remove(&mut self, at: usize) -> Option<Frame> {
        let frame = self.queue.remove(at)?;
        self.frames -= frame.count();
        self.bytes -= size(&frame);
        self.droppable -= u32::from(droppable(&frame));
        Some(frame)
    }

    /// Counts the events of `frame` as missed, by target.
    fn miss(&mut self, frame: &Frame) {
        for event in frame.events() {
            let mut target = (event.namespace, event.rooms);
            if self.missed.len() >= MISSED_TARGETS_MAX && !self.missed.contains_key(&target) {
                target = (String::new(), Vec::new());
            }
            *self.missed.entry(target).or_default() += 1;
        }
    }

    /// Says what is missing, after the frames between which it is missing.
    fn note_missed(&mut self) {
        for ((namespace, rooms), count) in std::mem::take(&mut self.missed) {
            let missed =
                Missed { namespace, rooms, count, from_offset: None, to_offset: None, ..Default::default() };
            self.append(Frame::missed(missed));
        }
    }

    fn take(&mut self) -> Option<Burst> {
        self.note_missed();
        let first_seq = self.sent_seq.wrapping_add(1);
        self.sent_seq = self.sent_seq.wrapping_add(self.frames);
        (self.frames, self.bytes, self.droppable, self.asked) = (0, 0, 0, 0);
        match self.queue.len() {
            0 => None,
            1 => self.queue.pop_front().map(|frame| Burst::one(first_seq, frame.into_record())),
            _ => Some(Burst::many(first_seq, self.queue.drain(..).map(Frame::into_record).collect())),
        }
    }

    /// The waker to call after `put`, if the reader waits and there is something to read: also that an event is missing,
    /// which was too large for an empty outbox.
    fn waker_after(&mut self, put: Put) -> Option<Waker> {
        let readable = match put {
            Put::Waits { .. } => true,
            Put::Dropped => !self.missed.is_empty(),
            Put::Behind | Put::Closed => false,
        };
        if readable { self.waker.take() } else { None }
    }
}

/// The outbox as the stream of bursts that gRPC sends. Dropping it abandons the outbox.
#[derive(Debug)]
pub struct Bursts(pub Arc<Outbox>);

impl Drop for Bursts {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

#[cfg(all(test, not(feature = "loom")))]
#[path = "outbox_model.rs"]
mod outbox_model;

#[cfg(all(test, feature = "loom"))]
#[path = "outbox_loom.rs"]
mod outbox_loom;
