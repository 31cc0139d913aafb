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
    sent: VecDeque<Sent>,
    frames: u32,
    bytes: u32,
    /// The last number that was given.
    last_seq: u32,
}

#[derive(Debug)]
struct Sent {
    record: Bytes,
    count: u32,
    at: Instant,
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
fn size(record: &Bytes) -> u32 {
    u32::try_from(record.len()).unwrap_or(u32::MAX)
}
