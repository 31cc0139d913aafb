//! Publishing and calling without a session.

use std::time::Duration;

use rialto_proto::v1::{
    CallRequest, CallResponse, PublishBatchRequest, PublishBatchResponse, PublishOutcome, PublishRequest,
    PublishResponse, publish_outcome::Outcome,
};

use tokio::task::coop;

use crate::{
    auth::Identity,
    base::{
        limits::{BATCH_ENTRIES_MAX, PRESSED_PAUSE},
        refusal::Refusal,
    },
    router::{
        Router,
        emit::{Published, Publishing},
    },
    wire::{command::Emit, frame},
};

/// Publishes one event.
pub(super) async fn publish(
    router: &Router,
    identity: &Identity,
    request: PublishRequest,
) -> Result<PublishResponse, Refusal> {
    let emit = Emit::publish(request, &router.limits.session)?;
    router.writable().await;
    let Published { accepted, pressed } = router.publish(identity, emit)?.outcome().await?;
    if pressed {
        tokio::time::sleep(PRESSED_PAUSE).await;
    }
    Ok(PublishResponse { accepted: Some(accepted) })
}

/// Publishes events in order, each taken or refused by itself. Those that must be durable are written together.
pub(super) async fn publish_batch(
    router: &Router,
    identity: &Identity,
    request: PublishBatchRequest,
) -> Result<PublishBatchResponse, Refusal> {
    let entries = request.entries.len();
    if entries == 0 || entries > BATCH_ENTRIES_MAX {
        return Err(Refusal::invalid("entries", format_args!("are not between 1 and {BATCH_ENTRIES_MAX}")));
    }
    let mut outcomes = Vec::with_capacity(entries);
    let mut begun: Vec<Publishing> = Vec::new();
    for entry in request.entries {
        router.writable().await;
        let emit = Emit::publish(entry, &router.limits.session);
        // What need not be written must not overtake what must.
        if !emit.as_ref().is_ok_and(|emit| router.is_written(emit)) {
            finish(router, &mut begun, &mut outcomes).await;
        }
        match emit.and_then(|emit| router.publish(identity, emit)) {
            Ok(publishing) => begun.push(publishing),
            Err(refusal) => {
                finish(router, &mut begun, &mut outcomes).await;
                outcomes.push(refused(router, refusal));
            }
        }
        coop::consume_budget().await;
    }
    finish(router, &mut begun, &mut outcomes).await;
    Ok(PublishBatchResponse { outcomes })
}

/// Waits for what was begun, in order.
async fn finish(router: &Router, begun: &mut Vec<Publishing>, outcomes: &mut Vec<PublishOutcome>) {
    for publishing in begun.drain(..) {
        outcomes.push(match publishing.outcome().await {
            Ok(Published { accepted, pressed }) => {
                if pressed {
                    tokio::time::sleep(PRESSED_PAUSE).await;
                }
                PublishOutcome { outcome: Some(Outcome::Accepted(accepted)) }
            }
            Err(refusal) => refused(router, refusal),
        });
    }
}

fn refused(router: &Router, refusal: Refusal) -> PublishOutcome {
    PublishOutcome { outcome: Some(Outcome::Refused(frame::refused(&router.count_refusal(refusal)))) }
}

/// Asks one session. `deadline` is what the call itself allows.
pub(super) async fn call(
    router: &Router,
    identity: &Identity,
    request: CallRequest,
    deadline: Option<Duration>,
) -> Result<CallResponse, Refusal> {
    let mut emit = Emit::call(request, &router.limits.session)?;
    if let (Some(timeout), Some(deadline)) = (emit.replies, deadline) {
        emit.replies = Some(timeout.min(deadline));
    }
    router.call(identity, emit).await
}
