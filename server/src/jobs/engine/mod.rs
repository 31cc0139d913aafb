//! The job engine: which jobs there are in the queues of one shard, who works on them, and what follows from what. Pure but for
//! the log it is given: time and chance are arguments, each transition is a record that is appended first and applied then, and
//! whoever applies the same records comes to the same jobs.
//!
//! # What is written down and what is not
//! Each job's place, its leases, its outcome; what holds in queues. Not: who waits in which order, who counts as running, which
//! timers there are — that follows from the jobs ([`Engine::open`] makes it anew) — and that time has passed: a job that is due,
//! or so old that it is forgotten, is so by the times in its record.
//!
//! # When somebody is told
//! An answer waits until [`Log::progress`] has passed the position that goes with it. A lease is given out as soon as its *job* is
//! durable, and its own record is not waited for: if that is lost, so is the lease, and whoever shows it is told.
//!
//! `put` takes jobs in; `take` gives leases; `settle` takes outcomes; `ending` says what follows from them; `control` is for who
//! looks after queues; `batches`, `chains` and `schedules` put further jobs in; `timers` does what is due; `clean` keeps the log short; `view` shows jobs.

mod batches;
mod chains;
mod clean;
mod control;
mod ending;
mod job;
mod keys;
mod lines;
mod notices;
mod place;
mod put;
mod queue;
mod ready;
mod recent;
mod record;
mod replay;
mod schedules;
mod settings;
mod settle;
mod spec;
mod take;
mod timers;
mod token;
mod view;
mod workers;

use std::{
    collections::{BTreeSet, VecDeque},
    fmt,
    ops::Bound,
    sync::Arc,
    time::Duration,
};

use rialto_proto::v1::JobState;

use self::{
    batches::Batches,
    job::Job,
    queue::{Counts, Queue},
    recent::Recent,
    record::Kind,
    schedules::Due,
    workers::Workers,
};
pub use self::{
    chains::FollowUp,
    job::is_live,
    notices::{Hearers, Notice},
    put::{Put, job_name},
    settle::{Extended, Settled},
    take::Order,
    token::Token,
    view::Filter,
};
use crate::{
    base::{
        clock::Instant,
        hash::{HashMap, NumberMap},
        limits::{JOBS_CLEAN_FLOOR_BYTES, NodeLimits, WORKER_RESUME_WINDOW},
    },
    log::{Log, LogError, Position},
};

/// The number of a job in its shard: rises with every job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

/// A queue of the shard, while there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueIndex(u32);

/// A fairness key of a queue, while one of its jobs lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct KeyIndex(u32);

/// What a step is taken with.
pub struct Now<'a> {
    /// Time of day, in milliseconds since 1970. Never goes back.
    pub ms: u64,
    /// Where records go.
    pub log: &'a dyn Log,
    /// Random bits.
    pub chance: &'a dyn Fn() -> u64,
    /// Bytes of the jobs of other shards that count as well.
    pub bytes_elsewhere: u64,
}

impl fmt::Debug for Now<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Now").field("ms", &self.ms).finish_non_exhaustive()
    }
}

/// A job is somewhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct News {
    /// True once this is durable.
    pub position: Position,
    /// Which.
    pub seq: Seq,
    /// Where it is then. The same as before when only its progress is another one.
    pub state: JobState,
}

/// Bounds of one shard.
#[derive(Debug, Clone)]
pub struct EngineLimits {
    /// Bytes of all jobs together, and of those of other shards.
    pub bytes_max: u64,
    /// Queues.
    pub queues_max: u32,
    /// How long a worker may be away before its jobs are given to others.
    pub resume_window: Duration,
    /// Bytes that the log may have beyond twice what is live, before it is cleaned.
    pub clean_floor_bytes: u64,
}

impl EngineLimits {
    /// Those that follow from the bounds of a node.
    pub fn of(limits: &NodeLimits) -> Self {
        Self {
            bytes_max: limits.jobs_bytes_max,
            queues_max: limits.queues_max,
            resume_window: WORKER_RESUME_WINDOW,
            clean_floor_bytes: JOBS_CLEAN_FLOOR_BYTES,
        }
    }
}

