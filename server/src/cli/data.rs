//! `rialto data`: looks at what a node has stored, while no node runs on it, and changes nothing. Exit codes: 0 it is as it
//! was written, 1 it is damaged or cannot be read, 2 the command line makes no sense.

use std::path::{Path, PathBuf};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use clap::{Args, Subcommand};
use serde_json::json;

use super::{
    failure::Failure,
    output::{Output, counted, harmless},
};
use crate::log::{
    LogError, Position,
    local::{Inspection, OpenError, Summary},
};

/// Bytes of a payload that is no text, as far as they are shown.
const HEX_BYTES_MAX: usize = 48;

/// Check and show what is stored, while no node runs on it.
#[derive(Debug, Args)]
pub(super) struct DataArgs {
    #[command(subcommand)]
    command: DataCommand,
}

#[derive(Debug, Subcommand)]
enum DataCommand {
    /// Say what a log holds, and whether all of it is as it was written
    Check(CheckArgs),
    /// Print the records of a log: position, bytes, payload
    Dump(DumpArgs),
}

#[derive(Debug, Args)]
struct CheckArgs {
    /// The folder of the log
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct DumpArgs {
    /// The folder of the log
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// Begin with the record at this position, or the next one
    #[arg(long, value_name = "POSITION")]
    from: Option<u64>,
    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,
}

/// Runs `rialto data`.
pub(super) fn run(args: &DataArgs, output: &Output) -> Result<(), Failure> {
    match &args.command {
        DataCommand::Check(args) => check(args, output),
        DataCommand::Dump(args) => dump(args, output),
    }
}

fn at<E: std::fmt::Display>(folder: &Path) -> impl FnOnce(E) -> Failure {
    let folder = folder.display().to_string();
    move |error| Failure::Local(format!("{folder}: {error}"))
}

fn check(args: &CheckArgs, output: &Output) -> Result<(), Failure> {
    let looked = Inspection::open(&args.folder).and_then(|inspection| inspection.summary());
    match looked {
        Ok(summary) if args.json => output.json(&as_json(&summary)),
        Ok(summary) => output.line(&as_text(&summary)),
        Err(error) => {
            if args.json
                && let OpenError::Damaged { file, what, byte } = &error
            {
                output.json(&json!({"whole": false, "file": file, "what": what, "byte": byte}))?;
            }
            Err(at(&args.folder)(error))
        }
    }
}

fn as_json(summary: &Summary) -> serde_json::Value {
    let snapshot = summary
        .snapshot
        .map(|(at, chunks, bytes)| json!({"position": at.0, "chunks": chunks, "bytes": bytes}));
    let torn =
        summary.torn.as_ref().map(|torn| json!({"file": torn.file, "byte": torn.byte, "until": torn.until}));
    json!({
        "whole": true,
        "log": format!("{:016x}", summary.id),
        "records": summary.records,
        "first": summary.bounds.0.0,
        "next": summary.bounds.1.0,
        "segments": summary.segments.0,
        "bytes": summary.segments.1,
        "snapshot": snapshot,
        "torn": torn,
        "leftovers": summary.leftovers,
    })
}

fn as_text(summary: &Summary) -> String {
    let (Position(first), Position(next)) = summary.bounds;
    let (segments, bytes) = summary.segments;
    let mut lines = vec![
        format!("log       {:016x}", summary.id),
        format!("records   {}, from position {first}; the next one at {next}", summary.records),
        format!("segments  {segments}, {}", counted(bytes, "byte")),
    ];
    if let Some((Position(at), chunks, bytes)) = summary.snapshot {
        lines.push(format!(
            "snapshot  at position {at}: {}, {}",
            counted(chunks, "chunk"),
            counted(bytes, "byte")
        ));
    }
    if let Some(torn) = &summary.torn {
        let (file, byte, until) = (&torn.file, torn.byte, torn.until);
        lines.push(format!(
            "torn      {file}, bytes {byte} to {until}: never acknowledged, and cut on opening"
        ));
    }
    for name in &summary.leftovers {
        lines.push(format!("left over {name}: removed on opening"));
    }
    lines.join("\n")
}

fn dump(args: &DumpArgs, output: &Output) -> Result<(), Failure> {
    let inspection = Inspection::open(&args.folder).map_err(at(&args.folder))?;
    let (first, _) = inspection.summary().map_err(at(&args.folder))?.bounds;
    let from = args.from.map_or(first, Position);
    let mut said = Ok(());
    let shown = inspection.replay(from, &mut |position, record| {
        said = if args.json {
            output.json(&record_json(position, &record))
        } else {
            output.line(&record_text(position, &record))
        };
        said.is_ok()
    });
    said?;
    match shown {
        Err(LogError::Gone(_)) => {
            let reason = format!("--from {}: the first record is at {}", from.0, first.0);
            Err(Failure::Usage(reason))
        }
        shown => shown.map_err(at(&args.folder)),
    }
}

fn record_json(Position(at): Position, record: &Bytes) -> serde_json::Value {
    match std::str::from_utf8(record) {
        Ok(text) => json!({"position": at, "bytes": record.len(), "text": text}),
        Err(_) => json!({"position": at, "bytes": record.len(), "base64": STANDARD.encode(record)}),
    }
}

fn record_text(Position(at): Position, record: &Bytes) -> String {
    let payload = match std::str::from_utf8(record) {
        Ok(text) => harmless(&json!(text).to_string()).into_owned(),
        Err(_) => {
            let head = &record[..record.len().min(HEX_BYTES_MAX)];
            let digits: Vec<String> = head.iter().map(|byte| format!("{byte:02x}")).collect();
            let more = if head.len() < record.len() { "…" } else { "" };
            format!("{}{more}", digits.concat())
        }
    };
    format!("{at} {} {payload}", record.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_shown_on_one_line_whatever_it_holds() {
        let shown = |bytes: &[u8]| record_text(Position(528), &Bytes::copy_from_slice(bytes));
        assert_eq!(shown(b"plain"), "528 5 \"plain\"");
        assert_eq!(shown(b"two\nlines \x1b[2J"), r#"528 14 "two\nlines \u001b[2J""#);
        assert_eq!(shown("\u{9b}".as_bytes()), r#"528 2 "\u{9b}""#);
        assert_eq!(shown(&[0xff, 0, 1]), "528 3 ff0001");
        let long = shown(&[0xfe; 100]);
        assert!(long.starts_with("528 100 fefe") && long.ends_with("fe…"), "{long}");
        assert_eq!(record_json(Position(1), &Bytes::from_static(&[0xff]))["base64"], "/w==");
    }
}
