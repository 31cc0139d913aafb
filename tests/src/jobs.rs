//! The words of tests about jobs: somebody who hands work over, and workers that do only what a test says.

use std::time::Duration;

use rialto_proto::v1::{
    self, EnqueueRequest, EnqueueResponse, Enqueued, Extension, Job, JobBody, JobCompleted, JobDiscarded,
    JobFailed, JobReleased, Lease, LeaseOutcome, NewJob, RefusalCode, Settlement, WorkRequest, WorkerCredit,
    WorkerHello, WorkerSubscription, WorkerWelcome, enqueue_outcome::Outcome, job_body::Body,
    job_service_client::JobServiceClient, settlement, work_request, work_response,
    worker_service_client::WorkerServiceClient,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Status, Streaming, transport::Channel};

use crate::{node::TestNode, talker::duration, within};

/// The namespace of all queues here.
pub const NAMESPACE: &str = "default";

/// A job with a text.
pub fn job(id: &str, text: &str) -> NewJob {
    NewJob { job_id: id.to_owned(), body: Some(body(text)), ..NewJob::default() }
}

/// A payload of text.
pub fn body(text: &str) -> JobBody {
    JobBody { body: Some(Body::Text(text.to_owned())), ..JobBody::default() }
}

/// Somebody who hands work over and looks what becomes of it.
#[derive(Debug, Clone)]
pub struct Producer {
    /// The bare stub.
    pub stub: JobServiceClient<Channel>,
    token: Option<String>,
    queue: String,
}

impl Producer {
    /// One for a queue of `default`.
    pub async fn new(node: &TestNode, queue: &str) -> Self {
        Self::with_token(node, queue, None).await
    }

    /// The same with a token.
    pub async fn with_token(node: &TestNode, queue: &str, token: Option<&str>) -> Self {
        Self {
            stub: JobServiceClient::new(node.channel().await),
            token: token.map(str::to_owned),
            queue: queue.to_owned(),
        }
    }

    /// A request with the token.
    pub fn signed<T>(&self, message: T) -> Request<T> {
        signed(message, self.token.as_deref())
    }

    /// Hands jobs over.
    pub async fn enqueue_all(&self, jobs: Vec<NewJob>) -> Result<EnqueueResponse, Status> {
        let (namespace, queue) = (NAMESPACE.to_owned(), self.queue.clone());
        let request = self.signed(EnqueueRequest { namespace, queue, jobs });
        let enqueued = within("an enqueue", self.stub.clone().enqueue(request)).await?;
        Ok(enqueued.into_inner())
    }

    /// Hands one job over, which is taken.
    pub async fn enqueue(&self, job: NewJob) -> Enqueued {
        self.try_enqueue(job).await.expect("the job is taken")
    }

    /// Hands one job over.
    pub async fn try_enqueue(&self, job: NewJob) -> Result<Enqueued, RefusalCode> {
        let response = self.enqueue_all(vec![job]).await.expect("the request makes sense");
        match response.outcomes.into_iter().next().and_then(|outcome| outcome.outcome) {
            Some(Outcome::Enqueued(enqueued)) => Ok(enqueued),
            Some(Outcome::Refused(refused)) => Err(refused.code()),
            None => panic!("no outcome"),
        }
    }

    /// A job as it is.
    pub async fn get(&self, id: &str) -> Result<Job, Status> {
        let (namespace, queue) = (NAMESPACE.to_owned(), self.queue.clone());
        let request = self.signed(v1::GetJobRequest { namespace, queue, job_id: id.to_owned() });
        let response = within("a job", self.stub.clone().get_job(request)).await?;
        Ok(response.into_inner().job.expect("a job"))
    }

    /// A job once it has ended.
    pub async fn ended(&self, id: &str) -> Job {
        let (namespace, queue) = (NAMESPACE.to_owned(), self.queue.clone());
        let request = v1::WaitJobRequest { namespace, queue, job_id: id.to_owned(), timeout: None };
        let response = within("a job's end", self.stub.clone().wait_job(self.signed(request))).await;
        response.expect("there is the job").into_inner().job.expect("a job")
    }

    /// The names of jobs in these states, the last one first.
    pub async fn list(&self, states: &[v1::JobState]) -> Vec<String> {
        let request = v1::ListJobsRequest {
            namespace: NAMESPACE.to_owned(),
            queue: self.queue.clone(),
            states: states.iter().map(|state| (*state).into()).collect(),
            ..v1::ListJobsRequest::default()
        };
        let response = within("a list", self.stub.clone().list_jobs(self.signed(request))).await;
        response.expect("a list").into_inner().jobs.into_iter().map(|job| job.job_id).collect()
    }

