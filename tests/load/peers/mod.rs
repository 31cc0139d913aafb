//! What Rialto's durable job queues are compared with. Each peer gets the same jobs in its best documented way for work
//! that must not be lost, and each counts only what is certain: a job is handed over when the peer has confirmed that it is
//! durable, and done when the peer no longer has it.

mod bullmq;
mod family;
mod jetstream;
mod rabbitmq;

use std::{fmt, future::Future, net::SocketAddr, path::Path, time::Duration};

use tokio::{sync::mpsc, task::JoinSet};

use crate::{Failure, jobs, process::Process, say};

/// Bytes of one job.
pub(crate) const PAYLOAD_BYTES: usize = 256;
/// Who hands over at once.
pub(crate) const CALLERS: usize = 4;
/// Jobs of one caller that are not confirmed yet, at most.
pub(crate) const BATCH: usize = 100;
/// Who works at once.
pub(crate) const WORKERS: usize = 2;
/// Jobs that one worker has at once.
pub(crate) const CREDIT: u16 = 1_000;
/// The queue's name.
pub(crate) const QUEUE: &str = "bench";
/// How often it is asked whether a queue is empty.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// No load takes as long as this; one that does has lost a job.
const PATIENCE: Duration = Duration::from_mins(15);

/// A peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// RabbitMQ with a quorum queue.
    RabbitMq,
    /// BullMQ on a Redis that syncs each write.
    BullMq,
    /// A work queue of JetStream that syncs each write.
    JetStream,
}

impl Peer {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::RabbitMq, Self::BullMq, Self::JetStream];

    /// Starts its server, which keeps what it has in `data`.
    pub(crate) fn start(self, data: &Path) -> Result<Running, Failure> {
        std::fs::create_dir_all(data)?;
        let data = std::path::absolute(data)?;
        match self {
            Self::RabbitMq => rabbitmq::start(&data),
            Self::BullMq => bullmq::start(&data),
            Self::JetStream => jetstream::start(&data),
        }
    }

    /// Name and version, as the programs tell them.
    pub(crate) fn version(self) -> Result<String, Failure> {
        match self {
            Self::RabbitMq => rabbitmq::version(),
            Self::BullMq => bullmq::version(),
            Self::JetStream => jetstream::version(),
        }
    }

    /// Hands over so many jobs; how long it took until all were confirmed.
    pub(crate) async fn hand_over(self, address: SocketAddr, jobs: usize) -> Result<Duration, Failure> {
        match self {
            Self::RabbitMq => patiently(rabbitmq::hand_over(address, jobs)).await,
            Self::BullMq => patiently(bullmq::hand_over(address, jobs)).await,
            Self::JetStream => patiently(jetstream::hand_over(address, jobs)).await,
        }
    }

    /// Takes and settles so many jobs, which must be all that wait; how long it took until none was left.
    pub(crate) async fn work_off(self, address: SocketAddr, jobs: usize) -> Result<Duration, Failure> {
        match self {
            Self::RabbitMq => patiently(rabbitmq::work_off(address, jobs)).await,
            Self::BullMq => patiently(bullmq::work_off(address, jobs)).await,
            Self::JetStream => patiently(jetstream::work_off(address, jobs)).await,
        }
    }

    /// Both at once, from an empty queue to an empty queue.
    pub(crate) async fn cycle(self, address: SocketAddr, jobs: usize) -> Result<Duration, Failure> {
        match self {
            Self::RabbitMq => patiently(rabbitmq::cycle(address, jobs)).await,
            Self::BullMq => patiently(bullmq::cycle(address, jobs)).await,
            Self::JetStream => patiently(jetstream::cycle(address, jobs)).await,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RabbitMq => "rabbitmq",
            Self::BullMq => "bullmq",
            Self::JetStream => "jetstream",
        })
    }
}

/// Measures all of them with so many jobs, each from a fresh process that keeps what it has in `folder`.
pub(crate) fn run(folder: &Path, count: usize) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    for peer in Peer::ALL {
        say(&peer.version()?)?;
        let folder = tempfile::tempdir_in(folder)?;
        let running = peer.start(&folder.path().join("data"))?;
        let at = running.address();
        let figures = |what: &str, took: Duration, cpu: Duration| {
            let used = running.cpu()?.saturating_sub(cpu);
            say(&jobs::line(what, count, took, used))
        };
        runtime.block_on(async {
            let cpu = running.cpu()?;
            figures("enqueue, 4 callers with 100 each", peer.hand_over(at, count).await?, cpu)?;
            let cpu = running.cpu()?;
            figures("take and settle what waits", peer.work_off(at, count).await?, cpu)?;
            let cpu = running.cpu()?;
            figures("full cycle", peer.cycle(at, count).await?, cpu)
        })?;
    }
    Ok(())
}

/// A peer's server that runs.
#[derive(Debug)]
pub(crate) struct Running {
    server: Process,
    /// What the server needs beside it. It goes after the server.
    _beside: Option<Process>,
}

impl Running {
    /// A server, and what it needs beside it.
    pub(crate) fn new(server: Process, beside: Option<Process>) -> Self {
        Self { server, _beside: beside }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// CPU time used so far by the server and all that it started.
    pub(crate) fn cpu(&self) -> Result<Duration, Failure> {
        family::cpu(self.server.id())
    }
}

/// How many of so many jobs are this caller's.
pub(crate) fn share(jobs: usize, caller: usize) -> usize {
    jobs / CALLERS + usize::from(caller < jobs % CALLERS)
}

/// Waits until all callers are through.
pub(crate) async fn all_done(mut all: JoinSet<Result<(), Failure>>) -> Result<(), Failure> {
    while let Some(done) = all.join_next().await {
        done??;
    }
    Ok(())
}

/// Waits until workers have settled so many jobs, then until they have ended: a worker ends when nobody counts any more.
pub(crate) async fn all_settled(
    mut workers: JoinSet<Result<(), Failure>>,
    mut count: mpsc::Receiver<usize>,
    jobs: usize,
) -> Result<(), Failure> {
    let mut left = jobs;
    while left > 0 {
        tokio::select! {
            Some(settled) = count.recv() => {
                left = left.checked_sub(settled).ok_or("more jobs were settled than were handed over")?;
            }
            Some(ended) = workers.join_next() => {
                ended??;
                return Err("a worker has ended too early".into());
            }
            else => return Err("the workers have ended".into()),
        }
    }
    drop(count);
    all_done(workers).await
}

async fn patiently(load: impl Future<Output = Result<Duration, Failure>>) -> Result<Duration, Failure> {
    // Boxed, because some of them are large.
    let load = Box::pin(load);
    tokio::time::timeout(PATIENCE, load).await.map_err(|_| "not all jobs came through")?
}
