//! `rialto jobs enqueue`: puts one job into a queue, and on demand waits for its end.

use std::time::Duration;

use clap::{ArgGroup, Args};
use rialto_client::{NewJob, v1::JobState};

use super::{QueueArgs, record};
use crate::cli::{
    connection::{ConnectionArgs, pair},
    failure::Failure,
    message,
    output::Output,
};

/// Put a job into a queue.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).multiple(false).args(["payload", "file"])))]
pub(super) struct EnqueueArgs {
    #[command(flatten)]
    queue: QueueArgs,
    /// What the worker needs to know, as text
    #[arg(long, short, value_name = "TEXT")]
    payload: Option<String>,
    /// A file with that; `-` is standard input. Sent as text if it is UTF-8, as bytes otherwise
    #[arg(long, short, value_name = "FILE")]
    file: Option<String>,
    /// Media type of the payload
    #[arg(long, value_name = "TYPE", default_value = "", hide_default_value = true)]
    content_type: String,
    /// Name of the job in its queue: put in again it is the same job [default: one by chance]
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// What kind of job it is
    #[arg(long = "type", value_name = "TYPE", default_value = "", hide_default_value = true)]
    kind: String,
    /// Something by which it is found again; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    attribute: Vec<(String, String)>,
    /// Higher ones are served first, -16 to 15
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true)]
    priority: i32,
    /// On whose behalf: keys are served in turns
    #[arg(long, value_name = "KEY", default_value = "", hide_default_value = true)]
    fairness_key: String,
    /// Jobs with the same key are done one after the other
    #[arg(long, value_name = "KEY", default_value = "", hide_default_value = true)]
    ordering_key: String,
    /// While a job with this key lives, another one is not put in
    #[arg(long, value_name = "KEY", default_value = "", hide_default_value = true)]
    unique_key: String,
    /// It may begin so long from now, like 10m
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    delay: Option<Duration>,
    /// It expires when it has not begun within this time
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    ttl: Option<Duration>,
    /// At most so many attempts [default: as the queue says]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    attempts: Option<u32>,
    /// A room of the namespace that is told when it has ended; may be repeated
    #[arg(long, value_name = "ROOM")]
    notify: Vec<String>,
    /// Wait so long for its end, and print its result; ends with exit code 1 when it was not completed
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    wait: Option<Duration>,
}

impl EnqueueArgs {
    /// Which server.
    pub(super) fn connection(&self) -> &ConnectionArgs {
        &self.queue.connection
    }

    fn job(&self) -> Result<NewJob, Failure> {
        let payload = message::payload(self.payload.as_deref(), self.file.as_deref(), false)?;
        let mut job = NewJob::new(payload.of_type(&self.content_type))
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
        job = self.id.iter().fold(job, NewJob::id);
        job = self.delay.into_iter().fold(job, NewJob::delay);
        job = self.ttl.into_iter().fold(job, NewJob::ttl);
        Ok(self.attempts.into_iter().fold(job, NewJob::attempts_max))
    }
}

/// Runs it to its end.
pub(super) async fn run(args: EnqueueArgs, output: &Output) -> Result<(), Failure> {
    let job = args.job()?;
    let ConnectionArgs { namespace, json, .. } = &args.queue.connection;
    let jobs = args.queue.jobs()?;
    let enqueued = jobs.enqueue(job).await?;
    if *json {
        output.json(&record::enqueued_json(namespace, &args.queue.queue, &enqueued))?;
    } else if args.wait.is_none() {
        output.line(&enqueued.id)?;
    }
    let Some(within) = args.wait else { return Ok(()) };
    let ended = jobs.wait(&enqueued.id, within).await?;
    if *json {
        output.json(&record::job_json(&ended))?;
    } else if let (JobState::Completed, Some(result)) = (ended.state(), ended.result.clone()) {
        output.payload(rialto_client::Payload::from(result).bytes())?;
    }
    match ended.state() {
        JobState::Completed => Ok(()),
        _ => Err(Failure::Local(format!("job {}", record::job_line(&ended, output)))),
    }
}
