//! `rialto-conformance`: carries out the scenarios of `tests/conformance/scenarios` with the driver of each client, against
//! real nodes behind a proxy that misbehaves, and prints the table client × scenario. `tests/conformance/README.md` says what
//! scenarios and drivers are. Run from the top of the repository, with the drivers built: `make conformance` does both.

mod client;
mod driver;
mod load;
mod matching;
mod play;
mod scenario;
mod scene;
mod schema;
mod scripted;
mod step;
mod table;
mod toy;

use std::{collections::BTreeSet, panic::AssertUnwindSafe, path::Path, process::ExitCode};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use futures_util::{FutureExt, StreamExt, stream};

use crate::{client::Client, driver::Driver, play::Kept, scenario::Scenario, table::Table};

/// What went wrong, for a person at a terminal.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Scenarios that run at a time: they mostly wait.
const AT_ONCE: usize = 8;
const FOLDER: &str = "tests/conformance";

fn arguments() -> ArgMatches {
    let list = |name, help| Arg::new(name).long(name).action(ArgAction::Append).help(help);
    Command::new("rialto-conformance")
        .about("Carries out the scenarios of conformance with the drivers of clients")
        .arg(list("client", "Only this column; may be given several times"))
        .arg(list("scenario", "Only what has this in its name, its file's name or what it shows"))
        .arg(
            Arg::new("at-once")
                .long("at-once")
                .value_parser(value_parser!(usize))
                .help("How many scenarios run at a time"),
        )
        .arg(
            Arg::new("talk")
                .long("talk")
                .action(ArgAction::SetTrue)
                .help("Prints every line from and to the drivers"),
        )
        .get_matches()
}

#[tokio::main]
async fn main() -> Result<ExitCode, Failure> {
    let arguments = arguments();
    let chosen: Vec<&String> = arguments.get_many("client").unwrap_or_default().collect();
    let about: Vec<&String> = arguments.get_many("scenario").unwrap_or_default().collect();
    let at_once = arguments.get_one("at-once").copied().unwrap_or(AT_ONCE);
    let folder = Path::new(FOLDER);
    let mut scenarios = scenario::read_all(&folder.join("scenarios"))?;
    scenarios.retain(|scenario| about.is_empty() || about.iter().any(|part| scenario.is_about(part)));
    let mut clients = client::read_all(&folder.join("clients.toml"))?;
    let known: BTreeSet<&str> = clients.iter().map(|client| client.name.as_str()).collect();
    if let Some(unknown) = chosen.iter().find(|name| !known.contains(name.as_str())) {
        return Err(format!("there is no client {unknown:?}; there are {known:?}").into());
    }
    clients.retain(|client| chosen.is_empty() || chosen.contains(&&client.name));
    if scenarios.is_empty() {
        return Err("no scenario is about that".into());
    }
    let mut table = Table::new(scenarios.iter().map(|scenario| scenario.name.clone()));
    for client in &clients {
        let talk = arguments.get_flag("talk");
        table.add(&client.name, column(client, &scenarios, at_once, talk).await?);
    }
    print!("{table}");
    Ok(if table.is_green() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What becomes of each scenario with one client: `None` when the client cannot have it.
async fn column(
    client: &Client,
    scenarios: &[Scenario],
    at_once: usize,
    talk: bool,
) -> Result<Vec<Option<Result<(), String>>>, Failure> {
    let driver = Driver::start(client, talk)?;
    driver.warm_up().await?;
    let kept = Kept::default();
    let outcomes = stream::iter(scenarios.iter().enumerate())
        .map(|(number, scenario)| outcome(client, (&driver, talk), number, scenario, &kept))
        .buffered(at_once)
        .collect()
        .await;
    driver.end().await?;
    Ok(outcomes)
}

async fn outcome(
    client: &Client,
    (shared, talk): (&Driver, bool),
    number: usize,
    scenario: &Scenario,
    kept: &Kept,
) -> Option<Result<(), String>> {
    if scenario.needs.iter().any(|need| client.lacks.contains(need)) {
        return None;
    }
    let playing = async {
        if !scenario.own_process {
            return play::play(client, shared, number, scenario, kept).await;
        }
        let own = Driver::start(client, talk).map_err(|error| error.to_string())?;
        play::play(client, &own, number, scenario, kept).await
    };
    let outcome = AssertUnwindSafe(playing).catch_unwind().await;
    Some(outcome.unwrap_or_else(|panic| Err(sentence(panic.as_ref()))))
}

/// What a panic said.
fn sentence(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}
