//! Logs that several nodes of a simulation hold together, as JetStream would: each is written by whoever has claimed it last, and
//! survives every node. What a node asks of them takes a while, and is lost, before or after it was done, when that node loses
//! its way to them. What it writes may arrive long after that, when another one writes the log. For simulations only.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use parking_lot::{Mutex, MutexGuard};
use rialto_proto::v1::Durability;
use tokio::{
    sync::{Notify, watch},
    time::sleep,
};

use super::{ClaimError, Claimed, Log, LogError, Logs, Position, Progress};
use crate::base::clock::{self, Instant};

/// How long each way takes at most, in milliseconds.
const WAY_MAX_MS: u64 = 6;
/// One way in so many is slow.
const SLOW_EVERY: u64 = 16;
/// How long that one takes at most, in milliseconds.
const SLOW_WAY_MAX_MS: u64 = 400;
/// Time for one answer.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);
/// How long what is not known to be written is written again before the log fails.
const AGAIN_FOR: Duration = Duration::from_secs(15);
/// The wait between two attempts.
const AGAIN_AFTER: Duration = Duration::from_millis(100);
/// How late something arrives at most whose writer was cut off, in milliseconds: long after somebody else writes the log.
const LATE_MAX_MS: u64 = 20_000;

/// A node's way to what all nodes have together, open at first; clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct Way {
    gate: Arc<Gate>,
}

#[derive(Debug, Default)]
struct Gate {
    /// How often it was opened and closed: it is open when that is even.
    changes: AtomicU64,
    changed: Notify,
}

impl Way {
    /// Opens or closes it.
    pub fn set(&self, open: bool) {
        if self.is_open() != open {
            self.gate.changes.fetch_add(1, Ordering::Relaxed);
            self.gate.changed.notify_waiters();
        }
    }

    /// Whether it is open now.
    pub fn is_open(&self) -> bool {
        self.life().is_multiple_of(2)
    }

    /// Differs for each time that it is open.
    pub fn life(&self) -> u64 {
        self.gate.changes.load(Ordering::Relaxed)
    }

    /// Waits until it is open.
    pub async fn opened(&self) {
        while !self.is_open() {
            self.gate.changed.notified().await;
        }
    }

    /// Takes a little time, and now and then longer.
    pub async fn go(&self) {
        let slow = clock::random_u64().is_multiple_of(SLOW_EVERY);
        let way_max_ms = if slow { SLOW_WAY_MAX_MS } else { WAY_MAX_MS };
        sleep(Duration::from_millis(clock::random_u64() % way_max_ms)).await;
    }

    /// Has something done at the other end. When that fails it may have been done.
    pub async fn ask<T>(&self, what: impl FnOnce() -> T) -> Result<T, String> {
        let (open, life) = (self.is_open(), self.life());
        self.go().await;
        let done = (open && self.life() == life).then(what);
        self.go().await;
        match done {
            Some(done) if self.life() == life => Ok(done),
            _ => {
                sleep(ANSWERED_WITHIN).await;
                Err("no answer".to_owned())
            }
        }
    }
}

/// All logs; clones are the same ones.
#[derive(Debug, Clone, Default)]
pub struct SimulatedLogs {
    all: Arc<Mutex<BTreeMap<String, Arc<Shelf>>>>,
    claims: Arc<Mutex<u64>>,
}

/// One log, with what is on its way to it.
#[derive(Debug, Default)]
struct Shelf {
    stored: Mutex<Stored>,
}

impl Shelf {
    /// What is there by now.
    fn look(&self) -> MutexGuard<'_, Stored> {
        let mut stored = self.stored.lock();
        stored.arrive();
        stored
    }
}

/// Records of one who writes a log, behind the first `before`.
#[derive(Debug, Clone)]
struct Sent {
    owner: u64,
    before: u64,
    records: Vec<Bytes>,
}

/// The same on their way. When they do not arrive they may do so later.
struct OnItsWay {
    shelf: Arc<Shelf>,
    sent: Option<Sent>,
}

