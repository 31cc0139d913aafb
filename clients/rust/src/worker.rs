//! A worker: takes jobs of queues, has a function do each, and says what became of it. Comes back by itself when its stream is
//! lost, with the leases that it has. `labour.rs` is what it does over one stream.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use rialto_proto::v1::{
    WorkRequest, WorkResponse, WorkerCredit, WorkerHello, WorkerSubscription, work_request,
    worker_service_client::WorkerServiceClient,
};
use tokio::{sync::mpsc, time::Instant};
use tokio_stream::wrappers::ReceiverStream;

use crate::{
    assignment::Assignment,
    backoff::Backoff,
    client::Client,
    content::Payload,
    error::{Error, carried},
    labour::{Ended, Running, Stopping},
    outcome::NotDone,
    signals::Signals,
    uplink::Opened,
    working::Told,
};

/// Frames that wait to be sent.
const FRAMES_WAITING: usize = 16;
/// The bound of the longest wait before the next attempt to connect: within the ten seconds for which the server keeps the
/// leases.
const AWAY_MAX: Duration = Duration::from_secs(5);

/// A worker under construction.
///
/// ```no_run
/// # async fn example() -> Result<(), rialto_client::Error> {
/// use rialto_client::{Client, Payload};
///
/// let client = Client::new("http://127.0.0.1:7400")?;
/// let worker = client.worker("mailer").queue("default", "mail").concurrency(8).until_signal();
/// worker.run(async |job| {
///     let text = job.text()?;
///     Ok(Payload::from(format!("sent {text}")))
/// }).await
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a worker does nothing until it runs"]
pub struct Worker {
    pub(crate) client: Client,
    hello: WorkerHello,
    pub(crate) concurrency: u32,
    pub(crate) lease: Duration,
    pub(crate) stop_within: Option<Duration>,
    signals: bool,
    reports: Reports,
}

/// What a worker tells about itself and its jobs, beside their ends.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum WorkerReport {
    /// The stream is lost, or the server was not reached; the worker comes back by itself. Work goes on.
    Disconnected(Error),
    /// The lease of a job is lost: somebody else may have it, and nothing more is said of it.
    LeaseLost {
        /// Name of the job.
        id: String,
    },
    /// The outcome of a job cannot be sent, or the server does not take it, for example because the result is too large. The job fails
    /// for good.
    OutcomeRefused {
        /// Name of the job.
        id: String,
    },
    /// The server does not take the progress or the checkpoint of a job.
    ProgressRefused {
        /// Name of the job.
        id: String,
    },
}

/// Who is told.
#[derive(Clone, Default)]
struct Reports(Option<Arc<dyn Fn(WorkerReport) + Send + Sync>>);

impl fmt::Debug for Reports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reports").field(&self.0.is_some()).finish()
    }
}

impl From<Told> for WorkerReport {
    fn from(told: Told) -> Self {
        match told {
            Told::LeaseLost(id) => Self::LeaseLost { id },
            Told::Refused { id, outcome: true } => Self::OutcomeRefused { id },
            Told::Refused { id, outcome: false } => Self::ProgressRefused { id },
        }
    }
}

impl Client {
    /// A worker of this name, for people.
    pub fn worker(&self, name: impl Into<String>) -> Worker {
        let hello = WorkerHello { worker_id: name.into(), ..WorkerHello::default() };
        Worker {
            client: self.clone(),
            hello,
            concurrency: 1,
            lease: Duration::from_secs(30),
            stop_within: None,
            signals: false,
            reports: Reports::default(),
        }
    }
}

impl Worker {
    /// Takes jobs of this queue. Up to 64, in turns.
    pub fn queue(self, namespace: impl Into<String>, queue: impl Into<String>) -> Self {
        self.subscription(WorkerSubscription {
            namespace: namespace.into(),
            queue: queue.into(),
            ..WorkerSubscription::default()
        })
    }

    /// The same with a bound and a weight.
    pub fn subscription(mut self, subscription: WorkerSubscription) -> Self {
        self.hello.subscriptions.push(subscription);
        self
    }

    /// Does so many jobs at once, those whose leases are lost included. Default 1, at most 10,000.
    pub fn concurrency(mut self, jobs: u32) -> Self {
        self.concurrency = jobs.max(1);
        self
    }

    /// How long a lease lasts when nothing is heard of the worker. It is extended by itself. 1 s to a day, default 30 s.
    pub fn lease(mut self, lasts: Duration) -> Self {
        self.lease = lasts;
        self
    }