/// Why what is stored cannot be taken up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A record is of a kind that this version does not know.
    #[error("the record at {} is of a kind that this version does not know", .0.0)]
    Unknown(Position),
    /// A record is none.
    #[error("the record at {} is none: {what}", .at.0)]
    Malformed {
        /// Where it is.
        at: Position,
        /// What is wrong.
        what: String,
    },
}

/// All jobs of one shard.
#[derive(Debug)]
pub struct Engine {
    /// Which shard this is, for tokens.
    number: u32,
    limits: EngineLimits,
    jobs: NumberMap<Seq, Box<Job>>,
    queues: Vec<Option<Queue>>,
    queue_names: HashMap<Arc<str>, HashMap<Arc<str>, QueueIndex>>,
    next_seq: u64,
    /// When something is to be done, and with which job.
    timers: BTreeSet<(u64, Seq)>,
    /// When it is to be asked again whether a queue may go on.
    wakes: BTreeSet<(u64, QueueIndex)>,
    workers: Workers,
    /// Jobs that have ended, and rooms are to be told.
    unnotified: BTreeSet<Seq>,
    /// Jobs that are completed, and the next one of their chain is to be put in.
    unfollowed: BTreeSet<Seq>,
    batches: Batches,
    /// Jobs whose payloads were uploaded, and are still needed.
    with_upload: BTreeSet<Seq>,
    /// When schedules put something in next.
    schedules_due: BTreeSet<Due>,
    /// The log is being read.
    is_replaying: bool,
    /// Jobs that are not durable yet.
    staged: VecDeque<(Position, Seq)>,
    /// Everything before this is durable.
    durable: Position,
    /// What was appended last.
    last: Position,
    /// The last whole records of jobs in the order of the log. Some are not the last any more.
    written: VecDeque<(Position, Seq)>,
    /// Bytes of all jobs together.
    bytes: u64,
    /// How many jobs there are in each state, in all queues.
    counts: Counts,
    /// Jobs that were put in, since it was asked last.
    put_count: u64,
    news: Vec<News>,
    recent: Recent,
    /// Queues that somebody might get a job of, who could not before.
    told: Vec<QueueIndex>,
    /// Some moment, twice: rates are kept in the time of the process.
    origin: (Instant, u64),
    /// Now, as it was told last.
    ms: u64,
}

impl Engine {
    /// An engine without jobs. `at` is the same moment as `ms`.
    fn new(number: u32, limits: EngineLimits, at: Instant, ms: u64) -> Self {
        Self {
            number,
            limits,
            jobs: NumberMap::default(),
            queues: Vec::new(),
            queue_names: HashMap::default(),
            next_seq: 1,
            timers: BTreeSet::new(),
            wakes: BTreeSet::new(),
            workers: Workers::default(),
            unnotified: BTreeSet::new(),
            unfollowed: BTreeSet::new(),
            batches: Batches::default(),
            with_upload: BTreeSet::new(),
            schedules_due: BTreeSet::new(),
            is_replaying: false,
            staged: VecDeque::new(),
            durable: Position(0),
            last: Position(0),
            written: VecDeque::new(),
            bytes: 0,
            counts: Counts::default(),
            put_count: 0,
            news: Vec::new(),
            recent: Recent::default(),
            told: Vec::new(),
            origin: (at, ms),
            ms,
        }
    }

    /// Bytes of all jobs together.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many jobs are in a state.
    pub fn count(&self, state: JobState) -> u32 {
        self.counts.of(state)
    }

    /// How many jobs were put in since it was asked last.
    pub fn take_put_count(&mut self) -> u64 {
        std::mem::take(&mut self.put_count)
    }

