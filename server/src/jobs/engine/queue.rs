//! One queue: what holds in it, which jobs it has, who waits, and whether another one may begin. Soft state for the most part: all
//! but its settings and whether it is paused is made from its jobs.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::BuildHasher,
    sync::Arc,
    time::Duration,
};

use hashbrown::HashTable;
use rialto_proto::v1;

use super::{
    KeyIndex, Seq, job::is_live, keys::Keys, lines::Lines, ready::Ready, schedules::Schedule,
    settings::Settings,
};
use crate::{
    base::{
        clock::Instant,
        hash::{HashMap, Hashing},
        rate::Bucket,
    },
    log::Position,
};

/// A queue.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) namespace: Arc<str>,
    pub(super) name: Arc<str>,
    pub(super) settings: Settings,
    pub(super) paused: bool,
    /// Where the record of its settings is, if they were ever set.
    pub(super) position: Option<Position>,
    /// Jobs that have not ended.
    pub(super) live: BTreeSet<Seq>,
    /// Jobs that have ended and are kept, dead ones among them.
    pub(super) over: BTreeSet<Seq>,
    /// All of them by the hash of their names, which is kept: the names themselves are far away when the table grows.
    pub(super) names: HashTable<(u64, Seq)>,
    pub(super) hashing: Hashing,
    /// Live jobs by their unique keys.
    pub(super) unique: HashMap<Box<str>, Seq>,
    pub(super) lines: Lines,
    pub(super) keys: Keys,
    pub(super) ready: Ready,
    pub(super) counts: Counts,
    /// Jobs that have ended and are not dead, by when.
    pub(super) ended: BTreeSet<(u64, Seq)>,
    pub(super) bucket: Bucket,
    /// By their names.
    pub(super) schedules: BTreeMap<Arc<str>, Schedule>,
    /// It is among those whose waiting workers are to be told.
    pub(super) told: bool,
}

/// How many jobs there are in each state.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Counts {
    by_state: BTreeMap<v1::JobState, u32>,
}

impl Counts {
    pub(super) fn of(&self, state: v1::JobState) -> u32 {
        self.by_state.get(&state).copied().unwrap_or_default()
    }

    pub(super) fn add(&mut self, state: v1::JobState) {
        *self.by_state.entry(state).or_default() += 1;
    }

    pub(super) fn take(&mut self, state: v1::JobState) {
        if let Some(count) = self.by_state.get_mut(&state) {
            *count = count.saturating_sub(1);
        }
    }

    /// Jobs that are kept whatever becomes of the queue: those that have not ended, and dead ones.
    pub(super) fn kept(&self) -> u32 {
        self.live().saturating_add(self.of(v1::JobState::Dead))
    }

    /// Jobs that have not ended.
    pub(super) fn live(&self) -> u32 {
        let live = |(state, count): (&v1::JobState, &u32)| if is_live(*state) { *count } else { 0 };
        self.by_state.iter().map(live).fold(0, u32::saturating_add)
    }

    /// All jobs.
    pub(super) fn all(&self) -> u32 {
        self.by_state.values().copied().fold(0, u32::saturating_add)
    }
}

impl Queue {
    pub(super) fn new(namespace: &str, name: &str, now: Instant) -> Self {
        let settings = Settings::default();
        Self {
            namespace: namespace.into(),
            name: name.into(),
            bucket: Bucket::full(settings.rate(), now),
            settings,
            paused: false,
            position: None,
            live: BTreeSet::new(),
            over: BTreeSet::new(),
            names: HashTable::new(),
            hashing: Hashing::default(),
            unique: HashMap::default(),
            lines: Lines::default(),
            keys: Keys::default(),
            ready: Ready::default(),
            counts: Counts::default(),
            ended: BTreeSet::new(),
            schedules: BTreeMap::new(),
            told: false,
        }
    }

    /// The hash of a job's name.
    pub(super) fn hash(&self, id: &str) -> u64 {
        self.hashing.hash_one(id)
    }

    /// Whether nothing would be lost if it were forgotten.
    pub(super) fn is_unused(&self) -> bool {
        self.names.is_empty() && self.position.is_none() && self.schedules.is_empty()
    }

    /// All jobs before one, the last one put in first.
    pub(super) fn jobs_before(&self, before: Seq) -> impl Iterator<Item = Seq> {
        let mut live = self.live.range(..before).rev().peekable();
        let mut over = self.over.range(..before).rev().peekable();
        std::iter::from_fn(move || {
            let is_live = match (live.peek(), over.peek()) {
                (Some(live), Some(over)) => live > over,
                (live, _) => live.is_some(),
            };
            if is_live { live.next() } else { over.next() }.copied()
        })
    }

    /// Whether another job may begin beside those that run and `more`; otherwise when that is to be asked again, unless something else
    /// has to happen first.
    pub(super) fn admits(&mut self, more: u32, now: Instant) -> Result<(), Option<Duration>> {
        let concurrency_max = self.settings.concurrency_max;
        let running = self.counts.of(v1::JobState::Running).saturating_add(more);
        if self.paused || concurrency_max > 0 && running >= concurrency_max {
            return Err(None);
        }
        self.bucket.ready(self.settings.rate(), 1, now).map_err(Some)
    }

    /// Whether somebody might get a job of it now.
    pub(super) fn is_open(&mut self, now: Instant) -> bool {
        self.ready.is_open() && self.admits(0, now).is_ok()
    }

    /// What holds from now on.
    pub(super) fn set(&mut self, settings: Settings, now: Instant) {
        self.settings = settings;
        self.bucket = Bucket::full(self.settings.rate(), now);
        self.keys.refill(self.settings.key_rate(), now);
        self.let_all_go();
    }

    /// A job waits for a worker.
    pub(super) fn wait(&mut self, seq: Seq, (priority, key): (i8, KeyIndex)) {
        self.ready.insert(priority, (key, self.keys.share(key)), seq);
    }

    /// A key has less of the workers now, or is not held back any more.
    pub(super) fn let_go(&mut self, key: KeyIndex) {
        self.ready.let_go(key, self.keys.share(key));
    }

    /// A key may weigh more or less now.
    pub(super) fn weigh(&mut self, key: KeyIndex) {
        self.ready.weigh(key, self.keys.share(key));
    }

    /// No key is held back any more.
    pub(super) fn let_all_go(&mut self) {
        self.keys.all().into_iter().for_each(|key| self.let_go(key));
    }
}
