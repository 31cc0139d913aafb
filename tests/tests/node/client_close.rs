//! The Rust client without a session is closed: what is under way over it ends, and nothing begins any more.

use std::{
    future::{IntoFuture, pending},
    time::Duration,
};

use rialto_client::{
    Callee, Client, Error, JobFilter, NewJob, NotDone, Payload, Publication, Session, Target,
};
use rialto_tests::{PATIENCE, node::TestNode, within};
use tokio::sync::Notify;

fn publication() -> Publication {
    Publication::new("chat", &Target::room("prices"), "message", "hi")
}

/// Expects that something failed because the client was closed on this side.
#[track_caller]
fn closed<T: std::fmt::Debug>(outcome: Result<T, Error>) -> Error {
    let error = outcome.expect_err("the client is closed");
    assert!(matches!(&error, Error::Closed(closing) if closing.code_name() == "CLOSED"), "{error:?}");
    error
}

#[tokio::test]
async fn a_closed_client_fails_the_call_that_is_under_way_and_all_later_ones() {
    let node = TestNode::start().await;
    let bob = within("a session", Session::connect(node.url()).user("bob").into_future()).await.unwrap();
    let prices = bob.namespace("chat").room("prices");
    // A question to any one member belongs to no room.
    let mut asked = bob.namespace("chat").on("price");
    prices.join().await.unwrap();
    let client = Client::new(node.url()).unwrap();
    within("a publish", client.publish(publication())).await.unwrap();

    let call = client.call("chat", Callee::any_of("prices"), "price", "apples").timeout(PATIENCE);
    let closing = async {
        asked.next().await.expect("the session lives");
        client.clone().close();
    };
    let (outcome, ()) =
        within("the end of the call", async { tokio::join!(call.into_future(), closing) }).await;
    assert!(closed(outcome).may_have_happened(), "somebody was asked");

    let later = within("a publish", client.publish(publication())).await;
    assert!(!closed(later).may_have_happened(), "it was not sent");
    closed(within("a question", client.presence("chat", "prices").counts()).await);
    closed(within("a question", client.directory().room("chat", "prices")).await);
    closed(within("a list", client.jobs("default", "mail").list(&JobFilter::default(), 0, "")).await);
    client.close();
}

#[tokio::test]
async fn a_watch_and_a_worker_end_with_their_client() {
    let node = TestNode::start().await;
    let (client, other) = (Client::new(node.url()).unwrap(), Client::new(node.url()).unwrap());
    let jobs = client.jobs("default", "mail");
    let mut watch = within("a watch", jobs.watch_all()).await.unwrap();
    let mut rooms = within("a watch", client.directory().watch_rooms("chat", "")).await.unwrap();
    let begun = Notify::new();
    let worker = client.worker("w").queue("default", "mail").run(|_| {
        begun.notify_one();
        pending::<Result<Payload, NotDone>>()
    });
    let closing = async {
        let job = other.jobs("default", "mail").enqueue(NewJob::new("to ann")).await.unwrap();
        begun.notified().await;
        client.close();
        job.id
    };
    let (ended, job) = within("the end of the worker", async { tokio::join!(worker, closing) }).await;
    closed(ended);
    let heard = within("the end of the watch", async {
        loop {
            match watch.next().await {
                Ok(Some(_)) => {}
                other => return other,
            }
        }
    });
    closed(heard.await);
    closed(within("the end of the watch", rooms.next()).await.expect("it says why"));
    closed(within("the end of the wait", jobs.wait(job, Duration::from_secs(60))).await);
}

#[tokio::test]
async fn what_is_said_again_while_the_server_is_away_ends_with_the_client() {
    // Nobody listens there, so what is put in is said again and again.
    let client = Client::builder("http://127.0.0.1:1").deadline(PATIENCE * 10).build().unwrap();
    let jobs = client.jobs("default", "mail");
    let enqueue = jobs.enqueue(NewJob::new("to ann"));
    let closing = async {
        let refused = client.publish(publication()).await;
        assert!(refused.unwrap_err().unavailable());
        client.close();
    };
    let (outcome, ()) = within("the end", async { tokio::join!(enqueue, closing) }).await;
    closed(outcome);
}
