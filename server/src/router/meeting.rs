//! Who is in rooms on other nodes: what this node asks them when it begins to listen to a room, and whom it asks again when
//! something was not heard.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use futures_util::future::join_all;
use rialto_proto::node::{Members, NameMembers, Reach, errand};
use tokio::time::timeout;

use super::{Router, others::unreachable_part};
use crate::{
    base::{
        clock,
        ids::{NodeId, RoomName},
        refusal::Refusal,
    },
    bridge::Bridge,
};

/// Rooms about which a node is asked at once.
const ROOMS_MAX: usize = 256;
/// How long somebody who joins waits for those who do not say who is there. What they say later is told as presence.
const MET_WITHIN: Duration = Duration::from_secs(1);

/// What nodes were asked and have not answered: rooms of a namespace.
pub(super) type Unanswered = BTreeMap<NodeId, BTreeSet<(String, String)>>;

impl Router {
    /// Waits until it is known who is in rooms on other nodes. This node listens to them already.
    pub(super) async fn meet(&self, namespace: &str, rooms: &[RoomName]) {
        let (Some(bridge), Some(router)) = (&self.bridge, self.this.upgrade()) else { return };
        let nodes = bridge.nodes();
        let (mut known, mut new) = (Vec::new(), Vec::new());
        for room in rooms {
            let met = self.hub.meet(namespace, room, &nodes);
            known.push(met.known);
            if met.new {
                new.push((namespace.to_owned(), room.as_str().to_owned()));
            }
        }
        if !new.is_empty() {
            // Who has come meanwhile may have been asked about all rooms but these.
            for node in bridge.nodes().into_iter().chain(nodes.iter().copied()).collect::<BTreeSet<_>>() {
                let (router, new, late) = (Arc::clone(&router), new.clone(), !nodes.contains(&node));
                self.tasks.spawn("meet", async move { router.ask_members(node, new, late).await });
            }
        }
        let all = join_all(known.iter().map(|known| known.cancelled()));
        if timeout(MET_WITHIN, all).await.is_err() {
            // The next one does not wait again.
            known.iter().for_each(|known| known.cancel());
        }
    }

    /// Asks a node who of it is in rooms. It says that for each room by itself, and is asked again when it does not.
    async fn ask_members(&self, node: NodeId, rooms: Vec<(String, String)>, again: bool) {
        let mut by_namespace: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (namespace, room) in rooms {
            by_namespace.entry(namespace).or_default().push(room);
        }
        for (namespace, rooms) in by_namespace {
            for rooms in rooms.chunks(ROOMS_MAX) {
                let (namespace, rooms) = (namespace.clone(), rooms.to_vec());
                let ask = NameMembers { namespace: namespace.clone(), rooms: rooms.clone(), again };
                if self.send_errand(node, errand::What::NameMembers(ask)).await.is_err() {
                    let rooms = rooms.into_iter().map(|room| (namespace.clone(), room));
                    self.unanswered.lock().entry(node).or_default().extend(rooms);
                } else if !again {
                    self.hub.note_answered(&namespace, &rooms, node);
                }
            }
        }
    }

    /// Says who of this node is in rooms.
    pub(super) fn name_members(&self, ask: &NameMembers, to: NodeId) -> Result<Reach, Refusal> {
        let told = ask.rooms.iter().all(|room| self.hub.tell_whole(&ask.namespace, room, to, ask.again));
        told.then(Reach::default).ok_or_else(unreachable_part)
    }

    /// Another node says who of it is in a room.
    pub(super) fn hear_members(self: &Arc<Self>, node: NodeId, members: Members) {
        let place = (members.namespace.clone(), members.room.clone());
        let (changed, ask) = self.hub.hear_members(node, members, clock::now());
        self.settle_change(changed);
        if ask {
            let router = Arc::clone(self);
            self.tasks.spawn("meet", async move { router.ask_members(node, vec![place], true).await });
        }
    }

    /// Asks a node again who of it is in all rooms that this one listens to.
    pub(super) fn meet_again(self: &Arc<Self>, node: NodeId) {
        let (router, rooms) = (Arc::clone(self), self.hub.ask_again(node));
        if !rooms.is_empty() {
            self.tasks.spawn("meet", async move { router.ask_members(node, rooms, true).await });
        }
    }

    /// Waits until this node has heard what the others had said by now, or they do not answer. Returns how many did.
    pub async fn hear_others(&self) -> usize {
        // What one node says is heard in that order, and its answer comes last.
        self.everywhere(&errand::What::NameMembers(NameMembers::default())).await.answers.len()
    }

    /// Asks those again who have not answered and are there.
    pub(super) fn ask_unanswered(self: &Arc<Self>, bridge: &Bridge) {
        let unanswered = std::mem::take(&mut *self.unanswered.lock());
        let there = bridge.nodes();
        for (node, rooms) in unanswered.into_iter().filter(|(node, _)| there.contains(node)) {
            let (router, rooms) = (Arc::clone(self), rooms.into_iter().collect());
            self.tasks.spawn("meet", async move { router.ask_members(node, rooms, true).await });
        }
    }
}
