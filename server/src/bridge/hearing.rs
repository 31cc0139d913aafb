//! The places where this node listens, and how it does: by themselves, or rooms with all others of their partition.

use tokio_util::sync::CancellationToken;

use super::{
    partitions::{Partitions, Ready},
    subjects::Place,
};
use crate::base::{clock::Instant, hash::HashMap};

/// All places.
#[derive(Debug)]
pub(super) struct Hearings {
    pub(super) places: HashMap<Place, Hearing>,
    pub(super) partitions: Partitions,
}

/// One place.
#[derive(Debug)]
pub(super) struct Hearing {
    /// Who relies on it at this moment beside its members.
    pub(super) pins: u32,
    /// Set when it is known whether it is listened to.
    pub(super) ready: Ready,
    pub(super) way: Way,
    /// Since when nobody is there.
    pub(super) empty_since: Option<Instant>,
}

/// How a place is listened to.
#[derive(Debug)]
pub(super) enum Way {
    /// By itself, until this is cancelled.
    Single(CancellationToken),
    /// With all rooms of its partition.
    Partition,
}

impl Hearings {
    /// Nothing is listened to yet, and no more than `rooms_max` rooms will be one by one.
    pub(super) fn new(rooms_max: usize) -> Self {
        Self { places: HashMap::default(), partitions: Partitions::new(rooms_max) }
    }

    /// A place is not listened to any more.
    pub(super) fn forget(&mut self, place: &Place, cluster: &str) {
        let Some(hearing) = self.places.remove(place) else { return };
        match (hearing.way, place.partition()) {
            (Way::Single(ends), partition) => {
                ends.cancel();
                partition.into_iter().for_each(|partition| self.partitions.count(partition, false));
            }
            (Way::Partition, Some(partition)) => self.partitions.leave(partition, &place.subject(cluster)),
            (Way::Partition, None) => {}
        }
    }

    /// A room that is listened to by itself is not any more, when the whole of its partition is: what was said until then has come
    /// both ways.
    pub(super) fn join_partition(&mut self, place: &Place, cluster: &str) {
        let Some(partition) = place.partition() else { return };
        let whole = self.partitions.whole(partition);
        let Some(whole) = whole.filter(|whole| matches!(whole.ready.get(), Some(Ok(())))) else { return };
        let hearing = self.places.get_mut(place).filter(|hearing| hearing.ready.initialized());
        let Some(hearing) = hearing else { return };
        if let Way::Single(ends) = std::mem::replace(&mut hearing.way, Way::Partition) {
            whole.rooms.lock().insert(place.subject(cluster), place.clone());
            ends.cancel();
            self.partitions.count(partition, false);
        }
    }

    /// The same of all rooms of a partition.
    pub(super) fn join_all(&mut self, partition: u32, cluster: &str) {
        let of = |place: &&Place| place.partition() == Some(partition);
        let rooms: Vec<Place> = self.places.keys().filter(of).cloned().collect();
        rooms.iter().for_each(|room| self.join_partition(room, cluster));
    }
}
