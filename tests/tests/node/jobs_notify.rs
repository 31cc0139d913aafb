//! Rooms that are told what becomes of jobs.

use rialto_proto::v1::{Event, GetHistoryRequest, JobNotify, JobState, LeaseOutcome, NewJob, RefusalCode};
use rialto_server::auth::Right;
use rialto_tests::{
    access::{AN_HOUR, demand_tokens, grant, token},
    eventually,
    histories::{folder, history},
    jobs::{NAMESPACE, Producer, TestWorker, completed, failed_for_good, job},
    node::TestNode,
};
use serde_json::Value;

fn told(namespace: &str, room: &str, states: &[JobState]) -> JobNotify {
    JobNotify {
        namespace: namespace.to_owned(),
        room: room.to_owned(),
        states: states.iter().map(|state| (*state).into()).collect(),
    }
}

/// What the room `general` of `chat` keeps.
async fn kept(node: &TestNode) -> Vec<Event> {
    let request = GetHistoryRequest {
        namespace: "chat".to_owned(),
        room: "general".to_owned(),
        ..GetHistoryRequest::default()
    };
    history(node, request).await.expect("it may").events
}

#[tokio::test]
async fn a_room_hears_how_a_job_has_ended_with_its_result() {
    let node = TestNode::start().await;
    let producer = Producer::new(&node, "mail").await;
    let mut member = node.attach("ann").await;
    member.join(NAMESPACE, &["ops"]).await;
    let mut worker = TestWorker::start(&node, "mail", 1).await;
    producer.enqueue(NewJob { notify: vec![told("", "ops", &[])], ..job("one", "to ann") }).await;
    let lease = worker.next().await;
    worker.settle(&lease.token, completed("sent")).await;
    let text = member.expect_text("job.completed").await;
    let json: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(json["jobId"], "one");
    assert_eq!(json["result"]["text"], "sent");
    assert_eq!(json.get("body"), None);
}

#[tokio::test]
async fn who_asks_for_other_states_hears_of_those() {
    let node = TestNode::start().await;
    let producer = Producer::new(&node, "mail").await;
    let mut member = node.attach("ann").await;
    member.join(NAMESPACE, &["begun", "dead"]).await;
    let mut worker = TestWorker::start(&node, "mail", 1).await;
    let notify = vec![
        told("", "begun", &[JobState::Running]),
        told("", "dead", &[JobState::Dead, JobState::Cancelled]),
    ];
    producer.enqueue(NewJob { notify, ..job("one", "") }).await;
    let lease = worker.next().await;
    assert_eq!(member.expect_event("job.running").await.rooms, ["begun"]);
    worker.settle(&lease.token, failed_for_good()).await;
    assert_eq!(member.expect_event("job.dead").await.rooms, ["dead"]);
}

#[tokio::test]
async fn a_room_that_keeps_what_is_said_is_told_once_whatever_restarts() {
    let folder = folder();
    let node = TestNode::keeping(folder.path()).await;
    let producer = Producer::new(&node, "mail").await;
    producer.enqueue(NewJob { notify: vec![told("chat", "general", &[])], ..job("one", "") }).await;
    let mut worker = TestWorker::start(&node, "mail", 1).await;
    let lease = worker.next().await;
    assert_eq!(worker.settle(&lease.token, completed("")).await, LeaseOutcome::Ok);
    drop(worker);
    node.stop().await;
    let node = TestNode::keeping(folder.path()).await;
    eventually("the room was told", async || !kept(&node).await.is_empty()).await;
    node.stop().await;
    let node = TestNode::keeping(folder.path()).await;
    let events = kept(&node).await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].content.as_ref().map(|content| content.event.as_str()), Some("job.completed"));
}

#[tokio::test]
async fn nobody_has_a_room_told_in_which_he_may_not_speak() {
    let node = TestNode::with(demand_tokens).await;
    let token = token("ann", AN_HOUR, vec![grant(NAMESPACE, &["mail"], &[Right::Enqueue])]);
    let producer = Producer::with_token(&node, "mail", Some(&token)).await;
    let notify = vec![told("", "ops", &[])];
    assert_eq!(producer.try_enqueue(NewJob { notify, ..job("one", "") }).await, Err(RefusalCode::Forbidden));
}
