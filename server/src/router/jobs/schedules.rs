//! What those may ask for who have jobs put in again and again, or in batches.

use rialto_proto::v1;

use super::{control::LOOK, name_queues};
use crate::{
    auth::{Identity, Right},
    base::refusal::Refusal,
    router::Router,
    wire::{job, new_job},
};

/// Those who put jobs in, and those who look after all.
const PUT: [Right; 2] = [Right::Enqueue, Right::Admin];

impl Router {
    /// No more jobs are put into a batch.
    pub async fn close_batch(
        &self,
        identity: &Identity,
        request: v1::CloseBatchRequest,
    ) -> Result<v1::Job, Refusal> {
        let (namespace, queue) = self.queue(identity, &PUT, (request.namespace, request.queue))?;
        job::job_id(&request.batch_id)?;
        let (shard, id) = (self.shard()?, request.batch_id.as_str());
        let (job, position) = shard.ask(|engine, now| {
            let position = engine.close_batch(now, (&namespace, &queue, id))?;
            Ok::<_, Refusal>((engine.job(&namespace, &queue, id)?, position))
        })?;
        shard.durable(position).await?;
        Ok(v1::Job { body: None, ..job })
    }

    /// Makes or changes a schedule.
    pub async fn put_schedule(
        &self,
        identity: &Identity,
        request: v1::PutScheduleRequest,
    ) -> Result<v1::ScheduleStatus, Refusal> {
        let (namespace, queue) =
            self.queue(identity, &[Right::Enqueue], (request.namespace, request.queue))?;
        let mut schedule = request.schedule.ok_or_else(|| Refusal::invalid("schedule", "is missing"))?;
        if let Some(job) = &mut schedule.job {
            name_queues(job, &queue);
        }
        new_job::schedule(&schedule, &self.limits.session)?;
        schedule.job.iter().try_for_each(|job| self.may_put(identity, &namespace, job))?;
        let shard = self.shard()?;
        let (shown, position) =
            shard.ask(|engine, now| engine.put_schedule(now, (&namespace, &queue), schedule))?;
        shard.durable(Some(position)).await?;
        Ok(shown)
    }

    /// Ends a schedule.
    pub async fn delete_schedule(
        &self,
        identity: &Identity,
        request: v1::DeleteScheduleRequest,
    ) -> Result<(), Refusal> {
        let (namespace, queue) = self.queue(identity, &PUT, (request.namespace, request.queue))?;
        new_job::schedule_id(&request.schedule_id)?;
        let shard = self.shard()?;
        let id = request.schedule_id.as_str();
        let position = shard.ask(|engine, now| engine.delete_schedule(now, (&namespace, &queue), id))?;
        shard.durable(Some(position)).await
    }

    /// All schedules of a queue.
    pub async fn list_schedules(
        &self,
        identity: &Identity,
        request: v1::ListSchedulesRequest,
    ) -> Result<Vec<v1::ScheduleStatus>, Refusal> {
        let (namespace, queue) = self.queue(identity, &LOOK, (request.namespace, request.queue))?;
        let shard = self.shard()?;
        // What is shown is durable.
        let (schedules, last) = shard.ask(|engine, _| (engine.schedules(&namespace, &queue), engine.last()));
        shard.durable(last).await?;
        Ok(schedules)
    }
}
