//! What was dropped for a receiver, until it is told: by target, and where positions are known by them.

use std::collections::BTreeMap;

use rialto_proto::v1::{Event, Missed};

use crate::wire::Frame;

/// Targets for which drops are told one by one; more are told together.
const TARGETS_MAX: usize = 128;
/// Holes that are told one by one for one target; more only by their number.
const HOLES_MAX: usize = 64;

/// Frames that tell what is missing at all places together; beyond, what is missing is told by its number alone.
const GAP_FRAMES_MAX: u32 = 8_192;
/// What a `Missed` has at most beside its names, in bytes.
const TOLD_BYTES: u32 = 128;

/// Dropped events that are held or named: beyond, some may be told as missed that come all the same.
const DROPPED_MAX: usize = 8_192;

/// Where an event was sent to.
type Target = (String, Vec<String>);

/// What was dropped and not told yet.
#[derive(Debug, Default)]
pub(super) struct Misses {
    targets: BTreeMap<Target, Vec<Hole>>,
    frames: u32,
    bytes: u32,
}

/// Events of one target that are missing, one after the other.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Hole {
    count: u32,
    epoch: String,
    range: Option<(u64, u64)>,
}

impl Misses {
    /// True when there is nothing to tell.
    pub(super) fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// Notes that an event was dropped.
    pub(super) fn add(&mut self, event: Event) {
        let Event { namespace, rooms, offset, epoch, .. } = event;
        let hole = Hole { count: 1, epoch, range: offset.map(|offset| (offset, offset)) };
        self.add_hole((namespace, rooms), hole);
    }

    /// Notes that what `next` tells of is missing as well, behind all that is noted.
    pub(super) fn absorb(&mut self, next: Self) {
        for (target, holes) in next.targets {
            holes.into_iter().for_each(|hole| self.add_hole(target.clone(), hole));
        }
    }

    fn add_hole(&mut self, mut target: Target, hole: Hole) {
        if self.targets.len() >= TARGETS_MAX && !self.targets.contains_key(&target) {
            target = Target::default();
        }
        let bytes = told_bytes(&target.0, &target.1);
        let holes = self.targets.entry(target).or_default();
        if holes.len() >= HOLES_MAX {
            // The last one stands for the rest, without positions.
            if let Some(last) = holes.last_mut() {
                *last = Hole { count: last.count.saturating_add(hole.count), ..Hole::default() };
            }
        } else if !holes.last_mut().is_some_and(|last| last.extend(&hole)) {
            holes.push(hole);
            self.frames += 1;
            self.bytes = self.bytes.saturating_add(bytes);
        }
    }

    /// How many frames will tell of it, and their bytes at most.
    pub(super) fn waiting(&self) -> (u32, u32) {
        (self.frames, self.bytes)
    }

    /// Everything that is to be told, by target.
    pub(super) fn take(&mut self) -> Vec<Missed> {
        (self.frames, self.bytes) = (0, 0);
        let targets = std::mem::take(&mut self.targets).into_iter();
        targets
            .flat_map(|((namespace, rooms), holes)| {
                holes.into_iter().map(move |hole| missed(&namespace, &rooms, hole))
            })
            .collect()
    }

    /// Panics when a bound is passed. For tests, after each step.
    #[cfg(test)]
    pub(super) fn check(&self) {
        assert!(self.targets.len() <= TARGETS_MAX + 1);
        assert!(self.targets.values().all(|holes| !holes.is_empty() && holes.len() <= HOLES_MAX));
        assert_eq!(self.frames as usize, self.targets.values().map(Vec::len).sum::<usize>());
    }
}

/// Events that did not fit into an outbox while its session moved.
#[derive(Debug, Default)]
pub(super) enum Dropped {
    /// It does not: they are told as missed.
    #[default]
    Told,
    /// It leaves: they are told, and named, so that the new node does not hand them out.
    Named(Vec<String>),
    /// It arrives: they are told when it is known which of them have not come with the session.
    Held(Vec<Event>),
}

impl Dropped {
    /// Notes what was dropped. True when it is not to be told now.
    pub(super) fn takes(&mut self, frame: &Frame) -> bool {
        match self {
            Self::Named(ids) if ids.len() < DROPPED_MAX => {
                ids.extend(frame.events().into_iter().map(|event| event.event_id));
                false
            }
            Self::Held(events) if events.len() < DROPPED_MAX => {
                events.extend(frame.events().into_iter().map(|event| Event { content: None, ..event }));
                true
            }
            _ => false,
        }
    }
}

/// The places in an outbox where something is missing, all together: how many there are, and how much there is to tell.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    places: usize,
    frames: u32,
}

impl Gaps {
    /// True when nothing is missing anywhere.
    pub(super) fn is_empty(&self) -> bool {
        self.places == 0
    }

    /// A new place.
    pub(super) fn open(&mut self) -> Box<Misses> {
        self.places += 1;
        Box::default()
    }

    /// Notes that what was in `removed` is missing at a place: before what is noted there, or behind it.
    pub(super) fn add(&mut self, place: &mut Misses, removed: &Frame, before: bool) {
        let later = if before { std::mem::take(place) } else { Misses::default() };
        let known = later.frames + place.frames;
        let exact = self.frames < GAP_FRAMES_MAX;
        for event in removed.events() {
            place.add(if exact { event } else { Event::default() });
        }
        place.absorb(later);
        self.frames = self.frames.saturating_add(place.frames).saturating_sub(known);
    }

    /// What is to be told at a place, which is none any more.
    pub(super) fn close(&mut self, place: &mut Misses) -> Vec<Missed> {
        self.places -= 1;
        self.frames -= place.frames;
        place.take()
    }

    /// Panics when these are not all places, or a bound is passed. For tests, after each step.
    #[cfg(test)]
    pub(super) fn check<'a>(&self, places: impl Iterator<Item = &'a Misses> + Clone) {
        assert_eq!(self.places, places.clone().count());
        assert_eq!(self.frames, places.clone().map(|place| place.frames).sum::<u32>());
        // Beyond the bound each place has one frame more, for the number alone.
        assert!(self.frames as usize <= GAP_FRAMES_MAX as usize + self.places);
        places.for_each(Misses::check);
    }
}

impl Hole {
    fn extend(&mut self, next: &Self) -> bool {
        let follows = match (self.range, next.range) {
            (None, None) => true,
            (Some((_, last)), Some((first, _))) => {
                first == last.saturating_add(1) && self.epoch == next.epoch
            }
            _ => false,
        };
        if follows {
            self.count = self.count.saturating_add(next.count);
            self.range = self.range.zip(next.range).map(|((from, _), (_, to))| (from, to));
        }
        follows
    }
}

/// What a `Missed` of these rooms has at most, in bytes.
pub(super) fn told_bytes(namespace: &str, rooms: &[String]) -> u32 {
    let names = rooms.iter().map(|room| room.len() + 4).sum::<usize>() + namespace.len();
    TOLD_BYTES.saturating_add(u32::try_from(names).unwrap_or(u32::MAX))
}

fn missed(namespace: &str, rooms: &[String], hole: Hole) -> Missed {
    Missed {
        namespace: namespace.to_owned(),
        rooms: rooms.to_vec(),
        count: hole.count,
        from_offset: hole.range.map(|(from, _)| from),
        to_offset: hole.range.map(|(_, to)| to),
        epoch: hole.epoch,
    }
}
