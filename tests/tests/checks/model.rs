//! Runs that are right, drawn from a seed: a node as it should be, with rooms of three kinds, members who come, go, fall
//! behind and lose their sessions, senders who do not always learn what became of their messages, and crashes.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    mem::take,
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use rialto_tests::checks::{Done, Durability, Hole, Message, Position, Recorder, Room, Run, Seen};

const STEPS: usize = 700;
const SUCCESSES_MIN: u64 = 100;
/// Neither loses a session but by a crash, nor falls behind: what a history lets go, this one has got.
const AUDITOR: usize = 0;
/// Is on another node, so that its session outlives crashes.
const FAR: usize = 1;
const RETAINED: u64 = 40;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Durable,
    InMemory,
    Plain,
}

struct Place {
    room: Room,
    kind: Kind,
    epoch: u32,
    log: Vec<Message>,
    first: u64,
}

impl Place {
    fn new(namespace: &str, name: &str, kind: Kind) -> Self {
        Self { room: Room::new(namespace, name), kind, epoch: 1, log: Vec::new(), first: 1 }
    }

    fn position(&self, offset: u64) -> Position {
        Position::new(&format!("e{}", self.epoch), offset)
    }

    fn end(&self) -> Position {
        self.position(self.log.len() as u64)
    }

    fn event(&self, offset: u64) -> Seen {
        let message = self.log[offset as usize - 1].clone();
        Seen::Event { room: self.room.clone(), position: Some(self.position(offset)), message }
    }
}

struct Listener {
    name: &'static str,
    own: Option<&'static str>,
    member: BTreeSet<usize>,
    waiting: VecDeque<(usize, Seen)>,
    holes: BTreeMap<usize, Hole>,
    /// What it knows to have got, by room; it outlives sessions.
    got: BTreeMap<usize, Position>,
    behind: bool,
}

struct Model {
    rng: StdRng,
    recorder: Recorder,
    places: Vec<Place>,
    listeners: Vec<Listener>,
    said: BTreeMap<(&'static str, usize), u64>,
}

/// The run of a seed.
pub(crate) fn run(seed: u64) -> Run {
    let recorder = Recorder::new(SUCCESSES_MIN);
    let listeners = [("auditor", None), ("far", None), ("ann", Some("s0")), ("ben", None), ("cleo", None)];
    let places = [
        Place::new("chat", "vault", Kind::Durable),
        Place::new("chat", "den", Kind::InMemory),
        Place::new("chat", "hall", Kind::Plain),
        Place::new("other", "vault", Kind::Durable),
    ];
    let listener = |(name, own)| {
        if let Some(own) = own {
            recorder.hears_not_itself(name, own);
        }
        let (member, waiting, holes, got) = Default::default();
        Listener { name, own, member, waiting, holes, got, behind: false }
    };
    let listeners = listeners.map(listener).into();
    let rng = StdRng::seed_from_u64(seed);
    let mut model =
        Model { rng, recorder: recorder.clone(), places: places.into(), listeners, said: BTreeMap::new() };
    (0..model.places.len()).for_each(|place| model.join(AUDITOR, place));
    model.deliver(AUDITOR, usize::MAX);
    (0..STEPS).for_each(|_| model.step());
    model.finish();
    recorder.run()
}

impl Model {
    fn step(&mut self) {
        let (who, place) = (self.rng.random_range(0..self.listeners.len()), self.rng.random_range(0..4));
        match self.rng.random_range(0..100) {
            0..55 => self.say(place),
            55..75 => {
                let count = self.rng.random_range(1..8);
                self.deliver(who, count);
            }
            75..85 if !self.listeners[who].member.contains(&place) => self.join(who, place),
            85..88 if who != AUDITOR => self.part(who, place),
            88..93 if who != AUDITOR => self.listeners[who].behind ^= true,
            93..95 if who != AUDITOR => self.lose_session(who),
            95..97 => self.read(who, place),
            97 => self.let_go(place),
            98 => self.crash(),
            _ => {}
        }
    }

