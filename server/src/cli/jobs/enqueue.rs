//! `rialto jobs enqueue`: puts one job into a queue, and on demand waits for its end.

use std::time::Duration;

use clap::{ArgGroup, Args};
use rialto_client::{Jobs, NewJob, v1::JobState};

use super::{QueueArgs, new_job::NewJobArgs, record};
use crate::cli::{connection::ConnectionArgs, failure::Failure, output::Output};

/// Put a job into a queue.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).multiple(false).args(["payload", "file"])))]
pub(super) struct EnqueueArgs {
    #[command(flatten)]
    queue: QueueArgs,
    #[command(flatten)]
    job: NewJobArgs,
    /// Name of the job in its queue: put in again it is the same job [default: one by chance]
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// It may begin so long from now, like 10m
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    delay: Option<Duration>,
    /// The batch that it belongs to: the name of a job that was put in with --completes-batch
    #[arg(long, value_name = "ID")]
    batch: Option<String>,
    /// It begins once the batch of its name is closed and all jobs of that have ended
    #[arg(long, requires = "id", conflicts_with = "delay")]
    completes_batch: bool,
    /// Wait so long for its end, and print its result; ends with exit code 1 when it was not completed
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    wait: Option<Duration>,
}

impl EnqueueArgs {
    /// Which server.
    pub(super) fn connection(&self) -> &ConnectionArgs {
        &self.queue.connection
    }

    async fn job(&self, jobs: &Jobs) -> Result<NewJob, Failure> {
        let mut job = self.job.job_for(jobs).await?;
        job = self.id.iter().fold(job, NewJob::id);
        job = self.batch.iter().fold(job, NewJob::in_batch);
        if self.completes_batch {
            job = job.completes_batch();
        }
        Ok(self.delay.into_iter().fold(job, NewJob::delay))
    }
}

/// Runs it to its end.
pub(super) async fn run(args: EnqueueArgs, output: &Output) -> Result<(), Failure> {
    let ConnectionArgs { namespace, json, .. } = &args.queue.connection;
    let jobs = args.queue.jobs()?;
    let job = args.job(&jobs).await?;
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
