//! Jobs that hang together: batches with a job that completes them, chains, and schedules.

use rialto_proto::v1::{
    self, ChainedJob, Enqueued, JobNotify, JobState, LeaseOutcome, NewJob, QueueSettings, RefusalCode,
    Schedule, ScheduleStatus,
};
use rialto_server::auth::Right;
use rialto_tests::{
    access::{AN_HOUR, demand_tokens, grant, token},
    eventually,
    histories::folder,
    jobs::{NAMESPACE, Producer, TestWorker, body, completed, failed_for_good, job},
    node::TestNode,
    within,
};
use tonic::{Code, Status};

fn completing(id: &str) -> NewJob {
    NewJob { completes_batch: true, ..job(id, "sum up") }
}

fn of_batch(batch: &str, id: &str) -> NewJob {
    NewJob { batch_id: batch.to_owned(), ..job(id, "") }
}

async fn close(producer: &Producer, queue: &str, batch: &str) -> Result<v1::Job, Status> {
    let request = v1::CloseBatchRequest {
        namespace: NAMESPACE.to_owned(),
        queue: queue.to_owned(),
        batch_id: batch.to_owned(),
    };
    let response = within("a close", producer.stub.clone().close_batch(producer.signed(request))).await?;
    Ok(response.into_inner().job.expect("a job"))
}

async fn put_schedule(producer: &Producer, schedule: Schedule) -> Result<ScheduleStatus, Status> {
    let request = v1::PutScheduleRequest {
        namespace: NAMESPACE.to_owned(),
        queue: "mail".to_owned(),
        schedule: Some(schedule),
    };
    let response = within("a schedule", producer.stub.clone().put_schedule(producer.signed(request))).await?;
    Ok(response.into_inner().schedule.expect("a schedule"))
}

async fn delete_schedule(producer: &Producer, id: &str) -> Result<(), Status> {
    let request = v1::DeleteScheduleRequest {
        namespace: NAMESPACE.to_owned(),
        queue: "mail".to_owned(),
        schedule_id: id.to_owned(),
    };
    within("a delete", producer.stub.clone().delete_schedule(producer.signed(request))).await.map(drop)
}

async fn schedules(producer: &Producer) -> Vec<ScheduleStatus> {
    let request = v1::ListSchedulesRequest { namespace: NAMESPACE.to_owned(), queue: "mail".to_owned() };
    let response = within("a list", producer.stub.clone().list_schedules(producer.signed(request))).await;
    response.expect("a list").into_inner().schedules
}

/// A schedule of every second.
fn every_second() -> Schedule {
    Schedule {
        schedule_id: "tick".to_owned(),
        cron: "* * * * * *".to_owned(),
        job: Some(job("", "again")),
        ..Schedule::default()
    }
}

#[tokio::test]
async fn the_job_that_completes_a_batch_begins_when_it_is_closed_and_all_have_ended_however_they_have() {
    let node = TestNode::start().await;
    let producer = Producer::new(&node, "mail").await;
    producer.enqueue(completing("letters")).await;
    for id in ["a", "b", "c"] {
        producer.enqueue(of_batch("letters", id)).await;
    }
    let mut worker = TestWorker::start(&node, "mail", 8).await;
    let (a, b, c) = (worker.next().await, worker.next().await, worker.next().await);
    assert_eq!(worker.settle(&a.token, completed("")).await, LeaseOutcome::Ok);
    assert_eq!(worker.settle(&b.token, failed_for_good()).await, LeaseOutcome::Ok);
    let closed = close(&producer, "mail", "letters").await.expect("it is closed");
    let batch = closed.batch.expect("it completes one");
    assert_eq!(
        (closed.state(), batch.live_count, batch.completed_count, batch.dead_count),
        (JobState::Blocked, 1, 1, 1)
    );
    assert_eq!(producer.queue().await.blocked_count, 1);
    producer.cancel("c").await;
    worker.settle(&c.token, failed_for_good()).await;
    let last = worker.next().await;
    let batch = last.batch.expect("it completes one");
    assert_eq!(batch.cancelled_count, 1);
    assert_eq!(
        (last.job_id.as_str(), batch.live_count, batch.completed_count, batch.dead_count),
        ("letters", 0, 1, 1)
    );
}

