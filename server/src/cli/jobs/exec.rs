//! One job as one run of a program: payload in, result out, the exit code decides.

use std::{io, process::Stdio, sync::Arc, time::Duration};

use rialto_client::{Assignment, NotDone, Payload};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, Command},
    time::timeout,
};

use crate::{
    base::{
        limits::{JOB_ERROR_BYTES_MAX, JOB_RESULT_BYTES_MAX},
        text::truncate,
    },
    cli::output::harmless,
};

/// Exit code of a program that gives its job back (`EX_TEMPFAIL` of sysexits).
const GIVEN_BACK: i32 = 75;
/// Exit code of a program that would fail again.
const FAILED_FOR_GOOD: i32 = 100;
/// After how long a job that was given back may begin.
const GIVEN_BACK_FOR: Duration = Duration::from_secs(1);
/// Time for a program to end after it was told to.
const ENDS_WITHIN: Duration = Duration::from_secs(10);
/// Bytes of one line of standard error that are looked at.
const LINE_BYTES_MAX: usize = 16 << 10;

/// Runs the program for a job.
pub(super) async fn run(command: Arc<str>, job: Assignment) -> Result<Payload, NotDone> {
    let started = start(&command, &job).map_err(|error| NotDone::failed(format!("cannot run sh: {error}")));
    let mut child = started?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feed = async {
        if let Some(mut stdin) = stdin {
            return feed(&mut stdin, &job).await;
        }
        Ok(())
    };
    let result = async {
        let mut bytes = Vec::new();
        if let Some(stdout) = stdout {
            let bound = JOB_RESULT_BYTES_MAX as u64 + 1;
            let mut bounded = stdout.take(bound);
            // What was printed until it broke is what there is.
            bounded.read_to_end(&mut bytes).await.ok();
            // The rest is not wanted, but a program that waits for it to be read would not end.
            tokio::io::copy(&mut bounded.into_inner(), &mut tokio::io::sink()).await.ok();
        }
        bytes
    };
    let error = async {
        match stderr {
            Some(stderr) => listen(stderr, &job).await,
            None => String::new(),
        }
    };
    let ended = async {
        let (fed, result, error) = tokio::join!(feed, result, error);
        (fed, result, error)
    };
    let (code, fed, result, error) = tokio::select! {
        biased;
        (fed, result, error) = ended => (child.wait().await, fed, result, error),
        _ = job.cancelled() => {
            end(&mut child).await;
            return Err(NotDone::failed("the job was cancelled, or its lease was lost"));
        }
        () = job.to_pause() => {
            end(&mut child).await;
            return Err(NotDone::Released(Duration::ZERO));
        }
    };
    // Whatever the program made of what it had, that was not all.
    fed.map_err(|error| NotDone::failed(format!("the payload cannot be read: {error}")))?;
    outcome(code.map(|status| status.code()), result, error)
}

/// Has the program read the payload, or where that is empty what the job before it in its chain has found. A program need not read it.
async fn feed(stdin: &mut ChildStdin, job: &Assignment) -> Result<(), rialto_client::Error> {
    let mut payload = job.read(0);
    if payload.bytes() == 0 {
        let found = job.previous_result().unwrap_or_default();
        stdin.write_all(found.bytes()).await.ok();
        return Ok(());
    }
    while let Some(bytes) = payload.next().await? {
        if stdin.write_all(&bytes).await.is_err() {
            break;
        }
    }
    Ok(())
}

fn start(command: &str, job: &Assignment) -> io::Result<Child> {
    let checkpoint = String::from_utf8_lossy(job.last_checkpoint()).replace('\0', "");
    Command::new("sh")
        .arg("-c")
        .arg(command)
        .env("RIALTO_JOB_ID", job.id())
        .env("RIALTO_JOB_TYPE", job.kind())
        .env("RIALTO_JOB_QUEUE", job.queue())
        .env("RIALTO_JOB_ATTEMPT", job.attempt().to_string())
        .env("RIALTO_JOB_ATTEMPTS_MAX", job.attempts_max().to_string())
        .env("RIALTO_JOB_CHECKPOINT", checkpoint)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // With all that it has started.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

/// Follows what a program says, and returns its last line that is for people.
async fn listen(stderr: impl tokio::io::AsyncRead + Unpin, job: &Assignment) -> String {
    let mut reader = BufReader::new(stderr);
    let (mut last, mut line) = (String::new(), Vec::new());
    loop {
        line.clear();
        let mut bounded = (&mut reader).take(LINE_BYTES_MAX as u64);
        match bounded.read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return last,
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&line);
        match said(text.trim_end()) {
            Said::Progress { done, total, message } => job.progress(done, total, message),
            Said::Checkpoint(checkpoint) => {
                // No line is so long.
                job.checkpoint(checkpoint.to_owned()).ok();
            }
            Said::Nothing => {}
            Said::Text(text) => {
                last = truncate(&harmless(text), JOB_ERROR_BYTES_MAX).to_owned();
                tracing::debug!(job = job.id(), "{last}");
            }
        }
    }
}