    /// Cancels a job.
    pub async fn cancel(&self, id: &str) -> Job {
        let request = v1::CancelJobRequest {
            namespace: NAMESPACE.to_owned(),
            queue: self.queue.clone(),
            job_id: id.to_owned(),
            reason: "no more".to_owned(),
        };
        let response = within("a cancel", self.stub.clone().cancel_job(self.signed(request))).await;
        response.expect("there is the job").into_inner().job.expect("a job")
    }

    /// Sets what holds in the queue.
    pub async fn set(&self, settings: v1::QueueSettings) -> v1::Queue {
        let (namespace, queue) = (NAMESPACE.to_owned(), self.queue.clone());
        let request = self.signed(v1::SetQueueRequest { namespace, queue, settings: Some(settings) });
        let response = within("settings", self.stub.clone().set_queue(request)).await;
        response.expect("they are set").into_inner().queue.expect("a queue")
    }

    /// The queue as it is.
    pub async fn queue(&self) -> v1::Queue {
        let (namespace, queue) = (NAMESPACE.to_owned(), self.queue.clone());
        let request = self.signed(v1::GetQueueRequest { namespace, queue });
        let response = within("a queue", self.stub.clone().get_queue(request)).await;
        response.expect("there is the queue").into_inner().queue.expect("a queue")
    }
}

/// A worker that does only what it is told to.
#[derive(Debug)]
pub struct TestWorker {
    /// What it was welcomed with.
    pub welcome: WorkerWelcome,
    frames: mpsc::Sender<WorkRequest>,
    inbound: Streaming<v1::WorkResponse>,
    /// Leases that have come and were not asked for yet.
    leases: Vec<Lease>,
    cancelled: Vec<String>,
    paused: Vec<String>,
    settled: Vec<v1::SettleResponse>,
    extended: Vec<v1::ExtendResponse>,
    drained: bool,
    request_id: u32,
}

/// How a worker greets: of one queue of `default`, with so much credit.
pub fn hello(queue: &str, jobs: u32) -> WorkerHello {
    WorkerHello {
        worker_id: "worker".to_owned(),
        subscriptions: vec![subscription(queue)],
        credit: Some(WorkerCredit { jobs, bytes: 0 }),
        ..WorkerHello::default()
    }
}

/// A queue from which a worker takes jobs.
pub fn subscription(queue: &str) -> WorkerSubscription {
    let (namespace, queue) = (NAMESPACE.to_owned(), queue.to_owned());
    WorkerSubscription { namespace, queue, ..WorkerSubscription::default() }
}

/// What became of a job.
pub fn completed(result: &str) -> settlement::Outcome {
    settlement::Outcome::Completed(JobCompleted { result: Some(body(result)) })
}

/// It failed, and is tried again after that.
pub fn failed(retry_after: Duration) -> settlement::Outcome {
    let retry_after = Some(duration(retry_after));
    let (code, message) = ("BROKEN".to_owned(), "it did not work".to_owned());
    settlement::Outcome::Failed(JobFailed { code, message, permanent: false, retry_after })
}

/// It failed for good.
pub fn failed_for_good() -> settlement::Outcome {
    settlement::Outcome::Failed(JobFailed { permanent: true, ..JobFailed::default() })
}

/// It is given back.
pub fn released() -> settlement::Outcome {
    settlement::Outcome::Released(JobReleased::default())
}

/// It is not to be done.
pub fn discarded() -> settlement::Outcome {
    settlement::Outcome::Discarded(JobDiscarded { reason: "not wanted".to_owned() })
}

impl TestWorker {
    /// A worker of one queue that can have so many jobs at once.
    pub async fn start(node: &TestNode, queue: &str, jobs: u32) -> Self {
        Self::greet(node, hello(queue, jobs), None).await.expect("it is welcome")
    }

    /// A worker that greets so.
    pub async fn greet(node: &TestNode, hello: WorkerHello, token: Option<&str>) -> Result<Self, Status> {
        let (frames, waiting) = mpsc::channel(64);
        say(&frames, work_request::Frame::Hello(hello)).await;
        let mut stub = WorkerServiceClient::new(node.channel().await);
        let stream = within("a stream", stub.work(signed(ReceiverStream::new(waiting), token))).await?;
        let mut inbound = stream.into_inner();
        let first = within("a welcome", inbound.message()).await?.and_then(|frame| frame.frame);
        let Some(work_response::Frame::Welcome(welcome)) = first else { panic!("{first:?} is no welcome") };
        Ok(Self {
            welcome,
            frames,
            inbound,
            leases: Vec::new(),
            cancelled: Vec::new(),
            paused: Vec::new(),
            settled: Vec::new(),
            extended: Vec::new(),
            drained: false,
            request_id: 0,
        })
    }

