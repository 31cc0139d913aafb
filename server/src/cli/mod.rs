//! Floor 6: the command line. What can be said to `rialto`, and which file carries it out: one a subcommand. Clients
//! use the same library as everybody else's programs; nothing here reaches into a node.

mod access;
mod call;
mod completions;
mod connection;
mod data;
mod emit;
mod failure;
mod history;
mod import;
mod jobs;
mod listen;
mod members;
mod message;
mod news;
mod output;
mod presence;
mod record;
mod rooms;
pub mod serve;
mod state;
pub mod token;

use std::{future::Future, process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};
use tokio::runtime::Builder;

use self::{failure::Failure, output::Output};

/// How long threads that wait for something are waited for at the end.
const SHUTDOWN_MAX: Duration = Duration::from_secs(1);
const EXIT_CODES: &str = "\
Exit codes of the commands that speak to a server:
  0  done, or ended by Ctrl-C
  1  refused by the server, or failed
  2  the command line makes no sense
  3  the server was not reached
  4  time ran out
  5  not set: the key has another revision than expected";

/// Messaging over gRPC: rooms, acknowledged events, calls.
#[derive(Debug, Parser)]
#[command(name = "rialto", version, after_help = EXIT_CODES, arg_required_else_help = true)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::ServeArgs),
    Listen(listen::ListenArgs),
    Emit(emit::EmitArgs),
    Call(call::CallArgs),
    Rooms(rooms::RoomsArgs),
    Members(members::MembersArgs),
    History(history::HistoryArgs),
    Presence(presence::PresenceArgs),
    State(state::StateArgs),
    Jobs(jobs::JobsArgs),
    Import(import::ImportArgs),
    Access(access::AccessArgs),
    Token(token::TokenArgs),
    Data(data::DataArgs),
    Completions(completions::CompletionsArgs),
}

/// Runs the command that the process was started with, and gives its exit code. Wrong arguments end the process with 2.
pub fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Serve(args) => block_on(Builder::new_multi_thread(), serve::run(args)),
        Command::Listen(args) => {
            client(&args.connection.server.clone(), async |output| listen::run(args, output).await)
        }
        Command::Emit(args) => {
            client(&args.connection.server.clone(), async |output| emit::run(args, output).await)
        }
        Command::Call(args) => {
            client(&args.connection.server.clone(), async |output| call::run(args, output).await)
        }
        Command::Rooms(args) => {
            client(&args.connection.server.clone(), async |output| rooms::run(args, output).await)
        }
        Command::Members(args) => {
            client(&args.connection.server.clone(), async |output| members::run(args, output).await)
        }
        Command::History(args) => {
            client(&args.connection.server.clone(), async |output| history::run(args, output).await)
        }
        Command::Presence(args) => {
            client(&args.connection.server.clone(), async |output| presence::run(args, output).await)
        }
        Command::State(args) => {
            client(&args.connection().server.clone(), async |output| state::run(args, output).await)
        }
        Command::Import(args) => {
            client(&args.connection().server.clone(), async |output| import::run(args, output).await)
        }
        Command::Jobs(args) => {
            client(&args.connection().server.clone(), async |output| jobs::run(args, output).await)
        }
        Command::Access(args) => {
            client(&args.connection().server.clone(), async |output| access::run(args, output).await)
        }
        Command::Token(args) => token::run(args),
        Command::Data(args) => data::run(&args, &Output::new()).conclude(),
        Command::Completions(args) => completions::run(args, &Output::new()).conclude(),
    }
}

/// Runs a command that speaks to `server`: one thread is enough for it.
fn client(server: &str, command: impl AsyncFnOnce(&Output) -> Result<(), Failure>) -> ExitCode {
    block_on(Builder::new_current_thread(), async {
        let output = Output::new();
        Box::pin(command(&output)).await.map_err(|failure| failure.at(server)).conclude()
    })
}

fn block_on(mut runtime: Builder, command: impl Future<Output = ExitCode>) -> ExitCode {
    match runtime.enable_all().build() {
        Ok(runtime) => {
            let code = runtime.block_on(command);
            // A thread that waits for a disk or a network that is gone does not keep the process.
            runtime.shutdown_timeout(SHUTDOWN_MAX);
            code
        }
        Err(error) => Err(Failure::Local(format!("cannot start: {error}"))).conclude(),
    }
}

/// How a command ends: silently with 0, or with one sentence and the code that stands for it.
trait Conclude {
    fn conclude(self) -> ExitCode;
}

