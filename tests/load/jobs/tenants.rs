//! Many tenants share a queue, and one of them hands over a hundred times as much as each other: how long the others wait for a
//! worker, beside how long they wait when nobody does that, and when the jobs do not say whose they are.
//!
//! Workers do more than the quiet tenants need, and less than all want together, so that what the one has too much waits longer and
//! longer.

use std::{
    collections::{HashMap, VecDeque},
    path::Path,
    sync::Arc,
    time::Duration,
};

use hdrhistogram::Histogram;
use parking_lot::Mutex;
use rand::RngExt as _;
use rialto_proto::v1::{NewJob, job_service_client::JobServiceClient};
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
const SLOTS: u32 = 30;
/// How long one takes. With so many at once, 3,000 a second.
const JOB: Duration = Duration::from_millis(10);
/// How long jobs are handed over.
const MEASURED: Duration = Duration::from_secs(10);
/// What came too much is worked off meanwhile.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// When something happened to jobs, by their ids.
type Times = HashMap<String, Instant>;

/// Measures all three, in `folder`.
pub(super) async fn run(folder: &Path) -> Result<(), Failure> {
    let bench = Bench::local(folder)?;
    let quiet = waits(&bench, "quiet", false, true).await?;
    say(&format!("{TENANTS} tenants with {JOBS_PER_SECOND} jobs/s each wait {}", log::percentiles(&quiet)))?;
    for (queue, keys, how) in [("fair", true, "in turns"), ("unfair", false, "without fairness keys")] {
        let flooded = waits(&bench, queue, true, keys).await?;
        let growth = flooded.value_at_quantile(0.99) as f64 / quiet.value_at_quantile(0.99) as f64;
        let percentiles = log::percentiles(&flooded);
        say(&format!(
            "one has {FLOOD} times as many, {how}: the others wait {percentiles}; p99 × {growth:.2}"
        ))?;
    }
    Ok(())
}

/// How long the jobs of quiet tenants wait for a worker, from their acknowledgement on, in microseconds.
async fn waits(
    bench: &Bench,
    queue: &'static str,
    flooded: bool,
    keys: bool,
) -> Result<Histogram<u64>, Failure> {
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
    let mut acknowledged = Times::new();
    while let Some(done) = tenants.join_next().await {
        acknowledged.extend(done??);
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
    let (mut times, begun) = (Histogram::<u64>::new(3)?, begun.lock());
    for (id, acknowledged) in &acknowledged {
        let wait = begun.get(id).map(|begun| begun.saturating_duration_since(*acknowledged));
        times.record(wait.unwrap_or_default().as_micros() as u64)?;
    }
    Ok(times)
}

fn job_of(tenant: u32, keys: bool) -> NewJob {
    NewJob { fairness_key: if keys { tenant.to_string() } else { String::new() }, ..job() }
}

/// Between two jobs of a quiet tenant; in the middle of all as long as its rate says.
fn pause() -> Duration {
    (Duration::from_secs(2) / JOBS_PER_SECOND).mul_f64(rand::rng().random())
}

/// Hands over a job at a time, by chance. When each was acknowledged.
async fn quiet_tenant(
    mut service: JobServiceClient<Channel>,
    queue: &str,
    (tenant, keys): (u32, bool),
    until: Instant,
) -> Result<Times, Failure> {
    let mut acknowledged = Times::new();
    loop {
        sleep(pause()).await;
        if Instant::now() >= until {
            return Ok(acknowledged);
        }
        let id = format!("{tenant}-{}", acknowledged.len());
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
) -> Result<Times, Failure> {
    let mut ticks = interval(Duration::from_secs(1) * BATCH as u32 / (JOBS_PER_SECOND * FLOOD));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    while Instant::now() < until {
        ticks.tick().await;
        enqueue(&mut service, queue, vec![job_of(0, keys); BATCH]).await?;
    }
    Ok(Times::new())
}

/// Does jobs, each in its time, and notes when each was begun.
async fn worker(mut stream: Stream, begun: Arc<Mutex<Times>>) -> Result<(), Failure> {
    let mut running: VecDeque<(Instant, String)> = VecDeque::new();
    loop {
        let due = running.front().map_or_else(Instant::now, |(due, _)| *due);
        tokio::select! {
            heard = stream.hear() => if let Heard::Leases(leases) = heard? {
                let now = Instant::now();
                for lease in leases {
                    begun.lock().insert(lease.job_id, now);
                    running.push_back((now + JOB, lease.token));
                }
            },
            () = sleep_until(due), if !running.is_empty() => {
                let done = running.iter().take_while(|(due, _)| *due <= Instant::now()).count();
                stream.settle(running.drain(..done).map(|(_, token)| token)).await?;
            }
        }
    }
}
