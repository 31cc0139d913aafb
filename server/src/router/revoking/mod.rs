//! Revocation: whose word is not taken any more, on all nodes.
//!
//! * here: what is in force on this node, and whom it ends
//! * `asked`: what operators ask for; `following`: what other nodes say, and what is over
//! * `keeper`: where revocations are kept; `wire`: as they are told
//!
//! # No gap
//! A revocation is in the table before sessions are looked for, and a session is among those before the table is asked about it
//! ([`Router::end_if_revoked`]). So whichever comes first, one of both finds the other: also for a session that is on its way
//! between nodes, which is asked about where it arrives.

mod asked;
mod following;
mod keeper;
mod wire;

use std::{collections::HashMap, sync::Arc, time::SystemTime};

use parking_lot::{Mutex, RwLock};
use rialto_proto::v1::CloseCode;
use tokio::sync::watch;

pub use self::keeper::Keeper;
use super::Router;
use crate::{
    auth::{
        Identity,
        revoked::{Kind, Revocation, Revocations, Revoked},
    },
    base::{
        clock,
        refusal::{Closing, Refusal},
    },
    session::Session,
};

/// What is revoked, as far as this node knows.
#[derive(Debug)]
pub(super) struct Revoking {
    table: RwLock<Revocations>,
    keeper: Keeper,
    changed: watch::Sender<()>,
    /// How many sessions each revocation has ended, and whoever looks for them: one after the other.
    ended: Mutex<HashMap<Revoked, (SystemTime, u32)>>,
}

impl Revoking {
    pub(super) fn new(keeper: Keeper) -> Self {
        Self { table: RwLock::default(), keeper, changed: watch::Sender::new(()), ended: Mutex::default() }
    }
}

impl Router {
    /// Refuses somebody who is revoked.
    pub(super) fn accept_identity(&self, identity: &Identity) -> Result<(), Refusal> {
        if self.revoking.table.read().covers(identity, None, clock::wall()) {
            return Err(revoked());
        }
        Ok(())
    }

    /// Ends a session that is revoked. Called whenever one has come to this node, or has been given another identity.
    pub(super) fn end_if_revoked(&self, session: &Arc<Session>) {
        if self.is_revoked(session) {
            self.end_revoked(session);
        }
    }

    /// Waits until somebody who is asking for something for a long time may not any more. Says why.
    pub async fn lapsed(self: Arc<Self>, identity: Identity) -> Refusal {
        let mut changed = self.revoking.changed.subscribe();
        loop {
            if let Err(refusal) = self.accept_identity(&identity) {
                return refusal;
            }
            let expires = async {
                match identity.expires_at {
                    Some(at) => {
                        tokio::time::sleep(at.duration_since(clock::wall()).unwrap_or_default()).await;
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = expires => return Refusal::unauthenticated("the token has expired"),
                change = changed.changed() => if change.is_err() {
                    return Refusal::draining();
                },
            }
        }
    }

    /// Puts a revocation in force here. Returns how many sessions have ended by it, now or since it was first heard of. Of what is
    /// known already, sessions have been looked for: what is kept is read anew whenever the way to it was lost.
    fn put_in_force(&self, revocation: Revocation) -> u32 {
        let (revoked, at) = (revocation.revoked.clone(), revocation.at);
        // Held until all have ended: whoever hears of the same meanwhile answers only then.
        let mut ended = self.revoking.ended.lock();
        if !self.revoking.table.write().put(revocation) {
            return ended.get(&revoked).filter(|(since, _)| *since == at).map_or(0, |(_, count)| *count);
        }
        self.count_revocations();
        self.revoking.changed.send_replace(());
        let sessions = match revoked.kind {
            Kind::Session => self.find(&revoked.name).into_iter().collect(),
            Kind::User | Kind::Token => self.hub.sessions.all(),
        };
        let mut count = 0;
        for session in sessions {
            if session.closing().is_none() && self.is_revoked(&session) {
                self.end_revoked(&session);
                count += 1;
            }
        }
        ended.insert(revoked, (at, count));
        count
    }

    /// Takes one back here.
    fn take_back(&self, revocation: &Revocation) -> bool {
        let was_there = self.revoking.table.write().withdraw(revocation);
        self.count_revocations();
        was_there
    }

    fn count_revocations(&self) {
        let count = self.revoking.table.read().len();
        self.metrics.revocations.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    fn is_revoked(&self, session: &Session) -> bool {
        let table = self.revoking.table.read();
        !table.is_empty() && table.covers(&session.identity(), Some(&session.id.to_string()), clock::wall())
    }

    fn end_revoked(&self, session: &Arc<Session>) {
        self.close(session, &Closing::new(CloseCode::Unauthenticated, "the credentials were revoked"));
    }
}

fn revoked() -> Refusal {
    Refusal::unauthenticated("the credentials were revoked")
}
