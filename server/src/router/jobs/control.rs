//! What those may ask for who look after jobs and queues.

use std::time::SystemTime;

use futures_util::future::try_join_all;
use rialto_proto::v1::{self, JobState, RefusalCode};

use super::call::{Here, InPart};
use crate::{
    auth::{Identity, Right},
    base::{clock, limits::JOBS_PER_REQUEST_MAX, refusal::Refusal},
    hub,
    jobs::{Engine, Filter, Now, Seq},
    log::Position,
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
    /// Queues of a namespace in which the identity may enqueue or work, of all parts.
    pub async fn list_queues(
        &self,
        identity: &Identity,
        request: v1::ListQueuesRequest,
    ) -> Result<v1::ListQueuesResponse, Refusal> {
        let size = page_size(request.page_size)?;
        let pages = (0..self.parts.count()).map(|part| {
            let call = request.clone();
            self.call_queue(identity, InPart { part, call })
        });
        let pages = try_join_all(pages).await?;
        let mut more = pages.iter().any(|page| !page.next_page_token.is_empty());
        let mut queues: Vec<v1::Queue> = pages.into_iter().flat_map(|page| page.queues).collect();
        queues.sort_unstable_by(|one, other| one.queue.cmp(&other.queue));
        more |= queues.len() > size;
        queues.truncate(size);
        let next_page_token = queues.last().filter(|_| more).map(|queue| queue.queue.clone());
        Ok(v1::ListQueuesResponse { queues, next_page_token: next_page_token.unwrap_or_default() })
    }
}

