//! What the hub has to say to the other nodes, on its way to the bridge, and which of them watch rooms.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;
use rialto_proto::node::{Members, RoomChange, RoomCounts};

use crate::{base::ids::NodeId, bridge::Bridge, hub::Outward};

/// The hub's way to the other nodes.
#[derive(Debug)]
pub(super) struct Teller {
    bridge: Arc<Bridge>,
    /// Which nodes watch each namespace.
    watchers: Mutex<HashMap<String, BTreeSet<NodeId>>>,
    /// How many namespaces that are: while none is, nobody has to look.
    watched: AtomicUsize,
}

impl Teller {
    pub(super) fn new(bridge: Arc<Bridge>) -> Self {
        Self { bridge, watchers: Mutex::default(), watched: AtomicUsize::new(0) }
    }

    /// Notes that a node watches. False when that was known.
    pub(super) fn add(&self, namespace: &str, node: NodeId) -> bool {
        self.change(|watchers| watchers.entry(namespace.to_owned()).or_default().insert(node))
    }

    pub(super) fn remove(&self, namespace: &str, node: NodeId) {
        self.change(|watchers| watchers.get_mut(namespace).is_some_and(|nodes| nodes.remove(&node)));
    }

    /// A node is gone.
    pub(super) fn lose(&self, node: NodeId) {
        self.change(|watchers| {
            for nodes in watchers.values_mut() {
                nodes.remove(&node);
            }
        });
    }

    fn change<T>(&self, change: impl FnOnce(&mut HashMap<String, BTreeSet<NodeId>>) -> T) -> T {
        let mut watchers = self.watchers.lock();
        let changed = change(&mut watchers);
        watchers.retain(|_, nodes| !nodes.is_empty());
        self.watched.store(watchers.len(), Ordering::Release);
        changed
    }
}

impl Outward for Teller {
    fn tell_members(&self, to: Option<NodeId>, members: Members) -> bool {
        self.bridge.say_members(to, members)
    }

    fn tell_watchers(&self, namespace: &str, change: &dyn Fn() -> RoomChange) {
        if self.watched.load(Ordering::Acquire) == 0 {
            return;
        }
        let nodes = self.watchers.lock().get(namespace).cloned();
        if let Some(nodes) = nodes {
            // Who does not hear it notices, and asks again.
            self.bridge.say_room_change(nodes, change());
        }
    }

    fn tell_counts(&self, to: NodeId, counts: RoomCounts) -> bool {
        self.bridge.say_room_counts(to, counts)
    }
}
