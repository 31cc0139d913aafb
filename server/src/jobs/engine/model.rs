//! The engine against all that may be asked of it, in any order, with crashes at every record: after each step everything hangs
//! together, and what was promised is kept.

mod steps;

use std::collections::{BTreeMap, BTreeSet};

use proptest::{prelude::*, sample::Index, test_runner::TestCaseError};
use rialto_proto::v1::{
    Extension, JobCompleted, JobDiscarded, JobFailed, JobNotify, JobReleased, JobState, Lease, LeaseOutcome,
    NewJob, QueueSettings, RetryPolicy, Settlement, new_job::Start, settlement::Outcome,
};

use self::steps::{Bond, Step, steps};
use super::{
    Engine, EngineLimits, Filter, Now, Order, Seq, Token, job::is_live, late_log::LateLog, settings::duration,
};
use crate::{
    base::clock,
    log::{Log, Position},
};

const QUEUES: [&str; 2] = ["mail", "import"];
const NAMESPACE: &str = "default";
const RESUME_WINDOW_MS: u64 = 10_000;

/// An engine, its log, and what was promised.
struct Bench {
    engine: Engine,
    log: LateLog,
    ms: u64,
    chance: std::cell::Cell<u64>,
    /// Every lease that was ever given, the newest last.
    leases: Vec<Lease>,
    /// Jobs by number: what was put in, and where that is written.
    put: BTreeMap<u64, (String, String, Position)>,
    /// Jobs that have ended for good, by what was said to be durable when this is.
    ended: BTreeMap<u64, Position>,
    /// Jobs of batches, each with the one that completes its batch.
    batched: BTreeMap<u64, u64>,
    /// Jobs with a chain, and once it was put in the next one.
    chained: BTreeMap<u64, Option<(String, String)>>,
    /// Where every job was, by how many records there were.
    before: BTreeMap<usize, BTreeMap<u64, (JobState, u32, u32)>>,
    /// What whoever looked has seen, by how many records there were.
    seen: BTreeMap<usize, BTreeMap<u64, Seen>>,
}

fn limits() -> EngineLimits {
    EngineLimits {
        bytes_max: 1 << 20,
        queues_max: 2,
        resume_window: std::time::Duration::from_millis(RESUME_WINDOW_MS),
        clean_floor_bytes: 0,
    }
}

/// Does something with the engine and the moment.
macro_rules! now {
    ($bench:ident, |$engine:ident, $now:ident| $body:expr) => {{
        let chance = || {
            let next = $bench.chance.get().wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            $bench.chance.set(next);
            next ^ next >> 29
        };
        let $now = Now { ms: $bench.ms, log: &$bench.log, chance: &chance, bytes_elsewhere: 0 };
        let $engine = &mut $bench.engine;
        $body
    }};
}

mod away;
mod bonds;

use self::{away::Seen, bonds::bound};

