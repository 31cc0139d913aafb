//! The delivery window of a busy room: what comes within it is gathered and handed to each member as one shared
//! buffer, so that a connection is touched once per window and not once per event. The first event that finds the room
//! quiet goes at once. Pure: time comes as an argument.
//!
//! Why: the write system call is most of what a delivery costs. Measured on two cores with 1,000 members at 200
//! events/s, a window of 20 ms halves the server's CPU per delivery (`docs/benchmarks.md`).

use std::{collections::HashSet, time::Duration};

use crate::{
    base::{clock::Instant, limits::SessionLimits},
    wire::{Class, Frame},
};

/// Rooms of fewer members gather nothing: there is little to save.
const MEMBERS_MIN: usize = 64;
/// Frames that are gathered before the window closes early.
const FRAMES_MAX: usize = 64;
/// Bytes that are gathered before the window closes early.
const BYTES_MAX: usize = 32 << 10;
/// What is gathered fills at most this part of an outbox, so that it always fits one that is not behind.
const OUTBOX_SHARE: usize = 4;

/// How long to gather, and how much.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// How long; zero is never.
    pub(super) window: Duration,
    /// Now.
    pub(super) now: Instant,
    frames_max: usize,
    bytes_max: usize,
}

impl Pace {
    pub(super) fn new(window: Duration, now: Instant, limits: &SessionLimits) -> Self {
        Self {
            window,
            now,
            frames_max: FRAMES_MAX.min(limits.outbox_frames_max as usize / OUTBOX_SHARE),
            bytes_max: BYTES_MAX.min(limits.outbox_bytes_max as usize / OUTBOX_SHARE),
        }
    }
}

/// What to do with an event.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Hand it out at once, after what is gathered.
    AtOnce,
    /// It is gathered; the window closes at this time.
    Gathered(Instant),
}

/// What a busy room has gathered.
#[derive(Debug, Default)]
pub(super) struct Window {
    until: Option<Instant>,
    gathered: Vec<Gathered>,
    bytes: usize,
}

/// An event and the session that does not hear it.
#[derive(Debug)]
struct Gathered {
    frame: Frame,
    except: Option<u64>,
}

impl Window {
    /// Decides about an event for a room of `members`, and keeps it if it is to be gathered.
    pub(super) fn take(&mut self, frame: &Frame, except: Option<u64>, members: usize, pace: Pace) -> Step {
        let gatherable = matches!(frame.class(), Class::Reliable | Class::Volatile);
        let fits = self.gathered.len() < pace.frames_max
            && self.bytes.saturating_add(frame.bytes()) <= pace.bytes_max;
        let open = self.until.filter(|until| pace.now < *until || !self.gathered.is_empty());
        match open {
            Some(until) if gatherable && fits && members >= MEMBERS_MIN && !pace.window.is_zero() => {
                self.bytes += frame.bytes();
                self.gathered.push(Gathered { frame: frame.clone(), except });
                Step::Gathered(until)
            }
            _ => {
                self.until = pace.now.checked_add(pace.window);
                Step::AtOnce
            }
        }
    }

    /// True when an event waits in it that was the first one.
    pub(super) fn has_one(&self) -> bool {
        self.gathered.len() == 1
    }

    /// Whether there is anything to hand out.
    pub(super) fn is_empty(&self) -> bool {
        self.gathered.is_empty()
    }

    /// Takes out what was gathered; the room stays busy until `until`.
    pub(super) fn close(&mut self, until: Option<Instant>) -> Batch {
        self.until = until;
        self.bytes = 0;
        Batch::new(std::mem::take(&mut self.gathered))
    }
}

/// What the members of a room are handed when its window closes.
#[derive(Debug)]
pub(super) struct Batch {
    gathered: Vec<Gathered>,
    shared: Vec<Frame>,
    differing: HashSet<u64>,
}

impl Batch {
    fn new(gathered: Vec<Gathered>) -> Self {
        let differing = gathered.iter().filter_map(|event| event.except).collect();
        let shared = joined(gathered.iter());
        Self { gathered, shared, differing }
    }

    /// The frames for one member, in order. Shared by all but those for whom something is left out.
    pub(super) fn frames_for(&self, member: u64) -> std::borrow::Cow<'_, [Frame]> {
        if self.differing.contains(&member) {
            joined(self.gathered.iter().filter(|event| event.except != Some(member))).into()
        } else {
            self.shared.as_slice().into()
        }
    }
}

/// Joins neighbours of one class to one frame: their order is kept.
fn joined<'a>(events: impl Iterator<Item = &'a Gathered>) -> Vec<Frame> {
    let mut runs: Vec<Vec<Frame>> = Vec::new();
    for event in events {
        match runs.last_mut() {
            Some(run) if run[0].class() == event.frame.class() => run.push(event.frame.clone()),
            _ => runs.push(vec![event.frame.clone()]),
        }
    }
    runs.into_iter().map(|run| Frame::gathered(&run)).collect()
}
