//! RabbitMQ with one quorum queue on one node. A quorum queue confirms what a majority of its members has synced, which
//! here is its only one: <https://www.rabbitmq.com/docs/3.13/quorum-queues>. The settings are those that its documentation
//! names for many small messages:
//! - callers have many messages unconfirmed at once, consumers a high prefetch, and acknowledge several at a time:
//!   <https://www.rabbitmq.com/blog/2020/05/14/quorum-queues-and-flow-control-single-queue-benchmarks>;
//! - more entries in a segment file: <https://www.rabbitmq.com/docs/3.13/quorum-queues#performance-tuning>.
//!
//! Two more that are documented made no difference here and are left as shipped: no flow control inside the broker
//! (<https://www.rabbitmq.com/blog/2022/05/16/rabbitmq-3.10-performance-improvements>), and schedulers that do not spin
//! (<https://www.rabbitmq.com/docs/3.13/runtime>).
//!
//! What is confirmed is synced, but a queue that has just been made is not yet: whoever kills the broker in the first seconds
//! of a queue finds neither the queue nor its jobs again.

use std::{collections::VecDeque, net::SocketAddr, path::Path, process::Command, time::Duration};

use futures_util::StreamExt as _;
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Consumer,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, BasicQosOptions,
        ConfirmSelectOptions, QueueDeclareOptions,
    },
    types::{AMQPValue, FieldTable, LongString},
};
use tokio::{sync::mpsc, task::JoinSet, time::Instant};

use crate::{
    Failure,
    peers::{
        BATCH, CALLERS, CREDIT, LOOK_AGAIN, PAYLOAD_BYTES, QUEUE, Running, WORKERS, all_done, all_settled,
        share,
    },
    process::{Process, free_address},
};

/// Not the one on the `PATH`, which runs as another user.
const PROGRAM: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";
/// Of a delivery mode: kept on disk.
const PERSISTENT: u8 = 2;
/// What one acknowledgement settles at most: half of a worker's jobs, so that the other half is on its way meanwhile.
const ACKNOWLEDGED: usize = CREDIT as usize / 2;
/// How long the broker may take to settle what was acknowledged.
const SETTLING: Duration = Duration::from_secs(30);
/// Of a reply: success.
const GOODBYE: u16 = 200;

/// Of the Erlang machine: it listens on loopback only.
const FLAGS: &str = "-kernel inet_dist_use_interface {127,0,0,1}";

/// Starts a node of its own, with an `epmd` of its own.
pub(crate) fn start(data: &Path) -> Result<Running, Failure> {
    let folder = tempfile::tempdir()?;
    let (address, between) = (free_address()?, free_address()?);
    let epmd = epmd()?;
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).map(|()| path)
    };
    let config = format!("listeners.tcp.1 = {address}\nraft.segment_max_entries = 32768\n");
    let mut command = Command::new(PROGRAM);
    command
        .env("RABBITMQ_CONFIG_FILE", file("rabbitmq.conf", &config)?)
        .env("RABBITMQ_ADVANCED_CONFIG_FILE", file("advanced.config", "[].\n")?)
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", file("enabled_plugins", "[].\n")?)
        .env("RABBITMQ_CONF_ENV_FILE", file("rabbitmq-env.conf", "")?)
        .env("RABBITMQ_NODENAME", "bench@localhost")
        .env("RABBITMQ_MNESIA_BASE", data)
        .env("RABBITMQ_LOG_BASE", folder.path())
        .env("RABBITMQ_LOGS", "-")
        .env("RABBITMQ_PID_FILE", folder.path().join("pid"))
        .env("RABBITMQ_DIST_PORT", between.port().to_string())
        .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", FLAGS)
        // The script becomes the Erlang machine instead of waiting for it.
        .env("RUNNING_UNDER_SYSTEMD", "true")
        .env("ERL_EPMD_PORT", epmd.address().port().to_string())
        .env("ERL_EPMD_ADDRESS", "127.0.0.1")
        // Where the Erlang machine keeps its cookie.
        .env("HOME", folder.path());
    let server = Process::start(command, address, folder)?;
    Ok(Running::new(server, Some(epmd)))
}

