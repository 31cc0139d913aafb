//! Batches: jobs of one queue that belong together, and one that begins when all of them have ended. That one is blocked until the
//! batch is closed and no job of it lives; what has become of them then is written down with it. So long ended jobs of a batch are
//! not forgotten, and how many there are of each kind follows from the jobs themselves.

use std::collections::BTreeSet;

use rialto_proto::v1::{JobBatch, JobState, NewJob, RefusalCode};

use super::{
    Engine, Now, QueueIndex, Seq,
    job::{Job, is_live},
    queue::Counts,
    record::{BatchRecord, Kind},
    settings::ms,
};
use crate::{
    base::{hash::HashMap, limits::BATCH_OPEN_MAX, refusal::Refusal},
    log::{LogError, Position, refused},
};

/// Jobs that are let go in one step, so that nobody waits long meanwhile.
const STEP_JOBS_MAX: usize = 2_000;

/// All batches of which there are jobs, by the jobs that complete them.
#[derive(Debug, Default)]
pub(super) struct Batches {
    jobs: HashMap<Seq, Batch>,
    /// Those that may be complete.
    done: BTreeSet<Seq>,
    /// Those whose ended jobs need not be kept for them any more.
    released: BTreeSet<Seq>,
}

/// What is known of the jobs of one.
#[derive(Debug, Default)]
struct Batch {
    counts: Counts,
    /// Ended jobs that are kept for it.
    pinned: BTreeSet<Seq>,
    /// When the last one was put in.
    last_ms: u64,
}

impl Batches {
    /// A job is not where it was any more.
    pub(super) fn leave(&mut self, completing: Seq, seq: Seq, state: JobState) {
        let Some(batch) = self.jobs.get_mut(&completing) else { return };
        batch.counts.take(state);
        batch.pinned.remove(&seq);
    }

    /// Whether there is something to be done now.
    pub(super) fn is_due(&self) -> bool {
        !self.done.is_empty() || !self.released.is_empty()
    }

    /// Panics when what is counted is not what there is. Returns the jobs that are kept.
    #[cfg(test)]
    pub(super) fn check(&self, counts: &std::collections::BTreeMap<Seq, Counts>) -> BTreeSet<Seq> {
        for (completing, batch) in &self.jobs {
            let none = Counts::default();
            let there = counts.get(completing).unwrap_or(&none);
            assert_eq!(batch.counts.all(), there.all());
            assert_eq!(batch.counts.live(), there.live());
        }
        assert!(counts.keys().all(|completing| self.jobs.contains_key(completing)));
        self.jobs.values().flat_map(|batch| batch.pinned.clone()).collect()
    }

    /// When a batch is closed by itself; 0: it is closed.
    pub(super) fn closes_ms(&self, completing: Seq, job: &Job) -> u64 {
        if job.batch().closed {
            return 0;
        }
        let last_ms = self.jobs.get(&completing).map_or(0, |batch| batch.last_ms).max(job.at_ms);
        last_ms.saturating_add(u64::try_from(BATCH_OPEN_MAX.as_millis()).unwrap_or(u64::MAX))
    }
}

impl Engine {
    /// The batch that a job is to belong to: there must be one, and it must not be closed.
    pub(super) fn batch_for(&self, index: Option<QueueIndex>, job: &NewJob) -> Result<Option<Seq>, Refusal> {
        if job.batch_id.is_empty() {
            return Ok(None);
        }
        let refused = |code, reason| Refusal { field: "batch_id", ..Refusal::new(code, reason) };
        let found = index.and_then(|index| self.find(index, &job.batch_id));
        let completing = found.and_then(|seq| Some((seq, self.jobs.get(&seq)?)));
        match completing.filter(|(_, job)| job.completes_batch) {
            None => Err(refused(RefusalCode::NotFound, "batch_id names no batch of the queue")),
            Some((seq, job)) if job.state == JobState::Blocked && !job.batch().closed => Ok(Some(seq)),
            Some(_) => Err(refused(RefusalCode::OutOfOrder, "batch_id names a batch that is closed")),
        }
    }

    /// No more jobs are put into a batch. One that is closed stays so.
    pub fn close_batch(
        &mut self,
        now: &Now<'_>,
        (namespace, queue, id): (&str, &str, &str),
    ) -> Result<Option<Position>, Refusal> {
        let seq = self.named(namespace, queue, id)?;
        let job = self.jobs.get(&seq).filter(|job| job.completes_batch);
        let job = job.ok_or_else(|| {
            let reason = "batch_id names a job that does not complete a batch";
            Refusal { field: "batch_id", ..Refusal::new(RefusalCode::NotFound, reason) }
        })?;
        if job.state != JobState::Blocked || job.batch().closed {
            return Ok(self.last());
        }
        let closed = self.close(now, seq).map_err(refused)?;
        Ok(Some(closed))
    }

    fn close(&mut self, now: &Now<'_>, seq: Seq) -> Result<Position, LogError> {
        let record = BatchRecord { seq: seq.0, at_ms: now.ms, complete: None, expires_ms: 0 };
        self.write(now, Kind::Batch(record))
    }

    /// Nothing was put into an open batch for long.
    pub(super) fn batch_due(&mut self, now: &Now<'_>, seq: Seq) -> Result<(), LogError> {
        let closes_ms = self.jobs.get(&seq).map_or(0, |job| self.batches.closes_ms(seq, job));
        if closes_ms > now.ms {
            // Something was put in since.
            self.change(seq, |_| ());
            return Ok(());
        }
        self.close(now, seq).map(drop)
    }

