//! The hub and the model, side by side: each step is done to both, and then everybody must have been told by the hub
//! what the model says. The expectations are in [`super::oracle`].

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    task::{Context, Poll},
};

use prost::Message;
use rialto_proto::v1::{
    AttachResponse, Entered, Event, Joined, Left, Member, Parted, server_frame::Frame as Body,
};

use super::steps::{
    Aim, DYNAMIC_NAMESPACES, NAMESPACES, NAMESPACES_PER_SESSION, ROOMS, ROOMS_PER_NAMESPACE,
    ROOMS_PER_SESSION, Reach, SESSIONS_PER_ADDRESS, SESSIONS_PER_USER, Step, USERS,
};
use crate::{
    auth::Identity,
    base::{
        clock::{self, Instant},
        config::{NamespaceConfig, NamespaceSettings},
        ids::{NodeId, RoomName, SessionId},
        limits::Limits,
        metrics::Metrics,
    },
    hub::{Emission, Hub, Joining, Namespaces, Told, What, Wishes},
    session::{
        Session,
        outbox::{Next, Outbox},
    },
    wire::{
        Class, Frame,
        target::{Target, Who},
    },
};

/// What one session is in by the model: namespaces, their rooms, and whether presence was asked for.
pub(super) struct Client {
    pub(super) session: Arc<Session>,
    pub(super) user: Option<&'static str>,
    pub(super) gone: bool,
    pub(super) places: BTreeMap<&'static str, BTreeMap<&'static str, bool>>,
    pub(super) told: Vec<Body>,
}

/// The hub and the model, side by side.
pub(super) struct Bench {
    pub(super) hub: Hub,
    limits: Limits,
    settings: NamespaceSettings,
    pub(super) clients: Vec<Client>,
    now: Instant,
}

impl Bench {
    pub(super) fn new() -> Self {
        let mut limits = Limits::default();
        limits.session.rooms_max = ROOMS_PER_SESSION as u32;
        limits.session.namespaces_max = NAMESPACES_PER_SESSION as u32;
        limits.node.namespaces_max = DYNAMIC_NAMESPACES as u32;
        limits.node.rooms_created_per_minute = u32::MAX;
        limits.node.sessions_per_user_max = SESSIONS_PER_USER as u32;
        limits.node.sessions_per_address_max = SESSIONS_PER_ADDRESS as u32;
        let settings = NamespaceSettings {
            rooms_max: ROOMS_PER_NAMESPACE as u32,
            room_emits_per_second: 0,
            ..NamespaceSettings::default()
        };
        let namespaces = ["chat", "tenant-*"]
            .map(|name| NamespaceConfig { name: name.to_owned(), settings: settings.clone() });
        let metrics = Arc::new(Metrics::default());
        let namespaces = Namespaces::new(&namespaces, limits.node.namespaces_max, metrics.namespaces.clone());
        let hub = Hub::new(&limits, Arc::new(namespaces), metrics);
        Self { hub, limits, settings, clients: Vec::new(), now: clock::now() }
    }

    pub(super) fn take(&mut self, step: Step) {
        if let Step::Open(user) = step {
            return self.open(user.map(|user| USERS[user]));
        }
        let count = self.clients.len();
        if count == 0 {
            return;
        }
        match step {
            Step::Open(_) => {}
            Step::Join(who, namespace, rooms, presence) => {
                self.join(who % count, NAMESPACES[namespace], &named(&rooms), presence);
            }
            Step::Part(who, namespace, rooms) => {
                self.part(who % count, NAMESPACES[namespace], &named(&rooms))
            }
            Step::Leave(who, namespace) => self.leave(who % count, NAMESPACES[namespace]),
            Step::Emit(who, namespace, aim) => self.emit(who % count, NAMESPACES[namespace], &aim),
            Step::Describe(who, mood) => self.describe(who % count, mood),
            Step::Exit(who) => self.exit(who % count),
        }
    }

