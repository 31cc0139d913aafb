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
    router::Router,
    wire::{command::Emit, frame},
};

/// Publishes one event.
pub(super) async fn publish(
    router: &Router,
    identity: &Identity,
    request: PublishRequest,
) -> Result<PublishResponse, Refusal> {
    let emit = Emit::publish(request, &router.limits.session)?;
    let (accepted, pressed) = router.publish(identity, emit)?;
    if pressed {
        tokio::time::sleep(PRESSED_PAUSE).await;
    }
    Ok(PublishResponse { accepted: Some(accepted) })
}

/// Publishes events in order, each taken or refused by itself.
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
    for entry in request.entries {
        outcomes.push(outcome(router, identity, entry).await);
        coop::consume_budget().await;
    }
    Ok(PublishBatchResponse { outcomes })
}

async fn outcome(router: &Router, identity: &Identity, entry: PublishRequest) -> PublishOutcome {
    let outcome = match publish(router, identity, entry).await {
        Ok(response) => response.accepted.map(Outcome::Accepted),
        Err(refusal) => Some(Outcome::Refused(frame::refused(&router.count_refusal(refusal)))),
    };
    PublishOutcome { outcome }
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
