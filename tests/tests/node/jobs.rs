//! Jobs: handed over durably, served in their order, leased with a fence, tried again, looked at, cancelled.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use rialto_proto::v1::{
    self, Durability, JobState, Lease, LeaseOutcome, NewJob, QueueSettings, RefusalCode, RetryPolicy,
    new_job::Start,
};
use rialto_tests::{
    histories::folder,
    jobs::{
        NAMESPACE, Producer, TestWorker, body, completed, discarded, failed, failed_for_good, hello, job,
        released,
    },
    node::TestNode,
    talker::duration,
};
use tonic::Code;

/// A node, and somebody who hands work over in one queue.
async fn start() -> (TestNode, Producer) {
    let node = TestNode::start().await;
    let producer = Producer::new(&node, "mail").await;
    (node, producer)
}

#[tokio::test]
async fn a_job_is_handed_over_done_and_its_result_is_there_for_who_waits() {
    let (node, producer) = start().await;
    let mut worker = TestWorker::start(&node, "mail", 1).await;
    let spec = NewJob {
        r#type: "welcome".to_owned(),
        attributes: BTreeMap::from([("tenant".to_owned(), "a".to_owned())]),
        ..job("one", "to ann")
    };
    assert!(!producer.enqueue(spec).await.duplicate);
    let lease = worker.next().await;
    assert_eq!((lease.job_id.as_str(), lease.r#type.as_str(), lease.attempt), ("one", "welcome", 1));
    assert_eq!(lease.body, Some(body("to ann")));
    assert_eq!(lease.attributes["tenant"], "a");
    let running = producer.get("one").await.unwrap();
    assert_eq!((running.state(), running.worker_id.as_str()), (JobState::Running, "worker"));
    let (ended, settled) =
        tokio::join!(producer.ended("one"), worker.settle(&lease.token, completed("sent")));
    assert_eq!(settled, LeaseOutcome::Ok);
    assert_eq!((ended.state(), ended.attempt, ended.result), (JobState::Completed, 1, Some(body("sent"))));
    assert_eq!(producer.get("one").await.unwrap().body, None, "the payload is not kept");
}

#[tokio::test]
async fn the_same_job_twice_is_one_job_and_another_one_of_its_name_is_refused() {
    let (_node, producer) = start().await;
    assert!(!producer.enqueue(job("one", "a")).await.duplicate);
    assert!(producer.enqueue(job("one", "a")).await.duplicate);
    assert_eq!(producer.try_enqueue(job("one", "b")).await, Err(RefusalCode::AlreadyExists));
    let made = producer.enqueue(job("", "a")).await;
    assert_ne!(made.job_id, producer.enqueue(job("", "a")).await.job_id);
    assert_eq!(producer.list(&[]).await.len(), 3);
}

#[tokio::test]
async fn while_a_job_with_a_unique_key_lives_another_one_is_not_taken() {
    let (node, producer) = start().await;
    let unique = |id: &str| NewJob { unique_key: "report".to_owned(), ..job(id, id) };
    producer.enqueue(unique("one")).await;
    let second = producer.enqueue(unique("two")).await;
    assert_eq!((second.job_id.as_str(), second.duplicate), ("one", true));
    let mut worker = TestWorker::start(&node, "mail", 1).await;
    let lease = worker.next().await;
    worker.settle(&lease.token, completed("")).await;
    assert_eq!(producer.enqueue(unique("two")).await.job_id, "two");
}

#[tokio::test]
async fn jobs_are_served_by_priority_then_those_of_tenants_who_have_fewer_then_as_they_came() {
    let (node, producer) = start().await;
    let of = |id: &str, tenant: &str, priority| NewJob {
        fairness_key: tenant.to_owned(),
        priority,
        ..job(id, "")
    };
    let jobs = vec![
        of("a1", "a", 0),
        of("a2", "a", 0),
        of("a3", "a", 0),
        of("b1", "b", 0),
        of("low", "b", -1),
        of("high", "a", 7),
    ];
    producer.enqueue_all(jobs).await.unwrap();
    let mut worker = TestWorker::start(&node, "mail", 10).await;
    let order: Vec<String> = worker.take(6).await.into_iter().map(|lease| lease.job_id).collect();
    assert_eq!(order, ["high", "b1", "a1", "a2", "a3", "low"]);
}

#[tokio::test]
async fn a_tenant_whose_jobs_take_long_leaves_the_workers_to_those_who_have_none() {
    let (node, producer) = start().await;
    let of = |tenant: &str, n: usize| NewJob {
        fairness_key: tenant.to_owned(),
        ..job(&format!("{tenant}{n}"), "")
    };
    producer.enqueue_all((0..10).map(|n| of("long", n)).collect()).await.unwrap();
    let mut worker = TestWorker::start(&node, "mail", 4).await;
    let mut held: VecDeque<Lease> = worker.take(4).await.into();
    producer.enqueue_all((0..10).map(|n| of("short", n)).collect()).await.unwrap();
    let mut order = Vec::new();
    for _ in 0..6 {
        // One of the long ones has ended at first, and later always the short one that has run longest.
        let short = held.iter().position(|lease| order.len() > 1 && lease.job_id.starts_with("short"));
        let ended = held.remove(short.unwrap_or(0)).unwrap();
        worker.settle(&ended.token, completed("")).await;
        held.push_back(worker.next().await);
        order.push(held[3].job_id.clone());
    }
    assert_eq!(order, ["short0", "short1", "short2", "short3", "short4", "short5"]);
}

#[tokio::test]
async fn jobs_of_one_ordering_key_are_done_one_after_the_other_also_when_one_fails() {
    let (node, producer) = start().await;
    let of = |id: &str| NewJob { ordering_key: "account-7".to_owned(), ..job(id, "") };
    producer.enqueue_all(vec![of("one"), of("two"), job("other", "")]).await.unwrap();
    let mut worker = TestWorker::start(&node, "mail", 10).await;
    let first = worker.take(2).await;
    assert_eq!((first[0].job_id.as_str(), first[1].job_id.as_str()), ("one", "other"));
    worker.settle(&first[0].token, failed(Duration::from_millis(1))).await;
    let again = worker.next().await;
    assert_eq!((again.job_id.as_str(), again.attempt), ("one", 2));
    assert_eq!(again.last_error.as_ref().map(|error| error.code.as_str()), Some("BROKEN"));
    worker.settle(&again.token, completed("")).await;
    assert_eq!(worker.next().await.job_id, "two");
}

#[tokio::test]
async fn a_worker_has_no_more_jobs_at_once_than_its_credit_and_the_queue_allow() {
    let (node, producer) = start().await;
    producer.set(QueueSettings { concurrency_max: 3, ..QueueSettings::default() }).await;
    let jobs = (0..6).map(|n| job(&n.to_string(), "")).collect();
    producer.enqueue_all(jobs).await.unwrap();
    let mut one = TestWorker::start(&node, "mail", 2).await;
    let held = one.take(2).await;
    let mut two = TestWorker::start(&node, "mail", 5).await;
    let third = two.next().await;
    assert_eq!(producer.queue().await.running_count, 3);
    one.settle(&held[0].token, completed("")).await;
    two.settle(&third.token, completed("")).await;
    // Whoever comes first; both were waiting.
    one.settle(&held[1].token, completed("")).await;
    let queue = producer.queue().await;
    assert!(queue.running_count <= 3);
    assert_eq!(queue.running_count + queue.waiting_count + queue.ended_count, 6);
    one.credit(0).await;
    producer.set(QueueSettings::default()).await;
    drop(one);
    let rest = two.next().await;
    assert_eq!(two.settle(&rest.token, completed("")).await, LeaseOutcome::Ok);
}

#[tokio::test]
async fn a_job_that_fails_is_tried_again_and_dead_after_its_last_attempt_and_can_be_redriven() {
    let (node, producer) = start().await;
    let retry = RetryPolicy { attempts_max: 2, ..RetryPolicy::default() };
    producer.enqueue(NewJob { retry: Some(retry), ..job("one", "") }).await;
    let mut worker = TestWorker::start(&node, "mail", 1).await;
    for attempt in 1..=2 {
        let lease = worker.next().await;
        assert_eq!((lease.attempt, lease.attempts_max), (attempt, 2));
        worker.settle(&lease.token, failed(Duration::from_millis(1))).await;
    }
    let dead = producer.ended("one").await;
    assert_eq!((dead.state(), dead.attempt), (JobState::Dead, 2));
    assert_eq!(dead.error.map(|error| error.message), Some("it did not work".to_owned()));
    let request = v1::RedriveJobsRequest {
        namespace: NAMESPACE.to_owned(),
        queue: "mail".to_owned(),
        job_ids: Vec::new(),
    };
    let redriven = producer.stub.clone().redrive_jobs(request).await.unwrap().into_inner();
    assert_eq!(redriven.redriven_count, 1);
    let lease = worker.next().await;
    assert_eq!(lease.attempt, 1);
    worker.settle(&lease.token, failed_for_good()).await;
    assert_eq!(producer.ended("one").await.state(), JobState::Dead);
}

#[tokio::test]
async fn a_job_that_is_given_back_counts_no_attempt_and_one_that_is_discarded_is_not_done() {
    let (node, producer) = start().await;
    producer.enqueue(job("one", "")).await;
    let mut worker = TestWorker::start(&node, "mail", 1).await;
    let lease = worker.next().await;
    assert_eq!(worker.settle(&lease.token, released()).await, LeaseOutcome::Ok);
    let again = worker.next().await;
    assert_eq!(again.attempt, 1);
    assert_ne!(again.token, lease.token);
    worker.settle(&again.token, discarded()).await;
    let ended = producer.ended("one").await;
    assert_eq!((ended.state(), ended.deliveries), (JobState::Discarded, 2));
}

#[tokio::test]
async fn a_stale_lease_has_no_effect_and_whoever_shows_it_is_told() {
    let (node, producer) = start().await;
    producer.enqueue(job("one", "")).await;
    let mut worker = TestWorker::start(&node, "mail", 1).await;
    let stale = worker.next().await;
    worker.settle(&stale.token, released()).await;
    let present = worker.next().await;
    for outcome in [completed("stale"), failed(Duration::ZERO), discarded()] {
        assert_eq!(worker.settle(&stale.token, outcome).await, LeaseOutcome::LeaseLost);
    }
    let extension = v1::Extension { token: stale.token.clone(), ..v1::Extension::default() };
    assert_eq!(worker.extend(extension).await.outcomes, [LeaseOutcome::LeaseLost as i32]);
    assert_eq!(producer.get("one").await.unwrap().state(), JobState::Running);
    assert_eq!(worker.settle(&present.token, completed("new")).await, LeaseOutcome::Ok);
    assert_eq!(worker.settle(&present.token, completed("new")).await, LeaseOutcome::Ok, "said again");
    assert_eq!(worker.settle(&present.token, discarded()).await, LeaseOutcome::LeaseLost);
    assert_eq!(producer.get("one").await.unwrap().result, Some(body("new")));
    assert_eq!(worker.settle("nonsense", discarded()).await, LeaseOutcome::Invalid);
}

#[tokio::test]
async fn what_a_worker_has_noted_is_there_for_the_next_attempt_and_for_who_looks() {
    let (node, producer) = start().await;
    producer.enqueue(job("one", "")).await;
    let mut worker = TestWorker::start(&node, "mail", 1).await;
    let lease = worker.next().await;
    let progress = v1::JobProgress { done: 3, total: 10, message: "rows".to_owned() };
    let extension = v1::Extension {
        token: lease.token.clone(),
        progress: Some(progress.clone()),
        checkpoint: Some("row 3".into()),
        ..v1::Extension::default()
    };
    assert_eq!(worker.extend(extension).await.outcomes, [LeaseOutcome::Ok as i32]);
    assert_eq!(producer.get("one").await.unwrap().progress, Some(progress.clone()));
    worker.settle(&lease.token, failed(Duration::ZERO)).await;
    let again = worker.next().await;
    assert_eq!(
        (again.attempt, again.checkpoint.as_ref(), again.progress),
        (2, &b"row 3"[..], Some(progress))
    );
}

#[tokio::test]
async fn a_lease_that_is_not_extended_ends_and_the_job_goes_to_somebody_else() {
    let (node, producer) = start().await;
    producer.enqueue(job("one", "")).await;
    let slow = v1::WorkerHello { lease_duration: Some(duration(Duration::from_secs(1))), ..hello("mail", 1) };
    let mut slow = TestWorker::greet(&node, slow, None).await.unwrap();
    let stale = slow.next().await;
    let mut other = TestWorker::start(&node, "mail", 1).await;
    let lease = other.next().await;
    assert_eq!((lease.job_id.as_str(), lease.attempt), ("one", 2));
    assert_eq!(lease.last_error.map(|error| error.code), Some("LEASE_EXPIRED".to_owned()));
    assert_eq!(slow.settle(&stale.token, completed("late")).await, LeaseOutcome::LeaseLost);
    assert_eq!(other.settle(&lease.token, completed("in time")).await, LeaseOutcome::Ok);
}

#[tokio::test]
async fn a_worker_that_loses_its_stream_goes_on_with_its_leases_when_it_comes_back() {
    let (node, producer) = start().await;
    producer.enqueue(job("one", "")).await;
    let mut worker = TestWorker::start(&node, "mail", 1).await;
    let lease = worker.next().await;
    let session = worker.welcome.session.clone();
    drop(worker);
    let back = v1::WorkerHello { resume: session.clone(), ..hello("mail", 1) };
    let mut worker = TestWorker::greet(&node, back, None).await.unwrap();
    assert!(worker.welcome.resumed);
    assert_eq!(worker.welcome.session, session);
    assert_eq!(worker.next().await.token, lease.token, "it is told what it has");
    assert_eq!(worker.settle(&lease.token, completed("")).await, LeaseOutcome::Ok);
}

#[tokio::test]
async fn a_newer_stream_of_a_worker_ends_the_one_before() {
    let (node, producer) = start().await;
    producer.enqueue(job("one", "")).await;
    let mut worker = TestWorker::start(&node, "mail", 1).await;
    worker.next().await;
    let back = v1::WorkerHello { resume: worker.welcome.session.clone(), ..hello("mail", 1) };
    let mut newer = TestWorker::greet(&node, back, None).await.unwrap();
    assert_eq!(worker.end().await.unwrap_err().code(), Code::FailedPrecondition);
    let lease = newer.next().await;
    assert_eq!(newer.settle(&lease.token, completed("")).await, LeaseOutcome::Ok);
}

#[tokio::test]
async fn a_delayed_job_waits_for_its_time_and_one_that_is_not_begun_in_time_expires() {
    let (node, producer) = start().await;
    let start = Some(Start::Delay(duration(Duration::from_millis(300))));
    producer.enqueue(NewJob { start, ..job("later", "") }).await;
    assert_eq!(producer.list(&[JobState::Delayed]).await, ["later"]);
    let ttl = Some(duration(Duration::from_millis(1)));
    producer.enqueue(NewJob { ttl, ..job("stale", "") }).await;
    assert_eq!(producer.ended("stale").await.state(), JobState::Expired);
    let mut worker = TestWorker::start(&node, "mail", 2).await;
    assert_eq!(worker.next().await.job_id, "later");
}

#[tokio::test]
async fn everything_is_there_again_after_a_restart_and_a_worker_goes_on_where_it_was() {
    let folder = folder();
    let node = TestNode::keeping(folder.path()).await;
    let producer = Producer::new(&node, "mail").await;
    let enqueued = producer.enqueue_all(vec![job("one", "a"), job("two", "b")]).await.unwrap();
    assert_eq!(enqueued.durability(), Durability::Fsync);
    producer.set(QueueSettings { concurrency_max: 9, ..QueueSettings::default() }).await;
    let mut worker = TestWorker::start(&node, "mail", 1).await;
    let lease = worker.next().await;
    let session = worker.welcome.session.clone();
    drop(worker);
    node.stop().await;

    let node = TestNode::keeping(folder.path()).await;
    let producer = Producer::new(&node, "mail").await;
    let queue = producer.queue().await;
    assert_eq!((queue.waiting_count, queue.running_count), (1, 1));
    assert_eq!(queue.settings.unwrap().concurrency_max, 9);
    let back = v1::WorkerHello { resume: session, ..hello("mail", 1) };
    let mut worker = TestWorker::greet(&node, back, None).await.unwrap();
    assert_eq!(worker.next().await.token, lease.token);
    assert_eq!(worker.settle(&lease.token, completed("")).await, LeaseOutcome::Ok);
    assert_eq!(worker.next().await.job_id, "two");
}

#[tokio::test]
async fn a_stopping_node_lets_its_workers_settle_what_they_have() {
    let node = TestNode::with(|config| config.stop.drain = Duration::from_secs(10)).await;
    let producer = Producer::new(&node, "mail").await;
    producer.enqueue(job("one", "")).await;
    let mut worker = TestWorker::start(&node, "mail", 1).await;
    let lease = worker.next().await;
    let work = async {
        worker.drained().await;
        assert_eq!(worker.settle(&lease.token, completed("")).await, LeaseOutcome::Ok);
        worker.end().await.expect("it ends well");
    };
    tokio::join!(node.stop(), work);
}

#[tokio::test]
async fn a_worker_that_drains_is_given_nothing_more_and_ends_well() {
    let (node, producer) = start().await;
    producer.enqueue_all(vec![job("one", ""), job("two", "")]).await.unwrap();
    let mut worker = TestWorker::start(&node, "mail", 1).await;
    let lease = worker.next().await;
    worker.drain().await;
    worker.settle(&lease.token, completed("")).await;
    worker.end().await.expect("it ends well");
    assert_eq!(producer.list(&[JobState::Waiting]).await, ["two"]);
}
