//! What was dropped for a receiver, until it is told: by target, and where positions are known by them.

use std::collections::BTreeMap;

use rialto_proto::v1::{Event, Missed};

/// Targets for which drops are told one by one; more are told together.
const TARGETS_MAX: usize = 128;
/// Holes that are told one by one for one target; more only by their number.
const HOLES_MAX: usize = 64;

/// Where an event was sent to.
type Target = (String, Vec<String>);

/// What was dropped and not told yet.
#[derive(Debug, Default)]
pub(super) struct Misses {
    targets: BTreeMap<Target, Vec<Hole>>,
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
        let holes = self.targets.entry(target).or_default();
        let hole = Hole { count: 1, epoch, range: offset.map(|offset| (offset, offset)) };
        if holes.len() >= HOLES_MAX {
            // The last one stands for the rest, without positions.
            if let Some(last) = holes.last_mut() {
                *last = Hole { count: last.count.saturating_add(1), ..Hole::default() };
            }
        } else if !holes.last_mut().is_some_and(|last| last.extend(&hole)) {
            holes.push(hole);
        }
    }

    /// Everything that is to be told, by target.
    pub(super) fn take(&mut self) -> Vec<Missed> {
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
