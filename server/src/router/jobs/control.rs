//! What those may ask for who look after jobs and queues.

use rialto_proto::v1::{self, JobState, RefusalCode};

use crate::{
    auth::{Identity, Right},
    base::{limits::JOBS_PER_REQUEST_MAX, refusal::Refusal},
    hub,
    jobs::{Filter, Seq},
    router::{
        Router,
        directory::{page_size, require},
    },
    wire::{job, target},
};

/// Those who hand over and those who work may look.
pub(super) const LOOK: [Right; 3] = [Right::Enqueue, Right::Work, Right::Admin];
/// Jobs that are redriven or purged in one step, so that nobody waits long meanwhile.
const STEP_MAX: usize = 1_000;

impl Router {
    /// One job.
    pub async fn get_job(&self, identity: &Identity, request: v1::GetJobRequest) -> Result<v1::Job, Refusal> {
        let (namespace, queue) = self.queue(identity, &LOOK, (request.namespace, request.queue))?;
        job::job_id(&request.job_id)?;
        let shard = self.shard()?;
        // What is shown is durable.
        let (job, position) =
            shard.ask(|engine, _| (engine.job(&namespace, &queue, &request.job_id), engine.last()));
        shard.durable(position).await?;
        job
    }

    /// Jobs of a queue, newest first.
    pub async fn list_jobs(
        &self,
        identity: &Identity,
        request: v1::ListJobsRequest,
    ) -> Result<v1::ListJobsResponse, Refusal> {
        let states = states(&request)?;
        let (namespace, queue) = self.queue(identity, &LOOK, (request.namespace, request.queue))?;
        job::kind(&request.r#type)?;
        job::attributes(&request.attributes, &self.limits.session)?;
        let size = page_size(request.page_size)?;
        let before = match request.page_token.as_str() {
            "" => Seq(u64::MAX),
            text => Seq(text.parse().map_err(|_| Refusal::invalid("page_token", "is none"))?),
        };
        let (kind, attributes, batch_id) = (request.r#type, request.attributes, request.batch_id);
        let filter = Filter { states, kind, attributes, batch_id };
        let shard = self.shard()?;
        let ((jobs, next), last) =
            shard.ask(|engine, _| (engine.list((&namespace, &queue), &filter, before, size), engine.last()));
        shard.durable(last).await?;
        let next_page_token = next.map(|next| next.0.to_string()).unwrap_or_default();
        Ok(v1::ListJobsResponse { jobs, next_page_token })
    }

    /// Ends a job that waits, and asks the worker of one that runs to end it.
    pub async fn cancel_job(
        &self,
        identity: &Identity,
        request: v1::CancelJobRequest,
    ) -> Result<v1::Job, Refusal> {
        let names = (request.namespace, request.queue);
        let (namespace, queue) = self.queue(identity, &[Right::Enqueue, Right::Admin], names)?;
        job::job_id(&request.job_id)?;
        job::reason(&request.reason)?;
        let shard = self.shard()?;
        let id = request.job_id.as_str();
        let (job, position) = shard.ask(|engine, now| {
            let position = engine.cancel(now, (&namespace, &queue, id), &request.reason)?;
            Ok::<_, Refusal>((engine.job(&namespace, &queue, id)?, position))
        })?;
        shard.durable(position).await?;
        Ok(v1::Job { body: None, ..job })
    }

    /// Gives dead jobs all their attempts again, and says how many.
    pub async fn redrive_jobs(
        &self,
        identity: &Identity,
        request: v1::RedriveJobsRequest,
    ) -> Result<u32, Refusal> {
        let names = (request.namespace, request.queue);
        let (namespace, queue) = self.queue(identity, &[Right::Work, Right::Admin], names)?;
        let (shard, mut redriven, mut position) = (self.shard()?, 0, None);
        if request.job_ids.len() > JOBS_PER_REQUEST_MAX {
            let what = format_args!("has more than {JOBS_PER_REQUEST_MAX} entries");
            return Err(Refusal::invalid("job_ids", what));
        }
        let all = request.job_ids.is_empty();
        let mut ids = request.job_ids;
        loop {
            if all {
                ids = shard.ask(|engine, _| engine.dead(&namespace, &queue, STEP_MAX));
            }
            let before = redriven;
            for id in ids.drain(..) {
                let moved = shard.ask(|engine, now| engine.redrive(now, (&namespace, &queue), &id))?;
                redriven += u32::from(moved.is_some());
                position = position.max(moved);
            }
            // Those that stay have a unique key that another job has.
            if !all || redriven == before {
                break;
            }
        }
        shard.durable(position).await?;
        Ok(redriven)
    }

    /// One queue.
    pub async fn get_queue(
        &self,
        identity: &Identity,
        request: v1::GetQueueRequest,
    ) -> Result<v1::Queue, Refusal> {
        let (namespace, queue) = self.queue(identity, &LOOK, (request.namespace, request.queue))?;
        self.shard()?.ask(|engine, _| engine.show_queue(&namespace, &queue))
    }

    /// Queues of a namespace in which the identity may enqueue or work.
    pub async fn list_queues(
        &self,
        identity: &Identity,
        request: v1::ListQueuesRequest,
    ) -> Result<v1::ListQueuesResponse, Refusal> {
        let namespace = target::namespace(request.namespace)?.into_string();
        require(identity.may_enter(&namespace))?;
        self.hub.namespaces.settings(&namespace).ok_or_else(hub::unknown)?;
        let size = page_size(request.page_size)?;
        let all = self.shard()?.ask(|engine, _| engine.queues(&namespace));
        let seen =
            |queue: &v1::Queue| LOOK.iter().any(|right| identity.may(*right, &namespace, Some(&queue.queue)));
        let mut queues: Vec<v1::Queue> =
            all.into_iter().filter(|queue| queue.queue > request.page_token).filter(seen).collect();
        let more = queues.len() > size;
        queues.truncate(size);
        let next_page_token = queues.last().filter(|_| more).map(|queue| queue.queue.clone());
        Ok(v1::ListQueuesResponse { queues, next_page_token: next_page_token.unwrap_or_default() })
    }

    /// What holds in a queue from now on.
    pub async fn set_queue(
        &self,
        identity: &Identity,
        request: v1::SetQueueRequest,
    ) -> Result<v1::Queue, Refusal> {
        let settings = request.settings.ok_or_else(|| Refusal::invalid("settings", "is missing"))?;
        job::settings(&settings)?;
        self.change_queue(identity, (request.namespace, request.queue), Some(settings), None).await
    }

    /// Begins no more jobs, or begins jobs again.
    pub async fn pause_queue(
        &self,
        identity: &Identity,
        names: (String, String),
        paused: bool,
    ) -> Result<v1::Queue, Refusal> {
        self.change_queue(identity, names, None, Some(paused)).await
    }

    async fn change_queue(
        &self,
        identity: &Identity,
        names: (String, String),
        settings: Option<v1::QueueSettings>,
        paused: Option<bool>,
    ) -> Result<v1::Queue, Refusal> {
        let (namespace, queue) = self.queue(identity, &[Right::Admin], names)?;
        let shard = self.shard()?;
        let (shown, position) = shard.ask(|engine, now| {
            let position = engine.set_queue(now, (&namespace, &queue), settings, paused)?;
            Ok::<_, Refusal>((engine.show_queue(&namespace, &queue)?, position))
        })?;
        shard.durable(Some(position)).await?;
        Ok(shown)
    }

    /// Cancels all jobs of a queue that wait or are delayed, and says how many.
    pub async fn purge_queue(
        &self,
        identity: &Identity,
        request: v1::PurgeQueueRequest,
    ) -> Result<u32, Refusal> {
        let (namespace, queue) = self.queue(identity, &[Right::Admin], (request.namespace, request.queue))?;
        let (shard, mut purged) = (self.shard()?, 0);
        loop {
            let names = (namespace.as_str(), queue.as_str());
            let (step, position) = shard.ask(|engine, now| engine.purge(now, names, STEP_MAX))?;
            shard.durable(position).await?;
            purged += step;
            if step < STEP_MAX {
                return Ok(u32::try_from(purged).unwrap_or(u32::MAX));
            }
        }
    }
}

fn states(request: &v1::ListJobsRequest) -> Result<Vec<JobState>, Refusal> {
    let states: Vec<JobState> = request.states().collect();
    if states.contains(&JobState::Unspecified) || states.len() != request.states.len() || states.len() > 9 {
        let refusal = Refusal::new(RefusalCode::Invalid, "states holds what is no state, or one twice");
        return Err(Refusal { field: "states", ..refusal });
    }
    Ok(states)
}
