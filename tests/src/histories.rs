//! The words of tests about what rooms keep: nodes with a folder, joins that recover, pages of history.

use rialto_proto::v1::{
    Accepted, Event, GetHistoryRequest, GetHistoryResponse, Join, Joined, Missed, PublishBatchRequest,
    PublishRequest, RoomPosition, RoomState, client_frame::Command, publish_outcome::Outcome,
    server_frame::Frame,
};
use tempfile::TempDir;
use tonic::Status;

use crate::{
    node::TestNode,
    talker::{Talker, content, rooms, text},
};

/// A folder that is gone with the test.
pub fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

/// Joins, and returns the answer.
pub async fn join(talker: &mut Talker, join: Join) -> Joined {
    let reference = talker.ask(Command::Join(join)).await;
    match talker.answer(reference).await {
        Frame::Joined(joined) => joined,
        other => panic!("expected joined, not {other:?}"),
    }
}

/// A join of one room without further wishes.
pub fn wish(namespace: &str, room: &str) -> Join {
    Join { namespace: namespace.to_owned(), rooms: vec![room.to_owned()], ..Join::default() }
}

/// A join that wants the newest events.
pub fn newest(namespace: &str, room: &str, newest: u32) -> Join {
    Join { newest, ..wish(namespace, room) }
}

/// A join that wants what came after a position.
pub fn after(namespace: &str, room: &str, epoch: &str, offset: u64) -> Join {
    let place = RoomPosition { room: room.to_owned(), epoch: epoch.to_owned(), offset };
    Join { recover: vec![place], ..wish(namespace, room) }
}

/// Publishes one event without a session.
pub async fn publish(node: &TestNode, namespace: &str, room: &str, text: &str) -> Accepted {
    let request = request(namespace, room, text);
    let published = node.messaging().await.publish(request).await.expect("it is taken");
    published.into_inner().accepted.expect("an answer")
}

/// An event to publish.
pub fn request(namespace: &str, room: &str, text: &str) -> PublishRequest {
    PublishRequest {
        namespace: namespace.to_owned(),
        target: Some(rooms(&[room])),
        content: Some(content("message", text)),
        ..PublishRequest::default()
    }
}

/// Publishes so many numbered events in batches.
pub async fn publish_many(node: &TestNode, namespace: &str, room: &str, numbers: std::ops::Range<u32>) {
    let mut stub = node.messaging().await;
    let numbers: Vec<u32> = numbers.collect();
    for numbers in numbers.chunks(200) {
        let entries = numbers.iter().map(|number| request(namespace, room, &number.to_string())).collect();
        let outcomes = stub.publish_batch(PublishBatchRequest { entries }).await.expect("a batch");
        for outcome in outcomes.into_inner().outcomes {
            assert!(matches!(outcome.outcome, Some(Outcome::Accepted(_))), "{outcome:?}");
        }
    }
}

/// A page of history.
pub async fn history(node: &TestNode, request: GetHistoryRequest) -> Result<GetHistoryResponse, Status> {
    node.rooms().await.get_history(request).await.map(tonic::Response::into_inner)
}

/// The newest page of a room.
pub fn of(namespace: &str, room: &str) -> GetHistoryRequest {
    GetHistoryRequest { namespace: namespace.to_owned(), room: room.to_owned(), ..Default::default() }
}

/// What events say.
pub fn texts(events: &[Event]) -> Vec<String> {
    events.iter().map(text).collect()
}

/// The state of the one room that was joined.
pub fn only(joined: Joined) -> RoomState {
    let [state] = joined.rooms.try_into().expect("one room");
    state
}

/// The next frame, which must say what is missing.
pub async fn expect_missed(talker: &mut Talker) -> Missed {
    match talker.expect_notice().await {
        Frame::Missed(missed) => missed,
        other => panic!("expected missed, not {other:?}"),
    }
}
