//! `JobService`: each call thin over the router.

use std::{pin::Pin, sync::Arc};

use futures_util::{Stream, stream};
use rialto_proto::v1;
use tonic::{Request, Response, Status};

use super::{
    messaging::{deadline, identity},
    services::job_service_server::JobService,
    status,
};
use crate::{
    base::refusal::Refusal,
    router::{Router, jobs::looking::JobWatch},
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

    fn answer<T>(&self, outcome: Result<T, Refusal>) -> Result<Response<T>, Status> {
        outcome.map(Response::new).map_err(|refusal| status::refused(&self.router.count_refusal(refusal)))
    }
}

/// Jobs as they change.
type Watched = Pin<Box<dyn Stream<Item = Result<v1::WatchJobsResponse, Status>> + Send>>;

#[tonic::async_trait]
impl JobService for Jobs {
    type WatchJobsStream = Watched;

    async fn enqueue(
        &self,
        request: Request<v1::EnqueueRequest>,
    ) -> Result<Response<v1::EnqueueResponse>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        self.answer(self.router.enqueue(&identity, request.into_inner()).await)
    }

    async fn get_job(
        &self,
        request: Request<v1::GetJobRequest>,
    ) -> Result<Response<v1::GetJobResponse>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        let job = self.router.get_job(&identity, request.into_inner()).await;
        self.answer(job.map(|job| v1::GetJobResponse { job: Some(job) }))
    }

    async fn wait_job(
        &self,
        request: Request<v1::WaitJobRequest>,
    ) -> Result<Response<v1::WaitJobResponse>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        let deadline = deadline(request.metadata());
        let draining = self.router.tasks.draining().clone();
        let job = tokio::select! {
            job = self.router.wait_job(&identity, request.into_inner(), deadline) => job,
            () = draining.cancelled() => Err(Refusal::draining()),
        };
        self.answer(job.map(|job| v1::WaitJobResponse { job: Some(job) }))
    }

    async fn watch_jobs(&self, request: Request<v1::WatchJobsRequest>) -> Result<Response<Watched>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        let router = Arc::clone(&self.router);
        let watch = router.watch_jobs(&identity, request.into_inner());
        let watch = watch.map_err(|refusal| status::refused(&router.count_refusal(refusal)))?;
        let lapsed: Lapsed = Box::pin(Arc::clone(&router).lapsed(identity));
        let jobs = stream::unfold(Some((watch, lapsed)), move |state| next(Arc::clone(&router), state));
        Ok(Response::new(Box::pin(jobs)))
    }

    async fn list_jobs(
        &self,
        request: Request<v1::ListJobsRequest>,
    ) -> Result<Response<v1::ListJobsResponse>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        self.answer(self.router.list_jobs(&identity, request.into_inner()).await)
    }

    async fn cancel_job(
        &self,
        request: Request<v1::CancelJobRequest>,
    ) -> Result<Response<v1::CancelJobResponse>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        let job = self.router.cancel_job(&identity, request.into_inner()).await;
        self.answer(job.map(|job| v1::CancelJobResponse { job: Some(job) }))
    }

    async fn redrive_jobs(
        &self,
        request: Request<v1::RedriveJobsRequest>,
    ) -> Result<Response<v1::RedriveJobsResponse>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        let redriven = self.router.redrive_jobs(&identity, request.into_inner()).await;
        self.answer(redriven.map(|redriven_count| v1::RedriveJobsResponse { redriven_count }))
    }

    async fn get_queue(
        &self,
        request: Request<v1::GetQueueRequest>,
    ) -> Result<Response<v1::GetQueueResponse>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        let queue = self.router.get_queue(&identity, request.into_inner()).await;
        self.answer(queue.map(|queue| v1::GetQueueResponse { queue: Some(queue) }))
    }

    async fn list_queues(
        &self,
        request: Request<v1::ListQueuesRequest>,
    ) -> Result<Response<v1::ListQueuesResponse>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        self.answer(self.router.list_queues(&identity, request.into_inner()).await)
    }

    async fn set_queue(
        &self,
        request: Request<v1::SetQueueRequest>,
    ) -> Result<Response<v1::SetQueueResponse>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        let queue = self.router.set_queue(&identity, request.into_inner()).await;
        self.answer(queue.map(|queue| v1::SetQueueResponse { queue: Some(queue) }))
    }

    async fn pause_queue(
        &self,
        request: Request<v1::PauseQueueRequest>,
    ) -> Result<Response<v1::PauseQueueResponse>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        let v1::PauseQueueRequest { namespace, queue } = request.into_inner();
        let queue = self.router.pause_queue(&identity, (namespace, queue), true).await;
        self.answer(queue.map(|queue| v1::PauseQueueResponse { queue: Some(queue) }))
    }

    async fn resume_queue(
        &self,
        request: Request<v1::ResumeQueueRequest>,
    ) -> Result<Response<v1::ResumeQueueResponse>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        let v1::ResumeQueueRequest { namespace, queue } = request.into_inner();
        let queue = self.router.pause_queue(&identity, (namespace, queue), false).await;
        self.answer(queue.map(|queue| v1::ResumeQueueResponse { queue: Some(queue) }))
    }

    async fn close_batch(
        &self,
        request: Request<v1::CloseBatchRequest>,
    ) -> Result<Response<v1::CloseBatchResponse>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        let job = self.router.close_batch(&identity, request.into_inner()).await;
        self.answer(job.map(|job| v1::CloseBatchResponse { job: Some(job) }))
    }

    async fn put_schedule(
        &self,
        request: Request<v1::PutScheduleRequest>,
    ) -> Result<Response<v1::PutScheduleResponse>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        let schedule = self.router.put_schedule(&identity, request.into_inner()).await;
        self.answer(schedule.map(|schedule| v1::PutScheduleResponse { schedule: Some(schedule) }))
    }

    async fn delete_schedule(
        &self,
        request: Request<v1::DeleteScheduleRequest>,
    ) -> Result<Response<v1::DeleteScheduleResponse>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        let deleted = self.router.delete_schedule(&identity, request.into_inner()).await;
        self.answer(deleted.map(|()| v1::DeleteScheduleResponse {}))
    }

    async fn list_schedules(
        &self,
        request: Request<v1::ListSchedulesRequest>,
    ) -> Result<Response<v1::ListSchedulesResponse>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        let schedules = self.router.list_schedules(&identity, request.into_inner()).await;
        self.answer(schedules.map(|schedules| v1::ListSchedulesResponse { schedules }))
    }

    async fn purge_queue(
        &self,
        request: Request<v1::PurgeQueueRequest>,
    ) -> Result<Response<v1::PurgeQueueResponse>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        let cancelled = self.router.purge_queue(&identity, request.into_inner()).await;
        self.answer(cancelled.map(|cancelled_count| v1::PurgeQueueResponse { cancelled_count }))
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
        Ok(job) => Some((Ok(v1::WatchJobsResponse { job: Some(job) }), Some((watch, lapsed)))),
        Err(refusal) => Some((Err(status::refused(&router.count_refusal(refusal))), None)),
    }
}
