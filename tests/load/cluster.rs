//! `rialto-load cluster`: what several nodes cost beside one. A room's members are on one node alone, on another node than
//! the sender, and on three; Socket.IO with its Redis adapter gets the same. What counts is CPU per delivery, beside that of
//! one alone in the same round: the machine is shared by everything. Then several nodes are left to themselves, with and
//! without members, to see what they cost when nothing is said.

use std::{collections::BTreeMap, thread, time::Duration};

use crate::{
    Failure,
    grid::Cell,
    layout::{Cost, Layout, SPREAD},
    members::Members,
    report::machine,
    say,
    server::Kind,
    site::Site,
    traffic::Traffic,
};

/// Time after which nodes have settled who does what.
const SETTLE: Duration = Duration::from_secs(12);
const QUIET_WATCHED: Duration = Duration::from_secs(10);

/// What was paid for the same thing, round by round.
type Costs = BTreeMap<(Cell, Kind, Layout), Vec<Cost>>;

/// Measures everything so often.
pub(crate) fn run(kinds: &[Kind], cells: &[Cell], seconds: u64, rounds: u64) -> Result<(), Failure> {
    let mut costs = Costs::new();
    for round in 1..=rounds {
        for cell in cells {
            for kind in kinds {
                for layout in Layout::ALL {
                    let cost = layout.run(*kind, *cell, seconds)?;
                    say(&format!("{round} · {cell} · {kind}, {layout}: {cost}"))?;
                    costs.entry((*cell, *kind, layout)).or_default().push(cost);
                }
            }
        }
    }
    table(&costs)?;
    if kinds.iter().any(|kind| *kind != Kind::SocketIo) {
        quiet(0)?;
        quiet(cells.iter().map(|cell| cell.members).max().unwrap_or(0))?;
    }
    Ok(())
}

/// The tables, in Markdown.
fn table(costs: &Costs) -> Result<(), Failure> {
    let versions = costs.keys().map(|(_, kind, _)| kind.version()).collect::<Result<Vec<_>, _>>()?;
    let versions: std::collections::BTreeSet<_> = versions.into_iter().collect();
    let versions: Vec<_> = versions.into_iter().chain([Kind::Nats.version()?]).collect();
    say(&format!("\n{}\n{}\n", machine(), versions.join(" · ")))?;
    say(
        "| members · events/s | server | where | the members' node | the sender's node | broker | missing |",
    )?;
    say("|---|---|---|---|---|---|---|")?;
    for ((cell, kind, layout), costs) in costs {
        let of = |what: fn(&Cost) -> f64| Spread::of(costs.iter().map(what));
        let sender = |cost: &Cost| cost.nodes[0];
        let (members, sender, broker) = match layout {
            Layout::Alone => (of(sender).to_string(), "–".to_owned(), "–".to_owned()),
            Layout::Apart => (
                of(|cost| cost.nodes[1]).to_string(),
                of(sender).to_string(),
                of(|cost| cost.broker).to_string(),
            ),
            Layout::Spread => (
                of(|cost| cost.nodes[1..].iter().sum::<f64>() / (SPREAD - 1) as f64).to_string(),
                of(sender).to_string(),
                of(|cost| cost.broker).to_string(),
            ),
        };
        let missing = Spread::of(costs.iter().map(|cost| cost.missing * 100.0)).median;
        let (at, rate) = (cell.members, cell.rate);
        say(&format!(
            "| {at} · {rate} | {kind} | {layout} | {members} | {sender} | {broker} | {missing:.1} % |"
        ))?;
    }
    ratios(costs)
}

/// What several cost beside one in the same round.
fn ratios(costs: &Costs) -> Result<(), Failure> {
    say(
        "\n| members · events/s | server | a delivery on another node, to one alone | sender's node and broker, µs a delivery | three nodes, times one |",
    )?;
    say("|---|---|---|---|---|")?;
    for ((cell, kind, _), alone) in costs.iter().filter(|((.., layout), _)| *layout == Layout::Alone) {
        let beside = |layout| costs.get(&(*cell, *kind, layout)).into_iter().flatten().zip(alone);
        let apart = Spread::of(beside(Layout::Apart).map(|(apart, alone)| apart.nodes[1] / alone.busiest));
        let way = Spread::of(beside(Layout::Apart).map(|(apart, _)| apart.nodes[0] + apart.broker));
        let three = Spread::of(beside(Layout::Spread).map(|(three, alone)| alone.busiest / three.busiest));
        say(&format!("| {} · {} | {kind} | {apart} | {way} | {three} |", cell.members, cell.rate))?;
    }
    Ok(())
}

/// What three nodes and NATS cost with so many members to whom nothing is said.
fn quiet(count: usize) -> Result<(), Failure> {
    let kind = Kind::Rialto(0);
    let site = Site::start(kind, SPREAD)?;
    let members = Members::join(kind, &site.addresses(), count)?;
    thread::sleep(SETTLE);
    let read = || -> Result<(Vec<Duration>, Option<Traffic>), Failure> {
        let cpu = site.processes().iter().map(|process| process.cpu()).collect::<Result<_, _>>()?;
        Ok((cpu, site.monitor.map(|monitor| monitor.read()).transpose()?))
    };
    let (cpu, traffic) = read()?;
    thread::sleep(QUIET_WATCHED);
    let (cpu_after, traffic_after) = read()?;
    drop(members);
    let seconds = QUIET_WATCHED.as_secs_f64();
    let used =
        cpu_after.iter().zip(&cpu).map(|(after, before)| (*after - *before).as_secs_f64() * 1e3 / seconds);
    let used: Vec<String> = used.map(|ms| format!("{ms:.1}")).collect();
    let (Some(after), Some(before)) = (traffic_after, traffic) else { return Ok(()) };
    let Traffic { messages_in, messages_out, bytes_in, bytes_out } = after - before;
    let [messages_in, messages_out, bytes_in, bytes_out] =
        [messages_in, messages_out, bytes_in, bytes_out].map(|count| count as f64 / seconds);
    say(&format!(
        "\n{SPREAD} nodes and NATS, {count} members, nothing said: {} ms of CPU a second each, the last one NATS; \
         {messages_in:.1} messages in and {messages_out:.1} out, {bytes_in:.0} and {bytes_out:.0} bytes a second",
        used.join(", "),
    ))
}

/// The middle of some figures, and the least and the most.
struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = figures.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
        Self { median: at(sorted.len() / 2), least: at(0), most: at(sorted.len().saturating_sub(1)) }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { median, least, most } = self;
        write!(f, "{median:.2} ({least:.2}–{most:.2})")
    }
}
