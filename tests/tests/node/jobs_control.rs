//! Looking after jobs: watching, finding, cancelling, pausing; what is refused, and to whom.

use std::{collections::BTreeMap, time::Duration};

use rialto_proto::v1::{
    self, JobState, LeaseOutcome, LeaseRequest, NewJob, QueueSettings, RefusalCode, RetryPolicy,
    SettleRequest, Settlement, WatchJobsResponse, new_job::Start, worker_service_client::WorkerServiceClient,
};
use rialto_server::auth::Right;
use rialto_tests::{
    access::{AN_HOUR, demand_tokens, grant, token},
    eventually,
    jobs::{NAMESPACE, Producer, TestWorker, body, completed, failed, hello, job, subscription},
    node::TestNode,
    reason,
    talker::duration,
    within,
};
use tonic::{Code, Status, Streaming};

/// A node, and somebody who hands work over in one queue.
async fn start() -> (TestNode, Producer) {
    let node = TestNode::start().await;
    let producer = Producer::new(&node, "mail").await;
    (node, producer)
}

#[tokio::test]
async fn a_waiting_job_is_cancelled_at_once_and_the_worker_of_a_running_one_is_told() {
    let (node, producer) = start().await;
    producer.enqueue_all(vec![job("one", ""), job("two", "")]).await.unwrap();
    let mut worker = TestWorker::start(&node, "mail", 1).await;
    let lease = worker.next().await;
    assert_eq!(producer.cancel("two").await.state(), JobState::Cancelled);
    let asked = producer.cancel("one").await;
    assert_eq!((asked.state(), asked.cancelling), (JobState::Running, true));
    assert_eq!(worker.cancelled().await, lease.token);
    let extension = v1::Extension { token: lease.token.clone(), ..v1::Extension::default() };
    assert_eq!(worker.extend(extension).await.cancelling, std::slice::from_ref(&lease.token));
    worker.settle(&lease.token, failed(Duration::ZERO)).await;
    let ended = producer.ended("one").await;
    assert_eq!(ended.state(), JobState::Cancelled, "it is not tried again");
    assert_eq!(ended.error.map(|error| error.message), Some("no more".to_owned()));
}

#[tokio::test]
async fn a_paused_queue_begins_nothing_until_it_is_resumed_and_purging_cancels_what_waits() {
    let (node, producer) = start().await;
    let queue = |_: &str| (NAMESPACE.to_owned(), "mail".to_owned());
    let (namespace, name) = queue("mail");
    let pause = v1::PauseQueueRequest { namespace: namespace.clone(), queue: name.clone() };
    let paused = producer.stub.clone().pause_queue(pause).await.unwrap().into_inner();
    assert!(paused.queue.unwrap().paused);
    producer.enqueue_all(vec![job("one", ""), job("two", "")]).await.unwrap();
    let mut worker = TestWorker::start(&node, "mail", 1).await;
    assert_eq!(producer.queue().await.waiting_count, 2);
    let resume = v1::ResumeQueueRequest { namespace: namespace.clone(), queue: name.clone() };
    producer.stub.clone().resume_queue(resume).await.unwrap();
    assert_eq!(worker.next().await.job_id, "one");
    let purge = v1::PurgeQueueRequest { namespace, queue: name };
    let purged = producer.stub.clone().purge_queue(purge).await.unwrap().into_inner();
    assert_eq!(purged.cancelled_count, 1);
    assert_eq!(producer.list(&[JobState::Cancelled]).await, ["two"]);
}

#[tokio::test]
async fn whoever_watches_sees_each_job_come_to_its_end() {
    let (node, producer) = start().await;
    let mut watch = watch(&producer, "").await;
    let mut worker = TestWorker::start(&node, "mail", 1).await;
    producer.enqueue(job("one", "")).await;
    let lease = worker.next().await;
    worker.settle(&lease.token, completed("")).await;
    let mut states = Vec::new();
    while states.last() != Some(&JobState::Completed) {
        let job = told(&mut watch).await.job.unwrap();
        assert_eq!(job.job_id, "one");
        states.push(job.state());
    }
    assert!(states.is_sorted_by_key(|state| *state as i32), "{states:?}");
}

