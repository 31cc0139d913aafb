//! `rialto-load jobs`: jobs through one durable queue. First all are handed over, in batches and one by one; then workers take and
//! settle them; then both at once, which is a full cycle; then many tenants share a queue that one of them floods; and a node with a
//! million waiting jobs is started again. The same over JetStream. What counts is jobs a second and the server's own CPU per job; how
//! long a sync of the same disk takes is printed beside it.

mod bench;
mod link;
mod tenants;

use std::{path::Path, time::Duration};

use tokio::{runtime::Runtime, time::Instant};

use self::{
    bench::{BATCH, Bench},
    link::PAYLOAD_BYTES,
};
use crate::{Failure, log, say};

/// Measures with so many jobs, in `folder`.
pub(crate) fn run(folder: &Path, jobs: usize) -> Result<(), Failure> {
    let folder = tempfile::tempdir_in(folder)?;
    say(&format!("one write of {PAYLOAD_BYTES} bytes and fdatasync: {}", log::bare_syncs(folder.path())?))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(tenants::run(&folder.path().join("tenants")))?;
    local(&folder.path().join("local"), jobs, &runtime)?;
    over_nats(&folder.path().join("over-nats"), jobs, &runtime)
}

/// With the node's own log.
fn local(folder: &Path, jobs: usize, runtime: &Runtime) -> Result<(), Failure> {
    say("the node's own log")?;
    let bench = Bench::local(folder)?;
    runtime.block_on(async {
        queue(&bench, jobs).await?;
        say(&bench.dispatch(2_000).await?)?;
        say(&bench.enqueue("batches of 100, 4 callers, to stay", 1_000_000, 4, BATCH).await?)
    })?;
    let waiting = bench.memory()?.rss / 1024;
    drop(bench);
    let begin = Instant::now();
    let again = Bench::local(folder)?;
    let there = runtime.block_on(again.waiting())?;
    let (took, after) = (begin.elapsed().as_secs_f64(), again.memory()?.rss / 1024);
    say(&format!(
        "1,000,000 waiting: {waiting} MiB; {there} of them there again after {took:.2} s, {after} MiB"
    ))
}

/// With the log in JetStream; what NATS uses counts as the server's.
fn over_nats(folder: &Path, jobs: usize, runtime: &Runtime) -> Result<(), Failure> {
    say("JetStream, without replicas, each write synced")?;
    let bench = Bench::over_nats(folder)?;
    runtime.block_on(async {
        queue(&bench, jobs).await?;
        say(&bench.dispatch(2_000).await?)
    })
}

/// What is done with a queue, wherever it is kept.
async fn queue(bench: &Bench, jobs: usize) -> Result<(), Failure> {
    say(&bench.enqueue("batches of 100, 4 callers", jobs, 4, BATCH).await?)?;
    say(&bench.work("take and settle what waits", jobs).await?)?;
    say(&bench.enqueue("one by one, 64 callers", jobs / 10, 64, 1).await?)?;
    say(&bench.work("take and settle what waits", jobs / 10).await?)?;
    say(&bench.cycle(jobs).await?)
}

/// Jobs a second, and the server's CPU for each.
pub(crate) fn line(what: &str, jobs: usize, took: Duration, used: Duration) -> String {
    let (rate, each) = (jobs as f64 / took.as_secs_f64(), used.as_secs_f64() * 1e6 / jobs as f64);
    format!("{what}: {rate:.0} jobs/s, {each:.1} µs of the server's CPU each")
}