impl OnItsWay {
    /// They arrive. Whether they are written.
    fn arrive(mut self) -> bool {
        self.sent.take().is_some_and(|sent| self.shelf.look().write(&sent))
    }
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        let late = clock::random_u64().is_multiple_of(2);
        if let Some(sent) = self.sent.take().filter(|_| late) {
            let at = clock::now() + Duration::from_millis(clock::random_u64() % LATE_MAX_MS);
            self.shelf.stored.lock().late.push((at, sent));
        }
    }
}

/// What is stored of one log. A position is the number of a record; who claims it writes one that is empty.
#[derive(Debug, Default)]
struct Stored {
    records: VecDeque<(u64, Option<Bytes>)>,
    /// The number of the first record that is kept.
    first: u64,
    /// By whom it was claimed last.
    owner: u64,
    snapshot: Option<(Position, Vec<Bytes>)>,
    /// What arrives later.
    late: Vec<(Instant, Sent)>,
    /// How often that was not taken.
    fenced: u64,
}

impl Stored {
    /// What was late is there by now.
    fn arrive(&mut self) {
        let now = clock::now();
        let mut arrived: Vec<_> = self.late.extract_if(.., |(at, _)| *at <= now).collect();
        arrived.sort_by_key(|(at, _)| *at);
        for (_, sent) in arrived {
            self.fenced += u64::from(!self.write(&sent));
        }
    }

    fn end(&self) -> u64 {
        self.first + self.records.len() as u64
    }

    fn get(&self, at: u64) -> Option<&(u64, Option<Bytes>)> {
        self.records.get(usize::try_from(at.checked_sub(self.first)?).ok()?)
    }

    /// Writes records, if nobody else has written there or has claimed the log; or finds them there.
    fn write(&mut self, Sent { owner, before, records }: &Sent) -> bool {
        if self.get(*before).is_some_and(|(by, _)| by == owner) {
            return true;
        }
        let next = self.end() == *before && self.owner == *owner;
        if next {
            self.records.extend(records.iter().map(|record| (*owner, Some(record.clone()))));
        }
        next
    }
}

impl SimulatedLogs {
    /// The logs as one node has them.
    pub fn by(&self, way: Way) -> Arc<dyn Logs> {
        Arc::new(LogsOf { logs: self.clone(), way })
    }

    /// How often one was claimed.
    pub fn claims(&self) -> u64 {
        *self.claims.lock()
    }

    /// How often something has arrived of one who did not write the log any more, and was not taken.
    pub fn fenced(&self) -> u64 {
        self.all.lock().values().map(|shelf| shelf.look().fenced).sum()
    }
}

#[derive(Debug)]
struct LogsOf {
    logs: SimulatedLogs,
    way: Way,
}

impl LogsOf {
    async fn take(&self, name: &str) -> Result<Claimed, ClaimError> {
        let shelf = Arc::clone(self.logs.all.lock().entry(name.to_owned()).or_default());
        let owner = clock::random_u64();
        let claimed = self.way.ask(|| {
            let mut stored = shelf.look();
            let before = stored.end();
            stored.records.push_back((owner, None));
            stored.owner = owner;
            before
        });
        let before = claimed.await.map_err(|what| ClaimError { log: name.to_owned(), what })?;
        *self.logs.claims.lock() += 1;
        let next = before + 1;
        let progress = watch::Sender::new(Progress { durable: Position(next), failed: None });
        let log = Arc::new(SimulatedLog {
            shelf,
            way: self.way.clone(),
            owner,
            intake: Mutex::new(Intake { next, waiting: Vec::new() }),
            changed: Notify::new(),
            progress,
        });
        let writer = Writer(Arc::clone(&log));
        let writer = async move { writer.0.write().await }.boxed();
        Ok(Claimed { log, writer, before: Position(before) })
    }
}

impl Logs for LogsOf {
    fn claim<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Claimed, ClaimError>> {
        self.take(name).boxed()
    }
}

/// A log as one node has it that has claimed it.
#[derive(Debug)]
struct SimulatedLog {
    shelf: Arc<Shelf>,
    way: Way,
    owner: u64,
    intake: Mutex<Intake>,
    changed: Notify,
    progress: watch::Sender<Progress>,
}

#[derive(Debug)]
struct Intake {
    next: u64,
    waiting: Vec<Bytes>,
}

struct Writer(Arc<SimulatedLog>);

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.fail("nobody writes it");
    }
}