    /// How long jobs may go on once the worker is to stop. What still runs then is given up: [`Assignment::cancelled`] says
    /// [`Cancelled::Closed`](crate::Cancelled::Closed), and the function is dropped where it waits next. Default: as long as they take.
    pub fn stop_within(mut self, time: Duration) -> Self {
        self.stop_within = Some(time);
        self
    }

    /// SIGTERM and SIGINT stop the worker; a second one ends the process. On other systems than Unix Ctrl-C does.
    pub fn until_signal(mut self) -> Self {
        self.signals = true;
        self
    }

    /// Who is told what happens to the worker and its jobs, beside their ends. To be short: the worker waits for it.
    pub fn on_report(mut self, told: impl Fn(WorkerReport) + Send + Sync + 'static) -> Self {
        self.reports = Reports(Some(Arc::new(told)));
        self
    }

    pub(crate) fn report(&self, report: WorkerReport) {
        tracing::debug!(?report, "worker report");
        if let Some(told) = &self.reports.0 {
            told(report);
        }
    }

    /// Works for ever, or until a signal if that was asked for. Fails with what does not pass, as a missing right.
    pub async fn run<F>(self, work: impl Fn(Assignment) -> F) -> Result<(), Error>
    where
        F: Future<Output = Result<Payload, NotDone>> + Send + 'static,
    {
        self.run_until(std::future::pending(), work).await
    }

    /// Works until `stop`; then takes no more jobs, gives back those that have not begun, and returns when the others are settled.
    /// Fails with what does not pass, as a missing right.
    ///
    /// *Cancel safety*: when it is dropped its jobs are dropped, and go to others after ten seconds.
    pub async fn run_until<F>(
        self,
        stop: impl Future<Output = ()>,
        work: impl Fn(Assignment) -> F,
    ) -> Result<(), Error>
    where
        F: Future<Output = Result<Payload, NotDone>> + Send + 'static,
    {
        if !self.signals {
            return self.work_until(stop, &work).await;
        }
        let (mut first, mut all) = (Signals::new()?, Signals::new()?);
        let either = async {
            tokio::select! {
                () = stop => {}
                _ = first.came() => {}
            }
        };
        tokio::select! {
            ended = self.work_until(either, &work) => ended,
            never = all.end_process_at_second() => match never {},
        }
    }

    async fn work_until<F>(
        &self,
        stop: impl Future<Output = ()>,
        work: &impl Fn(Assignment) -> F,
    ) -> Result<(), Error>
    where
        F: Future<Output = Result<Payload, NotDone>> + Send + 'static,
    {
        let mut running = Running::new(self);
        let stop = std::pin::pin!(stop);
        let mut stop = Stopping::new(stop, self.stop_within);
        let mut backoff = Backoff::up_to(AWAY_MAX);
        loop {
            let error = match self.connect(&running).await {
                Ok(stream) => {
                    let began = Instant::now();
                    match running.converse(stream, &mut stop, work).await {
                        Ended::Done => return Ok(()),
                        Ended::Lost(error) => {
                            backoff.ended_after(began.elapsed());
                            error
                        }
                    }
                }
                Err(error) => error,
            };
            // Before it was ever there a token that is turned down is no token for a worker.
            let was_open = !running.resume().is_empty();
            let passes = error.passes() || (was_open && self.client.passes_after(&error));
            if !passes {
                return Err(error);
            }
            let wait = backoff.draw().max(error.wait());
            self.report(WorkerReport::Disconnected(error));
            if running.disconnected(wait, &mut stop, work).await {
                return Ok(());
            }
        }
    }

    async fn connect(
        &self,
        running: &Running<'_>,
    ) -> Result<(mpsc::Sender<WorkRequest>, Opened<WorkResponse>), Error> {
        let (frames, waiting) = mpsc::channel(FRAMES_WAITING);
        let hello = WorkerHello {
            resume: running.resume().to_owned(),
            lease_duration: Some(carried(self.lease)),
            credit: Some(WorkerCredit { jobs: running.credit(), bytes: 0 }),
            ..self.hello.clone()
        };
        let hello = WorkRequest { frame: Some(work_request::Frame::Hello(hello)) };
        // There is room, and nobody has closed it.
        frames.try_send(hello).ok();
        let call = async |channel, request: tonic::Request<ReceiverStream<WorkRequest>>| {
            WorkerServiceClient::new(channel)
                .max_decoding_message_size(crate::settings::MESSAGE_BYTES_MAX)
                .work(request)
                .await
        };
        Ok((frames, self.client.open(ReceiverStream::new(waiting), call).await?))
    }
}
