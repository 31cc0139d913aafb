//! `rialto jobs work`: takes jobs from queues and runs a program for each; `exec` runs one.

use std::{sync::Arc, time::Duration};

use clap::Args;

use super::{QueueArgs, exec};
use crate::cli::{connection::ConnectionArgs, failure::Failure, news::Interrupt, output::Output};

const PROGRAM: &str = "\
The program is run by `sh -c` for each job, with the payload on its standard input. What it prints to its standard output is the
result, at most 64 KiB. Its exit code decides:
    0  the job is done
   75  given back: no attempt is counted
  100  failed for good: it would fail again
other  failed: tried again after a while

The last line that it prints to its standard error is the error of a job that failed. Lines of these forms are for Rialto:
  ::progress 30/100 reading rows     how far it has come; 30 alone where the total is not known
  ::checkpoint 30                    given to the next attempt as RIALTO_JOB_CHECKPOINT

It finds in its environment RIALTO_JOB_ID, RIALTO_JOB_TYPE, RIALTO_JOB_QUEUE, RIALTO_JOB_ATTEMPT, RIALTO_JOB_ATTEMPTS_MAX and
RIALTO_JOB_CHECKPOINT. When the job is cancelled or paused, or its lease is lost, it is sent SIGTERM, and SIGKILL ten seconds later. A
paused job is given back, and goes on with its checkpoint once it is resumed.";

/// Take jobs from a queue and run a program for each.
///
/// Ends by Ctrl-C or SIGTERM: takes no more jobs then, and waits for those that run.
#[derive(Debug, Args)]
#[command(after_help = PROGRAM)]
pub(super) struct WorkArgs {
    #[command(flatten)]
    queue: QueueArgs,
    /// The program, for `sh -c`
    #[arg(long, value_name = "COMMAND")]
    exec: String,
    /// So many jobs at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    concurrency: u32,
    /// How long until others are given its jobs when nothing is heard of this worker
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = humantime::parse_duration)]
    lease: Duration,
    /// What the worker is called, for people
    #[arg(long, value_name = "NAME", default_value = "rialto jobs work")]
    name: String,
}

impl WorkArgs {
    /// Which server.
    pub(super) fn connection(&self) -> &ConnectionArgs {
        &self.queue.connection
    }
}

/// Runs it to its end.
pub(super) async fn run(args: WorkArgs, output: &Output) -> Result<(), Failure> {
    let mut interrupt = Interrupt::new()?;
    let connection = &args.queue.connection;
    let worker = connection
        .client()?
        .worker(&args.name)
        .queue(&connection.namespace, &args.queue.queue)
        .concurrency(args.concurrency)
        .lease(args.lease);
    let command: Arc<str> = args.exec.as_str().into();
    let stop = async {
        interrupt.came().await;
        output.note("taking no more jobs; waiting for those that run");
    };
    worker.run_until(stop, |job| exec::run(Arc::clone(&command), job)).await?;
    Ok(())
}