impl Bench {
    fn new() -> Self {
        let log = LateLog::of(Vec::new(), Position(1));
        let engine = open(&log, 1_000_000);
        let before = [(0, engine.summary())].into();
        let chance = std::cell::Cell::new(1);
        let (leases, put, ended) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        let (batched, chained, seen) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { engine, log, ms: 1_000_000, chance, leases, put, ended, batched, chained, before, seen }
    }

    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        let ticked = now!(self, |engine, now| engine.tick(&now));
        self.engine.advance(self.log.durable());
        if ticked.is_ok() {
            self.come_back()?;
        }
        // What is due and cannot be written is seen to later; nobody is given anything meanwhile.
        if ticked.is_ok() || matches!(step, Step::Full { .. } | Step::Crash { .. }) {
            self.ask(step)?;
        }
        self.watch()?;
        self.engine.check();
        self.before.insert(self.log.len(), self.engine.summary());
        Ok(())
    }

    fn ask(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Put { .. } => self.put(&step)?,
            Step::Take { queue, worker, jobs_max } => self.take(queue, worker, jobs_max)?,
            Step::Settle { lease, outcome, wait_ms } => self.settle(lease, outcome, wait_ms)?,
            Step::SettleStale { lease, outcome } => self.settle_stale(lease, outcome)?,
            Step::Extend { lease } => self.extend(lease),
            Step::Pass { ms } => self.ms += ms,
            Step::Away { worker } => self.engine.worker_away(self.ms, worker),
            Step::Back { worker } => self.engine.worker_back(worker),
            Step::PauseJob { job } => {
                let Some((queue, id)) = self.some_job(job) else { return Ok(()) };
                now!(self, |engine, now| engine.pause_job(&now, (NAMESPACE, &queue, &id))).ok();
            }
            Step::ResumeJob { job } => {
                let Some((queue, id)) = self.some_job(job) else { return Ok(()) };
                now!(self, |engine, now| engine.resume_job(&now, (NAMESPACE, &queue, &id))).ok();
            }
            Step::Cancel { job } => {
                if let Some((queue, id)) = self.some_job(job) {
                    now!(self, |engine, now| engine.cancel(&now, (NAMESPACE, &queue, &id), "no more")).ok();
                }
            }
            Step::Redrive { job } => {
                if let Some((queue, id)) = self.some_job(job) {
                    now!(self, |engine, now| engine.redrive(&now, (NAMESPACE, &queue), &id)).ok();
                }
            }
            Step::Purge { queue } => {
                now!(self, |engine, now| engine.purge(&now, (NAMESPACE, QUEUES[queue]), 100)).ok();
            }
            Step::Set { queue, concurrency_max, key_concurrency_max, key_rate, paused } => {
                let settings = QueueSettings {
                    concurrency_max,
                    key_concurrency_max,
                    key_rate_per_second: key_rate,
                    ..QueueSettings::default()
                };
                let queue = (NAMESPACE, QUEUES[queue]);
                now!(self, |engine, now| engine.set_queue(&now, queue, Some(settings), Some(paused))).ok();
            }
            Step::CloseBatch { queue, batch } => self.close_batch(queue, batch),
            Step::Follow { noted } => self.follow(noted)?,
            Step::Schedule { queue, seconds, one_live } => self.schedule(queue, seconds, one_live),
            Step::Notify => {
                for notice in self.engine.notices(Seq(0), 3) {
                    prop_assert!(!is_live(notice.job.state()));
                    now!(self, |engine, now| engine.notified(&now, &notice)).ok();
                }
            }
            Step::Clean => {
                if let Ok(first) = now!(self, |engine, now| engine.clean(&now)) {
                    self.log.sync();
                    self.log.truncate(first).unwrap();
                }
            }
            Step::Sync => self.log.sync(),
            Step::Full { full } => self.log.set_full(full),
            Step::Crash { at } => self.crash(at)?,
        }
        Ok(())
    }

    fn put(&mut self, step: &Step) -> Result<(), TestCaseError> {
        let Step::Put { queue, id, priority, fairness, ordering, unique, delay_ms, ttl_ms, bond } = step
        else {
            return Ok(());
        };
        let named = |prefix: &str, n: &u8| if *n == 0 { String::new() } else { format!("{prefix}{n}") };
        let job = NewJob {
            job_id: named("job", id),
            priority: *priority,
            fairness_key: named("tenant", fairness),
            ordering_key: named("line", ordering),
            notify: (*fairness == 1)
                .then(|| JobNotify { room: "r".to_owned(), ..JobNotify::default() })
                .into_iter()
                .collect(),
            unique_key: named("unique", unique),
            start: (*delay_ms > 0).then(|| Start::Delay(duration(*delay_ms))),
            ttl: (*ttl_ms > 0).then(|| duration(*ttl_ms)),
            retry: Some(RetryPolicy { attempts_max: 3, base: Some(duration(400)), max: None }),
            ..NewJob::default()
        };
        let job = bound(job, *bond, *queue);
        let queue = QUEUES[*queue];
        let taken = now!(self, |engine, now| engine.put(&now, NAMESPACE, queue, job.clone()));
        let Ok(taken) = taken else { return Ok(()) };
        let seq = self.engine.seq(NAMESPACE, queue, &taken.job_id).unwrap().0;
        prop_assert_eq!(taken.duplicate, self.put.contains_key(&seq));
        if taken.duplicate && !job.job_id.is_empty() && taken.job_id != job.job_id {
            let live = self.engine.job(NAMESPACE, queue, &taken.job_id).unwrap();
            prop_assert!(is_live(live.state()) && live.unique_key == job.unique_key);
        }
        if !taken.duplicate {
            self.bind(seq, queue, &job);
        }
        self.put.entry(seq).or_insert_with(|| (queue.to_owned(), taken.job_id, taken.position));
        Ok(())
    }

    fn take(&mut self, queue: usize, worker: u64, jobs_max: usize) -> Result<(), TestCaseError> {
        let order = Order {
            namespace: NAMESPACE,
            queue: QUEUES[queue],
            worker,
            worker_name: "w",
            jobs_max,
            bytes_max: u64::MAX,
            has_none: true,
            lease_ms: 3_000,
        };
        let paused = Filter { states: vec![JobState::Paused], ..Filter::default() };
        let (paused, _) = self.engine.list((NAMESPACE, QUEUES[queue]), &paused, Seq(u64::MAX), 1_000);
        let Ok(leases) = now!(self, |engine, now| engine.take(&now, &order)) else { return Ok(()) };
        prop_assert!(leases.len() <= jobs_max);
        let is_paused = |lease: &Lease| paused.iter().any(|job| job.job_id == lease.job_id);
        prop_assert!(!leases.iter().any(is_paused), "a job that is paused was given out");
        if !leases.is_empty() {
            let shown = self.engine.show_queue(NAMESPACE, QUEUES[queue]).unwrap();
            let bound = shown.settings.unwrap_or_default().concurrency_max;
            prop_assert!(!shown.paused, "a job of a queue that is paused was given out");
            prop_assert!(bound == 0 || shown.running_count <= bound);
        }
        for lease in &leases {
            let token: Token = lease.token.parse().unwrap();
            let (_, _, position) = &self.put[&token.seq.0];
            prop_assert!(*position < self.log.durable(), "a job was given out that is not durable");
            prop_assert!(!self.ended.contains_key(&token.seq.0), "a job that has ended was given out");
            self.check_lease(token.seq, lease)?;
        }
        self.leases.extend(leases);
        Ok(())
    }

    fn settle(&mut self, lease: Index, outcome: u8, wait_ms: u64) -> Result<(), TestCaseError> {
        if self.leases.is_empty() {
            return Ok(());
        }
        let lease = lease.get(&self.leases).clone();
        let token: Token = lease.token.parse().unwrap();
        let present = self.engine.running(token.seq).is_some_and(|(_, running)| running == token);
        let said = self.say(token, outcome, wait_ms);
        let expected = if present {
            [LeaseOutcome::Ok, LeaseOutcome::Temporary]
        } else {
            [LeaseOutcome::LeaseLost, LeaseOutcome::NotFound]
        };
        // One that was settled in the same way before is told so again.
        let again = !present && said == LeaseOutcome::Ok;
        prop_assert!(again || expected.contains(&said), "{:?} of a lease that is present: {}", said, present);
        Ok(())
    }

    fn settle_stale(&mut self, lease: Index, outcome: u8) -> Result<(), TestCaseError> {
        if self.leases.is_empty() {
            return Ok(());
        }
        let token: Token = lease.get(&self.leases).token.parse().unwrap();
        let forged = Token { nonce: token.nonce ^ 1, ..token };
        let before = self.engine.summary();
        let said = self.say(forged, outcome, 0);
        prop_assert!(matches!(said, LeaseOutcome::LeaseLost | LeaseOutcome::NotFound), "{:?}", said);
        prop_assert_eq!(before, self.engine.summary());
        Ok(())
    }

    fn say(&mut self, token: Token, outcome: u8, wait_ms: u64) -> LeaseOutcome {
        let outcome = match outcome {
            0 | 1 => Outcome::Completed(JobCompleted::default()),
            2 => {
                let retry_after = (wait_ms > 0).then(|| duration(wait_ms));
                Outcome::Failed(JobFailed { retry_after, ..JobFailed::default() })
            }
            3 => Outcome::Released(JobReleased { delay: Some(duration(wait_ms)) }),
            _ => Outcome::Discarded(JobDiscarded::default()),
        };
        let item = Settlement { token: token.to_string(), outcome: Some(outcome) };
        now!(self, |engine, now| engine.settle(&now, vec![(token, item)])).outcomes[0]
    }

    fn extend(&mut self, lease: Index) {
        if self.leases.is_empty() {
            return;
        }
        let token: Token = lease.get(&self.leases).token.parse().unwrap();
        let item = Extension { checkpoint: Some("so far".into()), ..Extension::default() };
        now!(self, |engine, now| engine.extend(&now, vec![(token, item)]));
    }

    fn some_job(&self, job: Index) -> Option<(String, String)> {
        let jobs: Vec<_> = self.put.values().collect();
        (!jobs.is_empty()).then(|| job.get(&jobs)).map(|(queue, id, _)| (queue.clone(), id.clone()))
    }

    /// What has ended stays so, and says so.
    fn watch(&mut self) -> Result<(), TestCaseError> {
        for news in self.engine.take_news() {
            if !is_live(news.state) && news.state != JobState::Dead {
                let before = self.ended.insert(news.seq.0, news.position);
                prop_assert_eq!(before, None, "a job has ended twice");
            }
        }
        self.engine.take_told();
        self.discover();
        Ok(())
    }

    /// The node ends, and what is there again is some of what was written, but all that was durable.
    fn crash(&mut self, at: Index) -> Result<(), TestCaseError> {
        self.before.insert(self.log.len(), self.engine.summary());
        let durable = self.log.durable().0 as usize - 1;
        let ends: Vec<usize> = self.before.keys().copied().filter(|end| *end >= durable).collect();
        let end = *at.get(&ends);
        let gone = |position: &Position| position.0 as usize > end;
        self.log = self.log.cut(end);
        self.engine = open(&self.log, self.ms);
        self.put.retain(|_, (_, _, position)| !gone(position));
        self.batched.retain(|seq, _| self.put.contains_key(seq));
        self.chained.retain(|seq, _| self.put.contains_key(seq));
        self.ended.retain(|_, position| !gone(position));
        let expected = self.before[&end].clone();
        self.before.retain(|before, _| *before <= end);
        self.seen.retain(|before, _| *before <= end);
        prop_assert_eq!(self.engine.summary(), expected, "after a crash at record {}", end);
        Ok(())
    }

    /// Everything is worked off: whatever has happened, each job that was taken comes to an end.
    fn finish(mut self) -> Result<(), TestCaseError> {
        self.log.set_full(false);
        self.log.sync();
        for queue in QUEUES {
            now!(self, |engine, now| {
                engine.set_queue(&now, (NAMESPACE, queue), Some(QueueSettings::default()), Some(false))
            })
            .unwrap();
        }
        self.schedule(0, 0, false);
        self.schedule(1, 0, false);
        for (queue, id, _) in self.put.values() {
            let resumed = now!(self, |engine, now| engine.resume_job(&now, (NAMESPACE, queue, id)));
            prop_assert!(resumed.is_ok() || self.engine.job(NAMESPACE, queue, id).is_err());
        }
        for _ in 0..40 {
            self.log.sync();
            self.ms += 4_000;
            self.close_all();
            self.follow(true)?;
            now!(self, |engine, now| engine.tick(&now)).unwrap();
            self.engine.advance(self.log.durable());
            for queue in 0..QUEUES.len() {
                let known = self.leases.len();
                self.take(queue, 9, 100)?;
                let tokens: Vec<Token> =
                    self.leases[known..].iter().map(|lease| lease.token.parse().unwrap()).collect();
                for token in tokens {
                    prop_assert_eq!(self.say(token, 0, 0), LeaseOutcome::Ok);
                }
            }
            self.watch()?;
            self.engine.check();
        }
        for (seq, (queue, id, _)) in &self.put {
            let Ok(job) = self.engine.job(NAMESPACE, queue, id) else { continue };
            prop_assert!(!is_live(job.state()), "job {} never ends: {:?}", seq, job);
        }
        self.check_chains()?;
        let all: BTreeSet<u64> = self.engine.summary().into_keys().collect();
        let filter = Filter::default();
        let listed: usize = QUEUES
            .iter()
            .map(|queue| self.engine.list((NAMESPACE, queue), &filter, Seq(u64::MAX), 1_000).0.len())
            .sum();
        prop_assert_eq!(listed, all.len());
        // Wherever the log is cut there is an engine that hangs together.
        let first = self.log.bounds().0.0 as usize;
        let step = (self.log.len() - first) / 20 + 1;
        for end in (first..self.log.len()).step_by(step) {
            open(&self.log.cut(end), self.ms).check();
        }
        Ok(())
    }
}

fn open(log: &LateLog, ms: u64) -> Engine {
    let now = Now { ms, log, chance: &|| 7, bytes_elsewhere: 0 };
    Engine::open(1, limits(), clock::now(), &now).unwrap()
}

proptest! {
    #[test]
    fn whatever_is_asked_the_engine_hangs_together_and_keeps_what_was_promised(steps in steps()) {
        let mut bench = Bench::new();
        bench.engine.check();
        for step in steps {
            bench.step(step)?;
        }
        bench.finish()?;
    }
}
