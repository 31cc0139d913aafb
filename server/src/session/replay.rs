//! What was sent and is not known to have arrived: held for a stream that may be lost, bounded in frames, bytes and
//! time. Pure: time comes as an argument.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;

use crate::{
    base::{clock::Instant, limits::SessionLimits},
    wire::{Burst, frame},
};

/// The bounds of what is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayBounds {
    /// Frames.
    pub frames: u32,
    /// Bytes.
    pub bytes: u32,
    /// How long a frame is held.
    pub age: Duration,
}

/// How much longer frames are held than a session outlives its stream: until a dead connection is noticed.
const NOTICED_WITHIN: Duration = Duration::from_secs(60);

impl From<&SessionLimits> for ReplayBounds {
    fn from(limits: &SessionLimits) -> Self {
        // Nothing is held for a session that ends with its stream.
        let held = !limits.resume_window.is_zero();
        Self {
            frames: if held { limits.replay_frames_max } else { 0 },
            bytes: if held { limits.replay_bytes_max } else { 0 },
            age: limits.resume_window + NOTICED_WITHIN,
        }
    }
}

/// Why a stream cannot go on after a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// Frames after it are not held any more.
    #[error("frames after that number are not held any more")]
    Gone,
    /// The session has ended.
    #[error("the session has ended")]
    Ended,
    /// Nothing has that number yet.
    #[error("no frame has that number yet")]
    Ahead,
}

/// Frames that were sent, by rising number.
#[derive(Debug, Default)]
pub struct Replay {
    pub(super) sent: VecDeque<Sent>,
    pub(super) frames: u32,
    pub(super) bytes: u32,
    /// The last number that was given.
    pub(super) last_seq: u32,
}

#[derive(Debug)]
pub(super) struct Sent {
    pub(super) record: Bytes,
    pub(super) count: u32,
    pub(super) at: Instant,
}

impl Replay {
    /// The last number that was given.
    pub fn last_seq(&self) -> u32 {
        self.last_seq
    }

    /// Numbers `count` frames that are sent now, and holds them.
    pub fn keep(&mut self, record: &Bytes, count: u32, now: Instant, bounds: ReplayBounds) {
        self.last_seq = self.last_seq.wrapping_add(count);
        if bounds.frames == 0 {
            return;
        }
        self.frames += count;
        self.bytes = self.bytes.saturating_add(size(record));
        self.sent.push_back(Sent { record: record.clone(), count, at: now });
        while let Some(oldest) = self.sent.front()
            && (self.frames > bounds.frames
                || self.bytes > bounds.bytes
                || now.saturating_duration_since(oldest.at) > bounds.age)
        {
            self.drop_oldest();
        }
    }

    /// Forgets frames up to `seq`: they have arrived.
    pub fn seen(&mut self, seq: u32) {
        while let Some(oldest) = self.sent.front()
            && self.first_seq().wrapping_add(oldest.count - 1) <= seq
        {
            self.drop_oldest();
        }
        if self.sent.is_empty() {
            // What a burst once needed is given back.
            self.sent.shrink_to(0);
        }
    }

    /// Everything that was sent after `seq`, under its old numbers; `None` when that is nothing.
    pub fn after(&self, seq: u32) -> Result<Option<Burst>, Lost> {
        if seq > self.last_seq {
            return Err(Lost::Ahead);
        }
        if seq == self.last_seq {
            return Ok(None);
        }
        let mut next = self.first_seq();
        if seq.wrapping_add(1) < next {
            return Err(Lost::Gone);
        }
        let mut records = Vec::new();
        for sent in &self.sent {
            let known = seq.wrapping_add(1).saturating_sub(next);
            if known < sent.count {
                records.push(frame::skip(sent.record.clone(), known));
            }
            next = next.wrapping_add(sent.count);
        }
        Ok(Some(Burst::many(seq.wrapping_add(1), records)))
    }