impl Conclude for Result<(), Failure> {
    fn conclude(self) -> ExitCode {
        match self {
            // Whoever reads has read enough.
            Ok(()) | Err(Failure::Unread) => ExitCode::SUCCESS,
            Err(failure) => {
                Output::new().complain(&failure.to_string());
                ExitCode::from(failure.exit_code())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_command_prints_json_on_demand() {
        for command in ["listen", "emit", "call", "rooms", "members", "history", "presence"] {
            let commands = Arguments::command();
            let found = commands.find_subcommand(command).unwrap();
            assert!(found.get_arguments().any(|argument| argument.get_id() == "json"), "{command}");
        }
        let commands = Arguments::command();
        for command in commands.find_subcommand("state").unwrap().get_subcommands() {
            assert!(command.get_arguments().any(|argument| argument.get_id() == "json"), "{command}");
        }
    }

    #[test]
    fn flags_that_scripts_rely_on_are_understood() {
        for line in [
            "rialto listen --server http://h:1 --token t --namespace n --room r --count 1 --reply x --json",
            "rialto emit --namespace n --room r --event e --data x",
            "rialto emit --namespace n --everyone --event e --file - --volatile --header a=b --expect-replies 5s",
            "rialto emit --to-user u --to-session s --event e --data x --user ann",
            "rialto call --any-of r --event e --data x --timeout 5s",
            "rialto call --session s --event e --data x",
            "rialto rooms --namespace n --watch",
            "rialto listen --room r --newest 300",
            "rialto history r --namespace n --newest 20 --json",
            "rialto history r --from 7 --to 9 --epoch e",
            "rialto history r --newest 20 --to 7",
            "rialto history r --since 10m",
            "rialto history r --since 2026-01-31T12:00:00Z",
            "rialto presence r --by user",
            "rialto presence r --counts --json",
            "rialto state get r --namespace n --json",
            "rialto state get r k",
            "rialto state set r k v --if-revision 7 --expires-in 1h",
            "rialto state set r k --file - --if-absent",
            "rialto state remove r k --if-revision 7",
            "rialto state watch r k --count 2",
            "rialto jobs enqueue --queue q --payload x --id i --type t --attribute a=b --priority -3 --delay 10m --ttl 1h --attempts 3 --notify r --wait 1m --json",
            "rialto jobs enqueue --queue q --file -",
            "rialto jobs work --queue q --concurrency 4 --lease 10s --name w --exec cat",
            "rialto jobs status --queue q --json",
            "rialto jobs status --queue q i",
            "rialto jobs watch --queue q i j",
            "rialto jobs list --queue q --state dead --state waiting --type t --attribute a=b --count 5",
            "rialto jobs queues -n n",
            "rialto jobs cancel --queue q i --reason x",
            "rialto jobs redrive --queue q --all",
            "rialto jobs pause --queue q",
            "rialto jobs resume --queue q",
            "rialto jobs purge --queue q",
            "rialto import",
            "rialto import --namespace chat --queue q --into folder --concurrency 4 --name w",
            "rialto access revoke --user u --keep 1h --reason x",
            "rialto access revoke --token-id i",
            "rialto access list --json",
            "rialto access reinstate --session s",
            "rialto members --namespace n --room r",
            "rialto completions bash",
            "rialto data check folder --json",
            "rialto data dump folder --from 528 --json",
        ] {
            Arguments::try_parse_from(line.split(' ')).unwrap();
        }
    }

    #[test]
    fn what_makes_no_sense_is_a_usage_error() {
        for line in [
            "rialto",
            "rialto emit --event e --data x",
            "rialto emit --room r --event e",
            "rialto emit --room r --event e --data x --file f",
            "rialto emit --room r --everyone --event e --data x",
            "rialto emit --room r --event e --data x --header nothing",
            "rialto call --event e --data x",
            "rialto call --any-of r --session s --event e --data x",
            "rialto listen --count 0",
            "rialto listen --newest 5",
            "rialto listen --room r --newest 301",
            "rialto history",
            "rialto history r --newest 0",
            "rialto history r --newest 5 --from 7",
            "rialto history r --since yesterday",
            "rialto presence r --by room",
            "rialto presence r --by user --counts",
            "rialto state",
            "rialto state set r k",
            "rialto state set r k v --file f",
            "rialto state set r k v --if-absent --if-revision 7",
            "rialto state remove r",
            "rialto jobs enqueue --queue q",
            "rialto jobs enqueue --payload x",
            "rialto jobs work --queue q",
            "rialto jobs redrive --queue q",
            "rialto jobs list --queue q --state gone",
        ] {
            Arguments::try_parse_from(line.split(' ')).unwrap_err();
        }
    }
}
