//! `Listen` and `Push`: the same session in two halves, for clients that cannot stream upwards.

use std::{future::ready, sync::Arc};

use rialto_proto::v1::{ListenRequest, PushRequest, PushResponse};
use tonic::Status;

use super::{
    conversation::{Conversation, Seat},
    line::Line,
    status,
};
use crate::{
    base::refusal::Refusal,
    router::{Router, life::Peer},
    wire::command::Hello,
};

/// Opens the lower half.
pub(super) async fn listen(
    router: &Arc<Router>,
    peer: Peer,
    line: Option<Line>,
    request: ListenRequest,
) -> Result<Conversation, Status> {
    let seat = Seat::new(Arc::clone(router), line);
    let hello = request.hello.ok_or_else(|| Refusal::invalid("hello", "is missing"));
    let hello = hello.and_then(|hello| Hello::parse(hello, &router.limits.session));
    let hello = hello.map_err(|refusal| seat.refused(refusal))?;
    seat.greet(hello, peer).await?;
    Ok(Conversation::new(seat, Box::pin(ready(Ok(())))).with_pings())
}

/// Takes commands from the upper half, in order and each once.
pub(super) async fn push(router: &Router, request: PushRequest) -> Result<PushResponse, Status> {
    router.push(request).await.map_err(|refusal| status::refused(&router.count_refusal(refusal)))
}
