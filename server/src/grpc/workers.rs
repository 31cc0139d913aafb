//! `WorkerService`: one conversation a worker, and the same in single calls.

use std::sync::Arc;

use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use rialto_proto::v1::{
    ExtendRequest, ExtendResponse, LeaseRequest, LeaseResponse, Leases, RefusalCode, SettleRequest,
    SettleResponse, WorkRequest, WorkResponse, WorkerCancel, WorkerDrain, WorkerHello, WorkerPause,
    WorkerWelcome, work_request, work_response::Frame,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming, metadata::MetadataMap};

use super::{
    attach,
    messaging::{bearer, deadline, identity, within},
    services::worker_service_server::WorkerService,
    status,
};
use crate::{
    auth::Identity,
    base::refusal::Refusal,
    jobs::Wanted,
    router::{
        Router,
        jobs::working::{Word, Working},
    },
};

/// Frames that wait for a worker to read them.
const FRAMES_WAITING: usize = 16;
/// Settlements and extensions of one worker that wait for the log: beyond, nothing more is read of it.
const ANSWERS_MAX: usize = 64;

/// The service.
#[derive(Debug)]
pub struct Workers {
    router: Arc<Router>,
}

impl Workers {
    /// The service over a router.
    pub fn new(router: Arc<Router>) -> Self {
        Self { router }
    }

    fn refused(&self, refusal: Refusal) -> Status {
        status::refused(&self.router.count_refusal(refusal))
    }

    /// Who settles: also while the node stops, so that what was done is not done again.
    fn settler(&self, metadata: &MetadataMap) -> Result<Identity, Status> {
        let identity = self.router.identify(bearer(metadata).as_deref(), None);
        identity.map_err(|refusal| self.refused(refusal))
    }
}

#[tonic::async_trait]
impl WorkerService for Workers {
    type WorkStream = ReceiverStream<Result<WorkResponse, Status>>;

    async fn work(
        &self,
        request: Request<Streaming<WorkRequest>>,
    ) -> Result<Response<Self::WorkStream>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        let (frames, waiting) = mpsc::channel(FRAMES_WAITING);
        let router = Arc::clone(&self.router);
        self.router.spawn_worker(async move {
            let said = Said { router, identity, frames };
            if let Err(status) = said.converse(request.into_inner()).await {
                // Whoever is gone does not want to know.
                said.frames.send(Err(status)).await.ok();
            }
        });
        Ok(Response::new(ReceiverStream::new(waiting)))
    }

    async fn lease(&self, request: Request<LeaseRequest>) -> Result<Response<LeaseResponse>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        let deadline = deadline(request.metadata());
        let mut request = request.into_inner();
        // So that what is given has time to arrive.
        request.wait = within(request.wait, deadline.map(|deadline| deadline.mul_f32(0.8)));
        let leases = self.router.call_queue(&identity, request).await;
        leases.map(Response::new).map_err(|refusal| self.refused(refusal))
    }

    async fn settle(&self, request: Request<SettleRequest>) -> Result<Response<SettleResponse>, Status> {
        let identity = self.settler(request.metadata())?;
        let settled = self.router.settle(&identity, request.into_inner()).await;
        settled.map(Response::new).map_err(|refusal| self.refused(refusal))
    }

    async fn extend(&self, request: Request<ExtendRequest>) -> Result<Response<ExtendResponse>, Status> {
        let identity = self.settler(request.metadata())?;
        let extended = self.router.extend(&identity, request.into_inner()).await;
        extended.map(Response::new).map_err(|refusal| self.refused(refusal))
    }
}

/// One worker's conversation.
struct Said {
    router: Arc<Router>,
    identity: Identity,
    frames: mpsc::Sender<Result<WorkResponse, Status>>,
}

/// What becomes of what a worker has said, when it is durable.
enum Answer {
    Settled(Vec<String>, Result<SettleResponse, Refusal>),
    Extended(Vec<String>, Result<ExtendResponse, Refusal>),
}

type Answers = FuturesUnordered<BoxFuture<'static, Answer>>;

/// The conversation is over.
struct Over;

impl Said {
    async fn converse(&self, mut inbound: Streaming<WorkRequest>) -> Result<(), Status> {
        let hello = self.greeting(&mut inbound).await?;
        let begun = self.router.begin_work(&self.identity, hello).await;
        let (mut working, welcome, leases) = begun.map_err(|refusal| self.refused(refusal))?;
        let lapsed = Arc::clone(&self.router).lapsed(self.identity.clone());
        let stopping = self.router.tasks.stopping().clone();
        tokio::select! {
            biased;
            () = stopping.cancelled() => Err(self.refused(Refusal::draining())),
            refusal = lapsed => Err(self.refused(refusal)),
            () = self.frames.closed() => Ok(()),
            worked = self.work(&mut working, welcome, leases, &mut inbound) => worked,
        }
    }

    /// The first frame, within the time that a session has for it.
    async fn greeting(&self, inbound: &mut Streaming<WorkRequest>) -> Result<WorkerHello, Status> {
        let within = self.router.limits.session.hello_timeout;
        let late = || Refusal::new(RefusalCode::Deadline, "no hello within the time for it");
        let first = tokio::time::timeout(within, inbound.message()).await;
        match first.map_err(|_| self.refused(late()))?? {
            Some(WorkRequest { frame: Some(work_request::Frame::Hello(hello)) }) => Ok(hello),
            _ => Err(self.refused(Refusal::new(RefusalCode::OutOfOrder, "the first frame is not hello"))),
        }
    }

