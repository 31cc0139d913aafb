//! `rialto listen`: joins rooms and prints events as they come, one line each and at once. Tells reconnects and gaps on
//! standard error.

use std::time::Duration;

use clap::Args;
use rialto_client::{Closing, Error, Event, Events, Incident, JoinOptions, Session, Status};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{Instant, sleep_until},
};

use super::{
    connection::{ConnectionArgs, IdentityArgs},
    failure::Failure,
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

/// Either signal that ends a command politely.
pub(super) struct Interrupt {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupt {
    /// Listens from now on, so that no signal is lost.
    pub(super) fn new() -> Result<Self, Failure> {
        let failed = |error| Failure::Local(format!("cannot listen for signals: {error}"));
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
        })
    }

    /// Waits for one.
    pub(super) async fn came(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
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
        let states = namespace.join(&args.rooms, JoinOptions::default()).await?;
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
    let mut incidents = session.incidents();
    let mut status = session.status();
    status.mark_unchanged();
    let deadline = args.timeout.map(|timeout| Instant::now() + timeout);
    let mut count = 0;
    loop {
        tokio::select! {
            event = events.next() => {
                let Some(event) = event else { return Err(over(&status.borrow())) };
                print(&event, args, output)?;
                if let Some(text) = args.reply.as_deref().filter(|_| event.wants_reply()) {
                    event.reply(text).await?;
                }
                count += 1;
                if args.count == Some(count) {
                    return Ok(());
                }
            }
            incident = incidents.next() => {
                if let Some(text) = incident.and_then(|incident| told(&incident)) {
                    output.note(&text);
                }
            }
            changed = status.changed() => {
                if let (Ok(()), Status::Waiting { cause, .. }) = (changed, &*status.borrow_and_update()) {
                    output.note(&format!("connection lost ({cause}), trying again"));
                }
            }
            () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                return Err(Failure::TimedOut(format!("only {} came in time", counted(count, "event"))));
            }
            () = interrupt.came() => return Ok(()),
        }
        if let Status::Closed(closing) = &*status.borrow() {
            return Err(Error::Closed(closing.clone()).into());
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

/// Why there are no more events.
fn over(status: &Status) -> Failure {
    match status {
        Status::Closed(closing) => Failure::Server(Error::Closed(Closing::clone(closing))),
        _ => Failure::Local("the session is over".to_owned()),
    }
}

/// What an incident means to whoever watches.
fn told(incident: &Incident) -> Option<String> {
    Some(match incident {
        Incident::Reconnected { now, resumed: false, .. } => {
            format!("connected again as {now}; the session before is lost")
        }
        Incident::Reconnected { now, .. } => format!("connected again as {now}; nothing is lost"),
        Incident::Missed(missed) => {
            let place = format!("{}/{}", missed.namespace, missed.rooms.join("+"));
            match missed.count {
                0 => format!("may have missed events in {place}"),
                count => format!("missed {} in {place}", counted(count, "event")),
            }
        }
        Incident::Unreadable { namespace, rooms, cause, .. } => {
            format!("an event in {namespace}/{} cannot be read: {cause}", rooms.join("+"))
        }
        Incident::RejoinRefused { namespace, room, refusal } => {
            format!("cannot join {namespace}/{room} again: {refusal}")
        }
        Incident::Joined { namespace, rooms } => format!("was joined to {namespace}/{}", rooms.join("+")),
        Incident::Parted { namespace, rooms } => format!("was parted from {namespace}/{}", rooms.join("+")),
        Incident::Refused(refusal) => format!("refused: {refusal}"),
        Incident::Draining => "the server will stop".to_owned(),
        _ => return None,
    })
}
