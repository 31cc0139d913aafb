//! One measurement: a fresh server, all members in the room, the sender at its rate, and the server's CPU and memory
//! before and after. Waits are by the clock, because time is what is measured.

use std::{
    fmt,
    sync::{Arc, atomic::Ordering, mpsc::sync_channel},
    thread,
    time::Duration,
};

use futures_util::{StreamExt, stream};
use tokio::{runtime::Builder, sync::oneshot, task::LocalSet, time::Instant};

use crate::{
    Failure,
    dialect::Dialect,
    grid::Cell,
    member::{Member, Tally},
    process::Process,
    sender::Sender,
    server::Kind,
};

const WARM_UP: Duration = Duration::from_secs(2);
/// How long is waited for deliveries after the last event was sent.
const GRACE: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
const JOINING_AT_ONCE: usize = 64;
/// Time in which a server with idle sessions settles before its memory is read.
const SETTLE: Duration = Duration::from_secs(3);
const IDLE_WATCHED: Duration = Duration::from_secs(5);

/// What a cell gave.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    /// The server's CPU time for one delivery, in µs.
    pub(crate) cpu_us: f64,
    /// Deliveries per second in the measured time.
    pub(crate) deliveries_per_second: f64,
    /// Cores that the server used.
    pub(crate) cores: f64,
    /// Median latency, in ms.
    pub(crate) p50_ms: f64,
    /// 99 of 100 were faster, in ms.
    pub(crate) p99_ms: f64,
    /// 999 of 1,000 were faster, in ms.
    pub(crate) p999_ms: f64,
    /// Deliveries that had not come when the grace was over.
    pub(crate) missing: u64,
    /// Deliveries that were due.
    pub(crate) due: u64,
    /// Connections that the server ended.
    pub(crate) ended: u64,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cpu_us, deliveries_per_second, cores, p50_ms, p99_ms, p999_ms, missing, due, ended } =
            self;
        write!(f, "{cpu_us:.2} µs/delivery · {deliveries_per_second:.0}/s · {cores:.2} cores · ")?;
        write!(f, "p50 {p50_ms:.2} p99 {p99_ms:.2} p99.9 {p999_ms:.2} ms · {missing} of {due} missing")?;
        if *ended > 0 { write!(f, " · {ended} connections ended") } else { Ok(()) }
    }
}

/// What idle sessions cost.
#[derive(Debug, Clone)]
pub(crate) struct IdleOutcome {
    /// How many there were.
    pub(crate) sessions: usize,
    /// Resident memory for one, in KiB, beyond what the process had without sessions.
    pub(crate) rss_kib: f64,
    /// The same as proportional set.
    pub(crate) pss_kib: f64,
    /// CPU time per second for one, in µs.
    pub(crate) cpu_us_per_second: f64,
}

impl fmt::Display for IdleOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sessions, rss_kib, pss_kib, cpu_us_per_second } = self;
        write!(f, "{sessions} sessions · {rss_kib:.1} KiB resident, {pss_kib:.1} KiB proportional, ")?;
        write!(f, "{cpu_us_per_second:.2} µs CPU per second each")
    }
}