impl Here<'_> {
    /// One job.
    pub(super) async fn get_job(self, request: v1::GetJobRequest) -> Result<v1::GetJobResponse, Refusal> {
        let (namespace, queue) = self.queue(&LOOK, (request.namespace, request.queue))?;
        job::job_id(&request.job_id)?;
        let shard = self.shard;
        // What is shown is durable.
        let (job, position) =
            shard.ask(|engine, _| (engine.job(&namespace, &queue, &request.job_id), engine.last()));
        shard.durable(position).await?;
        job.map(|job| v1::GetJobResponse { job: Some(job) })
    }

    /// Jobs of a queue, newest first.
    pub(super) async fn list_jobs(
        self,
        request: v1::ListJobsRequest,
    ) -> Result<v1::ListJobsResponse, Refusal> {
        let states = states(&request)?;
        let (namespace, queue) = self.queue(&LOOK, (request.namespace, request.queue))?;
        job::kind(&request.r#type)?;
        job::attributes(&request.attributes, &self.router.limits.session)?;
        let size = page_size(request.page_size)?;
        let before = match request.page_token.as_str() {
            "" => Seq(u64::MAX),
            text => Seq(text.parse().map_err(|_| Refusal::invalid("page_token", "is none"))?),
        };
        let (kind, attributes, batch_id) = (request.r#type, request.attributes, request.batch_id);
        let from_ms = ms("enqueued_from", request.enqueued_from)?.unwrap_or_default();
        let before_ms = ms("enqueued_before", request.enqueued_before)?;
        let filter = Filter { states, kind, attributes, batch_id, from_ms, before_ms };
        let shard = self.shard;
        let ((jobs, next), last) =
            shard.ask(|engine, _| (engine.list((&namespace, &queue), &filter, before, size), engine.last()));
        shard.durable(last).await?;
        let next_page_token = next.map(|next| next.0.to_string()).unwrap_or_default();
        Ok(v1::ListJobsResponse { jobs, next_page_token })
    }

    /// Ends a job that waits, and asks the worker of one that runs to end it.
    pub(super) async fn cancel_job(
        self,
        request: v1::CancelJobRequest,
    ) -> Result<v1::CancelJobResponse, Refusal> {
        let v1::CancelJobRequest { namespace, queue, job_id, reason } = request;
        job::reason(&reason)?;
        let cancel = |engine: &mut Engine, now: &Now<'_>, which: (&str, &str, &str)| {
            engine.cancel(now, which, &reason)
        };
        let job = self.changed((namespace, queue, job_id), cancel).await?;
        Ok(v1::CancelJobResponse { job: Some(job) })
    }

    /// Pauses a job that waits, and asks the worker of one that runs to give it back.
    pub(super) async fn pause_job(
        self,
        request: v1::PauseJobRequest,
    ) -> Result<v1::PauseJobResponse, Refusal> {
        let v1::PauseJobRequest { namespace, queue, job_id } = request;
        let job = self.changed((namespace, queue, job_id), Engine::pause_job).await?;
        Ok(v1::PauseJobResponse { job: Some(job) })
    }

    /// Has a paused job go on.
    pub(super) async fn resume_job(
        self,
        request: v1::ResumeJobRequest,
    ) -> Result<v1::ResumeJobResponse, Refusal> {
        let v1::ResumeJobRequest { namespace, queue, job_id } = request;
        let job = self.changed((namespace, queue, job_id), Engine::resume_job).await?;
        Ok(v1::ResumeJobResponse { job: Some(job) })
    }

    /// A job, after something was done with it.
    async fn changed(
        self,
        (namespace, queue, id): (String, String, String),
        change: impl FnOnce(&mut Engine, &Now<'_>, (&str, &str, &str)) -> Result<Option<Position>, Refusal>,
    ) -> Result<v1::Job, Refusal> {
        let (namespace, queue) = self.queue(&[Right::Enqueue, Right::Admin], (namespace, queue))?;
        job::job_id(&id)?;
        let (job, position) = self.shard.ask(|engine, now| {
            let position = change(engine, now, (&namespace, &queue, &id))?;
            Ok::<_, Refusal>((engine.job(&namespace, &queue, &id)?, position))
        })?;
        self.shard.durable(position).await?;
        Ok(v1::Job { body: None, ..job })
    }

    /// Gives dead jobs all their attempts again, and says how many.
    pub(super) async fn redrive_jobs(
        self,
        request: v1::RedriveJobsRequest,
    ) -> Result<v1::RedriveJobsResponse, Refusal> {
        let names = (request.namespace, request.queue);
        let (namespace, queue) = self.queue(&[Right::Work, Right::Admin], names)?;
        let (shard, mut redriven, mut position) = (self.shard, 0, None);
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
        Ok(v1::RedriveJobsResponse { redriven_count: redriven })
    }

    /// One queue.
    pub(super) async fn get_queue(
        self,
        request: v1::GetQueueRequest,
    ) -> Result<v1::GetQueueResponse, Refusal> {
        let (namespace, queue) = self.queue(&LOOK, (request.namespace, request.queue))?;
        let shown = self.shard.ask(|engine, _| engine.show_queue(&namespace, &queue))?;
        Ok(v1::GetQueueResponse { queue: Some(shown) })
    }

    /// Queues of a namespace in this part in which the identity may enqueue or work.
    pub(super) async fn list_queues(
        self,
        request: v1::ListQueuesRequest,
    ) -> Result<v1::ListQueuesResponse, Refusal> {
        let namespace = target::namespace(request.namespace)?.into_string();
        require(self.identity.may_enter(&namespace))?;
        self.router.hub.namespaces.settings(&namespace).ok_or_else(hub::unknown)?;
        let size = page_size(request.page_size)?;
        let all = self.shard.ask(|engine, _| engine.queues(&namespace));
        let seen = |queue: &v1::Queue| {
            LOOK.iter().any(|right| self.identity.may(*right, &namespace, Some(&queue.queue)))
        };
        let mut queues: Vec<v1::Queue> =
            all.into_iter().filter(|queue| queue.queue > request.page_token).filter(seen).collect();
        let more = queues.len() > size;
        queues.truncate(size);
        let next_page_token = queues.last().filter(|_| more).map(|queue| queue.queue.clone());
        Ok(v1::ListQueuesResponse { queues, next_page_token: next_page_token.unwrap_or_default() })
    }

    /// What holds in a queue from now on.
    pub(super) async fn set_queue(
        self,
        request: v1::SetQueueRequest,
    ) -> Result<v1::SetQueueResponse, Refusal> {
        let settings = request.settings.ok_or_else(|| Refusal::invalid("settings", "is missing"))?;
        job::settings(&settings)?;
        let queue = self.change_queue((request.namespace, request.queue), Some(settings), None).await?;
        Ok(v1::SetQueueResponse { queue: Some(queue) })
    }

    /// Begins no more jobs.
    pub(super) async fn pause_queue(
        self,
        request: v1::PauseQueueRequest,
    ) -> Result<v1::PauseQueueResponse, Refusal> {
        let queue = self.change_queue((request.namespace, request.queue), None, Some(true)).await?;
        Ok(v1::PauseQueueResponse { queue: Some(queue) })
    }

    /// Begins jobs again.
    pub(super) async fn resume_queue(
        self,
        request: v1::ResumeQueueRequest,
    ) -> Result<v1::ResumeQueueResponse, Refusal> {
        let queue = self.change_queue((request.namespace, request.queue), None, Some(false)).await?;
        Ok(v1::ResumeQueueResponse { queue: Some(queue) })
    }

    async fn change_queue(
        self,
        names: (String, String),
        settings: Option<v1::QueueSettings>,
        paused: Option<bool>,
    ) -> Result<v1::Queue, Refusal> {
        let (namespace, queue) = self.queue(&[Right::Admin], names)?;
        let (shown, position) = self.shard.ask(|engine, now| {
            let position = engine.set_queue(now, (&namespace, &queue), settings, paused)?;
            Ok::<_, Refusal>((engine.show_queue(&namespace, &queue)?, position))
        })?;
        self.shard.durable(Some(position)).await?;
        Ok(shown)
    }

    /// Cancels all jobs of a queue that wait or are delayed, and says how many.
    pub(super) async fn purge_queue(
        self,
        request: v1::PurgeQueueRequest,
    ) -> Result<v1::PurgeQueueResponse, Refusal> {
        let (namespace, queue) = self.queue(&[Right::Admin], (request.namespace, request.queue))?;
        let (shard, mut purged) = (self.shard, 0);
        loop {
            let names = (namespace.as_str(), queue.as_str());
            let (step, position) = shard.ask(|engine, now| engine.purge(now, names, STEP_MAX))?;
            shard.durable(position).await?;
            purged += step;
            if step < STEP_MAX {
                let cancelled_count = u32::try_from(purged).unwrap_or(u32::MAX);
                return Ok(v1::PurgeQueueResponse { cancelled_count });
            }
        }
    }
}

/// A time in milliseconds since 1970.
fn ms(field: &'static str, time: Option<prost_types::Timestamp>) -> Result<Option<u64>, Refusal> {
    let time =
        time.map(SystemTime::try_from).transpose().map_err(|_| Refusal::invalid(field, "is no time"))?;
    Ok(time.map(clock::unix_ms))
}

fn states(request: &v1::ListJobsRequest) -> Result<Vec<JobState>, Refusal> {
    let states: Vec<JobState> = request.states().collect();
    if states.contains(&JobState::Unspecified) || states.len() != request.states.len() || states.len() > 9 {
        let refusal = Refusal::new(RefusalCode::Invalid, "states holds what is no state, or one twice");
        return Err(Refusal { field: "states", ..refusal });
    }
    Ok(states)
}