#[tokio::test]
async fn a_watch_goes_on_where_another_one_has_ended_and_misses_nothing() {
    let (_node, producer) = start().await;
    let mut first = watch(&producer, "").await;
    producer.enqueue(job("one", "")).await;
    let told_one = told(&mut first).await;
    assert_eq!(told_one.job.unwrap().job_id, "one");
    drop(first);
    producer.enqueue(job("two", "")).await;
    producer.enqueue(job("three", "")).await;
    producer.cancel("two").await;
    let mut second = watch(&producer, &told_one.resume).await;
    let mut missed = BTreeMap::new();
    let mut resume = String::new();
    while missed.len() < 2 || resume == told_one.resume {
        let told = told(&mut second).await;
        resume = told.resume;
        let job = told.job.unwrap();
        // One that was told may come again.
        if job.job_id != "one" {
            missed.insert(job.job_id.clone(), job.state());
        }
    }
    let expected = [("three".to_owned(), JobState::Waiting), ("two".to_owned(), JobState::Cancelled)];
    assert_eq!(missed, BTreeMap::from(expected));
    producer.enqueue(job("four", "")).await;
    assert_eq!(told(&mut second).await.job.unwrap().job_id, "four");
}

#[tokio::test]
async fn a_watch_goes_on_only_from_a_watch_of_all_jobs_of_the_queue() {
    let (_node, producer) = start().await;
    let resume = told(&mut try_watch(&producer, "", &[]).await.unwrap()).await.resume;
    for (resume, ids) in [("nonsense", &[][..]), (&*resume, &["one"][..])] {
        let refused = try_watch(&producer, resume, ids).await.unwrap_err();
        assert_eq!((refused.code(), &*reason(&refused)), (Code::InvalidArgument, "INVALID"));
    }
}

#[tokio::test]
async fn a_watch_does_not_go_on_at_a_node_that_has_forgotten_what_was_before() {
    let (before, producer) = start().await;
    let resume = told(&mut try_watch(&producer, "", &[]).await.unwrap()).await.resume;
    drop(before);
    let (_after, producer) = start().await;
    let refused = try_watch(&producer, &resume, &[]).await.unwrap_err();
    assert_eq!((refused.code(), &*reason(&refused)), (Code::ResourceExhausted, "LIMIT_REACHED"));
}

/// Watches jobs: these, or all from there on.
async fn try_watch(
    producer: &Producer,
    resume: &str,
    ids: &[&str],
) -> Result<Streaming<WatchJobsResponse>, Status> {
    let watch = v1::WatchJobsRequest {
        namespace: NAMESPACE.to_owned(),
        queue: "mail".to_owned(),
        job_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        resume: resume.to_owned(),
    };
    Ok(producer.stub.clone().watch_jobs(watch).await?.into_inner())
}

/// Watches all jobs, from where another watch has ended or from now on.
async fn watch(producer: &Producer, resume: &str) -> Streaming<WatchJobsResponse> {
    let mut watch = try_watch(producer, resume, &[]).await.unwrap();
    if resume.is_empty() {
        let begins = told(&mut watch).await;
        assert_eq!(begins.job, None);
        assert_ne!(begins.resume, "");
    }
    watch
}

async fn told(watch: &mut Streaming<WatchJobsResponse>) -> WatchJobsResponse {
    within("a change", watch.message()).await.unwrap().unwrap()
}

#[tokio::test]
async fn jobs_are_taken_and_settled_in_single_calls_too() {
    let (node, producer) = start().await;
    let mut stub = WorkerServiceClient::new(node.channel().await);
    let request = LeaseRequest {
        worker_id: "script".to_owned(),
        namespace: NAMESPACE.to_owned(),
        queue: "mail".to_owned(),
        jobs_max: 5,
        ..LeaseRequest::default()
    };
    let none = stub.lease(request.clone()).await.unwrap().into_inner();
    assert!(none.leases.is_empty());
    let waiting = LeaseRequest { wait: Some(duration(Duration::from_secs(15))), ..request };
    let mut waits = stub.clone();
    let (leases, _) = tokio::join!(within("a job", waits.lease(waiting)), producer.enqueue(job("one", "")));
    let leases = leases.unwrap().into_inner().leases;
    assert_eq!(leases.len(), 1);
    let items = vec![Settlement { token: leases[0].token.clone(), outcome: Some(completed("done")) }];
    let settled = stub.settle(SettleRequest { request_id: 7, items }).await.unwrap().into_inner();
    assert_eq!((settled.request_id, settled.outcomes), (7, vec![LeaseOutcome::Ok as i32]));
    assert_eq!(producer.ended("one").await.result, Some(body("done")));
}

