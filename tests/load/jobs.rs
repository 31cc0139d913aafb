//! `rialto-load jobs`: jobs through one durable queue. First all are handed over, in batches and one by one; then workers take and
//! settle them; then both at once, which is a full cycle; and a node with a million waiting jobs is started again. What counts is
//! jobs a second and the server's own CPU per job; how long a sync of the same disk takes is printed beside it.

use std::{path::Path, sync::Arc, time::Duration};

use hdrhistogram::Histogram;
use rialto_proto::v1::{
    EnqueueRequest, GetQueueRequest, JobBody, JobCompleted, Lease, LeaseOutcome, NewJob, SettleRequest,
    Settlement, WorkRequest, WorkerCredit, WorkerHello, WorkerSubscription, enqueue_outcome::Outcome,
    job_body::Body, job_service_client::JobServiceClient, settlement, work_request, work_response,
    worker_service_client::WorkerServiceClient,
};
use tokio::{sync::mpsc, task::JoinSet, time::Instant};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};

use crate::{Failure, log, process::Process, say, server};

const PAYLOAD_BYTES: usize = 256;
/// Jobs that one worker has at once.
const CREDIT: u32 = 1_000;
/// Workers, each on a connection of its own.
const WORKERS: usize = 2;
/// Jobs of one request.
const BATCH: usize = 100;

/// Measures with so many jobs, in `folder`.
pub(crate) fn run(folder: &Path, jobs: usize) -> Result<(), Failure> {
    let folder = tempfile::tempdir_in(folder)?;
    say(&format!("one write of {PAYLOAD_BYTES} bytes and fdatasync: {}", log::bare_syncs(folder.path())?))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let (bench, data) = (Bench::start(folder.path())?, folder.path());
    runtime.block_on(async {
        say(&bench.enqueue("batches of 100, 4 callers", jobs, 4, BATCH).await?)?;
        say(&bench.work("take and settle what waits", jobs).await?)?;
        say(&bench.enqueue("one by one, 64 callers", jobs / 10, 64, 1).await?)?;
        say(&bench.work("take and settle what waits", jobs / 10).await?)?;
        say(&bench.cycle(jobs).await?)?;
        say(&bench.dispatch(2_000).await?)?;
        say(&bench.enqueue("batches of 100, 4 callers, to stay", 1_000_000, 4, BATCH).await?)
    })?;
    let waiting = bench.process.memory()?.rss / 1024;
    drop(bench);
    let begin = Instant::now();
    let again = Bench::start(data)?;
    let there = runtime.block_on(again.waiting())?;
    let (took, after) = (begin.elapsed().as_secs_f64(), again.process.memory()?.rss / 1024);
    say(&format!(
        "1,000,000 waiting: {waiting} MiB; {there} of them there again after {took:.2} s, {after} MiB"
    ))
}

/// Jobs a second, and the server's CPU for each.
pub(crate) fn line(what: &str, jobs: usize, took: Duration, used: Duration) -> String {
    let (rate, each) = (jobs as f64 / took.as_secs_f64(), used.as_secs_f64() * 1e6 / jobs as f64);
    format!("{what}: {rate:.0} jobs/s, {each:.1} µs of the server's CPU each")
}

struct Bench {
    process: Process,
    url: String,
}

impl Bench {
    fn start(data: &Path) -> Result<Self, Failure> {
        let process = server::keeping_jobs(&data.join("data"))?;
        let url = format!("http://{}", process.address());
        Ok(Self { process, url })
    }

    async fn channel(&self) -> Result<Channel, Failure> {
        Ok(Endpoint::from_shared(self.url.clone())?.connect().await?)
    }

    /// How many jobs wait, once it answers.
    async fn waiting(&self) -> Result<u32, Failure> {
        let (namespace, queue) = ("bench".to_owned(), "bench".to_owned());
        let asked = JobServiceClient::new(self.channel().await?)
            .get_queue(GetQueueRequest { namespace, queue })
            .await?;
        Ok(asked.into_inner().queue.unwrap_or_default().waiting_count)
    }

    /// Jobs a second, and the server's CPU for each.
    fn figures(&self, what: &str, jobs: usize, (begin, cpu): (Instant, Duration)) -> Result<String, Failure> {
        Ok(line(what, jobs, begin.elapsed(), self.process.cpu()? - cpu))
    }

    fn begin(&self) -> Result<(Instant, Duration), Failure> {
        Ok((Instant::now(), self.process.cpu()?))
    }

