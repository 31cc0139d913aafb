//! What those ask for who look after jobs and queues: cancel, redrive, pause, purge, and what holds in a queue.

use rialto_proto::v1::{JobState, QueueSettings, RefusalCode};

use super::{
    Engine, Now, Seq,
    ending::{Ending, NOBODY},
    job::is_live,
    record::{CancellingRecord, Kind, MovedRecord, PausingRecord, QueueRecord},
};
use crate::{
    base::refusal::Refusal,
    log::{Position, refused},
};

impl Engine {
    /// Ends a job that waits, and notes of one that runs that it is to be ended. One that has ended stays as it is.
    pub fn cancel(
        &mut self,
        now: &Now<'_>,
        (namespace, queue, id): (&str, &str, &str),
        reason: &str,
    ) -> Result<Option<Position>, Refusal> {
        let seq = self.named(namespace, queue, id)?;
        let Some(job) = self.jobs.get(&seq) else { return Ok(None) };
        let done = match job.state {
            JobState::Running if job.cancelling => return Ok(Some(self.last)),
            JobState::Running => {
                self.write(now, Kind::Cancelling(CancellingRecord { seq: seq.0, reason: reason.to_owned() }))
            }
            state if is_live(state) || state == JobState::Dead => {
                self.end(now, seq, NOBODY, Ending::cancelled(reason))
            }
            _ => return Ok(None),
        };
        done.map(Some).map_err(refused)
    }

    /// Pauses a job that waits, and notes of one that runs that it is to be paused. One that has ended stays as it is.
    pub fn pause_job(
        &mut self,
        now: &Now<'_>,
        (namespace, queue, id): (&str, &str, &str),
    ) -> Result<Option<Position>, Refusal> {
        let seq = self.named(namespace, queue, id)?;
        let Some(job) = self.jobs.get(&seq) else { return Ok(None) };
        let kind = match job.state {
            JobState::Running if job.pausing || job.cancelling => return Ok(Some(self.last)),
            JobState::Running => Kind::Pausing(PausingRecord { seq: seq.0, pausing: true }),
            JobState::Blocked => {
                return Err(Refusal::invalid("job_id", "is a job that waits for its batch"));
            }
            JobState::Delayed | JobState::Waiting => {
                // When it may begin is still known when it is resumed.
                let until_ms = if job.state == JobState::Delayed { job.until_ms } else { 0 };
                let state = JobState::Paused.into();
                Kind::Moved(MovedRecord { state, at_ms: now.ms, until_ms, ..self.moved(seq) })
            }
            _ => return Ok(None),
        };
        self.write(now, kind).map(Some).map_err(refused)
    }

    /// Has a paused job wait again, and one that runs and was to be paused run on. Others stay as they are.
    pub fn resume_job(
        &mut self,
        now: &Now<'_>,
        (namespace, queue, id): (&str, &str, &str),
    ) -> Result<Option<Position>, Refusal> {
        let seq = self.named(namespace, queue, id)?;
        let Some(job) = self.jobs.get(&seq) else { return Ok(None) };
        let kind = match job.state {
            JobState::Running if job.pausing => Kind::Pausing(PausingRecord { seq: seq.0, pausing: false }),
            JobState::Paused => {
                let (state, until_ms) = match job.until_ms {
                    until_ms if until_ms > now.ms => (JobState::Delayed, until_ms),
                    _ => (JobState::Waiting, 0),
                };
                let state = state.into();
                Kind::Moved(MovedRecord { state, at_ms: now.ms, until_ms, ..self.moved(seq) })
            }
            _ => return Ok(None),
        };
        self.write(now, kind).map(Some).map_err(refused)
    }

    /// Gives a dead job all its attempts again. Whether it was dead; one whose unique key another job has by now stays so.
    pub fn redrive(
        &mut self,
        now: &Now<'_>,
        (namespace, queue): (&str, &str),
        id: &str,
    ) -> Result<Option<Position>, Refusal> {
        let seq = self.named(namespace, queue, id)?;
        let Some(job) = self.jobs.get(&seq).filter(|job| job.state == JobState::Dead) else {
            return Ok(None);
        };
        let unique = job.marks().unique_key;
        if !unique.is_empty()
            && self.queue(job.queue).is_some_and(|queue| queue.unique.contains_key(unique.as_str()))
        {
            return Ok(None);
        }
        let moved = MovedRecord {
            state: JobState::Waiting.into(),
            at_ms: now.ms,
            until_ms: 0,
            attempts: 0,
            deliveries: 0,
            expires_ms: 0,
            ..self.moved(seq)
        };
        self.write(now, Kind::Moved(moved)).map(Some).map_err(refused)
    }

    /// The names of some dead jobs of a queue, the oldest first.
    pub fn dead(&self, namespace: &str, queue: &str, count_max: usize) -> Vec<String> {
        self.of_state((namespace, queue), true, |state| state == JobState::Dead, count_max)
    }

    /// Cancels some jobs of a queue that have not ended and do not run, and says how many.
    pub fn purge(
        &mut self,
        now: &Now<'_>,
        (namespace, queue): (&str, &str),
        count_max: usize,
    ) -> Result<(usize, Option<Position>), Refusal> {
        let waits = |state| is_live(state) && state != JobState::Running;
        let ids = self.of_state((namespace, queue), false, waits, count_max);
        let mut position = None;
        for id in &ids {
            position = self.cancel(now, (namespace, queue, id), "the queue was purged")?.max(position);
        }
        Ok((ids.len(), position))
    }

    /// Jobs in some states, all of which have ended or all of which have not; the oldest first.
    fn of_state(
        &self,
        (namespace, queue): (&str, &str),
        over: bool,
        holds: impl Fn(JobState) -> bool,
        count_max: usize,
    ) -> Vec<String> {
        let Some(queue) = self.find_queue(namespace, queue).and_then(|index| self.queue(index)) else {
            return Vec::new();
        };
        let seqs = if over { &queue.over } else { &queue.live };
        let jobs = seqs.iter().filter_map(|seq| self.jobs.get(seq)).filter(|job| holds(job.state));
        jobs.take(count_max).map(|job| job.id().to_owned()).collect()
    }

    /// What holds in a queue from now on, and whether it is paused; `None`: as it was.
    pub fn set_queue(
        &mut self,
        now: &Now<'_>,
        (namespace, queue): (&str, &str),
        settings: Option<QueueSettings>,
        paused: Option<bool>,
    ) -> Result<Position, Refusal> {
        let known = self.find_queue(namespace, queue).and_then(|index| self.queue(index));
        if known.is_none() && self.queue_count() >= self.limits.queues_max as usize {
            return Err(Refusal::limit("queues_max", self.limits.queues_max));
        }
        let record = QueueRecord {
            namespace: namespace.to_owned(),
            queue: queue.to_owned(),
            settings: settings.or_else(|| known.map(|queue| queue.settings.told())),
            paused: paused.unwrap_or_else(|| known.is_some_and(|queue| queue.paused)),
        };
        self.write(now, Kind::Queue(record)).map_err(refused)
    }

    /// The job of that name.
    pub(super) fn named(&self, namespace: &str, queue: &str, id: &str) -> Result<Seq, Refusal> {
        let found = self.find_queue(namespace, queue).and_then(|index| self.find(index, id));
        let unknown = || Refusal::new(RefusalCode::NotFound, "there is no such job in the queue");
        found.ok_or_else(unknown)
    }
}
