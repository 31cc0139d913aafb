//! Keyed state against a naive model of it: the list of all changes of a room. Changes are taken, shown, expire; the log
//! becomes durable bit by bit, is cleaned, is full, and the node crashes at any point; readers follow page by page.

#![allow(clippy::panic, clippy::unwrap_used, reason = "this is test code")]

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;
use rialto_proto::v1::{Sender, StateEntry, set_state, state_entry};

use super::{
    rig::{Rig, settings},
    *,
};
use crate::{
    base::{clock, config::HistoryKind},
    wire::state::SetState,
};

const KEYS_MAX: usize = 4;
const FORGET_AFTER_MS: u64 = 1_000;

#[derive(Debug, Clone)]
enum Step {
    Set { key: u8, bytes: Option<usize>, expected: Option<bool>, expires_ms: Option<u64> },
    Publish(usize),
    Sync(usize),
    Pass(u64),
    Expire,
    Sweep,
    Maintain,
    Close,
    Crash,
    Keep(HistoryKind),
    Full(bool),
    Read { reader: usize, bytes_max: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let kind = prop_oneof![
        4 => Just(HistoryKind::Durable), 1 => Just(HistoryKind::Memory), 1 => Just(HistoryKind::Off)
    ];
    let expires_ms = prop::option::weighted(0.2, 1_000..1_500_u64);
    prop_oneof![
        12 => (0..6_u8, prop::option::weighted(0.6, 0..60_usize), prop::option::weighted(0.3, any::<bool>()), expires_ms)
            .prop_map(|(key, bytes, expected, expires_ms)| Step::Set { key, bytes, expected, expires_ms }),
        10 => (1..5_usize).prop_map(Step::Publish),
        10 => (1..5_usize).prop_map(Step::Sync),
        3 => (0..700_u64).prop_map(Step::Pass),
        2 => Just(Step::Expire),
        2 => Just(Step::Sweep),
        6 => Just(Step::Maintain),
        1 => Just(Step::Close),
        1 => Just(Step::Crash),
        1 => kind.prop_map(Step::Keep),
        1 => any::<bool>().prop_map(Step::Full),
        6 => (0..2_usize, 1..120_usize).prop_map(|(reader, bytes_max)| Step::Read { reader, bytes_max }),
    ]
}

/// A change; its revision is its place in the list.
#[derive(Debug, Clone)]
struct Change {
    key: String,
    value: Option<String>,
    expires_ms: Option<u64>,
    at_ms: u64,
    position: Option<Position>,
}

#[derive(Debug, Clone)]
struct Life {
    epoch: String,
    changes: Vec<Change>,
    shown: usize,
    durable: bool,
    /// Where the log learns that this life is over.
    over: Option<Position>,
}

/// What keys are after some changes: revision and change.
type Values<'a> = BTreeMap<&'a str, (u64, &'a Change)>;

fn values(changes: &[Change]) -> Values<'_> {
    let mut values = Values::new();
    for (change, revision) in changes.iter().zip(1..) {
        match change.value {
            Some(_) => values.insert(&change.key, (revision, change)),
            None => values.remove(change.key.as_str()),
        };
    }
    values
}

impl Life {
    fn shown(&self) -> Values<'_> {
        values(&self.changes[..self.shown])
    }
}

#[derive(Debug, Default)]
struct Reader {
    cursor: Option<StateCursor>,
    known: BTreeMap<String, (u64, String)>,
}

struct Model {
    rig: Rig,
    lives: Vec<Life>,
    waiting: VecDeque<StagedState>,
    readers: [Reader; 2],
    kind: HistoryKind,
    full: bool,
    set: u64,
}

impl Model {
    fn new() -> Self {
        let settings =
            NamespaceSettings { state_keys_max: KEYS_MAX as u32, ..settings(HistoryKind::Durable) };
        let tuning = Tuning {
            tombstones_max: 2,
            state_forget_after: Duration::from_millis(FORGET_AFTER_MS),
            clean_floor_bytes: 300,
            clean_step_bytes: 200,
            snapshot_every_bytes: 1_000,
            ..Tuning::default()
        };
        Self {
            rig: Rig::new(settings, tuning),
            lives: Vec::new(),
            waiting: VecDeque::new(),
            readers: Default::default(),
            kind: HistoryKind::Durable,
            full: false,
            set: 0,
        }
    }

    fn now_ms(&self) -> u64 {
        clock::unix_ms(self.rig.now)
    }

    fn present(&mut self) -> Option<&mut Life> {
        self.lives.last_mut().filter(|life| life.over.is_none())
    }

    fn run(&mut self, step: &Step) {
        match step {
            Step::Set { key, bytes, expected, expires_ms } => {
                self.set(format!("k{key}"), *bytes, *expected, *expires_ms);
            }
            Step::Publish(count) => (0..*count).for_each(|_| self.publish()),
            Step::Sync(records) => self.rig.log.sync(*records),
            Step::Pass(ms) => self.rig.pass(*ms),
            Step::Expire => self.expire(),
            Step::Sweep => self.sweep(),
            Step::Maintain => drop(self.rig.histories.maintain().unwrap()),
            Step::Close => self.rig.histories.close().unwrap(),
            Step::Crash => self.crash(),
            Step::Keep(kind) => {
                self.kind = *kind;
                self.rig.keep(*kind);
            }
            Step::Full(full) => {
                self.full = *full;
                self.rig.log.set_full(*full);
            }
            Step::Read { reader, bytes_max } => self.read(*reader, *bytes_max),
        }
    }

