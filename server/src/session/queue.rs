//! The bounded queue of an outbox: what may go in, what makes room for what, what becomes of the rest. Pure; the
//! meaning of it all is told at the head of `outbox.rs`, which is the only one to call it.

use std::collections::VecDeque;

use super::{
    missed::{Dropped, Gaps, Misses},
    owed::{Owed, StateAfter},
    put::{Bounds, Put},
};
use crate::{
    base::config::BehindPolicy,
    wire::{Class, Frame},
};

/// A quarter of the outbox is what volatile events may fill: a receiver with more to read than that is behind.
const VOLATILE_SHARE: u32 = 4;
/// Answers may fill the outbox this many times before the session is ended: its client asks without reading.
const ANSWERS_FACTOR: u32 = 2;
/// Part of the outbox beyond which senders are asked to let the receiver read.
const PRESSED_SHARE: u32 = 2;
/// How often senders are asked that before the receiver reads again.
const PATIENCE: u32 = 20;
/// What waits, in order.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) entries: VecDeque<Entry>,
    frames: u32,
    bytes: u32,
    droppable: u32,
    pub(super) owed: usize,
    /// The newest change of the state that is owed at the front: that may have been read already.
    pub(super) changed: Option<StateAfter>,
    /// What is missing after all that waits.
    pub(super) misses: Misses,
    /// Places among what waits where something is missing.
    pub(super) gaps: Gaps,
    asked: u32,
    behind: bool,
    /// How often an event was dropped or owed.
    pub(super) losses: u64,
    /// How much was put in behind all else since it was marked.
    pub(super) fresh: usize,
    /// What was dropped while the session moves between nodes.
    pub(super) dropped: Dropped,
}

#[derive(Debug)]
pub(super) enum Entry {
    Frame(Frame),
    /// Boxed: it is rare and larger than a frame.
    Owed(Box<Owed>),
    /// Events that were displaced from this place; rare as well.
    Gap(Box<Misses>),
}

/// What is next in the queue.
pub(super) enum Front {
    /// One frame, which is by far the most frequent case.
    Frame(Frame),
    /// Frames, up to the next thing that must be read first.
    Frames(Vec<Frame>),
    /// Something that must be read first.
    Owed(Owed),
    /// Nothing.
    Nothing,
}

impl Queue {
    /// Frames and bytes that wait.
    pub(super) fn waiting(&self) -> (u32, u32) {
        (self.frames, self.bytes)
    }

    /// How often an event was dropped, or owed, which else would have waited: who has put in others before and finds
    /// another count cannot be sure of them.
    pub(super) fn losses(&self) -> u64 {
        self.losses
    }

    /// True when something must be told that nobody has put in: that an event too large for an empty outbox is missing.
    pub(super) fn misses(&self) -> bool {
        !self.misses.is_empty() || !self.gaps.is_empty()
    }

    /// From now on what does not fit is dropped and told, whatever the policy: the stream is ending or has ended.
    pub(super) fn fall_behind(&mut self) {
        self.behind = true;
    }

    /// The receiver is back.
    pub(super) fn catch_up(&mut self) {
        (self.behind, self.asked, self.dropped) = (false, 0, Dropped::Told);
    }