#[tokio::test]
async fn a_batch_survives_a_restart_and_counts_as_before() {
    let folder = folder();
    let node = TestNode::keeping(folder.path()).await;
    let producer = Producer::new(&node, "mail").await;
    producer.enqueue(completing("letters")).await;
    producer.enqueue(of_batch("letters", "a")).await;
    producer.enqueue(of_batch("letters", "b")).await;
    producer.cancel("a").await;
    close(&producer, "mail", "letters").await.expect("it is closed");
    node.stop().await;
    let node = TestNode::keeping(folder.path()).await;
    let producer = Producer::new(&node, "mail").await;
    let batch = producer.get("letters").await.expect("it is there").batch.expect("it completes one");
    assert_eq!((batch.closed, batch.live_count, batch.cancelled_count), (true, 1, 1));
    producer.cancel("b").await;
    let mut worker = TestWorker::start(&node, "mail", 1).await;
    assert_eq!(worker.next().await.job_id, "letters");
    node.stop().await;
}

#[tokio::test]
async fn a_closed_batch_takes_no_more_jobs_but_knows_those_it_has() {
    let node = TestNode::start().await;
    let producer = Producer::new(&node, "mail").await;
    assert_eq!(producer.try_enqueue(of_batch("letters", "a")).await, Err(RefusalCode::NotFound));
    producer.enqueue(completing("letters")).await;
    producer.enqueue(of_batch("letters", "a")).await;
    close(&producer, "mail", "letters").await.expect("it is closed");
    assert_eq!(producer.try_enqueue(of_batch("letters", "b")).await, Err(RefusalCode::OutOfOrder));
    let again = producer.enqueue(of_batch("letters", "a")).await;
    assert_eq!(again, Enqueued { job_id: "a".to_owned(), duplicate: true });
    close(&producer, "mail", "letters").await.expect("it stays closed");
    producer.enqueue(job("plain", "")).await;
    for none in ["plain", "nobody"] {
        let refused = close(&producer, "mail", none).await.expect_err("that is no batch");
        assert_eq!(refused.code(), Code::NotFound);
    }
}

#[tokio::test]
async fn whoever_watches_the_job_that_completes_a_batch_sees_how_far_the_batch_has_come() {
    let node = TestNode::start().await;
    let producer = Producer::new(&node, "mail").await;
    producer.enqueue(completing("letters")).await;
    producer.enqueue(of_batch("letters", "a")).await;
    producer.enqueue(of_batch("letters", "b")).await;
    let watch = v1::WatchJobsRequest {
        namespace: NAMESPACE.to_owned(),
        queue: "mail".to_owned(),
        job_ids: vec!["letters".to_owned()],
        resume: String::new(),
    };
    let mut watch = producer.stub.clone().watch_jobs(watch).await.expect("it may").into_inner();
    for (ended, live) in [("", 2), ("a", 1), ("b", 0)] {
        if !ended.is_empty() {
            producer.cancel(ended).await;
        }
        let job = within("a change", watch.message()).await.expect("it goes on").and_then(|told| told.job);
        assert_eq!(job.expect("a job").batch.expect("it completes one").live_count, live);
    }
}

#[tokio::test]
async fn a_chain_goes_from_queue_to_queue_and_each_job_gets_the_result_of_the_one_before() {
    let folder = folder();
    let node = TestNode::keeping(folder.path()).await;
    let producer = Producer::new(&node, "resize").await;
    let next = |queue: &str| ChainedJob { queue: queue.to_owned(), job: Some(job("", queue)) };
    producer.enqueue(NewJob { chain: vec![next("upload"), next("")], ..job("cat", "cat.png") }).await;
    assert_eq!(producer.get("cat").await.expect("it is there").chain_length, 2);
    let mut worker = TestWorker::start(&node, "resize", 1).await;
    let first = worker.next().await;
    assert_eq!((first.job_id.as_str(), first.previous_result), ("cat", None));
    assert_eq!(worker.settle(&first.token, completed("small.png")).await, LeaseOutcome::Ok);
    let mut uploader = TestWorker::start(&node, "upload", 1).await;
    let second = uploader.next().await;
    assert_eq!(second.previous_result, Some(body("small.png")));
    assert_eq!(uploader.settle(&second.token, completed("at /cat")).await, LeaseOutcome::Ok);
    let third = worker.next().await;
    assert_eq!((third.queue.as_str(), third.previous_result), ("resize", Some(body("at /cat"))));
    assert_eq!(producer.get("cat").await.expect("it is kept").chain_length, 0);
    let again = NewJob { chain: vec![next("upload"), next("")], ..job("cat", "cat.png") };
    assert!(producer.enqueue(again).await.duplicate, "it is the same job still");
    drop((worker, uploader));
    node.stop().await;
}

