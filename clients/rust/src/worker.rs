//! A worker: takes jobs of queues, has a function do each, and says what became of it. Comes back by itself when its stream is
//! lost, with the leases that it has. `working.rs` is what it knows of its jobs.

use std::{collections::VecDeque, future::Future, panic::AssertUnwindSafe, pin::Pin, time::Duration};

use futures_util::FutureExt;
use rialto_proto::v1::{
    self, WorkRequest, WorkResponse, WorkerCredit, WorkerHello, WorkerSubscription, work_request,
    work_response, worker_service_client::WorkerServiceClient,
};
use tokio::{
    sync::mpsc,
    task::{JoinError, JoinSet},
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use crate::{
    assignment::{Assignment, NotDone, Settled, Wanted},
    backoff::Backoff,
    client::Client,
    content::Payload,
    error::{Error, carried},
    working::Working,
};

/// Frames that wait to be sent.
const FRAMES_WAITING: usize = 16;
/// The longest wait before the next attempt to connect: within the ten seconds for which the server keeps the leases.
const AWAY_MAX: Duration = Duration::from_secs(5);
/// How often news of progress are sent at most.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// A worker under construction.
///
/// ```no_run
/// # async fn example() -> Result<(), rialto_client::Error> {
/// use rialto_client::{Client, NotDone, Payload};
///
/// let client = Client::new("http://127.0.0.1:7400")?;
/// let worker = client.worker("mailer").queue("default", "mail").concurrency(8);
/// worker.run(async |job| {
///     let text = job.text().ok_or_else(|| NotDone::permanent("it is not text"))?;
///     Ok(Payload::from(format!("sent {text}")))
/// }).await
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a worker does nothing until it runs"]
pub struct Worker {
    client: Client,
    hello: WorkerHello,
    concurrency: u32,
    lease: Duration,
}

impl Client {
    /// A worker of this name, for people.
    pub fn worker(&self, name: impl Into<String>) -> Worker {
        let hello = WorkerHello { worker_id: name.into(), ..WorkerHello::default() };
        Worker { client: self.clone(), hello, concurrency: 1, lease: Duration::from_secs(30) }
    }
}

/// How a stream ended.
enum Ended {
    /// All is done, and nothing more is wanted.
    Done,
    /// It is lost, after it had been there.
    Lost,
}

type Tasks = JoinSet<(String, Result<Payload, NotDone>)>;

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

    /// Does so many jobs at once. Default 1, at most 10,000.
    pub fn concurrency(mut self, jobs: u32) -> Self {
        self.concurrency = jobs.max(1);
        self
    }

    /// How long a lease lasts when nothing is heard of the worker. It is extended by itself. 1 s to a day, default 30 s.
    pub fn lease(mut self, lasts: Duration) -> Self {
        self.lease = lasts;
        self
    }

    /// Works for ever. Returns when the server refuses the worker.
    pub async fn run<F>(self, work: impl Fn(Assignment) -> F) -> Result<(), Error>
    where
        F: Future<Output = Result<Payload, NotDone>> + Send + 'static,
    {
        self.run_until(std::future::pending(), work).await
    }

    /// Works until `stop`; then takes no more jobs, and returns when those that it has are settled. Returns before when the server
    /// refuses the worker.
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
        let mut running = Running {
            client: self.client.clone(),
            working: Working::default(),
            tasks: JoinSet::new(),
            stopping: false,
            told: false,
            resume: String::new(),
        };
        let mut stop = std::pin::pin!(stop);
        let mut backoff = Backoff::default();
        loop {
            let began = Instant::now();
            match self.connect(&running.resume).await {
                Ok((frames, inbound)) => {
                    let ended = running.converse(&self, (frames, inbound), stop.as_mut(), &work).await?;
                    if let Ended::Done = ended {
                        return Ok(());
                    }
                    backoff.ended_after(began.elapsed());
                }
                Err(error) if error.is_final() => return Err(error),
                Err(error) => tracing::debug!(%error, "the worker is not connected"),
            }
            running.disconnected(backoff.draw().min(AWAY_MAX), stop.as_mut()).await;
            if running.stopping && running.working.is_done() {
                return Ok(());
            }
        }
    }

    async fn connect(
        &self,
        resume: &str,
    ) -> Result<(mpsc::Sender<WorkRequest>, Streaming<WorkResponse>), Error> {
        let (frames, waiting) = mpsc::channel(FRAMES_WAITING);
        let hello = WorkerHello {
            resume: resume.to_owned(),
            lease_duration: Some(carried(self.lease)),
            credit: Some(WorkerCredit { jobs: self.concurrency, bytes: 0 }),
            ..self.hello.clone()
        };
        let hello = WorkRequest { frame: Some(work_request::Frame::Hello(hello)) };
        // There is room, and nobody has closed it.
        frames.try_send(hello).ok();
        let request = self.client.sign(tonic::Request::new(ReceiverStream::new(waiting)));
        let mut service = WorkerServiceClient::new(self.client.channel.clone())
            .max_decoding_message_size(crate::settings::MESSAGE_BYTES_MAX);
        let connecting = tokio::time::timeout(self.client.deadline(), service.work(request));
        let stream = connecting.await.map_err(|_| Error::TimedOut("the server did not answer".to_owned()))?;
        Ok((frames, stream.map_err(Error::of_stream)?.into_inner()))
    }
}

/// A worker that runs, over all its streams.
struct Running {
    client: Client,
    working: Working,
    tasks: Tasks,
    stopping: bool,
    /// The server knows that no more jobs are wanted.
    told: bool,
    resume: String,
}

