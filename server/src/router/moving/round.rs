//! A round: every other node has heard what this one had said, and has said something, which this one has heard. Those who wait at
//! the same time share one.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use futures_util::future::join_all;
use rialto_proto::node::{NameMembers, errand};
use tokio::{sync::Mutex, time::timeout};

use super::super::{Router, afar::SILENT_MAX};
use crate::base::clock;

/// How long a node is waited for. What it has to say comes late then, or never.
const ROUND_MAX: Duration = Duration::from_secs(1);

/// The rounds of this node.
#[derive(Debug, Default)]
pub(in super::super) struct Rounds {
    begun: AtomicU64,
    /// The last one that has ended.
    ended: Mutex<u64>,
}

impl Router {
    /// Waits for a round that begins from now on.
    pub(in super::super) async fn round(&self) {
        let Some(bridge) = &self.bridge else { return };
        let wanted = self.rounds.begun.load(Ordering::Acquire) + 1;
        let mut ended = self.rounds.ended.lock().await;
        if *ended >= wanted {
            return;
        }
        let number = self.rounds.begun.fetch_add(1, Ordering::AcqRel) + 1;
        let now = clock::now();
        // One that is silent says nothing either.
        let heard = bridge.nodes().into_iter().filter(|node| bridge.silent(*node, now) < SILENT_MAX);
        let nothing = || errand::What::NameMembers(NameMembers::default());
        let asked = heard.map(|node| timeout(ROUND_MAX, self.send_errand(node, nothing())));
        drop(join_all(asked).await);
        *ended = number;
    }
}
