//! The driver of one client as a process: commands go to its standard input, answers and reports come from its standard
//! output, line by line. Knows nothing of what they mean.

use std::{
    collections::{BTreeMap, VecDeque},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use rialto_tests::PATIENCE;
use serde_json::{Map, Value};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::{Mutex as AsyncMutex, watch},
    task::JoinSet,
    time::timeout,
};

use crate::{Failure, client::Client};

/// How long something may take for which a node has to come back first.
const LONG: Duration = Duration::from_secs(60);

/// A running driver. Killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Driver {
    child: AsyncMutex<Child>,
    input: AsyncMutex<Option<ChildStdin>>,
    id: Option<u32>,
    commands: AtomicU64,
    said: Arc<Said>,
    talk: bool,
    _reading: JoinSet<()>,
}

/// What it has said and nobody has asked for yet.
#[derive(Debug, Default)]
struct Said {
    answers: Mutex<BTreeMap<u64, Value>>,
    /// By whom they are about, and of which kind.
    reports: Mutex<BTreeMap<(String, String), VecDeque<Value>>>,
    /// Counts lines; closed at the end of its output.
    lines: watch::Sender<u64>,
    end: Mutex<Option<String>>,
}

impl Driver {
    /// Starts the driver of a client.
    pub(crate) fn start(client: &Client, talk: bool) -> Result<Self, Failure> {
        let (program, arguments) = client.command.split_first().ok_or("a client without a command")?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("{program} does not start: {error}"))?;
        let said = Arc::new(Said::default());
        let output = child.stdout.take().ok_or("no output")?;
        let mut reading = JoinSet::new();
        reading.spawn(read(output, said.clone(), talk));
        Ok(Self {
            input: AsyncMutex::new(child.stdin.take()),
            id: child.id(),
            child: AsyncMutex::new(child),
            commands: AtomicU64::new(0),
            said,
            talk,
            _reading: reading,
        })
    }

    /// Waits until it listens: what a driver has to start first, as a browser, is not the time of a scenario.
    pub(crate) async fn warm_up(&self) -> Result<(), String> {
        let command = [("by", "warm-up"), ("do", "client"), ("url", "http://127.0.0.1:1")];
        let command = command.map(|(key, value)| (key.to_owned(), value.into()));
        let number = self.send(command.into_iter().collect()).await?;
        self.answer_within(number).await.map(drop)
    }

    /// Sends a command. Returns its number.
    pub(crate) async fn send(&self, mut command: Map<String, Value>) -> Result<u64, String> {
        let number = self.commands.fetch_add(1, Ordering::Relaxed) + 1;
        command.insert("id".to_owned(), number.into());
        let line = format!("{}\n", Value::Object(command));
        if self.talk {
            eprint!("→ {line}");
        }
        let mut input = self.input.lock().await;
        let pipe = input.as_mut().ok_or("the driver was told to end")?;
        pipe.write_all(line.as_bytes())
            .await
            .map_err(|error| format!("the driver does not listen: {error}"))?;
        Ok(number)
    }

    /// The answer to a command.
    pub(crate) async fn answer(&self, number: u64) -> Result<Value, String> {
        self.wait(|said| said.answers.lock().remove(&number))
            .await?
            .ok_or_else(|| "no answer came".to_owned())
    }

    /// The next report of a kind about somebody.
    pub(crate) async fn report(&self, by: &str, kind: &str) -> Result<Option<Value>, String> {
        self.wait(|said| said.take(by, kind)).await
    }

    /// The answer to a command that may take as long as a node is away.
    pub(crate) async fn answer_within(&self, number: u64) -> Result<Value, String> {
        let answer = timeout(LONG, self.wait_on(|said| said.answers.lock().remove(&number))).await;
        answer.map_err(|_| "no answer came".to_owned())?
    }

    /// The next report, which may take as long as a node is away.
    pub(crate) async fn report_within(&self, by: &str, kind: &str) -> Result<Value, String> {
        let report = timeout(LONG, self.wait_on(|said| said.take(by, kind))).await;
        report.map_err(|_| format!("{by} was not told of any more {kind}"))?
    }

    /// A report of a kind about somebody, if one is there already.
    pub(crate) fn left(&self, by: &str, kind: &str) -> Option<Value> {
        self.said.take(by, kind)
    }

    /// Forgets all that begins with `prefix` and that nobody has asked for.
    pub(crate) fn forget(&self, prefix: &str) {
        self.said.reports.lock().retain(|(by, _), _| !by.starts_with(prefix));
    }

    /// What it has said about those whose name begins with `prefix` and nobody has asked for.
    pub(crate) fn unasked(&self, prefix: &str) -> Vec<String> {
        let reports = self.said.reports.lock();
        let about = reports.iter().filter(|((by, _), _)| by.starts_with(prefix));
        about.flat_map(|((by, kind), all)| all.iter().map(move |one| format!("{by} {kind} {one}"))).collect()
    }

    async fn wait<T>(&self, take: impl Fn(&Said) -> Option<T>) -> Result<Option<T>, String> {
        match timeout(PATIENCE, self.wait_on(take)).await {
            Ok(taken) => taken.map(Some),
            Err(_) => Ok(None),
        }
    }

    async fn wait_on<T>(&self, take: impl Fn(&Said) -> Option<T>) -> Result<T, String> {
        let mut lines = self.said.lines.subscribe();
        loop {
            lines.mark_unchanged();
            if let Some(taken) = take(&self.said) {
                return Ok(taken);
            }
            if let Some(end) = self.said.end.lock().clone() {
                return Err(end);
            }
            if lines.changed().await.is_err() {
                return Err("the driver has ended".to_owned());
            }
        }
    }

    /// Sends it a signal, by its name as `kill` takes it.
    pub(crate) async fn signal(&self, name: &str) -> Result<(), String> {
        let id = self.id.ok_or("the driver has ended")?.to_string();
        let sent =
            Command::new("kill").args([name, &id]).status().await.map_err(|error| error.to_string())?;
        sent.success().then_some(()).ok_or_else(|| "the driver was not there".to_owned())
    }

    /// Ends its input and waits until it has ended.
    pub(crate) async fn end(&self) -> Result<(), Failure> {
        drop(self.input.lock().await.take());
        let mut child = self.child.lock().await;
        let status =
            timeout(PATIENCE, child.wait()).await.map_err(|_| "a driver does not end with its input")??;
        status.success().then_some(()).ok_or_else(|| format!("a driver ended with {status}").into())
    }
}