impl Running {
    /// Does what is to be done over one stream, until it ends.
    async fn converse<F>(
        &mut self,
        worker: &Worker,
        (frames, mut inbound): (mpsc::Sender<WorkRequest>, Streaming<WorkResponse>),
        mut stop: Pin<&mut impl Future<Output = ()>>,
        work: &impl Fn(Assignment) -> F,
    ) -> Result<Ended, Error>
    where
        F: Future<Output = Result<Payload, NotDone>> + Send + 'static,
    {
        let mut outgoing: VecDeque<work_request::Frame> = VecDeque::new();
        let mut extends = ticks(worker.lease / 3);
        let mut progress = ticks(PROGRESS_EVERY);
        let changed = self.working.changed();
        let (mut news, mut waits) = (false, None);
        self.told = false;
        loop {
            if self.stopping && !std::mem::replace(&mut self.told, true) {
                outgoing.push_back(work_request::Frame::Drain(v1::WorkerDrain::default()));
            }
            while let Some((last, settle)) = self.working.settlements() {
                outgoing.extend(last.map(work_request::Frame::Extend));
                outgoing.push_back(work_request::Frame::Settle(settle));
            }
            // The server ends the stream then: what it has given before it knew may still be on its way.
            let done = self.stopping && outgoing.is_empty() && self.working.is_done();
            let patience = *waits.get_or_insert_with(|| Instant::now() + worker.client.deadline());
            waits = waits.filter(|_| done);
            tokio::select! {
                biased;
                room = frames.reserve(), if !outgoing.is_empty() => match (room, outgoing.pop_front()) {
                    (Ok(room), frame) => room.send(WorkRequest { frame }),
                    (Err(_), _) => return Ok(Ended::Lost),
                },
                message = inbound.message() => match message {
                    Ok(Some(WorkResponse { frame: Some(frame) })) => self.hear(frame, work),
                    Ok(Some(WorkResponse { frame: None })) => {}
                    Ok(None) if done => return Ok(Ended::Done),
                    Ok(None) => return Ok(Ended::Lost),
                    Err(status) => {
                        let error = Error::of_stream(status);
                        return if error.is_final() { Err(error) } else { Ok(Ended::Lost) };
                    }
                },
                Some(done) = self.tasks.join_next(), if !self.tasks.is_empty() => self.done(done),
                _ = extends.tick() => outgoing.extend(self.working.extensions(false).into_iter().map(work_request::Frame::Extend)),
                () = changed.notified(), if !news => news = true,
                _ = progress.tick(), if news => {
                    news = false;
                    outgoing.extend(self.working.extensions(true).into_iter().map(work_request::Frame::Extend));
                }
                () = stop.as_mut(), if !self.stopping => self.stopping = true,
                // A server that does not end it has nothing more to say.
                () = sleep_until(patience), if done => return Ok(Ended::Done),
            }
        }
    }

    fn hear<F>(&mut self, frame: work_response::Frame, work: &impl Fn(Assignment) -> F)
    where
        F: Future<Output = Result<Payload, NotDone>> + Send + 'static,
    {
        match frame {
            work_response::Frame::Welcome(welcome) => {
                self.resume = welcome.session;
                self.working.reconnected(welcome.resumed);
            }
            work_response::Frame::Leases(leases) => {
                for (token, leased) in self.working.leased(leases.leases) {
                    if self.stopping {
                        let given_back = Err(NotDone::Released(Duration::ZERO));
                        self.working.done(&token, Settled::from(given_back).0);
                        continue;
                    }
                    let assignment = Assignment::new(leased, self.client.clone());
                    let work = AssertUnwindSafe(work(assignment)).catch_unwind();
                    self.tasks.spawn(async move { (token, work.await.unwrap_or_else(|_| Err(panicked()))) });
                }
            }
            work_response::Frame::Settled(settled) => self.working.settled(&settled),
            work_response::Frame::Extended(extended) => self.working.extended(&extended),
            work_response::Frame::Cancel(cancel) => {
                cancel.tokens.iter().for_each(|token| self.working.want(token, Wanted::Cancelled));
            }
            work_response::Frame::Pause(pause) => {
                pause.tokens.iter().for_each(|token| self.working.want(token, Wanted::Paused));
            }
            // The stream ends when all is settled, and the next one may be another node's.
            work_response::Frame::Drain(_) => {}
        }
    }

    fn done(&mut self, done: Result<(String, Result<Payload, NotDone>), JoinError>) {
        // Nobody aborts a task, and a panic is an outcome.
        if let Ok((token, outcome)) = done {
            self.working.done(&token, Settled::from(outcome).0);
        }
    }

    /// Without a stream, for so long. Work goes on.
    async fn disconnected(&mut self, wait: Duration, mut stop: Pin<&mut impl Future<Output = ()>>) {
        self.working.disconnected();
        let mut wait = std::pin::pin!(sleep(wait));
        loop {
            tokio::select! {
                () = &mut wait => return,
                Some(done) = self.tasks.join_next(), if !self.tasks.is_empty() => self.done(done),
                () = stop.as_mut(), if !self.stopping => self.stopping = true,
            }
        }
    }
}

/// The work has panicked; it may not the next time.
fn panicked() -> NotDone {
    let (code, message) = ("PANICKED".to_owned(), "the work has panicked".to_owned());
    NotDone::Failed { code, message, permanent: false, retry_after: None }
}

fn ticks(every: Duration) -> tokio::time::Interval {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
