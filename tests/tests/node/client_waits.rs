//! One Rust client that has much under way at once, over its one connection.

use futures_util::future::join_all;
use rialto_client::{Client, NewJob, Payload, v1::JobState};
use rialto_tests::{PATIENCE, node::TestNode, within};

/// What a service waits for at once: more than a few, and fewer than the streams of one connection.
const WAITS: usize = 80;

#[tokio::test]
async fn a_worker_is_heard_while_its_client_waits_for_the_ends_of_many_jobs() {
    let node = TestNode::start().await;
    let client = Client::new(node.url()).expect("a URL");
    let jobs = client.jobs("default", "mail");
    let entered = jobs.enqueue_all((0..WAITS).map(|number| NewJob::new(number.to_string()))).await.unwrap();
    // Each of these is a call that lasts until its job has ended; what does the jobs comes after all of them.
    let waits =
        join_all(entered.iter().map(|job| jobs.wait(&job.as_ref().expect("it is taken").id, PATIENCE)));
    let work = client.worker("w").queue("default", "mail").run(async |_| Ok(Payload::from("done")));
    let ended = tokio::select! {
        biased;
        ended = within("the ends", waits) => ended,
        ended = work => panic!("the worker has ended: {ended:?}"),
    };
    assert!(
        ended.iter().all(|job| job.as_ref().is_ok_and(|job| job.state() == JobState::Completed)),
        "{ended:?}"
    );
}