    fn set(&mut self, key: String, bytes: Option<usize>, right: Option<bool>, expires_ms: Option<u64>) {
        self.set += 1;
        let value = bytes.map(|bytes| format!("{}{}", self.set, "x".repeat(bytes)));
        let (count, revision) = self.present().map_or((0, 0), |life| {
            let taken = values(&life.changes);
            (taken.len(), taken.get(key.as_str()).map_or(0, |(revision, _)| *revision))
        });
        let set = SetState {
            namespace: "n".parse().unwrap(),
            room: "a".parse().unwrap(),
            key: key.clone(),
            body: value.clone().map(set_state::Body::Text),
            content_type: String::new(),
            expected_revision: right.map(|right| if right { revision } else { revision + 1 }),
            expires_in: expires_ms.map(Duration::from_millis),
        };
        let settings = self.rig.settings.lock().clone();
        let staged = self.rig.histories.stage_state(&settings, set, Sender::default(), self.rig.now);
        let durable = self.kind == HistoryKind::Durable || self.present().is_some_and(|life| life.durable);
        match staged {
            Err(refusal) if right == Some(false) => assert_eq!(refusal.revision, Some(revision)),
            Err(refusal) if value.is_some() && revision == 0 && count == KEYS_MAX => {
                assert_eq!(refusal.limit, "state_keys_max");
            }
            Err(refusal) => {
                assert!(self.full && durable, "{refusal}");
                assert_eq!(refusal.code, RefusalCode::StorageFull);
            }
            Ok(staged) if value.is_none() && revision == 0 => {
                assert!(staged.entry.is_none() && staged.set.revision == 0);
                self.rig.histories.publish_state(&staged);
            }
            Ok(staged) => {
                assert!(right != Some(false) && (count < KEYS_MAX || revision > 0 || value.is_none()));
                let at_ms = self.now_ms();
                let expires_ms = expires_ms.filter(|_| value.is_some()).map(|ms| at_ms + ms);
                self.take(staged, Change { key, value, expires_ms, at_ms, position: None });
            }
        }
    }

    fn take(&mut self, staged: StagedState, change: Change) {
        let durable = self.kind == HistoryKind::Durable;
        let epoch = staged.set.epoch.clone();
        if self.present().is_none() {
            assert!(self.lives.iter().all(|life| life.epoch != epoch), "an epoch comes again");
            self.lives.push(Life {
                epoch: epoch.clone(),
                changes: Vec::new(),
                shown: 0,
                durable: false,
                over: None,
            });
        }
        let life = self.present().unwrap();
        life.durable |= durable;
        assert_eq!(life.durable, staged.position.is_some());
        assert_eq!((&life.epoch, life.changes.len() as u64 + 1), (&epoch, staged.set.revision));
        life.changes.push(change);
        for change in life.changes.iter_mut().filter(|change| change.position.is_none()) {
            change.position = staged.position;
        }
        self.waiting.push_back(staged);
    }

    fn publish(&mut self) {
        let durable = self.rig.log.durable();
        let ready = |staged: &StagedState| staged.position.is_none_or(|position| position < durable);
        let Some(staged) = self.waiting.pop_front_if(|staged| ready(staged)) else { return };
        self.rig.histories.publish_state(&staged);
        if let Some(life) = self.present().filter(|life| life.epoch == staged.set.epoch) {
            life.shown += 1;
            assert_eq!(life.shown as u64, staged.set.revision);
        }
    }

    fn expire(&mut self) {
        let (now_ms, full) = (self.now_ms(), self.full);
        let expired = self.rig.histories.expire_state(self.rig.now);
        let (mut due, mut next_ms) = (Vec::new(), None);
        let mut durable = false;
        if let Some(life) = self.present() {
            durable = life.durable;
            let taken = values(&life.changes);
            for (key, (revision, change)) in life.shown() {
                let Some(at_ms) = change.expires_ms else { continue };
                if at_ms > now_ms {
                    next_ms = next_ms.into_iter().chain([at_ms]).min();
                } else if taken.get(key).is_some_and(|(taken, _)| *taken == revision) {
                    due.push(key.to_owned());
                }
            }
        }
        let mut told: Vec<String> =
            expired.staged.iter().map(|staged| staged.entry.as_ref().unwrap().key.clone()).collect();
        told.sort();
        if full && durable {
            assert!(told.is_empty());
        } else {
            assert_eq!((told, expired.next.map(clock::unix_ms)), (due, next_ms));
        }
        for staged in expired.staged {
            let entry = staged.entry.clone().unwrap();
            assert!(entry.by.is_none() && entry.body.is_none());
            // What is in the log stays in the log; what is not does not come there by an expiry.
            let kind = std::mem::replace(&mut self.kind, HistoryKind::Memory);
            let change = Change {
                key: entry.key.clone(),
                value: None,
                expires_ms: None,
                at_ms: now_ms,
                position: None,
            };
            self.take(staged, change);
            self.kind = kind;
        }
    }

