//! Three hubs that tell each other who is in their rooms, over a network that loses messages, nodes that die and queues that are
//! full; sessions come, go and change, and everything is delivered in a random order that keeps what one says to another in
//! order. When all is quiet, every hub must know everybody, and so must every member who asked for it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use proptest::prelude::*;
use rialto_proto::{
    node::{Members, RoomChange, RoomCounts},
    v1::{Joined, Member, Presence, server_frame::Frame as Body},
};

use super::{
    Due, Hub, Joining, Namespaces, Outward, Told, Wishes, address::Address, counting::MEMBERS_NAMED_MAX,
    everybody::Everybody, model::bench::drained,
};
use crate::{
    auth::Identity,
    base::{
        clock::{self, Instant},
        config::NamespaceConfig,
        ids::{NodeId, RoomName, SessionId},
        limits::Limits,
        metrics::Metrics,
    },
    session::{Session, outbox::Outbox},
    wire::Frame,
};

const NODES: usize = 3;
const CLIENTS: usize = 8;
const ROOMS: [&str; 2] = ["red", "blue"];
const USERS: [Option<&str>; 4] = [Some("ann"), Some("bob"), Some("eve"), None];
const NAMESPACE: &str = "chat";

/// What one node has to say, to whom: to all where there is nobody.
type Said = (Option<NodeId>, Members);

/// Takes what a hub tells, or has no room for it.
#[derive(Debug, Default)]
struct Queue {
    said: Mutex<Vec<Said>>,
    full: AtomicBool,
}

impl Outward for Queue {
    fn tell_members(&self, to: Option<NodeId>, members: Members) -> bool {
        if self.full.swap(false, Ordering::Relaxed) {
            return false;
        }
        self.said.lock().push((to, members));
        true
    }

    fn tell_watchers(&self, _: &str, _: &dyn Fn() -> RoomChange) {}

    fn tell_counts(&self, _: NodeId, _: RoomCounts) -> bool {
        true
    }
}

