//! What follows from the end of an attempt: the job is done, or dead, or is tried again; and from what ends jobs without one.

use rialto_proto::v1::{JobBody, JobError, JobFailed, JobState};

use super::{
    Engine, Now, Seq,
    record::{Kind, MovedRecord},
    settings::{Retry, ms},
};
use crate::log::{LogError, Position};

/// Deliveries that a job may have for each attempt it may have: releases and restarts count as no attempt, but not for ever.
const DELIVERIES_PER_ATTEMPT: u32 = 3;

/// By which lease a job was settled, and how; zeros for none.
pub(super) type By = (u64, u32);
/// By none.
pub(super) const NOBODY: By = (0, 0);

/// Where a job stays, and why.
pub(super) struct Ending {
    pub(super) state: JobState,
    pub(super) error: Option<JobError>,
}

/// Why an attempt has failed.
pub(super) struct Failure {
    error: JobError,
    permanent: bool,
    /// When to try again; `None`: as the policy says.
    retry_ms: Option<u64>,
}

impl Ending {
    /// A worker has found that it is not to be done.
    pub(super) fn discarded(reason: String) -> Self {
        Self { state: JobState::Discarded, error: Some(error("DISCARDED", reason)) }
    }

    /// Somebody wants it no more.
    pub(super) fn cancelled(reason: &str) -> Self {
        Self { state: JobState::Cancelled, error: Some(error("CANCELLED", reason.to_owned())) }
    }

    /// It was not begun in time.
    pub(super) fn expired() -> Self {
        Self { state: JobState::Expired, error: None }
    }
}

impl Failure {
    /// As the worker has said.
    pub(super) fn said(failed: JobFailed) -> Self {
        Self {
            error: JobError { code: failed.code, message: failed.message },
            permanent: failed.permanent,
            retry_ms: ms(failed.retry_after.as_ref()),
        }
    }

    /// The worker has not said anything in time.
    pub(super) fn lease_expired() -> Self {
        Self::silent("LEASE_EXPIRED", "the lease was not extended in time")
    }

    /// The worker is gone.
    pub(super) fn worker_lost() -> Self {
        Self::silent("WORKER_LOST", "the worker did not come back in time")
    }

    fn silent(code: &str, message: &str) -> Self {
        Self { error: error(code, message.to_owned()), permanent: false, retry_ms: Some(0) }
    }
}

fn error(code: &str, message: String) -> JobError {
    JobError { code: code.to_owned(), message }
}

impl Engine {
    /// A job is done.
    pub(super) fn complete(
        &mut self,
        now: &Now<'_>,
        seq: Seq,
        by: By,
        result: Option<JobBody>,
    ) -> Result<Position, LogError> {
        let moved = MovedRecord { result, ..self.ended(now, seq, by, JobState::Completed) };
        self.write(now, Kind::Moved(moved))
    }

    /// A job ends otherwise.
    pub(super) fn end(
        &mut self,
        now: &Now<'_>,
        seq: Seq,
        by: By,
        ending: Ending,
    ) -> Result<Position, LogError> {
        let moved = MovedRecord { error: ending.error, ..self.ended(now, seq, by, ending.state) };
        self.write(now, Kind::Moved(moved))
    }

    /// The record of a job that ends. An attempt that ran has counted.
    fn ended(&self, now: &Now<'_>, seq: Seq, by: By, state: JobState) -> MovedRecord {
        let moved = self.moved(seq);
        let ran = self.jobs.get(&seq).is_some_and(|job| job.state == JobState::Running);
        MovedRecord {
            state: state.into(),
            at_ms: now.ms,
            until_ms: 0,
            attempts: moved.attempts + u32::from(ran),
            ..settled(moved, by)
        }
    }

    /// An attempt has failed: the job is tried again, or dead.
    pub(super) fn fail(
        &mut self,
        now: &Now<'_>,
        seq: Seq,
        by: By,
        failure: Failure,
    ) -> Result<Position, LogError> {
        let Failure { error, permanent, retry_ms } = failure;
        let (retry, moved) = (self.retry(seq), self.moved(seq));
        let attempts = moved.attempts + 1;
        if self.jobs.get(&seq).is_some_and(|job| job.cancelling) {
            return self.end(now, seq, by, Ending { state: JobState::Cancelled, error: None });
        }
        if permanent || attempts >= retry.attempts_max {
            return self.end(now, seq, by, Ending { state: JobState::Dead, error: Some(error) });
        }
        let wait_ms = retry_ms.unwrap_or_else(|| retry.wait_ms(attempts, (now.chance)()));
        self.wait(now, MovedRecord { attempts, error: Some(error), ..settled(moved, by) }, (wait_ms, retry))
    }

    /// A job is given back: no attempt has counted.
    pub(super) fn release(
        &mut self,
        now: &Now<'_>,
        seq: Seq,
        by: By,
        wait_ms: u64,
    ) -> Result<Position, LogError> {
        if self.jobs.get(&seq).is_some_and(|job| job.cancelling) {
            return self.end(now, seq, by, Ending { state: JobState::Cancelled, error: None });
        }
        let (retry, moved) = (self.retry(seq), self.moved(seq));
        self.wait(now, settled(moved, by), (wait_ms, retry))
    }

    /// A job waits for its next attempt, unless it was given out too often.
    fn wait(
        &mut self,
        now: &Now<'_>,
        moved: MovedRecord,
        (wait_ms, retry): (u64, Retry),
    ) -> Result<Position, LogError> {
        if moved.deliveries >= retry.attempts_max.saturating_mul(DELIVERIES_PER_ATTEMPT) {
            let message = format!("it was given to workers {} times", moved.deliveries);
            let dead = MovedRecord {
                state: JobState::Dead.into(),
                at_ms: now.ms,
                until_ms: 0,
                error: Some(error("DELIVERIES_EXHAUSTED", message)),
                ..moved
            };
            return self.write(now, Kind::Moved(dead));
        }
        let until_ms = if wait_ms == 0 { 0 } else { now.ms.saturating_add(wait_ms) };
        let state = match wait_ms {
            _ if self.is_pausing(Seq(moved.seq)) => JobState::Paused,
            0 => JobState::Waiting,
            _ => JobState::Delayed,
        };
        let moved = MovedRecord { state: state.into(), at_ms: now.ms, until_ms, ..moved };
        self.write(now, Kind::Moved(moved))
    }

    /// Where a job is, to be changed into where it will be.
    pub(super) fn moved(&self, seq: Seq) -> MovedRecord {
        self.jobs.get(&seq).map(|job| job.moved(seq.0)).unwrap_or_default()
    }

    /// How often and when a job is tried.
    pub(super) fn retry(&self, seq: Seq) -> Retry {
        let Some(job) = self.jobs.get(&seq) else { return Retry::DEFAULT };
        let queue = self.queue(job.queue).map_or(Retry::DEFAULT, |queue| queue.settings.retry);
        queue.with(job.spec().retry.as_ref())
    }
}

fn settled(moved: MovedRecord, (settled, settled_as): By) -> MovedRecord {
    if settled == 0 { moved } else { MovedRecord { settled, settled_as, ..moved } }
}
