//! Asking and telling without a session: `Call`, `Publish`, `PublishBatch`.

use std::{collections::BTreeSet, time::Duration};

use rialto_proto::v1::{
    CallRequest, CallResponse, Delivery, PublishBatchRequest, PublishOutcome, PublishRequest, RefusalCode,
    Target, call_request::Callee, publish_outcome::Outcome, reply, reply_item,
};
use rialto_tests::{
    eventually,
    inspect::assert_status,
    node::{TestNode, end_with_streams, reached},
    talker::{content, duration, emit_to, rooms},
    web::WebCall,
    within,
};
use tokio::time::Instant;
use tonic::{Code, Status};

const LONG: Duration = Duration::from_secs(60);

fn question(callee: Callee, timeout: Duration) -> CallRequest {
    CallRequest {
        namespace: "chat".to_owned(),
        callee: Some(callee),
        content: Some(content("question", "?")),
        timeout: Some(duration(timeout)),
    }
}

async fn call(
    node: &TestNode,
    request: impl tonic::IntoRequest<CallRequest>,
) -> Result<CallResponse, Status> {
    let mut stub = node.messaging().await;
    within("an answer", stub.call(request)).await.map(tonic::Response::into_inner)
}

fn publish(target: Target, event: &str, text: &str) -> PublishRequest {
    let emit = emit_to(target, event, text);
    PublishRequest {
        namespace: emit.namespace,
        target: emit.target,
        content: emit.content,
        delivery: Delivery::Unspecified.into(),
        ..Default::default()
    }
}

async fn no_wait_is_left(node: &TestNode) {
    eventually("the end of all waits", async || node.metric("rialto_replies_outstanding").await == 0).await;
}

#[tokio::test]
async fn a_call_returns_the_answer_of_the_session() {
    let node = TestNode::start().await;
    let mut bob = node.member("bob", "general").await;
    let mut eve = node.member("eve", "general").await;

    let callee = Callee::Session(bob.id());
    let (answer, event) = tokio::join!(call(&node, question(callee, LONG)), async {
        let event = bob.expect_event("question").await;
        bob.reply(&event, "yes").await;
        event
    });

    let answer = answer.unwrap();
    assert_eq!(answer.event_id, event.event_id);
    let reply = answer.reply.unwrap();
    assert_eq!(reply.from.unwrap().session, bob.id());
    assert_eq!(reply.body, Some(reply_item::Body::Text("yes".to_owned())));
    assert_eq!(event.sender.unwrap().session, "", "a call has no session");
    eve.expect_nothing().await;
    no_wait_is_left(&node).await;
}

#[tokio::test]
async fn a_call_of_any_member_reaches_exactly_one_and_in_time_every_one() {
    let node = TestNode::start().await;
    let mut bob = node.member("bob", "work").await;
    let mut eve = node.member("eve", "work").await;
    let mut heard = BTreeSet::new();
    let started = Instant::now();
    // A fair coin that falls on one side 60 times in a row is not one.
    for _ in 0..60 {
        let callee = Callee::AnyOf("work".to_owned());
        let (answer, ()) = tokio::join!(call(&node, question(callee, LONG)), async {
            let (event, member) = tokio::select! {
                event = bob.expect_event("question") => (event, &mut bob),
                event = eve.expect_event("question") => (event, &mut eve),
            };
            member.reply(&event, "mine").await;
        });
        heard.insert(answer.unwrap().reply.unwrap().from.unwrap().session);
        bob.expect_nothing().await;
        eve.expect_nothing().await;
        if heard.len() == 2 {
            break;
        }
    }
    assert_eq!(heard, BTreeSet::from([bob.id(), eve.id()]), "after {:?}", started.elapsed());
}

