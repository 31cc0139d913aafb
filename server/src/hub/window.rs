//! The delivery window of a busy room: what comes within it is gathered and handed to each member as one shared
//! buffer, so that a connection is touched once per window and not once per event. The first event that finds the room
//! quiet goes at once. Pure: time comes as an argument.
//!
//! Why: the write system call is most of what a delivery costs. Measured on two cores with 1,000 members at 200
//! events/s, a window of 20 ms halves the server's CPU per delivery (`docs/benchmarks.md`).

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use super::delta::{Run, Said};
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
    gathered: Vec<Said>,
    bytes: usize,
}

impl Window {
    /// Decides about an event for a room of `members`, and keeps it if it is to be gathered.
    pub(super) fn take(&mut self, said: &Said, members: usize, pace: Pace) -> Step {
        let frame = &said.frame;
        let gatherable = matches!(frame.class(), Class::Reliable | Class::Volatile);
        let fits = self.gathered.len() < pace.frames_max
            && self.bytes.saturating_add(frame.bytes()) <= pace.bytes_max;
        let open = self.until.filter(|until| pace.now < *until || !self.gathered.is_empty());
        match open {
            Some(until) if gatherable && fits && members >= MEMBERS_MIN && !pace.window.is_zero() => {
                self.bytes += frame.bytes();
                self.gathered.push(said.clone());
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
    gathered: Vec<Said>,
    shared: Vec<Frame>,
    differing: HashSet<u64>,
    /// Who has not heard what the deltas are made from, and the first event that they are made from.
    unheard: HashSet<u64>,
    oldest: u64,
    /// For members that take deltas: from which event on they have got everything, and what they are handed.
    runs: HashMap<u64, Arc<[Run]>>,
}

impl Batch {
    fn new(gathered: Vec<Said>) -> Self {
        let differing = gathered.iter().filter_map(|event| event.except).collect();
        let shared = joined(gathered.iter());
        let deltas = || gathered.iter().filter_map(|event| event.delta.as_ref());
        let unheard = deltas().filter_map(|delta| delta.unheard_by).collect();
        let oldest = deltas().map(|delta| delta.base).min().unwrap_or(u64::MAX);
        Self { gathered, shared, differing, unheard, oldest, runs: HashMap::new() }
    }

    /// The frames for one member, in order. Shared by all but those for whom something is left out.
    pub(super) fn frames_for(&self, member: u64) -> std::borrow::Cow<'_, [Frame]> {
        if self.differing.contains(&member) {
            joined(self.gathered.iter().filter(|event| event.except != Some(member))).into()
        } else {
            self.shared.as_slice().into()
        }
    }

    /// The same for a member that takes deltas and has got everything since the event with that number. Shared by all
    /// who have heard the same.
    pub(super) fn runs_for(&mut self, member: u64, since: u64) -> Arc<[Run]> {
        if self.differing.contains(&member) || self.unheard.contains(&member) {
            return runs(&self.gathered, member, since).into();
        }
        // Whoever has got all that the deltas are made from is handed the same.
        let since = if since <= self.oldest { 0 } else { since };
        let gathered = &self.gathered;
        Arc::clone(self.runs.entry(since).or_insert_with(|| runs(gathered, member, since).into()))
    }
}

/// Joins neighbours of one class to one frame: their order is kept.
fn joined<'a>(events: impl Iterator<Item = &'a Said>) -> Vec<Frame> {
    let frames: Vec<&Frame> = events.map(|event| &event.frame).collect();
    let runs = frames.chunk_by(|one, next| one.class() == next.class());
    runs.map(|run| Frame::gathered(&run.iter().copied().cloned().collect::<Vec<_>>())).collect()
}

/// The same with and without deltas.
fn runs(gathered: &[Said], member: u64, since: u64) -> Vec<Run> {
    let heard: Vec<&Said> = gathered.iter().filter(|event| event.except != Some(member)).collect();
    let runs = heard.chunk_by(|one, next| one.frame.class() == next.frame.class()).map(|run| {
        let usable = |event: &&Said| {
            event.delta.as_ref().filter(|delta| delta.is_for(member, since)).map(|delta| delta.frame.clone())
        };
        let full: Vec<Frame> = run.iter().map(|event| event.frame.clone()).collect();
        let delta: Vec<Frame> =
            run.iter().map(|event| usable(event).unwrap_or_else(|| event.frame.clone())).collect();
        let full = Frame::gathered(&full);
        let delta = Some(Frame::gathered(&delta)).filter(Frame::is_based);
        Run { full, delta }
    });
    runs.collect()
}