    pub(super) fn open(&mut self, user: Option<&'static str>) {
        let open = self.clients.iter().filter(|client| !client.gone);
        let of_user = open.clone().filter(|client| user.is_some() && client.user == user).count();
        let fits = of_user < SESSIONS_PER_USER && open.count() < SESSIONS_PER_ADDRESS;
        let outbox = Arc::new(Outbox::of(&self.limits.session));
        let identity = Identity::open(user.map(|user| user.parse().unwrap()));
        let id = SessionId::random(NodeId::random());
        let session = Arc::new(Session::new(id, identity, outbox, &self.limits.session));
        let opened = self.hub.open(&session, Some(IpAddr::V4(Ipv4Addr::LOCALHOST)), self.now);
        assert_eq!(opened.is_ok(), fits);
        if fits {
            let (places, told) = (BTreeMap::new(), Vec::new());
            self.clients.push(Client { session, user, gone: false, places, told });
        }
    }

    fn join(&mut self, who: usize, namespace: &'static str, rooms: &[&'static str], presence: bool) {
        let expected = self.expect_join(who, namespace, rooms, presence);
        let session = Arc::clone(&self.clients[who].session);
        let names = room_names(rooms);
        let wishes = Wishes { presence, ..Wishes::default() };
        let joining =
            Joining { session: &session, namespace, rooms: &names, wishes, arriving: false, now: self.now };
        let joined = self.hub.join(joining, |found, _| {
            let rooms: Vec<_> = found.into_iter().map(|found| found.state).collect();
            let namespace = namespace.to_owned();
            let entered = Body::Entered(Entered { namespace: namespace.clone() });
            let body = if rooms.is_empty() { entered } else { Body::Joined(Joined { namespace, rooms }) };
            Some(Told { frames: vec![Frame::answer(1, body)], owed: Vec::new() })
        });
        let outcome = joined.map(|changed| changed.changed).map_err(|refusal| refusal.code);
        assert_eq!(outcome, expected);
    }

    fn part(&mut self, who: usize, namespace: &'static str, rooms: &[&'static str]) {
        let mut parted = Vec::new();
        for room in rooms {
            let place = self.clients[who].places.get_mut(namespace);
            if place.is_some_and(|place| place.remove(room).is_some()) {
                self.expect_gone(who, namespace, room);
                parted.push((*room).to_owned());
            }
        }
        let body = |rooms| Body::Parted(Parted { namespace: namespace.to_owned(), rooms });
        self.clients[who].told.push(body(parted));
        let session = Arc::clone(&self.clients[who].session);
        self.hub.part(&session, namespace, &room_names(rooms), |rooms| Some(Frame::answer(1, body(rooms))));
    }

    fn leave(&mut self, who: usize, namespace: &'static str) {
        let place = self.clients[who].places.remove(namespace);
        let entered = place.is_some();
        let rooms: Vec<_> = place.unwrap_or_default().into_keys().collect();
        rooms.iter().for_each(|room| self.expect_gone(who, namespace, room));
        let body = |mut rooms: Vec<String>| {
            rooms.sort_unstable();
            Body::Left(Left { namespace: namespace.to_owned(), rooms })
        };
        self.clients[who].told.push(body(rooms.into_iter().map(str::to_owned).collect()));
        let session = Arc::clone(&self.clients[who].session);
        let left = self.hub.leave(&session, namespace, |rooms| Some(Frame::answer(1, body(rooms))));
        assert_eq!(left.changed, entered);
    }

    pub(super) fn exit(&mut self, who: usize) {
        let was_gone = std::mem::replace(&mut self.clients[who].gone, true);
        for (namespace, rooms) in std::mem::take(&mut self.clients[who].places) {
            rooms.into_keys().for_each(|room| self.expect_gone(who, namespace, room));
        }
        let session = Arc::clone(&self.clients[who].session);
        assert_eq!(self.hub.exit(&session).changed, !was_gone);
    }

    fn describe(&mut self, who: usize, mood: u8) {
        let session = Arc::clone(&self.clients[who].session);
        session.describe(BTreeMap::from([("mood".to_owned(), mood.to_string())]));
        for (namespace, rooms) in self.clients[who].places.clone() {
            for room in rooms.into_keys() {
                let changed = vec![self.info(who)];
                self.expect_presence(namespace, room, None, (changed, Vec::new()));
            }
        }
        assert!(self.hub.describe(&session).behind.is_empty());
    }

    fn emit(&mut self, who: usize, namespace: &'static str, aim: &Aim) {
        let receivers = self.expect_receivers(who, namespace, aim);
        let id = |number: &usize| self.clients[number % self.clients.len()].session.id;
        let reach = match &aim.kind {
            Reach::Everyone => Who::Everyone,
            Reach::AnyOf(room) => Who::AnyOf(room_names(&[ROOMS[*room]]).remove(0)),
            Reach::Union(rooms, sessions, users) => Who::Union {
                rooms: room_names(&named(rooms)),
                sessions: sessions.iter().map(id).collect(),
                users: users.iter().map(|user| USERS[*user].parse().unwrap()).collect(),
            },
        };
        let target = Target {
            except_rooms: room_names(&named(&aim.except_rooms)),
            except_sessions: aim.except_sessions.iter().map(id).collect(),
            include_sender: aim.include_sender,
            ..Target::of(reach)
        };
        let event = Event { namespace: namespace.to_owned(), ..Event::default() };
        let fan_out = self.hub.emit(Emission {
            namespace,
            settings: &self.settings,
            target: &target,
            sender: Some(self.clients[who].session.id.key),
            what: What::Frame(&Frame::event(event.clone(), Class::Reliable)),
            charged: false,
            now: self.now,
        });
        let delivered = fan_out.unwrap().delivered as usize;
        if !matches!(aim.kind, Reach::AnyOf(_)) {
            assert_eq!(delivered, receivers.len());
            receivers.iter().for_each(|who| self.clients[*who].told.push(Body::Event(event.clone())));
            return;
        }
        assert_eq!(delivered, receivers.len().min(1));
        let has_more = |who: &&usize| self.clients[**who].session.outbox.waiting().0 > 0;
        if let Some(chosen) = receivers.iter().find(has_more).copied() {
            self.clients[chosen].told.push(Body::Event(event));
        }
    }

    /// Everybody has been told what the model says, in this step.
    pub(super) fn compare(&mut self) {
        for client in &mut self.clients {
            let mut told = drained(&client.session.outbox);
            let mut expected = std::mem::take(&mut client.told);
            for bodies in [&mut told, &mut expected] {
                bodies.iter_mut().for_each(sort_members);
                bodies.sort_by_key(|body| format!("{body:?}"));
            }
            assert_eq!(told, expected);
            client.session.outbox.check();
        }
    }
}

fn named(rooms: &[usize]) -> Vec<&'static str> {
    rooms.iter().map(|room| ROOMS[*room]).collect()
}

fn room_names(rooms: &[&str]) -> Vec<RoomName> {
    rooms.iter().map(|room| room.parse().unwrap()).collect()
}

/// The order of members in a list means nothing.
fn sort_members(body: &mut Body) {
    let by_session = |members: &mut Vec<Member>| {
        members.sort_by_key(|member| member.who.as_ref().map(|who| who.session.clone()));
    };
    if let Body::Joined(joined) = body {
        joined.rooms.iter_mut().for_each(|room| by_session(&mut room.members));
    }
}

/// Everything that waits in an outbox.
pub(in crate::hub) fn drained(outbox: &Outbox) -> Vec<Body> {
    let mut context = Context::from_waker(futures_util::task::noop_waker_ref());
    let mut bodies = Vec::new();
    while let Poll::Ready(Next::Burst(burst)) = outbox.poll_next(0, clock::now(), &mut context) {
        let response = AttachResponse::decode(burst.encode_to_vec().as_slice()).unwrap();
        bodies.extend(response.frames.into_iter().filter_map(|frame| frame.frame));
    }
    bodies
}
