//! `rialto state`: the keyed state of a room: printed, set, removed, and watched as it changes.

use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};
use rialto_client::{JoinOptions, PageOf, Session, SetState, StateEntry};

use super::{
    connection::{ConnectionArgs, IdentityArgs},
    failure::Failure,
    message,
    news::{Interrupt, News, ended},
    output::{Output, counted},
    record,
};

/// Print, set and watch the keyed state of a room.
#[derive(Debug, Args)]
pub(super) struct StateArgs {
    #[command(subcommand)]
    command: StateCommand,
}

#[derive(Debug, Subcommand)]
enum StateCommand {
    /// Print a key's value as it is, or all keys; without the key it ends with exit code 1
    Get(GetArgs),
    /// Set a key; when its condition does not hold it ends with exit code 5
    Set(SetArgs),
    /// Remove a key; when its condition does not hold it ends with exit code 5
    Remove(RemoveArgs),
    /// Join the room, print its keys, and then every change
    Watch(WatchArgs),
}

#[derive(Debug, Args)]
struct GetArgs {
    #[command(flatten)]
    connection: ConnectionArgs,
    /// The room
    #[arg(value_name = "ROOM")]
    room: String,
    /// The key; all without it
    #[arg(value_name = "KEY")]
    key: Option<String>,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("payload").required(true).multiple(false).args(["value", "file"])))]
#[command(override_usage = "rialto state set [OPTIONS] <ROOM> <KEY> <VALUE|--file <FILE>>")]
struct SetArgs {
    #[command(flatten)]
    connection: ConnectionArgs,
    /// The room
    #[arg(value_name = "ROOM")]
    room: String,
    /// The key
    #[arg(value_name = "KEY")]
    key: String,
    /// The value, as text
    #[arg(value_name = "VALUE")]
    value: Option<String>,
    /// A file with the value; `-` is standard input. Set as text if it is UTF-8, as bytes otherwise
    #[arg(long, short, value_name = "FILE")]
    file: Option<String>,
    /// Set the value as bytes even if it is text
    #[arg(long)]
    binary: bool,
    /// Media type of the value
    #[arg(long, value_name = "TYPE", default_value = "", hide_default_value = true)]
    content_type: String,
    /// Only if the key has this revision now
    #[arg(long, value_name = "REVISION", conflicts_with = "if_absent")]
    if_revision: Option<u64>,
    /// Only if there is no such key
    #[arg(long)]
    if_absent: bool,
    /// How long the value holds, like 10m; for good without it
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    expires_in: Option<Duration>,
}

#[derive(Debug, Args)]
struct RemoveArgs {
    #[command(flatten)]
    connection: ConnectionArgs,
    /// The room
    #[arg(value_name = "ROOM")]
    room: String,
    /// The key
    #[arg(value_name = "KEY")]
    key: String,
    /// Only if the key has this revision now
    #[arg(long, value_name = "REVISION")]
    if_revision: Option<u64>,
}

#[derive(Debug, Args)]
struct WatchArgs {
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    identity: IdentityArgs,
    /// The room
    #[arg(value_name = "ROOM")]
    room: String,
    /// Only this key
    #[arg(value_name = "KEY")]
    key: Option<String>,
    /// End after so many changes; what was there at the beginning is none
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
}

impl StateArgs {
    /// Which server.
    pub(super) fn connection(&self) -> &ConnectionArgs {
        match &self.command {
            StateCommand::Get(args) => &args.connection,
            StateCommand::Set(args) => &args.connection,
            StateCommand::Remove(args) => &args.connection,
            StateCommand::Watch(args) => &args.connection,
        }
    }
}

/// Runs `rialto state` to its end.
pub(super) async fn run(args: StateArgs, output: &Output) -> Result<(), Failure> {
    match args.command {
        StateCommand::Get(args) => get(args, output).await,
        StateCommand::Set(args) => set(args, output).await,
        StateCommand::Remove(args) => remove(args, output).await,
        StateCommand::Watch(args) => watch(args, output).await,
    }
}

fn print(
    connection: &ConnectionArgs,
    room: &str,
    entry: &StateEntry,
    output: &Output,
) -> Result<(), Failure> {
    if connection.json {
        output.json(&record::state_json(&connection.namespace, room, entry))
    } else {
        output.line(&record::state_line(entry, output))
    }
}

