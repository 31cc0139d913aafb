//! Many tenants share a queue, and one of them hands over a hundred times as much as each other: how long the others wait for a
//! worker, beside how long they wait when nobody does that, and when the jobs do not say whose they are.
//!
//! Workers do more than the quiet tenants need, and less than all want together, so that none is free while the one floods, and what
//! it has too much waits longer and longer.

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
    sync::Arc,
    time::Duration,
};

use hdrhistogram::Histogram;
use parking_lot::Mutex;
use rand::RngExt as _;
use rialto_proto::v1::{NewJob, QueueSettings, job_service_client::JobServiceClient};
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout},
};
use tonic::transport::Channel;

use super::{
    bench::{BATCH, Bench},
    link::{Heard, Stream, enqueue, job},
};
use crate::{Failure, log, say};

const TENANTS: u32 = 100;
/// What a quiet tenant hands over.
const JOBS_PER_SECOND: u32 = 20;
/// How many times as much the other one does.
const FLOOD: u32 = 100;
/// Jobs that are done at once.
const SLOTS: u32 = 80;
/// How long one takes in the middle. With so many at once, at most 4,000 a second, and less with
/// the way to the server and back: more than the quiet tenants want, less than all do.
const JOB: Duration = Duration::from_millis(20);
/// How long jobs are handed over.
const MEASURED: Duration = Duration::from_secs(10);
/// What came too much is worked off meanwhile.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// When something happened to jobs, by their ids.
type Times = HashMap<String, Instant>;

/// What is measured.
#[derive(Clone, Copy)]
struct Run {
    queue: &'static str,
    /// One tenant hands over too much.
    flooded: bool,
    /// Jobs say whose they are.
    keys: bool,
    /// Jobs of one tenant that are done at once, at most; 0: without bound.
    at_once_max: u32,
}

const QUIET: Run = Run { queue: "quiet", flooded: false, keys: true, at_once_max: 0 };
const FLOODED: [(&str, Run); 3] = [
    ("keys share the workers", Run { queue: "shared", flooded: true, ..QUIET }),
    ("a key has 20 of the 80 at most", Run { queue: "bounded", flooded: true, at_once_max: 20, ..QUIET }),
    ("no keys", Run { queue: "keyless", flooded: true, keys: false, ..QUIET }),
];

/// How long jobs of quiet tenants have waited for a worker, in microseconds.
struct Waits {
    /// From when they were handed over.
    handed_over: Histogram<u64>,
    /// From when that was acknowledged.
    acknowledged: Histogram<u64>,
}

/// Measures all of them, in `folder`.
pub(super) async fn run(folder: &Path) -> Result<(), Failure> {
    let bench = Bench::local(folder)?;
    let quiet = waits(&bench, QUIET).await?;
    say(&format!("{TENANTS} tenants with {JOBS_PER_SECOND} jobs/s each wait for a worker {quiet}"))?;
    for (what, run) in FLOODED {
        let flooded = waits(&bench, run).await?;
        let p99 = |waits: &Waits| waits.handed_over.value_at_quantile(0.99) as f64;
        let growth = p99(&flooded) / p99(&quiet);
        say(&format!("one has {FLOOD} times as many, {what}: the others wait {flooded}; p99 × {growth:.2}"))?;
    }
    Ok(())
}

impl std::fmt::Display for Waits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [handed_over, acknowledged] = [&self.handed_over, &self.acknowledged].map(log::percentiles);
        write!(f, "{handed_over} (from the acknowledgement on {acknowledged})")
    }
}

