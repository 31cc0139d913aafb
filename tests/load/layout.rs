//! Where the sender and the members are, and what a delivery costs whom there.

use std::fmt;

use crate::{
    Failure,
    grid::Cell,
    measure::{Course, Measured},
    server::Kind,
    site::Site,
    traffic::Traffic,
};

/// Nodes of [`Layout::Spread`].
pub(crate) const SPREAD: usize = 3;

/// Where they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Layout {
    /// All on one server, which is alone.
    Alone,
    /// The sender on one server, all members on another one.
    Apart,
    /// Members on three servers, the sender on the first of them.
    Spread,
}

impl Layout {
    pub(crate) const ALL: [Self; 3] = [Self::Alone, Self::Apart, Self::Spread];

    fn nodes(self) -> usize {
        match self {
            Self::Alone => 1,
            Self::Apart => 2,
            Self::Spread => SPREAD,
        }
    }

    /// Measures a cell.
    pub(crate) fn run(self, kind: Kind, cell: Cell, seconds: u64) -> Result<Cost, Failure> {
        let site = Site::start(kind, self.nodes())?;
        let addresses = site.addresses();
        let members = if self == Self::Apart { addresses[1..].to_vec() } else { addresses.clone() };
        let (processes, monitor) = (site.processes(), site.monitor);
        let course = Course { kind, cell, seconds, processes, monitor, sender: addresses[0], members };
        let Measured { cpu, traffic, deliveries, time, latencies, missing, due, .. } = course.run()?;
        let each = |at: usize| cpu.get(at).map_or(0.0, |cpu| cpu.as_secs_f64() * 1e6 / deliveries as f64);
        let nodes: Vec<f64> = (0..self.nodes()).map(each).collect();
        Ok(Cost {
            busiest: nodes.iter().copied().fold(0.0, f64::max),
            broker: each(self.nodes()),
            nodes,
            events: deliveries as f64 / cell.members as f64,
            per_second: deliveries as f64 / time.as_secs_f64(),
            traffic,
            p50_ms: latencies.value_at_quantile(0.5) as f64 / 1_000.0,
            p99_ms: latencies.value_at_quantile(0.99) as f64 / 1_000.0,
            missing: missing as f64 / due.max(1) as f64,
        })
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Alone => "one alone",
            Self::Apart => "sender and members apart",
            Self::Spread => "members on three",
        })
    }
}

/// What was paid, each in µs of CPU for one delivery of all.
#[derive(Debug, Clone)]
pub(crate) struct Cost {
    /// By the servers, the sender's first.
    pub(crate) nodes: Vec<f64>,
    /// By the one of them that paid most.
    pub(crate) busiest: f64,
    /// By what is between them.
    pub(crate) broker: f64,
    /// Events in the measured time.
    pub(crate) events: f64,
    /// Deliveries in a second.
    pub(crate) per_second: f64,
    /// What went through NATS in the measured time.
    pub(crate) traffic: Option<Traffic>,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// Which share of all deliveries had not come in the end.
    pub(crate) missing: f64,
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { nodes, broker, events, per_second, traffic, p50_ms, p99_ms, missing, .. } = self;
        let nodes: Vec<String> = nodes.iter().map(|node| format!("{node:.2}")).collect();
        write!(f, "{} + {broker:.3} µs/delivery · {per_second:.0}/s · ", nodes.join(" + "))?;
        write!(f, "p50 {p50_ms:.1} p99 {p99_ms:.1} ms · {:.1} % missing", missing * 100.0)?;
        let Some(Traffic { messages_in, messages_out, bytes_in, bytes_out }) = traffic else { return Ok(()) };
        let each = |count: &u64| *count as f64 / events;
        write!(f, " · NATS for each event: {:.2} messages in, ", each(messages_in))?;
        write!(f, "{:.2} out, {:.0} and {:.0} bytes", each(messages_out), each(bytes_in), each(bytes_out))
    }
}
