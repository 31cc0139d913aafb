//! Workers, whose jobs run until they are told how to end.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc, sync::Arc, time::Duration};

use parking_lot::Mutex;
use rialto_client::{Assignment, Cancelled, NotDone, Payload, Worker, v1::WorkerSubscription};
use serde_json::{Map, Value, json};
use tokio::{
    sync::{Notify, oneshot},
    task::JoinHandle,
};

use crate::{
    Outcome, command::Command, content::tell_payload, failure::Failure, people::People, report::tell,
};

type End = oneshot::Sender<Result<Payload, NotDone>>;
/// Jobs that are worked on, by name, with how each is to end.
type Jobs = Arc<Mutex<BTreeMap<String, (Assignment, Option<End>)>>>;

/// A worker that runs.
#[derive(Debug)]
pub(crate) struct Shift {
    /// What it works on, by name.
    running: Jobs,
    stop: Arc<Notify>,
    ended: RefCell<Option<JoinHandle<Result<(), rialto_client::Error>>>>,
}

pub(crate) async fn carry_out(people: &Rc<People>, command: &Command) -> Outcome {
    if command.verb == "work" {
        return work(people, command);
    }
    let shift = people.shift(command)?;
    let id = command.text("job_id");
    if command.verb == "stop_work" {
        shift.stop.notify_one();
        let ended = shift.ended.borrow_mut().take();
        let ended = ended.ok_or_else(|| Failure::other("it was stopped before"))?;
        ended.await.map_err(|error| Failure::other(error.to_string()))??;
        return Ok(Value::Null);
    }
    let job = shift.running.lock().get(id).map(|(job, _)| job.clone());
    let job = job.ok_or_else(|| Failure::other(format!("{id} is not worked on")))?;
    match command.verb.as_str() {
        "progress" => {
            let number = |key: &str| command.number(key).unwrap_or_default();
            job.progress(number("at"), number("total"), command.text("message"));
        }
        "checkpoint" => job.checkpoint(command.text("text").to_owned())?,
        "read_payload" => return read(&job, command.number("offset").unwrap_or_default()).await,
        _ => {
            let end = shift.running.lock().remove(id).and_then(|(_, end)| end);
            let end = end.ok_or_else(|| Failure::other(format!("{id} has ended before")))?;
            end.send(outcome(command)).map_err(|_| Failure::other("nobody waits for its end"))?;
        }
    }
    Ok(Value::Null)
}

fn outcome(command: &Command) -> Result<Payload, NotDone> {
    if command.arguments.contains_key("fail") {
        let table = command.of(&command.table("fail"));
        return Err(NotDone::Failed {
            code: String::new(),
            message: table.text("message").to_owned(),
            permanent: table.flag("permanent"),
            retry_after: table.span("retry_after_ms"),
        });
    }
    if command.arguments.contains_key("release") {
        let delay = command.of(&command.table("release")).span("delay_ms").unwrap_or_default();
        return Err(NotDone::Released(delay));
    }
    if command.arguments.contains_key("discard") {
        let reason = command.of(&command.table("discard")).text("reason").to_owned();
        return Err(NotDone::Discarded(reason));
    }
    Ok(Payload::from(command.text("result")))
}

fn work(people: &Rc<People>, command: &Command) -> Outcome {
    let name = command.text("as").to_owned();
    let worker = worker(people, command, &name)?;
    let running: Jobs = Arc::default();
    let stop = Arc::new(Notify::new());
    let stopping = stop.clone();
    let until = async move { stopping.notified().await };
    let (at, by) = (running.clone(), name.clone());
    let ended = tokio::task::spawn_local(async move {
        let told = by.clone();
        let ended = worker.run_until(until, move |job| one(by.clone(), at.clone(), job)).await;
        if let Err(error) = &ended {
            tell(&told, "failed", Failure::from(error.clone()).0);
        }
        tell(&told, "stopped", true.into());
        ended
    });
    let shift = Shift { running, stop, ended: RefCell::new(Some(ended)) };
    people.shifts.borrow_mut().insert(name, Rc::new(shift));
    Ok(Value::Null)
}

fn worker(people: &Rc<People>, command: &Command, name: &str) -> Result<Worker, Failure> {
    let mut worker = people.client(command)?.worker(name);
    for queue in command.list("queues").iter().filter_map(Value::as_object) {
        let queue = command.of(queue);
        worker = worker.subscription(WorkerSubscription {
            namespace: command.text("namespace").to_owned(),
            queue: queue.text("queue").to_owned(),
            in_flight_max: queue.count("concurrency").unwrap_or_default(),
            weight: queue.count("weight").unwrap_or_default(),
        });
    }
    if let Some(jobs) = command.count("concurrency") {
        worker = worker.concurrency(jobs);
    }
    if let Some(lasts) = command.span("lease_ms") {
        worker = worker.lease(lasts);
    }
    if command.given("shape").is_some_and(|shape| shape != "work") {
        return Err(Failure::other("not here: calls"));
    }
    Ok(if command.flag("signals") { worker.until_signal() } else { worker })
}

/// Works on a job until somebody says how it ends.
async fn one(by: String, running: Jobs, job: Assignment) -> Result<Payload, NotDone> {
    let (end, ended) = oneshot::channel();
    let id = job.id().to_owned();
    running.lock().insert(id.clone(), (job.clone(), Some(end)));
    tell(&by, "begun", begun(&job));
    let told = async {
        tokio::join!(
            async {
                job.to_pause().await;
                if !job.is_cancelled() {
                    tell(&by, "pausing", id.clone().into());
                }
            },
            async {
                if job.cancelled().await == Cancelled::Requested {
                    tell(&by, "cancelling", id.clone().into());
                }
            },
            async {
                job.lost().await;
                tell(&by, "lease_lost", id.clone().into());
            }
        );
        std::future::pending::<()>().await;
    };
    let forgotten = || NotDone::Released(Duration::ZERO);
    tokio::select! {
        outcome = ended => outcome.unwrap_or_else(|_| Err(forgotten())),
        () = told => Err(forgotten()),
    }
}

fn begun(job: &Assignment) -> Value {
    let mut told = Map::new();
    let mut put = |key: &str, value: Value| told.insert(key.to_owned(), value);
    put("job_id", job.id().into());
    put("queue", job.queue().into());
    put("type", job.kind().into());
    put("attempt", job.attempt().into());
    put("checkpoint", String::from_utf8_lossy(job.last_checkpoint()).into());
    if let Some(previous) = job.previous_result() {
        put("previous_result", previous.text().map(str::to_owned).into());
    }
    // What was uploaded is read by itself.
    if let Ok(payload) = job.payload() {
        tell_payload(&mut told, payload.body(), payload.content_type());
    }
    Value::Object(told)
}

async fn read(job: &Assignment, offset: u64) -> Outcome {
    let (mut reader, mut at, mut right) = (job.read(offset), offset, true);
    while let Some(piece) = reader.next().await? {
        for byte in &piece {
            right &= u64::from(*byte) == at % 251;
            at += 1;
        }
    }
    Ok(json!({"bytes": at - offset, "right": right}))
}