#[tokio::test]
async fn a_chain_ends_with_a_job_that_is_not_completed_and_goes_on_when_it_is_redriven() {
    let node = TestNode::start().await;
    let producer = Producer::new(&node, "mail").await;
    let mut worker = TestWorker::start(&node, "mail", 1).await;
    let next = ChainedJob { queue: String::new(), job: Some(job("after", "")) };
    producer.enqueue(NewJob { chain: vec![next], ..job("first", "") }).await;
    let lease = worker.next().await;
    worker.settle(&lease.token, failed_for_good()).await;
    assert_eq!(producer.get("after").await.expect_err("there is none").code(), Code::NotFound);
    let request = v1::RedriveJobsRequest {
        namespace: NAMESPACE.to_owned(),
        queue: "mail".to_owned(),
        job_ids: vec!["first".to_owned()],
    };
    within("a redrive", producer.stub.clone().redrive_jobs(producer.signed(request))).await.expect("it may");
    let lease = worker.next().await;
    worker.settle(&lease.token, completed("")).await;
    assert_eq!(worker.next().await.job_id, "after");
}

#[tokio::test]
async fn a_chain_whose_next_queue_is_full_waits_for_room() {
    let node = TestNode::start().await;
    let (producer, full) = (Producer::new(&node, "mail").await, Producer::new(&node, "full").await);
    full.set(QueueSettings { jobs_max: 1, ..QueueSettings::default() }).await;
    full.enqueue(job("in-the-way", "")).await;
    let mut worker = TestWorker::start(&node, "mail", 1).await;
    let next = ChainedJob { queue: "full".to_owned(), job: Some(job("after", "")) };
    producer.enqueue(NewJob { chain: vec![next], ..job("first", "") }).await;
    let lease = worker.next().await;
    worker.settle(&lease.token, completed("")).await;
    assert_eq!(producer.get("first").await.expect("it is kept").chain_length, 1);
    full.cancel("in-the-way").await;
    eventually("the next one is there", async || full.get("after").await.is_ok()).await;
}

#[tokio::test]
async fn very_many_chains_that_wait_for_room_hold_no_other_one_up() {
    let node = TestNode::start().await;
    let (producer, full) = (Producer::new(&node, "mail").await, Producer::new(&node, "full").await);
    full.set(QueueSettings { jobs_max: 1, ..QueueSettings::default() }).await;
    full.enqueue(job("in-the-way", "")).await;
    let mut worker = TestWorker::start(&node, "mail", 200).await;
    let chained = |id: &str, queue: &str| NewJob {
        chain: vec![ChainedJob { queue: queue.to_owned(), job: Some(job("", "")) }],
        ..job(id, "")
    };
    let mut jobs: Vec<NewJob> = (0..150).map(|n| chained(&n.to_string(), "full")).collect();
    jobs.push(chained("last", "free"));
    producer.enqueue_all(jobs).await.expect("they are taken");
    for _ in 0..151 {
        let lease = worker.next().await;
        worker.settle(&lease.token, completed("")).await;
    }
    let mut other = TestWorker::start(&node, "free", 1).await;
    other.next().await;
}

#[tokio::test]
async fn a_schedule_puts_its_job_in_for_each_time_until_it_is_deleted() {
    let folder = folder();
    let node = TestNode::keeping(folder.path()).await;
    let producer = Producer::new(&node, "mail").await;
    let put = put_schedule(&producer, every_second()).await.expect("it is taken");
    assert!(put.next_time.is_some() && put.last_time.is_none());
    let mut worker = TestWorker::start(&node, "mail", 1).await;
    let first = worker.next().await;
    assert!(first.job_id.starts_with("tick@20"), "{}", first.job_id);
    worker.settle(&first.token, completed("")).await;
    drop(worker);
    node.stop().await;
    let node = TestNode::keeping(folder.path()).await;
    let producer = Producer::new(&node, "mail").await;
    let mut worker = TestWorker::start(&node, "mail", 1).await;
    let second = worker.next().await;
    assert!(second.job_id > first.job_id, "{} after {}", second.job_id, first.job_id);
    assert_eq!(producer.get(&second.job_id).await.expect("it is there").schedule_id, "tick");
    assert!(schedules(&producer).await[0].last_time.is_some());
    delete_schedule(&producer, "tick").await.expect("there is one");
    assert!(schedules(&producer).await.is_empty());
    let refused = delete_schedule(&producer, "tick").await.expect_err("there is none any more");
    assert_eq!(refused.code(), Code::NotFound);
    drop(worker);
    node.stop().await;
}

