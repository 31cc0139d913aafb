//! `Attach`: a session on one stream, both ways.

use std::{error::Error, sync::Arc};

use rialto_proto::v1::{AttachRequest, ClientFrame, RefusalCode, client_frame};
use tokio::task::coop;
use tonic::{Code, Status, Streaming};

use super::{
    conversation::{Conversation, Place, Seat},
    line::Line,
};
use crate::{
    base::{
        limits::{BATCH_ENTRIES_MAX, PRESSED_PAUSE},
        refusal::{Closing, Refusal},
    },
    router::{Router, life::Peer},
    wire::command::Hello,
};
use rialto_proto::v1::CloseCode;

/// Begins the conversation. The handshake happens inside of it, so that response headers leave at once: clients wait
/// for them before they send.
pub(super) fn converse(
    router: &Arc<Router>,
    peer: Peer,
    line: Option<Line>,
    inbound: Streaming<AttachRequest>,
) -> Conversation {
    let seat = Seat::new(Arc::clone(router), line);
    Conversation::new(Arc::clone(&seat), Box::pin(read(seat, peer, inbound)))
}

/// Reads the client until it half-closes, breaks the protocol or its session is closed.
async fn read(seat: Arc<Seat>, peer: Peer, mut inbound: Streaming<AttachRequest>) -> Result<(), Status> {
    let deadline = seat.router.limits.session.hello_timeout;
    let first = tokio::time::timeout(deadline, first_frames(&mut inbound)).await;
    let late = || Refusal::new(RefusalCode::Deadline, "no hello within the time for it");
    let frames = first.map_err(|_| seat.refused(late()))??;
    let (hello, rest) = greeting(frames, &seat).map_err(|refusal| seat.refused(refusal))?;
    let place = seat.greet(hello, peer).await?;
    carry_out(&seat, &place, rest).await;
    while place.speaks() {
        coop::consume_budget().await;
        match inbound.message().await {
            Ok(Some(request)) => take(&seat, &place, request).await,
            Ok(None) => return Ok(()),
            Err(status) => return broken(&seat, &place, status),
        }
    }
    Ok(())
}

/// The frames of the first message that has any.
async fn first_frames(inbound: &mut Streaming<AttachRequest>) -> Result<Vec<ClientFrame>, Status> {
    loop {
        match inbound.message().await? {
            Some(request) if request.frames.is_empty() => coop::consume_budget().await,
            Some(request) => return Ok(request.frames),
            None => return Ok(Vec::new()),
        }
    }
}

/// Splits the greeting from the frames that came with it.
fn greeting(mut frames: Vec<ClientFrame>, seat: &Seat) -> Result<(Hello, Vec<ClientFrame>), Refusal> {
    check_count(frames.len())?;
    let out_of_order = || Refusal::new(RefusalCode::OutOfOrder, "the first frame is not hello");
    if frames.is_empty() {
        return Err(out_of_order());
    }
    match frames.remove(0).command {
        Some(client_frame::Command::Hello(hello)) => {
            Ok((Hello::parse(hello, &seat.router.limits.session)?, frames))
        }
        _ => Err(out_of_order()),
    }
}

async fn take(seat: &Seat, place: &Place, request: AttachRequest) {
    match check_count(request.frames.len()) {
        Ok(()) => carry_out(seat, place, request.frames).await,
        Err(refusal) => {
            seat.router.close(&place.session, &Closing::new(CloseCode::Protocol, refusal.reason.clone()));
        }
    }
}

async fn carry_out(seat: &Seat, place: &Place, frames: Vec<ClientFrame>) {
    let Place { session, stream } = place;
    for frame in frames {
        seat.room(session).await;
        seat.router.writable().await;
        session.pipeline.ready().await;
        // A stream that was replaced is not heard any more.
        if session.speak(*stream, || seat.router.dispatch(session, frame)).is_none() {
            return;
        }
        if session.take_pressed() {
            tokio::time::sleep(PRESSED_PAUSE).await;
        }
    }
}

/// A message that cannot be read ends the session, and the stream with the status that says why. A stream that was lost
/// or replaced ends nothing.
fn broken(seat: &Seat, place: &Place, status: Status) -> Result<(), Status> {
    if lost(&status) || !place.speaks() {
        return Ok(());
    }
    seat.router.close(&place.session, &Closing::new(CloseCode::Protocol, "a message could not be read"));
    Err(status)
}

/// Whether a status says that the stream broke off, and not that something in it was wrong.
pub(super) fn lost(status: &Status) -> bool {
    let broke_off = matches!(status.code(), Code::Cancelled | Code::Unknown | Code::Unavailable);
    broke_off || (status.code() == Code::Internal && status.source().is_some())
}

/// Refuses a message of too many frames.
pub(super) fn check_count(frames: usize) -> Result<(), Refusal> {
    if frames > BATCH_ENTRIES_MAX {
        return Err(Refusal::invalid("frames", format_args!("has more than {BATCH_ENTRIES_MAX} entries")));
    }
    Ok(())
}
