//! The binary `rialto`: hands the arguments to the command line and ends with its exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    rialto_server::cli::main()
}