#[tokio::test]
async fn a_paused_schedule_puts_nothing_in() {
    let node = TestNode::start().await;
    let producer = Producer::new(&node, "mail").await;
    let paused = Schedule { paused: true, time_zone: "Europe/Berlin".to_owned(), ..every_second() };
    let put = put_schedule(&producer, paused).await.expect("it is taken");
    assert_eq!(put.next_time, None);
    let other = Schedule { schedule_id: "tock".to_owned(), ..every_second() };
    put_schedule(&producer, other).await.expect("it is taken");
    let mut worker = TestWorker::start(&node, "mail", 1).await;
    let lease = worker.next().await;
    worker.settle(&lease.token, completed("")).await;
    assert!(lease.job_id.starts_with("tock@") && worker.next().await.job_id.starts_with("tock@"));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_says_which_field() {
    let node = TestNode::start().await;
    let producer = Producer::new(&node, "mail").await;
    let none = || ChainedJob { queue: String::new(), job: None };
    let own = || ChainedJob { queue: String::new(), job: Some(completing("x")) };
    let refused = [
        (NewJob { job_id: String::new(), ..completing("") }, "job_id"),
        (NewJob { batch_id: "all".to_owned(), ..completing("all") }, "batch_id"),
        (NewJob { chain: vec![none()], ..job("a", "") }, "chain.job"),
        (NewJob { chain: vec![own()], ..job("a", "") }, "chain.job"),
        (NewJob { chain: vec![own(); 17], ..job("a", "") }, "chain"),
        (NewJob { previous_result: Some(body("mine")), ..job("a", "") }, "previous_result"),
    ];
    for (job, field) in refused {
        let response = producer.enqueue_all(vec![job]).await.expect("the request makes sense");
        match response.outcomes[0].outcome.clone() {
            Some(v1::enqueue_outcome::Outcome::Refused(refused)) => {
                assert!(refused.reason.starts_with(field), "{field}: {}", refused.reason);
            }
            other => panic!("{field}: {other:?}"),
        }
    }
    let refused = [
        (Schedule { cron: "every day".to_owned(), ..every_second() }, "cron"),
        (Schedule { time_zone: "Europe/Nowhere".to_owned(), ..every_second() }, "time_zone"),
        (Schedule { schedule_id: "x".repeat(101), ..every_second() }, "schedule_id"),
        (Schedule { job: Some(job("named", "")), ..every_second() }, "job.job_id"),
        (Schedule { job: None, ..every_second() }, "job"),
    ];
    for (schedule, field) in refused {
        let refused = put_schedule(&producer, schedule).await.expect_err(field);
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().starts_with(field), "{field}: {}", refused.message());
    }
}

#[tokio::test]
async fn who_chains_or_schedules_must_be_allowed_what_follows() {
    let node = TestNode::with(demand_tokens).await;
    let token = token("ann", AN_HOUR, vec![grant(NAMESPACE, &["mail"], &[Right::Enqueue])]);
    let producer = Producer::with_token(&node, "mail", Some(&token)).await;
    let next = |queue: &str| ChainedJob { queue: queue.to_owned(), job: Some(job("", "")) };
    let into = |queue: &str| NewJob { chain: vec![next(queue)], ..job("", "") };
    assert_eq!(producer.try_enqueue(into("secret")).await, Err(RefusalCode::Forbidden));
    assert!(producer.try_enqueue(into("mail")).await.is_ok());
    let notify = vec![JobNotify { room: "general".to_owned(), ..JobNotify::default() }];
    for job in [into("secret"), NewJob { notify, ..job("", "") }] {
        let refused = put_schedule(&producer, Schedule { job: Some(job), ..every_second() }).await;
        assert_eq!(refused.expect_err("it may not").code(), Code::PermissionDenied);
    }
    assert!(put_schedule(&producer, every_second()).await.is_ok());
}
