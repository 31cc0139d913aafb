//! The kit of Rialto's tests: nodes that are real, clients that say exactly what a test wants said, and expectations
//! that read as sentences. Every wait has a deadline; nothing sleeps.

#![allow(clippy::panic, clippy::unwrap_used, reason = "this is test code")]

pub mod node;
pub mod raw;
pub mod talker;
pub mod tools;

use std::{future::Future, time::Duration};

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
pub async fn eventually<F, Fut>(what: &str, mut holds: F)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    within(what, async {
        let mut ticks = tokio::time::interval(Duration::from_millis(5));
        while !holds().await {
            ticks.tick().await;
        }
    })
    .await;
}
