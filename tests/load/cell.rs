//! One cell on one server, fresh: what a delivery costs it, and what an idle session costs it. Waits are by the clock,
//! because time is what is measured.

use std::{fmt, sync::atomic::Ordering, thread, time::Duration};

use crate::{
    Failure,
    grid::Cell,
    measure::{Course, Measured},
    members::{JOINING_AT_ONCE, Members},
    server::Kind,
};

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
    let (sender, members) = (process.address(), vec![process.address()]);
    let Measured { cpu, deliveries, time, latencies, missing, due, ended, .. } =
        Course { kind, cell, seconds, processes: vec![&process], monitor: None, sender, members }.run()?;
    let (cpu, deliveries) = (cpu.iter().sum::<Duration>().as_secs_f64(), deliveries as f64);
    let percentile = |quantile: f64| latencies.value_at_quantile(quantile) as f64 / 1_000.0;
    Ok(Outcome {
        cpu_us: cpu * 1e6 / deliveries,
        deliveries_per_second: deliveries / time.as_secs_f64(),
        cores: cpu / time.as_secs_f64(),
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
    drop(Members::join(kind, &[process.address()], JOINING_AT_ONCE)?);
    thread::sleep(SETTLE);
    let before = process.memory()?;
    let members = Members::join(kind, &[process.address()], sessions)?;
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
