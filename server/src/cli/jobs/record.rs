//! How jobs and queues look, to people and to programs. The field names of the JSON objects are stable: scripts rely on them.
//!
//! | type | fields |
//! |---|---|
//! | `enqueued` | `namespace`, `queue`, `job_id`, `duplicate`, `durability` |
//! | `job` | `namespace`, `queue`, `job_id`, `job_type`, `state`, `attempt`, `attempts_max`, `deliveries`, `priority`, `attributes`, `enqueued_at`, `due_at`, `started_at`, `ended_at`, `worker`, `cancelling`, `pausing`, `progress{done,total,message}`, `error{code,message}`, `batch_id`, `batch{closed,live,completed,dead,cancelled,expired,discarded}`, `schedule_id`, and of the result `text` or `base64` and `content_type` |
//! | `queue` | `namespace`, `queue`, `paused`, `delayed`, `waiting`, `blocked`, `paused_jobs`, `running`, `dead`, `ended`, `oldest_enqueued_at` |
//! | `schedule` | `namespace`, `queue`, `schedule_id`, `cron`, `time_zone`, `one_live`, `paused`, `next_at`, `last_at`, `skipped` |
//! | `redriven`, `purged` | `namespace`, `queue`, `count` |

use std::time::SystemTime;

use rialto_client::{Enqueued, Payload, v1};
use serde_json::{Value, json};

use crate::cli::{
    output::{Output, Tone, counted, harmless},
    record::{durability, shown, written},
};

/// A job was put in.
pub(super) fn enqueued_json(namespace: &str, queue: &str, enqueued: &Enqueued) -> Value {
    json!({
        "type": "enqueued",
        "namespace": namespace,
        "queue": queue,
        "job_id": enqueued.id,
        "duplicate": enqueued.duplicate,
        "durability": durability(enqueued.durability),
    })
}

/// A job.
pub(super) fn job_json(job: &v1::Job) -> Value {
    let mut fields = json!({
        "type": "job",
        "namespace": job.namespace,
        "queue": job.queue,
        "job_id": job.job_id,
        "job_type": job.r#type,
        "state": state(job.state()),
        "attempt": job.attempt,
        "attempts_max": job.attempts_max,
        "deliveries": job.deliveries,
        "priority": job.priority,
        "attributes": job.attributes,
        "enqueued_at": time(job.enqueue_time),
        "due_at": time(job.due_time),
        "started_at": time(job.start_time),
        "ended_at": time(job.end_time),
        "worker": job.worker_id,
        "cancelling": job.cancelling,
        "pausing": job.pausing,
        "progress": job.progress.as_ref().map(|progress| json!({
            "done": progress.done, "total": progress.total, "message": progress.message,
        })),
        "batch_id": job.batch_id,
        "batch": job.batch.as_ref().map(batch_json),
        "schedule_id": job.schedule_id,
        "error": job.error.as_ref().map(|error| json!({ "code": error.code, "message": error.message })),
    });
    if let Some(result) = job.result.clone().map(Payload::from) {
        fields["content_type"] = result.content_type().into();
        written(&mut fields, result.body());
    }
    fields
}

fn batch_json(batch: &v1::JobBatch) -> Value {
    json!({
        "closed": batch.closed,
        "live": batch.live_count,
        "completed": batch.completed_count,
        "dead": batch.dead_count,
        "cancelled": batch.cancelled_count,
        "expired": batch.expired_count,
        "discarded": batch.discarded_count,
    })
}

