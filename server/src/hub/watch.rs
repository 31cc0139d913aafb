//! Who watches the rooms of a namespace. Changes are announced under the lock of the room's shard, so that watchers
//! see those of one room in their order.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;
use rialto_proto::v1::{RoomEventKind, Sender};
use tokio::sync::broadcast;

/// Changes that a slow watcher may be behind before it misses some.
const BACKLOG: usize = 1024;

/// Something happened to a room.
#[derive(Debug, Clone, PartialEq)]
pub struct RoomEvent {
    /// What.
    pub kind: RoomEventKind,
    /// Where.
    pub room: Arc<str>,
    /// Who, for `Joined` and `Left`.
    pub who: Option<Sender>,
    /// Members afterwards.
    pub member_count: u32,
}

/// The watchers of all namespaces.
#[derive(Debug, Default)]
pub struct Watches {
    senders: Mutex<HashMap<Arc<str>, broadcast::Sender<RoomEvent>>>,
    // Lets the busy path skip the lock while nobody watches.
    namespaces: AtomicUsize,
}

impl Watches {
    /// Watches `namespace` from now on. Ended by dropping the receiver.
    pub fn watch(&self, namespace: &str) -> broadcast::Receiver<RoomEvent> {
        let mut senders = self.senders.lock();
        senders.retain(|_, sender| sender.receiver_count() > 0);
        let sender = senders.entry(namespace.into()).or_insert_with(|| broadcast::Sender::new(BACKLOG));
        let receiver = sender.subscribe();
        self.namespaces.store(senders.len(), Ordering::Release);
        receiver
    }

    /// Tells watchers what happened, if there are any.
    pub(super) fn announce(&self, namespace: &str, event: impl FnOnce() -> RoomEvent) {
        if self.namespaces.load(Ordering::Acquire) == 0 {
            return;
        }
        if let Some(sender) = self.senders.lock().get(namespace)
            && sender.receiver_count() > 0
        {
            // The last receiver may have gone in between: then nobody wants to know.
            drop(sender.send(event()));
        }
    }
}
