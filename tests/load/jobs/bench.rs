//! A node with a queue, and what is done with it: jobs are handed over, taken and settled, and counted.

use std::{path::Path, time::Duration};

use hdrhistogram::Histogram;
use rialto_proto::v1::{
    GetQueueRequest, QueueSettings, SetQueueRequest, job_service_client::JobServiceClient,
};
use tokio::{sync::mpsc, task::JoinSet, time::Instant};
use tonic::transport::{Channel, Endpoint};

use super::{
    line,
    link::{Heard, NAMESPACE, Stream, enqueue, job},
};
use crate::{
    Failure, log,
    process::{Memory, Process},
    server,
};

/// Jobs that one worker has at once.
const CREDIT: u32 = 1_000;
/// Workers, each on a connection of its own.
const WORKERS: usize = 2;
/// Jobs of one request.
pub(super) const BATCH: usize = 100;
const QUEUE: &str = "bench";

/// A node.
pub(super) struct Bench {
    process: Process,
    /// What keeps its jobs, when it does not do so itself. It goes after the node.
    nats: Option<Process>,
    url: String,
}

impl Bench {
    /// Starts one that keeps its jobs in its own log, in this folder.
    pub(super) fn local(folder: &Path) -> Result<Self, Failure> {
        Self::start(folder, None)
    }

    /// Starts one that keeps its jobs in JetStream, which has no replicas and syncs each write.
    pub(super) fn over_nats(folder: &Path) -> Result<Self, Failure> {
        Self::start(folder, Some(server::syncing_nats(&folder.join("nats"))?))
    }

    fn start(folder: &Path, nats: Option<Process>) -> Result<Self, Failure> {
        let process = server::keeping_jobs(&folder.join("data"), nats.as_ref().map(Process::address))?;
        let url = format!("http://{}", process.address());
        Ok(Self { process, nats, url })
    }

    /// A connection of its own.
    pub(super) async fn channel(&self) -> Result<Channel, Failure> {
        Ok(Endpoint::from_shared(self.url.clone())?.connect().await?)
    }

    /// Memory of the node.
    pub(super) fn memory(&self) -> Result<Memory, Failure> {
        self.process.memory()
    }

    /// Sets up a queue.
    pub(super) async fn set(&self, queue: &str, settings: QueueSettings) -> Result<(), Failure> {
        let (namespace, queue) = (NAMESPACE.to_owned(), queue.to_owned());
        let request = SetQueueRequest { namespace, queue, settings: Some(settings) };
        JobServiceClient::new(self.channel().await?).set_queue(request).await?;
        Ok(())
    }

    /// How many jobs wait, once it answers.
    pub(super) async fn waiting(&self) -> Result<u32, Failure> {
        let (namespace, queue) = (NAMESPACE.to_owned(), QUEUE.to_owned());
        let asked = JobServiceClient::new(self.channel().await?)
            .get_queue(GetQueueRequest { namespace, queue })
            .await?;
        Ok(asked.into_inner().queue.unwrap_or_default().waiting_count)
    }

    /// CPU time of all that the user runs for it.
    fn cpu(&self) -> Result<Duration, Failure> {
        Ok(self.process.cpu()? + self.nats.as_ref().map_or(Ok(Duration::ZERO), Process::cpu)?)
    }

    /// Jobs a second, and the server's CPU for each.
    fn figures(&self, what: &str, jobs: usize, (begin, cpu): (Instant, Duration)) -> Result<String, Failure> {
        Ok(line(what, jobs, begin.elapsed(), self.cpu()? - cpu))
    }

    fn begin(&self) -> Result<(Instant, Duration), Failure> {
        Ok((Instant::now(), self.cpu()?))
    }

    /// Hands so many jobs over.
    pub(super) async fn enqueue(
        &self,
        what: &str,
        jobs: usize,
        callers: usize,
        batch: usize,
    ) -> Result<String, Failure> {
        let begin = self.begin()?;
        let times = self.hand_over(jobs, callers, batch).await?;
        let figures = self.figures(&format!("enqueue, {what}"), jobs, begin)?;
        Ok(format!("{figures}; answered after {}", log::percentiles(&times)))
    }

