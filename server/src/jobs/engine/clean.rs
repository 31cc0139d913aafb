//! Keeping the log short. There is no snapshot: what is needed from the oldest part of the log is written again at its end, and the
//! part is given back. So cleaning costs as much as is live there, step by step, and nobody waits for it.

use super::{
    Engine, Now, QueueIndex,
    queue::Queue,
    record::{Kind, QueueRecord},
};
use crate::{
    base::limits::LOG_CLEAN_WRITE_BYTES,
    log::{LogError, Position},
};

/// Bytes of a record beside what a job holds, about.
const RECORD_BYTES: u64 = 64;

impl Engine {
    /// Whether so much of the log is not needed that cleaning is worth it.
    pub fn is_worth_cleaning(&self, log_bytes: u64) -> bool {
        let live = self.bytes + self.jobs.len() as u64 * RECORD_BYTES;
        log_bytes > live.saturating_mul(2).saturating_add(self.limits.clean_floor_bytes)
    }

    /// Writes some of the oldest records that are needed again. Returns before which position nothing is needed, once everything
    /// that was appended by now is durable.
    pub fn clean(&mut self, now: &Now<'_>) -> Result<Position, LogError> {
        let mut bytes = 0;
        while bytes < LOG_CLEAN_WRITE_BYTES {
            let Some((position, seq)) = self.written.front().copied() else { break };
            let Some(job) = self.jobs.get(&seq).filter(|job| job.position == position) else {
                self.written.pop_front();
                continue;
            };
            let Some(queue) = self.queue(job.queue) else { break };
            let record = job.record(seq.0, &queue.namespace, &queue.name);
            bytes += job.bytes();
            self.write(now, Kind::Job(Box::new(record)))?;
            self.written.pop_front();
        }
        let first = self.written.front().map_or(self.last, |(position, _)| *position);
        self.clean_queues(now, first)?;
        self.clean_schedules(now, first)?;
        Ok(first)
    }

    /// Writes again what holds in queues where it stands before `first`.
    fn clean_queues(&mut self, now: &Now<'_>, first: Position) -> Result<(), LogError> {
        let old = |queue: &Queue| queue.position.is_some_and(|position| position < first);
        let indices =
            (0..self.queues.len()).map(|index| QueueIndex(u32::try_from(index).unwrap_or(u32::MAX)));
        let indices: Vec<_> = indices.filter(|index| self.queue(*index).is_some_and(old)).collect();
        for index in indices {
            let Some(queue) = self.queue(index) else { continue };
            let record = QueueRecord {
                namespace: queue.namespace.as_ref().to_owned(),
                queue: queue.name.as_ref().to_owned(),
                settings: Some(queue.settings.told()),
                paused: queue.paused,
            };
            self.write(now, Kind::Queue(record))?;
        }
        Ok(())
    }
}
