//! The figures of a run, as a table for people and as JSON for programs. Ratios are to nats-server in the same cell of
//! the same run: absolute figures differ between machines, ratios less so.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
};

use serde_json::{Value, json};

use crate::{
    Failure,
    cell::{IdleOutcome, Outcome},
    grid::Cell,
    server::Kind,
};

/// Everything that was measured.
#[derive(Debug)]
pub(crate) struct Report {
    versions: Vec<String>,
    cells: BTreeMap<Cell, Vec<(Kind, Outcome)>>,
    idle: Vec<(Kind, IdleOutcome)>,
}

impl Report {
    /// An empty report about programs of these versions.
    pub(crate) fn new(mut versions: Vec<String>) -> Self {
        versions.dedup();
        Self { versions, cells: BTreeMap::new(), idle: Vec::new() }
    }

    /// Adds a cell.
    pub(crate) fn add(&mut self, kind: Kind, cell: Cell, outcome: Outcome) {
        self.cells.entry(cell).or_default().push((kind, outcome));
    }

    /// Adds what idle sessions cost.
    pub(crate) fn add_idle(&mut self, kind: Kind, outcome: IdleOutcome) {
        self.idle.push((kind, outcome));
    }

    /// The tables, in Markdown.
    pub(crate) fn table(&self) -> Result<String, fmt::Error> {
        let mut text = format!("\n{}\n{}\n", machine(), self.versions.join(" · "));
        text.push_str("\n| members · events/s | server | CPU µs/delivery | to nats | deliveries/s | p50 ms | p99 ms | p99.9 ms | missing |\n");
        text.push_str("|---|---|---|---|---|---|---|---|---|\n");
        for (cell, outcomes) in &self.cells {
            let nats =
                outcomes.iter().find(|(kind, _)| *kind == Kind::Nats).map(|(_, outcome)| outcome.cpu_us);
            for (kind, outcome) in outcomes {
                let Outcome {
                    cpu_us,
                    deliveries_per_second,
                    p50_ms,
                    p99_ms,
                    p999_ms,
                    missing,
                    due,
                    ended,
                    ..
                } = outcome;
                let ratio = nats.map_or_else(|| "–".to_owned(), |nats| format!("{:.2}", cpu_us / nats));
                let share = 100.0 * *missing as f64 / (*due).max(1) as f64;
                let lost = if *missing == 0 { "0".to_owned() } else { format!("{share:.1} %") };
                let closed = if *ended == 0 { String::new() } else { format!(", {ended} closed") };
                writeln!(
                    text,
                    "| {} · {} | {kind} | {cpu_us:.2} | {ratio} | {deliveries_per_second:.0} | {p50_ms:.1} | \
                     {p99_ms:.1} | {p999_ms:.1} | {lost}{closed} |",
                    cell.members, cell.rate,
                )?;
            }
        }
        if !self.idle.is_empty() {
            text.push_str("\n| idle sessions | server | KiB resident | KiB proportional | CPU µs per s |\n");
            text.push_str("|---|---|---|---|---|\n");
        }
        for (kind, IdleOutcome { sessions, rss_kib, pss_kib, cpu_us_per_second }) in &self.idle {
            writeln!(text, "| {sessions} | {kind} | {rss_kib:.1} | {pss_kib:.1} | {cpu_us_per_second:.2} |")?;
        }
        Ok(text)
    }

    /// The same for programs.
    pub(crate) fn json(&self) -> Result<String, Failure> {
        let cell = |cell: &Cell, kind: &Kind, outcome: &Outcome| -> Value {
            json!({
                "members": cell.members,
                "events_per_second": cell.rate,
                "server": kind.to_string(),
                "cpu_us_per_delivery": outcome.cpu_us,
                "cores": outcome.cores,
                "deliveries_per_second": outcome.deliveries_per_second,
                "p50_ms": outcome.p50_ms,
                "p99_ms": outcome.p99_ms,
                "p999_ms": outcome.p999_ms,
                "missing": outcome.missing,
                "due": outcome.due,
                "connections_ended": outcome.ended,
            })
        };
        let cells: Vec<Value> = self
            .cells
            .iter()
            .flat_map(|(at, outcomes)| outcomes.iter().map(move |(kind, outcome)| cell(at, kind, outcome)))
            .collect();
        let idle = |(kind, outcome): &(Kind, IdleOutcome)| -> Value {
            json!({
                "server": kind.to_string(),
                "sessions": outcome.sessions,
                "rss_kib_each": outcome.rss_kib,
                "pss_kib_each": outcome.pss_kib,
                "cpu_us_per_second_each": outcome.cpu_us_per_second,
            })
        };
        let idle: Vec<Value> = self.idle.iter().map(idle).collect();
        let whole = json!({ "machine": machine(), "versions": self.versions, "fanout": cells, "idle": idle });
        Ok(serde_json::to_string_pretty(&whole)?)
    }
}

/// Processor, cores, kernel.
pub(crate) fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let model = info.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("");
    let model = model.trim_start_matches(['\t', ':', ' ']);
    let cores = info.lines().filter(|line| line.starts_with("processor")).count();
    format!("{cores} × {model}, Linux {}", read("/proc/sys/kernel/osrelease").trim())
}
