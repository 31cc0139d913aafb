//! What the Rust client does with what is said while it has no connection: it is sent afterwards, in order and once, or
//! whoever said it is told why not. Real nodes, and a proxy that lets nobody through.

use std::{future::IntoFuture, time::Duration};

use rialto_client::{
    Accepted, Client, Error, JoinOptions, NewJob, OfflineBuffer, Overflow, Report, Room, Session, Unsent,
    v1::JobState,
};
use rialto_tests::{
    PATIENCE,
    proxied::{ProxiedNode, begin, lost, reconnected, report},
    within,
};
use tokio::task::JoinHandle;

type Answer = JoinHandle<Result<Accepted, Error>>;

/// A session with bounds whose connection is lost, and a room that it is in.
async fn away(place: &ProxiedNode, buffer: OfflineBuffer) -> (Session, Room) {
    let session = Session::connect(place.proxy.url()).user("ann").offline_buffer(buffer);
    let session = within("a session", session.into_future()).await.unwrap();
    let room = session.namespace("chat").room("general");
    room.join().await.unwrap();
    let mut status = session.status();
    place.part();
    lost(&mut status).await;
    (session, room)
}

/// Emits and does not wait for the answer.
async fn emit(room: &Room, text: &str) -> Answer {
    let answer = begin(room.emit("message", text).deadline(PATIENCE).into_future());
    tokio::task::yield_now().await;
    answer
}

async fn answered(answer: Answer) -> Result<Accepted, Error> {
    within("an answer", answer).await.unwrap()
}