#[tokio::test]
async fn a_callee_that_fails_makes_the_call_fail_with_its_words() {
    let node = TestNode::start().await;
    let mut bob = node.member("bob", "general").await;
    let callee = Callee::Session(bob.id());
    let (answer, ()) = tokio::join!(call(&node, question(callee, LONG)), async {
        let event = bob.expect_event("question").await;
        bob.reply_with(&event, reply::Body::Error("out of stock".to_owned())).await;
    });
    let status = answer.unwrap_err();
    assert_status(&status, Code::Unknown, "RECIPIENT_FAILED");
    assert!(status.message().contains("out of stock"));
}

#[tokio::test]
async fn a_call_that_nobody_can_take_fails_at_once() {
    let node = TestNode::start().await;
    let bob = node.attach("bob").await;
    let gone = "00000000-0000000000000".to_owned();
    // Bob exists, but he has not entered the namespace.
    for callee in [Callee::AnyOf("empty".to_owned()), Callee::Session(bob.id()), Callee::Session(gone)] {
        let status = call(&node, question(callee, LONG)).await.unwrap_err();
        assert_status(&status, Code::Unavailable, "NO_RECIPIENT");
    }
    no_wait_is_left(&node).await;
}

/// Assertion 38: a callee that leaves before it answers ends the call at once.
#[tokio::test]
async fn a_callee_that_leaves_ends_the_call_at_once() {
    let node = TestNode::with(end_with_streams).await;
    let mut bob = node.member("bob", "general").await;
    let callee = Callee::Session(bob.id());
    let (answer, ()) = tokio::join!(call(&node, question(callee, LONG)), async move {
        bob.expect_event("question").await;
        drop(bob);
    });
    assert_status(&answer.unwrap_err(), Code::Aborted, "RECIPIENT_LEFT");
    no_wait_is_left(&node).await;
}

/// Assertion 37: a call that is not answered in time fails; the late answer is refused.
#[tokio::test]
async fn a_call_without_an_answer_in_time_fails() {
    let node = TestNode::start().await;
    let mut bob = node.member("bob", "general").await;
    let callee = Callee::Session(bob.id());
    let status = call(&node, question(callee, Duration::from_millis(50))).await.unwrap_err();
    assert_status(&status, Code::DeadlineExceeded, "TIMED_OUT");
    let event = bob.expect_event("question").await;
    bob.reply(&event, "late").await;
    assert_eq!(bob.expect_refused(0).await.code(), RefusalCode::ReplyUnknown);
    no_wait_is_left(&node).await;
}

/// Assertion 44: a call without a timeout has one of five seconds.
#[tokio::test]
async fn a_call_without_a_timeout_has_one() {
    let node = TestNode::start().await;
    let bob = node.member("bob", "general").await;
    let started = Instant::now();
    let request = CallRequest { timeout: None, ..question(Callee::Session(bob.id()), LONG) };
    let status = call(&node, request).await.unwrap_err();
    assert_status(&status, Code::DeadlineExceeded, "TIMED_OUT");
    assert!(started.elapsed() >= Duration::from_secs(5));
}

#[tokio::test]
async fn the_deadline_of_the_call_itself_holds_too() {
    let node = TestNode::start().await;
    let bob = node.member("bob", "general").await;
    let request = question(Callee::Session(bob.id()), LONG);
    // tonic's client would give up by itself.
    let path = "/rialto.v1.MessagingService/Call";
    let mut call = WebCall::make_with(&node, path, "grpc-timeout: 100m\r\n", &request).await;
    assert_eq!(call.status().await, "4", "DEADLINE_EXCEEDED");
    no_wait_is_left(&node).await;
}

#[tokio::test]
async fn a_call_that_its_caller_gives_up_is_forgotten() {
    let node = TestNode::start().await;
    let mut bob = node.member("bob", "general").await;
    let mut stub = node.messaging().await;
    let event = {
        let calling = stub.call(question(Callee::Session(bob.id()), LONG));
        tokio::select! {
            answer = calling => panic!("nobody answered, and yet: {answer:?}"),
            event = bob.expect_event("question") => event,
        }
    };
    no_wait_is_left(&node).await;
    bob.reply(&event, "to nobody").await;
    assert_eq!(bob.expect_refused(0).await.code(), RefusalCode::ReplyUnknown);
}

