//! `rialto jobs watch`: follows jobs as they change; on a terminal with a bar for each.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::IsTerminal,
};

use clap::Args;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use rialto_client::v1::Job;

use super::{QueueArgs, control::print_job, record};
use crate::cli::{connection::ConnectionArgs, failure::Failure, news::Interrupt, output::Output};

/// Follow jobs.
///
/// Those that are named until all have ended, with exit code 1 when one was not completed; or all jobs of the queue until Ctrl-C.
#[derive(Debug, Args)]
pub(super) struct WatchArgs {
    #[command(flatten)]
    queue: QueueArgs,
    /// The jobs, up to 64; all of the queue without them
    #[arg(value_name = "JOB")]
    jobs: Vec<String>,
}

impl WatchArgs {
    /// Which server.
    pub(super) fn connection(&self) -> &ConnectionArgs {
        &self.queue.connection
    }
}

/// Runs it to its end.
pub(super) async fn run(args: WatchArgs, output: &Output) -> Result<(), Failure> {
    let mut interrupt = Interrupt::new()?;
    let jobs = args.queue.jobs()?;
    let mut watch =
        if args.jobs.is_empty() { jobs.watch_all().await? } else { jobs.watch(&args.jobs).await? };
    let mut left: BTreeSet<&str> = args.jobs.iter().map(String::as_str).collect();
    let mut bars = Bars::new(&args.queue.connection);
    let mut failed = None;
    while args.jobs.is_empty() || !left.is_empty() {
        let job = tokio::select! {
            () = interrupt.came() => return Ok(()),
            job = watch.next() => job?,
        };
        let Some(job) = job else { break };
        let ended = job.end_time.is_some();
        if ended {
            left.remove(job.job_id.as_str());
            let completed = job.state() == rialto_client::v1::JobState::Completed;
            failed = failed.or_else(|| (!completed).then(|| record::job_line(&job, output)));
        }
        if !bars.show(&job, ended) {
            print_job(&args.queue.connection, &job, output)?;
        }
    }
    match failed {
        Some(line) => Err(Failure::Local(format!("not completed: {line}"))),
        None => Ok(()),
    }
}

/// Bars of running jobs, where people look.
struct Bars {
    on: bool,
    all: MultiProgress,
    jobs: BTreeMap<String, ProgressBar>,
}

impl Bars {
    fn new(connection: &ConnectionArgs) -> Self {
        let on = !connection.json && std::io::stdout().is_terminal() && std::io::stderr().is_terminal();
        Self { on, all: MultiProgress::new(), jobs: BTreeMap::new() }
    }

    /// Shows how far a job has come. Whether that is all there is to show.
    fn show(&mut self, job: &Job, ended: bool) -> bool {
        if !self.on {
            return false;
        }
        let Some(progress) = job.progress.as_ref().filter(|_| !ended) else {
            if let Some(bar) = self.jobs.remove(&job.job_id) {
                bar.finish_and_clear();
            }
            return false;
        };
        let bar = self.jobs.entry(job.job_id.clone()).or_insert_with(|| {
            let style = ProgressStyle::with_template("{prefix} [{bar:32}] {percent:>3} % {pos}/{len} {msg}");
            let bar = self.all.add(ProgressBar::new(progress.total));
            // The template is one that was tried.
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
            bar.with_prefix(super::super::output::harmless(&job.job_id).into_owned())
        });
        bar.set_length(progress.total.max(progress.done));
        bar.set_position(progress.done);
        bar.set_message(super::super::output::harmless(&progress.message).into_owned());
        true
    }
}