    async fn enqueue(
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

    async fn work(&self, what: &str, jobs: usize) -> Result<String, Failure> {
        let begin = self.begin()?;
        self.work_off(jobs).await?;
        self.figures(what, jobs, begin)
    }

    /// Workers that end when all jobs together are done.
    async fn work_off(&self, jobs: usize) -> Result<(), Failure> {
        let (done, mut count) = mpsc::channel(1_024);
        let mut workers = JoinSet::new();
        for _ in 0..WORKERS {
            workers.spawn(worker(WorkerServiceClient::new(self.channel().await?), done.clone()));
        }
        drop(done);
        let mut left = jobs;
        while left > 0 {
            left = left.saturating_sub(count.recv().await.ok_or("the workers have ended")?);
        }
        Ok(())
    }

    async fn cycle(&self, jobs: usize) -> Result<String, Failure> {
        let begin = self.begin()?;
        tokio::try_join!(self.hand_over(jobs, 4, BATCH), self.work_off(jobs))?;
        self.figures("full cycle, batches of 100", jobs, begin)
    }

    /// How long a job takes from its acknowledgement to its worker while nothing else happens.
    async fn dispatch(&self, jobs: usize) -> Result<String, Failure> {
        let mut service = JobServiceClient::new(self.channel().await?);
        let mut stream = Stream::open(WorkerServiceClient::new(self.channel().await?)).await?;
        let mut times = Histogram::<u64>::new(3)?;
        for _ in 0..jobs {
            let enqueue = async {
                service.enqueue(request(1)).await?;
                Ok::<_, Failure>(Instant::now())
            };
            let lease = async {
                let mut leases = stream.leases().await?;
                while leases.is_empty() {
                    leases = stream.leases().await?;
                }
                Ok::<_, Failure>((Instant::now(), leases))
            };
            let (answered, (came, leases)) = tokio::try_join!(enqueue, lease)?;
            times.record(came.saturating_duration_since(answered).as_micros() as u64)?;
            stream.settle(&leases).await?;
            while stream.settled == 0 {
                stream.leases().await?;
            }
            stream.settled = 0;
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
        let response = service.enqueue(request(count)).await?.into_inner();
        times.record(begin.elapsed().as_micros() as u64)?;
        if let Some(other) =
            response.outcomes.iter().find(|one| !matches!(one.outcome, Some(Outcome::Enqueued(_))))
        {
            return Err(format!("a job was not taken: {other:?}").into());
        }
        left -= count;
    }
    Ok(times)
}

fn request(jobs: usize) -> EnqueueRequest {
    let body = JobBody { body: Some(Body::Text("x".repeat(PAYLOAD_BYTES))), ..JobBody::default() };
    let job = NewJob { body: Some(body), ..NewJob::default() };
    EnqueueRequest { namespace: "bench".to_owned(), queue: "bench".to_owned(), jobs: vec![job; jobs] }
}

/// Takes and settles for ever; says how many are settled.
async fn worker(service: WorkerServiceClient<Channel>, done: mpsc::Sender<usize>) -> Result<(), Failure> {
    let mut stream = Stream::open(service).await?;
    loop {
        let leases = stream.leases().await?;
        stream.settle(&leases).await?;
        let settled = std::mem::take(&mut stream.settled);
        if settled > 0 && done.send(settled).await.is_err() {
            return Ok(());
        }
    }
}

/// A worker's stream.
struct Stream {
    frames: mpsc::Sender<WorkRequest>,
    inbound: tonic::Streaming<rialto_proto::v1::WorkResponse>,
    settled: usize,
}

impl Stream {
    async fn open(mut service: WorkerServiceClient<Channel>) -> Result<Self, Failure> {
        let (frames, waiting) = mpsc::channel(64);
        let subscription = WorkerSubscription {
            namespace: "bench".to_owned(),
            queue: "bench".to_owned(),
            ..WorkerSubscription::default()
        };
        let hello = WorkerHello {
            worker_id: "bench".to_owned(),
            subscriptions: vec![subscription],
            credit: Some(WorkerCredit { jobs: CREDIT, bytes: 0 }),
            ..WorkerHello::default()
        };
        frames.send(WorkRequest { frame: Some(work_request::Frame::Hello(hello)) }).await?;
        let inbound = service.work(ReceiverStream::new(waiting)).await?.into_inner();
        Ok(Self { frames, inbound, settled: 0 })
    }

    /// The next jobs, or none when it heard instead that some are settled.
    async fn leases(&mut self) -> Result<Arc<[Lease]>, Failure> {
        loop {
            let message = self.inbound.message().await?.ok_or("the stream has ended")?;
            match message.frame {
                Some(work_response::Frame::Leases(leases)) => return Ok(leases.leases.into()),
                Some(work_response::Frame::Settled(settled)) => {
                    if settled.outcomes().any(|outcome| outcome != LeaseOutcome::Ok) {
                        return Err("a job was not settled".into());
                    }
                    self.settled += settled.outcomes.len();
                    return Ok(Arc::default());
                }
                _ => {}
            }
        }
    }

    async fn settle(&mut self, leases: &[Lease]) -> Result<(), Failure> {
        if leases.is_empty() {
            return Ok(());
        }
        let completed = || Some(settlement::Outcome::Completed(JobCompleted::default()));
        let item = |lease: &Lease| Settlement { token: lease.token.clone(), outcome: completed() };
        let settle = SettleRequest { request_id: 0, items: leases.iter().map(item).collect() };
        self.frames.send(WorkRequest { frame: Some(work_request::Frame::Settle(settle)) }).await?;
        Ok(())
    }
}