    async fn work(
        &self,
        working: &mut Working,
        welcome: WorkerWelcome,
        leases: Vec<rialto_proto::v1::Lease>,
        inbound: &mut Streaming<WorkRequest>,
    ) -> Result<(), Status> {
        if self.say(Frame::Welcome(welcome)).await.is_err() {
            return Ok(());
        }
        if !leases.is_empty() && self.say(Frame::Leases(Leases { leases })).await.is_err() {
            return Ok(());
        }
        let mut answers = Answers::new();
        let draining = self.router.tasks.draining().clone();
        let mut told = false;
        while !working.is_done() || !answers.is_empty() {
            tokio::select! {
                biased;
                () = draining.cancelled(), if !told => {
                    told = true;
                    working.drain();
                    let within = prost_types::Duration::try_from(self.router.stop_drain()).ok();
                    if self.say(Frame::Drain(WorkerDrain { within })).await.is_err() {
                        return Ok(());
                    }
                }
                Some(answer) = answers.next(), if !answers.is_empty() => {
                    if self.answer(working, answer).await?.is_err() {
                        return Ok(());
                    }
                }
                word = working.next() => if self.pass(word).await?.is_err() {
                    return Ok(());
                },
                message = inbound.message(), if answers.len() < ANSWERS_MAX => match message {
                    Ok(Some(request)) => {
                        self.hear(working, request, &answers)?;
                        // What it has settled makes room for more.
                        tokio::task::consume_budget().await;
                    }
                    // It settles no more by this stream.
                    Ok(None) => break,
                    Err(status) if attach::lost(&status) => return Ok(()),
                    // What cannot be read would not be the next time either.
                    Err(status) => return Err(status),
                },
            }
        }
        while let Some(answer) = answers.next().await {
            if self.answer(working, answer).await?.is_err() {
                break;
            }
        }
        Ok(())
    }

    fn hear(&self, working: &mut Working, request: WorkRequest, answers: &Answers) -> Result<(), Status> {
        match request.frame {
            Some(work_request::Frame::Credit(credit)) => {
                working.set_credit(Some(credit)).map_err(|refusal| self.refused(refusal))?;
            }
            Some(work_request::Frame::Settle(settle)) => {
                let tokens: Vec<String> = settle.items.iter().map(|item| item.token.clone()).collect();
                let (router, identity) = (Arc::clone(&self.router), self.identity.clone());
                answers.push(Box::pin(async move {
                    Answer::Settled(tokens, router.settle(&identity, settle).await)
                }));
            }
            Some(work_request::Frame::Extend(extend)) => {
                let tokens: Vec<String> = extend.items.iter().map(|item| item.token.clone()).collect();
                let (router, identity) = (Arc::clone(&self.router), self.identity.clone());
                answers.push(Box::pin(async move {
                    Answer::Extended(tokens, router.extend(&identity, extend).await)
                }));
            }
            Some(work_request::Frame::Drain(_)) => working.drain(),
            Some(work_request::Frame::Hello(_)) => {
                let refusal = Refusal::new(RefusalCode::OutOfOrder, "a second hello");
                return Err(self.refused(refusal));
            }
            // A frame of a later version says nothing to this one.
            None => {}
        }
        Ok(())
    }

    async fn answer(&self, working: &mut Working, answer: Answer) -> Result<Result<(), Over>, Status> {
        match answer {
            Answer::Settled(tokens, answer) => {
                let answer = answer.map_err(|refusal| self.refused(refusal))?;
                working.settled(&tokens, &answer);
                Ok(self.say(Frame::Settled(answer)).await)
            }
            Answer::Extended(tokens, answer) => {
                let answer = answer.map_err(|refusal| self.refused(refusal))?;
                working.lost(&tokens, &answer);
                Ok(self.say(Frame::Extended(answer)).await)
            }
        }
    }

    /// Passes on what comes for the worker.
    async fn pass(&self, word: Word) -> Result<Result<(), Over>, Status> {
        match word {
            Word::Leases(leases) => Ok(self.say(Frame::Leases(Leases { leases })).await),
            Word::Wanted(Wanted { cancelling, pausing }) => {
                let cancel =
                    (!cancelling.is_empty()).then_some(Frame::Cancel(WorkerCancel { tokens: cancelling }));
                let pause = (!pausing.is_empty()).then_some(Frame::Pause(WorkerPause { tokens: pausing }));
                for frame in cancel.into_iter().chain(pause) {
                    if let Err(over) = self.say(frame).await {
                        return Ok(Err(over));
                    }
                }
                Ok(Ok(()))
            }
            Word::Replaced => {
                let reason = "another stream of the same session has taken over";
                Err(self.refused(Refusal::new(RefusalCode::OutOfOrder, reason)))
            }
        }
    }

    async fn say(&self, frame: Frame) -> Result<(), Over> {
        self.frames.send(Ok(WorkResponse { frame: Some(frame) })).await.map_err(|_| Over)
    }

    fn refused(&self, refusal: Refusal) -> Status {
        status::refused(&self.router.count_refusal(refusal))
    }
}
