//! Histories against a naive model of them: lists of everything that was ever taken. Events are taken, shown, trimmed, too
//! old; the log becomes durable bit by bit, is cleaned, is full, and the node crashes at any point and starts anew.

#![allow(clippy::panic, clippy::unwrap_used, reason = "this is test code")]

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;

use super::{
    rig::{Rig, settings},
    *,
};
use crate::{
    base::{clock, config::HistoryKind},
    log::Position,
};

const ROOMS: [&str; 3] = ["a", "b", "c"];
const EVENTS_MAX: usize = 6;
const BYTES_MAX: u64 = 1_500;
const AGE_MAX_MS: u64 = 1_000;

#[derive(Debug, Clone)]
enum Step {
    Stage { rooms: Vec<usize>, bytes: usize, key: Option<u8> },
    Publish(usize),
    Sync(usize),
    Pass(u64),
    Sweep,
    Maintain,
    Close,
    Crash,
    Keep(HistoryKind),
    Full(bool),
}

fn step() -> impl Strategy<Value = Step> {
    let rooms = prop::sample::subsequence(vec![0, 1, 2], 1..=3).prop_shuffle();
    let one = (0..3_usize).prop_map(|room| vec![room]);
    let kind = prop_oneof![
        4 => Just(HistoryKind::Durable), 1 => Just(HistoryKind::Memory), 1 => Just(HistoryKind::Off)
    ];
    prop_oneof![
        12 => (prop_oneof![3 => one, 1 => rooms], 0..400_usize, prop::option::weighted(0.2, 0..6_u8))
            .prop_map(|(rooms, bytes, key)| Step::Stage { rooms, bytes, key }),
        12 => (1..6_usize).prop_map(Step::Publish),
        10 => (1..6_usize).prop_map(Step::Sync),
        3 => (0..700_u64).prop_map(Step::Pass),
        2 => Just(Step::Sweep),
        8 => Just(Step::Maintain),
        1 => Just(Step::Close),
        2 => Just(Step::Crash),
        2 => kind.prop_map(Step::Keep),
        1 => any::<bool>().prop_map(Step::Full),
    ]
}

/// An event of one room.
#[derive(Debug, Clone)]
struct Event {
    id: String,
    at_ms: u64,
    bytes: u64,
    position: Option<Position>,
    shown: bool,
}

/// One life, with everything that it ever held, by offset from 1.
#[derive(Debug, Clone)]
struct Life {
    epoch: String,
    events: Vec<Event>,
    /// The first that is kept.
    first: u64,
    ended: bool,
    /// Where the log learns that it does not see everything, and the last event before.
    seals: Vec<(Position, u64)>,
    /// Where the log learns that this life is over.
    over: Option<Position>,
}

impl Life {
    fn shown(&self) -> u64 {
        self.events.iter().take_while(|event| event.shown).count() as u64
    }

    fn next(&self) -> u64 {
        self.events.len() as u64 + 1
    }

    fn trim(&mut self) {
        let shown = self.shown();
        let kept = |first: u64| &self.events[first as usize - 1..shown as usize];
        let mut first = self.first;
        while first < shown
            && (kept(first).len() > EVENTS_MAX
                || kept(first).iter().map(|event| event.bytes).sum::<u64>() > BYTES_MAX)
        {
            first += 1;
        }
        self.first = first;
    }

    /// Lets go what is too old; true when that is everything.
    fn age(&mut self, now_ms: u64) -> bool {
        let old = |event: &Event| event.at_ms + AGE_MAX_MS < now_ms;
        while self.first < self.shown() && old(&self.events[self.first as usize - 1]) {
            self.first += 1;
        }
        self.shown() + 1 == self.next() && self.events.last().is_none_or(old)
    }
}

/// What was taken and not shown, in order.
struct Waiting {
    staged: Staged,
    places: Vec<(usize, String, u64)>,
    key: Option<u8>,
}

struct Model {
    rig: Rig,
    /// All lives that each room ever had; the last one is the present unless it is over.
    lives: [Vec<Life>; 3],
    waiting: VecDeque<Waiting>,
    /// The key of an event: when it was taken, where, its id, whether it was shown.
    keys: BTreeMap<u8, (u64, Option<Position>, String, bool)>,
    kind: HistoryKind,
}

impl Model {
    fn new() -> Self {
        let settings = NamespaceSettings {
            history_events_max: EVENTS_MAX as u32,
            history_bytes_max: BYTES_MAX,
            history_age_max: Duration::from_millis(AGE_MAX_MS),
            ..settings(HistoryKind::Durable)
        };
        let tuning = Tuning {
            cache_room_bytes: 500,
            cache_bytes: 1_000,
            keys_held: Duration::from_secs(2),
            clean_floor_bytes: 1_000,
            clean_step_bytes: 600,
            snapshot_every_bytes: 4_000,
            ..Tuning::default()
        };
        Self {
            rig: Rig::new(settings, tuning),
            lives: Default::default(),
            waiting: VecDeque::new(),
            keys: BTreeMap::new(),
            kind: HistoryKind::Durable,
        }
    }

