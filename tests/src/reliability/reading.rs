//! The end of a run: the histories of rooms, read whole.

use std::sync::Arc;

use rialto_proto::v1::{
    Event, GetHistoryRequest, content::Body, get_history_request::Start,
    room_service_client::RoomServiceClient,
};
use tonic::transport::Channel;

use crate::{
    checks::{Message, Recorder, Room, Seen},
    within,
};

const PAGE: u32 = 300;

/// Reads the histories of `rooms` and writes them down as seen by `reader`. A room without history is passed over.
pub async fn read_histories(
    recorder: &Recorder,
    reader: &str,
    stub: &mut RoomServiceClient<Channel>,
    rooms: impl IntoIterator<Item = &Room>,
) {
    for room in rooms {
        let mut request = GetHistoryRequest {
            namespace: room.namespace.to_string(),
            room: room.name.to_string(),
            start: Some(Start::FromOffset(0)),
            page_size: Some(PAGE),
            ..GetHistoryRequest::default()
        };
        let mut events = Vec::new();
        let (epoch, first_offset) = loop {
            let page = within("a page of history", stub.get_history(request.clone())).await;
            let page = page.unwrap_or_else(|status| panic!("the history of {room}: {status}")).into_inner();
            events.extend(page.events.iter().map(|event| (event.offset.unwrap_or_default(), said(event))));
            if page.next_page_token.is_empty() {
                break (page.epoch, page.first_offset);
            }
            request.page_token = page.next_page_token;
        };
        if !epoch.is_empty() {
            let epoch: Arc<str> = epoch.into();
            recorder.seen(reader, Seen::HistoryRead { room: room.clone(), epoch, first_offset, events });
        }
    }
}

/// The message that an event is.
///
/// *Panics* when it has no text.
pub fn said(event: &Event) -> Message {
    match event.content.as_ref().and_then(|content| content.body.as_ref()) {
        Some(Body::Text(text)) => Message::read(text),
        other => panic!("expected text, not {other:?}"),
    }
}
