//! What a producer calls and the stream of a worker, as thin as they can be.

use rialto_proto::v1::{
    EnqueueRequest, JobBody, JobCompleted, Lease, LeaseOutcome, NewJob, SettleRequest, Settlement,
    WorkRequest, WorkerCredit, WorkerHello, WorkerSubscription, enqueue_outcome::Outcome, job_body::Body,
    job_service_client::JobServiceClient, settlement, work_request, work_response,
    worker_service_client::WorkerServiceClient,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;

use crate::Failure;

/// Bytes of one job.
pub(super) const PAYLOAD_BYTES: usize = 256;
/// The namespace of all queues here.
pub(super) const NAMESPACE: &str = "bench";

/// A job like all others.
pub(super) fn job() -> NewJob {
    let body = JobBody { body: Some(Body::Text("x".repeat(PAYLOAD_BYTES))), ..JobBody::default() };
    NewJob { body: Some(body), ..NewJob::default() }
}

/// Hands jobs over in one request; returns once they are durable.
pub(super) async fn enqueue(
    service: &mut JobServiceClient<Channel>,
    queue: &str,
    jobs: Vec<NewJob>,
) -> Result<(), Failure> {
    let request = EnqueueRequest { namespace: NAMESPACE.to_owned(), queue: queue.to_owned(), jobs };
    let response = service.enqueue(request).await?.into_inner();
    let taken = |outcome: &Option<Outcome>| matches!(outcome, Some(Outcome::Enqueued(_)));
    match response.outcomes.iter().find(|one| !taken(&one.outcome)) {
        Some(other) => Err(format!("a job was not taken: {other:?}").into()),
        None => Ok(()),
    }
}

/// A worker's stream.
pub(super) struct Stream {
    frames: mpsc::Sender<WorkRequest>,
    inbound: tonic::Streaming<rialto_proto::v1::WorkResponse>,
}

/// What a worker hears.
pub(super) enum Heard {
    /// Jobs for it.
    Leases(Vec<Lease>),
    /// So many are settled.
    Settled(usize),
}

impl Stream {
    /// Opens one for the jobs of a queue, of which it takes so many at once.
    pub(super) async fn open(channel: Channel, queue: &str, credit: u32) -> Result<Self, Failure> {
        let (frames, waiting) = mpsc::channel(64);
        let subscription = WorkerSubscription {
            namespace: NAMESPACE.to_owned(),
            queue: queue.to_owned(),
            ..WorkerSubscription::default()
        };
        let hello = WorkerHello {
            worker_id: "bench".to_owned(),
            subscriptions: vec![subscription],
            credit: Some(WorkerCredit { jobs: credit, bytes: 0 }),
            ..WorkerHello::default()
        };
        frames.send(WorkRequest { frame: Some(work_request::Frame::Hello(hello)) }).await?;
        let mut service = WorkerServiceClient::new(channel);
        let inbound = service.work(ReceiverStream::new(waiting)).await?.into_inner();
        Ok(Self { frames, inbound })
    }

    /// What comes next.
    ///
    /// *Cancel safety*: nothing is lost.
    pub(super) async fn hear(&mut self) -> Result<Heard, Failure> {
        loop {
            let message = self.inbound.message().await?.ok_or("the stream has ended")?;
            match message.frame {
                Some(work_response::Frame::Leases(leases)) => return Ok(Heard::Leases(leases.leases)),
                Some(work_response::Frame::Settled(settled)) => {
                    if settled.outcomes().any(|outcome| outcome != LeaseOutcome::Ok) {
                        return Err("a job was not settled".into());
                    }
                    return Ok(Heard::Settled(settled.outcomes.len()));
                }
                _ => {}
            }
        }
    }

    /// Says that jobs are done.
    pub(super) async fn settle(&self, tokens: impl IntoIterator<Item = String>) -> Result<(), Failure> {
        let completed = || Some(settlement::Outcome::Completed(JobCompleted::default()));
        let items: Vec<_> =
            tokens.into_iter().map(|token| Settlement { token, outcome: completed() }).collect();
        let settle = SettleRequest { request_id: 0, items };
        self.frames.send(WorkRequest { frame: Some(work_request::Frame::Settle(settle)) }).await?;
        Ok(())
    }
}
