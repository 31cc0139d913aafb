//! A work queue of NATS JetStream: a stream in files, without replicas, that forgets what is acknowledged. The server syncs
//! each write before it answers: <https://docs.nats.io/reference/2.14/config/jetstream/sync_interval>. What goes together in
//! one atomic batch is synced together (<https://github.com/nats-io/nats-server/pull/8539>), so jobs are handed over in such
//! batches: <https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-50.md>.
//!
//! A worker acknowledges each job on its own, because a work queue takes nothing else, and does not wait for an answer.
//! What that means for safety: an acknowledgement can be lost together with its connection or its server, and then the job
//! comes again, so it is done at least once, and no job is lost. An acknowledgement that came through is synced like any other
//! write. At the end the stream is asked whether it is empty, so that only what came through counts.

use std::{net::SocketAddr, path::Path, process::Command, time::Duration};

use async_nats::{
    Client, HeaderMap,
    jetstream::{
        self, Context,
        consumer::{AckPolicy, PullConsumer, pull},
        message::PublishMessage,
        stream::{Config, RetentionPolicy, StorageType, Stream},
    },
};
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::{sync::mpsc, task::JoinSet, time::Instant};

use crate::{
    Failure,
    peers::{
        BATCH, CALLERS, CREDIT, LOOK_AGAIN, PAYLOAD_BYTES, QUEUE, Running, WORKERS, all_done, all_settled,
        share,
    },
    server::{syncing_nats, tool},
};

/// Jobs that all workers together have at once, at most. The usual limit is less than two workers ask for.
const UNACKNOWLEDGED: i64 = 8_000;
/// How long the server may take to apply what was acknowledged.
const SETTLING: Duration = Duration::from_secs(30);

const BATCH_ID: &str = "Nats-Batch-Id";
const BATCH_SEQUENCE: &str = "Nats-Batch-Sequence";
const BATCH_COMMIT: &str = "Nats-Batch-Commit";

/// Starts a server.
pub(crate) fn start(data: &Path) -> Result<Running, Failure> {
    Ok(Running::new(syncing_nats(data)?, None))
}

/// The server's version.
pub(crate) fn version() -> Result<String, Failure> {
    let output = Command::new(tool("bin/nats-server")?).arg("--version").output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Hands jobs over.
pub(crate) async fn hand_over(address: SocketAddr, jobs: usize) -> Result<Duration, Failure> {
    let queue = Queue::open(address).await?;
    let callers = connections(address, CALLERS).await?;
    let there = queue.waiting().await?;
    let begin = Instant::now();
    publish(callers, jobs).await?;
    let took = begin.elapsed();
    let now = queue.waiting().await?;
    if now != there + jobs as u64 {
        return Err(format!("{jobs} jobs were confirmed, but the stream went from {there} to {now}").into());
    }
    Ok(took)
}

/// Takes and settles jobs.
pub(crate) async fn work_off(address: SocketAddr, jobs: usize) -> Result<Duration, Failure> {
    let queue = Queue::open(address).await?;
    let workers = connections(address, WORKERS).await?;
    let begin = Instant::now();
    consume(workers, jobs).await?;
    queue.emptied().await?;
    Ok(begin.elapsed())
}

/// Both at once.
pub(crate) async fn cycle(address: SocketAddr, jobs: usize) -> Result<Duration, Failure> {
    let queue = Queue::open(address).await?;
    let (callers, workers) = (connections(address, CALLERS).await?, connections(address, WORKERS).await?);
    let begin = Instant::now();
    tokio::try_join!(publish(callers, jobs), consume(workers, jobs))?;
    queue.emptied().await?;
    Ok(begin.elapsed())
}

/// The stream, and the consumer that all workers share.
struct Queue {
    stream: Stream,
    consumer: PullConsumer,
}

impl Queue {
    /// Makes both if they are not there.
    async fn open(address: SocketAddr) -> Result<Self, Failure> {
        let context = jetstream::new(async_nats::connect(address.to_string()).await?);
        let config = Config {
            name: QUEUE.to_owned(),
            subjects: vec![QUEUE.to_owned()],
            retention: RetentionPolicy::WorkQueue,
            storage: StorageType::File,
            num_replicas: 1,
            allow_atomic_publish: true,
            ..Config::default()
        };
        let stream = context.get_or_create_stream(config).await?;
        let workers = pull::Config {
            durable_name: Some(QUEUE.to_owned()),
            ack_policy: AckPolicy::Explicit,
            max_ack_pending: UNACKNOWLEDGED,
            ..pull::Config::default()
        };
        let consumer = stream.get_or_create_consumer(QUEUE, workers).await?;
        Ok(Self { stream, consumer })
    }

    /// How many jobs there are, settled ones not counted.
    async fn waiting(&self) -> Result<u64, Failure> {
        Ok(self.stream.get_info().await?.state.messages)
    }

    /// Waits until no job is left.
    async fn emptied(&self) -> Result<(), Failure> {
        let deadline = Instant::now() + SETTLING;
        loop {
            let (waiting, taken) = (self.waiting().await?, self.consumer.get_info().await?.num_ack_pending);
            match (waiting, taken) {
                (0, 0) => return Ok(()),
                _ if Instant::now() > deadline => {
                    return Err(format!("{waiting} jobs are left, {taken} of them taken").into());
                }
                _ => tokio::time::sleep(LOOK_AGAIN).await,
            }
        }
    }
}

async fn connections(address: SocketAddr, count: usize) -> Result<Vec<Client>, Failure> {
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(async_nats::connect(address.to_string()).await?);
    }
    Ok(all)
}

