//! All rooms and queues fall into parts, and what those of a part keep is with one node: its histories over one log with the lane
//! of what waits for that, and its jobs over another log. A node without others has one part, which is its own for ever; of several nodes each part has
//! one as its owner, and another one when that is gone.

use std::sync::Arc;

use parking_lot::RwLock;
use tokio::sync::{SetOnce, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    asking::{Answer, Ask},
    lane::Lane,
    reading,
};
use crate::{
    base::{clock, ids::NodeId, partition::partition, refusal::Refusal, tasks},
    history::Histories,
    jobs::Shard,
};

/// What the rooms and queues of one part keep, on the node that owns it.
#[derive(Debug)]
pub(super) struct Part {
    /// Which.
    pub(super) number: u32,
    pub(super) histories: Arc<Histories>,
    pub(super) lane: Lane,
    /// Its jobs, once their log is taken up.
    pub(super) jobs: SetOnce<Arc<Shard>>,
    /// What is asked of its jobs.
    pub(super) calls: TaskTracker,
    /// Cancelled when it is handed over, or not here any more.
    pub(super) leaving: CancellationToken,
    /// Cancelled when it is not here any more.
    pub(super) closed: CancellationToken,
}

/// With whom a part is.
#[derive(Debug, Clone)]
pub(super) enum Owner {
    /// With this node.
    Here(Arc<Part>),
    /// With another one.
    There(NodeId),
    /// With nobody: the one before is gone, or the next one is about to begin.
    Nobody,
}

/// All parts.
#[derive(Debug)]
pub(super) struct Parts {
    owners: Box<[RwLock<Owner>]>,
    /// What this node keeps for itself: the only part where there are no other nodes, and names of events that no room keeps.
    own: Arc<Part>,
    /// Each change of an owner.
    changed: watch::Sender<u64>,
}

impl Part {
    pub(super) fn new(number: u32, histories: Arc<Histories>) -> Arc<Self> {
        let closed = CancellationToken::new();
        Arc::new(Self {
            number,
            histories,
            lane: Lane::default(),
            jobs: SetOnce::new(),
            calls: TaskTracker::new(),
            leaving: closed.child_token(),
            closed,
        })
    }

    /// Whether one of its logs takes nothing any more.
    pub(super) fn has_failed(&self) -> bool {
        self.histories.has_failed() || self.jobs.get().is_some_and(|jobs| jobs.has_failed())
    }
}

impl Part {
    /// Writes down what the histories amount to, so that whoever takes them up next is quick.
    pub(super) async fn close(&self) {
        let histories = Arc::clone(&self.histories);
        // The disk has to be waited for.
        let closed = tasks::blocking(move || histories.close()).await;
        if let Ok(Err(error)) = closed {
            // Nothing is lost by that: the log itself is read instead.
            tracing::warn!(%error, part = self.number, "no snapshot of the histories was written");
        }
    }

    /// Reads what it keeps.
    pub(super) async fn read(&self, ask: Ask) -> Result<Answer, Refusal> {
        let histories = Arc::clone(&self.histories);
        // The disk or the network may have to be waited for.
        tasks::blocking(move || reading::read(&histories, ask)).await.map_err(|_| Refusal::draining())?
    }

    /// Lets go what is too old, and cleans the log.
    pub(super) async fn tidy(&self) {
        let histories = Arc::clone(&self.histories);
        // The disk has to be waited for.
        let done = tasks::blocking(move || {
            histories.sweep(clock::wall());
            histories.maintain()
        });
        if let Ok(Err(error)) = done.await {
            tracing::error!(%error, part = self.number, "the log was not cleaned");
        }
    }
}

impl Parts {
    /// One part, which is here.
    pub(super) fn alone(own: Arc<Part>) -> Self {
        let owners = Box::new([RwLock::new(Owner::Here(Arc::clone(&own)))]);
        Self { owners, own, changed: watch::Sender::new(0) }
    }

    /// So many parts, which are with nobody.
    pub(super) fn shared(count: u32, own: Arc<Part>) -> Self {
        let owners = (0..count).map(|_| RwLock::new(Owner::Nobody)).collect();
        Self { owners, own, changed: watch::Sender::new(0) }
    }

    /// How many there are.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.owners.len()).unwrap_or(u32::MAX)
    }

    /// The part that a room falls into.
    pub(super) fn of(&self, namespace: &str, room: &str) -> u32 {
        if self.owners.len() == 1 { 0 } else { partition(namespace, room) % self.count() }
    }

    /// With whom a part is.
    pub(super) fn owner(&self, part: u32) -> Owner {
        self.owners.get(part as usize).map_or(Owner::Nobody, |owner| owner.read().clone())
    }

    /// A part, when it is here.
    pub(super) fn here(&self, part: u32) -> Option<Arc<Part>> {
        match self.owner(part) {
            Owner::Here(part) => Some(part),
            Owner::There(_) | Owner::Nobody => None,
        }
    }

    /// The part of a room, when it is here.
    pub(super) fn of_here(&self, namespace: &str, room: &str) -> Option<Arc<Part>> {
        self.here(self.of(namespace, room))
    }

    /// What this node keeps for itself.
    pub(super) fn own(&self) -> &Arc<Part> {
        &self.own
    }

    /// Everything that this node keeps.
    pub(super) fn all_here(&self) -> Vec<Arc<Part>> {
        let mut here: Vec<Arc<Part>> = (0..self.count()).filter_map(|part| self.here(part)).collect();
        if !here.iter().any(|part| Arc::ptr_eq(part, &self.own)) {
            here.push(Arc::clone(&self.own));
        }
        here
    }

    /// A part is with somebody else from now on. Returns with whom it was.
    pub(super) fn set(&self, part: u32, owner: Owner) -> Owner {
        let Some(slot) = self.owners.get(part as usize) else { return Owner::Nobody };
        let before = std::mem::replace(&mut *slot.write(), owner);
        self.changed.send_modify(|changes| *changes += 1);
        before
    }

    /// Tells of each change.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}
