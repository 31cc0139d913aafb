//! Queues of jobs: putting in, looking, steering.

use std::{io::Cursor, rc::Rc, time::Duration};

use rialto_client::{
    JobFilter, Jobs, NewJob, Payload, Schedule,
    v1::{self, Job, JobState},
};
use serde_json::{Map, Value, json};

use crate::{
    Outcome,
    command::Command,
    content::payload,
    failure::{Failure, refused},
    people::People,
    report::tell,
};

pub(crate) async fn carry_out(people: &Rc<People>, command: &Command) -> Outcome {
    let jobs = people.client(command)?.jobs(command.text("namespace"), command.text("queue"));
    let (id, reason) = (command.text("job_id"), command.text("reason"));
    match command.verb.as_str() {
        "enqueue" => enqueue(&jobs, command).await,
        "get_job" => Ok(job(&jobs.get(id).await?)),
        "wait_job" => {
            let within = command.span("timeout_ms").unwrap_or(Duration::from_secs(10));
            Ok(job(&jobs.wait(id, within).await?))
        }
        "list_jobs" => list(&jobs, command).await,
        "watch_jobs" => watch(&jobs, command).await,
        "cancel_job" => Ok(job(&jobs.cancel(id, reason).await?)),
        "pause_job" => Ok(job(&jobs.pause_job(id).await?)),
        "resume_job" => Ok(job(&jobs.resume_job(id).await?)),
        "redrive_jobs" => Ok(json!({"count": jobs.redrive(command.texts("job_ids")).await?})),
        "queue" => Ok(queue(&jobs.queue().await?)),
        "pause_queue" => Ok(queue(&jobs.pause().await?)),
        "resume_queue" => Ok(queue(&jobs.resume().await?)),
        "purge_queue" => Ok(json!({"count": jobs.purge().await?})),
        "close_batch" => Ok(job(&jobs.close_batch(id).await?)),
        "put_schedule" => {
            let job = NewJob::new(payload(command));
            let schedule = Schedule::new(command.text("schedule_id"), command.text("cron"), job);
            jobs.put_schedule(schedule.time_zone(command.text("time_zone"))).await?;
            Ok(Value::Null)
        }
        "delete_schedule" => {
            jobs.delete_schedule(command.text("schedule_id")).await?;
            Ok(Value::Null)
        }
        "schedules" => {
            let all = jobs.schedules().await?.into_iter();
            let name = |status: v1::ScheduleStatus| status.schedule.unwrap_or_default().schedule_id;
            Ok(json!({"schedules": all.map(name).collect::<Vec<_>>()}))
        }
        verb => Err(Failure::other(format!("not here: {verb}"))),
    }
}

async fn enqueue(jobs: &Jobs, command: &Command) -> Outcome {
    let mut new = Vec::new();
    for item in command.list("jobs").iter().filter_map(Value::as_object) {
        new.push(new_job(jobs, &command.of(item)).await?);
    }
    let outcomes = jobs.enqueue_all(new).await?;
    let told = outcomes.iter().map(|outcome| match outcome {
        Ok(enqueued) => json!({"job_id": enqueued.id, "duplicate": enqueued.duplicate}),
        Err(refusal) => json!({"refused": refused(refusal)["code"]}),
    });
    Ok(json!({"jobs": told.collect::<Vec<_>>()}))
}

async fn new_job(jobs: &Jobs, item: &Command) -> Result<NewJob, Failure> {
    let mut job = match item.number("upload_bytes") {
        Some(bytes) => NewJob::uploaded(jobs.upload(Cursor::new(pattern(bytes)), |_| ()).await?),
        None => NewJob::new(payload(item)),
    };
    type Set = fn(NewJob, &str) -> NewJob;
    let texts: [(&str, Set); 7] = [
        ("job_id", |job, id| job.id(id)),
        ("type", |job, kind| job.of_type(kind)),
        ("fairness_key", |job, key| job.fairness_key(key)),
        ("ordering_key", |job, key| job.ordering_key(key)),
        ("unique_key", |job, key| job.unique_key(key)),
        ("batch", |job, id| job.in_batch(id)),
        ("notify_room", |job, room| job.notify_room(room)),
    ];
    for (key, set) in texts {
        if let Some(text) = item.given(key) {
            job = set(job, text);
        }
    }
    for (key, value) in item.texts_by_key("attributes") {
        job = job.attribute(key, value);
    }
    if let Some(priority) = item.arguments.get("priority").and_then(Value::as_i64) {
        job = job.priority(i32::try_from(priority).unwrap_or_default());
    }
    if let Some(delay) = item.span("delay_ms") {
        job = job.delay(delay);
    }
    if let Some(ttl) = item.span("ttl_ms") {
        job = job.ttl(ttl);
    }
    if item.flag("completes_batch") {
        job = job.completes_batch();
    }
    for next in item.list("then").iter().filter_map(Value::as_object) {
        job = job.then(NewJob::new(payload(&item.of(next))));
    }
    Ok(job.retry(retry(item)))
}

