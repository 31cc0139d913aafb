//! `JobService`: each call thin over the router.

use std::{pin::Pin, sync::Arc};

use futures_util::{Stream, stream};
use rialto_proto::v1;
use tonic::{Request, Response, Status};

use super::{
    messaging::{deadline, identity, within},
    services::job_service_server::JobService,
    status,
};
use crate::{
    base::{limits::JOB_WAIT_DEFAULT, refusal::Refusal},
    router::{
        Router,
        jobs::{call::QueueCall, uploading::PayloadReader, watching::JobWatch},
    },
};

/// The service.
#[derive(Debug)]
pub struct Jobs {
    router: Arc<Router>,
}

impl Jobs {
    /// The service over a router.
    pub fn new(router: Arc<Router>) -> Self {
        Self { router }
    }

    /// Has whoever keeps the queue carry it out.
    async fn call<C: QueueCall>(&self, request: Request<C>) -> Result<Response<C::Answer>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        self.answer(self.router.call_queue(&identity, request.into_inner()).await)
    }

    fn answer<T>(&self, outcome: Result<T, Refusal>) -> Result<Response<T>, Status> {
        outcome.map(Response::new).map_err(|refusal| status::refused(&self.router.count_refusal(refusal)))
    }
}

/// A payload, piece by piece.
type Read = Pin<Box<dyn Stream<Item = Result<v1::ReadPayloadResponse, Status>> + Send>>;
/// Jobs as they change.
type Watched = Pin<Box<dyn Stream<Item = Result<v1::WatchJobsResponse, Status>> + Send>>;

#[tonic::async_trait]
impl JobService for Jobs {
    type WatchJobsStream = Watched;
    type ReadPayloadStream = Read;

    async fn begin_upload(
        &self,
        request: Request<v1::BeginUploadRequest>,
    ) -> Result<Response<v1::BeginUploadResponse>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        self.answer(self.router.begin_upload(&identity, request.into_inner()))
    }

    async fn upload_chunk(
        &self,
        request: Request<v1::UploadChunkRequest>,
    ) -> Result<Response<v1::UploadChunkResponse>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        self.answer(self.router.upload_chunk(&identity, request.into_inner()).await)
    }

    async fn read_payload(&self, request: Request<v1::ReadPayloadRequest>) -> Result<Response<Read>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        let router = Arc::clone(&self.router);
        let lapsed: Lapsed = Box::pin(Arc::clone(&router).lapsed(identity.clone()));
        let reader = router.read_payload(&identity, request.into_inner()).await;
        let reader = reader.map_err(|refusal| status::refused(&router.count_refusal(refusal)))?;
        let chunks =
            stream::unfold(Some((reader, lapsed)), move |state| next_chunk(Arc::clone(&router), state));
        Ok(Response::new(Box::pin(chunks)))
    }

    async fn enqueue(
        &self,
        request: Request<v1::EnqueueRequest>,
    ) -> Result<Response<v1::EnqueueResponse>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        self.answer(self.router.enqueue(&identity, request.into_inner()).await)
    }

    async fn wait_job(
        &self,
        request: Request<v1::WaitJobRequest>,
    ) -> Result<Response<v1::WaitJobResponse>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        let deadline = deadline(request.metadata());
        let mut request = request.into_inner();
        let default = prost_types::Duration::try_from(JOB_WAIT_DEFAULT).ok();
        // So that there is time for the answer.
        request.timeout = within(request.timeout.or(default), deadline.map(|deadline| deadline.mul_f32(0.9)));
        let draining = self.router.tasks.draining().clone();
        self.answer(tokio::select! {
            job = self.router.call_queue(&identity, request) => job,
            () = draining.cancelled() => Err(Refusal::draining()),
        })
    }

    async fn watch_jobs(&self, request: Request<v1::WatchJobsRequest>) -> Result<Response<Watched>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        let router = Arc::clone(&self.router);
        let lapsed: Lapsed = Box::pin(Arc::clone(&router).lapsed(identity.clone()));
        let watch = router.watch_jobs(identity, request.into_inner()).await;
        let watch = watch.map_err(|refusal| status::refused(&router.count_refusal(refusal)))?;
        let jobs = stream::unfold(Some((watch, lapsed)), move |state| next(Arc::clone(&router), state));
        Ok(Response::new(Box::pin(jobs)))
    }

    async fn list_queues(
        &self,
        request: Request<v1::ListQueuesRequest>,
    ) -> Result<Response<v1::ListQueuesResponse>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        self.answer(self.router.list_queues(&identity, request.into_inner()).await)
    }

    async fn get_job(
        &self,
        request: Request<v1::GetJobRequest>,
    ) -> Result<Response<v1::GetJobResponse>, Status> {
        self.call(request).await
    }

    async fn list_jobs(
        &self,
        request: Request<v1::ListJobsRequest>,
    ) -> Result<Response<v1::ListJobsResponse>, Status> {
        self.call(request).await
    }

    async fn cancel_job(
        &self,
        request: Request<v1::CancelJobRequest>,
    ) -> Result<Response<v1::CancelJobResponse>, Status> {
        self.call(request).await
    }

    async fn pause_job(
        &self,
        request: Request<v1::PauseJobRequest>,
    ) -> Result<Response<v1::PauseJobResponse>, Status> {
        self.call(request).await
    }

    async fn resume_job(
        &self,
        request: Request<v1::ResumeJobRequest>,
    ) -> Result<Response<v1::ResumeJobResponse>, Status> {
        self.call(request).await
    }

    async fn redrive_jobs(
        &self,
        request: Request<v1::RedriveJobsRequest>,
    ) -> Result<Response<v1::RedriveJobsResponse>, Status> {
        self.call(request).await
    }

    async fn get_queue(
        &self,
        request: Request<v1::GetQueueRequest>,
    ) -> Result<Response<v1::GetQueueResponse>, Status> {
        self.call(request).await
    }

    async fn set_queue(
        &self,
        request: Request<v1::SetQueueRequest>,
    ) -> Result<Response<v1::SetQueueResponse>, Status> {
        self.call(request).await
    }

    async fn pause_queue(
        &self,
        request: Request<v1::PauseQueueRequest>,
    ) -> Result<Response<v1::PauseQueueResponse>, Status> {
        self.call(request).await
    }

    async fn resume_queue(
        &self,
        request: Request<v1::ResumeQueueRequest>,
    ) -> Result<Response<v1::ResumeQueueResponse>, Status> {
        self.call(request).await
    }

    async fn close_batch(
        &self,
        request: Request<v1::CloseBatchRequest>,
    ) -> Result<Response<v1::CloseBatchResponse>, Status> {
        self.call(request).await
    }

    async fn put_schedule(
        &self,
        request: Request<v1::PutScheduleRequest>,
    ) -> Result<Response<v1::PutScheduleResponse>, Status> {
        self.call(request).await
    }

    async fn delete_schedule(
        &self,
        request: Request<v1::DeleteScheduleRequest>,
    ) -> Result<Response<v1::DeleteScheduleResponse>, Status> {
        self.call(request).await
    }

    async fn list_schedules(
        &self,
        request: Request<v1::ListSchedulesRequest>,
    ) -> Result<Response<v1::ListSchedulesResponse>, Status> {
        self.call(request).await
    }

    async fn purge_queue(
        &self,
        request: Request<v1::PurgeQueueRequest>,
    ) -> Result<Response<v1::PurgeQueueResponse>, Status> {
        self.call(request).await
    }
}