    async fn hand_over(&self, jobs: usize, callers: usize, batch: usize) -> Result<Histogram<u64>, Failure> {
        let mut all = JoinSet::new();
        for caller in 0..callers {
            let service = JobServiceClient::new(self.channel().await?);
            let share = jobs / callers + usize::from(caller < jobs % callers);
            all.spawn(caller_of(service, share, batch));
        }
        let mut times = Histogram::<u64>::new(3)?;
        while let Some(done) = all.join_next().await {
            times.add(done??)?;
        }
        Ok(times)
    }

    /// Takes and settles so many jobs.
    pub(super) async fn work(&self, what: &str, jobs: usize) -> Result<String, Failure> {
        let begin = self.begin()?;
        self.work_off(jobs).await?;
        self.figures(what, jobs, begin)
    }

    /// Workers that end when all jobs together are done.
    async fn work_off(&self, jobs: usize) -> Result<(), Failure> {
        let (done, mut count) = mpsc::channel(1_024);
        let mut workers = JoinSet::new();
        for _ in 0..WORKERS {
            workers.spawn(worker(Stream::open(self.channel().await?, QUEUE, CREDIT).await?, done.clone()));
        }
        drop(done);
        let mut left = jobs;
        while left > 0 {
            left = left.saturating_sub(count.recv().await.ok_or("the workers have ended")?);
        }
        Ok(())
    }

    /// Both at once.
    pub(super) async fn cycle(&self, jobs: usize) -> Result<String, Failure> {
        let begin = self.begin()?;
        tokio::try_join!(self.hand_over(jobs, 4, BATCH), self.work_off(jobs))?;
        self.figures("full cycle, batches of 100", jobs, begin)
    }

    /// How long a job takes from its acknowledgement to its worker while nothing else happens.
    pub(super) async fn dispatch(&self, jobs: usize) -> Result<String, Failure> {
        let mut service = JobServiceClient::new(self.channel().await?);
        let mut stream = Stream::open(self.channel().await?, QUEUE, CREDIT).await?;
        let mut times = Histogram::<u64>::new(3)?;
        for _ in 0..jobs {
            let enqueue = async {
                enqueue(&mut service, QUEUE, vec![job()]).await?;
                Ok::<_, Failure>(Instant::now())
            };
            let lease = async {
                loop {
                    if let Heard::Leases(leases) = stream.hear().await? {
                        return Ok::<_, Failure>((Instant::now(), leases));
                    }
                }
            };
            let (answered, (came, leases)) = tokio::try_join!(enqueue, lease)?;
            times.record(came.saturating_duration_since(answered).as_micros() as u64)?;
            stream.settle(leases.into_iter().map(|lease| lease.token)).await?;
            while !matches!(stream.hear().await?, Heard::Settled(_)) {}
        }
        Ok(format!("from the acknowledgement to the worker, idle: {}", log::percentiles(&times)))
    }
}

async fn caller_of(
    mut service: JobServiceClient<Channel>,
    jobs: usize,
    batch: usize,
) -> Result<Histogram<u64>, Failure> {
    let mut times = Histogram::<u64>::new(3)?;
    let mut left = jobs;
    while left > 0 {
        let count = batch.min(left);
        let begin = Instant::now();
        enqueue(&mut service, QUEUE, vec![job(); count]).await?;
        times.record(begin.elapsed().as_micros() as u64)?;
        left -= count;
    }
    Ok(times)
}

/// Takes and settles for ever; says how many are settled.
async fn worker(mut stream: Stream, done: mpsc::Sender<usize>) -> Result<(), Failure> {
    loop {
        match stream.hear().await? {
            Heard::Leases(leases) => stream.settle(leases.into_iter().map(|lease| lease.token)).await?,
            Heard::Settled(count) if done.send(count).await.is_err() => return Ok(()),
            Heard::Settled(_) => {}
        }
    }
}