    fn say(&mut self, place: usize) {
        let senders: &[&'static str] = if place == 3 { &["x0", "x1"] } else { &["s0", "s1", "s2"] };
        let sender = senders[self.rng.random_range(0..senders.len())];
        let n = self.said.entry((sender, place)).or_default();
        let message = Message::new(sender, &self.places[place].room.name, *n);
        *n += 1;
        let room = self.places[place].room.clone();
        self.recorder.done(Done::Invoked { room, message: message.clone() });
        let fate = self.rng.random_range(0..100);
        if fate < 90 {
            self.emit(place, &message);
        }
        let outcome = match (fate, self.places[place].kind) {
            (80..95, _) => Done::Unknown { message },
            (95.., _) => Done::Refused { message },
            (_, Kind::Plain) => Done::Accepted { message, position: None, durability: Durability::Memory },
            (_, kind) => {
                let durability = if kind == Kind::Durable { Durability::Fsync } else { Durability::Memory };
                Done::Accepted { message, position: Some(self.places[place].end()), durability }
            }
        };
        self.recorder.done(outcome);
    }

    fn emit(&mut self, place: usize, message: &Message) {
        let at = &mut self.places[place];
        let plain = at.kind == Kind::Plain;
        if !plain {
            at.log.push(message.clone());
        }
        let Position { epoch, offset } = at.end();
        let hears = |listener: &&mut Listener| {
            listener.member.contains(&place) && listener.own != Some(&*message.sender)
        };
        for listener in self.listeners.iter_mut().filter(hears) {
            if listener.behind {
                let hole = listener.holes.entry(place).or_insert_with(|| match plain {
                    true => Hole::Count(0),
                    false => Hole::Range { epoch: epoch.clone(), from: offset, to: None },
                });
                match hole {
                    Hole::Count(count) => *count += 1,
                    Hole::Range { to, .. } => *to = Some(offset),
                }
                continue;
            }
            listener.tell_hole(place, &at.room);
            let position = (!plain).then(|| Position { epoch: epoch.clone(), offset });
            let event = Seen::Event { room: at.room.clone(), position, message: message.clone() };
            listener.waiting.push_back((place, event));
        }
    }

    fn deliver(&mut self, who: usize, count: usize) {
        let listener = &mut self.listeners[who];
        let count = count.min(listener.waiting.len());
        for (place, seen) in listener.waiting.drain(..count) {
            match &seen {
                Seen::Joined { at: Some(at), recovers: None, .. } | Seen::Reset { at, .. } => {
                    listener.got.insert(place, at.clone());
                }
                Seen::Joined { at: Some(at), recovers: Some(recovers), .. } => {
                    let from = if at.epoch == recovers.epoch { recovers } else { at };
                    listener.got.insert(place, from.clone());
                }
                Seen::Event { position: Some(position), .. } => {
                    listener.got.insert(place, position.clone());
                }
                Seen::Missed { hole: Hole::Range { epoch, to: Some(to), .. }, .. } => {
                    listener.got.insert(place, Position { epoch: epoch.clone(), offset: *to });
                }
                _ => {}
            }
            self.recorder.seen(listener.name, seen);
        }
    }

    fn join(&mut self, who: usize, place: usize) {
        self.deliver(who, usize::MAX);
        let (listener, at) = (&mut self.listeners[who], &self.places[place]);
        listener.member.insert(place);
        let mut tell = |seen| listener.waiting.push_back((place, seen));
        let room = at.room.clone();
        if at.kind == Kind::Plain {
            return tell(Seen::Joined { room, at: None, recovers: None });
        }
        let end = at.end();
        let wish = if who == AUDITOR { 0 } else { self.rng.random_range(0..4) };
        let recovers = match wish {
            0 | 1 => listener.got.get(&place).cloned(),
            2 => Some(at.position(end.offset.saturating_sub(5).max(at.first - 1))),
            _ => None,
        };
        tell(Seen::Joined { room: room.clone(), at: Some(end.clone()), recovers: recovers.clone() });
        let Some(Position { epoch, offset }) = recovers else { return };
        let (from, mut next) = (offset + 1, offset + 1);
        if epoch != end.epoch {
            return tell(Seen::Missed { room, hole: Hole::Range { epoch, from, to: None } });
        }
        if from < at.first {
            next = at.first;
            tell(Seen::Missed { room, hole: Hole::Range { epoch, from, to: Some(next - 1) } });
        }
        let own = listener.own;
        let heard = |offset: &u64| own != Some(&*at.log[*offset as usize - 1].sender);
        (next..=end.offset).filter(heard).for_each(|offset| tell(at.event(offset)));
    }

    fn part(&mut self, who: usize, place: usize) {
        let (listener, room) = (&mut self.listeners[who], &self.places[place].room);
        if listener.member.remove(&place) {
            listener.tell_hole(place, room);
            listener.waiting.push_back((place, Seen::Parted { room: room.clone() }));
        }
    }

    fn lose_session(&mut self, who: usize) {
        let listener = &mut self.listeners[who];
        self.recorder.seen(listener.name, Seen::Ended);
        listener.waiting.clear();
        listener.holes.clear();
        for place in take(&mut listener.member) {
            self.join(who, place);
        }
    }

    fn read(&mut self, who: usize, place: usize) {
        let at = &self.places[place];
        if at.kind == Kind::Plain {
            return;
        }
        let end = at.end();
        let events = (at.first..=end.offset).map(|offset| (offset, at.log[offset as usize - 1].clone()));
        let (room, epoch, first_offset) = (at.room.clone(), end.epoch, at.first);
        let seen = Seen::HistoryRead { room, epoch, first_offset, events: events.collect() };
        self.recorder.seen(self.listeners[who].name, seen);
    }

    fn let_go(&mut self, place: usize) {
        self.deliver(AUDITOR, usize::MAX);
        let at = &mut self.places[place];
        at.first = at.first.max((at.log.len() as u64).saturating_sub(RETAINED) + 1);
    }

    fn crash(&mut self) {
        self.recorder.done(Done::Crashed);
        for (place, at) in self.places.iter_mut().enumerate().filter(|(_, at)| at.kind == Kind::InMemory) {
            (at.epoch, at.first) = (at.epoch + 1, 1);
            at.log.clear();
            let far = &mut self.listeners[FAR];
            if far.member.contains(&place) {
                far.tell_hole(place, &at.room);
                far.waiting.push_back((place, Seen::Reset { room: at.room.clone(), at: at.end() }));
            }
        }
        (0..self.listeners.len()).filter(|who| *who != FAR).for_each(|who| self.lose_session(who));
    }

    fn finish(&mut self) {
        for (place, at) in self.places.iter().enumerate() {
            self.listeners.iter_mut().for_each(|listener| listener.tell_hole(place, &at.room));
        }
        (0..self.listeners.len()).for_each(|who| self.deliver(who, usize::MAX));
        (0..self.places.len()).for_each(|place| self.read(AUDITOR, place));
    }
}

impl Listener {
    fn tell_hole(&mut self, place: usize, room: &Room) {
        if let Some(hole) = self.holes.remove(&place) {
            self.waiting.push_back((place, Seen::Missed { room: room.clone(), hole }));
        }
    }
}