/// What a line of standard error says.
#[derive(Debug, PartialEq, Eq)]
enum Said<'a> {
    Progress { done: u64, total: u64, message: &'a str },
    Checkpoint(&'a str),
    Text(&'a str),
    Nothing,
}

fn said(line: &str) -> Said<'_> {
    if let Some(checkpoint) = line.strip_prefix("::checkpoint ") {
        return Said::Checkpoint(checkpoint);
    }
    if let Some(rest) = line.strip_prefix("::progress ") {
        let (numbers, message) = rest.split_once(' ').unwrap_or((rest, ""));
        let (done, total) = numbers.split_once('/').unwrap_or((numbers, "0"));
        if let (Ok(done), Ok(total)) = (done.parse(), total.parse()) {
            return Said::Progress { done, total, message };
        }
    }
    if line.is_empty() { Said::Nothing } else { Said::Text(line) }
}

fn outcome(code: io::Result<Option<i32>>, result: Vec<u8>, error: String) -> Result<Payload, NotDone> {
    let code = code.map_err(|error| NotDone::failed(format!("the program was lost: {error}")))?;
    let message = if error.is_empty() { ended(code) } else { error };
    match code {
        Some(0) if result.len() > JOB_RESULT_BYTES_MAX => {
            Err(NotDone::permanent(format!("the result has more than {JOB_RESULT_BYTES_MAX} bytes")))
        }
        Some(0) => Ok(match String::from_utf8(result) {
            Ok(text) => Payload::from(text),
            Err(error) => Payload::from(error.into_bytes()),
        }),
        Some(GIVEN_BACK) => Err(NotDone::Released(GIVEN_BACK_FOR)),
        Some(FAILED_FOR_GOOD) => Err(NotDone::permanent(message)),
        _ => Err(NotDone::failed(message)),
    }
}

fn ended(code: Option<i32>) -> String {
    match code {
        Some(code) => format!("the program ended with {code}"),
        None => "the program was killed".to_owned(),
    }
}

/// Ends a program and all that it has started.
async fn end(child: &mut Child) {
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
    if let Some(group) = group {
        // It may have ended meanwhile.
        rustix::process::kill_process_group(group, rustix::process::Signal::TERM).ok();
    }
    if timeout(ENDS_WITHIN, child.wait()).await.is_err()
        && let Some(group) = group
    {
        rustix::process::kill_process_group(group, rustix::process::Signal::KILL).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_for_rialto_are_told_from_lines_for_people() {
        assert_eq!(said("::progress 3/10 rows"), Said::Progress { done: 3, total: 10, message: "rows" });
        assert_eq!(said("::progress 3"), Said::Progress { done: 3, total: 0, message: "" });
        assert_eq!(said("::checkpoint row 3"), Said::Checkpoint("row 3"));
        assert_eq!(said("::progress far"), Said::Text("::progress far"));
        assert_eq!(said("it broke"), Said::Text("it broke"));
        assert_eq!(said(""), Said::Nothing);
    }

    #[test]
    fn the_exit_code_decides() {
        let of = |code| outcome(Ok(code), b"result".to_vec(), "no disk".to_owned());
        assert_eq!(of(Some(0)), Ok(Payload::from("result")));
        assert_eq!(of(Some(75)), Err(NotDone::Released(GIVEN_BACK_FOR)));
        assert_eq!(of(Some(100)), Err(NotDone::permanent("no disk")));
        assert_eq!(of(Some(1)), Err(NotDone::failed("no disk")));
        assert_eq!(of(None), Err(NotDone::failed("no disk")));
        let large = outcome(Ok(Some(0)), vec![0; JOB_RESULT_BYTES_MAX + 1], String::new());
        assert!(matches!(large, Err(NotDone::Failed { permanent: true, .. })));
    }
}
