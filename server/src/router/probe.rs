//! Whether events pass between this node and the others: something is sent through all that leads there, again and again.

use std::{sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval, timeout};

use super::Router;
use crate::base::clock;

/// How often something is sent, and how long it may take.
const PROBED_EVERY: Duration = Duration::from_secs(1);
/// A node through which nothing has come for so long should be sent nobody.
const WELL_WITHIN: Duration = Duration::from_secs(5);

impl Router {
    /// Tells again and again whether events pass, until the node stops. Where there are no other nodes there is nothing to tell.
    pub async fn run_probe(self: Arc<Self>, tell: impl Fn(bool)) {
        let Some(bridge) = &self.bridge else { return };
        let (mut ticks, mut passed) = (interval(PROBED_EVERY), clock::now());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = self.tasks.stopping().cancelled() => return,
                _ = ticks.tick() => {}
            }
            if matches!(timeout(PROBED_EVERY, bridge.probe()).await, Ok(Ok(()))) {
                passed = clock::now();
            }
            let (now, looked) = (clock::now(), *self.looked.lock());
            tell(now.saturating_duration_since(passed.min(looked)) < WELL_WITHIN);
        }
    }
}
