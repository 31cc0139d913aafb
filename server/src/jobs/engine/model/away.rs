//! Whoever watches and is away for a while, in the model: of each job that is not as it was, it hears when it is back.

use super::*;

/// How a job was when somebody looked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    state: JobState,
    deliveries: u32,
    cancelling: bool,
    pausing: bool,
}

impl Bench {
    /// Looks how every job is, and goes on watching from some moment at which it was looked before.
    pub(super) fn come_back(&mut self) -> Result<(), TestCaseError> {
        let jobs = self.engine.jobs.iter().map(|(seq, job)| {
            let (state, deliveries) = (job.state, job.deliveries);
            (seq.0, Seen { state, deliveries, cancelling: job.cancelling, pausing: job.pausing })
        });
        let now: BTreeMap<u64, Seen> = jobs.collect();
        let some = self.seen.len().checked_sub(1).map(|last| self.chance.get() as usize % (last + 1));
        if let Some((count, before)) = some.and_then(|some| self.seen.iter().nth(some)) {
            let from = Position(*count as u64);
            let of = |queue| self.engine.changed_from((NAMESPACE, queue), from);
            let changed: Option<Vec<_>> = QUEUES.into_iter().map(of).collect();
            let told: BTreeSet<u64> = changed.unwrap().into_iter().flatten().map(|(seq, _)| seq.0).collect();
            for (seq, job) in &now {
                let is_told = before.get(seq) == Some(job) || told.contains(seq);
                prop_assert!(is_told, "{} has changed since {:?}: {:?}", seq, from, job);
            }
        }
        self.seen.insert(self.log.len(), now);
        Ok(())
    }
}
