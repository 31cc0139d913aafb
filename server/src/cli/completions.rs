//! `rialto completions`: the script that teaches a shell to complete `rialto`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Arguments, failure::Failure, output::Output};

/// Print the completion script of a shell.
#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Runs `rialto completions` to its end.
pub(super) fn run(args: CompletionsArgs, output: &Output) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Arguments::command(), "rialto", &mut script);
    output.raw(&script)
}
