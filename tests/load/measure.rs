//! One measurement: all members in the room, the sender at its rate, and the CPU time of every process before and after.
//! Waits are by the clock, because time is what is measured.

use std::{net::SocketAddr, sync::atomic::Ordering, thread, time::Duration};

use hdrhistogram::Histogram;
use tokio::time::Instant;

use crate::{
    Failure,
    grid::Cell,
    member::Tally,
    members::Members,
    process::Process,
    sender::Sender,
    server::Kind,
    traffic::{Monitor, Traffic},
};

const WARM_UP: Duration = Duration::from_secs(2);
/// How long is waited for deliveries after the last event was sent.
const GRACE: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A load, and what it is put on.
pub(crate) struct Course<'a> {
    pub(crate) kind: Kind,
    pub(crate) cell: Cell,
    /// Seconds that are measured.
    pub(crate) seconds: u64,
    /// What is looked at.
    pub(crate) processes: Vec<&'a Process>,
    /// Where a broker tells what went through it.
    pub(crate) monitor: Option<Monitor>,
    /// Where the sender is.
    pub(crate) sender: SocketAddr,
    /// Where the members are, spread evenly.
    pub(crate) members: Vec<SocketAddr>,
}

/// What came of it.
pub(crate) struct Measured {
    /// CPU time that each process used in the measured time.
    pub(crate) cpu: Vec<Duration>,
    /// What went through the broker in that time.
    pub(crate) traffic: Option<Traffic>,
    /// Deliveries in that time.
    pub(crate) deliveries: u64,
    /// How long it was.
    pub(crate) time: Duration,
    /// Latencies of events that were due in that time, in µs.
    pub(crate) latencies: Histogram<u64>,
    /// Deliveries that had not come when the grace was over.
    pub(crate) missing: u64,
    /// Deliveries that were due.
    pub(crate) due: u64,
    /// Connections that a server ended.
    pub(crate) ended: u64,
}

impl Course<'_> {
    /// Runs it.
    pub(crate) fn run(&self) -> Result<Measured, Failure> {
        let members = Members::join(self.kind, &self.members, self.cell.members)?;
        let tally = members.tally.clone();
        let sender = Sender::connect(self.kind, self.sender)?;

        let length = Duration::from_secs(self.seconds);
        let from = tally.epoch + Duration::from_nanos(tally.now()) + WARM_UP;
        let nanos = |at: Instant| u64::try_from((at - tally.epoch).as_nanos()).unwrap_or(u64::MAX);
        tally.from.store(nanos(from), Ordering::Relaxed);
        tally.to.store(nanos(from + length), Ordering::Relaxed);
        let (pacing, rate) = (tally.clone(), self.cell.rate);
        let paced =
            thread::spawn(move || sender.pace(&pacing, rate, WARM_UP + length).map(|sent| (sent, sender)));

        let before = self.read_at(from, &tally)?;
        let after = self.read_at(from + length, &tally)?;
        let (sent, sender) = paced.join().map_err(|_| "the sender panicked")??;
        let due = sent * self.cell.members as u64;
        let deadline = Instant::now() + GRACE;
        while tally.deliveries.load(Ordering::Relaxed) < due && Instant::now() < deadline {
            thread::sleep(LOOK_AGAIN);
        }
        let missing = due.saturating_sub(tally.deliveries.load(Ordering::Relaxed));
        let ended = tally.ended.load(Ordering::Relaxed);
        drop((sender, members));
        let latencies = tally.latencies.lock().clone();
        Ok(Measured {
            cpu: after.cpu.iter().zip(&before.cpu).map(|(after, before)| *after - *before).collect(),
            traffic: after.traffic.zip(before.traffic).map(|(after, before)| after - before),
            deliveries: after.deliveries - before.deliveries,
            time: after.at - before.at,
            latencies,
            missing,
            due,
            ended,
        })
    }

    fn read_at(&self, moment: Instant, tally: &Tally) -> Result<Reading, Failure> {
        thread::sleep(moment.saturating_duration_since(Instant::now()));
        Ok(Reading {
            at: Instant::now(),
            cpu: self.processes.iter().map(|process| process.cpu()).collect::<Result<_, _>>()?,
            traffic: self.monitor.map(Monitor::read).transpose()?,
            deliveries: tally.deliveries.load(Ordering::Relaxed),
        })
    }
}

/// CPU time and deliveries at a moment.
struct Reading {
    at: Instant,
    cpu: Vec<Duration>,
    traffic: Option<Traffic>,
    deliveries: u64,
}
