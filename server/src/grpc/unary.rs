//! Publishing and calling without a session.

use std::time::Duration;

use rialto_proto::v1::{
    CallRequest, CallResponse, PublishBatchRequest, PublishBatchResponse, PublishOutcome, PublishRequest,
    PublishResponse, publish_outcome::Outcome,
};

use crate::{
    auth::Identity,
    base::{limits::BATCH_ENTRIES_MAX, refusal::Refusal},
    router::Router,
    wire::{command::Emit, frame},
};

/// Publishes one event.
pub(super) fn publish(
    router: &Router,
    identity: &Identity,
    request: PublishRequest,
) -> Result<PublishResponse, Refusal> {
    let emit = Emit::publish(request, &router.limits.session)?;
    router.publish(identity, emit).map(|accepted| PublishResponse { accepted: Some(accepted) })
}

/// Publishes events in order, each taken or refused by itself.
pub(super) fn publish_batch(
    router: &Router,
    identity: &Identity,
    request: PublishBatchRequest,
) -> Result<PublishBatchResponse, Refusal> {
    let entries = request.entries.len();
    if entries == 0 || entries > BATCH_ENTRIES_MAX {
        return Err(Refusal::invalid("entries", format_args!("are not between 1 and {BATCH_ENTRIES_MAX}")));
    }
    let outcome = |entry: PublishRequest| match publish(router, identity, entry) {
        Ok(response) => PublishOutcome { outcome: response.accepted.map(Outcome::Accepted) },
        Err(refusal) => {
            let refusal = router.count_refusal(refusal);
            PublishOutcome { outcome: Some(Outcome::Refused(frame::refused(&refusal))) }
        }
    };
    Ok(PublishBatchResponse { outcomes: request.entries.into_iter().map(outcome).collect() })
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
