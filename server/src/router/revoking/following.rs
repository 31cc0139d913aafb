//! Revocations of other nodes, and those that are over.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt;
use rialto_proto::{node::Reach, v1};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::{keeper::Keeper, wire};
use crate::{
    auth::revoked::Revocation,
    base::{clock, refusal::Refusal},
    owners::{RegisterError, SharedMap},
    router::Router,
};

/// The wait before what all nodes keep is watched again.
const WATCHED_AGAIN_AFTER: Duration = Duration::from_millis(500);
/// How often is looked for what is over.
const FORGOTTEN_EVERY: Duration = Duration::from_secs(60);

impl Router {
    /// Puts in force what was revoked before this node began.
    pub async fn learn_revocations(&self) -> Result<(), RegisterError> {
        self.revoking.keeper.all().await?.into_iter().for_each(|kept| self.learn_revocation(kept));
        Ok(())
    }

    /// Follows what other nodes revoke, and forgets what is over, until the node stops.
    pub async fn run_revocations(self: Arc<Self>) {
        let follow = async {
            match &self.revoking.keeper {
                Keeper::Here(_) => std::future::pending().await,
                Keeper::Together(shared, _) => self.follow_revocations(shared).await,
            }
        };
        tokio::select! {
            () = follow => {}
            () = self.forget_revocations() => {}
            () = self.tasks.stopping().cancelled() => {}
        }
    }

    async fn follow_revocations(&self, shared: &SharedMap) {
        loop {
            if let Ok(mut changes) = shared.all_and_changes().await {
                while let Some((_, kept)) = changes.next().await {
                    // What is not kept any more is over, which every node notices by itself.
                    kept.and_then(wire::read_kept).into_iter().for_each(|kept| self.learn_revocation(kept));
                }
            }
            sleep(WATCHED_AGAIN_AFTER).await;
        }
    }

    /// Takes over what is kept of a revocation. What is known to be newer stays, so that the order does not matter.
    fn learn_revocation(&self, (revocation, withdrawn): (Revocation, bool)) {
        if withdrawn {
            self.take_back(&revocation);
        } else {
            self.put_in_force(revocation);
        }
    }

    async fn forget_revocations(&self) {
        let mut ticks = interval(FORGOTTEN_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let now = clock::wall();
            let over = self.revoking.table.write().expire(now);
            self.count_revocations();
            for revoked in over {
                self.revoking.ended.lock().remove(&revoked);
                if let Err(error) = self.revoking.keeper.forget(&revoked, now).await {
                    // It has no effect any more; when the node begins again it is forgotten again.
                    tracing::warn!(%error, "a revocation that is over stays where it is kept");
                }
            }
        }
    }

    /// Another node has revoked somebody.
    pub(in super::super) async fn hear_revoked(&self, told: v1::Revocation) -> Result<Reach, Refusal> {
        let revocation = wire::read_told(told).ok_or_else(|| Refusal::invalid("revoke", "is none"))?;
        let changed = self.put_in_force(revocation);
        if changed > 0 {
            // What they had said is heard before this is answered.
            self.round().await;
        }
        Ok(Reach { changed, refused: 0 })
    }

    /// Another node has taken a revocation back.
    pub(in super::super) fn hear_reinstated(&self, told: v1::Revocation) -> Result<Reach, Refusal> {
        let revocation = wire::read_told(told).ok_or_else(|| Refusal::invalid("reinstate", "is none"))?;
        Ok(Reach { changed: u32::from(self.take_back(&revocation)), refused: 0 })
    }
}