    fn now_ms(&self) -> u64 {
        clock::unix_ms(self.rig.now)
    }

    fn present(&mut self, room: usize) -> Option<&mut Life> {
        self.lives[room].last_mut().filter(|life| life.over.is_none())
    }

    fn run(&mut self, step: &Step) {
        match step {
            Step::Stage { rooms, bytes, key } => self.stage(rooms, *bytes, *key),
            Step::Publish(count) => (0..*count).for_each(|_| self.publish()),
            Step::Sync(records) => self.rig.log.sync(*records),
            Step::Pass(ms) => self.rig.pass(*ms),
            Step::Sweep => self.sweep(),
            Step::Maintain => {
                let waits_for = self.rig.histories.maintain();
                assert!(waits_for.is_ok(), "{waits_for:?}");
            }
            Step::Close => self.rig.histories.close().unwrap(),
            Step::Crash => self.crash(),
            Step::Keep(kind) => {
                self.kind = *kind;
                self.rig.keep(*kind);
            }
            Step::Full(full) => self.rig.log.set_full(*full),
        }
    }

    fn stage(&mut self, rooms: &[usize], bytes: usize, key: Option<u8>) {
        let names: Vec<&str> = rooms.iter().map(|room| ROOMS[*room]).collect();
        let end = self.rig.log.end();
        let key_name = key.map(|key| format!("k{key}"));
        let outcome = self.rig.stage(&names, bytes, key_name.as_deref().map(|key| (key, 0)));
        let held = key.and_then(|key| self.keys.get(&key));
        let staged = match outcome {
            Ok(Outcome::Staged(staged)) => staged,
            Ok(Outcome::Seen(seen)) => {
                let (_, position, id, shown) = held.unwrap();
                match seen {
                    Seen::Answered(accepted) => assert!(*shown && accepted.event_id == *id),
                    Seen::Pending(at) => assert!(!shown && at == *position),
                    Seen::Conflict => panic!("the digests are the same"),
                }
                return;
            }
            // Whether something must be written before it is refused is seen below: the books must agree all the same.
            Err(refusal) => {
                assert_eq!(refusal.code, RefusalCode::StorageFull);
                return;
            }
        };
        let now_ms = self.now_ms();
        if let Some((at, ..)) = held {
            assert!(at + 2_000 < now_ms, "a key was forgotten too early");
        }
        let mut waiting = Waiting { staged, places: Vec::new(), key };
        let mut written = self.rig.log.positions(end);
        for room in rooms {
            self.enter(*room, &mut waiting, &mut written);
        }
        let Waiting { staged, .. } = &waiting;
        if let Some(key) = key {
            let position = staged.position.filter(|_| self.kind == HistoryKind::Durable);
            self.keys.insert(key, (now_ms, position, staged.accepted.event_id.clone(), false));
        }
        assert_eq!(staged.is_kept(), self.kind != HistoryKind::Off);
        self.waiting.push_back(waiting);
    }

    /// One event in one room, as it should be; `written` is where records were written for it.
    fn enter(&mut self, room: usize, waiting: &mut Waiting, written: &mut VecDeque<Position>) {
        let Waiting { staged, places, .. } = waiting;
        let (now_ms, kind) = (self.now_ms(), self.kind);
        let durable = kind == HistoryKind::Durable;
        let over = written.front().copied();
        if kind == HistoryKind::Memory
            && let Some(life) = self.present(room).filter(|life| life.ended)
        {
            let in_log = life.events.iter().any(|event| event.position.is_some());
            // What only memory knew does not come back.
            life.over = if in_log { written.pop_front() } else { Some(Position(0)) };
        }
        if !durable && let Some(life) = self.present(room) {
            let last = life.events.iter().rposition(|event| event.position.is_some());
            if let Some(last) = last
                && life.seals.last().is_none_or(|(_, offset)| *offset <= last as u64)
            {
                life.seals.push((written.pop_front().unwrap(), last as u64 + 1));
            }
            life.ended |= kind == HistoryKind::Off;
        }
        if kind == HistoryKind::Off {
            return;
        }
        let position = staged.accepted.offset.map(|offset| (staged.accepted.epoch.clone(), offset));
        let named = |at: &&rialto_proto::v1::RoomPosition| at.room == ROOMS[room];
        let several = || staged.accepted.positions.iter().find(named).map(|at| (at.epoch.clone(), at.offset));
        let (epoch, offset) = position.or_else(several).unwrap();
        if self.present(room).is_some_and(|life| life.ended) {
            self.present(room).unwrap().over = over;
        }
        if self.present(room).is_none() {
            assert!(self.lives[room].iter().all(|life| life.epoch != epoch), "an epoch comes again");
            let events = Vec::new();
            let life =
                Life { epoch: epoch.clone(), events, first: 1, ended: false, seals: Vec::new(), over: None };
            self.lives[room].push(life);
        }
        let life = self.present(room).unwrap();
        assert_eq!((&life.epoch, life.next()), (&epoch, offset));
        life.events.push(Event {
            id: staged.accepted.event_id.clone(),
            at_ms: now_ms,
            bytes: staged.frame.bytes() as u64,
            position: staged.position.filter(|_| durable),
            shown: false,
        });
        places.push((room, epoch, offset));
    }

