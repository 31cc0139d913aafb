//! `rialto jobs schedule`: has a job put in again and again.

use clap::{ArgGroup, Args, Subcommand};
use rialto_client::Schedule;

use super::{QueueArgs, new_job::NewJobArgs, record};
use crate::cli::{connection::ConnectionArgs, failure::Failure, output::Output};

/// Have a job put in again and again.
#[derive(Debug, Args)]
pub(super) struct ScheduleArgs {
    #[command(subcommand)]
    command: ScheduleCommand,
}

#[derive(Debug, Subcommand)]
enum ScheduleCommand {
    /// Make a schedule, or change the one of that name
    Put(Box<PutArgs>),
    /// End a schedule; the jobs that it has put in stay
    Delete(DeleteArgs),
    /// List the schedules of a queue
    List(QueueArgs),
}

/// Make a schedule.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).multiple(false).args(["payload", "file"])))]
struct PutArgs {
    #[command(flatten)]
    queue: QueueArgs,
    /// Its name in the queue
    #[arg(value_name = "SCHEDULE")]
    schedule: String,
    /// When, as cron has it: minute, hour, day of month, month, day of week; with six fields the first is the second
    #[arg(long, value_name = "PATTERN")]
    cron: String,
    /// The time zone that holds for it, like Europe/Berlin
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    time_zone: String,
    /// Put nothing in while the job before has not ended
    #[arg(long)]
    one_live: bool,
    /// Put nothing in at all
    #[arg(long)]
    paused: bool,
    #[command(flatten)]
    job: NewJobArgs,
}

/// End a schedule.
#[derive(Debug, Args)]
struct DeleteArgs {
    #[command(flatten)]
    queue: QueueArgs,
    /// The schedule
    #[arg(value_name = "SCHEDULE")]
    schedule: String,
}

impl ScheduleArgs {
    /// Which server.
    pub(super) fn connection(&self) -> &ConnectionArgs {
        match &self.command {
            ScheduleCommand::Put(args) => &args.queue.connection,
            ScheduleCommand::Delete(args) => &args.queue.connection,
            ScheduleCommand::List(args) => &args.connection,
        }
    }
}

/// Runs it to its end.
pub(super) async fn run(args: ScheduleArgs, output: &Output) -> Result<(), Failure> {
    match args.command {
        ScheduleCommand::Put(args) => put(*args, output).await,
        ScheduleCommand::Delete(args) => Ok(args.queue.jobs()?.delete_schedule(args.schedule).await?),
        ScheduleCommand::List(args) => {
            for schedule in args.jobs()?.schedules().await? {
                print(&args, &schedule, output)?;
            }
            Ok(())
        }
    }
}

async fn put(args: PutArgs, output: &Output) -> Result<(), Failure> {
    let mut schedule = Schedule::new(args.schedule, args.cron, args.job.job()?).time_zone(args.time_zone);
    if args.one_live {
        schedule = schedule.one_live();
    }
    if args.paused {
        schedule = schedule.paused();
    }
    let put = args.queue.jobs()?.put_schedule(schedule).await?;
    print(&args.queue, &put, output)
}

fn print(
    args: &QueueArgs,
    schedule: &rialto_client::v1::ScheduleStatus,
    output: &Output,
) -> Result<(), Failure> {
    if args.connection.json {
        output.json(&record::schedule_json((&args.connection.namespace, &args.queue), schedule))
    } else {
        output.line(&record::schedule_line(schedule, output))
    }
}
