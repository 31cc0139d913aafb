//! What is due: delayed jobs become ready, leases end, jobs expire and are forgotten, workers that are away are given up, and
//! queues that had to wait for time go on.

use rialto_proto::v1::JobState;

use super::{
    Engine, Now, Seq,
    ending::{Ending, Failure, NOBODY},
};
use crate::log::LogError;

/// Jobs that are seen to in one step, so that nobody waits long meanwhile.
const STEP_JOBS_MAX: usize = 2_000;

impl Engine {
    /// Does what is due by now, or some of it; [`Engine::next_ms`] says when to come back.
    ///
    /// # Errors
    /// The log takes nothing. What needs no record was done; the rest stays due.
    pub fn tick(&mut self, now: &Now<'_>) -> Result<(), LogError> {
        self.ms = self.ms.max(now.ms);
        self.wake(now.ms);
        self.complete_batches(now)?;
        self.put_scheduled(now)?;
        for worker in self.workers.given_up(now.ms) {
            for seq in self.workers.leases(worker) {
                self.fail(now, seq, NOBODY, Failure::worker_lost())?;
            }
        }
        for _ in 0..STEP_JOBS_MAX {
            let Some((due_ms, seq)) = self.timers.first().copied().filter(|(due_ms, _)| *due_ms <= now.ms)
            else {
                break;
            };
            self.timers.remove(&(due_ms, seq));
            if let Err(error) = self.due(now, seq) {
                self.timers.insert((due_ms, seq));
                return Err(error);
            }
        }
        Ok(())
    }

    fn due(&mut self, now: &Now<'_>, seq: Seq) -> Result<(), LogError> {
        let Some(state) = self.jobs.get(&seq).map(|job| job.state) else { return Ok(()) };
        match state {
            JobState::Delayed => {
                let last = self.last;
                self.change(seq, |job| {
                    job.state = JobState::Waiting;
                    job.at_ms = job.until_ms;
                });
                self.note(last, seq);
            }
            JobState::Blocked => self.batch_due(now, seq)?,
            JobState::Waiting | JobState::Paused => {
                self.end(now, seq, NOBODY, Ending::expired())?;
            }
            JobState::Running => {
                self.fail(now, seq, NOBODY, Failure::lease_expired())?;
            }
            _ => self.forget_ended(seq),
        }
        Ok(())
    }

    fn forget_ended(&mut self, seq: Seq) {
        let index = self.jobs.get(&seq).map(|job| job.queue);
        self.forget(seq);
        if let Some(index) = index {
            self.forget_unused(index);
        }
    }

    /// Forgets ended jobs beyond the number that a queue keeps.
    pub(super) fn forget_beyond(&mut self, index: super::QueueIndex) {
        while let Some(queue) = self.queue(index) {
            let beyond = queue.ended.len() > queue.settings.ended_max as usize;
            let Some((_, seq)) = queue.ended.first().copied().filter(|_| beyond) else { return };
            self.forget(seq);
        }
    }

    fn wake(&mut self, ms: u64) {
        while let Some((due_ms, index)) = self.wakes.first().copied().filter(|(due_ms, _)| *due_ms <= ms) {
            self.wakes.remove(&(due_ms, index));
            let Some(queue) = self.queue_mut(index) else { continue };
            queue.let_all_go();
            self.tell_if_open(index, ms);
        }
    }

    /// When something is due next.
    pub fn next_ms(&self) -> Option<u64> {
        let timer = self.timers.first().map(|(due_ms, _)| *due_ms);
        let wake = self.wakes.first().map(|(due_ms, _)| *due_ms);
        let schedule = self.schedules_due.first().map(|due| due.ms);
        let batch = self.batches.is_due().then_some(self.ms);
        [timer, wake, schedule, batch, self.workers.next_ms()].into_iter().flatten().min()
    }

    /// A worker's stream is lost: its leases return when it does not come back in time.
    pub fn worker_away(&mut self, ms: u64, worker: u64) {
        let window_ms = u64::try_from(self.limits.resume_window.as_millis()).unwrap_or(u64::MAX);
        self.workers.leave(worker, ms.saturating_add(window_ms));
    }

    /// A worker is back.
    pub fn worker_back(&mut self, worker: u64) {
        self.workers.come_back(worker);
    }

    /// Everybody who has a lease is away: the node has just begun.
    pub(super) fn all_away(&mut self, ms: u64) {
        for worker in self.workers.all() {
            self.worker_away(ms, worker);
        }
    }
}
