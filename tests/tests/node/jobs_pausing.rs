//! Single jobs are paused and go on: those that wait at once, those that run once their worker gives them back.

use std::time::Duration;

use rialto_proto::v1::{
    self, Extension, Job, JobState, LeaseOutcome, NewJob, RefusalCode, RetryPolicy, new_job::Start,
};
use rialto_server::auth::Right;
use rialto_tests::{
    access::{AN_HOUR, demand_tokens, grant, token},
    jobs::{NAMESPACE, Producer, TestWorker, completed, failed, job, released},
    node::TestNode,
    talker::duration,
};
use tonic::{Code, Status};

const QUEUE: &str = "mail";

/// Somebody who pauses.
struct Pauser(Producer);

impl Pauser {
    async fn pause(&self, id: &str) -> Result<Job, Status> {
        let request = v1::PauseJobRequest {
            namespace: NAMESPACE.to_owned(),
            queue: QUEUE.to_owned(),
            job_id: id.to_owned(),
        };
        let paused = self.0.stub.clone().pause_job(self.0.signed(request)).await?;
        Ok(paused.into_inner().job.expect("a job"))
    }

    async fn resume(&self, id: &str) -> Job {
        let request = v1::ResumeJobRequest {
            namespace: NAMESPACE.to_owned(),
            queue: QUEUE.to_owned(),
            job_id: id.to_owned(),
        };
        let resumed = self.0.stub.clone().resume_job(self.0.signed(request)).await;
        resumed.expect("it is resumed").into_inner().job.expect("a job")
    }
}

async fn start() -> (TestNode, Producer, Pauser) {
    let node = TestNode::start().await;
    let producer = Producer::new(&node, QUEUE).await;
    let pauser = Pauser(Producer::new(&node, QUEUE).await);
    (node, producer, pauser)
}

#[tokio::test]
async fn a_paused_job_is_passed_over_until_it_is_resumed() {
    let (node, producer, pauser) = start().await;
    for id in ["first", "second"] {
        producer.enqueue(job(id, "")).await;
    }
    assert_eq!(pauser.pause("first").await.unwrap().state(), JobState::Paused);
    assert_eq!(pauser.pause("first").await.unwrap().state(), JobState::Paused, "it stays so");
    assert_eq!(producer.queue().await.paused_count, 1);
    assert_eq!(producer.list(&[JobState::Paused]).await, ["first"]);
    let mut worker = TestWorker::start(&node, QUEUE, 1).await;
    let second = worker.next().await;
    assert_eq!(second.job_id, "second");
    worker.settle(&second.token, completed("")).await;
    assert_eq!(pauser.resume("first").await.state(), JobState::Waiting);
    assert_eq!(worker.next().await.job_id, "first");
}

#[tokio::test]
async fn the_worker_of_a_running_job_is_told_and_what_it_has_left_is_there_when_it_goes_on() {
    let (node, producer, pauser) = start().await;
    producer.enqueue(job("long", "")).await;
    let mut worker = TestWorker::start(&node, QUEUE, 1).await;
    let lease = worker.next().await;
    let asked = pauser.pause("long").await.unwrap();
    assert_eq!((asked.state(), asked.pausing), (JobState::Running, true));
    assert_eq!(worker.paused().await, lease.token);
    let left =
        Extension { token: lease.token.clone(), checkpoint: Some("row 30".into()), ..Extension::default() };
    let extended = worker.extend(left).await;
    assert_eq!(extended.pausing, [lease.token.as_str()], "single calls say so too");
    assert_eq!(worker.settle(&lease.token, released()).await, LeaseOutcome::Ok);
    let paused = producer.get("long").await.unwrap();
    assert_eq!((paused.state(), paused.attempt, paused.pausing), (JobState::Paused, 0, false));
    pauser.resume("long").await;
    let again = worker.next().await;
    assert_eq!((again.attempt, again.checkpoint.as_ref()), (1, &b"row 30"[..]));
    assert_eq!(worker.settle(&again.token, completed("")).await, LeaseOutcome::Ok);
    assert_eq!(producer.ended("long").await.state(), JobState::Completed);
}