fn retry(item: &Command) -> v1::RetryPolicy {
    let span = |key: &str| {
        let milliseconds = i64::try_from(item.number(key)?).ok()?;
        let nanos = i32::try_from(milliseconds % 1000 * 1_000_000).ok()?;
        Some(prost_types::Duration { seconds: milliseconds / 1000, nanos })
    };
    v1::RetryPolicy {
        attempts_max: item.count("attempts_max").unwrap_or_default(),
        base: span("backoff_ms"),
        max: span("backoff_ms"),
    }
}

/// Bytes by which a reader sees whether they are right.
fn pattern(bytes: u64) -> Vec<u8> {
    (0..bytes).map(|index| u8::try_from(index % 251).unwrap_or_default()).collect()
}

fn state(job: &Job) -> String {
    let name = job.state().as_str_name();
    name.strip_prefix("JOB_STATE_").unwrap_or(name).to_ascii_lowercase()
}

/// A job as it is told.
fn job(job: &Job) -> Value {
    let mut told = Map::new();
    let mut put = |key: &str, value: Value| told.insert(key.to_owned(), value);
    put("job_id", job.job_id.clone().into());
    put("state", state(job).into());
    put("ended", job.end_time.is_some().into());
    put("attempt", job.attempt.into());
    if let Some(result) = &job.result {
        put("result", Payload::from(result.clone()).text().map(str::to_owned).into());
    }
    if let Some(error) = &job.error {
        put("error", error.message.clone().into());
    }
    if let Some(progress) = &job.progress {
        let at = json!({"done": progress.done, "total": progress.total, "message": progress.message});
        put("progress", at);
    }
    Value::Object(told)
}

fn queue(queue: &v1::Queue) -> Value {
    json!({
        "paused": queue.paused, "waiting": queue.waiting_count,
        "running": queue.running_count, "dead": queue.dead_count,
    })
}

async fn list(jobs: &Jobs, command: &Command) -> Outcome {
    let state_of = |name: String| {
        JobState::from_str_name(&format!("JOB_STATE_{}", name.to_ascii_uppercase())).unwrap_or_default()
    };
    let filter = JobFilter {
        states: command.texts("states").into_iter().map(state_of).collect(),
        kind: command.text("type").to_owned(),
        attributes: command.texts_by_key("attributes"),
        ..JobFilter::default()
    };
    let (mut all, mut token) = (Vec::new(), String::new());
    loop {
        let page = jobs.list(&filter, 0, token).await?;
        all.extend(page.jobs.iter().map(|job| json!({"job_id": job.job_id, "state": state(job)})));
        if page.next.is_empty() {
            return Ok(json!({"jobs": all}));
        }
        token = page.next;
    }
}

async fn watch(jobs: &Jobs, command: &Command) -> Outcome {
    let mut watch = match command.arguments.contains_key("job_ids") {
        true => jobs.watch(command.texts("job_ids")).await?,
        false => jobs.watch_all().await?,
    };
    let name = command.text("as").to_owned();
    tokio::task::spawn_local(async move {
        loop {
            match watch.next().await {
                Ok(Some(seen)) => tell(&name, "job", job(&seen)),
                Ok(None) => return tell(&name, "ended", true.into()),
                Err(error) => return tell(&name, "failed", Failure::from(error).0),
            }
        }
    });
    Ok(Value::Null)
}
