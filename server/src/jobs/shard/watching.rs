//! Watching the jobs of a shard, and being asked again and again what has changed.

use std::sync::Arc;

use super::{
    super::{bells::QueueName, engine::Seq, polls::Polled, resume_point::ResumePoint, watches::Watch},
    Shard,
};
use crate::{
    base::{ids::NodeId, refusal::Refusal},
    log::Position,
};

impl Shard {
    /// Watches some jobs.
    pub fn watch_jobs(&self, seqs: &[Seq]) -> Arc<Watch> {
        self.watches.lock().jobs(seqs)
    }

    /// Watches all jobs of a queue.
    pub fn watch_queue(&self, queue: QueueName) -> Arc<Watch> {
        self.watches.lock().queue(queue)
    }

    /// The same, and before that what has changed since an earlier watch of it; none when that is not known any more.
    pub fn watch_queue_again(&self, queue: QueueName, point: ResumePoint) -> Option<Arc<Watch>> {
        let (_, end) = self.log.bounds();
        if point.log != self.life || point.from > end {
            return None;
        }
        // Under the lock of the engine: what changes after that is told, and nothing is told meanwhile.
        self.ask(|engine, _| {
            let changed = engine.changed_from((&queue.0, &queue.1), point.from)?;
            let watch = self.watches.lock().queue_from(queue, point.from);
            changed.into_iter().for_each(|(seq, position)| watch.changed(seq, position));
            Some(watch)
        })
    }

    /// Where a watch goes on from a position of its log.
    pub fn resume_point(&self, from: Position) -> ResumePoint {
        ResumePoint { log: self.life, from }
    }

    /// Watches all jobs of the shard.
    pub fn watch_all(&self) -> Arc<Watch> {
        self.watches.lock().all()
    }

    /// A poll of what is watched. `begin` makes the watch if there is none.
    pub fn poll(
        &self,
        watcher: (NodeId, u64),
        number: u64,
        begin: impl FnOnce() -> Result<(Arc<Watch>, Vec<Seq>), Refusal>,
    ) -> Result<(Arc<Polled>, bool), Refusal> {
        if let Some(polled) = self.polls.lock().next(watcher, number) {
            return Ok((polled, false));
        }
        let (watch, first) = begin()?;
        Ok((self.polls.lock().begin(watcher, number, watch, first), true))
    }

    /// Nobody polls any more under that number.
    pub fn end_poll(&self, watcher: (NodeId, u64)) {
        self.polls.lock().end(watcher);
    }

    /// A node is gone.
    pub fn end_polls_of(&self, node: NodeId) {
        self.polls.lock().end_of(node);
    }
}
