//! Rooms beyond a bound are not listened to one by one, but with all others of their partition: a million rooms are not a million
//! subscriptions. The fullest partition comes first, so that as few as can be are heard of which only some rooms are wanted. Pure.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::SetOnce;
use tokio_util::sync::CancellationToken;

use super::{link::LinkError, subjects::Place};
use crate::base::{hash::HashMap, partition::PARTITIONS};

/// Set when it is known whether it is listened.
pub(super) type Ready = Arc<SetOnce<Result<(), LinkError>>>;

/// A partition that is listened to as a whole.
#[derive(Debug, Clone, Default)]
pub(super) struct Whole {
    pub(super) ready: Ready,
    pub(super) ends: CancellationToken,
    /// The rooms of it that are wanted, by their subjects.
    pub(super) rooms: Arc<Mutex<HashMap<String, Place>>>,
}

/// How rooms are listened to.
#[derive(Debug)]
pub(super) struct Partitions {
    /// Rooms that may be listened to one by one.
    most: usize,
    /// Those that are, by partition.
    single: Vec<usize>,
    wholes: HashMap<u32, Whole>,
}

impl Partitions {
    pub(super) fn new(most: usize) -> Self {
        Self { most, single: vec![0; PARTITIONS as usize], wholes: HashMap::default() }
    }

    /// A room is listened to by itself from now on, or is not any more.
    pub(super) fn count(&mut self, partition: u32, listens: bool) {
        if let Some(count) = self.single.get_mut(partition as usize) {
            *count = if listens { *count + 1 } else { count.saturating_sub(1) };
        }
    }

    /// The partition that is to be listened to as a whole next: the fullest one, when more rooms are listened to by themselves than
    /// may be. It is begun by that, and one at a time.
    pub(super) fn widen(&mut self) -> Option<(u32, Whole)> {
        let begins = self.wholes.values().any(|whole| !whole.ready.initialized());
        if begins || self.single.iter().sum::<usize>() <= self.most {
            return None;
        }
        let open = (0..).zip(&self.single).filter(|(partition, _)| !self.wholes.contains_key(partition));
        let (fullest, _) = open.max_by_key(|(partition, count)| (**count, u32::MAX - *partition))?;
        Some((fullest, self.wholes.entry(fullest).or_default().clone()))
    }

    /// A partition that is listened to as a whole, or is about to be.
    pub(super) fn whole(&self, partition: u32) -> Option<&Whole> {
        self.wholes.get(&partition)
    }

    /// A partition is not listened to as a whole.
    pub(super) fn end(&mut self, partition: u32) {
        if let Some(whole) = self.wholes.remove(&partition) {
            whole.ends.cancel();
        }
    }

    /// A room is not wanted any more; when it was the last one its partition ends.
    pub(super) fn leave(&mut self, partition: u32, subject: &str) {
        let is_empty = self.wholes.get(&partition).is_some_and(|whole| {
            let mut rooms = whole.rooms.lock();
            rooms.remove(subject);
            rooms.is_empty() && whole.ready.initialized()
        });
        if is_empty {
            self.end(partition);
        }
    }

    /// How many are listened to as a whole.
    pub(super) fn wholes(&self) -> usize {
        self.wholes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_bound_the_fullest_partition_is_listened_to_as_a_whole_and_then_the_next_one() {
        let mut partitions = Partitions::new(4);
        for partition in [7, 7, 9, 9] {
            partitions.count(partition, true);
        }
        assert!(partitions.widen().is_none());
        partitions.count(9, true);
        let (first, whole) = partitions.widen().unwrap();
        assert_eq!(first, 9);
        assert!(partitions.widen().is_none(), "it has been begun");
        whole.ready.set(Ok(())).unwrap();
        assert_eq!(partitions.widen().map(|(partition, _)| partition), Some(7));
        partitions.end(7);
        (0..3).for_each(|_| partitions.count(9, false));
        assert!(partitions.widen().is_none());
    }

    #[test]
    fn a_partition_ends_with_its_last_room() {
        let mut partitions = Partitions::new(0);
        partitions.count(7, true);
        let (_, whole) = partitions.widen().unwrap();
        for room in ["a", "b"] {
            whole.rooms.lock().insert(room.to_owned(), Place::room("chat", room));
        }
        whole.ready.set(Ok(())).unwrap();
        partitions.leave(7, "a");
        assert!(!whole.ends.is_cancelled());
        partitions.leave(7, "b");
        assert!(whole.ends.is_cancelled() && partitions.whole(7).is_none());
    }
}
