//! Jobs and queues as they are shown.

use std::{collections::BTreeMap, sync::Arc};

use rialto_proto::v1::{self, JobState, RefusalCode};

use super::{
    Engine, Seq, Token,
    job::{Job, is_live, upload},
    queue::Queue,
    settings::timestamp,
};
use crate::base::refusal::Refusal;

/// Which jobs are wanted.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// In these states; empty: in all.
    pub states: Vec<JobState>,
    /// Of this type; empty: of any.
    pub kind: String,
    /// With all of these attributes.
    pub attributes: BTreeMap<String, String>,
    /// Of this batch; empty: of any and none.
    pub batch_id: String,
    /// Put in at this time or later, in milliseconds since 1970.
    pub from_ms: u64,
    /// Put in before this time.
    pub before_ms: Option<u64>,
}

/// Jobs that are looked at for one page: beyond, it ends, and says where to go on.
const LOOKED_MAX: usize = 20_000;

impl Engine {
    /// A job.
    pub fn job(&self, namespace: &str, queue: &str, id: &str) -> Result<v1::Job, Refusal> {
        let seq = self.named(namespace, queue, id)?;
        let shown = self.jobs.get(&seq).map(|job| self.show(seq, job, true));
        shown.ok_or_else(|| Refusal::new(RefusalCode::NotFound, "there is no such job in the queue"))
    }

    /// Uploads that jobs still need: the namespace, the queue and the id of each.
    pub fn uploads(&self) -> Vec<(Arc<str>, Arc<str>, String)> {
        let jobs = self.with_upload.iter().filter_map(|seq| self.jobs.get(seq));
        let named = jobs.filter_map(|job| {
            let (queue, spec) = (self.queue(job.queue)?, job.spec());
            Some((Arc::clone(&queue.namespace), Arc::clone(&queue.name), upload(&spec)?.to_owned()))
        });
        named.collect()
    }

    /// The number of a job.
    pub fn seq(&self, namespace: &str, queue: &str, id: &str) -> Result<Seq, Refusal> {
        self.named(namespace, queue, id)
    }

    /// A job by its number, without its body; `None` when it is not kept any more.
    pub fn job_by_seq(&self, seq: Seq) -> Option<v1::Job> {
        self.jobs.get(&seq).map(|job| self.show(seq, job, false))
    }

    /// The queue of a job.
    pub fn queue_of(&self, seq: Seq) -> Option<(&str, &str)> {
        let queue = self.queue(self.jobs.get(&seq)?.queue)?;
        Some((&queue.namespace, &queue.name))
    }

    /// Who has the job, and the token of the lease, while it runs.
    pub fn running(&self, seq: Seq) -> Option<(u64, Token)> {
        let job = self.jobs.get(&seq).filter(|job| job.state == JobState::Running)?;
        let run = job.run()?;
        Some((run.worker, Token { shard: self.number, seq, nonce: run.nonce }))
    }

    /// Leases of a worker whose jobs somebody wants cancelled.
    pub fn cancelling_of(&self, worker: u64) -> Vec<Token> {
        let cancelling = self.workers.leases(worker).into_iter().filter(|seq| self.is_cancelling(*seq));
        cancelling.filter_map(|seq| self.running(seq)).map(|(_, token)| token).collect()
    }

    /// The same of those whose jobs somebody wants paused.
    pub fn pausing_of(&self, worker: u64) -> Vec<Token> {
        let pausing = self.workers.leases(worker).into_iter().filter(|seq| self.is_pausing(*seq));
        pausing.filter_map(|seq| self.running(seq)).map(|(_, token)| token).collect()
    }

    /// Whether somebody wants a running job paused.
    pub fn is_pausing(&self, seq: Seq) -> bool {
        self.jobs.get(&seq).is_some_and(|job| job.pausing && !job.cancelling)
    }

    /// Whether somebody wants a running job cancelled.
    pub fn is_cancelling(&self, seq: Seq) -> bool {
        self.jobs.get(&seq).is_some_and(|job| job.cancelling)
    }

    /// Jobs of a queue before `before`, the last one put in first; and where to go on when there may be more.
    pub fn list(
        &self,
        (namespace, queue): (&str, &str),
        filter: &Filter,
        before: Seq,
        count_max: usize,
    ) -> (Vec<v1::Job>, Option<Seq>) {
        let mut jobs = Vec::new();
        let Some(queue) = self.find_queue(namespace, queue).and_then(|index| self.queue(index)) else {
            return (jobs, None);
        };
        for (looked, seq) in queue.jobs_before(before).enumerate() {
            if jobs.len() == count_max || looked == LOOKED_MAX {
                return (jobs, Some(Seq(seq.0 + 1)));
            }
            if let Some(job) = self.jobs.get(&seq).filter(|job| filter.matches(job)) {
                jobs.push(self.show(seq, job, false));
            }
        }
        (jobs, None)
    }

    /// A queue.
    pub fn show_queue(&self, namespace: &str, queue: &str) -> Result<v1::Queue, Refusal> {
        let found = self.find_queue(namespace, queue).and_then(|index| self.queue(index));
        let unknown = || Refusal::new(RefusalCode::NotFound, "there is no such queue");
        found.map(|queue| self.told_queue(queue)).ok_or_else(unknown)
    }

