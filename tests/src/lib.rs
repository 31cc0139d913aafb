//! The kit of Rialto's tests: nodes that are real, clients that say exactly what a test wants said, and expectations
//! that read as sentences. Every wait has a deadline; nothing sleeps.

pub mod access;
pub mod admin;
pub mod asking;
pub mod checks;
pub mod cluster;
pub mod deltas;
pub mod histories;
pub mod inspect;
pub mod jobs;
pub mod lan;
pub mod ledger;
pub mod nats;
pub mod node;
pub mod operator;
pub mod program;
pub mod proxied;
pub mod proxy;
pub mod raw;
pub mod reliability;
pub mod resuming;
pub mod simulation;
pub mod talker;
pub mod tools;
pub mod unread;
pub mod untyped;
pub mod web;
pub mod words;

use std::{future::Future, panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt;
use node::TestNode;
use rialto_server::base::config::Config;
use talker::Shape;
use tonic::Status;
use tonic_types::StatusExt;

/// How long a test waits for what must come. Far beyond what a loaded machine needs, so that only a defect reaches it.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for `future`, and fails the test with `what` when it does not come.
pub async fn within<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("waited {PATIENCE:?} for {what}"),
    }
}

/// Waits until `holds`, asking again after every turn of the scheduler and a short pause of the timer.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    within(what, async {
        let mut ticks = tokio::time::interval(Duration::from_millis(5));
        while !holds().await {
            ticks.tick().await;
        }
    })
    .await;
}

/// Runs a scenario over both shapes of a session, each with a node of its own, and says which one failed.
pub async fn over_both_shapes(scenario: impl AsyncFn(&TestNode, Shape)) {
    over_both_shapes_with(|_| (), scenario).await;
}

/// The same with a changed configuration.
pub async fn over_both_shapes_with(change: impl Fn(&mut Config), scenario: impl AsyncFn(&TestNode, Shape)) {
    for shape in [Shape::Attach, Shape::ListenAndPush] {
        let node = TestNode::with(&change).await;
        let outcome = AssertUnwindSafe(scenario(&node, shape)).catch_unwind().await;
        assert!(outcome.is_ok(), "the scenario failed over {shape:?}");
    }
}

/// The reason that a status carries for programs: the name of a refusal or of a close.
pub fn reason(status: &Status) -> String {
    let info = status.get_details_error_info();
    let info = info.unwrap_or_else(|| panic!("no reason in {status:?}"));
    assert_eq!(info.domain, "rialto");
    info.reason
}