impl Said {
    fn take(&self, by: &str, kind: &str) -> Option<Value> {
        self.reports.lock().get_mut(&(by.to_owned(), kind.to_owned()))?.pop_front()
    }

    /// Notes one line.
    ///
    /// *Errors*: a sentence when it is none that a driver may write.
    fn note(&self, line: &str) -> Result<(), String> {
        let Ok(Value::Object(mut said)) = serde_json::from_str(line) else {
            return Err(format!("no JSON object: {line}"));
        };
        if let Some(id) = said.remove("id") {
            let id = id.as_u64().ok_or_else(|| format!("an id that is no number: {line}"))?;
            self.answers.lock().insert(id, Value::Object(said));
            return Ok(());
        }
        let Some(Value::String(by)) = said.remove("by") else {
            return Err(format!("neither an answer nor a report: {line}"));
        };
        let mut kinds = said.into_iter();
        match (kinds.next(), kinds.next()) {
            (Some((kind, report)), None) => {
                self.reports.lock().entry((by, kind)).or_default().push_back(report);
                Ok(())
            }
            _ => Err(format!("a report of not one kind: {line}")),
        }
    }
}

async fn read(output: ChildStdout, said: Arc<Said>, talk: bool) {
    let mut lines = BufReader::new(output).lines();
    let end = loop {
        match lines.next_line().await {
            Ok(Some(line)) => {
                if talk {
                    eprintln!("← {line}");
                }
                if let Err(wrong) = said.note(&line) {
                    break format!("the driver wrote {wrong}");
                }
            }
            Ok(None) => break "the driver has ended".to_owned(),
            Err(error) => break format!("the driver cannot be read: {error}"),
        }
        said.lines.send_modify(|lines| *lines += 1);
    };
    *said.end.lock() = Some(end);
    said.lines.send_modify(|lines| *lines += 1);
}
