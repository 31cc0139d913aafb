//! Taking jobs into a queue: each once under its name, and once while another one has its unique key.

use bytes::Bytes;
use prost::Message;
use rialto_proto::v1::{JobState, NewJob, RefusalCode, new_job::Start};

use super::{
    Engine, Now, QueueIndex,
    job::digest,
    record::{JobRecord, Kind, MovedRecord},
    settings::ms,
};
use crate::{
    base::{refusal::Refusal, text::write_base32},
    log::{LogError, Position, refused},
};

/// A job is in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// Its name.
    pub job_id: String,
    /// It, or another one with its unique key, was there before.
    pub duplicate: bool,
    /// True once this is durable; the caller is not to be told before.
    pub position: Position,
}

impl Engine {
    /// Takes a job that was checked into a queue, which is made if it is the first one.
    ///
    /// # Errors
    /// Nothing was taken.
    pub fn put(&mut self, now: &Now<'_>, namespace: &str, queue: &str, job: NewJob) -> Result<Put, Refusal> {
        let index = self.find_queue(namespace, queue);
        let job = named(job, now);
        let spec = job.encode_to_vec();
        if let Some(index) = index
            && let Some(before) = self.put_before(index, &job, &spec)?
        {
            return Ok(before);
        }
        let batch = self.batch_for(index, &job)?;
        self.has_room(now, index, spec.len())?;
        let record = JobRecord {
            batch_seq: batch.map_or(0, |seq| seq.0),
            ..self.new_record(now, (namespace, queue), &job, spec)
        };
        let position = self.write_job(now, record).map_err(refused)?;
        Ok(Put { job_id: job.job_id, duplicate: false, position })
    }

    /// A job that is put in now.
    pub(super) fn new_record(
        &self,
        now: &Now<'_>,
        (namespace, queue): (&str, &str),
        job: &NewJob,
        spec: Vec<u8>,
    ) -> JobRecord {
        let seq = self.next_seq;
        JobRecord {
            seq,
            namespace: namespace.to_owned(),
            queue: queue.to_owned(),
            spec: Bytes::from(spec),
            enqueued_ms: now.ms,
            place: Some(first_place(seq, now.ms, job)),
            ..JobRecord::default()
        }
    }

    pub(super) fn write_job(&mut self, now: &Now<'_>, record: JobRecord) -> Result<Position, LogError> {
        let position = self.write(now, Kind::Job(Box::new(record)))?;
        self.put_count += 1;
        Ok(position)
    }

    /// Whether a job, or one with its unique key, is in a queue.
    pub(super) fn is_there(&self, index: QueueIndex, job: &NewJob) -> bool {
        let unique = self.queue(index).and_then(|queue| queue.unique.get(job.unique_key.as_str()));
        self.find(index, &job.job_id).is_some() || unique.is_some() && !job.unique_key.is_empty()
    }

    /// What is answered when the job, or one with its unique key, is there.
    fn put_before(&self, index: QueueIndex, job: &NewJob, spec: &[u8]) -> Result<Option<Put>, Refusal> {
        let named = self.find(index, &job.job_id).and_then(|seq| self.jobs.get(&seq));
        if let Some(known) = named {
            if known.digest() != digest(spec) {
                let reason = "another job of that name is in the queue";
                return Err(Refusal { field: "job_id", ..Refusal::new(RefusalCode::AlreadyExists, reason) });
            }
            let job_id = job.job_id.clone();
            return Ok(Some(Put { job_id, duplicate: true, position: known.position }));
        }
        let unique = self.queue(index).and_then(|queue| queue.unique.get(job.unique_key.as_str()));
        let known = unique.and_then(|seq| self.jobs.get(seq));
        let known = known.filter(|_| !job.unique_key.is_empty());
        Ok(known.map(|known| Put {
            job_id: known.id().to_owned(),
            duplicate: true,
            position: known.position,
        }))
    }

    /// Refuses what is beyond the bounds of the queue or the shard.
    pub(super) fn has_room(
        &self,
        now: &Now<'_>,
        index: Option<QueueIndex>,
        bytes: usize,
    ) -> Result<(), Refusal> {
        match index.and_then(|index| self.queue(index)) {
            Some(queue) if queue.counts.kept() >= queue.settings.jobs_max => {
                return Err(Refusal::limit("jobs_max", queue.settings.jobs_max));
            }
            None if self.queue_count() >= self.limits.queues_max as usize => {
                return Err(Refusal::limit("queues_max", self.limits.queues_max));
            }
            _ => {}
        }
        if self.bytes + now.bytes_elsewhere + bytes as u64 > self.limits.bytes_max {
            return Err(Refusal::limit("jobs_bytes_max", self.limits.bytes_max));
        }
        Ok(())
    }
}

/// The job, with a name.
fn named(mut job: NewJob, now: &Now<'_>) -> NewJob {
    if job.job_id.is_empty() {
        job.job_id = job_name(now.ms, (now.chance)());
    }
    job
}

/// A name for a job: of those that were made, later ones come behind earlier ones.
pub fn job_name(ms: u64, chance: u64) -> String {
    let mut name = String::new();
    // Writing to a string does not fail.
    write_base32(&mut name, u128::from(ms) << 64 | u128::from(chance), 26).ok();
    name
}

fn first_place(seq: u64, now_ms: u64, job: &NewJob) -> MovedRecord {
    let due_ms = match &job.start {
        Some(Start::Delay(delay)) => now_ms.saturating_add(ms(Some(delay)).unwrap_or_default()),
        Some(Start::RunAt(at)) => {
            let since = prost_types::Duration { seconds: at.seconds, nanos: at.nanos };
            ms(Some(&since)).unwrap_or_default()
        }
        None => now_ms,
    };
    let (state, until_ms) = match due_ms {
        // Its time begins when its batch is complete.
        _ if job.completes_batch => (JobState::Blocked, 0),
        due_ms if due_ms > now_ms => (JobState::Delayed, due_ms),
        _ => (JobState::Waiting, 0),
    };
    let ttl_ms = ms(job.ttl.as_ref()).filter(|_| state != JobState::Blocked);
    let expires_ms = ttl_ms.map_or(0, |ttl_ms| due_ms.max(now_ms).saturating_add(ttl_ms));
    MovedRecord { seq, state: state.into(), at_ms: now_ms, until_ms, expires_ms, ..MovedRecord::default() }
}
