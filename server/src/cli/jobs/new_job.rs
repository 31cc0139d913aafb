//! What a job says, for those who put one in at once and for those who have it put in again and again.

use std::time::Duration;

use clap::Args;
use rialto_client::{Jobs, NewJob, Payload};

use super::payload::{self, Read};
use crate::cli::{connection::pair, failure::Failure, message};

/// What a job says.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct NewJobArgs {
    /// What the worker needs to know, as text
    #[arg(long, short, value_name = "TEXT")]
    payload: Option<String>,
    /// A file with that; `-` is standard input. Sent as text if it is UTF-8, as bytes otherwise, and uploaded by itself when it is large
    #[arg(long, short, value_name = "FILE")]
    file: Option<String>,
    /// Media type of the payload
    #[arg(long, value_name = "TYPE", default_value = "", hide_default_value = true)]
    content_type: String,
    /// What kind of job it is
    #[arg(long = "type", value_name = "TYPE", default_value = "", hide_default_value = true)]
    kind: String,
    /// Something by which it is found again; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    attribute: Vec<(String, String)>,
    /// Higher ones are served first, -16 to 15
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true)]
    priority: i32,
    /// On whose behalf: keys share the workers
    #[arg(long, value_name = "KEY", default_value = "", hide_default_value = true)]
    fairness_key: String,
    /// Jobs with the same key are done one after the other
    #[arg(long, value_name = "KEY", default_value = "", hide_default_value = true)]
    ordering_key: String,
    /// While a job with this key lives, another one is not put in
    #[arg(long, value_name = "KEY", default_value = "", hide_default_value = true)]
    unique_key: String,
    /// It expires when it has not begun within this time
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    ttl: Option<Duration>,
    /// At most so many attempts [default: as the queue says]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    attempts: Option<u32>,
    /// A room of the namespace that is told when it has ended; may be repeated
    #[arg(long, value_name = "ROOM")]
    notify: Vec<String>,
    /// A queue into which another job is put once this one is completed; that gets its result. May be repeated
    #[arg(long, value_name = "QUEUE")]
    then: Vec<String>,
}

impl NewJobArgs {
    /// The job, its payload in it.
    pub(super) fn job(&self) -> Result<NewJob, Failure> {
        let payload = message::payload(self.payload.as_deref(), self.file.as_deref(), false)?;
        Ok(self.say(NewJob::new(payload.of_type(&self.content_type))))
    }

    /// The job; its payload is uploaded first when it is too large to be in it.
    pub(super) async fn job_for(&self, jobs: &Jobs) -> Result<NewJob, Failure> {
        let Some(file) = &self.file else { return self.job() };
        let job = match payload::read(jobs, file).await? {
            Read::All(payload) => NewJob::new(payload.of_type(&self.content_type)),
            Read::Uploaded(uploaded) => NewJob::uploaded(uploaded.of_type(&self.content_type)),
        };
        Ok(self.say(job))
    }

    /// All but the payload.
    fn say(&self, job: NewJob) -> NewJob {
        let mut job = job
            .of_type(&self.kind)
            .priority(self.priority)
            .fairness_key(&self.fairness_key)
            .ordering_key(&self.ordering_key)
            .unique_key(&self.unique_key);
        for (key, value) in &self.attribute {
            job = job.attribute(key, value);
        }
        for room in &self.notify {
            job = job.notify_room(room);
        }
        for queue in &self.then {
            job = job.then_in(queue, NewJob::new(Payload::default()).of_type(&self.kind));
        }
        job = self.ttl.into_iter().fold(job, NewJob::ttl);
        self.attempts.into_iter().fold(job, NewJob::attempts_max)
    }
}