    /// The queues of a namespace, by name.
    pub fn queues(&self, namespace: &str) -> Vec<v1::Queue> {
        let indices = self.queue_names.get(namespace).into_iter().flat_map(|names| names.values());
        let mut queues: Vec<_> =
            indices.filter_map(|index| self.queue(*index)).map(|queue| self.told_queue(queue)).collect();
        queues.sort_by(|a, b| a.queue.cmp(&b.queue));
        queues
    }

    /// A lease that was given, as the worker gets it.
    pub(super) fn lease(&self, seq: Seq) -> Option<v1::Lease> {
        let job = self.jobs.get(&seq)?;
        let queue = self.queue(job.queue)?;
        let run = job.run()?;
        let spec = job.spec();
        let rest = job.rest();
        Some(v1::Lease {
            token: Token { shard: self.number, seq, nonce: run.nonce }.to_string(),
            namespace: queue.namespace.as_ref().to_owned(),
            queue: queue.name.as_ref().to_owned(),
            job_id: spec.job_id,
            r#type: spec.r#type,
            body: spec.body,
            attributes: spec.attributes,
            attempt: job.attempts + 1,
            attempts_max: queue.settings.retry.with(spec.retry.as_ref()).attempts_max,
            enqueue_time: timestamp(job.enqueued_ms),
            end_time: timestamp(job.until_ms),
            ordering_key: spec.ordering_key,
            last_error: rest.and_then(|rest| rest.error.clone()),
            checkpoint: rest.map(|rest| rest.checkpoint.clone()).unwrap_or_default(),
            progress: rest.and_then(|rest| rest.progress.clone()),
            previous_result: spec.previous_result,
            batch: job.completes_batch.then(|| job.batch()),
        })
    }

    fn show(&self, seq: Seq, job: &Job, with_body: bool) -> v1::Job {
        let spec = job.spec();
        let queue = self.queue(job.queue);
        let rest = job.rest();
        let running = job.state == JobState::Running;
        let ended = !is_live(job.state);
        v1::Job {
            namespace: queue.map_or_else(String::new, |queue| queue.namespace.as_ref().to_owned()),
            queue: queue.map_or_else(String::new, |queue| queue.name.as_ref().to_owned()),
            job_id: spec.job_id,
            r#type: spec.r#type,
            state: job.state.into(),
            body: spec.body.filter(|_| with_body),
            attributes: spec.attributes,
            priority: job.priority.into(),
            fairness_key: spec.fairness_key,
            ordering_key: spec.ordering_key,
            unique_key: spec.unique_key,
            enqueue_time: timestamp(job.enqueued_ms),
            due_time: timestamp(job.until_ms).filter(|_| job.state == JobState::Delayed),
            start_time: timestamp(job.run().map_or(0, |run| run.began_ms)),
            end_time: timestamp(job.at_ms).filter(|_| ended),
            attempt: job.attempts + u32::from(running),
            attempts_max: queue
                .map_or(0, |queue| queue.settings.retry.with(spec.retry.as_ref()).attempts_max),
            deliveries: job.deliveries,
            worker_id: job.run().map_or_else(String::new, |run| run.worker_name.as_ref().to_owned()),
            lease_end_time: timestamp(job.until_ms).filter(|_| running),
            progress: rest.and_then(|rest| rest.progress.clone()),
            result: rest.and_then(|rest| rest.result.clone()),
            error: rest.and_then(|rest| rest.error.clone()),
            cancelling: job.cancelling,
            pausing: job.pausing,
            forget_time: timestamp(job.timer_ms).filter(|_| ended),
            batch_id: spec.batch_id,
            batch: job.completes_batch.then(|| self.batch_now(seq, job)),
            chain_length: u32::try_from(spec.chain.len()).unwrap_or(u32::MAX),
            schedule_id: job.schedule().map(|(id, _)| id.to_string()).unwrap_or_default(),
        }
    }

    fn told_queue(&self, queue: &Queue) -> v1::Queue {
        let of = |state| queue.counts.of(state);
        let oldest = queue.live.first().and_then(|seq| self.jobs.get(seq));
        v1::Queue {
            namespace: queue.namespace.as_ref().to_owned(),
            queue: queue.name.as_ref().to_owned(),
            settings: Some(queue.settings.told()),
            paused: queue.paused,
            delayed_count: of(JobState::Delayed),
            waiting_count: of(JobState::Waiting),
            running_count: of(JobState::Running),
            dead_count: of(JobState::Dead),
            ended_count: u32::try_from(queue.ended.len()).unwrap_or(u32::MAX),
            oldest_enqueue_time: oldest.and_then(|job| timestamp(job.enqueued_ms)),
            blocked_count: of(JobState::Blocked),
            paused_count: of(JobState::Paused),
        }
    }
}

impl Filter {
    fn matches(&self, job: &Job) -> bool {
        if !self.states.is_empty() && !self.states.contains(&job.state) {
            return false;
        }
        if job.enqueued_ms < self.from_ms || self.before_ms.is_some_and(|before| job.enqueued_ms >= before) {
            return false;
        }
        if self.kind.is_empty() && self.attributes.is_empty() && self.batch_id.is_empty() {
            return true;
        }
        let spec = job.spec();
        if !self.batch_id.is_empty() && self.batch_id != spec.batch_id {
            return false;
        }
        let has = |(name, value): (&String, &String)| spec.attributes.get(name) == Some(value);
        (self.kind.is_empty() || self.kind == spec.r#type) && self.attributes.iter().all(has)
    }
}
