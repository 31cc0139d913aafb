//! `rialto listen`: joins rooms and prints events as they come, one line each and at once. Tells reconnects and gaps on
//! standard error.

use std::time::Duration;

use clap::Args;
use rialto_client::{Event, Events, JoinOptions, Session};
use tokio::time::{Instant, sleep_until};

use super::{
    connection::{ConnectionArgs, IdentityArgs},
    failure::Failure,
    news::{Interrupt, News, ended},
    output::{Output, counted},
    record,
};

/// Print events as they come.
///
/// Joins the rooms, or without any enters the namespace and prints what is sent to this session, its user or everyone.
#[derive(Debug, Args)]
pub(super) struct ListenArgs {
    #[command(flatten)]
    pub(super) connection: ConnectionArgs,
    #[command(flatten)]
    identity: IdentityArgs,
    /// A room to join; may be repeated
    #[arg(long = "room", short, value_name = "ROOM")]
    rooms: Vec<String>,
    /// Begin with so many of the newest events that each room keeps, at most 300
    #[arg(long, value_name = "N", requires = "rooms", value_parser = clap::value_parser!(u32).range(1..=300))]
    newest: Option<u32>,
    /// Print only events of this name
    #[arg(long, short, value_name = "EVENT")]
    event: Option<String>,
    /// End after so many events
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Answer every event that asks for an answer with this text
    #[arg(long, value_name = "TEXT")]
    reply: Option<String>,
    /// End with exit code 4 when `--count` is not reached in this time, like 30s
    #[arg(long, value_name = "TIME", requires = "count", value_parser = humantime::parse_duration)]
    timeout: Option<Duration>,
    /// Wait for a server that is not there yet
    #[arg(long)]
    wait: bool,
}

/// Runs `rialto listen` to its end.
pub(super) async fn run(mut args: ListenArgs, output: &Output) -> Result<(), Failure> {
    let mut interrupt = Interrupt::new()?;
    let identity = IdentityArgs::clone(&args.identity);
    let mut connecting = args.connection.session(identity)?;
    if args.wait {
        connecting = connecting.wait_for_server();
    }
    let session = tokio::select! {
        session = connecting.into_future() => session?,
        () = interrupt.came() => return Ok(()),
    };
    let namespace = session.namespace(&args.connection.namespace);
    // Before joining, so that nothing is missed.
    let events = match args.event.take() {
        Some(event) => namespace.on(event),
        None => namespace.events(),
    };
    if args.rooms.is_empty() {
        namespace.enter().await?;
        output.note(&format!("listening in {} as {}", namespace.name(), session.id()));
    } else {
        let options = JoinOptions::default().newest(args.newest.unwrap_or(0));
        let states = namespace.join(&args.rooms, options).await?;
        for state in states {
            let place = format!("{}/{}", namespace.name(), state.room);
            let members = counted(state.member_count, "member");
            output.note(&format!("joined {place} as {} ({members})", session.id()));
        }
    }
    let outcome = listen(&args, &session, events, &mut interrupt, output).await;
    session.close().await;
    outcome
}

async fn listen(
    args: &ListenArgs,
    session: &Session,
    mut events: Events,
    interrupt: &mut Interrupt,
    output: &Output,
) -> Result<(), Failure> {
    let mut news = News::of(session);
    let deadline = args.timeout.map(|timeout| Instant::now() + timeout);
    let mut count = 0;
    loop {
        tokio::select! {
            event = events.next() => {
                let Some(event) = event else { return Err(ended(session)) };
                print(&event, args, output)?;
                if let Some(text) = args.reply.as_deref().filter(|_| event.wants_reply()) {
                    event.reply(text).await?;
                }
                count += 1;
                if args.count == Some(count) {
                    return Ok(());
                }
            }
            () = news.tell(interrupt, output) => return Ok(()),
            () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                return Err(Failure::TimedOut(format!("only {} came in time", counted(count, "event"))));
            }
        }
    }
}

fn print(event: &Event, args: &ListenArgs, output: &Output) -> Result<(), Failure> {
    if args.connection.json {
        output.json(&record::event_json(event))
    } else {
        output.line(&record::event_line(event, output))
    }
}