/// The directory of Erlang nodes. Without one here the broker would start one that outlives it.
fn epmd() -> Result<Process, Failure> {
    let address = free_address()?;
    let mut command = Command::new("epmd");
    command.args(["-address", "127.0.0.1", "-port", &address.port().to_string()]);
    Process::start(command, address, tempfile::tempdir()?)
}

/// Versions of the broker, which its folder tells, and of the Erlang machine. The broker's own tools would start an `epmd` that
/// outlives them.
pub(crate) fn version() -> Result<String, Failure> {
    let path = std::fs::canonicalize(PROGRAM).map_err(|error| format!("{PROGRAM}: {error}"))?;
    let mut parts = path.iter().filter_map(|part| part.to_str());
    let broker =
        parts.find_map(|part| part.strip_prefix("rabbitmq_server-")).ok_or("which RabbitMQ is this?")?;
    let tell = "io:format(\"~s\", [erlang:system_info(otp_release)]), halt().";
    let machine = Command::new("erl").args(["-noshell", "-eval", tell]).output()?;
    Ok(format!("RabbitMQ {broker} on Erlang {}", String::from_utf8(machine.stdout)?.trim()))
}

/// Hands jobs over.
pub(crate) async fn hand_over(address: SocketAddr, jobs: usize) -> Result<Duration, Failure> {
    let queue = Queue::open(address).await?;
    let callers = callers(address).await?;
    let (there, _) = queue.state().await?;
    let begin = Instant::now();
    publish(callers, jobs).await?;
    let took = begin.elapsed();
    let (now, _) = queue.state().await?;
    if now as usize != there as usize + jobs {
        return Err(format!("{jobs} jobs were confirmed, but the queue went from {there} to {now}").into());
    }
    Ok(took)
}

/// Takes and settles jobs.
pub(crate) async fn work_off(address: SocketAddr, jobs: usize) -> Result<Duration, Failure> {
    let queue = Queue::open(address).await?;
    queue.holds(jobs).await?;
    let begin = Instant::now();
    consume(address, jobs).await?;
    queue.emptied().await?;
    Ok(begin.elapsed())
}

/// Both at once.
pub(crate) async fn cycle(address: SocketAddr, jobs: usize) -> Result<Duration, Failure> {
    let queue = Queue::open(address).await?;
    let callers = callers(address).await?;
    let begin = Instant::now();
    tokio::try_join!(publish(callers, jobs), consume(address, jobs))?;
    queue.emptied().await?;
    Ok(begin.elapsed())
}

/// A connection with one channel.
struct Queue {
    connection: Connection,
    channel: Channel,
}

impl Queue {
    /// Connects, and makes the queue if it is not there.
    async fn open(address: SocketAddr) -> Result<Self, Failure> {
        let connection =
            Connection::connect(&format!("amqp://{address}/%2f"), ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString(LongString::from("quorum")));
        channel.queue_declare(QUEUE.into(), QueueDeclareOptions::durable(), arguments).await?;
        Ok(Self { connection, channel })
    }

    /// How many jobs wait, and how many consumers there are.
    async fn state(&self) -> Result<(u32, u32), Failure> {
        let look = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let queue = self.channel.queue_declare(QUEUE.into(), look, FieldTable::default()).await?;
        Ok((queue.message_count(), queue.consumer_count()))
    }

    /// Waits until so many jobs wait and there is no consumer. A queue without a leader, as it is for a moment after a start,
    /// tells that it has nothing.
    async fn holds(&self, jobs: usize) -> Result<(), Failure> {
        let deadline = Instant::now() + SETTLING;
        loop {
            match self.state().await? {
                (waiting, 0) if waiting as usize == jobs => return Ok(()),
                (waiting, consumers) if Instant::now() > deadline => {
                    let told = format!("{waiting} jobs wait instead of {jobs}, with {consumers} consumers");
                    return Err(told.into());
                }
                _ => tokio::time::sleep(LOOK_AGAIN).await,
            }
        }
    }