    /// What has changed since it was asked last.
    pub fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }

    /// Queues whose waiting workers should ask, since it was asked last.
    pub fn take_told(&mut self) -> Vec<(Arc<str>, Arc<str>)> {
        let told = std::mem::take(&mut self.told);
        let named = told.into_iter().filter_map(|index| {
            let queue = self.queue_mut(index)?;
            queue.told = false;
            Some((Arc::clone(&queue.namespace), Arc::clone(&queue.name)))
        });
        named.collect()
    }

    /// Everything before `durable` is durable: jobs that have waited for that may be given out.
    pub fn advance(&mut self, durable: Position) {
        self.durable = self.durable.max(durable);
        while let Some((position, seq)) = self.staged.front().copied() {
            if position >= self.durable {
                return;
            }
            self.staged.pop_front();
            self.unstage(seq);
        }
    }

    /// What was appended last: what is shown is true once this is durable.
    pub fn last(&self) -> Option<Position> {
        (self.last > Position(0)).then_some(self.last)
    }

    fn instant(&self, ms: u64) -> Instant {
        self.origin.0 + Duration::from_millis(ms.saturating_sub(self.origin.1))
    }

    fn queue(&self, index: QueueIndex) -> Option<&Queue> {
        self.queues.get(index.0 as usize).and_then(Option::as_ref)
    }

    fn queue_mut(&mut self, index: QueueIndex) -> Option<&mut Queue> {
        self.queues.get_mut(index.0 as usize).and_then(Option::as_mut)
    }

    /// The queue of that name, if there is one.
    fn find_queue(&self, namespace: &str, name: &str) -> Option<QueueIndex> {
        self.queue_names.get(namespace)?.get(name).copied()
    }

    fn queue_count(&self) -> usize {
        self.queues.iter().flatten().count()
    }

    /// The queue of that name, made if there is none.
    fn make_queue(&mut self, namespace: &str, name: &str, ms: u64) -> QueueIndex {
        if let Some(index) = self.find_queue(namespace, name) {
            return index;
        }
        let queue = Queue::new(namespace, name, self.instant(ms));
        let (namespace, name) = (Arc::clone(&queue.namespace), Arc::clone(&queue.name));
        let free = self.queues.iter().position(Option::is_none);
        let place = free.unwrap_or_else(|| {
            self.queues.push(None);
            self.queues.len() - 1
        });
        self.queues[place] = Some(queue);
        let index = QueueIndex(u32::try_from(place).unwrap_or(u32::MAX));
        self.queue_names.entry(namespace).or_default().insert(name, index);
        index
    }

    /// Forgets a queue in which nothing is.
    fn forget_unused(&mut self, index: QueueIndex) {
        if !self.queue(index).is_some_and(Queue::is_unused) {
            return;
        }
        let Some(queue) = self.queues[index.0 as usize].take() else { return };
        self.told.retain(|told| *told != index);
        if let Some(names) = self.queue_names.get_mut(&queue.namespace) {
            names.remove(&queue.name);
            if names.is_empty() {
                self.queue_names.remove(&queue.namespace);
            }
        }
    }

    /// The job of that name, if there is one.
    fn find(&self, index: QueueIndex, id: &str) -> Option<Seq> {
        let queue = self.queue(index)?;
        let hash = queue.hash(id);
        let named = |(other, seq): &(u64, Seq)| {
            *other == hash && self.jobs.get(seq).is_some_and(|job| job.id() == id)
        };
        queue.names.find(hash, named).map(|(_, seq)| *seq)
    }

    /// Appends a record and applies it.
    fn write(&mut self, now: &Now<'_>, kind: Kind) -> Result<Position, LogError> {
        let position = now.log.append(&kind.to_bytes())?;
        self.last = position;
        self.apply(now.ms, position, kind);
        Ok(position)
    }

    /// Somebody might get a job of a queue now.
    fn tell(&mut self, index: QueueIndex) {
        let Some(queue) = self.queue_mut(index) else { return };
        if queue.ready.is_open() && !std::mem::replace(&mut queue.told, true) {
            self.told.push(index);
        }
    }
}

/// Those of a set that come behind one.
fn behind(set: &BTreeSet<Seq>, after: Seq) -> impl Iterator<Item = &Seq> {
    set.range((Bound::Excluded(after), Bound::Unbounded))
}

#[cfg(test)]
mod check;
#[cfg(test)]
mod late_log;
#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
