//! The binary `rialto`.

use std::process::ExitCode;

use clap::Parser;
use rialto_server::cli::serve::{self, ServeArgs};

#[derive(Parser)]
enum Cli {
    Serve(ServeArgs),
}

#[tokio::main]
async fn main() -> ExitCode {
    let Cli::Serve(args) = Cli::parse();
    serve::run(args).await
}
