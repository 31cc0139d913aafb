//! Where a session is: with the node where it began, unless its client has come to another one since.

use std::collections::HashMap;

use rialto_proto::{
    node::{ErrandDone, FindSession, SessionAt, errand, errand_done},
    v1::RefusalCode,
};

use super::super::{Router, directory::no_session, others::unreachable_part};
use crate::{
    base::{
        clock,
        ids::{NodeId, SessionId},
        limits::FINDS_PER_SECOND,
        rate::{Bucket, Rate},
        refusal::Refusal,
    },
    session::moving::Stage,
};

/// Sessions of which is known where they are, twice: the older half goes when the newer one is full.
const HOSTS_MAX: usize = 16 << 10;

/// Where sessions were found that are not with the node where they began.
#[derive(Debug)]
pub(in super::super) struct Hosts {
    newer: HashMap<SessionId, NodeId>,
    older: HashMap<SessionId, NodeId>,
    /// How many more may be looked for now: whoever makes ids up must not keep all nodes busy.
    finds: Bucket,
}

impl Default for Hosts {
    fn default() -> Self {
        Self { newer: HashMap::new(), older: HashMap::new(), finds: Bucket::full(finds(), clock::now()) }
    }
}

fn finds() -> Rate {
    Rate::per_second(FINDS_PER_SECOND, FINDS_PER_SECOND)
}

impl Hosts {
    fn get(&self, session: SessionId) -> Option<NodeId> {
        self.newer.get(&session).or_else(|| self.older.get(&session)).copied()
    }

    fn note(&mut self, session: SessionId, node: NodeId) {
        if self.newer.len() >= HOSTS_MAX {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(session, node);
    }
}

impl Router {
    /// Whether a session is with this node, and with no other.
    pub(in super::super) fn is_here(&self, session: &SessionId) -> bool {
        let known = self.hub.sessions.get(session.key).filter(|known| known.id == *session);
        known.is_some_and(|known| matches!(known.stage(), Stage::Here | Stage::Leaving(..)))
    }

    /// Whether a session may be with another node: it is not with this one, and there are others.
    pub(in super::super) fn may_be_elsewhere(&self, session: &str) -> Option<SessionId> {
        let id: SessionId = session.parse().ok()?;
        (self.bridge.is_some() && !self.is_here(&id)).then_some(id)
    }

    /// The node that probably has a session of another node, or with which it began.
    pub(super) fn probable_host(&self, session: SessionId) -> Option<NodeId> {
        let nodes = self.bridge.as_ref()?.nodes();
        let known = self.departed.lock().node(session).or_else(|| self.hosts.lock().get(session));
        known.into_iter().chain([session.node]).find(|node| nodes.contains(node))
    }

    /// Asks all other nodes for a session.
    pub(super) async fn find_host(&self, session: SessionId) -> Result<NodeId, Refusal> {
        let taken = self.hosts.lock().finds.take(finds(), clock::now());
        taken.map_err(|after| Refusal::rate("finds_per_second", after))?;
        let what = errand::What::FindSession(FindSession { session: session.to_string() });
        let everywhere = self.everywhere(&what).await;
        let answers = everywhere.answers.into_iter();
        let found = answers.filter_map(|done| match done.what {
            Some(errand_done::What::SessionAt(SessionAt { node, here })) => Some((here, node.parse().ok()?)),
            _ => None,
        });
        // Who has it knows better than who had it.
        let found = found.max_by_key(|(here, _)| *here).map(|(_, node)| node);
        let Some(node) = found.filter(|node| *node != self.node) else {
            return Err(if everywhere.missing.is_empty() { no_session() } else { unreachable_part() });
        };
        self.hosts.lock().note(session, node);
        Ok(node)
    }

    /// Says where a session is, if it is here or was.
    pub(in super::super) fn session_at(&self, ask: &FindSession) -> SessionAt {
        let here = self.find(&ask.session);
        let here = here.filter(|session| matches!(session.stage(), Stage::Here | Stage::Leaving(..)));
        let there = || self.departed.lock().node(ask.session.parse().ok()?);
        let (is_here, node) = (here.is_some(), here.map(|_| self.node).or_else(there));
        SessionAt { node: node.map(|node| node.to_string()).unwrap_or_default(), here: is_here }
    }

    /// Has the node that has a session do something.
    pub(in super::super) async fn send_to_host(
        &self,
        session: SessionId,
        what: errand::What,
    ) -> Result<ErrandDone, Refusal> {
        let node = match self.probable_host(session) {
            Some(node) => node,
            None => self.find_host(session).await?,
        };
        match self.send_errand(node, what.clone()).await {
            Err(refusal) if is_unknown(&refusal) => match self.find_host(session).await {
                Ok(other) if other != node => self.send_errand(other, what).await,
                _ => Err(refusal),
            },
            done => done,
        }
    }
}

/// Whether a node does not know a session.
pub(super) fn is_unknown(refusal: &Refusal) -> bool {
    matches!(refusal.code, RefusalCode::SessionUnknown | RefusalCode::NotFound)
}
