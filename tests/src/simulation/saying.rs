//! What a client says and does when it is its turn, as chance has it.

use std::time::Duration;

use rialto_proto::v1::{
    Content, Delivery, Emit, Join, Part, Ping, RoomPosition, Seen, SetState, Target, client_frame::Command,
    content, set_state,
};
use rialto_server::base::clock;

use super::{
    client::{Again, Asked, Client, Greeting, What},
    hearing::NOISE,
    notes::Notes,
    scene::Scene,
};
use crate::checks::{Done, Message};

/// Commands that a client waits for at once.
const PENDING_MAX: usize = 48;

impl Client {
    /// Does one thing.
    pub(super) fn act(&mut self, scene: &Scene, notes: &mut Notes) {
        let now = clock::now();
        if self.stream.is_none() {
            if self.away_until.is_none_or(|until| until <= now) {
                self.connect(notes);
            }
            return;
        }
        if notes.chance.one_in(scene.losses_every) {
            return self.lose_stream(scene, notes);
        }
        if !self.is_greeted() || self.pending.len() >= PENDING_MAX {
            return;
        }
        match notes.chance.below(20) {
            0..=8 => self.emit(notes),
            9 => (0..notes.chance.below(24)).for_each(|_| self.emit(notes)),
            10 => self.noise(notes),
            11..=12 => self.join_one(notes),
            13 => self.part_one(notes),
            14..=16 => self.set_one(notes),
            17 => self.see(),
            18 => {
                self.say(Command::Ping(Ping {}), What::Other);
            }
            _ => {
                let pause = Duration::from_millis(notes.chance.between(1, 2_000));
                self.silent_until = Some(now + pause);
            }
        }
    }

    /// Opens a stream: to go on, or anew.
    pub(super) fn connect(&mut self, notes: &mut Notes) {
        let greeting = match (&self.proof, notes.chance.below(12)) {
            (None, _) => Greeting::New,
            // The program was started again, and has forgotten what it said.
            (_, 0) => {
                self.lose_session(&notes.recorder);
                self.again.clear();
                Greeting::New
            }
            (_, 1..=7) => Greeting::Resume,
            _ => Greeting::Afresh,
        };
        let mut joins = Vec::new();
        self.asked_greeting.clear();
        if greeting != Greeting::Resume && notes.chance.one_in(2) {
            let rooms: Vec<usize> = (0..notes.rooms.len()).filter(|_| notes.chance.one_in(2)).collect();
            for room in rooms {
                let (join, asked) = self.join(room, notes);
                self.asked_greeting.insert((0, room), asked);
                joins.push(join);
            }
        }
        // A balancer sends it to whatever node there is.
        let site = if notes.sites.len() > 1 { notes.chance.pick(&notes.sites) } else { notes.sites[0] };
        notes.trace.note(format_args!("client {} connects to {site}: {greeting:?}", self.index));
        self.open(site, greeting, joins);
    }

    /// Loses its stream: what was on its way may be lost, the node may notice late, the client may be away for long.
    pub(super) fn lose_stream(&mut self, scene: &Scene, notes: &mut Notes) {
        let Some(mut stream) = self.stream.take() else { return };
        self.greeting = None;
        self.silent_until = None;
        let arrived = notes.chance.below(stream.up.len() as u64 + 1) as usize;
        if notes.chance.one_in(2) {
            stream.up.truncate(arrived);
        }
        let now = clock::now();
        let noticed = Duration::from_millis(notes.chance.pick(&[0, 0, 50, 5_000]));
        self.half_open.push((stream, now + noticed));
        let window = scene.config.limits.session.resume_window;
        let away = match notes.chance.below(16) {
            0 => window + noticed + Duration::from_secs(1),
            1..=3 => Duration::from_millis(notes.chance.between(500, 4_000)),
            4..=8 => Duration::from_millis(notes.chance.between(1, 50)),
            _ => Duration::ZERO,
        };
        self.away_until = Some(now + away);
        notes
            .trace
            .note(format_args!("client {} lost its stream for {away:?}, noticed {noticed:?}", self.index));
    }

    fn join(&mut self, room: usize, notes: &mut Notes) -> (Join, Asked) {
        let place = self.places.get(&room).cloned();
        let recover = place.filter(|_| !notes.chance.one_in(4));
        let newest = if recover.is_none() { notes.chance.pick(&[0, 0, 5, 200]) } else { 0 };
        let state = (room + self.index).is_multiple_of(2);
        let at = &notes.rooms[room];
        let join = Join {
            namespace: at.namespace.to_string(),
            rooms: vec![at.name.to_string()],
            recover: recover.iter().map(|place| position(&at.name, place)).collect(),
            newest: newest as u32,
            state,
            ..Join::default()
        };
        (join, Asked { recover, newest, state })
    }

    fn join_one(&mut self, notes: &mut Notes) {
        let room = notes.chance.below(notes.rooms.len() as u64) as usize;
        let (join, asked) = self.join(room, notes);
        notes.trace.note(format_args!("{} joins {room}: {asked:?}", self.name));
        let reference = self.say(Command::Join(join), What::Other);
        self.asked.insert((reference, room), asked);
    }

    /// Joins every room that it is not in.
    pub(super) fn join_all(&mut self, notes: &mut Notes) {
        for room in (0..notes.rooms.len()).filter(|room| !self.members.contains_key(room)).collect::<Vec<_>>()
        {
            let (join, asked) = self.join(room, notes);
            let reference = self.say(Command::Join(join), What::Other);
            self.asked.insert((reference, room), asked);
        }
    }

