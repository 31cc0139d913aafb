//! A node that stops hands over the sessions that nobody reads: another node adopts each, and its client finds it there. Those who
//! have streams are told to come back, and take their sessions along.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures_util::{StreamExt, stream};
use rialto_proto::node::{AdoptSession, LeaveSession, Reach, errand};

use super::super::{Router, dispatch::forbidden};
use crate::{
    auth::Identity,
    base::{
        clock,
        ids::{NodeId, SessionId, UserName},
        refusal::Refusal,
    },
    hub::is_on_its_way,
    session::{Session, moving::Stage},
};

/// Sessions that are handed over at once.
const AT_ONCE: usize = 32;
/// How often is looked whether all was fetched.
const LOOKED_EVERY: Duration = Duration::from_millis(20);

impl Router {
    /// Whether somebody else can take sessions over.
    pub(in super::super) fn has_heirs(&self) -> bool {
        self.bridge.as_ref().is_some_and(|bridge| !bridge.nodes().is_empty())
    }

    /// Hands over all sessions that nobody reads, and waits until the other nodes have fetched what has gone.
    pub async fn hand_over(self: &Arc<Self>) {
        let nodes = self.bridge.as_ref().map(|bridge| bridge.nodes()).unwrap_or_default();
        let away = self.hub.sessions.all().into_iter().filter(|session| !session.outbox.attached());
        let given: Vec<_> = away
            .enumerate()
            .map(|(at, session)| {
                let mut nodes = nodes.clone();
                let first = at % nodes.len().max(1);
                nodes.rotate_left(first);
                Arc::clone(self).give_to(session, nodes)
            })
            .collect();
        stream::iter(given).buffer_unordered(AT_ONCE).collect::<()>().await;
        let mut looks = tokio::time::interval(LOOKED_EVERY);
        while self.is_giving() {
            looks.tick().await;
        }
    }

    /// Whether a session is on its way to another node.
    fn is_giving(&self) -> bool {
        let leaves = |session: &Arc<Session>| matches!(session.stage(), Stage::Leaving(..) | Stage::Gone(_));
        !self.departed.lock().all_fetched() || self.hub.sessions.all().iter().any(leaves)
    }

    /// Offers a session to nodes, one after the other. One that nobody takes ends with this node.
    async fn give_to(self: Arc<Self>, session: Arc<Session>, nodes: Vec<NodeId>) {
        let identity = session.identity();
        let left = identity.expires_at.map(|at| at.duration_since(clock::wall()).unwrap_or_default());
        let adopt = errand::What::Adopt(AdoptSession {
            session: session.id.to_string(),
            secret: session.secret(),
            user: session.user(),
            expires_in_ms: left.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
            token_id: identity.token_id.as_deref().unwrap_or_default().to_owned(),
            issued_at: identity.issued_at.map(Into::into),
        });
        for node in nodes {
            match self.send_errand(node, adopt.clone()).await {
                Ok(_) => return,
                // Its client has come, to whatever node.
                Err(refusal) if is_on_its_way(&refusal) => return,
                Err(error) => tracing::debug!(%error, session = %session.id, %node, "not handed over"),
            }
        }
    }

    /// Takes over a session of a node that stops.
    pub(in super::super) async fn adopt(self: &Arc<Self>, adopt: AdoptSession) -> Result<Reach, Refusal> {
        if self.tasks.draining().is_cancelled() {
            return Err(Refusal::draining());
        }
        let AdoptSession { session, secret, user, expires_in_ms, token_id, issued_at } = adopt;
        let id: SessionId = session.parse().map_err(|_| forbidden())?;
        let user =
            (!user.is_empty()).then(|| UserName::try_from(user)).transpose().map_err(|_| forbidden())?;
        let expires_at =
            expires_in_ms.and_then(|left| clock::wall().checked_add(Duration::from_millis(left)));
        // It says nothing before its client has come with what it may.
        let identity = Identity::granted(user, expires_at, &[]).map_err(|_| forbidden())?;
        let token_id = (!token_id.is_empty()).then_some(token_id);
        let issued_at = issued_at.map(SystemTime::try_from).transpose().map_err(|_| forbidden())?;
        let identity = identity.by_token(token_id.as_deref(), issued_at);
        let user = identity.user.as_ref().map(ToString::to_string).unwrap_or_default();
        let ask = LeaveSession { session, secret, user, seq: 0, away: true };
        let session = self.take_over(id, ask, identity).await?;
        self.await_client(&session);
        Ok(Reach { changed: 1, refused: 0 })
    }
}
