//! `rialto history`: events that a room keeps, in the order in which they happened. Prints each page as it comes.

use std::{
    collections::VecDeque,
    time::{Duration, SystemTime},
};

use clap::Args;
use rialto_client::{Event, History};

use super::{
    connection::ConnectionArgs,
    failure::Failure,
    output::{Output, Tone},
    record,
};
use crate::base::clock;

/// Events of one page at most.
const PAGE_MAX: u32 = 300;

/// Print events that a room keeps.
///
/// The newest ones, or all from a place on; the oldest of them comes first.
#[derive(Debug, Args)]
pub(super) struct HistoryArgs {
    #[command(flatten)]
    pub(super) connection: ConnectionArgs,
    /// The room
    #[arg(value_name = "ROOM")]
    room: String,
    /// So many of the newest events
    #[arg(long, value_name = "N", default_value_t = 50, conflicts_with_all = ["from", "since"])]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    newest: u32,
    /// All events from this offset on; 0 is the oldest that is kept
    #[arg(long, value_name = "OFFSET", conflicts_with = "since")]
    from: Option<u64>,
    /// All events from this time on, like 2026-01-31T12:00:00Z, or 10m for the last ten minutes
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Since>,
    /// Not beyond this offset
    #[arg(long, value_name = "OFFSET")]
    to: Option<u64>,
    /// Which life of the history offsets count in; another one than the present is refused
    #[arg(long, value_name = "EPOCH", default_value = "", hide_default_value = true)]
    epoch: String,
}

/// A time, or how long ago that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Since {
    At(SystemTime),
    Ago(Duration),
}

impl Since {
    pub(super) fn time(self, now: SystemTime) -> SystemTime {
        match self {
            Self::At(time) => time,
            Self::Ago(span) => {
                now.checked_sub(span).map_or(SystemTime::UNIX_EPOCH, |time| time.max(SystemTime::UNIX_EPOCH))
            }
        }
    }
}

pub(super) fn since(text: &str) -> Result<Since, String> {
    let time = humantime::parse_rfc3339(text).map(Since::At);
    let since = time.or_else(|_| humantime::parse_duration(text).map(Since::Ago));
    since.map_err(|_| "it is neither a time like 2026-01-31T12:00:00Z nor a span like 10m".to_owned())
}

/// Runs `rialto history` to its end.
pub(super) async fn run(args: HistoryArgs, output: &Output) -> Result<(), Failure> {
    let client = args.connection.client()?;
    let history = client.history(&args.connection.namespace, &args.room).epoch(&args.epoch);
    let count = match (args.from, args.since) {
        (None, None) => newest(&args, history, output).await?,
        (Some(offset), _) => forward(&args, history.from_offset(offset), output).await?,
        (_, Some(since)) => forward(&args, history.since(since.time(clock::wall())), output).await?,
    };
    if count == 0 {
        output.note(&format!("no such events are kept in {}/{}", args.connection.namespace, args.room));
    }
    Ok(())
}

async fn newest(args: &HistoryArgs, history: History, output: &Output) -> Result<usize, Failure> {
    let Some(to) = args.to else {
        return print(args, &history.newest(args.newest).await?, output);
    };
    let count = usize::try_from(args.newest).unwrap_or(usize::MAX);
    let mut pages = history.before(to.saturating_add(1)).page_size(args.newest.clamp(1, PAGE_MAX)).pages();
    let mut events = VecDeque::new();
    while events.len() < count {
        let Some(page) = pages.next().await else { break };
        page?.events.into_iter().rev().for_each(|event| events.push_front(event));
    }
    events.drain(..events.len().saturating_sub(count));
    print(args, events.make_contiguous(), output)
}

async fn forward(args: &HistoryArgs, history: History, output: &Output) -> Result<usize, Failure> {
    let history = match args.to {
        Some(to) => history.to_offset(to),
        None => history,
    };
    let mut pages = history.pages();
    let mut count = 0;
    while let Some(page) = pages.next().await {
        count += print(args, &page?.events, output)?;
    }
    Ok(count)
}

fn print(args: &HistoryArgs, events: &[Event], output: &Output) -> Result<usize, Failure> {
    for event in events {
        if args.connection.json {
            output.json(&record::event_json(event))?;
        } else {
            let offset = event
                .offset()
                .or_else(|| event.positions().find_map(|at| (at.room == args.room).then_some(at.offset)));
            let offset = offset.map_or_else(|| "-".to_owned(), |offset| offset.to_string());
            let offset = output.tinted(&format!("{offset:>7}"), Tone::Faint);
            output.line(&format!("{offset} {}", record::event_line(event, output)))?;
        }
    }
    Ok(events.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_point_or_how_long_ago_it_was() {
        let day = Duration::from_secs(24 * 60 * 60);
        let second = SystemTime::UNIX_EPOCH + day;
        assert_eq!(since("1970-01-02T00:00:00Z"), Ok(Since::At(second)));
        assert_eq!(since("1day").map(|since| since.time(second)), Ok(SystemTime::UNIX_EPOCH));
        assert_eq!(since("100years").map(|since| since.time(second)), Ok(SystemTime::UNIX_EPOCH));
        for nothing in ["", "yesterday", "10", "-5m"] {
            since(nothing).unwrap_err();
        }
    }
}