    /// Says something in every room.
    pub(super) fn emit_everywhere(&mut self, notes: &mut Notes) {
        let rooms: Vec<usize> = self.members.keys().copied().collect();
        rooms.into_iter().for_each(|room| self.emit_to(room, notes));
    }

    fn part_one(&mut self, notes: &mut Notes) {
        let Some(room) = self.some_room(notes) else { return };
        let at = &notes.rooms[room];
        let part = Part { namespace: at.namespace.to_string(), rooms: vec![at.name.to_string()] };
        self.say(Command::Part(part), What::Other);
    }

    fn see(&mut self) {
        let seen = Seen { seq: self.seq };
        if let Some(stream) = &mut self.stream {
            let command = Some(Command::Seen(seen));
            stream.up.push_back(rialto_proto::v1::ClientFrame { r#ref: 0, command });
        }
    }

    fn some_room(&self, notes: &mut Notes) -> Option<usize> {
        let rooms: Vec<usize> = self.members.keys().copied().collect();
        (!rooms.is_empty()).then(|| notes.chance.pick(&rooms))
    }

    fn emit(&mut self, notes: &mut Notes) {
        let Some(room) = self.some_room(notes) else { return };
        // What was said before comes before.
        if let Some(at) = self.again.iter().position(|again| self.members.contains_key(&again.room)) {
            if let Some(again) = self.again.remove(at) {
                self.emit_again(again, notes);
            }
            return;
        }
        let says_again =
            |what: &What| matches!(what, What::Emit { room: of, again: true, .. } if *of == room);
        if self.pending.values().any(|pending| says_again(&pending.what)) {
            return;
        }
        self.emit_to(room, notes);
    }

    fn emit_to(&mut self, room: usize, notes: &mut Notes) {
        let n = self.said.entry(room).or_default();
        let message = Message::new(&self.name, &notes.rooms[room].name, *n);
        *n += 1;
        // All that is said to a room in one session, or nothing: what is said again is then the end of it.
        let named = (self.sessions + room as u32).is_multiple_of(2) && !notes.is_keyless(room);
        let key = named.then(|| format!("{message}"));
        self.say_message(room, message, (key, false), notes);
    }

    /// Says something again whose outcome is not known, under the same key.
    pub(super) fn emit_again(&mut self, Again { room, message, key }: Again, notes: &mut Notes) {
        self.say_message(room, message, (Some(key), true), notes);
    }

    fn say_message(
        &mut self,
        room: usize,
        message: Message,
        (key, again): (Option<String>, bool),
        notes: &mut Notes,
    ) {
        let at = notes.rooms[room].clone();
        notes.recorder.done(Done::Invoked { room: at.clone(), message: message.clone() });
        // Two names, so that what one displaces is not always the oldest.
        let name = ["say", "tell"][message.n as usize % 2];
        let mut content = text(name, message.to_string());
        let padding = "·".repeat(message.n as usize * 37 % 200);
        content.headers.insert("padding".to_owned(), padding);
        let mut target =
            Target { rooms: vec![at.name.to_string()], include_sender: again, ..Target::default() };
        if notes.is_carried(room) && message.n.is_multiple_of(3) {
            // Nobody else, but it goes to other nodes by two ways.
            target.users = vec!["nobody".to_owned()];
        }
        let emit = Emit {
            namespace: at.namespace.to_string(),
            target: Some(target),
            content: Some(content),
            idempotency_key: key.clone().unwrap_or_default(),
            ..Emit::default()
        };
        self.say(Command::Emit(emit), What::Emit { room, message, key, again });
    }

    /// Something that may be lost, and takes place until then.
    fn noise(&mut self, notes: &mut Notes) {
        let Some(room) = self.some_room(notes) else { return };
        let at = &notes.rooms[room];
        let emit = Emit {
            namespace: at.namespace.to_string(),
            target: Some(Target { rooms: vec![at.name.to_string()], ..Target::default() }),
            content: Some(text(NOISE, "…".repeat(notes.chance.below(300) as usize))),
            delivery: Delivery::Volatile.into(),
            ..Emit::default()
        };
        self.say(Command::Emit(emit), What::Other);
    }

    /// Keys that begin with `k` stay, with `d` are taken away now and then, with `t` expire.
    fn set_one(&mut self, notes: &mut Notes) {
        let Some(room) = self.some_room(notes) else { return };
        let kind = notes.chance.pick(&['k', 'k', 'd', 't']);
        let key = format!("{kind}{}", notes.chance.below(4));
        self.values += 1;
        let gone = kind == 'd' && notes.chance.one_in(2);
        let value = (!gone).then(|| format!("{} {}", self.name, self.values));
        let watched = self.members.get(&room).and_then(|membership| membership.state.as_ref());
        let known = watched.and_then(|state| state.entries.get(&key)).map_or(0, |(revision, _)| *revision);
        let expected = notes.chance.one_in(2).then_some(known);
        let at = &notes.rooms[room];
        let set = SetState {
            namespace: at.namespace.to_string(),
            room: at.name.to_string(),
            key: key.clone(),
            body: value.clone().map(set_state::Body::Text),
            expected_revision: expected,
            expires_in: (kind == 't').then_some(prost_types::Duration { seconds: 2, nanos: 0 }),
            ..SetState::default()
        };
        self.say(Command::SetState(set), What::Set { room, key, value, expected });
    }
}

fn text(event: &str, text: String) -> Content {
    Content { event: event.to_owned(), body: Some(content::Body::Text(text)), ..Content::default() }
}

fn position(room: &str, place: &crate::checks::Position) -> RoomPosition {
    RoomPosition { room: room.to_owned(), epoch: place.epoch.to_string(), offset: place.offset }
}