    /// Forgets everything that is held.
    pub fn clear(&mut self) {
        self.sent = VecDeque::new();
        (self.frames, self.bytes) = (0, 0);
    }

    /// Frames and bytes that are held.
    pub fn held(&self) -> (u32, u32) {
        (self.frames, self.bytes)
    }

    /// The number of the oldest frame that is held.
    fn first_seq(&self) -> u32 {
        self.last_seq.wrapping_sub(self.frames).wrapping_add(1)
    }

    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.sent.pop_front() {
            self.frames -= oldest.count;
            self.bytes = self.bytes.saturating_sub(size(&oldest.record));
        }
    }

    /// Panics when its counters disagree with what it holds. For tests, after each step.
    #[cfg(test)]
    pub fn check(&self) {
        assert_eq!(self.frames, self.sent.iter().map(|sent| sent.count).sum::<u32>());
        assert_eq!(self.bytes as usize, self.sent.iter().map(|sent| sent.record.len()).sum::<usize>());
        assert!(self.frames <= self.last_seq);
    }
}

/// A record is far below 4 GiB.
pub(super) fn size(record: &Bytes) -> u32 {
    u32::try_from(record.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use rialto_proto::v1::{AttachResponse, Event, server_frame::Frame as Body};

    use super::*;
    use crate::{
        base::clock,
        wire::{Class, Frame},
    };

    const BOUNDS: ReplayBounds = ReplayBounds { frames: 10, bytes: 10_000, age: Duration::from_secs(60) };

    fn event(number: u32, bytes: usize) -> Frame {
        let event =
            Event { event_id: number.to_string(), reply_token: "x".repeat(bytes), ..Event::default() };
        Frame::event(event, Class::Reliable)
    }

    /// Holds the frames `numbers` as one record.
    fn keep(replay: &mut Replay, numbers: std::ops::RangeInclusive<u32>, now: Instant, bounds: ReplayBounds) {
        let frames: Vec<Frame> = numbers.map(|number| event(number, 200 * number as usize % 700)).collect();
        let frame = Frame::gathered(&frames);
        replay.keep(frame.record(), frame.count(), now, bounds);
        replay.check();
    }

    /// The numbers that come again after `seq`, each of which says itself which it is.
    fn again(replay: &Replay, seq: u32) -> Result<Vec<u32>, Lost> {
        let Some(burst) = replay.after(seq)? else { return Ok(Vec::new()) };
        let response = AttachResponse::decode(burst.encode_to_vec().as_slice()).unwrap();
        assert_eq!(response.first_seq, seq + 1);
        let number = |frame: rialto_proto::v1::ServerFrame| match frame.frame {
            Some(Body::Event(event)) => event.event_id.parse().unwrap(),
            other => panic!("{other:?}"),
        };
        Ok(response.frames.into_iter().map(number).collect())
    }

    fn numbers(numbers: std::ops::RangeInclusive<u32>) -> Result<Vec<u32>, Lost> {
        Ok(numbers.collect())
    }

    #[test]
    fn everything_after_a_number_comes_again_even_from_within_a_record() {
        let (mut replay, now) = (Replay::default(), clock::now());
        assert_eq!(again(&replay, 0), Ok(Vec::new()));
        for records in [1..=1, 2..=5, 6..=6, 7..=9] {
            keep(&mut replay, records, now, BOUNDS);
        }
        for seq in 0..=9 {
            assert_eq!(again(&replay, seq), numbers(seq + 1..=9));
        }
        assert_eq!(again(&replay, 10), Err(Lost::Ahead));
        assert_eq!(again(&replay, u32::MAX), Err(Lost::Ahead));
    }

    #[test]
    fn what_was_seen_is_gone_but_for_the_rest_of_its_record() {
        let (mut replay, now) = (Replay::default(), clock::now());
        for records in [1..=1, 2..=5, 6..=9] {
            keep(&mut replay, records, now, BOUNDS);
        }
        replay.seen(1);
        replay.check();
        assert_eq!(again(&replay, 0), Err(Lost::Gone));
        replay.seen(4);
        replay.check();
        assert_eq!(replay.held().0, 8, "a record goes as a whole");
        assert_eq!(again(&replay, 4), numbers(5..=9));
        // Not even what is beyond everything does harm, nor what was seen before.
        replay.seen(5);
        replay.seen(2);
        assert_eq!(again(&replay, 4), Err(Lost::Gone));
        assert_eq!(again(&replay, 5), numbers(6..=9));
        replay.seen(u32::MAX);
        replay.check();
        assert_eq!((replay.held(), replay.last_seq()), ((0, 0), 9));
        assert_eq!(again(&replay, 9), Ok(Vec::new()));
        assert_eq!(again(&replay, 8), Err(Lost::Gone));
        keep(&mut replay, 10..=11, now, BOUNDS);
        assert_eq!(again(&replay, 9), numbers(10..=11));
    }

    #[test]
    fn only_so_many_frames_are_held() {
        let (mut replay, now) = (Replay::default(), clock::now());
        (1..=5).for_each(|number| keep(&mut replay, number..=number, now, BOUNDS));
        keep(&mut replay, 6..=10, now, BOUNDS);
        assert_eq!(again(&replay, 0), numbers(1..=10), "ten fit");
        keep(&mut replay, 11..=11, now, BOUNDS);
        assert_eq!(again(&replay, 0), Err(Lost::Gone));
        assert_eq!(again(&replay, 1), numbers(2..=11));
        // More than fit at once cannot be held at all.
        keep(&mut replay, 12..=22, now, BOUNDS);
        assert_eq!(replay.held(), (0, 0));
        assert_eq!(again(&replay, 21), Err(Lost::Gone));
        assert_eq!(again(&replay, 22), Ok(Vec::new()));
    }

    #[test]
    fn only_so_many_bytes_are_held() {
        let (mut replay, now) = (Replay::default(), clock::now());
        let bytes = event(1, 100).record().len();
        let bounds = ReplayBounds { bytes: bytes as u32 * 2, ..BOUNDS };
        for number in 1..=3 {
            replay.keep(event(number, 100).record(), 1, now, bounds);
            replay.check();
        }
        assert_eq!(replay.held(), (2, bounds.bytes));
        assert_eq!(again(&replay, 0), Err(Lost::Gone));
        assert_eq!(again(&replay, 1), numbers(2..=3));
        replay.keep(event(4, 1_000).record(), 1, now, bounds);
        assert_eq!(replay.held(), (0, 0), "larger than all");
    }

    #[test]
    fn nothing_is_held_beyond_its_time() {
        let (mut replay, start) = (Replay::default(), clock::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        keep(&mut replay, 1..=1, at(0), BOUNDS);
        keep(&mut replay, 2..=3, at(30), BOUNDS);
        keep(&mut replay, 4..=4, at(60), BOUNDS);
        assert_eq!(again(&replay, 0), numbers(1..=4), "a minute is not over");
        keep(&mut replay, 5..=5, at(61), BOUNDS);
        assert_eq!(again(&replay, 0), Err(Lost::Gone));
        assert_eq!(again(&replay, 1), numbers(2..=5));
        keep(&mut replay, 6..=6, at(200), BOUNDS);
        assert_eq!(again(&replay, 4), Err(Lost::Gone));
        assert_eq!(again(&replay, 5), numbers(6..=6));
    }

    #[test]
    fn a_session_that_ends_with_its_stream_holds_nothing_and_still_numbers() {
        let limits = SessionLimits { resume_window: Duration::ZERO, ..SessionLimits::default() };
        let (mut replay, bounds) = (Replay::default(), ReplayBounds::from(&limits));
        keep(&mut replay, 1..=3, clock::now(), bounds);
        assert_eq!((replay.held(), replay.last_seq()), ((0, 0), 3));
        assert_eq!(again(&replay, 2), Err(Lost::Gone));
        assert_eq!(again(&replay, 3), Ok(Vec::new()));
    }
}