/// The same for people: its name, where it is, and what there is to say of that.
pub(super) fn job_line(job: &v1::Job, output: &Output) -> String {
    let mut line = format!("{}  {}", output.tinted(&job.job_id, Tone::Strong), state(job.state()));
    if !job.r#type.is_empty() {
        line.push_str(&format!("  {}", output.tinted(&job.r#type, Tone::Faint)));
    }
    if job.attempt > 1 || job.state() == v1::JobState::Dead {
        line.push_str(&format!("  attempt {} of {}", job.attempt, job.attempts_max));
    }
    if job.cancelling {
        line.push_str("  (to be cancelled)");
    } else if job.pausing {
        line.push_str("  (to be paused)");
    }
    if let (v1::JobState::Delayed, Some(due)) = (job.state(), time(job.due_time)) {
        line.push_str(&format!("  until {due}"));
    }
    if let (v1::JobState::Running, Some(progress)) = (job.state(), &job.progress) {
        line.push_str(&format!("  {}", progress_text(progress)));
    }
    if let (v1::JobState::Blocked, Some(batch)) = (job.state(), &job.batch) {
        let open = if batch.closed { "" } else { ", and it is open" };
        line.push_str(&format!("  {} of its batch left{open}", counted(batch.live_count, "job")));
    }
    if let Some(error) = &job.error {
        let code = if error.code.is_empty() { String::new() } else { format!("{}: ", error.code) };
        line.push_str(&format!("  {}{}", harmless(&code), harmless(&error.message)));
    }
    if let Some(result) = job.result.clone().map(Payload::from).filter(|result| !result.bytes().is_empty()) {
        line.push_str(&format!("  {}", shown(result.bytes()).trim_end()));
    }
    line
}

/// How far a job has come.
pub(super) fn progress_text(progress: &v1::JobProgress) -> String {
    let total = if progress.total == 0 { String::new() } else { format!("/{}", progress.total) };
    format!("{}{total} {}", progress.done, harmless(&progress.message)).trim_end().to_owned()
}

/// A queue.
pub(super) fn queue_json(queue: &v1::Queue) -> Value {
    json!({
        "type": "queue",
        "namespace": queue.namespace,
        "queue": queue.queue,
        "paused": queue.paused,
        "delayed": queue.delayed_count,
        "waiting": queue.waiting_count,
        "blocked": queue.blocked_count,
        "paused_jobs": queue.paused_count,
        "running": queue.running_count,
        "dead": queue.dead_count,
        "ended": queue.ended_count,
        "oldest_enqueued_at": time(queue.oldest_enqueue_time),
    })
}

/// The same for people.
pub(super) fn queue_line(queue: &v1::Queue, output: &Output) -> String {
    let some = |count: u32, what: &str| if count == 0 { String::new() } else { format!(", {count} {what}") };
    let (blocked, held) = (some(queue.blocked_count, "blocked"), some(queue.paused_count, "paused"));
    let paused = if queue.paused { "  (paused)" } else { "" };
    let oldest =
        time(queue.oldest_enqueue_time).map(|at| format!(", the oldest since {at}")).unwrap_or_default();
    format!(
        "{}{paused}  {} waiting, {} delayed{blocked}{held}, {} running, {} dead, {} ended{oldest}",
        output.tinted(&queue.queue, Tone::Strong),
        queue.waiting_count,
        queue.delayed_count,
        queue.running_count,
        queue.dead_count,
        queue.ended_count,
    )
}

/// A schedule.
pub(super) fn schedule_json((namespace, queue): (&str, &str), status: &v1::ScheduleStatus) -> Value {
    let schedule = status.schedule.clone().unwrap_or_default();
    json!({
        "type": "schedule",
        "namespace": namespace,
        "queue": queue,
        "schedule_id": schedule.schedule_id,
        "cron": schedule.cron,
        "time_zone": schedule.time_zone,
        "one_live": schedule.one_live,
        "paused": schedule.paused,
        "next_at": time(status.next_time),
        "last_at": time(status.last_time),
        "skipped": status.skipped_count,
    })
}

/// The same for people.
pub(super) fn schedule_line(status: &v1::ScheduleStatus, output: &Output) -> String {
    let schedule = status.schedule.clone().unwrap_or_default();
    let next = time(status.next_time).map_or_else(|| "never".to_owned(), |at| format!("next at {at}"));
    format!(
        "{}  {} {}  {}",
        output.tinted(&harmless(&schedule.schedule_id), Tone::Strong),
        harmless(&schedule.cron),
        harmless(&schedule.time_zone),
        if schedule.paused { "paused" } else { &next },
    )
}

/// How many jobs something was done with.
pub(super) fn count_json(kind: &str, namespace: &str, queue: &str, count: u32) -> Value {
    json!({ "type": kind, "namespace": namespace, "queue": queue, "count": count })
}

/// The same for people.
pub(super) fn count_line(kind: &str, count: u32) -> String {
    format!("{kind} {}", counted(count, "job"))
}

/// `waiting`, `running` and so on.
pub(super) fn state(state: v1::JobState) -> String {
    let name = state.as_str_name();
    name.strip_prefix("JOB_STATE_").unwrap_or(name).to_lowercase()
}

fn time(at: Option<prost_types::Timestamp>) -> Option<String> {
    let at = at.and_then(|at| SystemTime::try_from(at).ok())?;
    Some(humantime::format_rfc3339_millis(at).to_string())
}
