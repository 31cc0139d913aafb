//! `rialto presence`: who is in a room, session by session or user by user, or just how many.

use clap::{Args, ValueEnum};
use rialto_client::{PageOf, Presence};

use super::{connection::ConnectionArgs, failure::Failure, output::Output, record};

/// List who is in a room, or count them.
#[derive(Debug, Args)]
pub(super) struct PresenceArgs {
    #[command(flatten)]
    pub(super) connection: ConnectionArgs,
    /// The room
    #[arg(value_name = "ROOM")]
    room: String,
    /// One line a session, or one a user; sessions without a user are not among the users
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = By::Session)]
    by: By,
    /// Print only how many sessions and users there are
    #[arg(long, conflicts_with = "by")]
    counts: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum By {
    Session,
    User,
}

/// Runs `rialto presence` to its end.
pub(super) async fn run(args: PresenceArgs, output: &Output) -> Result<(), Failure> {
    let presence = args.connection.client()?.presence(&args.connection.namespace, &args.room);
    let json = args.connection.json;
    if args.counts {
        let counts = presence.counts().await?;
        return if json {
            output.json(&record::counts_json(&args.connection.namespace, &args.room, &counts))
        } else {
            output.line(&record::counts_line(&counts))
        };
    }
    let mut token = String::new();
    loop {
        let page = PageOf { token, ..PageOf::default() };
        token = match args.by {
            By::Session => members(&presence, page, json, output).await?,
            By::User => users(&presence, page, json, output).await?,
        };
        if token.is_empty() {
            return Ok(());
        }
    }
}

/// Prints a page; returns what comes next.
async fn members(presence: &Presence, page: PageOf, json: bool, output: &Output) -> Result<String, Failure> {
    let page = presence.members(page).await?;
    for member in &page.items {
        if json {
            output.json(&record::member_json(member))?;
        } else {
            output.line(&record::member_line(member, output))?;
        }
    }
    Ok(page.next)
}

/// Prints a page; returns what comes next.
async fn users(presence: &Presence, page: PageOf, json: bool, output: &Output) -> Result<String, Failure> {
    let page = presence.users(page).await?;
    for user in &page.items {
        if json {
            output.json(&record::user_json(user))?;
        } else {
            output.line(&record::user_line(user, output))?;
        }
    }
    Ok(page.next)
}
