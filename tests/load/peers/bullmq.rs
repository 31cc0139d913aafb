//! BullMQ on Redis. Redis appends each write to its file and syncs it before it answers (`appendfsync always`:
//! <https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/>), and evicts nothing, as BullMQ requires:
//! <https://docs.bullmq.io/guide/going-to-production>. Jobs are added in bulk:
//! <https://docs.bullmq.io/guide/queues/adding-bulks>; workers are processes of their own, each with many jobs at once:
//! <https://docs.bullmq.io/guide/workers/concurrency>; a job that is done is removed:
//! <https://docs.bullmq.io/guide/queues/auto-removal-of-jobs>. The clients are those of Node, in `bullmq.cjs`.
//!
//! Both an added and a completed job are answered, so both are durable when they count.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout},
    sync::mpsc,
    task::JoinSet,
    time::Instant,
};

use crate::{
    Failure,
    peers::{BATCH, CALLERS, PAYLOAD_BYTES, Running, WORKERS, all_settled},
    process::{Process, free_address},
    server::tool,
};

/// Jobs that one worker has at once. With many more each takes longer; with few, few share a sync.
const CONCURRENCY: usize = 100;
/// Where the packages are.
const PACKAGES: &str = "comparison/node_modules";

/// Starts a Redis.
pub(crate) fn start(data: &Path) -> Result<Running, Failure> {
    let (address, folder) = (free_address()?, tempfile::tempdir()?);
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--port", &address.port().to_string(), "--save", ""]);
    command.args(["--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction"]);
    command.arg("--dir").arg(data);
    Ok(Running::new(Process::start(command, address, folder)?, None))
}

/// Versions of BullMQ, of its client for Redis, of Node and of Redis.
pub(crate) fn version() -> Result<String, Failure> {
    let tell = "const v = (name) => require(name + '/package.json').version; \
        console.log(`BullMQ ${v('bullmq')} with ioredis ${v('ioredis')} on Node ${process.version}`)";
    let client = Command::new("node").arg("-e").arg(tell).env("NODE_PATH", tool(PACKAGES)?).output()?;
    let server = String::from_utf8(Command::new("redis-server").arg("--version").output()?.stdout)?;
    let server = server.split_whitespace().find_map(|word| word.strip_prefix("v=")).unwrap_or("?").to_owned();
    Ok(format!("{}, Redis {server}", String::from_utf8(client.stdout)?.trim()))
}

/// Hands jobs over.
pub(crate) async fn hand_over(address: SocketAddr, jobs: usize) -> Result<Duration, Failure> {
    let there = waiting(address).await?;
    let producer = producer(address, jobs).await?;
    let begin = Instant::now();
    let took = produce(producer, jobs, begin).await?;
    let now = waiting(address).await?;
    if now != there + jobs as u64 {
        return Err(format!("{jobs} jobs were added, but the queue went from {there} to {now}").into());
    }
    Ok(took)
}

/// Takes and settles jobs.
pub(crate) async fn work_off(address: SocketAddr, jobs: usize) -> Result<Duration, Failure> {
    let workers = workers(address).await?;
    let begin = Instant::now();
    let took = work(workers, jobs, begin).await?;
    emptied(address).await?;
    Ok(took)
}

/// Both at once.
pub(crate) async fn cycle(address: SocketAddr, jobs: usize) -> Result<Duration, Failure> {
    let (producer, workers) = tokio::try_join!(producer(address, jobs), workers(address))?;
    let begin = Instant::now();
    let (_, took) = tokio::try_join!(produce(producer, jobs, begin), work(workers, jobs, begin))?;
    emptied(address).await?;
    Ok(took)
}

async fn producer(address: SocketAddr, jobs: usize) -> Result<Client, Failure> {
    Client::ready("produce", address, &[jobs, CALLERS, BATCH, PAYLOAD_BYTES]).await
}

async fn produce(mut producer: Client, jobs: usize, begin: Instant) -> Result<Duration, Failure> {
    producer.begin().await?;
    let said = producer.said().await?;
    let took = begin.elapsed();
    if said["added"] != json!(jobs) {
        return Err(format!("{jobs} jobs were to be added: {said}").into());
    }
    producer.ended().await?;
    Ok(took)
}