    /// The next job.
    pub async fn next(&mut self) -> Lease {
        while self.leases.is_empty() {
            self.hear("a job").await.expect("the stream goes on");
        }
        self.leases.remove(0)
    }

    /// The next jobs.
    pub async fn take(&mut self, count: usize) -> Vec<Lease> {
        let mut leases = Vec::new();
        while leases.len() < count {
            leases.push(self.next().await);
        }
        leases
    }

    /// Leases of jobs that are to be cancelled.
    pub async fn cancelled(&mut self) -> String {
        while self.cancelled.is_empty() {
            self.hear("a cancel").await.expect("the stream goes on");
        }
        self.cancelled.remove(0)
    }

    /// Leases of jobs that are to be paused.
    pub async fn paused(&mut self) -> String {
        while self.paused.is_empty() {
            self.hear("a pause").await.expect("the stream goes on");
        }
        self.paused.remove(0)
    }

    /// Waits until the node drains.
    pub async fn drained(&mut self) {
        while !self.drained {
            self.hear("a drain").await.expect("the stream goes on");
        }
    }

    /// How the stream ends.
    pub async fn end(&mut self) -> Result<(), Status> {
        loop {
            match self.hear("an end").await {
                Ok(()) => {}
                Err(None) => return Ok(()),
                Err(Some(status)) => return Err(status),
            }
        }
    }

    /// Hears one frame. An error is the end of the stream.
    async fn hear(&mut self, what: &str) -> Result<(), Option<Status>> {
        match within(what, self.inbound.message()).await.map_err(Some)?.ok_or(None)?.frame {
            Some(work_response::Frame::Leases(leases)) => self.leases.extend(leases.leases),
            Some(work_response::Frame::Cancel(cancel)) => self.cancelled.extend(cancel.tokens),
            Some(work_response::Frame::Pause(pause)) => self.paused.extend(pause.tokens),
            Some(work_response::Frame::Settled(settled)) => self.settled.push(settled),
            Some(work_response::Frame::Extended(extended)) => self.extended.push(extended),
            Some(work_response::Frame::Drain(_)) => self.drained = true,
            other => panic!("unexpected {other:?}"),
        }
        Ok(())
    }

    /// Settles a job, and hears what became of that.
    pub async fn settle(&mut self, token: &str, outcome: settlement::Outcome) -> LeaseOutcome {
        self.say_settled(token, outcome).await;
        while self.settled.is_empty() {
            self.hear("an answer").await.expect("the stream goes on");
        }
        let answer = self.settled.remove(0);
        assert_eq!(answer.request_id, self.request_id);
        answer.outcomes().next().expect("an outcome")
    }

    /// Settles a job, and does not wait for what becomes of that.
    pub async fn say_settled(&mut self, token: &str, outcome: settlement::Outcome) {
        self.request_id += 1;
        let items = vec![Settlement { token: token.to_owned(), outcome: Some(outcome) }];
        let request = v1::SettleRequest { request_id: self.request_id, items };
        say(&self.frames, work_request::Frame::Settle(request)).await;
    }

    /// Extends a lease, and hears what became of that.
    pub async fn extend(&mut self, extension: Extension) -> v1::ExtendResponse {
        self.request_id += 1;
        let request = v1::ExtendRequest { request_id: self.request_id, items: vec![extension] };
        say(&self.frames, work_request::Frame::Extend(request)).await;
        while self.extended.is_empty() {
            self.hear("an answer").await.expect("the stream goes on");
        }
        self.extended.remove(0)
    }

    /// It can have so many jobs from now on.
    pub async fn credit(&self, jobs: u32) {
        say(&self.frames, work_request::Frame::Credit(WorkerCredit { jobs, bytes: 0 })).await;
    }

    /// It takes no more jobs.
    pub async fn drain(&self) {
        say(&self.frames, work_request::Frame::Drain(v1::WorkerDrain::default())).await;
    }
}

async fn say(frames: &mpsc::Sender<WorkRequest>, frame: work_request::Frame) {
    frames.send(WorkRequest { frame: Some(frame) }).await.expect("the stream goes on");
}

fn signed<T>(message: T, token: Option<&str>) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(token) = token {
        let value = format!("Bearer {token}").parse().expect("a token is ASCII");
        request.metadata_mut().insert("authorization", value);
    }
    request
}
