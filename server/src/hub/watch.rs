//! Who watches the rooms of a namespace. Changes are announced under the lock of the room's shard, so that watchers see those of
//! one room in their order. Other nodes say how many members their rooms have, as long as somebody here watches: a room begins
//! with its first member anywhere, and ends with its last.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;
use rialto_proto::v1::{RoomEventKind, Sender};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use crate::base::ids::NodeId;

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
    /// How many changes cannot be told, for `Missed`.
    pub missed_count: u32,
}

/// A watch that has begun.
#[derive(Debug)]
pub struct Watching {
    /// What happens.
    pub events: broadcast::Receiver<RoomEvent>,
    /// Cancelled when all other nodes have said which rooms they have. Everything that happens from then on is told right.
    pub known: CancellationToken,
    /// Whether this is the first watch of the namespace, and the other nodes have to be asked.
    pub new: bool,
}

/// The watchers of all namespaces.
#[derive(Debug, Default)]
pub struct Watches {
    namespaces: Mutex<HashMap<Arc<str>, Watched>>,
    // Lets the busy path skip the lock while nobody watches.
    count: AtomicUsize,
}

/// A namespace that is watched.
#[derive(Debug)]
struct Watched {
    sender: broadcast::Sender<RoomEvent>,
    known: CancellationToken,
    /// Who was asked and has not answered.
    asked: HashSet<NodeId>,
    nodes: HashMap<NodeId, Counts>,
    /// Members of each room on other nodes.
    elsewhere: HashMap<Arc<str>, u32>,
}

/// Members of each room on one other node.
#[derive(Debug, Default)]
struct Counts {
    rooms: HashMap<Arc<str>, u32>,
    /// What it said before it was asked again, and has not said again.
    stale: HashMap<Arc<str>, u32>,
}

impl Watches {
    /// Watches `namespace` from now on, of which `nodes` have to say which rooms they have. Ended by dropping the receiver.
    pub fn watch(&self, namespace: &str, nodes: &[NodeId]) -> Watching {
        let mut namespaces = self.namespaces.lock();
        let new = !namespaces.contains_key(namespace);
        let watched = namespaces.entry(namespace.into()).or_insert_with(|| Watched {
            sender: broadcast::Sender::new(BACKLOG),
            known: CancellationToken::new(),
            asked: nodes.iter().copied().collect(),
            nodes: HashMap::new(),
            elsewhere: HashMap::new(),
        });
        watched.note_known();
        let (events, known) = (watched.sender.subscribe(), watched.known.clone());
        self.count.store(namespaces.len(), Ordering::Release);
        Watching { events, known, new }
    }

    /// Forgets and returns namespaces that nobody watches any more.
    pub fn sweep(&self) -> Vec<Arc<str>> {
        let mut namespaces = self.namespaces.lock();
        let is_over = |watched: &Watched| watched.sender.receiver_count() == 0;
        let over: Vec<Arc<str>> = namespaces
            .iter()
            .filter(|(_, watched)| is_over(watched))
            .map(|(namespace, _)| Arc::clone(namespace))
            .collect();
        over.iter().for_each(|namespace| drop(namespaces.remove(namespace)));
        self.count.store(namespaces.len(), Ordering::Release);
        over
    }

    /// All namespaces that are watched.
    pub fn all(&self) -> Vec<Arc<str>> {
        self.namespaces.lock().keys().cloned().collect()
    }

    /// Nodes that have not said which rooms they have.
    pub fn missing(&self, namespace: &str) -> Vec<NodeId> {
        let namespaces = self.namespaces.lock();
        namespaces.get(namespace).map(|watched| watched.asked.iter().copied().collect()).unwrap_or_default()
    }

    /// A session has come to a room of this node or has gone from it; `here` are its members on this node afterwards.
    pub(super) fn change(
        &self,
        (namespace, room): (&str, &Arc<str>),
        who: impl FnOnce() -> Sender,
        (joined, here): (bool, u32),
    ) {
        if self.count.load(Ordering::Acquire) == 0 {
            return;
        }
        if let Some(watched) = self.namespaces.lock().get(namespace) {
            let elsewhere = watched.elsewhere.get(room).copied().unwrap_or_default();
            watched.tell(room, Some(who()), joined, here + elsewhere);
        }
    }

    /// A node is asked which rooms it has: what it said before holds until it has answered.
    pub fn ask(&self, namespace: &str, node: NodeId) {
        if let Some(watched) = self.namespaces.lock().get_mut(namespace) {
            watched.asked.insert(node);
            let counts = watched.nodes.entry(node).or_default();
            let said = std::mem::take(&mut counts.rooms);
            counts.stale.extend(said);
        }
    }

