//! `Listen` and `Push`: the same session in two halves, for clients that cannot stream upwards.

use std::{future::ready, sync::Arc};

use rialto_proto::v1::{ListenRequest, PushRequest, PushResponse, RefusalCode};
use tonic::Status;

use super::{
    attach::check_count,
    conversation::{Conversation, Seat},
    line::Line,
    status,
};
use crate::{
    base::{
        limits::PRESSED_PAUSE,
        refusal::{Refusal, Retry},
    },
    router::{Router, life::Peer},
    wire::command::Hello,
};

/// How long a client waits before it pushes again when its answers are not read.
const PUSH_AGAIN: std::time::Duration = std::time::Duration::from_millis(100);

/// Opens the lower half.
pub(super) fn listen(
    router: &Arc<Router>,
    peer: Peer,
    line: Option<Line>,
    request: ListenRequest,
) -> Result<Conversation, Status> {
    let seat = Seat::new(Arc::clone(router), line);
    let hello = request.hello.ok_or_else(|| Refusal::invalid("hello", "is missing"));
    let hello = hello.and_then(|hello| Hello::parse(hello, &router.limits.session));
    let hello = hello.map_err(|refusal| seat.refused(refusal))?;
    seat.greet(hello, peer).map(drop)?;
    Ok(Conversation::new(seat, Box::pin(ready(Ok(())))).with_pings())
}

/// Takes commands from the upper half, in order and each once.
pub(super) async fn push(router: &Router, request: PushRequest) -> Result<PushResponse, Status> {
    take(router, request).await.map_err(|refusal| status::refused(&router.count_refusal(refusal)))
}

async fn take(router: &Router, request: PushRequest) -> Result<PushResponse, Refusal> {
    let session = router.proven(&request.session_id, &request.session_secret)?;
    check_count(request.frames.len())?;
    if request.first_seq == 0 {
        return Err(Refusal::invalid("first_seq", "is 0; the first frame of a session has 1"));
    }
    router.writable().await;
    let frames_max = router.limits.session.outbox_frames_max;
    let (mut full, mut pressed) = (false, false);
    let accepted_seq = session.take_pushed(request.first_seq, request.frames, |frame| {
        full = session.outbox.waiting().0 >= frames_max;
        let wanted = !full && !pressed && !session.pipeline.is_full();
        if wanted {
            router.dispatch(&session, frame);
            pressed = session.take_pressed();
        }
        wanted
    });
    if pressed {
        tokio::time::sleep(PRESSED_PAUSE).await;
    }
    // Some were taken: the rest is sent again in its own time. None was: not at once.
    if full && accepted_seq < request.first_seq {
        let refusal = Refusal::new(RefusalCode::RateLimited, "the answers on Listen are not read");
        return Err(Refusal { retry: Retry::After(PUSH_AGAIN), limit: "outbox_frames_max", ..refusal });
    }
    Ok(PushResponse { accepted_seq })
}
