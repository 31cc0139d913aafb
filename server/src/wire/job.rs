//! Jobs, checked: names, sizes, times, policies. Behind this nobody checks them again.

use std::{collections::BTreeMap, time::Duration};

use rialto_proto::v1::{
    Extension, JobBody, JobError, JobProgress, QueueSettings, RefusalCode, RetryPolicy, Settlement,
    job_body::Body, settlement::Outcome,
};

use super::{content, target};
use crate::base::{
    ids::check_name,
    limits::{
        EVENT_NAME_BYTES_MAX, JOB_ATTEMPTS_MAX, JOB_CHECKPOINT_BYTES_MAX, JOB_DELAY_MAX, JOB_ERROR_BYTES_MAX,
        JOB_PROGRESS_BYTES_MAX, JOB_RESULT_BYTES_MAX, JOB_RETRY_MAX, KEY_BYTES_MAX, LEASE_DEFAULT, LEASE_MAX,
        LEASE_MIN, NAME_BYTES_MAX, SessionLimits,
    },
    refusal::Refusal,
};

/// A namespace and a queue in it.
pub fn queue(namespace: String, queue: String) -> Result<(String, String), Refusal> {
    Ok((target::namespace(namespace)?.into_string(), target::room("queue", queue)?.into_string()))
}

/// The name of a job.
pub fn job_id(id: &str) -> Result<(), Refusal> {
    check_name(id, NAME_BYTES_MAX).map_err(|error| Refusal::name("job_id", error))
}

/// What kind of job it is.
pub fn kind(kind: &str) -> Result<(), Refusal> {
    if kind.is_empty() {
        return Ok(());
    }
    check_name(kind, EVENT_NAME_BYTES_MAX).map_err(|error| Refusal::name("type", error))
}

/// Attributes by which jobs are looked for.
pub fn attributes(pairs: &BTreeMap<String, String>, limits: &SessionLimits) -> Result<(), Refusal> {
    content::pairs("attributes", pairs, limits)
}

pub(super) fn key(field: &'static str, key: &str) -> Result<(), Refusal> {
    if key.is_empty() {
        return Ok(());
    }
    check_name(key, KEY_BYTES_MAX).map_err(|error| Refusal::name(field, error))
}

pub(super) fn body(field: &'static str, body: Option<&JobBody>, bytes_max: usize) -> Result<(), Refusal> {
    let Some(JobBody { body, content_type }) = body else { return Ok(()) };
    content::content_type(field, content_type)?;
    let bytes = match body {
        Some(Body::Text(text)) => text.len(),
        Some(Body::Binary(binary)) => binary.len(),
        Some(Body::Uploaded(_)) => return Err(Refusal::invalid(field, "names an upload")),
        None => 0,
    };
    if bytes > bytes_max {
        let reason = format!("{field} has {bytes} bytes, at most {bytes_max} are allowed");
        return Err(Refusal { field, ..Refusal::new(RefusalCode::PayloadTooLarge, reason) });
    }
    Ok(())
}

pub(super) fn retry(policy: Option<&RetryPolicy>) -> Result<(), Refusal> {
    let Some(policy) = policy else { return Ok(()) };
    if policy.attempts_max > JOB_ATTEMPTS_MAX {
        return Err(Refusal::invalid("retry.attempts_max", format_args!("is more than {JOB_ATTEMPTS_MAX}")));
    }
    bounded("retry.base", policy.base, JOB_RETRY_MAX)?;
    bounded("retry.max", policy.max, JOB_RETRY_MAX)?;
    Ok(())
}

/// What holds in a queue.
pub fn settings(settings: &QueueSettings) -> Result<(), Refusal> {
    retry(settings.retry.as_ref())?;
    bounded("ended_kept", settings.ended_kept, JOB_DELAY_MAX)?;
    bounded("dead_kept", settings.dead_kept, JOB_DELAY_MAX)?;
    Ok(())
}

/// A duration that is there or not, and not beyond a bound.
pub fn bounded(
    field: &'static str,
    duration: Option<prost_types::Duration>,
    max: Duration,
) -> Result<Option<Duration>, Refusal> {
    let Some(duration) = duration else { return Ok(None) };
    let duration = content::duration(field, duration)?;
    if duration > max {
        return Err(Refusal::invalid(field, format_args!("is more than {} s", max.as_secs())));
    }
    Ok(Some(duration))
}

/// How long leases last, in milliseconds.
pub fn lease_ms(duration: Option<prost_types::Duration>) -> Result<u64, Refusal> {
    let duration = bounded("lease_duration", duration, LEASE_MAX)?.unwrap_or(LEASE_DEFAULT);
    if duration < LEASE_MIN {
        let min = LEASE_MIN.as_secs();
        return Err(Refusal::invalid("lease_duration", format_args!("is less than {min} s")));
    }
    Ok(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// What a worker calls itself.
pub fn worker_id(id: &str) -> Result<(), Refusal> {
    check_name(id, NAME_BYTES_MAX).map_err(|error| Refusal::name("worker_id", error))
}

/// What became of a job, but for its token.
pub fn settlement(item: &Settlement) -> Result<(), Refusal> {
    match &item.outcome {
        None => Err(Refusal::invalid("outcome", "is missing")),
        Some(Outcome::Completed(completed)) => {
            body("completed.result", completed.result.as_ref(), JOB_RESULT_BYTES_MAX)
        }
        Some(Outcome::Failed(failed)) => {
            bounded("failed.retry_after", failed.retry_after, JOB_DELAY_MAX)?;
            error(&JobError { code: failed.code.clone(), message: failed.message.clone() })
        }
        Some(Outcome::Released(released)) => {
            bounded("released.delay", released.delay, JOB_DELAY_MAX).map(drop)
        }
        Some(Outcome::Discarded(discarded)) => reason(&discarded.reason),
    }
}

fn error(error: &JobError) -> Result<(), Refusal> {
    if error.code.len() > EVENT_NAME_BYTES_MAX {
        return Err(Refusal::invalid(
            "failed.code",
            format_args!("is longer than {EVENT_NAME_BYTES_MAX} bytes"),
        ));
    }
    reason(&error.message)
}

/// Why somebody does something with a job, for people.
pub fn reason(text: &str) -> Result<(), Refusal> {
    if text.len() > JOB_ERROR_BYTES_MAX {
        return Err(Refusal::invalid("reason", format_args!("is longer than {JOB_ERROR_BYTES_MAX} bytes")));
    }
    Ok(())
}

/// How a lease goes on, but for its token.
pub fn extension(item: &Extension) -> Result<(), Refusal> {
    if item.lease_duration.is_some() {
        lease_ms(item.lease_duration)?;
    }
    let progress = |progress: &JobProgress| progress.message.len() > JOB_PROGRESS_BYTES_MAX;
    if item.progress.as_ref().is_some_and(progress) {
        let what = format_args!("is longer than {JOB_PROGRESS_BYTES_MAX} bytes");
        return Err(Refusal::invalid("progress.message", what));
    }
    if item.checkpoint.as_ref().is_some_and(|checkpoint| checkpoint.len() > JOB_CHECKPOINT_BYTES_MAX) {
        let what = format_args!("has more than {JOB_CHECKPOINT_BYTES_MAX} bytes");
        return Err(Refusal::invalid("checkpoint", what));
    }
    Ok(())
}
