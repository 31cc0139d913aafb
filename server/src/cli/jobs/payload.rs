//! A payload in a file of any size: read whole when it fits into a job, and uploaded by itself otherwise.

use std::io::Cursor;

use indicatif::{ProgressBar, ProgressStyle};
use rialto_client::{Jobs, Payload, Uploaded};
use tokio::{
    fs::File,
    io::{AsyncRead, AsyncReadExt},
};

use crate::{base::limits::JOB_BYTES_MAX, cli::failure::Failure};

/// What a file has.
pub(super) enum Read {
    /// All of it.
    All(Payload),
    /// It was too large, and was uploaded.
    Uploaded(Uploaded),
}

/// Reads a file, or uploads it; `-` is standard input.
pub(super) async fn read(jobs: &Jobs, path: &str) -> Result<Read, Failure> {
    let unreadable = |error| Failure::Usage(format!("cannot read {path}: {error}"));
    if path == "-" {
        return read_from(jobs, tokio::io::stdin(), (path, None)).await;
    }
    let file = File::open(path).await.map_err(unreadable)?;
    let bytes = file.metadata().await.map_err(unreadable)?.len();
    read_from(jobs, file, (path, Some(bytes))).await
}

async fn read_from(
    jobs: &Jobs,
    mut source: impl AsyncRead + Unpin,
    (path, bytes): (&str, Option<u64>),
) -> Result<Read, Failure> {
    let mut first = Vec::new();
    let bound = JOB_BYTES_MAX as u64 + 1;
    let unreadable = |error| Failure::Usage(format!("cannot read {path}: {error}"));
    (&mut source).take(bound).read_to_end(&mut first).await.map_err(unreadable)?;
    if first.len() <= JOB_BYTES_MAX {
        return Ok(Read::All(match String::from_utf8(first) {
            Ok(text) => Payload::from(text),
            Err(error) => Payload::from(error.into_bytes()),
        }));
    }
    let bar = bar(bytes);
    let uploaded = jobs.upload(Cursor::new(first).chain(source), |stored| bar.set_position(stored)).await;
    bar.finish_and_clear();
    Ok(Read::Uploaded(uploaded?))
}

/// How far it has come, for people: shown on a terminal alone.
fn bar(bytes: Option<u64>) -> ProgressBar {
    let Some(bytes) = bytes else { return ProgressBar::new_spinner() };
    let style = ProgressStyle::with_template("uploading [{bar:32}] {bytes} of {total_bytes}");
    // The template is one that was tried.
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(bytes).with_style(style.progress_chars("=> "))
}