#[tokio::test]
async fn jobs_are_found_by_state_type_and_attributes_page_by_page() {
    let (_node, producer) = start().await;
    for n in 0..7 {
        let tenant = if n % 2 == 0 { "even" } else { "odd" };
        let attributes = BTreeMap::from([("tenant".to_owned(), tenant.to_owned())]);
        producer.enqueue(NewJob { attributes, r#type: "import".to_owned(), ..job(&n.to_string(), "") }).await;
    }
    let mut request = v1::ListJobsRequest {
        namespace: NAMESPACE.to_owned(),
        queue: "mail".to_owned(),
        states: vec![JobState::Waiting.into()],
        r#type: "import".to_owned(),
        attributes: BTreeMap::from([("tenant".to_owned(), "even".to_owned())]),
        page_size: 2,
        ..v1::ListJobsRequest::default()
    };
    let mut pages = Vec::new();
    loop {
        let page = producer.stub.clone().list_jobs(request.clone()).await.unwrap().into_inner();
        pages.push(page.jobs.into_iter().map(|job| job.job_id).collect::<Vec<_>>());
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(pages.concat(), ["6", "4", "2", "0"]);
    assert_eq!(pages[0].len(), 2);
}

#[tokio::test]
async fn jobs_are_found_by_the_time_at_which_they_were_put_in() {
    let (_node, producer) = start().await;
    producer.enqueue(job("one", "")).await;
    let time = producer.get("one").await.unwrap().enqueue_time.unwrap();
    let later = prost_types::Timestamp { seconds: time.seconds + 3_600, ..time };
    let between = async |from: Option<prost_types::Timestamp>, before: Option<prost_types::Timestamp>| {
        let request = v1::ListJobsRequest {
            namespace: NAMESPACE.to_owned(),
            queue: "mail".to_owned(),
            enqueued_from: from,
            enqueued_before: before,
            ..v1::ListJobsRequest::default()
        };
        producer.stub.clone().list_jobs(request).await.map(|page| page.into_inner().jobs.len())
    };
    assert_eq!(between(Some(time), None).await.unwrap(), 1);
    assert_eq!(between(None, Some(time)).await.unwrap(), 0);
    assert_eq!(between(Some(time), Some(later)).await.unwrap(), 1);
    assert_eq!(between(Some(later), None).await.unwrap(), 0);
}

#[tokio::test]
async fn whoever_has_no_right_in_a_queue_learns_nothing_of_it() {
    let node = TestNode::with(demand_tokens).await;
    let all = token("ann", AN_HOUR, vec![grant(NAMESPACE, &["*"], &[Right::Enqueue, Right::Work])]);
    let producer = Producer::with_token(&node, "mail", Some(&all)).await;
    producer.enqueue(job("one", "")).await;
    let other = token("bob", AN_HOUR, vec![grant(NAMESPACE, &["other"], &[Right::Enqueue, Right::Work])]);
    let stranger = Producer::with_token(&node, "mail", Some(&other)).await;
    let refused = stranger.enqueue_all(vec![job("two", "")]).await.unwrap_err();
    assert_eq!(reason(&refused), "FORBIDDEN");
    assert_eq!(reason(&stranger.get("one").await.unwrap_err()), "FORBIDDEN");
    let refused = TestWorker::greet(&node, hello("mail", 1), Some(&other)).await.unwrap_err();
    assert_eq!(reason(&refused), "FORBIDDEN");
    let mut worker = TestWorker::greet(&node, hello("mail", 1), Some(&all)).await.unwrap();
    let lease = worker.next().await;
    let mut theirs = TestWorker::greet(&node, hello("other", 1), Some(&other)).await.unwrap();
    assert_eq!(theirs.settle(&lease.token, completed("")).await, LeaseOutcome::NotFound);
    let listing =
        v1::ListQueuesRequest { namespace: NAMESPACE.to_owned(), ..v1::ListQueuesRequest::default() };
    let queues = stranger.stub.clone().list_queues(stranger.signed(listing)).await.unwrap().into_inner();
    assert_eq!(queues.queues, []);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_says_which_field() {
    let (node, producer) = start().await;
    for (field, spec) in [
        ("job_id", NewJob { job_id: " ".to_owned(), ..NewJob::default() }),
        ("priority", NewJob { priority: 16, ..NewJob::default() }),
        ("body", job("big", &"x".repeat((256 << 10) + 1))),
        (
            "delay",
            NewJob {
                start: Some(Start::Delay(prost_types::Duration { seconds: -1, nanos: 0 })),
                ..NewJob::default()
            },
        ),
        ("ttl", NewJob { ttl: Some(duration(Duration::from_secs(1 << 40))), ..NewJob::default() }),
        (
            "retry",
            NewJob {
                retry: Some(RetryPolicy { attempts_max: 1_001, ..RetryPolicy::default() }),
                ..NewJob::default()
            },
        ),
        ("notify", NewJob { notify: vec![v1::JobNotify::default()], ..NewJob::default() }),
    ] {
        let response = producer.enqueue_all(vec![spec]).await.unwrap();
        let Some(v1::enqueue_outcome::Outcome::Refused(refused)) = &response.outcomes[0].outcome else {
            panic!("{field} was taken");
        };
        assert!(refused.reason.starts_with(field), "{field}: {}", refused.reason);
    }
    assert_eq!(producer.enqueue_all(Vec::new()).await.unwrap_err().code(), Code::InvalidArgument);
    let twice =
        v1::WorkerHello { subscriptions: vec![subscription("a"), subscription("a")], ..hello("a", 1) };
    for greeting in [v1::WorkerHello::default(), twice] {
        let refused = TestWorker::greet(&node, greeting, None).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
    }
    assert_eq!(producer.get("none").await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_queue_takes_no_more_jobs_than_it_may_have() {
    let (_node, producer) = start().await;
    producer.set(QueueSettings { jobs_max: 2, ..QueueSettings::default() }).await;
    producer.enqueue_all(vec![job("one", ""), job("two", "")]).await.unwrap();
    assert_eq!(producer.try_enqueue(job("three", "")).await, Err(RefusalCode::LimitReached));
    producer.cancel("one").await;
    assert!(producer.try_enqueue(job("three", "")).await.is_ok());
}

#[tokio::test]
async fn a_message_that_is_too_large_ends_a_workers_stream_and_says_so() {
    let (node, producer) = start().await;
    producer.enqueue(job("one", "")).await;
    let mut worker = TestWorker::start(&node, "mail", 1).await;
    let lease = worker.next().await;
    worker.say_settled(&lease.token, completed(&"x".repeat(2 << 20))).await;
    assert_eq!(reason(&worker.end().await.unwrap_err()), "PAYLOAD_TOO_LARGE");
}

#[tokio::test]
async fn metrics_tell_how_many_jobs_are_where() {
    let (node, producer) = start().await;
    let mut worker = TestWorker::start(&node, "mail", 1).await;
    for id in ["a", "b", "c"] {
        producer.enqueue(job(id, "")).await;
    }
    let lease = worker.next().await;
    worker.settle(&lease.token, completed("")).await;
    worker.next().await;
    let metrics = [
        ("rialto_jobs_enqueued_total", 3),
        ("rialto_jobs_ended_total{state=\"COMPLETED\"}", 1),
        ("rialto_jobs{state=\"COMPLETED\"}", 1),
        ("rialto_jobs{state=\"RUNNING\"}", 1),
        ("rialto_jobs{state=\"WAITING\"}", 1),
        ("rialto_workers", 1),
    ];
    for (name, expected) in metrics {
        eventually(name, async || node.metric(name).await == expected).await;
    }
    drop(worker);
    eventually("the worker is gone", async || node.metric("rialto_workers").await == 0).await;
}