/// Has it done for a while.
async fn waits(bench: &Bench, run: Run) -> Result<Waits, Failure> {
    let Run { queue, flooded, keys, at_once_max } = run;
    let settings = QueueSettings { key_concurrency_max: at_once_max, ..QueueSettings::default() };
    bench.set(queue, settings).await?;
    let begun = Arc::new(Mutex::new(Times::new()));
    let stream = Stream::open(bench.channel().await?, queue, SLOTS).await?;
    let (mut work, until) = (JoinSet::new(), Instant::now() + MEASURED);
    work.spawn(worker(stream, Arc::clone(&begun)));
    let (mut tenants, channel) = (JoinSet::new(), bench.channel().await?);
    for tenant in 1..TENANTS {
        let service = JobServiceClient::new(channel.clone());
        tenants.spawn(quiet_tenant(service, queue, (tenant, keys), until));
    }
    if flooded {
        let service = JobServiceClient::new(bench.channel().await?);
        tenants.spawn(flooding_tenant(service, queue, keys, until));
    }
    let (mut handed_over, mut acknowledged) = (Times::new(), Times::new());
    while let Some(done) = tenants.join_next().await {
        let (before, after) = done??;
        handed_over.extend(before);
        acknowledged.extend(after);
    }
    let all_begun = async {
        while !acknowledged.keys().all(|id| begun.lock().contains_key(id)) {
            sleep(LOOK_AGAIN).await;
        }
    };
    tokio::select! {
        done = timeout(PATIENCE, all_begun) => done.map_err(|_| "not all jobs came to a worker")?,
        Some(ended) = work.join_next() => return Err(ended?.err().unwrap_or_else(|| "the worker has ended".into())),
    }
    let begun = begun.lock();
    Ok(Waits { handed_over: since(&handed_over, &begun)?, acknowledged: since(&acknowledged, &begun)? })
}

/// How long it took from the one to the other, in microseconds; nothing when the other was first.
fn since(from: &Times, until: &Times) -> Result<Histogram<u64>, Failure> {
    let mut times = Histogram::<u64>::new(3)?;
    for (id, from) in from {
        let took = until.get(id).map(|until| until.saturating_duration_since(*from));
        times.record(took.unwrap_or_default().as_micros() as u64)?;
    }
    Ok(times)
}

fn job_of(tenant: u32, keys: bool) -> NewJob {
    NewJob { fairness_key: if keys { tenant.to_string() } else { String::new() }, ..job() }
}

/// A time by chance, in the middle of all as long as this one.
fn about(time: Duration) -> Duration {
    (2 * time).mul_f64(rand::rng().random())
}

/// Hands over a job at a time, by chance. When each was handed over, and when that was acknowledged.
async fn quiet_tenant(
    mut service: JobServiceClient<Channel>,
    queue: &str,
    (tenant, keys): (u32, bool),
    until: Instant,
) -> Result<(Times, Times), Failure> {
    let (mut handed_over, mut acknowledged) = (Times::new(), Times::new());
    loop {
        sleep(about(Duration::from_secs(1) / JOBS_PER_SECOND)).await;
        if Instant::now() >= until {
            return Ok((handed_over, acknowledged));
        }
        let id = format!("{tenant}-{}", acknowledged.len());
        handed_over.insert(id.clone(), Instant::now());
        enqueue(&mut service, queue, vec![NewJob { job_id: id.clone(), ..job_of(tenant, keys) }]).await?;
        acknowledged.insert(id, Instant::now());
    }
}

/// Hands over many at a time, all the time.
async fn flooding_tenant(
    mut service: JobServiceClient<Channel>,
    queue: &str,
    keys: bool,
    until: Instant,
) -> Result<(Times, Times), Failure> {
    let mut ticks = interval(Duration::from_secs(1) * BATCH as u32 / (JOBS_PER_SECOND * FLOOD));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    while Instant::now() < until {
        ticks.tick().await;
        enqueue(&mut service, queue, vec![job_of(0, keys); BATCH]).await?;
    }
    Ok((Times::new(), Times::new()))
}

/// Does jobs, each in a time by chance, so that they do not all end together, and notes when each was begun.
async fn worker(mut stream: Stream, begun: Arc<Mutex<Times>>) -> Result<(), Failure> {
    let mut running = BTreeSet::new();
    loop {
        let due = running.first().map_or_else(Instant::now, |(due, _)| *due);
        tokio::select! {
            heard = stream.hear() => if let Heard::Leases(leases) = heard? {
                let now = Instant::now();
                for lease in leases {
                    begun.lock().insert(lease.job_id, now);
                    running.insert((now + about(JOB), lease.token));
                }
            },
            () = sleep_until(due), if !running.is_empty() => {
                let later = running.split_off(&(Instant::now(), String::new()));
                let done = std::mem::replace(&mut running, later);
                stream.settle(done.into_iter().map(|(_, token)| token)).await?;
            }
        }
    }
}
