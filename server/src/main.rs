//! The binary `rialto`: hands the arguments to the command line and ends with its exit code.

use std::process::ExitCode;

#[global_allocator]
static MEMORY: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    rialto_server::cli::main()
}