    fn sweep(&mut self) {
        let (now_ms, end, full) = (self.now_ms(), self.rig.log.end(), self.full);
        self.rig.histories.sweep(self.rig.now);
        let there = self.page().epoch.is_some();
        let Some(life) = self.present() else { return };
        let quiet = life.changes.last().is_some_and(|change| change.at_ms + FORGET_AFTER_MS < now_ms);
        let over = quiet && values(&life.changes).is_empty() && life.shown == life.changes.len();
        assert_eq!(there, !over || (full && life.durable));
        if !there {
            life.over = Some(if life.durable { end } else { Position(0) });
        }
    }

    fn crash(&mut self) {
        let durable = self.rig.log.durable();
        let now_ms = self.now_ms();
        self.full = false;
        self.rig.crash();
        self.waiting.clear();
        let (end, epoch) = (self.rig.log.end(), self.page().epoch.map(|epoch| epoch.to_string()));
        let let_go: Vec<String> =
            self.lives.iter().filter(|life| life.over.is_some()).map(|life| life.epoch.clone()).collect();
        self.lives.retain_mut(|life| {
            life.over = life.over.filter(|over| *over < durable);
            life.changes.retain(|change| change.position.is_some_and(|position| position < durable));
            life.shown = life.changes.len();
            life.durable && life.over.is_none() && !life.changes.is_empty()
        });
        self.lives.truncate(1);
        let Some(life) = self.lives.last_mut() else {
            assert_eq!(epoch, None, "a life that is over comes back");
            return;
        };
        let quiet = life.changes.last().is_some_and(|change| change.at_ms + FORGET_AFTER_MS < now_ms);
        let may_go = let_go.contains(&life.epoch) || (quiet && values(&life.changes).is_empty());
        match epoch {
            Some(epoch) => assert_eq!(epoch, life.epoch),
            None => {
                assert!(may_go, "a state is lost");
                life.over = Some(end);
            }
        }
    }

    fn read(&mut self, reader: usize, bytes_max: usize) {
        let Reader { cursor, mut known } = std::mem::take(&mut self.readers[reader]);
        let page = self.rig.histories.state_changes_since("n", "a", cursor.as_ref(), bytes_max);
        if page.reset {
            known.clear();
        }
        for entry in &page.entries {
            match text(entry) {
                Some(value) => drop(known.insert(entry.key.clone(), (entry.revision, value))),
                None => drop(known.remove(&entry.key)),
            }
        }
        let mut cursor = page.next;
        if page.complete {
            let shown = self.present().map(|life| {
                let own = |(key, (revision, change)): (&&str, &(u64, &Change))| {
                    ((*key).to_owned(), (*revision, change.value.clone().unwrap()))
                };
                life.shown().iter().map(own).collect::<BTreeMap<_, _>>()
            });
            assert_eq!(known, shown.unwrap_or_default(), "what a reader knows");
            // A client remembers no more than these two.
            let epoch = page.epoch.map(|epoch| epoch.to_string()).unwrap_or_default();
            cursor = StateCursor::after(epoch, cursor.revision());
        }
        self.readers[reader] = Reader { cursor: Some(cursor), known };
    }

    fn page(&self) -> StateKeys {
        self.rig.histories.state_page(("n", "a"), &[], None, (usize::MAX, usize::MAX))
    }

    fn check(&mut self) {
        self.rig.histories.check();
        let page = self.page();
        let Some(life) = self.present().cloned() else {
            assert_eq!((page.epoch, page.total_count), (None, 0));
            return;
        };
        assert_eq!(page.epoch.map(|epoch| epoch.to_string()), Some(life.epoch.clone()));
        let told: Vec<_> =
            page.entries.iter().map(|entry| (entry.key.as_str(), entry.revision, text(entry))).collect();
        let shown = life.shown();
        let shown: Vec<_> =
            shown.iter().map(|(key, (revision, c))| (*key, *revision, c.value.clone())).collect();
        assert_eq!(told, shown);
        assert_eq!((page.revision, page.total_count), (life.shown as u64, shown.len()));
    }
}

fn text(entry: &StateEntry) -> Option<String> {
    match entry.body.as_ref()? {
        state_entry::Body::Text(text) => Some(text.clone()),
        state_entry::Body::Binary(_) => panic!("only text was set"),
    }
}

proptest! {
    #[test]
    fn keyed_state_does_what_a_naive_model_does(steps in prop::collection::vec(step(), 1..120)) {
        let mut model = Model::new();
        for step in &steps {
            model.run(step);
            model.check();
        }
        model.run(&Step::Crash);
        model.check();
        for reader in 0..2 {
            model.read(reader, usize::MAX);
        }
    }
}