impl SimulatedLog {
    fn fail(&self, why: &str) {
        let error = LogError::Failed(why.to_owned());
        self.progress.send_modify(|progress| _ = progress.failed.get_or_insert(error));
    }

    fn check(&self) -> Result<(), LogError> {
        self.progress.borrow().failed.clone().map_or(Ok(()), Err)
    }

    fn reached(&self) -> Result<(), LogError> {
        if self.way.is_open() { Ok(()) } else { Err(LogError::Failed("no answer".to_owned())) }
    }

    async fn write(&self) {
        loop {
            let (before, records) = {
                let mut intake = self.intake.lock();
                let records = std::mem::take(&mut intake.waiting);
                (intake.next - records.len() as u64, records)
            };
            if records.is_empty() {
                self.changed.notified().await;
                continue;
            }
            let until = clock::now() + AGAIN_FOR;
            loop {
                let sent = Sent { owner: self.owner, before, records: records.clone() };
                let on_its_way = OnItsWay { shelf: Arc::clone(&self.shelf), sent: Some(sent) };
                match self.way.ask(|| on_its_way.arrive()).await {
                    Ok(true) => break,
                    Ok(false) => return self.fail("another node has taken it over"),
                    Err(what) if clock::now() > until => return self.fail(&what),
                    Err(_) => sleep(AGAIN_AFTER).await,
                }
            }
            let durable = Position(before + records.len() as u64);
            self.progress.send_modify(|progress| progress.durable = durable);
        }
    }
}

impl Log for SimulatedLog {
    fn durability(&self) -> Durability {
        Durability::Replicated
    }

    fn append(&self, record: &[u8]) -> Result<Position, LogError> {
        self.check()?;
        let mut intake = self.intake.lock();
        intake.waiting.push(Bytes::copy_from_slice(record));
        intake.next += 1;
        self.changed.notify_one();
        Ok(Position(intake.next - 1))
    }

    fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    fn flush(&self) -> Result<Position, LogError> {
        // Nobody waits on this thread: what is on its way becomes durable by itself.
        self.check()?;
        Ok(self.progress.borrow().durable)
    }

    fn bounds(&self) -> (Position, Position) {
        (Position(self.shelf.look().first), Position(self.intake.lock().next))
    }

    fn bytes(&self) -> u64 {
        let stored = self.shelf.look();
        stored
            .records
            .iter()
            .filter_map(|(_, record)| record.as_ref())
            .map(|record| record.len() as u64)
            .sum()
    }

    fn read(&self, at: Position) -> Result<Bytes, LogError> {
        self.reached()?;
        match self.shelf.look().get(at.0) {
            Some((_, Some(record))) => Ok(record.clone()),
            _ => Err(LogError::Gone(at)),
        }
    }

    fn replay(&self, from: Position, visit: &mut dyn FnMut(Position, Bytes) -> bool) -> Result<(), LogError> {
        self.reached()?;
        let (first, until) = (self.shelf.look().first, self.progress.borrow().durable);
        for at in from.0.max(first)..until.0 {
            let record = self.shelf.look().get(at).cloned();
            let Some((_, record)) = record else { return Err(LogError::Gone(Position(at))) };
            if record.is_some_and(|record| !visit(Position(at), record)) {
                return Ok(());
            }
        }
        Ok(())
    }

    fn snapshot(&self, at: Position, chunks: &mut dyn Iterator<Item = Bytes>) -> Result<(), LogError> {
        self.check()?;
        self.reached()?;
        let chunks = chunks.collect();
        let mut stored = self.shelf.look();
        if stored.owner != self.owner {
            return Err(LogError::Failed("another node has taken it over".to_owned()));
        }
        stored.snapshot = Some((at, chunks));
        Ok(())
    }

    fn last_snapshot(&self, visit: &mut dyn FnMut(Bytes)) -> Result<Option<Position>, LogError> {
        self.reached()?;
        let Some((at, chunks)) = self.shelf.look().snapshot.clone() else { return Ok(None) };
        chunks.into_iter().for_each(visit);
        Ok(Some(at))
    }

    fn truncate(&self, before: Position) -> Result<(), LogError> {
        self.reached()?;
        let mut stored = self.shelf.look();
        while stored.first < before.0 && stored.records.pop_front().is_some() {
            stored.first += 1;
        }
        Ok(())
    }
}