/// What the history of the room keeps.
async fn kept(room: &Room) -> Vec<String> {
    let events = room.history().newest(100).await.unwrap();
    events.iter().map(|event| event.text().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn what_was_said_without_a_connection_is_sent_in_order_when_there_is_one() {
    for restarts in [false, true] {
        let mut place = ProxiedNode::start().await;
        let (_session, room) = away(&place, OfflineBuffer::default()).await;
        let mut answers = Vec::new();
        for number in 0..20 {
            answers.push(emit(&room, &number.to_string()).await);
        }
        if restarts {
            place.restart().await;
        }
        place.proxy.heal();
        for (offset, answer) in (1_u64..).zip(answers) {
            let accepted = answered(answer).await.unwrap();
            assert_eq!((accepted.offset, accepted.duplicate), (Some(offset), false));
        }
        let all: Vec<String> = (0..20).map(|number| number.to_string()).collect();
        assert_eq!(kept(&room).await, all, "restarts: {restarts}");
    }
}

/// Assertion 60, as the tests after it: what waits is bounded in number, bytes and age, and can be given up.
#[tokio::test]
async fn a_full_buffer_refuses_what_is_new() {
    let place = ProxiedNode::start().await;
    let (_session, room) = away(&place, OfflineBuffer { count_max: 2, ..OfflineBuffer::default() }).await;
    let waiting = [emit(&room, "0").await, emit(&room, "1").await];
    assert_eq!(answered(emit(&room, "2").await).await, Err(Error::Unsent(Unsent::Full)));
    place.proxy.heal();
    for answer in waiting {
        answered(answer).await.unwrap();
    }
    assert_eq!(kept(&room).await, ["0", "1"]);
}

#[tokio::test]
async fn a_full_buffer_may_give_up_what_is_oldest() {
    let place = ProxiedNode::start().await;
    let buffer = OfflineBuffer { count_max: 2, overflow: Overflow::DropOldest, ..OfflineBuffer::default() };
    let (_session, room) = away(&place, buffer).await;
    let oldest = emit(&room, "0").await;
    let waiting = [emit(&room, "1").await, emit(&room, "2").await];
    assert_eq!(answered(oldest).await, Err(Error::Unsent(Unsent::MadeRoom)));
    place.proxy.heal();
    for answer in waiting {
        answered(answer).await.unwrap();
    }
    assert_eq!(kept(&room).await, ["1", "2"]);
}

#[tokio::test]
async fn bytes_are_bounded_too_but_one_emit_always_finds_a_place() {
    let place = ProxiedNode::start().await;
    let (_session, room) = away(&place, OfflineBuffer { bytes_max: 1000, ..OfflineBuffer::default() }).await;
    let large = "x".repeat(5000);
    let alone = emit(&room, &large).await;
    assert_eq!(answered(emit(&room, "small").await).await, Err(Error::Unsent(Unsent::Full)));
    place.proxy.heal();
    answered(alone).await.unwrap();
    assert_eq!(kept(&room).await, [large]);
}

#[tokio::test]
async fn a_buffer_for_nothing_lets_nothing_wait() {
    let place = ProxiedNode::start().await;
    let (_session, room) = away(&place, OfflineBuffer { count_max: 0, ..OfflineBuffer::default() }).await;
    assert_eq!(answered(emit(&room, "0").await).await, Err(Error::Unsent(Unsent::Full)));
}

#[tokio::test]
async fn what_waited_for_too_long_is_not_sent() {
    let place = ProxiedNode::start().await;
    let buffer = OfflineBuffer { age_max: Some(Duration::from_millis(50)), ..OfflineBuffer::default() };
    let (session, room) = away(&place, buffer).await;
    assert_eq!(answered(emit(&room, "old").await).await, Err(Error::Unsent(Unsent::TooOld)));
    let mut reports = session.reports();
    place.proxy.heal();
    assert!(reconnected(&mut reports).await);
    room.emit("message", "new").await.unwrap();
    assert_eq!(kept(&room).await, ["new"]);
}

#[tokio::test]
async fn what_waits_can_be_given_up_and_posts_are_counted() {
    let place = ProxiedNode::start().await;
    let (session, room) = away(&place, OfflineBuffer::default()).await;
    let mut reports = session.reports();
    let waiting = emit(&room, "0").await;
    room.emit("message", "posted").post().await.unwrap();
    assert_eq!(session.clear_offline_buffer(), 2);
    assert_eq!(answered(waiting).await, Err(Error::Unsent(Unsent::Cleared)));
    place.proxy.heal();
    room.emit("message", "new").await.unwrap();
    assert_eq!(kept(&room).await, ["new"]);
    within("the number of posts", async { while report(&mut reports).await != Report::Unsent(1) {} }).await;
}

#[tokio::test]
async fn what_is_volatile_or_late_is_not_sent_afterwards() {
    let place = ProxiedNode::start().await;
    let (_session, room) = away(&place, OfflineBuffer::default()).await;
    let volatile = room.emit("message", "now or never").volatile();
    assert!(matches!(within("at once", volatile.into_future()).await, Err(Error::Unavailable(_))));
    let late = room.emit("message", "late").deadline(Duration::from_millis(50));
    assert!(within("its deadline", late.into_future()).await.unwrap_err().unavailable());
    place.proxy.heal();
    room.emit("message", "new").await.unwrap();
    assert_eq!(kept(&room).await, ["new"]);
}

#[tokio::test]
async fn a_state_whose_answer_is_lost_with_the_node_is_not_set_twice() {
    let mut place = ProxiedNode::start().await;
    let session = place.session("ann").await;
    let room = session.namespace("chat").room("general");
    let bob = place.beside("bob").await;
    let there = bob.namespace("chat").room("general");
    let mut watch = there.state().watch().unwrap();
    there.join_with(JoinOptions::default().state(true)).await.unwrap();
    within("the state", watch.next()).await.unwrap();

    place.proxy.all().half_open(rialto_tests::proxy::Direction::Down);
    let setting = begin(room.state().set("topic", "tea").into_future());
    within("the change", watch.next()).await.unwrap();
    place.restart().await;
    place.proxy.heal();
    assert_eq!(within("an answer", setting).await.unwrap(), Err(Error::UnknownOutcome));
    assert_eq!(room.state().get("topic").await.unwrap().unwrap().revision, 1);
}

#[tokio::test]
async fn a_job_is_put_in_once_though_the_server_is_away_for_a_moment() {
    let mut place = ProxiedNode::start().await;
    let client = Client::builder(place.proxy.url()).deadline(PATIENCE).build().unwrap();
    place.part();
    let enqueuing =
        begin(async move { client.jobs("default", "mail").enqueue(NewJob::new("").id("")).await });
    place.restart().await;
    place.proxy.heal();
    let put = within("an answer", enqueuing).await.unwrap().unwrap();
    assert_eq!((put.id.len(), put.duplicate), (32, false));
    let jobs = Client::new(place.node().url()).unwrap().jobs("default", "mail");
    assert_eq!(jobs.get(&put.id).await.unwrap().state(), JobState::Waiting);
}