    fn publish(&mut self) {
        let durable = self.rig.log.durable();
        let ready = |waiting: &Waiting| waiting.staged.position.is_none_or(|position| position < durable);
        let Some(waiting) = self.waiting.pop_front_if(|waiting| ready(waiting)) else { return };
        self.rig.histories.publish(&waiting.staged);
        for (room, epoch, offset) in &waiting.places {
            if let Some(life) = self.present(*room).filter(|life| life.epoch == *epoch) {
                life.events[*offset as usize - 1].shown = true;
                life.trim();
            }
        }
        if let Some(held) = waiting.key.and_then(|key| self.keys.get_mut(&key)) {
            held.3 |= held.2 == waiting.staged.accepted.event_id;
        }
    }

    fn sweep(&mut self) {
        let (now_ms, end) = (self.now_ms(), self.rig.log.end());
        self.rig.histories.sweep(self.rig.now);
        for (room, name) in ROOMS.into_iter().enumerate() {
            let head = self.rig.histories.head("n", name);
            let Some(life) = self.present(room) else { continue };
            // When the log is full it cannot be told, and the newest event stays.
            if life.age(now_ms) && head.is_none() {
                life.over = Some(end);
            }
        }
    }

    fn crash(&mut self) {
        let durable = self.rig.log.durable();
        self.rig.crash();
        self.waiting.clear();
        self.keys.retain(|_, (_, position, _, shown)| {
            *shown = true;
            position.is_some_and(|position| position < durable)
        });
        let now_ms = self.now_ms();
        for room in 0..ROOMS.len() {
            self.recover(room, durable, now_ms);
        }
    }

    /// The history of a room after a crash: what must be there is there, and more only where that is harmless.
    fn recover(&mut self, room: usize, durable: Position, now_ms: u64) {
        let (end, head) = (self.rig.log.end(), self.rig.histories.head("n", ROOMS[room]));
        // What was let go may come back as long as the log does not know of it, and need not.
        let let_go = |life: &Life| (life.epoch.clone(), life.over.is_some());
        let let_go: BTreeMap<String, bool> = self.lives[room].iter().map(let_go).collect();
        for life in &mut self.lives[room] {
            life.over = life.over.filter(|over| *over < durable);
            life.seals.retain(|(position, _)| *position < durable);
            let gone = |event: &Event| event.position.is_none_or(|position| position >= durable);
            let lost_from = life.events.iter().rposition(|event| !gone(event)).map_or(0, |last| last + 1);
            let lost: Vec<Event> = life.events.drain(lost_from..).collect();
            life.ended = life.seals.iter().any(|(_, offset)| *offset >= lost_from as u64);
            let told = lost.iter().any(|event| event.shown);
            assert!(
                lost_from == 0 || !told || life.ended || life.over.is_some(),
                "offsets would be given again"
            );
            if let Some(hole) = life.events.iter().rposition(gone) {
                life.first = life.first.max(hole as u64 + 2);
            }
            life.events.iter_mut().for_each(|event| event.shown = true);
        }
        self.lives[room].retain(|life| !life.events.is_empty());
        let Some(life) = self.lives[room].iter().rposition(|life| life.over.is_none()) else {
            assert_eq!(head, None, "a life that is over comes back");
            return;
        };
        self.lives[room].truncate(life + 1);
        let life = self.lives[room].last_mut().unwrap();
        let kept = life.first <= life.shown() && !let_go[&life.epoch];
        life.first = life.first.min(life.shown());
        life.trim();
        let over = life.age(now_ms);
        match head {
            None => {
                assert!(over || !kept, "a history is lost");
                life.over = Some(end);
            }
            Some(head) => {
                assert_eq!((head.epoch.to_string(), head.last_offset), (life.epoch.clone(), life.shown()));
                assert!(
                    !kept || head.first_offset <= life.first,
                    "{} events are lost",
                    head.first_offset - life.first
                );
                life.first = head.first_offset;
            }
        }
    }

    fn check(&mut self) {
        self.rig.histories.check();
        for (room, name) in ROOMS.into_iter().enumerate() {
            let shown = self.present(room).filter(|life| life.first <= life.shown());
            let expected: Vec<String> = shown.map_or(Vec::new(), |life| {
                let events = &life.events[life.first as usize - 1..life.shown() as usize];
                events.iter().map(|event| event.id.clone()).collect()
            });
            assert_eq!(self.rig.ids(name), expected, "room {name}");
            let newest = self.rig.histories.read_back(("n", name), None, None, (2, 9_999));
            let newest = newest.map_or(0, |page| page.events.len());
            assert_eq!(newest, expected.len().min(2));
        }
    }
}

proptest! {
    #[test]
    fn histories_do_what_a_naive_model_does(steps in prop::collection::vec(step(), 1..120)) {
        let mut model = Model::new();
        for step in &steps {
            model.run(step);
            model.check();
        }
        model.rig.log.set_full(false);
        model.run(&Step::Crash);
        model.check();
    }
}
