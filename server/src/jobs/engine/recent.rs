//! Which jobs have changed last, in the order of the log: for who watches a queue and was away for a moment. It follows from the
//! records, so whoever takes the log up knows it too: of a log whose beginning was given back every job that is left has a record.

use std::collections::VecDeque;

use super::{Engine, Seq};
use crate::{base::limits::WATCHED_CHANGED_MAX, log::Position};

/// Changes of all queues of a shard.
#[derive(Debug, Default)]
pub(super) struct Recent {
    changes: VecDeque<(Position, Seq)>,
    /// What has changed before this is not known any more.
    known_from: Position,
}

impl Recent {
    /// A job has changed.
    pub(super) fn note(&mut self, position: Position, seq: Seq) {
        if self.changes.len() >= WATCHED_CHANGED_MAX
            && let Some((oldest, _)) = self.changes.pop_front()
        {
            self.known_from = Position(oldest.0 + 1);
        }
        self.changes.push_back((position, seq));
    }

    /// The changes from a position on; none when they are not known any more.
    fn from(&self, position: Position) -> Option<impl Iterator<Item = (Position, Seq)>> {
        let first = self.changes.partition_point(|(changed, _)| *changed < position);
        (position >= self.known_from).then(|| self.changes.range(first..).copied())
    }
}

impl Engine {
    /// Jobs of a queue that have changed from a position on, as far as they are kept, and when; none when that is not known any more.
    pub fn changed_from(
        &self,
        (namespace, queue): (&str, &str),
        position: Position,
    ) -> Option<Vec<(Seq, Position)>> {
        let index = self.find_queue(namespace, queue);
        let of_queue = |seq: &Seq| self.jobs.get(seq).is_some_and(|job| Some(job.queue) == index);
        let changes = self.recent.from(position)?;
        Some(changes.filter(|(_, seq)| of_queue(seq)).map(|(position, seq)| (seq, position)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_changed_long_ago_is_not_known_any_more() {
        let mut recent = Recent::default();
        let from = |recent: &Recent, position| {
            recent.from(Position(position)).map(|changes| changes.map(|(_, seq)| seq.0).collect::<Vec<_>>())
        };
        assert_eq!(from(&recent, 0), Some(Vec::new()));
        for n in 0..WATCHED_CHANGED_MAX as u64 {
            recent.note(Position(10 + n), Seq(n));
        }
        assert_eq!(from(&recent, 0).map(|seqs| seqs.len()), Some(WATCHED_CHANGED_MAX));
        let end = 10 + WATCHED_CHANGED_MAX as u64;
        assert_eq!(from(&recent, end - 2), Some(vec![end - 12, end - 11]));
        recent.note(Position(end), Seq(7));
        assert_eq!(from(&recent, 10), None);
        assert_eq!(from(&recent, 11).map(|seqs| seqs.len()), Some(WATCHED_CHANGED_MAX));
        assert_eq!(from(&recent, end), Some(vec![7]));
    }
}