async fn get(args: GetArgs, output: &Output) -> Result<(), Failure> {
    let GetArgs { connection, room, key } = args;
    let state = connection.client()?.state(&connection.namespace, &room);
    if let Some(key) = key {
        let entry = state.get(&key).await?;
        let absent = || Failure::Local(format!("there is no key {key} in {}/{room}", connection.namespace));
        let entry = entry.ok_or_else(absent)?;
        return match &entry.value {
            Some(value) if !connection.json => output.payload(value.bytes()),
            _ => print(&connection, &room, &entry, output),
        };
    }
    let mut page = PageOf::default();
    loop {
        let keys = state.page(page).await?;
        for entry in &keys.entries {
            print(&connection, &room, entry, output)?;
        }
        if keys.next.is_empty() {
            return Ok(());
        }
        page = PageOf { token: keys.next, ..PageOf::default() };
    }
}

async fn set(args: SetArgs, output: &Output) -> Result<(), Failure> {
    let value = message::payload(args.value.as_deref(), args.file.as_deref(), args.binary)?;
    let value = value.of_type(&args.content_type);
    let mut set =
        args.connection.client()?.state(&args.connection.namespace, &args.room).set(&args.key, value);
    if let Some(revision) = args.if_revision {
        set = set.if_revision(revision);
    }
    if args.if_absent {
        set = set.if_absent();
    }
    if let Some(span) = args.expires_in {
        set = set.expires_in(span);
    }
    finish(set, &args.connection, (&args.room, &args.key), output).await
}

async fn remove(args: RemoveArgs, output: &Output) -> Result<(), Failure> {
    let mut set = args.connection.client()?.state(&args.connection.namespace, &args.room).remove(&args.key);
    if let Some(revision) = args.if_revision {
        set = set.if_revision(revision);
    }
    finish(set, &args.connection, (&args.room, &args.key), output).await
}

async fn finish(
    set: SetState,
    connection: &ConnectionArgs,
    (room, key): (&str, &str),
    output: &Output,
) -> Result<(), Failure> {
    let set = set.await?;
    if connection.json {
        output.json(&record::state_set_json(&connection.namespace, room, key, &set))
    } else {
        output.line(&format!("revision {}", set.revision))
    }
}

async fn watch(args: WatchArgs, output: &Output) -> Result<(), Failure> {
    let mut interrupt = Interrupt::new()?;
    let session = tokio::select! {
        session = args.connection.session(args.identity.clone())?.into_future() => session?,
        () = interrupt.came() => return Ok(()),
    };
    let outcome = follow(&args, &session, &mut interrupt, output).await;
    session.close().await;
    outcome
}

async fn follow(
    args: &WatchArgs,
    session: &Session,
    interrupt: &mut Interrupt,
    output: &Output,
) -> Result<(), Failure> {
    let room = session.namespace(&args.connection.namespace).room(&args.room);
    let mut news = News::of(session);
    // Before joining, so that nothing is missed.
    let mut watch = room.state().watch()?;
    room.join_with(JoinOptions::default().state(true)).await?;
    let mut count = 0;
    let mut begun = false;
    loop {
        let change = tokio::select! {
            change = watch.next() => change,
            () = news.tell(interrupt, output) => return Ok(()),
        };
        let change = change.ok_or_else(|| ended(session))?;
        if !std::mem::replace(&mut begun, true) {
            let keys = counted(u32::try_from(change.entries.len()).unwrap_or(u32::MAX), "key");
            output.note(&format!("watching {}/{} ({keys})", args.connection.namespace, args.room));
            for entry in change.entries.iter().filter(|entry| wanted(args, entry)) {
                print(&args.connection, &args.room, entry, output)?;
            }
            continue;
        }
        for entry in change.entries.iter().filter(|entry| wanted(args, entry)) {
            print(&args.connection, &args.room, entry, output)?;
            count += 1;
            if args.count == Some(count) {
                return Ok(());
            }
        }
    }
}

fn wanted(args: &WatchArgs, entry: &StateEntry) -> bool {
    args.key.as_ref().is_none_or(|key| *key == entry.key)
}