async fn publish(callers: Vec<Client>, jobs: usize) -> Result<(), Failure> {
    let mut all = JoinSet::new();
    for (number, client) in callers.into_iter().enumerate() {
        all.spawn(caller(client, share(jobs, number)));
    }
    all_done(all).await
}

async fn caller(client: Client, jobs: usize) -> Result<(), Failure> {
    let context = jetstream::new(client.clone());
    let payload = Bytes::from_static(&[b'x'; PAYLOAD_BYTES]);
    let mut left = jobs;
    while left > 0 {
        let count = BATCH.min(left);
        batch(&client, &context, count, &payload).await?;
        left -= count;
    }
    Ok(())
}

/// One atomic batch. Only its last message is answered, for all of them.
async fn batch(client: &Client, context: &Context, count: usize, payload: &Bytes) -> Result<(), Failure> {
    let id = client.new_inbox();
    for number in 1..=count {
        let mut headers = HeaderMap::new();
        headers.insert(BATCH_ID, id.as_str());
        headers.insert(BATCH_SEQUENCE, number.to_string());
        if number < count {
            client.publish_with_headers(QUEUE, headers, payload.clone()).await?;
            continue;
        }
        headers.insert(BATCH_COMMIT, "1");
        let last = PublishMessage::build().payload(payload.clone()).headers(headers);
        let answer = context.send_publish(QUEUE, last).await?.await?;
        if answer.batch_size != Some(count as u64) {
            return Err(format!("a batch of {count} jobs was not taken: {answer:?}").into());
        }
    }
    Ok(())
}

async fn consume(clients: Vec<Client>, jobs: usize) -> Result<(), Failure> {
    let (done, count) = mpsc::channel(1_024);
    let mut workers = JoinSet::new();
    for client in clients {
        workers.spawn(worker(client, done.clone()));
    }
    drop(done);
    all_settled(workers, count, jobs).await
}

/// Takes and settles until nobody counts.
async fn worker(client: Client, done: mpsc::Sender<usize>) -> Result<(), Failure> {
    let stream = jetstream::new(client.clone()).get_stream(QUEUE).await?;
    let consumer: PullConsumer = stream.get_consumer(QUEUE).await?;
    let messages = consumer.stream().max_messages_per_batch(CREDIT.into()).messages().await?;
    let mut messages = messages.ready_chunks(CREDIT.into());
    loop {
        let came = tokio::select! {
            came = messages.next() => came.ok_or("the consumer has ended")?,
            () = done.closed() => break,
        };
        let count = came.len();
        for message in came {
            message?.ack().await?;
        }
        if done.send(count).await.is_err() {
            break;
        }
    }
    Ok(client.flush().await?)
}