    /// A session has come to a room of another node or has gone from it. False when nobody watches that here.
    pub(super) fn hear(
        &self,
        (node, namespace): (NodeId, &str),
        room: &Arc<str>,
        (who, joined): (Option<Sender>, bool),
        (there, here): (u32, u32),
    ) -> bool {
        let mut namespaces = self.namespaces.lock();
        let Some(watched) = namespaces.get_mut(namespace) else { return false };
        let elsewhere = watched.set(node, room, there).0;
        watched.tell(room, who, joined, here + elsewhere);
        true
    }

    /// A session has come to another node from one where it was a member of the same room, or has gone to one. Nothing is told: it
    /// is one still. False when nobody watches that here.
    pub(super) fn hear_moved(&self, (node, namespace): (NodeId, &str), room: &Arc<str>, there: u32) -> bool {
        let mut namespaces = self.namespaces.lock();
        let Some(watched) = namespaces.get_mut(namespace) else { return false };
        watched.set(node, room, there);
        true
    }

    /// How many members a room of another node has, of which it was not said how they came.
    pub(super) fn count(
        &self,
        (node, namespace): (NodeId, &str),
        room: &Arc<str>,
        (there, here): (u32, u32),
    ) {
        if let Some(watched) = self.namespaces.lock().get_mut(namespace) {
            watched.correct(node, room, (there, here));
        }
    }

    /// A node has answered: it has no more rooms than it said. Returns those that it had before.
    pub(super) fn answered(&self, namespace: &str, node: NodeId) -> Vec<Arc<str>> {
        let mut namespaces = self.namespaces.lock();
        let Some(watched) = namespaces.get_mut(namespace) else { return Vec::new() };
        watched.asked.remove(&node);
        watched.note_known();
        watched.nodes.get(&node).map(|counts| counts.stale.keys().cloned().collect()).unwrap_or_default()
    }

    /// A node is gone. Returns the rooms that it had, by namespace.
    pub(super) fn lose(&self, node: NodeId) -> Vec<(Arc<str>, Arc<str>)> {
        let mut lost = Vec::new();
        for (namespace, watched) in self.namespaces.lock().iter_mut() {
            watched.asked.remove(&node);
            watched.note_known();
            let counts = watched.nodes.get(&node);
            let rooms = counts.into_iter().flat_map(|counts| counts.rooms.keys().chain(counts.stale.keys()));
            lost.extend(rooms.map(|room| (Arc::clone(namespace), Arc::clone(room))));
        }
        lost
    }
}

impl Watched {
    fn note_known(&self) {
        if self.asked.is_empty() {
            self.known.cancel();
        }
    }

    /// Notes the members of a room on a node. Returns how many there are on all other nodes, and how many there were.
    fn set(&mut self, node: NodeId, room: &Arc<str>, members: u32) -> (u32, u32) {
        let counts = self.nodes.entry(node).or_default();
        let stale = counts.stale.remove(room);
        let known = if members > 0 {
            counts.rooms.insert(Arc::clone(room), members)
        } else {
            counts.rooms.remove(room)
        };
        let before = known.or(stale).unwrap_or_default();
        if counts.rooms.is_empty() && counts.stale.is_empty() {
            self.nodes.remove(&node);
        }
        let all = self.elsewhere.entry(Arc::clone(room)).or_default();
        let all_before = *all;
        *all = (*all + members).saturating_sub(before);
        let all = *all;
        if all == 0 {
            self.elsewhere.remove(room);
        }
        (all, all_before)
    }

    /// Notes the members of a room on a node, and tells what can be told of what has happened meanwhile.
    fn correct(&mut self, node: NodeId, room: &Arc<str>, (there, here): (u32, u32)) {
        let (all, before) = self.set(node, room, there);
        if all == before {
            return;
        }
        if before + here == 0 {
            self.say(RoomEvent::of(RoomEventKind::Created, room, 0));
        }
        let missed = RoomEvent::of(RoomEventKind::Missed, &"".into(), 0);
        self.say(RoomEvent { missed_count: all.abs_diff(before), ..missed });
        if all + here == 0 {
            self.say(RoomEvent::of(RoomEventKind::Deleted, room, 0));
        }
    }

    fn tell(&self, room: &Arc<str>, who: Option<Sender>, joined: bool, member_count: u32) {
        if joined && member_count == 1 {
            self.say(RoomEvent::of(RoomEventKind::Created, room, 0));
        }
        let kind = if joined { RoomEventKind::Joined } else { RoomEventKind::Left };
        self.say(RoomEvent { who, ..RoomEvent::of(kind, room, member_count) });
        if !joined && member_count == 0 {
            self.say(RoomEvent::of(RoomEventKind::Deleted, room, 0));
        }
    }

    fn say(&self, event: RoomEvent) {
        // The last receiver may have gone in between: then nobody wants to know.
        drop(self.sender.send(event));
    }
}

impl RoomEvent {
    fn of(kind: RoomEventKind, room: &Arc<str>, member_count: u32) -> Self {
        Self { kind, room: Arc::clone(room), who: None, member_count, missed_count: 0 }
    }
}
