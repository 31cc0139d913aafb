//! `rialto jobs`: work is handed over, done and looked after. One file for each side; `record` says how jobs look.

mod control;
mod enqueue;
mod exec;
mod new_job;
mod payload;
mod record;
mod schedule;
mod watch;
mod work;

use clap::{Args, Subcommand};
use rialto_client::Jobs;

use super::{connection::ConnectionArgs, failure::Failure, output::Output};

/// Hand work over, do it, and look after it.
#[derive(Debug, Args)]
pub(super) struct JobsArgs {
    #[command(subcommand)]
    command: JobsCommand,
}

#[derive(Debug, Subcommand)]
enum JobsCommand {
    /// Put a job into a queue, and print its name when it is durable
    Enqueue(Box<enqueue::EnqueueArgs>),
    /// Take jobs from a queue and run a program for each
    Work(work::WorkArgs),
    /// Print a job, or the queue
    Status(control::StatusArgs),
    /// Follow jobs until they have ended, or all jobs of a queue
    Watch(watch::WatchArgs),
    /// List jobs of a queue, the last one put in first
    List(control::ListArgs),
    /// List queues
    Queues(control::QueuesArgs),
    /// Cancel a job; the worker of one that runs is asked to end it
    Cancel(control::CancelArgs),
    /// Give dead jobs all their attempts again
    Redrive(control::RedriveArgs),
    /// Begin no more jobs of a queue, while what runs goes on; or pause one job, also one that runs
    Pause(PauseArgs),
    /// Begin jobs of a queue again; or have one job go on
    Resume(PauseArgs),
    /// Cancel all jobs of a queue that are not running
    Purge(QueueArgs),
    /// Put no more jobs into a batch: the one that completes it begins once all have ended
    CloseBatch(control::CloseBatchArgs),
    /// Have a job put in again and again
    Schedule(schedule::ScheduleArgs),
}

/// Which queue of which server.
#[derive(Debug, Args)]
pub(super) struct QueueArgs {
    #[command(flatten)]
    connection: ConnectionArgs,
    /// The queue
    #[arg(long, short, value_name = "QUEUE")]
    queue: String,
}

/// A queue, or one of its jobs.
#[derive(Debug, Args)]
pub(super) struct PauseArgs {
    #[command(flatten)]
    queue: QueueArgs,
    /// The job [default: the queue as a whole]
    #[arg(value_name = "JOB")]
    job: Option<String>,
}

impl QueueArgs {
    fn jobs(&self) -> Result<Jobs, Failure> {
        Ok(self.connection.client()?.jobs(&self.connection.namespace, &self.queue))
    }
}

impl JobsArgs {
    /// Which server.
    pub(super) fn connection(&self) -> &ConnectionArgs {
        match &self.command {
            JobsCommand::Enqueue(args) => args.connection(),
            JobsCommand::Work(args) => args.connection(),
            JobsCommand::Watch(args) => args.connection(),
            JobsCommand::Status(args) => args.connection(),
            JobsCommand::List(args) => args.connection(),
            JobsCommand::Queues(args) => args.connection(),
            JobsCommand::Cancel(args) => args.connection(),
            JobsCommand::Redrive(args) => args.connection(),
            JobsCommand::CloseBatch(args) => args.connection(),
            JobsCommand::Schedule(args) => args.connection(),
            JobsCommand::Pause(args) | JobsCommand::Resume(args) => &args.queue.connection,
            JobsCommand::Purge(args) => &args.connection,
        }
    }
}

/// Runs `rialto jobs` to its end.
pub(super) async fn run(args: JobsArgs, output: &Output) -> Result<(), Failure> {
    match args.command {
        JobsCommand::Enqueue(args) => enqueue::run(*args, output).await,
        JobsCommand::Work(args) => work::run(args, output).await,
        JobsCommand::Watch(args) => watch::run(args, output).await,
        JobsCommand::Status(args) => control::status(args, output).await,
        JobsCommand::List(args) => control::list(args, output).await,
        JobsCommand::Queues(args) => control::queues(args, output).await,
        JobsCommand::Cancel(args) => control::cancel(args, output).await,
        JobsCommand::Redrive(args) => control::redrive(args, output).await,
        JobsCommand::Pause(args) => control::pause(args, output).await,
        JobsCommand::Resume(args) => control::resume(args, output).await,
        JobsCommand::Purge(args) => control::purge(&args, output).await,
        JobsCommand::CloseBatch(args) => control::close_batch(args, output).await,
        JobsCommand::Schedule(args) => schedule::run(args, output).await,
    }
}