/// Measures one cell.
pub(crate) fn run(kind: Kind, cell: Cell, seconds: u64) -> Result<Outcome, Failure> {
    let process = kind.start()?;
    let members = Members::join(kind, &process, cell.members)?;
    let tally = members.tally.clone();
    let sender = Sender::connect(kind, process.address())?;

    let length = Duration::from_secs(seconds);
    let from = tally.epoch + Duration::from_nanos(tally.now()) + WARM_UP;
    let nanos = |at: Instant| u64::try_from((at - tally.epoch).as_nanos()).unwrap_or(u64::MAX);
    tally.from.store(nanos(from), Ordering::Relaxed);
    tally.to.store(nanos(from + length), Ordering::Relaxed);
    let pacing = tally.clone();
    let paced =
        thread::spawn(move || sender.pace(&pacing, cell.rate, WARM_UP + length).map(|sent| (sent, sender)));

    let before = Reading::at(from, &process, &tally)?;
    let after = Reading::at(from + length, &process, &tally)?;
    let (sent, sender) = paced.join().map_err(|_| "the sender panicked")??;
    let due = sent * cell.members as u64;
    let deadline = Instant::now() + GRACE;
    while tally.deliveries.load(Ordering::Relaxed) < due && Instant::now() < deadline {
        thread::sleep(LOOK_AGAIN);
    }
    let missing = due.saturating_sub(tally.deliveries.load(Ordering::Relaxed));
    let ended = tally.ended.load(Ordering::Relaxed);
    drop((sender, members, process));

    let deliveries = (after.deliveries - before.deliveries) as f64;
    let cpu = (after.cpu - before.cpu).as_secs_f64();
    let time = (after.at - before.at).as_secs_f64();
    let latencies = tally.latencies.lock();
    let percentile = |quantile: f64| latencies.value_at_quantile(quantile) as f64 / 1_000.0;
    Ok(Outcome {
        cpu_us: cpu * 1e6 / deliveries,
        deliveries_per_second: deliveries / time,
        cores: cpu / time,
        p50_ms: percentile(0.5),
        p99_ms: percentile(0.99),
        p999_ms: percentile(0.999),
        missing,
        due,
        ended,
    })
}

/// Measures what `sessions` cost that say and hear nothing.
pub(crate) fn idle(kind: Kind, sessions: usize) -> Result<IdleOutcome, Failure> {
    let process = kind.start()?;
    // The first sessions make a server allocate what it needs once; they are not counted.
    drop(Members::join(kind, &process, JOINING_AT_ONCE)?);
    thread::sleep(SETTLE);
    let before = process.memory()?;
    let members = Members::join(kind, &process, sessions)?;
    thread::sleep(SETTLE);
    let after = process.memory()?;
    let cpu = process.cpu()?;
    thread::sleep(IDLE_WATCHED);
    let used = process.cpu()? - cpu;
    let ended = members.tally.ended.load(Ordering::Relaxed);
    if ended > 0 {
        return Err(format!("{kind} ended {ended} of {sessions} idle sessions").into());
    }
    let each = |before: u64, after: u64| after.saturating_sub(before) as f64 / sessions as f64;
    Ok(IdleOutcome {
        sessions,
        rss_kib: each(before.rss, after.rss),
        pss_kib: each(before.pss, after.pss),
        cpu_us_per_second: used.as_secs_f64() * 1e6 / IDLE_WATCHED.as_secs_f64() / sessions as f64,
    })
}

/// CPU time and deliveries at a moment.
struct Reading {
    at: Instant,
    cpu: Duration,
    deliveries: u64,
}

impl Reading {
    fn at(moment: Instant, process: &Process, tally: &Tally) -> Result<Self, Failure> {
        thread::sleep(moment.saturating_duration_since(Instant::now()));
        Ok(Self {
            at: Instant::now(),
            cpu: process.cpu()?,
            deliveries: tally.deliveries.load(Ordering::Relaxed),
        })
    }
}

/// All members, in a thread of their own; dropping it ends them.
struct Members {
    tally: Arc<Tally>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Members {
    /// Returns when every member is in the room.
    fn join(kind: Kind, process: &Process, count: usize) -> Result<Self, Failure> {
        let tally = Arc::new(Tally::new(Instant::now())?);
        let (stop, stopped) = oneshot::channel();
        let (ready, joined) = sync_channel(1);
        let (address, seen) = (process.address(), tally.clone());
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let thread = thread::spawn(move || {
            LocalSet::new().block_on(&runtime, async move {
                let joining =
                    stream::iter(0..count).map(|number| Member::join(Dialect::of(kind), address, number));
                let outcomes = joining.buffer_unordered(JOINING_AT_ONCE).collect::<Vec<_>>().await;
                let outcome = outcomes.into_iter().collect::<Result<Vec<_>, _>>().map(|members| {
                    for member in members {
                        tokio::task::spawn_local(member.listen(seen.clone()));
                    }
                });
                // Whoever waits for either end may have gone; then there is nobody to tell.
                drop(ready.send(outcome));
                drop(stopped.await);
            });
        });
        joined.recv()??;
        Ok(Self { tally, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
