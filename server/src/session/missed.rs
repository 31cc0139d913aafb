//! What was dropped for a receiver, until it is told: by target, and where positions are known by them.

use std::collections::BTreeMap;

use rialto_proto::v1::{Event, Missed};

/// Targets for which drops are told one by one; more are told together.
const TARGETS_MAX: usize = 128;
/// Holes that are told one by one for one target; more only by their number.
const HOLES_MAX: usize = 64;

/// What a `Missed` has at most beside its names, in bytes.
const TOLD_BYTES: u32 = 128;

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
        let mut target = (namespace, rooms);
        if self.targets.len() >= TARGETS_MAX && !self.targets.contains_key(&target) {
            target = Target::default();
        }
        let bytes = told_bytes(&target.0, &target.1);
        let holes = self.targets.entry(target).or_default();
        let hole = Hole { count: 1, epoch, range: offset.map(|offset| (offset, offset)) };
        if holes.len() >= HOLES_MAX {
            // The last one stands for the rest, without positions.
            if let Some(last) = holes.last_mut() {
                *last = Hole { count: last.count.saturating_add(1), ..Hole::default() };
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
