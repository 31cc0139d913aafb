//! Programs that speak NATS and not Rialto: what they publish into rooms, and what they hear of them. Whom NATS lets publish is
//! trusted; which namespaces take part says `nats_in` and `nats_out`.

use std::sync::Arc;

use futures_util::StreamExt;
use rialto_proto::v1::{
    Accepted, EnqueueRequest, EnqueueResponse, Enqueued, RefusalCode, enqueue_outcome::Outcome,
};
use serde_json::{Value, json};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::coop,
    time::{Duration, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{Router, emit::Publishing};
use crate::{
    auth::Identity,
    base::{
        config::NamespaceSettings,
        ids::RoomName,
        refusal::{Refusal, Retry},
    },
    bridge::{
        Bridge, LinkError, Plains,
        plain::{self, Plain},
        plain_jobs,
    },
    hub,
    wire::{Frame, command::Emit, frame},
};

/// Events of programs that may wait for being kept; what comes beyond is refused.
const WRITTEN_MAX: usize = 4_096;
/// When a program may try again that came beyond.
const WRITTEN_AFTER: Duration = Duration::from_millis(100);
/// The wait before it is listened again, where that failed.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

impl Router {
    /// Takes what programs publish into rooms and put into queues, until the node stops.
    pub async fn run_programs(self: Arc<Self>) {
        let Some(bridge) = self.bridge.clone() else { return };
        let (draining, written) = (self.tasks.draining(), Arc::new(Semaphore::new(WRITTEN_MAX)));
        let rooms = hear(
            draining,
            || bridge.hear_programs(draining.clone()),
            |message| {
                self.take_from_program(&bridge, message, &written);
            },
        );
        let queues = hear(
            draining,
            || bridge.hear_producers(draining.clone()),
            |message| {
                self.take_from_producer(&bridge, message, &written);
            },
        );
        tokio::join!(rooms, queues);
    }

    fn take_from_program(
        self: &Arc<Self>,
        bridge: &Arc<Bridge>,
        mut message: Plain,
        written: &Arc<Semaphore>,
    ) {
        let answer_to = message.answer_to.take();
        match self.publish_from_program(message, written) {
            Ok((Publishing::Done(published), _)) => answer(bridge, answer_to, &Ok(published.accepted)),
            Ok((later, permit)) => {
                let (router, bridge) = (Arc::clone(self), Arc::clone(bridge));
                self.tasks.spawn("program", async move {
                    let outcome = later.outcome().await.map(|published| published.accepted);
                    let outcome = outcome.map_err(|refusal| router.count_refusal(refusal));
                    answer(&bridge, answer_to, &outcome);
                    drop(permit);
                });
            }
            Err(refusal) => answer(bridge, answer_to, &Err(self.count_refusal(refusal))),
        }
    }

    fn publish_from_program(
        &self,
        message: Plain,
        written: &Arc<Semaphore>,
    ) -> Result<(Publishing, OwnedSemaphorePermit), Refusal> {
        let permit = Arc::clone(written).try_acquire_owned();
        let permit = permit.map_err(|_| Refusal::rate("programs", WRITTEN_AFTER))?;
        let request = plain::publish(message).map_err(|(field, what)| Refusal::invalid(field, what))?;
        let emit = Emit::publish(request, &self.limits.session)?;
        let settings = self.hub.namespaces.settings(emit.namespace.as_str()).ok_or_else(hub::unknown)?;
        if !settings.nats_in {
            return Err(Refusal::forbidden("nats_in is off in the namespace"));
        }
        Ok((self.publish(&Identity::open(None), emit)?, permit))
    }

    /// Takes a job of a program.
    fn take_from_producer(
        self: &Arc<Self>,
        bridge: &Arc<Bridge>,
        mut message: Plain,
        written: &Arc<Semaphore>,
    ) {
        let answer_to = message.answer_to.take();
        let asked = self.job_of_program(message, written);
        let (router, bridge) = (Arc::clone(self), Arc::clone(bridge));
        self.tasks.spawn("producer", async move {
            let outcome = match asked {
                Ok((request, permit)) => {
                    let answer = router.enqueue(&Identity::open(None), request).await;
                    drop(permit);
                    answer
                }
                Err(refusal) => Err(refusal),
            };
            let outcome = outcome.map_err(|refusal| refused(&router.count_refusal(refusal)));
            if let Some(subject) = answer_to {
                bridge.answer_program(subject, outcome.map_or_else(|refused| refused, enqueued).to_string());
            }
        });
    }

    fn job_of_program(
        &self,
        message: Plain,
        written: &Arc<Semaphore>,
    ) -> Result<(EnqueueRequest, OwnedSemaphorePermit), Refusal> {
        let permit = Arc::clone(written).try_acquire_owned();
        let permit = permit.map_err(|_| Refusal::rate("programs", WRITTEN_AFTER))?;
        let request = plain_jobs::enqueue(message).map_err(|(field, what)| Refusal::invalid(field, what))?;
        let settings = self.hub.namespaces.settings(&request.namespace).ok_or_else(hub::unknown)?;
        if !settings.nats_in {
            return Err(Refusal::forbidden("nats_in is off in the namespace"));
        }
        Ok((request, permit))
    }

    /// Tells programs of an event in rooms, where the namespace lets them hear it.
    pub(super) fn tell_programs(&self, settings: &NamespaceSettings, rooms: &[RoomName], frame: &Frame) {
        let Some(bridge) = self.bridge.as_ref().filter(|_| settings.nats_out && !rooms.is_empty()) else {
            return;
        };
        let Some(event) = frame.to_event() else { return };
        let lost = rooms.iter().filter(|room| !bridge.tell_program(&event, room.as_str())).count();
        self.count_lost(lost);
    }
}

/// Takes what programs say, until the node drains.
async fn hear<F: Future<Output = Result<Plains, LinkError>>>(
    draining: &CancellationToken,
    listen: impl Fn() -> F,
    take: impl Fn(Plain),
) {
    while !draining.is_cancelled() {
        match listen().await {
            Ok(mut messages) => {
                while let Some(message) = messages.next().await {
                    take(message);
                    coop::consume_budget().await;
                }
            }
            Err(error) => tracing::warn!(%error, "programs that speak NATS are not heard"),
        }
        draining.run_until_cancelled(sleep(AGAIN_AFTER)).await;
    }
}

fn answer(bridge: &Bridge, to: Option<String>, outcome: &Result<Accepted, Refusal>) {
    let Some(subject) = to else { return };
    let payload = match outcome {
        Ok(accepted) => said(accepted),
        Err(refusal) => refused(refusal),
    };
    bridge.answer_program(subject, payload.to_string());
}

/// What became of an event, in the names of the API.
fn said(accepted: &Accepted) -> Value {
    let mut answer = json!({
        "event_id": accepted.event_id,
        "durability": accepted.durability().as_str_name().trim_start_matches("DURABILITY_"),
        "duplicate": accepted.duplicate,
    });
    if let Some(offset) = accepted.offset {
        answer["offset"] = offset.into();
        answer["epoch"] = accepted.epoch.clone().into();
    }
    answer
}

/// What became of a job, in the names of the API.
fn enqueued(answer: EnqueueResponse) -> Value {
    let durability = answer.durability().as_str_name().trim_start_matches("DURABILITY_").to_owned();
    match answer.outcomes.into_iter().next().and_then(|outcome| outcome.outcome) {
        Some(Outcome::Enqueued(Enqueued { job_id, duplicate })) => {
            json!({ "job_id": job_id, "duplicate": duplicate, "durability": durability })
        }
        Some(Outcome::Refused(refusal)) => refused(&frame::refusal(refusal, "")),
        None => refused(&Refusal::new(RefusalCode::Internal, "no outcome")),
    }
}

fn refused(refusal: &Refusal) -> Value {
    let code = |code: RefusalCode| code.as_str_name().trim_start_matches("REFUSAL_CODE_");
    let mut error = json!({ "code": code(refusal.code), "reason": refusal.reason });
    for (name, value) in [("field", refusal.field), ("limit", refusal.limit)] {
        if !value.is_empty() {
            error[name] = value.into();
        }
    }
    if let Retry::After(after) = refusal.retry {
        error["retry_after_ms"] = u64::try_from(after.as_millis()).unwrap_or(u64::MAX).into();
    }
    json!({ "error": error })
}
