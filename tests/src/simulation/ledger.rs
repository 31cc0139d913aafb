//! What must hold of jobs: what was taken is not lost, is done once, by whoever had it, and what was left for the next attempt is
//! there.

use std::collections::{BTreeMap, BTreeSet};

use rialto_proto::v1::{Lease, settlement::Outcome};

use super::labour::QUEUES;

/// A job.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct JobName {
    pub(super) queue: &'static str,
    pub(super) id: String,
}

/// What was left of jobs, and acknowledged. A number that is larger was left later.
pub(super) type Checkpoints = BTreeMap<JobName, u64>;

/// A job that a worker has.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) job: JobName,
    pub(super) token: String,
    /// What became of it, once that was said.
    pub(super) outcome: Option<Outcome>,
    /// That was said when the job was known to be done.
    pub(super) is_late: bool,
    /// Something was left, and that was not answered: it may arrive behind what would be left next.
    pub(super) leaving: bool,
    /// What it came with, and what was known to be left before it was asked for.
    came_with: u64,
    known: u64,
}

/// What has become of jobs.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Jobs that were taken.
    pub(super) taken: BTreeSet<JobName>,
    /// What was left of them.
    pub(super) checkpoints: Checkpoints,
    /// By which lease each was done.
    done: BTreeMap<JobName, String>,
    tokens: BTreeSet<String>,
    /// How often a worker has heard that its lease is over.
    pub(super) leases_lost: u64,
    complaints: Vec<String>,
}

impl Ledger {
    /// A job was taken.
    pub(super) fn taken(&mut self, job: JobName) {
        self.taken.insert(job);
    }

    /// A worker has got a job.
    pub(super) fn given(&mut self, lease: Lease, known: &Checkpoints) -> Option<Held> {
        let Some(queue) = QUEUES.into_iter().find(|queue| **queue == *lease.queue) else {
            self.complain(format!("a job of {} was given", lease.queue));
            return None;
        };
        let job = JobName { queue, id: lease.job_id };
        if !self.tokens.insert(lease.token.clone()) {
            self.complain(format!("{job:?} was given twice as {}", lease.token));
        }
        let left = std::str::from_utf8(&lease.checkpoint).unwrap_or_default();
        let came_with = left.parse().unwrap_or_default();
        let known = known.get(&job).copied().unwrap_or_default();
        Some(Held {
            job,
            token: lease.token,
            outcome: None,
            is_late: false,
            leaving: false,
            came_with,
            known,
        })
    }

    /// What a worker has said of a job counts. Whoever keeps it now has written that its lease was given, so that it knew what was
    /// left before.
    pub(super) fn settled(&mut self, held: &Held) {
        let Held { job, token, came_with, known, outcome, is_late, .. } = held;
        let completed = matches!(outcome, Some(Outcome::Completed(_)));
        if came_with < known {
            self.complain(format!("{job:?} came with {came_with} although {known} was left"));
        }
        // What was said before it was done, by who gave it back, may be answered later.
        let counts = completed || *is_late;
        if let Some(before) = self.done.get(job).filter(|before| counts && *before != token) {
            self.complain(format!("{job:?} was settled as {token} after it was done as {before}"));
        }
        if completed {
            self.done.insert(job.clone(), token.clone());
        }
    }

    /// A worker is about to say what became of a job: what it has said before, if it has.
    pub(super) fn mark(&self, mut held: Held, outcome: Outcome) -> Held {
        if held.outcome.is_none() {
            (held.outcome, held.is_late) = (Some(outcome), self.done.contains_key(&held.job));
        }
        held
    }

    /// Something was left for the next attempt.
    pub(super) fn left(&mut self, held: &Held, checkpoint: u64) {
        let newest = self.checkpoints.entry(held.job.clone()).or_default();
        *newest = checkpoint.max(*newest);
    }

    /// Something is wrong.
    pub(super) fn complain(&mut self, what: String) {
        self.complaints.push(what);
    }

    /// What is.
    pub(super) fn complaints(&mut self) -> Vec<String> {
        std::mem::take(&mut self.complaints)
    }

    /// How many are done.
    pub(super) fn done(&self) -> u64 {
        self.done.len() as u64
    }
}