#[tokio::test]
async fn an_attempt_that_fails_while_it_is_to_be_paused_counts_and_one_that_is_completed_is_done() {
    let (node, producer, pauser) = start().await;
    let mut worker = TestWorker::start(&node, QUEUE, 1).await;
    for (id, outcome, state, attempt) in [
        ("fails", failed(Duration::ZERO), JobState::Paused, 1),
        ("ends", completed(""), JobState::Completed, 1),
    ] {
        producer.enqueue(job(id, "")).await;
        let lease = worker.next().await;
        pauser.pause(id).await.unwrap();
        worker.settle(&lease.token, outcome).await;
        let now = producer.get(id).await.unwrap();
        assert_eq!((now.state(), now.attempt), (state, attempt), "{id}");
    }
    let retry = Some(RetryPolicy { attempts_max: 1, ..RetryPolicy::default() });
    producer.enqueue(NewJob { retry, ..job("dies", "") }).await;
    let lease = worker.next().await;
    pauser.pause("dies").await.unwrap();
    worker.settle(&lease.token, failed(Duration::ZERO)).await;
    assert_eq!(producer.get("dies").await.unwrap().state(), JobState::Dead);
}

#[tokio::test]
async fn a_job_that_is_resumed_before_its_worker_gave_it_back_waits_for_another_one() {
    let (node, producer, pauser) = start().await;
    producer.enqueue(job("long", "")).await;
    let mut worker = TestWorker::start(&node, QUEUE, 1).await;
    let lease = worker.next().await;
    pauser.pause("long").await.unwrap();
    let resumed = pauser.resume("long").await;
    assert_eq!((resumed.state(), resumed.pausing), (JobState::Running, false));
    worker.settle(&lease.token, released()).await;
    assert_eq!(worker.next().await.job_id, "long");
}

#[tokio::test]
async fn a_job_for_later_is_still_for_later_when_it_is_resumed_and_a_paused_one_can_be_cancelled() {
    let (_node, producer, pauser) = start().await;
    let later = Start::Delay(duration(AN_HOUR));
    producer.enqueue(NewJob { start: Some(later), ..job("later", "") }).await;
    let due = producer.get("later").await.unwrap().due_time;
    pauser.pause("later").await.unwrap();
    let resumed = pauser.resume("later").await;
    assert_eq!((resumed.state(), resumed.due_time), (JobState::Delayed, due));
    pauser.pause("later").await.unwrap();
    assert_eq!(producer.cancel("later").await.state(), JobState::Cancelled);
    assert_eq!(pauser.resume("later").await.state(), JobState::Cancelled, "it has ended");
    assert_eq!(pauser.pause("later").await.unwrap().state(), JobState::Cancelled);
}

#[tokio::test]
async fn a_paused_job_expires_like_one_that_waits() {
    let (_node, producer, pauser) = start().await;
    let ttl = Some(duration(Duration::from_millis(300)));
    producer.enqueue(NewJob { ttl, ..job("short", "") }).await;
    pauser.pause("short").await.unwrap();
    assert_eq!(producer.ended("short").await.state(), JobState::Expired);
}

#[tokio::test]
async fn who_may_not_enqueue_may_not_pause_and_what_is_not_there_is_not_paused() {
    let node = TestNode::with(demand_tokens).await;
    let of = async |can: Right| {
        let token = token("ann", AN_HOUR, vec![grant(NAMESPACE, &[QUEUE], &[can])]);
        Pauser(Producer::with_token(&node, QUEUE, Some(&token)).await)
    };
    let (works, enqueues) = (of(Right::Work).await, of(Right::Enqueue).await);
    enqueues.0.enqueue(job("one", "")).await;
    assert_eq!(works.pause("one").await.unwrap_err().code(), Code::PermissionDenied);
    assert_eq!(enqueues.pause("one").await.unwrap().state(), JobState::Paused);
    assert_eq!(enqueues.pause("two").await.unwrap_err().code(), Code::NotFound);
    let completes = NewJob { completes_batch: true, ..job("batch", "") };
    enqueues.0.enqueue(completes).await;
    assert_eq!(enqueues.pause("batch").await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(enqueues.0.try_enqueue(job("one", "other")).await, Err(RefusalCode::AlreadyExists));
}
