//! Batches, chains and schedules in the model: what is asked of them, and what they promise.

use rialto_proto::v1::{ChainedJob, Schedule};

use super::*;
use crate::jobs::engine::FollowUp;

/// A job that hangs together with others in some way.
pub(super) fn bound(job: NewJob, bond: Bond, queue: usize) -> NewJob {
    match bond {
        Bond::None => job,
        Bond::Of(batch) => NewJob { batch_id: format!("batch{batch}"), ..job },
        Bond::Completes(batch) => {
            NewJob { job_id: format!("batch{batch}"), completes_batch: true, start: None, ..job }
        }
        Bond::Chain(length) => {
            let next = |n| ChainedJob {
                queue: QUEUES[(queue + usize::from(n)) % QUEUES.len()].to_owned(),
                job: Some(NewJob { retry: job.retry, ..NewJob::default() }),
            };
            NewJob { chain: (0..length).map(next).collect(), ..job }
        }
    }
}

impl Bench {
    /// What was put in hangs together with others.
    pub(super) fn bind(&mut self, seq: u64, queue: &str, job: &NewJob) {
        if !job.batch_id.is_empty() {
            let completing = self.engine.seq(NAMESPACE, queue, &job.batch_id).unwrap();
            self.batched.insert(seq, completing.0);
        }
        if !job.chain.is_empty() {
            self.chained.insert(seq, None);
        }
    }

    pub(super) fn close_batch(&mut self, queue: usize, batch: u8) {
        let id = format!("batch{batch}");
        now!(self, |engine, now| engine.close_batch(&now, (NAMESPACE, QUEUES[queue], &id))).ok();
    }

    pub(super) fn close_all(&mut self) {
        for queue in 0..QUEUES.len() {
            self.close_batch(queue, 0);
            self.close_batch(queue, 1);
        }
    }

    /// Whoever begins when a batch is complete begins when that is durable, and is told of every job of it.
    pub(super) fn check_lease(&self, seq: Seq, lease: &Lease) -> Result<(), TestCaseError> {
        let Some(batch) = lease.batch else { return Ok(()) };
        let jobs = self.batched.iter().filter(|(_, completing)| **completing == seq.0);
        let mut count = 0;
        for (job, _) in jobs {
            count += 1;
            let ended = self.ended.get(job);
            prop_assert!(ended.is_none_or(|position| *position < self.log.durable()));
        }
        let ended = batch.completed_count
            + batch.dead_count
            + batch.cancelled_count
            + batch.expired_count
            + batch.discarded_count;
        prop_assert_eq!((batch.closed, batch.live_count, ended), (true, 0, count));
        Ok(())
    }

    /// Puts in what follows in chains, some of it again because it was not noted.
    pub(super) fn follow(&mut self, noted: bool) -> Result<(), TestCaseError> {
        for FollowUp { seq, queue, job, .. } in self.engine.follow_ups(Seq(0), 3) {
            let put = now!(self, |engine, now| engine.put(&now, NAMESPACE, &queue, job.clone()));
            let Ok(put) = put else { return Ok(()) };
            prop_assert_eq!(&put.job_id, &job.job_id);
            if let Some(Some((_, before))) = self.chained.get(&seq.0) {
                prop_assert_eq!(before, &job.job_id, "what follows has another name than before");
            }
            let next = self.engine.seq(NAMESPACE, &queue, &job.job_id).unwrap();
            if !job.chain.is_empty() {
                self.chained.entry(next.0).or_insert(None);
            }
            self.chained.insert(seq.0, Some((queue, job.job_id)));
            self.discover();
            if noted {
                now!(self, |engine, now| engine.followed(&now, seq)).ok();
            }
        }
        Ok(())
    }

    /// After a job that is completed comes the next one of its chain.
    pub(super) fn check_chains(&self) -> Result<(), TestCaseError> {
        prop_assert_eq!(self.engine.follow_ups(Seq(0), 10), Vec::new());
        for (seq, next) in &self.chained {
            let Some(job) = self.engine.job_by_seq(Seq(*seq)) else { continue };
            if job.state() == JobState::Completed {
                let (queue, id) = next.clone().unwrap();
                prop_assert!(self.engine.seq(NAMESPACE, &queue, &id).is_ok(), "{} is missing", id);
            }
        }
        Ok(())
    }

    /// Puts something in every so many seconds; 0: not any more.
    pub(super) fn schedule(&mut self, queue: usize, seconds: u8, one_live: bool) {
        let names = (NAMESPACE, QUEUES[queue]);
        if seconds == 0 {
            now!(self, |engine, now| engine.delete_schedule(&now, names, "tick")).ok();
            return;
        }
        let schedule = Schedule {
            schedule_id: "tick".to_owned(),
            cron: format!("*/{seconds} * * * * *"),
            job: Some(NewJob::default()),
            one_live,
            ..Schedule::default()
        };
        now!(self, |engine, now| engine.put_schedule(&now, names, schedule)).ok();
    }

    /// Jobs that were put in by schedules and chains are known as others are.
    pub(super) fn discover(&mut self) {
        for (seq, job) in &self.engine.jobs {
            let queue = self.engine.queue(job.queue).unwrap().name.to_string();
            let found = || (queue, job.id().to_owned(), job.position);
            self.put.entry(seq.0).or_insert_with(found);
        }
    }
}