    /// Waits until all that was acknowledged is settled. An acknowledgement is not answered; but what a consumer did not
    /// settle would wait again once it is gone. The last question goes through the log, so all before it has been synced.
    async fn emptied(&self) -> Result<(), Failure> {
        self.holds(0).await?;
        match self.channel.basic_get(QUEUE.into(), BasicGetOptions::default()).await? {
            None => Ok(()),
            Some(_) => Err("a job is left".into()),
        }
    }
}

/// Opens a connection for each caller: publishers and consumers are not to share one.
async fn callers(address: SocketAddr) -> Result<Vec<Queue>, Failure> {
    let mut callers = Vec::new();
    for _ in 0..CALLERS {
        let queue = Queue::open(address).await?;
        queue.channel.confirm_select(ConfirmSelectOptions::default()).await?;
        callers.push(queue);
    }
    Ok(callers)
}

async fn publish(callers: Vec<Queue>, jobs: usize) -> Result<(), Failure> {
    let mut all = JoinSet::new();
    for (number, queue) in callers.into_iter().enumerate() {
        all.spawn(caller(queue, share(jobs, number)));
    }
    all_done(all).await
}

/// Publishes with a window of unconfirmed messages, which gives the highest throughput.
async fn caller(queue: Queue, jobs: usize) -> Result<(), Failure> {
    let payload = [b'x'; PAYLOAD_BYTES];
    let properties = BasicProperties::default().with_delivery_mode(PERSISTENT);
    let mut unconfirmed = VecDeque::with_capacity(BATCH);
    for sent in 0..jobs + BATCH {
        if unconfirmed.len() == BATCH || sent >= jobs {
            let Some(oldest) = unconfirmed.pop_front() else { break };
            confirmed(oldest).await?;
        }
        if sent < jobs {
            let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
            let publish =
                queue.channel.basic_publish("".into(), QUEUE.into(), options, &payload, properties.clone());
            unconfirmed.push_back(publish.await?);
        }
    }
    queue.connection.close(GOODBYE, "".into()).await?;
    Ok(())
}

/// One message is durable.
async fn confirmed(message: impl Future<Output = lapin::Result<Confirmation>>) -> Result<(), Failure> {
    match message.await? {
        Confirmation::Ack(None) => Ok(()),
        other => Err(format!("a job was not taken: {other:?}").into()),
    }
}

async fn consume(address: SocketAddr, jobs: usize) -> Result<(), Failure> {
    let (done, count) = mpsc::channel(1_024);
    let mut workers = JoinSet::new();
    for _ in 0..WORKERS {
        let queue = Queue::open(address).await?;
        queue.channel.basic_qos(CREDIT, BasicQosOptions::default()).await?;
        let consume = queue.channel.basic_consume(
            QUEUE.into(),
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        );
        let consumer = consume.await?;
        workers.spawn(worker(queue, consumer, done.clone()));
    }
    drop(done);
    all_settled(workers, count, jobs).await
}

/// Takes and settles until nobody counts. One acknowledgement is for all that have come; they came to this channel only.
async fn worker(queue: Queue, consumer: Consumer, done: mpsc::Sender<usize>) -> Result<(), Failure> {
    let mut deliveries = consumer.ready_chunks(ACKNOWLEDGED);
    loop {
        let came = tokio::select! {
            came = deliveries.next() => came.ok_or("the consumer was cancelled")?,
            () = done.closed() => break,
        };
        let mut last = 0;
        let count = came.len();
        for delivery in came {
            last = delivery?.delivery_tag;
        }
        queue.channel.basic_ack(last, BasicAckOptions { multiple: true }).await?;
        if done.send(count).await.is_err() {
            break;
        }
    }
    queue.connection.close(GOODBYE, "".into()).await?;
    Ok(())
}