async fn workers(address: SocketAddr) -> Result<Vec<Client>, Failure> {
    let mut all = Vec::new();
    for _ in 0..WORKERS {
        all.push(Client::ready("work", address, &[CONCURRENCY]).await?);
    }
    Ok(all)
}

/// Lets workers work until so many jobs are done; how long that took, without their end.
async fn work(clients: Vec<Client>, jobs: usize, begin: Instant) -> Result<Duration, Failure> {
    let (done, count) = mpsc::channel(1_024);
    let mut workers = JoinSet::new();
    for client in clients {
        workers.spawn(worker(client, done.clone()));
    }
    let watch = async {
        done.closed().await;
        Ok(begin.elapsed())
    };
    let (took, ()) = tokio::try_join!(watch, all_settled(workers, count, jobs))?;
    Ok(took)
}

/// Tells what its worker has done, until nobody counts.
async fn worker(mut client: Client, done: mpsc::Sender<usize>) -> Result<(), Failure> {
    client.begin().await?;
    let mut all = 0;
    loop {
        let said = tokio::select! {
            said = client.said() => said?,
            () = done.closed() => break,
        };
        let count =
            usize::try_from(said["completed"].as_u64().ok_or_else(|| format!("a worker says {said}"))?)?;
        all += count;
        if done.send(count).await.is_err() {
            break;
        }
    }
    let said = client.ended().await?.ok_or("a worker has ended without a word")?;
    if said != json!({ "all": all, "failed": 0 }) {
        return Err(format!("a worker counted {all} jobs at first, and then {said}").into());
    }
    Ok(())
}

/// How many jobs wait. None may be in another state.
async fn waiting(address: SocketAddr) -> Result<u64, Failure> {
    let mut client = Client::start("count", address, &[])?;
    let counts = client.said().await?;
    client.ended().await?;
    let counts = counts.as_object().ok_or("there are no counts")?;
    if let Some((state, count)) = counts.iter().find(|(state, count)| *state != "waiting" && **count != 0) {
        return Err(format!("{count} jobs are {state}").into());
    }
    counts.get("waiting").and_then(Value::as_u64).ok_or_else(|| "nothing is known of what waits".into())
}

/// No job is left, in any state.
async fn emptied(address: SocketAddr) -> Result<(), Failure> {
    match waiting(address).await? {
        0 => Ok(()),
        left => Err(format!("{left} jobs are left").into()),
    }
}

/// A process of Node that runs `bullmq.cjs`.
struct Client {
    process: Child,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
}

impl Client {
    fn start(role: &str, address: SocketAddr, numbers: &[usize]) -> Result<Self, Failure> {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("load/bullmq.cjs");
        let mut command = tokio::process::Command::new("node");
        command.arg(script).arg(role).arg(address.port().to_string());
        command.args(numbers.iter().map(usize::to_string));
        command.env("NODE_PATH", tool(PACKAGES)?).env("NODE_ENV", "production");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().map_err(|error| format!("node does not start: {error}"))?;
        let output = process.stdout.take().ok_or("node has no output")?;
        Ok(Self { input: process.stdin.take(), process, output: BufReader::new(output).lines() })
    }

    /// Starts one and waits until it is connected.
    async fn ready(role: &str, address: SocketAddr, numbers: &[usize]) -> Result<Self, Failure> {
        let mut client = Self::start(role, address, numbers)?;
        match client.said().await? {
            said if said == "ready" => Ok(client),
            said => Err(format!("a client says {said} before it is ready").into()),
        }
    }

    async fn begin(&mut self) -> Result<(), Failure> {
        let input = self.input.as_mut().ok_or("the client is ending")?;
        Ok(input.write_all(b"begin\n").await?)
    }

    /// Its next line.
    async fn said(&mut self) -> Result<Value, Failure> {
        let line = self.output.next_line().await?.ok_or("a client has ended too early")?;
        Ok(serde_json::from_str(&line)?)
    }

    /// Lets it end; its last line, if there was one still.
    async fn ended(&mut self) -> Result<Option<Value>, Failure> {
        drop(self.input.take());
        let mut last = None;
        while let Some(line) = self.output.next_line().await? {
            last = Some(serde_json::from_str(&line)?);
        }
        let status = self.process.wait().await?;
        if status.success() { Ok(last) } else { Err(format!("a client ended: {status}").into()) }
    }
}
