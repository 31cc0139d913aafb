//! Jobs that are to be put in, checked, at once or by a schedule. Behind this nobody checks them again.

use rialto_proto::v1::{NewJob, Schedule, job_body::Body, new_job::Start};

use super::{
    content,
    job::{body, bounded, job_id, key, kind, retry},
    target,
};
use crate::base::{
    cron::{Times, TimesError},
    ids::check_name,
    limits::{
        CRON_BYTES_MAX, JOB_BYTES_MAX, JOB_CHAIN_MAX, JOB_DELAY_MAX, JOB_NOTIFY_MAX, JOB_PRIORITIES,
        JOB_WEIGHT_MAX, NAME_BYTES_MAX, SCHEDULE_NAME_BYTES_MAX, SessionLimits,
    },
    refusal::Refusal,
};

/// A job to be put into a queue.
pub fn new_job(job: &NewJob, limits: &SessionLimits) -> Result<(), Refusal> {
    if !job.job_id.is_empty() {
        job_id(&job.job_id)?;
    }
    kind(&job.r#type)?;
    match &job.body {
        Some(uploaded) if has_upload(job) => content::content_type("body", &uploaded.content_type)?,
        inline => body("body", inline.as_ref(), JOB_BYTES_MAX)?,
    }
    content::pairs("attributes", &job.attributes, limits)?;
    if !JOB_PRIORITIES.contains(&job.priority) {
        let (first, last) = (JOB_PRIORITIES.start(), JOB_PRIORITIES.end());
        return Err(Refusal::invalid("priority", format_args!("is not between {first} and {last}")));
    }
    key("fairness_key", &job.fairness_key)?;
    key("ordering_key", &job.ordering_key)?;
    key("unique_key", &job.unique_key)?;
    if job.fairness_weight > JOB_WEIGHT_MAX {
        return Err(Refusal::invalid("fairness_weight", format_args!("is more than {JOB_WEIGHT_MAX}")));
    }
    match &job.start {
        Some(Start::Delay(delay)) => drop(bounded("delay", Some(*delay), JOB_DELAY_MAX)?),
        Some(Start::RunAt(at)) => {
            let since = prost_types::Duration { seconds: at.seconds, nanos: at.nanos };
            content::duration("run_at", since)?;
        }
        None => {}
    }
    bounded("ttl", job.ttl, JOB_DELAY_MAX)?;
    retry(job.retry.as_ref())?;
    notify(job)?;
    batch(job)?;
    chain(job, limits)
}

/// A job says of one batch at most that it is its own, or that it completes it.
fn batch(job: &NewJob) -> Result<(), Refusal> {
    if !job.batch_id.is_empty() {
        check_name(&job.batch_id, NAME_BYTES_MAX).map_err(|error| Refusal::name("batch_id", error))?;
    }
    if job.completes_batch && job.job_id.is_empty() {
        return Err(Refusal::invalid("job_id", "is missing: it is the name of the batch"));
    }
    if job.completes_batch && job.start.is_some() {
        return Err(Refusal::invalid("start", "is given for a job that begins when its batch is complete"));
    }
    if job.completes_batch && job.batch_id == job.job_id {
        return Err(Refusal::invalid("batch_id", "is the batch that the job itself completes"));
    }
    Ok(())
}

fn chain(job: &NewJob, limits: &SessionLimits) -> Result<(), Refusal> {
    if job.previous_result.is_some() {
        return Err(Refusal::invalid("previous_result", "is not to be given"));
    }
    if job.chain.len() > JOB_CHAIN_MAX {
        return Err(Refusal::invalid("chain", format_args!("has more than {JOB_CHAIN_MAX} entries")));
    }
    if !job.chain.is_empty() && !job.batch_id.is_empty() {
        return Err(Refusal::invalid("chain", "is given for a job of a batch"));
    }
    for next in &job.chain {
        if !next.queue.is_empty() {
            target::room("chain.queue", next.queue.clone())?;
        }
        let Some(next) = &next.job else { return Err(Refusal::invalid("chain.job", "is missing")) };
        if !next.chain.is_empty() || !next.batch_id.is_empty() || next.completes_batch {
            return Err(Refusal::invalid("chain.job", "has a chain or a batch of its own"));
        }
        if has_upload(next) {
            return Err(Refusal::invalid("chain.job", "names an upload"));
        }
        new_job(next, limits)?;
    }
    Ok(())
}

/// A schedule.
pub fn schedule(schedule: &Schedule, limits: &SessionLimits) -> Result<(), Refusal> {
    schedule_id(&schedule.schedule_id)?;
    for (field, text) in [("cron", &schedule.cron), ("time_zone", &schedule.time_zone)] {
        if text.len() > CRON_BYTES_MAX {
            return Err(Refusal::invalid(field, format_args!("is longer than {CRON_BYTES_MAX} bytes")));
        }
    }
    Times::parse(&schedule.cron, &schedule.time_zone).map_err(|error| match error {
        TimesError::Cron(_) => Refusal::invalid("cron", error),
        TimesError::Zone => Refusal::invalid("time_zone", error),
    })?;
    let Some(job) = &schedule.job else { return Err(Refusal::invalid("job", "is missing")) };
    if !job.job_id.is_empty() {
        return Err(Refusal::invalid("job.job_id", "is given; it follows from the schedule and the time"));
    }
    if job.start.is_some() || job.completes_batch || !job.batch_id.is_empty() {
        return Err(Refusal::invalid("job", "has a start or a batch"));
    }
    if has_upload(job) {
        return Err(Refusal::invalid("job", "names an upload"));
    }
    new_job(job, limits)
}

/// Whether the payload of a job was uploaded by itself. Whether it is there is seen where uploads are.
fn has_upload(job: &NewJob) -> bool {
    let body = job.body.as_ref().and_then(|body| body.body.as_ref());
    matches!(body, Some(Body::Uploaded(_)))
}

/// The name of a schedule.
pub fn schedule_id(id: &str) -> Result<(), Refusal> {
    check_name(id, SCHEDULE_NAME_BYTES_MAX).map_err(|error| Refusal::name("schedule_id", error))
}

fn notify(job: &NewJob) -> Result<(), Refusal> {
    if job.notify.len() > JOB_NOTIFY_MAX {
        return Err(Refusal::invalid("notify", format_args!("has more than {JOB_NOTIFY_MAX} entries")));
    }
    for notify in &job.notify {
        if !notify.namespace.is_empty() {
            target::namespace(notify.namespace.clone())?;
        }
        target::room("notify.room", notify.room.clone())?;
        if notify.states.len() > JOB_STATES || notify.states().any(|state| state as i32 == 0) {
            return Err(Refusal::invalid("notify.states", "holds what is no state, or one twice"));
        }
    }
    Ok(())
}

/// So many states a job can be in.
const JOB_STATES: usize = 10;
