//! `rialto jobs status|list|queues|cancel|redrive|purge`: looking at jobs, and acting on them.

use clap::{Args, ValueEnum};
use rialto_client::{
    JobFilter,
    v1::{JobState, Queue},
};

use super::{PauseArgs, QueueArgs, record};
use crate::{
    base::clock,
    cli::{
        connection::{ConnectionArgs, pair},
        failure::Failure,
        history::{Since, since},
        output::Output,
    },
};

/// Print a job, or the queue.
#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    #[command(flatten)]
    queue: QueueArgs,
    /// The job; the queue without it
    #[arg(value_name = "JOB")]
    job: Option<String>,
}

/// List jobs of a queue.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    queue: QueueArgs,
    /// Only in this state; may be repeated
    #[arg(long, value_name = "STATE", value_enum)]
    state: Vec<State>,
    /// Only of this type
    #[arg(long = "type", value_name = "TYPE", default_value = "", hide_default_value = true)]
    kind: String,
    /// Only with this attribute; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    attribute: Vec<(String, String)>,
    /// Only of this batch
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    batch: String,
    /// Only those put in since then, like 2026-01-31T12:00:00Z, or 10m for the last ten minutes
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Since>,
    /// Only those put in before
    #[arg(long, value_name = "TIME", value_parser = since)]
    before: Option<Since>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,
}

/// List queues.
#[derive(Debug, Args)]
pub(super) struct QueuesArgs {
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Cancel a job.
#[derive(Debug, Args)]
pub(super) struct CancelArgs {
    #[command(flatten)]
    queue: QueueArgs,
    /// The job
    #[arg(value_name = "JOB")]
    job: String,
    /// Why, for people
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
}

/// Redrive dead jobs.
#[derive(Debug, Args)]
pub(super) struct RedriveArgs {
    #[command(flatten)]
    queue: QueueArgs,
    /// The jobs
    #[arg(value_name = "JOB", required_unless_present = "all")]
    jobs: Vec<String>,
    /// All that are dead
    #[arg(long, conflicts_with = "jobs")]
    all: bool,
}

/// Close a batch.
#[derive(Debug, Args)]
pub(super) struct CloseBatchArgs {
    #[command(flatten)]
    queue: QueueArgs,
    /// The batch: the name of the job that completes it
    #[arg(value_name = "BATCH")]
    batch: String,
}

/// Where a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum State {
    Delayed,
    Waiting,
    Running,
    Completed,
    Dead,
    Cancelled,
    Expired,
    Discarded,
    Blocked,
    Paused,
}

impl From<State> for JobState {
    fn from(state: State) -> Self {
        match state {
            State::Delayed => Self::Delayed,
            State::Waiting => Self::Waiting,
            State::Running => Self::Running,
            State::Completed => Self::Completed,
            State::Dead => Self::Dead,
            State::Cancelled => Self::Cancelled,
            State::Expired => Self::Expired,
            State::Discarded => Self::Discarded,
            State::Blocked => Self::Blocked,
            State::Paused => Self::Paused,
        }
    }
}

impl StatusArgs {
    /// Which server.
    pub(super) fn connection(&self) -> &ConnectionArgs {
        &self.queue.connection
    }
}

impl ListArgs {
    /// Which server.
    pub(super) fn connection(&self) -> &ConnectionArgs {
        &self.queue.connection
    }
}

impl QueuesArgs {
    /// Which server.
    pub(super) fn connection(&self) -> &ConnectionArgs {
        &self.connection
    }
}

impl CancelArgs {
    /// Which server.
    pub(super) fn connection(&self) -> &ConnectionArgs {
        &self.queue.connection
    }
}

impl RedriveArgs {
    /// Which server.
    pub(super) fn connection(&self) -> &ConnectionArgs {
        &self.queue.connection
    }
}

impl CloseBatchArgs {
    /// Which server.
    pub(super) fn connection(&self) -> &ConnectionArgs {
        &self.queue.connection
    }
}

/// Closes a batch, and prints the job that completes it.
pub(super) async fn close_batch(args: CloseBatchArgs, output: &Output) -> Result<(), Failure> {
    let job = args.queue.jobs()?.close_batch(args.batch).await?;
    print_job(&args.queue.connection, &job, output)
}

