//! Chains: the next job is put in when the one before is completed, and gets its result. It may go into a queue of another shard, so
//! that it is not one step: the job before stays known as one that is to be followed until the next one is durable, and the name
//! of the next one follows from it, so that putting it in twice is putting it in once.

use rialto_proto::v1::NewJob;
use sha2::{Digest, Sha256};

use super::{
    Engine, Now, Seq, behind,
    record::{Kind, SeqRecord},
};
use crate::{base::text::write_base32, log::LogError};

/// A job is to be put in because the one before it in its chain is completed.
#[derive(Debug, Clone, PartialEq)]
pub struct FollowUp {
    /// The one before.
    pub seq: Seq,
    /// The namespace.
    pub namespace: String,
    /// The queue.
    pub queue: String,
    /// The job.
    pub job: NewJob,
}

impl Engine {
    /// Jobs that are to be put in, the first of them behind one. Each is said again until [`Engine::followed`].
    pub fn follow_ups(&self, after: Seq, count_max: usize) -> Vec<FollowUp> {
        behind(&self.unfollowed, after).take(count_max).filter_map(|seq| self.follow_up(*seq)).collect()
    }

    fn follow_up(&self, seq: Seq) -> Option<FollowUp> {
        let before = self.jobs.get(&seq)?;
        let own = self.queue(before.queue)?;
        let mut chain = before.spec().chain.into_iter();
        let next = chain.next()?;
        let mut job = next.job.unwrap_or_default();
        if job.job_id.is_empty() {
            let origin = (own.namespace.as_ref(), own.name.as_ref(), before.id());
            job.job_id = name_after(origin, before.enqueued_ms);
        }
        job.previous_result = before.rest().and_then(|rest| rest.result.clone());
        job.chain = chain.collect();
        let queue = if next.queue.is_empty() { own.name.as_ref().to_owned() } else { next.queue };
        Some(FollowUp { seq, namespace: own.namespace.as_ref().to_owned(), queue, job })
    }

    /// The next job is in its queue, or it is known that it cannot be.
    pub fn followed(&mut self, now: &Now<'_>, seq: Seq) -> Result<(), LogError> {
        if self.unfollowed.contains(&seq) {
            self.write(now, Kind::Followed(SeqRecord { seq: seq.0 }))?;
        }
        Ok(())
    }
}

/// The name of the job after one that has none of its own: whoever puts it in again comes to the same.
fn name_after((namespace, queue, job_id): (&str, &str, &str), enqueued_ms: u64) -> String {
    let before = format!("{namespace}\0{queue}\0{job_id}\0{enqueued_ms}");
    let digest = Sha256::digest(before);
    let mut half = [0; 16];
    half.copy_from_slice(&digest[..16]);
    let mut name = String::new();
    // Writing to a string does not fail.
    write_base32(&mut name, u128::from_be_bytes(half), 26).ok();
    name
}
