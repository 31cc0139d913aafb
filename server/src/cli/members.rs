//! `rialto members`: who is in a room, or in a namespace.

use clap::Args;
use rialto_client::{Member, PageOf};

use super::{connection::ConnectionArgs, failure::Failure, output::Output, record};

/// List the members of a room, or everyone in the namespace.
#[derive(Debug, Args)]
pub(super) struct MembersArgs {
    #[command(flatten)]
    pub(super) connection: ConnectionArgs,
    /// The room; everyone in the namespace without it
    #[arg(long, short, value_name = "ROOM", default_value = "")]
    room: String,
}

/// Runs `rialto members` to its end.
pub(super) async fn run(args: MembersArgs, output: &Output) -> Result<(), Failure> {
    let directory = args.connection.client()?.directory();
    let mut page = PageOf::default();
    loop {
        let members = directory.members(&args.connection.namespace, &args.room, page).await?;
        for member in members.items.into_iter().map(Member::from) {
            if args.connection.json {
                output.json(&record::member_json(&member))?;
            } else {
                output.line(&record::member_line(&member, output))?;
            }
        }
        if members.next.is_empty() {
            return Ok(());
        }
        page = PageOf { size: 0, token: members.next };
    }
}
