//! Schedules and batches of a queue.

use rialto_proto::v1;

use crate::{
    error::Error,
    jobs::{Jobs, ask},
    new_job::NewJob,
};

/// Puts a job into a queue again and again; a value.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Schedule {
    raw: v1::Schedule,
}

impl Schedule {
    /// Under this name, at times as `cron` has them, in UTC. The names of the jobs follow from that of the schedule and the time: the
    /// job's own is not used, nor are its delay and its batch.
    pub fn new(id: impl Into<String>, cron: impl Into<String>, job: NewJob) -> Self {
        let job = v1::NewJob {
            job_id: String::new(),
            start: None,
            batch_id: String::new(),
            completes_batch: false,
            ..*job.raw
        };
        let raw = v1::Schedule {
            schedule_id: id.into(),
            cron: cron.into(),
            job: Some(job),
            ..v1::Schedule::default()
        };
        Self { raw }
    }

    /// The time zone that holds for it, for example `Europe/Berlin`.
    pub fn time_zone(mut self, zone: impl Into<String>) -> Self {
        self.raw.time_zone = zone.into();
        self
    }

    /// Nothing is put in while the job before has not ended.
    pub fn one_live(mut self) -> Self {
        self.raw.one_live = true;
        self
    }

    /// Nothing is put in at all.
    pub fn paused(mut self) -> Self {
        self.raw.paused = true;
        self
    }
}

impl Jobs {
    /// No more jobs are put into a batch: the job that completes it begins once all have ended. Returns that one.
    pub async fn close_batch(&self, id: impl Into<String>) -> Result<v1::Job, Error> {
        let response = ask!(self, close_batch, CloseBatchRequest { batch_id: id.into() });
        response.job.ok_or_else(|| Error::unexpected("the close of a batch"))
    }

    /// Makes a schedule, or changes the one of that name.
    pub async fn put_schedule(&self, schedule: Schedule) -> Result<v1::ScheduleStatus, Error> {
        let response = ask!(self, put_schedule, PutScheduleRequest { schedule: Some(schedule.raw) });
        response.schedule.ok_or_else(|| Error::unexpected("a schedule"))
    }

    /// Ends a schedule.
    pub async fn delete_schedule(&self, id: impl Into<String>) -> Result<(), Error> {
        ask!(self, delete_schedule, DeleteScheduleRequest { schedule_id: id.into() });
        Ok(())
    }

    /// All schedules of the queue, by name.
    pub async fn schedules(&self) -> Result<Vec<v1::ScheduleStatus>, Error> {
        Ok(ask!(self, list_schedules, ListSchedulesRequest {}).schedules)
    }
}