    /// Drops what waits.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn put(&mut self, frame: &Frame, policy: BehindPolicy, bounds: Bounds) -> Put {
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
            BehindPolicy::Close if self.lag(frame) => Put::Lags,
            BehindPolicy::Close if !self.behind => {
                self.behind = true;
                self.miss(frame);
                Put::Behind
            }
            BehindPolicy::Close | BehindPolicy::Drop => {
                self.miss(frame);
                Put::Dropped
            }
            BehindPolicy::Latest => self.put_latest(frame, bounds, dropped),
        }
    }

    /// Puts in an event that can be read only after those before it, if there is a place and none of them was lost.
    pub(super) fn put_based(&mut self, frame: &Frame, losses: u64, bounds: Bounds) -> Option<Put> {
        (self.losses == losses && self.fits(frame, bounds)).then(|| self.waits(frame.clone(), 0, bounds))
    }

    pub(super) fn answer(&mut self, frame: Frame, bounds: Bounds) -> Put {
        let bounds = Bounds {
            frames: bounds.frames.saturating_mul(ANSWERS_FACTOR),
            bytes: bounds.bytes.saturating_mul(ANSWERS_FACTOR),
        };
        if !fits((self.frames, self.bytes), &frame, bounds) {
            return Put::Overrun;
        }
        self.append(frame);
        Put::Waits { displaced: 0, pressed: false }
    }

    /// What comes next, taken out but for what must be read first.
    pub(super) fn take(&mut self) -> Front {
        if let Some(Entry::Owed(owed)) = self.entries.front() {
            return Front::Owed((**owed).clone());
        }
        if self.owed == 0 {
            self.note_missed();
        }
        self.asked = 0;
        if let (1, Some(Entry::Frame(_))) = (self.entries.len(), self.entries.front()) {
            return self.remove(0).map_or(Front::Nothing, Front::Frame);
        }
        let mut frames = Vec::with_capacity(self.entries.len());
        loop {
            match self.entries.front_mut() {
                Some(Entry::Frame(_)) => frames.extend(self.remove(0)),
                Some(Entry::Gap(misses)) => {
                    frames.extend(self.gaps.close(misses).into_iter().map(Frame::missed));
                    self.entries.pop_front();
                }
                Some(Entry::Owed(_)) | None => break,
            }
        }
        if frames.is_empty() { Front::Nothing } else { Front::Frames(frames) }
    }

    fn put_volatile(&mut self, frame: &Frame, bounds: Bounds) -> Put {
        let share = Bounds { frames: bounds.frames / VOLATILE_SHARE, bytes: bounds.bytes / VOLATILE_SHARE };
        // A reader that has nothing to read is not behind, however large the event.
        let idle = self.frames == 0 && self.owed == 0 && self.fits(frame, bounds);
        if self.behind || (!idle && !self.fits(frame, share)) {
            return Put::Dropped;
        }
        self.append(frame.clone());
        Put::Waits { displaced: 0, pressed: false }
    }

    /// Drops older events, those of the same topic first, until `frame` fits.
    fn put_latest(&mut self, frame: &Frame, bounds: Bounds, mut displaced: u32) -> Put {
        while !self.fits(frame, bounds) {
            let same = |waiting: &Frame| waiting.topic() == frame.topic() && frame.topic() != 0;
            let at = self.position(same);
            // Not a number of members, which is told to nobody again.
            let event = |waiting: &Frame| waiting.class() != Class::Answer && !waiting.is_notice();
            let at = at.or_else(|| self.position(event));
            let Some((at, removed)) = at.and_then(|at| Some((at, self.remove(at)?))) else {
                self.miss(frame);
                return Put::Dropped;
            };
            displaced += removed.count();
            self.leave_gap(at, &removed);
            displaced += self.displace_based(at);
        }
        self.waits(frame.clone(), displaced, bounds)
    }

    /// Notes at the place of a frame that was taken out what is missing there.
    fn leave_gap(&mut self, at: usize, removed: &Frame) {
        self.losses += 1;
        if self.dropped.takes(removed) {
            return;
        }
        let is_gap = |at: &usize| matches!(self.entries.get(*at), Some(Entry::Gap(_)));
        let gap = [at.checked_sub(1), Some(at)].into_iter().flatten().find(is_gap);
        let gap = gap.unwrap_or_else(|| {
            self.entries.insert(at, Entry::Gap(self.gaps.open()));
            at
        });
        if let Some(Entry::Gap(misses)) = self.entries.get_mut(gap) {
            // A gap behind it is of what came later.
            self.gaps.add(misses, removed, gap == at);
        }
    }

    /// Takes out what waits behind a place where an event was taken out and may need that to be read.
    fn displace_based(&mut self, mut at: usize) -> u32 {
        let mut displaced = 0;
        while at < self.entries.len() {
            let based = |entry: &Entry| matches!(entry, Entry::Frame(waiting) if waiting.is_based());
            if !self.entries.get(at).is_some_and(based) {
                at += 1;
            } else if let Some(removed) = self.remove(at) {
                displaced += removed.count();
                self.leave_gap(at, &removed);
            }
        }
        displaced
    }

    /// Takes an event in, and says whether its sender should pause.
    pub(super) fn waits(&mut self, frame: Frame, displaced: u32, bounds: Bounds) -> Put {
        self.append(frame);
        let full = self.frames > bounds.frames / PRESSED_SHARE || self.bytes > bounds.bytes / PRESSED_SHARE;
        let pressed = full && self.asked < PATIENCE;
        self.asked += u32::from(pressed);
        Put::Waits { displaced, pressed }
    }

    /// Whether an event has a place after what must be said of those before it.
    pub(super) fn fits(&self, frame: &Frame, bounds: Bounds) -> bool {
        let (frames, bytes) = self.misses.waiting();
        fits((self.frames.saturating_add(frames), self.bytes.saturating_add(bytes)), frame, bounds)
    }

    /// Takes out volatile events, oldest first, until `frame` fits or none is left.
    fn make_room(&mut self, frame: &Frame, bounds: Bounds) -> u32 {
        let mut dropped = 0;
        let mut at = 0;
        while self.droppable > 0 && at < self.entries.len() && !self.fits(frame, bounds) {
            if matches!(&self.entries[at], Entry::Frame(waiting) if waiting.class() == Class::Volatile) {
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
        if let Some(at) = self.position(same) {
            self.remove(at);
        }
    }

    fn position(&self, wanted: impl Fn(&Frame) -> bool) -> Option<usize> {
        self.entries.iter().position(|entry| matches!(entry, Entry::Frame(frame) if wanted(frame)))
    }

    pub(super) fn append(&mut self, frame: Frame) {
        if !self.misses.is_empty() {
            self.note_missed();
        }
        self.count_in(&frame);
        self.fresh += 1;
        self.entries.push_back(Entry::Frame(frame));
    }

    pub(super) fn count_in(&mut self, frame: &Frame) {
        self.frames += frame.count();
        self.bytes += size(frame);
        self.droppable += u32::from(droppable(frame));
    }

    fn remove(&mut self, at: usize) -> Option<Frame> {
        let Entry::Frame(frame) = self.entries.remove(at)? else { return None };
        self.frames -= frame.count();
        self.bytes -= size(&frame);
        self.droppable -= u32::from(droppable(&frame));
        Some(frame)
    }

    /// Counts the events of `frame` as missed, by target.
    fn miss(&mut self, frame: &Frame) {
        self.losses += 1;
        let untold = if self.dropped.takes(frame) { Vec::new() } else { frame.events() };
        untold.into_iter().for_each(|event| self.misses.add(event));
    }

    /// Says what is missing, at the place where it is missing.
    pub(super) fn note_missed(&mut self) {
        for missed in self.misses.take() {
            let frame = Frame::missed(missed);
            self.count_in(&frame);
            self.fresh += 1;
            self.entries.push_back(Entry::Frame(frame));
        }
    }

    /// Panics when the counters and the entries disagree or a bound is passed. For tests, after each step.
    #[cfg(test)]
    pub(super) fn check(&self, bounds: Bounds) {
        let frames = || {
            self.entries.iter().filter_map(|entry| match entry {
                Entry::Frame(frame) => Some(frame),
                Entry::Owed(_) | Entry::Gap(_) => None,
            })
        };
        let gaps = || {
            self.entries.iter().filter_map(|entry| match entry {
                Entry::Gap(misses) => Some(&**misses),
                Entry::Frame(_) | Entry::Owed(_) => None,
            })
        };
        assert_eq!(self.frames, frames().map(Frame::count).sum::<u32>());
        assert_eq!(self.bytes as usize, frames().map(Frame::bytes).sum::<usize>());
        assert_eq!(self.droppable as usize, frames().filter(|frame| droppable(frame)).count());
        self.gaps.check(gaps());
        assert_eq!(self.owed, self.entries.len() - frames().count() - gaps().count());
        let events = || frames().filter(|frame| frame.class() != Class::Answer);
        let bytes: usize = events().map(Frame::bytes).sum();
        assert!(bytes <= bounds.bytes as usize, "events fill {bytes} bytes");
        assert!(events().map(Frame::count).sum::<u32>() <= bounds.frames);
        self.misses.check();
    }
}

/// Whether a frame has a place beside so many frames and bytes.
fn fits((frames, bytes): (u32, u32), frame: &Frame, bounds: Bounds) -> bool {
    frames.saturating_add(frame.count()) <= bounds.frames && bytes.saturating_add(size(frame)) <= bounds.bytes
}

/// Whether a frame may be taken out again for another one.
fn droppable(frame: &Frame) -> bool {
    matches!(frame.class(), Class::Volatile | Class::Latest)
}

/// The waiting length of a frame; a record is far below 4 GiB.
fn size(frame: &Frame) -> u32 {
    u32::try_from(frame.bytes()).unwrap_or(u32::MAX)
}