#[tokio::test]
async fn a_call_of_nobody_in_particular_is_refused() {
    let node = TestNode::start().await;
    let request = CallRequest { callee: None, ..question(Callee::AnyOf(String::new()), LONG) };
    assert_status(&call(&node, request).await.unwrap_err(), Code::InvalidArgument, "INVALID");
    let request = question(Callee::AnyOf(String::new()), LONG);
    assert_status(&call(&node, request).await.unwrap_err(), Code::InvalidArgument, "TARGET_EMPTY");
    let request = question(Callee::Session("not an id".to_owned()), LONG);
    assert_status(&call(&node, request).await.unwrap_err(), Code::InvalidArgument, "INVALID");
}

#[tokio::test]
async fn what_is_published_reaches_its_target_without_a_session() {
    let node = TestNode::start().await;
    let mut bob = node.member("bob", "general").await;
    let mut stub = node.messaging().await;

    let published = stub.publish(publish(rooms(&["general"]), "news", "1")).await.unwrap().into_inner();

    let accepted = published.accepted.unwrap();
    reached(&accepted, 1);
    let event = bob.expect_event("news").await;
    assert_eq!(event.event_id, accepted.event_id);
    assert_eq!(event.sender.unwrap().session, "");
}

#[tokio::test]
async fn every_entry_of_a_batch_is_taken_or_refused_by_itself_and_in_order() {
    let node = TestNode::start().await;
    let mut bob = node.member("bob", "general").await;
    let mut stub = node.messaging().await;
    let target = || rooms(&["general"]);
    let nowhere = PublishRequest { namespace: "nowhere".to_owned(), ..publish(target(), "news", "x") };
    let entries = vec![
        publish(target(), "news", "1"),
        publish(Target::default(), "news", "x"),
        publish(target(), "$news", "x"),
        publish(target(), "news", "2"),
        nowhere,
        publish(target(), "news", &"x".repeat((64 << 10) + 1)),
        publish(target(), "news", "3"),
    ];

    let response = stub.publish_batch(PublishBatchRequest { entries }).await.unwrap().into_inner();

    let code = |outcome: &PublishOutcome| match outcome.outcome.as_ref().unwrap() {
        Outcome::Accepted(_) => None,
        Outcome::Refused(refused) => Some(refused.code()),
    };
    let outcomes: Vec<_> = response.outcomes.iter().map(code).collect();
    let expected = [
        None,
        Some(RefusalCode::TargetEmpty),
        Some(RefusalCode::NameInvalid),
        None,
        Some(RefusalCode::NamespaceUnknown),
        Some(RefusalCode::PayloadTooLarge),
        None,
    ];
    assert_eq!(outcomes, expected);
    for expected in ["1", "2", "3"] {
        assert_eq!(bob.expect_text("news").await, expected);
    }
    bob.expect_nothing().await;
}

#[tokio::test]
async fn a_batch_has_1_to_256_entries() {
    let node = TestNode::with(|config| config.namespaces[0].settings.room_emits_per_second = 0).await;
    let mut bob = node.member("bob", "general").await;
    let mut stub = node.messaging().await;
    let batch = |count: u32| {
        let entry = |number: u32| publish(rooms(&["general"]), "news", &number.to_string());
        PublishBatchRequest { entries: (0..count).map(entry).collect() }
    };
    for count in [0, 257] {
        let status = stub.publish_batch(batch(count)).await.unwrap_err();
        assert_status(&status, Code::InvalidArgument, "INVALID");
    }
    bob.expect_nothing().await;

    let response = stub.publish_batch(batch(256)).await.unwrap().into_inner();
    assert_eq!(response.outcomes.len(), 256);
    for number in 0..256 {
        assert_eq!(bob.expect_text("news").await, number.to_string());
    }
}
