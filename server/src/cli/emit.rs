//! `rialto emit`: sends one event and says what became of it; on demand gathers the receivers' answers.

use std::time::Duration;

use clap::{ArgGroup, Args};
use rialto_client::{JoinOptions, Replies, Session, Target};

use super::{
    connection::{ConnectionArgs, IdentityArgs},
    failure::Failure,
    message::MessageArgs,
    output::Output,
    record,
};

/// Send an event.
///
/// Says who was reached. With --expect-replies it prints the answers, and ends with exit code 4 when somebody did not
/// answer in time.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("target").required(true).multiple(true).args(["rooms", "users", "sessions", "everyone"])))]
pub(super) struct EmitArgs {
    #[command(flatten)]
    pub(super) connection: ConnectionArgs,
    #[command(flatten)]
    identity: IdentityArgs,
    /// To the members of a room; may be repeated
    #[arg(long = "room", short, value_name = "ROOM")]
    rooms: Vec<String>,
    /// To all sessions of a user; may be repeated
    #[arg(long = "to-user", value_name = "USER")]
    users: Vec<String>,
    /// To a session; may be repeated
    #[arg(long = "to-session", value_name = "SESSION")]
    sessions: Vec<String>,
    /// To every session in the namespace
    #[arg(long, conflicts_with_all = ["rooms", "users", "sessions"])]
    everyone: bool,
    /// Not to the members of this room; may be repeated
    #[arg(long = "except-room", value_name = "ROOM")]
    except_rooms: Vec<String>,
    #[command(flatten)]
    message: MessageArgs,
    /// Drop it for receivers that are behind
    #[arg(long)]
    volatile: bool,
    /// Join the rooms first, where only members may emit
    #[arg(long)]
    join: bool,
    /// Ask every receiver for an answer and wait for so long, like 5s
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    expect_replies: Option<Duration>,
}

impl EmitArgs {
    fn target(&self) -> Target {
        let begin = if self.everyone { Target::everyone() } else { Target::rooms(&self.rooms) };
        let target = self.users.iter().fold(begin, |target, user| target.and_user(user));
        let target = self.sessions.iter().fold(target, |target, session| target.and_session(session));
        self.except_rooms.iter().fold(target, |target, room| target.except_room(room))
    }
}

/// Runs `rialto emit` to its end.
pub(super) async fn run(args: EmitArgs, output: &Output) -> Result<(), Failure> {
    let payload = args.message.payload()?;
    let session = args.connection.session(args.identity.clone())?.await?;
    let outcome = emit(&args, payload, &session, output).await;
    session.close().await;
    outcome
}

async fn emit(
    args: &EmitArgs,
    payload: rialto_client::Payload,
    session: &Session,
    output: &Output,
) -> Result<(), Failure> {
    let namespace = session.namespace(&args.connection.namespace);
    if args.join && !args.rooms.is_empty() {
        namespace.join(&args.rooms, JoinOptions::default()).await?;
    } else {
        namespace.enter().await?;
    }
    let mut emission = namespace.emit_to(&args.target(), &args.message.event, payload);
    for (key, value) in &args.message.headers {
        emission = emission.header(key, value);
    }
    if args.volatile {
        emission = emission.volatile();
    }
    let json = args.connection.json;
    let (accepted, replies) = match args.expect_replies {
        None => (emission.await?, None),
        Some(timeout) => {
            let replies = emission.expect_replies(timeout).await?;
            (replies.accepted().clone(), Some(replies))
        }
    };
    if json {
        output.json(&record::accepted_json(&accepted))?;
    } else {
        output.line(&record::accepted_line(&accepted, output))?;
    }
    match replies {
        Some(replies) => gather(replies, json, output).await,
        None => Ok(()),
    }
}

async fn gather(mut replies: Replies, json: bool, output: &Output) -> Result<(), Failure> {
    while let Some(reply) = replies.next().await {
        let reply = reply?;
        if json {
            output.json(&record::reply_json(&reply))?;
        } else {
            output.line(&record::reply_line(&reply, output))?;
        }
    }
    let summary = replies.summary().cloned().unwrap_or_default();
    if json {
        output.json(&record::summary_json(&summary))?;
    }
    if summary.timed_out {
        return Err(Failure::TimedOut(format!("{} did not answer in time", summary.missing_count)));
    }
    if summary.missing_count > 0 {
        output.note(&format!("{} left before they answered", summary.missing_count));
    }
    if !summary.nodes_missing.is_empty() {
        output.note(&format!("not known of the nodes {}", summary.nodes_missing.join(", ")));
    }
    Ok(())
}
