//! Deltas under everything that may come between: sessions join and part, read or do not, and lose what the policy of
//! their namespace lets them lose; several senders, several things, gathered or not, kept or not. Whoever reads must be
//! able to make every payload whole, byte for byte. On the hub alone, so that nothing depends on time.

use std::{
    collections::HashMap,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use prost::Message;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rialto_proto::v1::{AttachResponse, Content, Event, content::Body, server_frame::Frame as Said};
use rialto_server::{
    auth::Identity,
    base::{
        clock::{self, Instant},
        config::{BehindPolicy, Config, NamespaceSettings},
        ids::{NodeId, RoomName, SessionId},
        metrics::Metrics,
    },
    hub::{Emission, Hub, Joining, Namespaces, What, Wishes},
    session::{
        Session,
        outbox::{Next, Outbox},
        owed::{Owed, Rest, Stretch},
    },
    wire::{
        Class, Frame,
        target::{Target, Who},
    },
};
use rialto_tests::deltas::Reader;

/// Rooms of the hub: one may be in one namespace and lose by what happens in the other.
const ROOMS: [&str; 2] = ["red", "blue"];
const KEYS: [&str; 3] = ["", "a", "b"];

/// What is varied between runs.
#[derive(Debug, Clone, Copy)]
struct Scene {
    policy: BehindPolicy,
    window: Duration,
    members: usize,
    kept: bool,
    seed: u64,
}

struct Member {
    session: Arc<Session>,
    reader: Reader,
    delta: bool,
}

struct Bench {
    scene: Scene,
    chance: StdRng,
    hub: Hub,
    settings: NamespaceSettings,
    members: Vec<Member>,
    payloads: HashMap<(usize, usize), Vec<u8>>,
    sent: HashMap<String, Vec<u8>>,
    history: HashMap<usize, Vec<(Event, SessionId)>>,
    now: Instant,
}

impl Bench {
    fn new(scene: Scene) -> Self {
        let mut config = Config::default();
        config.limits.session.outbox_frames_max = 24;
        config.limits.session.outbox_bytes_max = 64 << 10;
        config.limits.session.resume_window = Duration::ZERO;
        for namespace in &mut config.namespaces {
            namespace.settings.falling_behind = scene.policy;
            namespace.settings.delivery_window = scene.window;
            namespace.settings.room_emits_per_second = 0;
        }
        let settings = config.namespaces[0].settings.clone();
        let metrics = Arc::new(Metrics::default());
        let namespaces = Namespaces::new(&config.namespaces, 1, metrics.namespaces.clone());
        let hub = Hub::new(&config.limits, Arc::new(namespaces), metrics);
        let node = NodeId::random();
        let member = |number: usize| {
            let outbox = Arc::new(Outbox::of(&config.limits.session));
            let id = SessionId::random(node);
            let session = Session::new(id, Identity::open(None), outbox, &config.limits.session);
            Member { session: Arc::new(session), reader: Reader::default(), delta: !number.is_multiple_of(4) }
        };
        let members = (0..scene.members).map(member).collect();
        let mut bench = Self {
            scene,
            chance: StdRng::seed_from_u64(scene.seed),
            hub,
            settings,
            members,
            payloads: HashMap::new(),
            sent: HashMap::new(),
            history: HashMap::new(),
            now: clock::now(),
        };
        (0..scene.members).for_each(|who| (0..ROOMS.len()).for_each(|room| bench.join(who, room)));
        bench
    }

    fn step(&mut self) {
        self.now += Duration::from_millis(1);
        let who = self.chance.random_range(0..self.members.len());
        let room = self.chance.random_range(0..ROOMS.len());
        match self.chance.random_range(0..100) {
            0..70 => self.emit(who, room),
            70..85 => self.read(who),
            85..90 => (0..self.members.len()).for_each(|who| self.read(who)),
            90..95 => drop(self.hub.flush("chat", ROOMS[room], self.now)),
            95..98 => self.join(who, room),
            _ => {
                let rooms = [name(room)];
                self.hub.part(&self.members[who].session, "chat", &rooms, |_| None);
                self.join(who, room);
            }
        }
    }

    fn join(&mut self, who: usize, room: usize) {
        let Member { session, delta, .. } = &self.members[who];
        let rooms = [name(room)];
        let wishes = Wishes { delta: *delta, ..Wishes::default() };
        let (rooms, now) = (rooms.as_slice(), self.now);
        let joining = Joining { session, namespace: "chat", rooms, wishes, arriving: false, now };
        self.hub.join(joining, |_, _| None).expect("it may join");
    }

    /// The payload before with some bytes changed, or another one altogether.
    fn payload(&mut self, room: usize, key: usize) -> Vec<u8> {
        let chance = &mut self.chance;
        let length = if chance.random_range(0..50) == 0 { 40_000 } else { chance.random_range(20..2_000) };
        let payload = self.payloads.entry((room, key)).or_default();
        if payload.is_empty() || chance.random_range(0..20) == 0 {
            *payload = (0..length).map(|_| chance.random_range(b'a'..=b'z')).collect();
        }
        for _ in 0..5 {
            let at = chance.random_range(0..payload.len());
            payload[at] = chance.random_range(b'0'..=b'9');
        }
        payload.clone()
    }

    fn emit(&mut self, who: usize, room: usize) {
        let key = self.chance.random_range(0..KEYS.len());
        let payload = self.payload(room, key);
        let text = self.chance.random_range(0..3) > 0;
        let body = match String::from_utf8(payload.clone()) {
            Ok(text_of_it) if text => Body::Text(text_of_it),
            _ => Body::Binary(payload.clone().into()),
        };
        let plain = self.scene.kept;
        let class = match self.chance.random_range(0..12) {
            0 if !plain => Class::Volatile,
            1 if !plain => Class::Latest,
            _ => Class::Reliable,
        };
        let session = Arc::clone(&self.members[who].session);
        let content =
            Content { event: "moved".into(), key: KEYS[key].into(), body: Some(body), ..Content::default() };
        let event = Event {
            namespace: "chat".into(),
            rooms: vec![ROOMS[room].into()],
            content: Some(content),
            event_id: format!("event-{}", self.sent.len()),
            ..Event::default()
        };
        self.sent.insert(event.event_id.clone(), payload);
        let mut target = Target::of(Who::Union { rooms: vec![name(room)], sessions: vec![], users: vec![] });
        target.include_sender = self.chance.random_range(0..3) == 0;
        if !plain && self.chance.random_range(0..15) == 0 {
            let other = self.chance.random_range(0..self.members.len());
            target.except_sessions = vec![self.members[other].session.id];
        }
        let frame = self.frame(event, room, class, (&session, target.include_sender));
        let fan_out = self.hub.emit(Emission {
            namespace: "chat",
            settings: &self.settings,
            target: &target,
            sender: Some(session.id.key),
            what: What::Frame(&frame),
            charged: true,
            now: self.now,
        });
        fan_out.expect("it is taken");
    }

    fn frame(&mut self, event: Event, room: usize, class: Class, (by, heard): (&Session, bool)) -> Frame {
        if !self.scene.kept {
            return Frame::event(event, class);
        }
        let history = self.history.entry(room).or_default();
        let event = Event { offset: Some(history.len() as u64 + 1), epoch: "e".into(), ..event };
        let unheard = if heard { SessionId::random(NodeId::random()) } else { by.id };
        history.push((event.clone(), unheard));
        Frame::event(event, class)
    }

    /// Reads everything that waits, as a client does.
    fn read(&mut self, who: usize) {
        let member = &mut self.members[who];
        let outbox = Arc::clone(&member.session.outbox);
        let mut context = Context::from_waker(std::task::Waker::noop());
        loop {
            match outbox.poll_next(0, self.now, &mut context) {
                Poll::Ready(Next::Burst(burst)) => {
                    let response = AttachResponse::decode(burst.encode_to_vec().as_slice()).unwrap();
                    for frame in response.frames {
                        let Some(Said::Event(event)) = frame.frame else { continue };
                        assert!(event.delta.is_none() || member.delta, "nobody asked for a delta");
                        let payload = member.reader.read(&event);
                        assert_eq!(payload, self.sent[&event.event_id], "{:?}", self.scene);
                    }
                }
                Poll::Ready(Next::Read(owed)) => {
                    let frames = self.history_of(&owed, self.members[who].session.id);
                    outbox.settle(&owed, frames, Rest::Nothing);
                    return self.read(who);
                }
                _ => return,
            }
        }
    }

    fn history_of(&self, owed: &Owed, reader: SessionId) -> Vec<Frame> {
        let Owed::Events(Stretch { room, from, to, .. }) = owed else { return Vec::new() };
        let room = ROOMS.iter().position(|name| **name == **room).unwrap();
        let events = &self.history[&room][*from as usize - 1..*to as usize];
        let heard = events.iter().filter(|(_, unheard)| *unheard != reader);
        heard.map(|(event, _)| Frame::event(event.clone(), Class::Reliable)).collect()
    }
}

fn name(room: usize) -> RoomName {
    ROOMS[room].parse().unwrap()
}

/// How many payloads came as deltas in all.
fn run(scene: Scene, steps: usize) -> usize {
    let mut bench = Bench::new(scene);
    (0..steps).for_each(|_| bench.step());
    ROOMS.iter().for_each(|room| drop(bench.hub.flush("chat", room, bench.now)));
    (0..scene.members).for_each(|who| bench.read(who));
    bench.members.iter().map(|member| member.reader.deltas).sum()
}

fn every_payload_is_made_whole(policy: BehindPolicy, kept: bool) {
    for seed in 0..6 {
        let quiet = Scene { policy, window: Duration::ZERO, members: 6, kept, seed };
        assert!(run(quiet, 1_000) > 100, "deltas were used");
    }
    for seed in 0..2 {
        let busy = Scene { policy, window: Duration::from_millis(10), members: 66, kept, seed };
        assert!(run(busy, 500) > 100, "deltas were used");
    }
}

#[test]
fn every_payload_is_made_whole_where_events_are_dropped() {
    every_payload_is_made_whole(BehindPolicy::Drop, false);
}

#[test]
fn every_payload_is_made_whole_where_events_displace_older_ones() {
    every_payload_is_made_whole(BehindPolicy::Latest, false);
}

#[test]
fn every_payload_is_made_whole_where_those_who_fall_behind_are_closed() {
    every_payload_is_made_whole(BehindPolicy::Close, false);
}

#[test]
fn every_payload_is_made_whole_where_events_are_kept_and_owed() {
    every_payload_is_made_whole(BehindPolicy::Close, true);
}