/// On its way from one node to another.
#[derive(Debug, Clone)]
enum Letter {
    Members(Members),
    Ask(&'static str, bool),
    Done(&'static str, bool),
    Refused(&'static str),
}

/// A session, and what its client knows.
struct Client {
    session: Arc<Session>,
    views: BTreeMap<String, View>,
}

/// A room as a client sees it that asked for presence.
#[derive(Debug, Default, Clone)]
struct View {
    count: u32,
    /// By session; `None` when they are counted.
    named: Option<BTreeMap<String, Member>>,
}

struct Node {
    id: NodeId,
    hub: Hub,
    queue: Arc<Queue>,
    clients: Vec<Client>,
    dues: Vec<Due>,
}

struct World {
    nodes: Vec<Node>,
    letters: BTreeMap<(usize, usize), VecDeque<Letter>>,
    now: Instant,
}

#[derive(Debug, Clone)]
enum Step {
    Join(usize, usize, usize, bool),
    Part(usize, usize, usize),
    Describe(usize, usize, u8),
    Exit(usize, usize),
    Deliver(usize, usize),
    /// Everything on the way is lost, and the receiver notices.
    Lose(usize, usize),
    /// The next message finds no room.
    Full(usize),
    Tick,
    /// The node dies, and another one begins in its place.
    Die(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (node, client, room) = (0..NODES, 0..CLIENTS, 0..ROOMS.len());
    let step = prop_oneof![
        6 => (node.clone(), client.clone(), room.clone(), any::<bool>())
            .prop_map(|(node, client, room, presence)| Step::Join(node, client, room, presence)),
        3 => (node.clone(), client.clone(), room).prop_map(|(node, client, room)| Step::Part(node, client, room)),
        1 => (node.clone(), client.clone(), any::<u8>())
            .prop_map(|(node, client, mood)| Step::Describe(node, client, mood)),
        1 => (node.clone(), client).prop_map(|(node, client)| Step::Exit(node, client)),
        12 => (node.clone(), node.clone()).prop_map(|(from, to)| Step::Deliver(from, to)),
        1 => (node.clone(), node.clone()).prop_map(|(from, to)| Step::Lose(from, to)),
        1 => node.clone().prop_map(Step::Full),
        2 => Just(Step::Tick),
        1 => node.prop_map(Step::Die),
    ];
    prop::collection::vec(step, 1..120)
}

impl Node {
    fn new() -> Self {
        let (limits, metrics) = (Limits::default(), Arc::new(Metrics::default()));
        let namespaces = [NamespaceConfig::named(NAMESPACE)];
        let namespaces = Namespaces::new(&namespaces, limits.node.namespaces_max, metrics.namespaces.clone());
        let queue = Arc::new(Queue::default());
        let outward = Arc::clone(&queue) as Arc<dyn Outward>;
        let hub = Hub::new(&limits, Arc::new(namespaces), metrics).telling(Some(outward));
        let (id, mut clients) = (NodeId::random(), Vec::new());
        for client in 0..CLIENTS {
            let identity = Identity::open(USERS[client % USERS.len()].map(|user| user.parse().unwrap()));
            let outbox = Arc::new(Outbox::of(&limits.session));
            let session = Session::new(SessionId::random(id), identity, outbox, &limits.session);
            let session = Arc::new(session);
            hub.open(&session, None, clock::now()).unwrap();
            clients.push(Client { session, views: BTreeMap::new() });
        }
        Self { id, hub, queue, clients, dues: Vec::new() }
    }

    /// The members here, by session.
    fn members(&self, room: &str) -> BTreeMap<String, Member> {
        let members = self.hub.members(NAMESPACE, room, "", usize::MAX).entries;
        members.iter().map(|session| (session.id.to_string(), super::info(session))).collect()
    }

    /// What clients are told becomes what they know.
    fn read(&mut self) {
        for client in &mut self.clients {
            for body in drained(&client.session.outbox) {
                match body {
                    Body::Joined(joined) => client.joined(joined),
                    Body::Presence(presence) => client.presence(presence),
                    _ => {}
                }
            }
        }
    }
}

fn by_session(members: Vec<Member>) -> BTreeMap<String, Member> {
    members.into_iter().map(|member| (member.who.clone().unwrap().session, member)).collect()
}

impl Client {
    fn joined(&mut self, joined: Joined) {
        for room in joined.rooms {
            let named = (room.members.len() == room.member_count as usize).then(|| by_session(room.members));
            self.views.insert(room.room, View { count: room.member_count, named });
        }
    }

    fn presence(&mut self, presence: Presence) {
        let Some(view) = self.views.get_mut(&presence.room) else { return };
        view.count = presence.member_count;
        if presence.joined.len() == presence.member_count as usize {
            view.named = Some(by_session(presence.joined));
        } else if presence.joined.is_empty() && presence.left.is_empty() {
            view.named = None;
        } else if let Some(named) = &mut view.named {
            named.extend(by_session(presence.joined));
            presence.left.iter().for_each(|who| drop(named.remove(&who.session)));
        }
    }
}

impl World {
    fn new() -> Self {
        Self { nodes: (0..NODES).map(|_| Node::new()).collect(), letters: BTreeMap::new(), now: clock::now() }
    }

    fn node(&self, id: NodeId) -> Option<usize> {
        self.nodes.iter().position(|node| node.id == id)
    }

    fn send(&mut self, from: usize, to: usize, letter: Letter) {
        self.letters.entry((from, to)).or_default().push_back(letter);
    }

    /// What hubs have told goes on its way.
    fn collect(&mut self) {
        for from in 0..NODES {
            let said = std::mem::take(&mut *self.nodes[from].queue.said.lock());
            for (to, members) in said {
                let to = match to {
                    Some(id) => self.node(id).into_iter().collect(),
                    None => (0..NODES).filter(|to| *to != from).collect::<Vec<_>>(),
                };
                to.into_iter().for_each(|to| self.send(from, to, Letter::Members(members.clone())));
            }
            self.nodes[from].read();
        }
    }

    fn ask(&mut self, who: usize, whom: usize, room: &'static str, again: bool) {
        self.send(who, whom, Letter::Ask(room, again));
    }

    fn ask_again(&mut self, who: usize, whom: usize) {
        let rooms = self.nodes[who].hub.ask_again(self.nodes[whom].id);
        for (_, room) in rooms {
            let room = *ROOMS.iter().find(|name| **name == room).unwrap();
            self.ask(who, whom, room, true);
        }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Join(node, client, room, presence) => {
                // Several, so that rooms become large.
                (client..CLIENTS.min(client + 4))
                    .for_each(|client| self.join(node, client, ROOMS[room], presence));
            }
            Step::Part(node, client, room) => {
                let Node { hub, clients, dues, .. } = &mut self.nodes[node];
                let rooms: [RoomName; 1] = [ROOMS[room].parse().unwrap()];
                clients[client].views.remove(ROOMS[room]);
                dues.extend(hub.part(&clients[client].session, NAMESPACE, &rooms, |_| None).due);
            }
            Step::Describe(node, client, mood) => {
                let Node { hub, clients, dues, .. } = &mut self.nodes[node];
                let session = &clients[client].session;
                session.describe(BTreeMap::from([("mood".to_owned(), mood.to_string())]));
                dues.extend(hub.describe(session).due);
            }
            Step::Exit(node, client) => {
                let Node { hub, clients, dues, .. } = &mut self.nodes[node];
                clients[client].views.clear();
                dues.extend(hub.exit(&clients[client].session).due);
            }
            Step::Deliver(from, to) => self.deliver(from, to),
            Step::Lose(from, to) => {
                if self.letters.remove(&(from, to)).is_some() {
                    self.ask_again(to, from);
                    // Who waits for an answer that is lost asks again as well.
                    self.ask_again(from, to);
                }
            }
            Step::Full(node) => self.nodes[node].queue.full.store(true, Ordering::Relaxed),
            Step::Tick => self.tick(),
            Step::Die(node) => self.die(node),
        }
        self.collect();
    }

    fn join(&mut self, node: usize, client: usize, room: &'static str, presence: bool) {
        let name: RoomName = room.parse().unwrap();
        let others: Vec<NodeId> =
            self.nodes.iter().enumerate().filter(|(at, _)| *at != node).map(|(_, node)| node.id).collect();
        if self.nodes[node].hub.meet(NAMESPACE, &name, &others).new {
            (0..NODES).filter(|other| *other != node).for_each(|other| self.ask(node, other, room, false));
        }
        let Node { hub, clients, dues, .. } = &mut self.nodes[node];
        let wishes = Wishes { presence, ..Wishes::default() };
        let session = &clients[client].session;
        let joining =
            Joining { session, namespace: NAMESPACE, rooms: &[name], wishes, arriving: false, now: self.now };
        let joined = hub.join(joining, |found, _| {
            let rooms = found.into_iter().map(|found| found.state).collect();
            let joined = Body::Joined(Joined { namespace: NAMESPACE.to_owned(), rooms });
            Some(Told {
                frames: presence.then(|| Frame::answer(1, joined)).into_iter().collect(),
                owed: vec![],
            })
        });
        dues.extend(joined.into_iter().flat_map(|changed| changed.due));
    }

    fn deliver(&mut self, from: usize, to: usize) {
        let Some(letter) = self.letters.get_mut(&(from, to)).and_then(VecDeque::pop_front) else { return };
        let (now, sender) = (self.now, self.nodes[from].id);
        match letter {
            Letter::Members(members) => {
                let room = *ROOMS.iter().find(|name| **name == members.room).unwrap();
                let (changed, ask) = self.nodes[to].hub.hear_members(sender, members, now);
                self.nodes[to].dues.extend(changed.due);
                if ask {
                    self.ask(to, from, room, true);
                }
            }
            Letter::Ask(room, again) => {
                let told = self.nodes[to].hub.tell_whole(NAMESPACE, room, sender, again);
                // The answer comes behind what was told.
                self.collect();
                self.send(to, from, if told { Letter::Done(room, again) } else { Letter::Refused(room) });
            }
            Letter::Done(room, false) => {
                self.nodes[to].hub.note_answered(NAMESPACE, &[room.to_owned()], sender);
            }
            Letter::Done(_, true) => {}
            Letter::Refused(room) => self.ask(to, from, room, true),
        }
    }

    fn tick(&mut self) {
        self.now += Duration::from_secs(2);
        for node in &mut self.nodes {
            for due in std::mem::take(&mut node.dues) {
                if due.at > self.now {
                    node.dues.push(due);
                    continue;
                }
                node.dues.extend(node.hub.tell_number(&due, self.now).due);
            }
        }
    }

    fn die(&mut self, node: usize) {
        let dead = std::mem::replace(&mut self.nodes[node], Node::new()).id;
        self.letters.retain(|(from, to), _| *from != node && *to != node);
        for other in (0..NODES).filter(|other| *other != node) {
            let changed = self.nodes[other].hub.lose_node(dead, self.now);
            self.nodes[other].dues.extend(changed.due);
            self.ask_again(other, node);
        }
    }

    fn settle(&mut self) {
        while self.letters.values().any(|letters| !letters.is_empty())
            || self.nodes.iter().any(|node| !node.dues.is_empty())
        {
            for (from, to) in (0..NODES).flat_map(|from| (0..NODES).map(move |to| (from, to))) {
                while self.letters.get(&(from, to)).is_some_and(|letters| !letters.is_empty()) {
                    self.take(&Step::Deliver(from, to));
                }
            }
            self.take(&Step::Tick);
        }
    }

    /// Everybody knows everybody.
    fn check(&self) {
        for room in ROOMS {
            let all: BTreeMap<String, Member> =
                self.nodes.iter().flat_map(|node| node.members(room)).collect();
            let count = u32::try_from(all.len()).unwrap();
            let nameable = count <= MEMBERS_NAMED_MAX;
            for node in &self.nodes {
                let address = Address::room(NAMESPACE, room);
                let shard = node.hub.shards.lock_one(&address);
                let Some(others) = shard.others.get(&address) else { continue };
                let everybody = Everybody { here: shard.rooms.get(&address), others: Some(others) };
                assert_eq!((everybody.count(), everybody.are_nameable()), (count, nameable), "{room}");
                assert!(others.known().is_cancelled());
                if nameable {
                    assert_eq!(by_session(everybody.named()), all, "{room}");
                    assert_eq!(everybody.user_count(), users(&all));
                }
                for client in &node.clients {
                    let Some(view) = client.views.get(room) else { continue };
                    assert_eq!(view.count, count);
                    assert!(view.named.as_ref().is_none_or(|named| *named == all), "{view:?}");
                    assert!(!nameable || view.named.is_some());
                }
            }
        }
    }
}

fn users(members: &BTreeMap<String, Member>) -> u32 {
    let mut users: Vec<&str> =
        members.values().map(|member| member.who.as_ref().unwrap().user.as_str()).collect();
    users.sort_unstable();
    let nameless = users.iter().filter(|user| user.is_empty()).count();
    users.retain(|user| !user.is_empty());
    users.dedup();
    u32::try_from(users.len() + nameless).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_lost_on_the_way_all_nodes_and_their_members_know_everybody_in_the_end(steps in steps()) {
        let mut world = World::new();
        steps.iter().for_each(|step| world.take(step));
        world.settle();
        world.check();
    }
}
