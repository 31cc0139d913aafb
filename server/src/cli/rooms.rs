//! `rialto rooms`: the rooms of a namespace and how many are in them, now or as they change.

use clap::Args;
use rialto_client::{Directory, PageOf, v1::RoomEventKind};

use super::{
    connection::ConnectionArgs,
    failure::Failure,
    news::Interrupt,
    output::{Output, harmless},
    record,
};

/// List the rooms that have members, or watch them.
#[derive(Debug, Args)]
pub(super) struct RoomsArgs {
    #[command(flatten)]
    pub(super) connection: ConnectionArgs,
    /// Only rooms whose name begins so
    #[arg(long, value_name = "TEXT", default_value = "", conflicts_with = "watch")]
    prefix: String,
    /// Print changes as they happen: rooms created and deleted, members joined and left
    #[arg(long)]
    watch: bool,
    /// Watch only this room
    #[arg(long, short, value_name = "ROOM", default_value = "", requires = "watch")]
    room: String,
    /// End the watch after so many changes
    #[arg(long, value_name = "N", requires = "watch", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
}

/// Runs `rialto rooms` to its end.
pub(super) async fn run(args: RoomsArgs, output: &Output) -> Result<(), Failure> {
    let directory = args.connection.client()?.directory();
    if args.watch { watch(&args, &directory, output).await } else { list(&args, &directory, output).await }
}

async fn list(args: &RoomsArgs, directory: &Directory, output: &Output) -> Result<(), Failure> {
    let mut page = PageOf::default();
    loop {
        let rooms = directory.rooms(&args.connection.namespace, &args.prefix, page).await?;
        for room in &rooms.items {
            if args.connection.json {
                output.json(&record::room_json(room))?;
            } else {
                output.line(&format!("{:>7}  {}", room.member_count, harmless(&room.room)))?;
            }
        }
        if rooms.next.is_empty() {
            return Ok(());
        }
        page = PageOf { size: 0, token: rooms.next };
    }
}

async fn watch(args: &RoomsArgs, directory: &Directory, output: &Output) -> Result<(), Failure> {
    let mut interrupt = Interrupt::new()?;
    let namespace = &args.connection.namespace;
    let mut watch = directory.watch_rooms(namespace, &args.room).await?;
    let mut count = 0;
    loop {
        let event = tokio::select! {
            event = watch.next() => event,
            () = interrupt.came() => return Ok(()),
        };
        let Some(event) = event else {
            return Err(Failure::Local("the server ended the watch".to_owned()));
        };
        let event = event?;
        if event.kind() == RoomEventKind::Watching {
            output.note(&format!("watching {namespace}"));
            continue;
        }
        if args.connection.json {
            output.json(&record::room_event_json(namespace, &event))?;
        } else {
            output.line(&record::room_event_line(&event, output))?;
        }
        count += 1;
        if args.count == Some(count) {
            return Ok(());
        }
    }
}
