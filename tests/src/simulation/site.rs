//! A place where nodes run, one after the other, with what outlives them.

use std::sync::{Arc, Weak};

use futures_util::FutureExt;
use rialto_server::{
    base::clock::{self, Instant},
    log::local::simulated::SimulatedDisk,
    router::Router,
    session::Session,
};

use super::node::SimulatedNode;

/// One place.
pub(super) struct Site {
    pub(super) disk: SimulatedDisk,
    /// None while it is down.
    pub(super) node: Option<SimulatedNode>,
    /// Sessions that were opened on this node since it was started.
    pub(super) sessions: Vec<Weak<Session>>,
    /// So many steps long its log is not written.
    pub(super) stalled_steps: u64,
    /// So many steps long it stays down.
    pub(super) down_steps: u64,
    /// When its node serves at the latest, and whether it does.
    pub(super) serves_at: Option<Instant>,
    pub(super) serves: bool,
}

impl Site {
    /// A place without a node.
    pub(super) fn new(seed: u64) -> Self {
        let (disk, sessions) = (SimulatedDisk::new(seed), Vec::new());
        Self { disk, node: None, sessions, stalled_steps: 0, down_steps: 0, serves_at: None, serves: false }
    }

    /// Whether its node begins to serve now: every part of the rooms has an owner, or it has waited for that long enough.
    pub(super) fn begins_to_serve(&mut self) -> bool {
        let Some(router) = self.router().filter(|_| !self.serves) else { return false };
        let waited = self.serves_at.is_none_or(|at| at <= clock::now());
        self.serves = waited || router.owned().now_or_never().is_some();
        self.serves
    }

    /// What its node does, if it runs.
    pub(super) fn router(&self) -> Option<&Arc<Router>> {
        self.node.as_ref().map(|node| &node.router)
    }
}
