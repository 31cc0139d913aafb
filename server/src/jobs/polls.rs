//! Watches that are asked again and again what has changed, from whatever node. What was said last is said again when it is asked
//! for again: then the answer was lost.

use std::{sync::Arc, time::Duration};

use futures_util::FutureExt;
use parking_lot::Mutex;

use super::{
    engine::Seq,
    watches::{Behind, Watch},
};
use crate::{
    base::{
        clock::{self, Instant},
        hash::HashMap,
        ids::NodeId,
    },
    log::Position,
};

/// Jobs of one answer.
const JOBS_MAX: usize = 64;
/// A watch that nobody has polled for so long is forgotten: whoever polled it has not said that it would not any more.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(120);

/// A watch that is polled.
#[derive(Debug)]
pub struct Polled {
    watch: Arc<Watch>,
    said: Mutex<Said>,
}

/// What was said last.
#[derive(Debug)]
struct Said {
    number: u64,
    seqs: Vec<Seq>,
    /// From where on it was not said what has changed, once those are.
    from: Position,
    at: Instant,
}

impl Polled {
    /// From where on it was not said what has changed, once those are that were said last.
    pub fn from(&self) -> Position {
        self.said.lock().from
    }

    /// Jobs that are to be said: those of the poll before when that is polled again, and else those that have changed since, once
    /// there are some.
    ///
    /// *Cancel safety*: what was taken is said in the next poll.
    pub async fn changed(&self) -> Result<Vec<Seq>, Behind> {
        let said = self.said.lock().seqs.clone();
        if !said.is_empty() {
            return Ok(said);
        }
        let mut seqs = vec![self.watch.next().await?];
        while seqs.len() < JOBS_MAX
            && let Some(seq) = self.watch.next().now_or_never()
        {
            seqs.push(seq?);
        }
        let mut said = self.said.lock();
        said.seqs.clone_from(&seqs);
        said.from = self.watch.from();
        drop(said);
        Ok(seqs)
    }
}

/// All that are polled, by the node and the number of whoever watches.
#[derive(Debug, Default)]
pub(super) struct Polls {
    polled: HashMap<(NodeId, u64), Arc<Polled>>,
}

impl Polls {
    /// The next poll of a watch, or the one before again.
    pub(super) fn next(&self, watcher: (NodeId, u64), number: u64) -> Option<Arc<Polled>> {
        let polled = self.polled.get(&watcher)?;
        let mut said = polled.said.lock();
        said.at = clock::now();
        if said.number != number {
            said.number = number;
            said.seqs.clear();
        }
        drop(said);
        Some(Arc::clone(polled))
    }

    /// The first poll of a watch, which says these jobs.
    pub(super) fn begin(
        &mut self,
        watcher: (NodeId, u64),
        number: u64,
        watch: Arc<Watch>,
        seqs: Vec<Seq>,
    ) -> Arc<Polled> {
        let now = clock::now();
        self.polled
            .retain(|_, polled| now.saturating_duration_since(polled.said.lock().at) < FORGOTTEN_AFTER);
        let from = watch.from();
        let polled = Arc::new(Polled { watch, said: Mutex::new(Said { number, seqs, from, at: now }) });
        self.polled.insert(watcher, Arc::clone(&polled));
        polled
    }

    pub(super) fn end(&mut self, watcher: (NodeId, u64)) {
        self.polled.remove(&watcher);
    }

    pub(super) fn end_of(&mut self, node: NodeId) {
        self.polled.retain(|(of, _), _| *of != node);
    }
}

#[cfg(test)]
mod tests {
    use super::{super::watches::Watches, *};

    #[test]
    fn what_was_said_is_said_again_to_whoever_polls_it_again_and_only_then() {
        let (mut watches, mut polls) = (Watches::default(), Polls::default());
        let watcher = (NodeId::random(), 7);
        let watch = watches.jobs(&[Seq(1), Seq(2)]);
        assert!(polls.next(watcher, 1).is_none());
        let polled = polls.begin(watcher, 1, watch, vec![Seq(1), Seq(2)]);
        assert_eq!(polled.changed().now_or_never(), Some(Ok(vec![Seq(1), Seq(2)])));
        watches.changed((Seq(2), Position(5)), None);
        let again = polls.next(watcher, 1).unwrap();
        assert_eq!(again.changed().now_or_never(), Some(Ok(vec![Seq(1), Seq(2)])));
        let next = polls.next(watcher, 2).unwrap();
        assert_eq!(next.changed().now_or_never(), Some(Ok(vec![Seq(2)])));
        assert_eq!(polls.next(watcher, 3).unwrap().changed().now_or_never(), None);
        polls.end_of(watcher.0);
        assert!(polls.next(watcher, 4).is_none());
    }
}