/// A watch, and what ends it before its time.
type Watching = (JobWatch, Lapsed);
type Lapsed = Pin<Box<dyn Future<Output = Refusal> + Send>>;

/// The next job of a watch; the last thing it says is why it ends.
async fn next(
    router: Arc<Router>,
    state: Option<Watching>,
) -> Option<(Result<v1::WatchJobsResponse, Status>, Option<Watching>)> {
    let (mut watch, mut lapsed) = state?;
    let job = tokio::select! {
        biased;
        refusal = &mut lapsed => Err(refusal),
        () = router.tasks.draining().cancelled() => Err(Refusal::draining()),
        job = watch.next() => job,
    };
    match job {
        Ok(response) => Some((Ok(response), Some((watch, lapsed)))),
        Err(refusal) => Some((Err(status::refused(&router.count_refusal(refusal))), None)),
    }
}

/// A payload that is read, and what ends that before its time.
type Reading = (PayloadReader, Lapsed);

/// The next bytes of a payload; the last thing said is why it ends before its end.
async fn next_chunk(
    router: Arc<Router>,
    state: Option<Reading>,
) -> Option<(Result<v1::ReadPayloadResponse, Status>, Option<Reading>)> {
    let (mut reader, mut lapsed) = state?;
    let data = tokio::select! {
        biased;
        refusal = &mut lapsed => Err(refusal),
        () = router.tasks.draining().cancelled() => Err(Refusal::draining()),
        data = reader.next() => data,
    };
    match data {
        Ok(data) => Some((Ok(v1::ReadPayloadResponse { data: data? }), Some((reader, lapsed)))),
        Err(refusal) => Some((Err(status::refused(&router.count_refusal(refusal))), None)),
    }
}
