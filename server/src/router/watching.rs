//! Watching the rooms of a namespace on all nodes: the other nodes say which rooms they have, and from then on what changes. They
//! are asked again when something may not have been heard.

use std::{sync::Arc, time::Duration};

use rialto_proto::{
    node::{Reach, RoomChange, Watch, errand, errand_done},
    v1,
};
use tokio::{sync::broadcast, time::timeout};

use super::{
    Router,
    directory::{may_read, require},
    others::unreachable_part,
};
use crate::{
    auth::Identity,
    base::{
        ids::{NodeId, RoomName},
        refusal::Refusal,
    },
    hub::{self, RoomEvent, Watching},
    wire::target,
};

/// How long a watch waits for nodes that do not say which rooms they have.
const KNOWN_WITHIN: Duration = Duration::from_secs(3);
/// Every so many looks a node that watches makes sure that the others know it.
const RENEWED_EVERY: u64 = 5;

/// A watch as its caller gets it.
#[derive(Debug)]
pub struct Watched {
    /// What happens from now on.
    pub events: broadcast::Receiver<RoomEvent>,
    /// Nodes that have not answered.
    pub nodes_missing: Vec<String>,
}

impl Router {
    /// Watches the rooms of a namespace.
    pub async fn watch_rooms(
        &self,
        identity: &Identity,
        request: v1::WatchRoomsRequest,
    ) -> Result<Watched, Refusal> {
        let name = target::namespace(request.namespace)?;
        let room = if request.room.is_empty() { None } else { Some(target::room("room", request.room)?) };
        require(may_read(identity, name.as_str(), room.as_ref().map(RoomName::as_str)))?;
        self.hub.namespaces.settings(name.as_str()).ok_or_else(hub::unknown)?;
        let nodes = self.bridge.as_ref().map(|bridge| bridge.nodes()).unwrap_or_default();
        let Watching { events, known, new } = self.hub.watches.watch(name.as_str(), &nodes);
        if new {
            nodes.into_iter().for_each(|node| self.ask_rooms(name.as_str(), node, false));
        }
        if timeout(KNOWN_WITHIN, known.cancelled()).await.is_err() {
            known.cancel();
        }
        // What was told until now is what has been before.
        let events = events.resubscribe();
        let nodes_missing = self.hub.watches.missing(name.as_str()).iter().map(NodeId::to_string).collect();
        Ok(Watched { events, nodes_missing })
    }

    /// Asks a node which rooms it has in a namespace, and has it say what changes from then on.
    fn ask_rooms(&self, namespace: &str, node: NodeId, renewed: bool) {
        let Some(router) = self.this.upgrade() else { return };
        let namespace = namespace.to_owned();
        self.tasks.spawn("watch", async move {
            if !renewed {
                router.hub.watches.ask(&namespace, node);
            }
            let watch = Watch { namespace: namespace.clone(), renewed };
            // One that does not answer stays asked, and is asked again.
            let Ok(done) = router.send_errand(node, errand::What::Watch(watch)).await else { return };
            let Some(errand_done::What::Reach(Reach { changed, .. })) = done.what else { return };
            match (renewed, changed) {
                (false, _) => router.hub.counts_done(node, &namespace),
                (true, 0) => {}
                // It did not know; all that was since then is to be heard.
                (true, _) => router.ask_rooms(&namespace, node, false),
            }
        });
    }

    /// Tells a node that watches which rooms this one has, and what changes from now on.
    pub(super) fn tell_rooms(&self, watch: &Watch, to: NodeId) -> Result<Reach, Refusal> {
        let Some(teller) = &self.teller else { return Err(unreachable_part()) };
        target::namespace(watch.namespace.clone())?;
        let new = teller.add(&watch.namespace, to);
        if !watch.renewed && !self.hub.tell_rooms(&watch.namespace, to) {
            return Err(unreachable_part());
        }
        Ok(Reach { changed: u32::from(new), refused: 0 })
    }

    /// A node does not watch any more.
    pub(super) fn end_watch(&self, namespace: &str, node: NodeId) -> Reach {
        self.teller.iter().for_each(|teller| teller.remove(namespace, node));
        Reach::default()
    }

    /// Somebody came to a room of another node or went from it.
    pub(super) fn hear_change(&self, node: NodeId, change: RoomChange) {
        let namespace = change.namespace.clone();
        if !self.hub.hear_change(node, change) {
            self.unwatch(&namespace, node);
        }
    }

    fn unwatch(&self, namespace: &str, node: NodeId) {
        let (Some(router), namespace) = (self.this.upgrade(), namespace.to_owned()) else { return };
        self.tasks.spawn("watch", async move {
            // Who does not hear it goes on, and is told again.
            drop(router.send_errand(node, errand::What::Unwatch(namespace)).await);
        });
    }

    /// Asks a node again which rooms it has, in all namespaces that are watched.
    pub(super) fn watch_again(&self, node: NodeId) {
        for namespace in self.hub.watches.all() {
            self.ask_rooms(&namespace, node, false);
        }
    }

    /// Ends what nobody watches any more, and sees to it that the others know what is watched. Called once a second.
    pub(super) fn tick_watches(self: &Arc<Self>, nodes: &[NodeId], ticks: u64) {
        for namespace in self.hub.watches.sweep() {
            nodes.iter().for_each(|node| self.unwatch(&namespace, *node));
        }
        for namespace in self.hub.watches.all() {
            let missing = self.hub.watches.missing(&namespace);
            for node in nodes {
                if missing.contains(node) {
                    self.ask_rooms(&namespace, *node, false);
                } else if ticks.is_multiple_of(RENEWED_EVERY) {
                    self.ask_rooms(&namespace, *node, true);
                }
            }
        }
    }
}