/// Prints a job, or the queue.
pub(super) async fn status(args: StatusArgs, output: &Output) -> Result<(), Failure> {
    let jobs = args.queue.jobs()?;
    match &args.job {
        Some(id) => print_job(&args.queue.connection, &jobs.get(id).await?, output),
        None => print_queue(&args.queue.connection, &jobs.queue().await?, output),
    }
}

/// Prints jobs, page by page.
pub(super) async fn list(args: ListArgs, output: &Output) -> Result<(), Failure> {
    let jobs = args.queue.jobs()?;
    let filter = JobFilter {
        states: args.state.iter().map(|state| JobState::from(*state)).collect(),
        kind: args.kind,
        attributes: args.attribute.into_iter().collect(),
        batch_id: args.batch,
        enqueued_from: args.since.map(|since| since.time(clock::wall())),
        enqueued_before: args.before.map(|before| before.time(clock::wall())),
    };
    let (mut left, mut token) = (args.count, String::new());
    while left > 0 {
        let size = u32::try_from(left.min(1_000)).unwrap_or(1_000);
        let page = jobs.list(&filter, size, token).await?;
        for job in &page.jobs {
            print_job(&args.queue.connection, job, output)?;
        }
        left = left.saturating_sub(page.jobs.len() as u64);
        token = page.next;
        if token.is_empty() {
            break;
        }
    }
    Ok(())
}

/// Prints queues, page by page.
pub(super) async fn queues(args: QueuesArgs, output: &Output) -> Result<(), Failure> {
    let client = args.connection.client()?;
    let mut token = String::new();
    loop {
        let (queues, next) = client.queues(&args.connection.namespace, token).await?;
        for queue in &queues {
            print_queue(&args.connection, queue, output)?;
        }
        if next.is_empty() {
            return Ok(());
        }
        token = next;
    }
}

/// Cancels a job, and prints it as it is then.
pub(super) async fn cancel(args: CancelArgs, output: &Output) -> Result<(), Failure> {
    let job = args.queue.jobs()?.cancel(&args.job, &args.reason).await?;
    print_job(&args.queue.connection, &job, output)
}

/// Pauses a queue or a job, and prints it as it is then.
pub(super) async fn pause(args: PauseArgs, output: &Output) -> Result<(), Failure> {
    let (PauseArgs { queue, job }, jobs) = (&args, args.queue.jobs()?);
    match job {
        Some(job) => print_job(&queue.connection, &jobs.pause_job(job).await?, output),
        None => print_queue(&queue.connection, &jobs.pause().await?, output),
    }
}

/// Has a queue or a job go on, and prints it as it is then.
pub(super) async fn resume(args: PauseArgs, output: &Output) -> Result<(), Failure> {
    let (PauseArgs { queue, job }, jobs) = (&args, args.queue.jobs()?);
    match job {
        Some(job) => print_job(&queue.connection, &jobs.resume_job(job).await?, output),
        None => print_queue(&queue.connection, &jobs.resume().await?, output),
    }
}

/// Redrives jobs, and says how many.
pub(super) async fn redrive(args: RedriveArgs, output: &Output) -> Result<(), Failure> {
    let jobs = args.queue.jobs()?;
    let count =
        if args.jobs.is_empty() { jobs.redrive_all().await? } else { jobs.redrive(&args.jobs).await? };
    print_count(&args.queue, "redriven", count, output)
}

/// Purges a queue, and says how many jobs were cancelled.
pub(super) async fn purge(args: &QueueArgs, output: &Output) -> Result<(), Failure> {
    let count = args.jobs()?.purge().await?;
    print_count(args, "purged", count, output)
}

fn print_count(args: &QueueArgs, kind: &str, count: u32, output: &Output) -> Result<(), Failure> {
    if args.connection.json {
        return output.json(&record::count_json(kind, &args.connection.namespace, &args.queue, count));
    }
    output.line(&record::count_line(kind, count))
}

/// Prints a job.
pub(super) fn print_job(
    connection: &ConnectionArgs,
    job: &rialto_client::v1::Job,
    output: &Output,
) -> Result<(), Failure> {
    if connection.json {
        output.json(&record::job_json(job))
    } else {
        output.line(&record::job_line(job, output))
    }
}

/// Prints a queue.
fn print_queue(connection: &ConnectionArgs, queue: &Queue, output: &Output) -> Result<(), Failure> {
    if connection.json {
        return output.json(&record::queue_json(queue));
    }
    output.line(&record::queue_line(queue, output))
}
