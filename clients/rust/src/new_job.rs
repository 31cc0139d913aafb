//! A job about to be put into a queue. A value; nothing is sent here.

use std::time::{Duration, SystemTime};

use rand::RngExt;
use rialto_proto::v1::{self, job_body, new_job::Start};

use crate::{
    content::Payload,
    error::{Error, carried},
    uploaded::Uploaded,
};

/// A job to be put into a queue; a value that can be kept and put in again, which has one effect.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct NewJob {
    pub(crate) raw: Box<v1::NewJob>,
    /// It was told to begin at two times.
    conflicts: bool,
    /// Its name is one by chance, which the application has not given.
    unnamed: bool,
}

impl NewJob {
    /// A job that says `payload` to its worker, under a name by chance.
    pub fn new(payload: impl Into<Payload>) -> Self {
        let raw = v1::NewJob {
            job_id: by_chance(),
            body: Some(payload.into().into_job()),
            ..v1::NewJob::default()
        };
        Self { raw: Box::new(raw), conflicts: false, unnamed: true }
    }

    /// A job whose payload was uploaded for its queue, under a name by chance.
    pub fn uploaded(payload: Uploaded) -> Self {
        let raw = v1::NewJob { job_id: by_chance(), body: Some(payload.into_job()), ..v1::NewJob::default() };
        Self { raw: Box::new(raw), conflicts: false, unnamed: true }
    }

    /// The job as it is put in: with a name, so that saying it again has one effect.
    pub(crate) fn named(self) -> Result<v1::NewJob, Error> {
        if self.conflicts {
            return Err(Error::Invalid("a job has a delay or a time, not both".to_owned()));
        }
        let mut raw = *self.raw;
        if raw.job_id.is_empty() {
            raw.job_id = by_chance();
        }
        Ok(raw)
    }

    /// Its name in the queue, for ever. A job of the same name and content is the same job.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.raw.job_id = id.into();
        self.unnamed = self.raw.job_id.is_empty();
        self
    }

    /// What kind of job it is. At most 64 bytes.
    pub fn of_type(mut self, kind: impl Into<String>) -> Self {
        self.raw.r#type = kind.into();
        self
    }

    /// Something by which it is found again. At most 16, together 1 KiB.
    pub fn attribute(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.raw.attributes.insert(key.into(), value.into());
        self
    }

    /// Jobs of higher priority are served first. -16 to 15, default 0.
    pub fn priority(mut self, priority: i32) -> Self {
        self.raw.priority = priority;
        self
    }

    /// On whose behalf, for example a tenant: keys share the workers.
    pub fn fairness_key(mut self, key: impl Into<String>) -> Self {
        self.raw.fairness_key = key.into();
        self
    }

    /// How much of the workers its key gets beside others. 1 to 1,000, default 1.
    pub fn fairness_weight(mut self, weight: u32) -> Self {
        self.raw.fairness_weight = weight;
        self
    }

    /// Jobs with the same key are worked on one after the other.
    pub fn ordering_key(mut self, key: impl Into<String>) -> Self {
        self.raw.ordering_key = key.into();
        self
    }

    /// While a job with this key is neither finished nor dead, another one is not put in.
    pub fn unique_key(mut self, key: impl Into<String>) -> Self {
        self.raw.unique_key = key.into();
        self
    }

    /// It may begin so long from now.
    pub fn delay(mut self, delay: Duration) -> Self {
        let before = self.raw.start.replace(Start::Delay(carried(delay)));
        self.conflicts |= matches!(before, Some(Start::RunAt(_)));
        self
    }

    /// It may begin at this time.
    pub fn run_at(mut self, at: SystemTime) -> Self {
        let before = self.raw.start.replace(Start::RunAt(at.into()));
        self.conflicts |= matches!(before, Some(Start::Delay(_)));
        self
    }

    /// It expires when it has not begun within this time.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.raw.ttl = Some(carried(ttl));
        self
    }

    /// It belongs to a batch: that of the job of this name, which [`NewJob::completes_batch`].
    pub fn in_batch(mut self, id: impl Into<String>) -> Self {
        self.raw.batch_id = id.into();
        self
    }

    /// It begins once the batch of its name is closed and all jobs of that have ended. To be put in before them.
    pub fn completes_batch(mut self) -> Self {
        self.raw.completes_batch = true;
        self
    }

    /// Once it is completed another one is put into the same queue, and gets its result. At most 16, one after the other.
    pub fn then(self, job: Self) -> Self {
        self.then_in(String::new(), job)
    }

    /// The same with another queue of the namespace.
    pub fn then_in(mut self, queue: impl Into<String>, mut job: Self) -> Self {
        self.conflicts |= job.conflicts;
        if job.unnamed {
            // The server names it by the one before it.
            job.raw.job_id.clear();
        }
        self.raw.chain.push(v1::ChainedJob { queue: queue.into(), job: Some(*job.raw) });
        self
    }

    /// How often and when it is tried again.
    pub fn retry(mut self, policy: v1::RetryPolicy) -> Self {
        self.raw.retry = Some(policy);
        self
    }

    /// At most so many attempts. Default 20.
    pub fn attempts_max(mut self, attempts: u32) -> Self {
        self.raw.retry.get_or_insert_default().attempts_max = attempts;
        self
    }

    /// Has a room of the queue's namespace told when it has ended.
    pub fn notify_room(mut self, room: impl Into<String>) -> Self {
        self.raw.notify.push(v1::JobNotify { room: room.into(), ..v1::JobNotify::default() });
        self
    }
}

impl Payload {
    pub(crate) fn into_job(self) -> v1::JobBody {
        let body = self.body.said_as(job_body::Body::Text, job_body::Body::Binary);
        v1::JobBody { body, content_type: self.content_type }
    }
}

impl From<v1::JobBody> for Payload {
    fn from(body: v1::JobBody) -> Self {
        let payload = match body.body {
            Some(job_body::Body::Text(text)) => Self::from(text),
            Some(job_body::Body::Binary(bytes)) => Self::from(bytes),
            // What was uploaded is read by itself.
            Some(job_body::Body::Uploaded(_)) | None => Self::default(),
        };
        payload.of_type(body.content_type)
    }
}

/// A name that no other job has.
fn by_chance() -> String {
    format!("{:032x}", rand::rng().random::<u128>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_without_a_name_gets_one_by_chance() {
        let names = [NewJob::new("").id(""), NewJob::new("")].map(|job| job.named().unwrap().job_id);
        assert!(names.iter().all(|name| name.len() == 32) && names[0] != names[1]);
        assert_eq!(NewJob::new("").id("mine").named().unwrap().job_id, "mine");
    }

    #[test]
    fn a_job_of_a_chain_is_named_by_the_server_unless_the_application_does() {
        let job = NewJob::new("").then(NewJob::new("")).then(NewJob::new("").id("last"));
        let names = job.named().unwrap().chain.into_iter().map(|chained| chained.job.unwrap().job_id);
        assert_eq!(names.collect::<Vec<_>>(), ["", "last"]);
    }

    #[test]
    fn a_job_begins_after_a_delay_or_at_a_time() {
        let (second, at) = (Duration::from_secs(1), SystemTime::UNIX_EPOCH);
        for wrong in [NewJob::new("").delay(second).run_at(at), NewJob::new("").run_at(at).delay(second)] {
            assert!(matches!(wrong.clone().named(), Err(Error::Invalid(_))));
            assert!(NewJob::new("").then(wrong).named().is_err());
        }
        assert!(NewJob::new("").delay(second).delay(second * 2).named().is_ok());
    }
}
