//! `rialto-load`: the fan-out benchmark. One sender, many members, one room; Rialto, nats-server and Socket.IO get the
//! same load one after the other, each from a fresh process on loopback. What counts is the server's own CPU per
//! delivery, because the load generator shares the machine. This file reads the arguments and walks the grid;
//! `rialto-load log` measures the log alone, `rialto-load storm` how all sessions come back at once, `rialto-load cluster`
//! what several nodes cost beside one, `rialto-load jobs` job queues, `rialto-load crowd` what a room with a million members on a hundred nodes does.

mod cell;
mod cluster;
mod crowd;
mod crowd_link;
mod crowd_node;
mod dialect;
mod grid;
mod http2;
mod jobs;
mod layout;
mod log;
mod measure;
mod member;
mod members;
#[cfg(feature = "peers")]
mod peers;
mod process;
mod report;
mod sender;
mod server;
mod site;
mod storm;
mod traffic;

use std::{error::Error, io::Write, path::PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use crate::{report::Report, server::Kind};

/// What went wrong, for a person at a terminal.
type Failure = Box<dyn Error + Send + Sync>;

/// Descriptors for the connections of both ends and some more.
const DESCRIPTORS_SPARE: u64 = 1024;

fn main() -> Result<(), Failure> {
    let arguments = arguments().get_matches();
    if let Some(("log", arguments)) = arguments.subcommand() {
        let folder = arguments.get_one::<PathBuf>("folder").cloned().unwrap_or_else(|| "target".into());
        return log::run(&folder, *arguments.get_one::<u64>("seconds").unwrap_or(&5));
    }
    if let Some(("jobs", arguments)) = arguments.subcommand() {
        let folder = arguments.get_one::<PathBuf>("folder").cloned().unwrap_or_else(|| "target".into());
        let jobs = *arguments.get_one::<usize>("jobs").unwrap_or(&200_000);
        jobs::run(&folder, jobs)?;
        #[cfg(feature = "peers")]
        peers::run(&folder, jobs)?;
        return Ok(());
    }
    if let Some(("storm", arguments)) = arguments.subcommand() {
        let sessions = *arguments.get_one::<usize>("sessions").unwrap_or(&10_000);
        raise_descriptors(sessions)?;
        return storm::run(sessions);
    }
    if let Some(("cluster", arguments)) = arguments.subcommand() {
        return cluster(arguments);
    }
    if let Some(("crowd", arguments)) = arguments.subcommand() {
        let number = |name: &str, default: usize| *arguments.get_one::<usize>(name).unwrap_or(&default);
        let of_a_user = *arguments.get_one::<u32>("sessions-per-user").unwrap_or(&0);
        return crowd::run(number("members", 1_000_000), number("nodes", 100), of_a_user);
    }
    let full = arguments.get_flag("full");
    let sessions = *arguments.get_one::<usize>("idle").unwrap_or(&5_000);
    let seconds = *arguments.get_one::<u64>("seconds").unwrap_or(&8);
    let kinds = match arguments.get_many::<String>("target") {
        Some(names) => names.map(|name| name.parse()).collect::<Result<Vec<Kind>, _>>()?,
        None => Kind::all(full),
    };
    let cells = match arguments.get_one::<String>("cell") {
        Some(cell) => vec![cell.parse()?],
        None => grid::cells(full),
    };
    raise_descriptors(sessions.max(grid::members_max(&cells)))?;
    let mut report = Report::new(kinds.iter().map(|kind| kind.version()).collect::<Result<_, _>>()?);

    for cell in &cells {
        for kind in &kinds {
            say(&format!("{cell} on {kind} …"))?;
            let outcome = cell::run(*kind, *cell, seconds)?;
            say(&format!("    {outcome}"))?;
            report.add(*kind, *cell, outcome);
        }
    }
    if sessions > 0 {
        for kind in kinds.iter().filter(|kind| kind.counts_when_idle()) {
            say(&format!("{sessions} idle sessions on {kind} …"))?;
            let outcome = cell::idle(*kind, sessions)?;
            say(&format!("    {outcome}"))?;
            report.add_idle(*kind, outcome);
        }
    }
    say(&report.table()?)?;
    if let Some(path) = arguments.get_one::<PathBuf>("json") {
        std::fs::write(path, report.json()?)?;
    }
    Ok(())
}

fn arguments() -> Command {
    let number = |name: &'static str, help: &'static str| Arg::new(name).long(name).help(help);
    Command::new("rialto-load")
        .about(
            "Fan-out to many members: the server's CPU per delivery, latency, idle memory, beside its peers",
        )
        .arg(
            Arg::new("full").long("full").action(ArgAction::SetTrue).help("The whole grid, about 25 minutes"),
        )
        .arg(Arg::new("target").long("target").action(ArgAction::Append).help(
            "Only these: rialto, rialto-5ms, rialto-20ms, rialto-unheld, rialto-memory, rialto-durable, \
                     nats, socketio",
        ))
        .arg(Arg::new("cell").long("cell").help("Only this cell, as MEMBERSxRATE, for example 1000x50"))
        .arg(number("seconds", "Seconds measured in each cell [default: 8]").value_parser(value_parser!(u64)))
        .arg(number("idle", "Idle sessions, 0 for none [default: 5000]").value_parser(value_parser!(usize)))
        .arg(
            Arg::new("json")
                .long("json")
                .value_parser(value_parser!(PathBuf))
                .help("Where to write the figures"),
        )
        .subcommand(log_arguments())
        .subcommand(cluster_arguments())
        .subcommand(crowd_arguments())
        .subcommand(
            Command::new("jobs")
                .about("Jobs through one durable queue: handed over, taken, settled, and there again after a restart")
                .arg(
                    Arg::new("folder")
                        .long("folder")
                        .value_parser(value_parser!(PathBuf))
                        .help("Where to write, on the disk to measure [default: target]"),
                )
                .arg(number("jobs", "How many [default: 200000]").value_parser(value_parser!(usize))),
        )
        .subcommand(
            Command::new("storm")
                .about("All sessions lose their connections at once and come back at once")
                .arg(number("sessions", "How many [default: 10000]").value_parser(value_parser!(usize))),
        )
}

fn log_arguments() -> Command {
    Command::new("log")
        .about("Records that the durable log takes a second, beside what a sync of the disk costs")
        .arg(
            Arg::new("folder")
                .long("folder")
                .value_parser(value_parser!(PathBuf))
                .help("Where to write, on the disk to measure [default: target]"),
        )
        .arg(
            Arg::new("seconds")
                .long("seconds")
                .value_parser(value_parser!(u64))
                .help("Seconds for each number of appenders [default: 5]"),
        )
}

fn crowd_arguments() -> Command {
    let number = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).help(help).value_parser(value_parser!(usize))
    };
    let of_a_user = "How many sessions a user may have, 0 without bound [default: 0]";
    Command::new("crowd")
        .about("One room on many nodes, all in this process, without connections")
        .arg(number("members", "How many in all [default: 1000000]"))
        .arg(number("nodes", "On how many nodes [default: 100]"))
        .arg(number("sessions-per-user", of_a_user).value_parser(value_parser!(u32)))
}

