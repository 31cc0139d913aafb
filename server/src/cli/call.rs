//! `rialto call`: asks one session, or any one member of a room, and prints its answer.

use std::time::Duration;

use clap::{ArgGroup, Args};
use rialto_client::Callee;

use super::{connection::ConnectionArgs, failure::Failure, message::MessageArgs, output::Output, record};

/// Ask one member and print its answer.
///
/// Prints the body of the answer as it is. A member that answers with an error, leaves or does not exist ends it with
/// exit code 1, one that does not answer in time with 4.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("callee").required(true).multiple(false).args(["any_of", "session"])))]
pub(super) struct CallArgs {
    #[command(flatten)]
    pub(super) connection: ConnectionArgs,
    /// Any one member of this room
    #[arg(long, value_name = "ROOM")]
    any_of: Option<String>,
    /// This session
    #[arg(long, value_name = "SESSION")]
    session: Option<String>,
    #[command(flatten)]
    message: MessageArgs,
    /// How long to wait for the answer, at most 60s
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = humantime::parse_duration)]
    timeout: Duration,
}

/// Runs `rialto call` to its end.
pub(super) async fn run(args: CallArgs, output: &Output) -> Result<(), Failure> {
    let callee = match (args.any_of, args.session) {
        (Some(room), _) => Callee::any_of(room),
        (None, session) => Callee::session(session.unwrap_or_default()),
    };
    let payload = args.message.payload()?;
    let client = args.connection.client()?;
    let mut call = client.call(&args.connection.namespace, callee, &args.message.event, payload);
    for (key, value) in &args.message.headers {
        call = call.header(key, value);
    }
    let reply = call.timeout(args.timeout).await?;
    if args.connection.json {
        return output.json(&record::reply_json(&reply));
    }
    match &reply.outcome {
        Ok(body) => output.payload(body.as_bytes()),
        Err(error) => Err(Failure::Local(error.clone())),
    }
}