    pub(super) fn apply_batch(&mut self, position: Position, record: BatchRecord) {
        let seq = Seq(record.seq);
        let BatchRecord { at_ms, complete, expires_ms, .. } = record;
        // Nobody is given it before it is durable that all others have ended.
        let is_staged = complete.is_some() && position >= self.durable;
        self.change(seq, |job| match complete {
            None => job.rest_mut().batch = Some(JobBatch { closed: true, ..JobBatch::default() }),
            Some(batch) => {
                (job.state, job.at_ms, job.is_staged) = (JobState::Waiting, at_ms, is_staged);
                let rest = job.rest_mut();
                (rest.batch, rest.expires_ms) = (Some(batch), expires_ms);
            }
        });
        if is_staged {
            self.staged.push_back((position, seq));
        }
        self.note(position, seq);
    }

    /// A job is where it is: what follows for the batch that it belongs to, and for the one that it completes. Whether it is kept for
    /// the first.
    pub(super) fn attach_batch(&mut self, seq: Seq) -> bool {
        let Some(job) = self.jobs.get(&seq) else { return false };
        let (state, enqueued_ms, completing) = (job.state, job.enqueued_ms, job.batch_of());
        if job.completes_batch {
            if state != JobState::Blocked {
                self.let_go(seq);
            } else if self.is_done(seq) {
                self.batches.done.insert(seq);
            }
        }
        let Some(completing) = completing else { return false };
        let is_pinned = !is_live(state) && self.is_blocked(completing);
        let batch = self.batches.jobs.entry(completing).or_default();
        batch.counts.add(state);
        batch.last_ms = batch.last_ms.max(enqueued_ms);
        if is_pinned {
            batch.pinned.insert(seq);
        }
        if self.is_done(completing) {
            self.batches.done.insert(completing);
        }
        is_pinned
    }

    /// Whether a job waits for its batch. While the log is read one may come later than those of its batch.
    pub(super) fn is_blocked(&self, completing: Seq) -> bool {
        let job = self.jobs.get(&completing);
        job.map_or(self.is_replaying, |job| job.state == JobState::Blocked)
    }

    /// Whether a batch is closed and no job of it lives.
    fn is_done(&self, completing: Seq) -> bool {
        let Some(job) = self.jobs.get(&completing) else { return false };
        let live = self.batches.jobs.get(&completing).map_or(0, |batch| batch.counts.live());
        job.state == JobState::Blocked && job.batch().closed && live == 0
    }

    /// Jobs that have waited for their batches may begin; and what was kept for those may be forgotten, a part of it in one step.
    pub(super) fn complete_batches(&mut self, now: &Now<'_>) -> Result<(), LogError> {
        while let Some(seq) = self.batches.done.first().copied() {
            if self.is_done(seq) {
                let ttl_ms = self.jobs.get(&seq).and_then(|job| ms(job.spec().ttl.as_ref()));
                let expires_ms = ttl_ms.map_or(0, |ttl_ms| now.ms.saturating_add(ttl_ms));
                let complete = self.jobs.get(&seq).map(|job| self.batch_now(seq, job));
                let record = BatchRecord { seq: seq.0, at_ms: now.ms, complete, expires_ms };
                self.write(now, Kind::Batch(record))?;
            }
            self.batches.done.remove(&seq);
        }
        for _ in 0..STEP_JOBS_MAX {
            let Some(completing) = self.batches.released.first().copied() else { break };
            let batch = self.batches.jobs.get(&completing);
            let Some(seq) = batch.and_then(|batch| batch.pinned.first().copied()) else {
                self.batches.released.remove(&completing);
                continue;
            };
            self.change(seq, |_| ());
            if let Some(index) = self.jobs.get(&seq).map(|job| job.queue) {
                self.forget_beyond(index);
            }
        }
        Ok(())
    }

    fn let_go(&mut self, completing: Seq) {
        if self.batches.jobs.get(&completing).is_some_and(|batch| !batch.pinned.is_empty()) {
            self.batches.released.insert(completing);
        }
    }

    /// The log is read: what is kept for batches that nobody waits for need not be.
    pub(super) fn release_batches(&mut self) {
        let all: Vec<Seq> = self.batches.jobs.keys().copied().collect();
        for completing in all {
            if !self.is_blocked(completing) {
                self.let_go(completing);
            }
        }
    }

    /// A batch as it is now, or as it was when it was complete.
    pub(super) fn batch_now(&self, seq: Seq, job: &Job) -> JobBatch {
        let written = job.batch();
        if job.state != JobState::Blocked {
            return written;
        }
        let Some(batch) = self.batches.jobs.get(&seq) else { return written };
        let of = |state| batch.counts.of(state);
        JobBatch {
            live_count: batch.counts.live(),
            completed_count: of(JobState::Completed),
            dead_count: of(JobState::Dead),
            cancelled_count: of(JobState::Cancelled),
            expired_count: of(JobState::Expired),
            discarded_count: of(JobState::Discarded),
            ..written
        }
    }

    /// A batch of which nothing is left is not known any more.
    pub(super) fn forget_batch(&mut self, completing: Seq) {
        if self.batches.jobs.get(&completing).is_some_and(|batch| batch.counts.all() == 0) {
            self.batches.jobs.remove(&completing);
            self.batches.released.remove(&completing);
        }
    }
}