fn cluster_arguments() -> Command {
    let number = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).help(help).value_parser(value_parser!(u64))
    };
    Command::new("cluster")
        .about("What several nodes cost beside one, and Socket.IO with its Redis adapter in the same way")
        .arg(
            Arg::new("cell")
                .long("cell")
                .action(ArgAction::Append)
                .help("Only these cells, as MEMBERSxRATE [default: 1000x50 and 1000x200]"),
        )
        .arg(Arg::new("target").long("target").action(ArgAction::Append).help("Only these: rialto, socketio"))
        .arg(number("seconds", "Seconds measured each time [default: 6]"))
        .arg(number("rounds", "How often all is measured [default: 3]"))
}

fn cluster(arguments: &ArgMatches) -> Result<(), Failure> {
    let parsed = |name: &str, default: &[&str]| -> Vec<String> {
        let given = arguments.get_many::<String>(name).into_iter().flatten().cloned().collect::<Vec<_>>();
        if given.is_empty() { default.iter().map(|text| (*text).to_owned()).collect() } else { given }
    };
    let cells = parsed("cell", &["1000x50", "1000x200"]);
    let cells = cells.iter().map(|cell| cell.parse()).collect::<Result<Vec<_>, _>>()?;
    let kinds = parsed("target", &["rialto", "socketio"]);
    let kinds = kinds.iter().map(|kind| kind.parse()).collect::<Result<Vec<Kind>, _>>()?;
    let number = |name: &str, default: u64| *arguments.get_one::<u64>(name).unwrap_or(&default);
    raise_descriptors(grid::members_max(&cells))?;
    cluster::run(&kinds, &cells, number("seconds", 6), number("rounds", 3))
}

/// Raises the limit of open files for this process and those that it starts.
fn raise_descriptors(connections: usize) -> Result<(), Failure> {
    let wanted = connections as u64 + DESCRIPTORS_SPARE;
    let raised = rlimit::increase_nofile_limit(wanted)?;
    if raised < wanted {
        return Err(
            format!("{wanted} open files are needed, the system allows {raised}: raise `ulimit -n`").into()
        );
    }
    Ok(())
}

/// Says a line to the person at the terminal.
fn say(line: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()?;
    Ok(())
}
