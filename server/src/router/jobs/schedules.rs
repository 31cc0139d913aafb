//! What those may ask for who have jobs put in again and again, or in batches.

use rialto_proto::v1;

use super::{call::Here, control::LOOK, name_queues};
use crate::{
    auth::Right,
    base::refusal::Refusal,
    wire::{job, new_job},
};

/// Those who put jobs in, and those who look after all.
const PUT: [Right; 2] = [Right::Enqueue, Right::Admin];

impl Here<'_> {
    /// No more jobs are put into a batch.
    pub(super) async fn close_batch(
        self,
        request: v1::CloseBatchRequest,
    ) -> Result<v1::CloseBatchResponse, Refusal> {
        let (namespace, queue) = self.queue(&PUT, (request.namespace, request.queue))?;
        job::job_id(&request.batch_id)?;
        let (shard, id) = (self.shard, request.batch_id.as_str());
        let (job, position) = shard.ask(|engine, now| {
            let position = engine.close_batch(now, (&namespace, &queue, id))?;
            Ok::<_, Refusal>((engine.job(&namespace, &queue, id)?, position))
        })?;
        shard.durable(position).await?;
        Ok(v1::CloseBatchResponse { job: Some(v1::Job { body: None, ..job }) })
    }

    /// Makes or changes a schedule.
    pub(super) async fn put_schedule(
        self,
        request: v1::PutScheduleRequest,
    ) -> Result<v1::PutScheduleResponse, Refusal> {
        let (namespace, queue) = self.queue(&[Right::Enqueue], (request.namespace, request.queue))?;
        let mut schedule = request.schedule.ok_or_else(|| Refusal::invalid("schedule", "is missing"))?;
        if let Some(job) = &mut schedule.job {
            name_queues(job, &queue);
        }
        new_job::schedule(&schedule, &self.router.limits.session)?;
        schedule.job.iter().try_for_each(|job| self.may_put(&namespace, job))?;
        let shard = self.shard;
        let (shown, position) =
            shard.ask(|engine, now| engine.put_schedule(now, (&namespace, &queue), schedule))?;
        shard.durable(Some(position)).await?;
        Ok(v1::PutScheduleResponse { schedule: Some(shown) })
    }

    /// Ends a schedule.
    pub(super) async fn delete_schedule(
        self,
        request: v1::DeleteScheduleRequest,
    ) -> Result<v1::DeleteScheduleResponse, Refusal> {
        let (namespace, queue) = self.queue(&PUT, (request.namespace, request.queue))?;
        new_job::schedule_id(&request.schedule_id)?;
        let shard = self.shard;
        let id = request.schedule_id.as_str();
        let position = shard.ask(|engine, now| engine.delete_schedule(now, (&namespace, &queue), id))?;
        shard.durable(Some(position)).await?;
        Ok(v1::DeleteScheduleResponse {})
    }

    /// All schedules of a queue.
    pub(super) async fn list_schedules(
        self,
        request: v1::ListSchedulesRequest,
    ) -> Result<v1::ListSchedulesResponse, Refusal> {
        let (namespace, queue) = self.queue(&LOOK, (request.namespace, request.queue))?;
        let shard = self.shard;
        // What is shown is durable.
        let (schedules, last) = shard.ask(|engine, _| (engine.schedules(&namespace, &queue), engine.last()));
        shard.durable(last).await?;
        Ok(v1::ListSchedulesResponse { schedules })
    }
}
