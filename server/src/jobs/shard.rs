//! One shard: an engine with its log. Each question is asked under one lock, with what is due done first; answers that must be
//! durable wait for the log in its order; workers and watchers are woken when there is something for them.

mod watching;

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use indexmap::IndexMap;
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, oneshot},
    time::sleep_until,
};
use tokio_util::sync::CancellationToken;

use rialto_proto::v1::{Durability, JobState};

use super::{
    bells::{Bell, Bells, QueueName},
    engine::{Engine, EngineLimits, FollowUp, Hearers, News, Notice, Now, OpenError, Seq, Token},
    polls::Polls,
    streams::{Stream, Streams, Wanted},
    tally::Tally,
    watches::Watches,
};
use crate::{
    base::{
        clock::{self, Instant},
        hash::Hashing,
        metrics::Metrics,
        refusal::Refusal,
        tasks,
    },
    log::{Log, LogError, Position, Progress, refused},
};

/// The pause before what is due is seen to again.
const DUE_PAUSE: Duration = Duration::from_millis(5);
/// Jobs of which rooms are told, and which are put in for chains, in one go.
const STEP_MAX: usize = 64;
/// Jobs on their way of which rooms are still to be told.
const NOTICED_MAX: usize = 4_096;

/// What the shards of one node share.
#[derive(Debug, Clone)]
pub struct Shared {
    /// Bounds.
    pub limits: EngineLimits,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Bytes of the jobs of all of them.
    pub bytes: Arc<AtomicU64>,
}

/// An engine with its log.
pub struct Shard {
    /// Which.
    pub number: u32,
    engine: Mutex<Engine>,
    log: Arc<dyn Log>,
    waiting: Mutex<Waiting>,
    bells: Bells,
    watches: Mutex<Watches>,
    /// Jobs on their way of which rooms are to be told, as they were last.
    noticed: Mutex<IndexMap<Seq, JobState, Hashing>>,
    /// There may be something to tell rooms.
    to_notify: Notify,
    /// There may be something to put in for chains.
    to_follow: Notify,
    streams: Mutex<Streams>,
    polls: Mutex<Polls>,
    /// What is due next may be due earlier, or the log may be worth cleaning.
    changed: Notify,
    tally: Tally,
    bytes_of_all: Arc<AtomicU64>,
    /// The same moment twice. Time goes on from there whatever becomes of the clock.
    origin: (Instant, u64),
    /// Stands for its log: a log in memory is another one after each start.
    life: u64,
}

/// What waits for the log.
#[derive(Default)]
struct Waiting {
    answers: VecDeque<(Position, oneshot::Sender<Result<(), LogError>>)>,
    news: VecDeque<News>,
    /// Nothing becomes durable any more here.
    closed: bool,
}

impl fmt::Debug for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shard").field("log", &self.log).finish_non_exhaustive()
    }
}

impl Shard {
    /// Takes up the jobs of a log. Waits for the disk.
    pub fn open(number: u32, log: Arc<dyn Log>, shared: &Shared) -> Result<Self, OpenError> {
        let origin = (clock::now(), clock::unix_ms(clock::wall()));
        let now = Now { ms: origin.1, log: &*log, chance: &clock::random_u64, bytes_elsewhere: 0 };
        let mut engine = Engine::open(number, shared.limits.clone(), origin.0, &now)?;
        let tally = Tally::new(&shared.metrics);
        tally.count(&mut engine, &[]);
        let life =
            if log.durability() == Durability::Memory { clock::random_u64() } else { u64::from(number) };
        shared.bytes.fetch_add(engine.bytes(), Ordering::Relaxed);
        let mut watches = Watches::default();
        watches.told(log.progress().borrow().durable);
        Ok(Self {
            number,
            engine: Mutex::new(engine),
            log,
            waiting: Mutex::default(),
            bells: Bells::default(),
            watches: Mutex::new(watches),
            noticed: Mutex::default(),
            to_notify: Notify::new(),
            to_follow: Notify::new(),
            streams: Mutex::default(),
            polls: Mutex::default(),
            changed: Notify::new(),
            tally,
            bytes_of_all: Arc::clone(&shared.bytes),
            origin,
            life,
        })
    }

    /// How sure it is that what is durable survives.
    pub fn durability(&self) -> Durability {
        self.log.durability()
    }

    /// Asks the engine something.
    pub fn ask<T>(&self, question: impl FnOnce(&mut Engine, &Now<'_>) -> T) -> T {
        let durable = self.log.progress().borrow().durable;
        let mut engine = self.engine.lock();
        let own = engine.bytes();
        let now = Now {
            ms: self.now_ms(),
            log: &*self.log,
            chance: &clock::random_u64,
            bytes_elsewhere: self.bytes_of_all.load(Ordering::Relaxed).saturating_sub(own),
        };
        let next_before = engine.next_ms();
        engine.advance(durable);
        if next_before.is_some_and(|due_ms| due_ms <= now.ms)
            && let Err(error) = engine.tick(&now)
        {
            // It stays due; whoever asks for something that has to be written hears of it.
            tracing::debug!(%error, "what is due cannot be written");
        }
        let answer = question(&mut engine, &now);
        // What has become less is added as well: it wraps around.
        self.bytes_of_all.fetch_add(engine.bytes().wrapping_sub(own), Ordering::Relaxed);
        let (news, told, next) = (engine.take_news(), engine.take_told(), engine.next_ms());
        if !news.is_empty() {
            // Under the lock of the engine, so that they are in the order of the log.
            self.waiting.lock().news.extend(news);
        }
        drop(engine);
        for queue in &told {
            self.bells.ring(queue);
        }
        if next.is_some_and(|next| next_before.is_none_or(|before| next < before)) {
            self.changed.notify_one();
        }
        answer
    }

    fn now_ms(&self) -> u64 {
        let passed = clock::now().saturating_duration_since(self.origin.0).as_millis();
        self.origin.1.saturating_add(u64::try_from(passed).unwrap_or(u64::MAX))
    }

    /// Waits until everything up to a position is durable.
    pub async fn durable(&self, position: Option<Position>) -> Result<(), Refusal> {
        let Some(position) = position else { return Ok(()) };
        let waits = {
            let mut waiting = self.waiting.lock();
            let progress = self.log.progress().borrow().clone();
            if position < progress.durable {
                return Ok(());
            }
            if let Some(error) = progress.failed {
                return Err(refused(error));
            }
            if waiting.closed {
                return Err(closed());
            }
            let (answer, waits) = oneshot::channel();
            // Nearly always the last one.
            let place = waiting.answers.partition_point(|(before, _)| *before <= position);
            waiting.answers.insert(place, (position, answer));
            waits
        };
        match waits.await {
            Ok(durable) => durable.map_err(refused),
            Err(_) => Err(closed()),
        }
    }

    /// Whether the log takes nothing any more.
    pub fn has_failed(&self) -> bool {
        self.log.progress().borrow().failed.is_some()
    }

    /// Sees to what waits for the log and for time, until `stopped`. Nobody hears of it after that what becomes durable.
    pub async fn run(self: &Arc<Self>, stopped: &CancellationToken) {
        self.see_to(stopped).await;
        self.close();
    }

    /// Who waits for the log hears that it is not here any more.
    pub fn close(&self) {
        let mut waiting = self.waiting.lock();
        waiting.closed = true;
        waiting.answers.clear();
    }

    async fn see_to(self: &Arc<Self>, stopped: &CancellationToken) {
        let mut progress = self.log.progress();
        loop {
            let reached = progress.borrow_and_update().clone();
            self.reached(&reached);
            self.clean_if_worth().await;
            let next = self.engine.lock().next_ms();
            let due = next.map(|ms| {
                let due = self.origin.0 + Duration::from_millis(ms.saturating_sub(self.origin.1));
                // What could not be done stays due, and is not tried without a pause.
                due.max(clock::now() + DUE_PAUSE)
            });
            let due = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = stopped.cancelled() => return,
                changed = progress.changed() => if changed.is_err() { return },
                () = self.changed.notified() => {}
                () = due => self.ask(|_, _| ()),
            }
        }
    }

    /// The log has come so far.
    fn reached(&self, progress: &Progress) {
        self.ask(|_, _| ());
        let (answers, news) = {
            let mut waiting = self.waiting.lock();
            let answered = waiting.answers.partition_point(|(position, _)| *position < progress.durable);
            let all = progress.failed.is_some();
            let answered = if all { waiting.answers.len() } else { answered };
            let told = waiting.news.partition_point(|news| news.position < progress.durable);
            let answers: Vec<_> = waiting.answers.drain(..answered).collect();
            (answers, waiting.news.drain(..told).collect::<Vec<_>>())
        };
        for (position, answer) in answers {
            let outcome = match &progress.failed {
                Some(error) if position >= progress.durable => Err(error.clone()),
                _ => Ok(()),
            };
            // Who does not wait any more need not be told.
            answer.send(outcome).ok();
        }
        self.tally.count(&mut self.engine.lock(), &news);
        self.tell(&news, progress.durable);
    }

    /// Tells watchers and workers all that has changed before a position.
    fn tell(&self, news: &[News], until: Position) {
        if news.is_empty() {
            return;
        }
        let engine = self.engine.lock();
        let mut watches = self.watches.lock();
        watches.told(until);
        for News { seq, state, position } in news {
            let Hearers { is_noticed, cancelling, pausing } = engine.hearers(*seq);
            if is_noticed {
                let mut noticed = self.noticed.lock();
                // Of so many that wait only how they end is told.
                if noticed.len() < NOTICED_MAX {
                    noticed.insert(*seq, *state);
                }
            }
            if !watches.is_empty() {
                watches.changed((*seq, *position), engine.queue_of(*seq));
            }
            if (cancelling || pausing)
                && let Some((worker, token)) = engine.running(*seq)
            {
                let of = |wanted: bool| wanted.then(|| token.to_string()).into_iter().collect();
                self.streams.lock().want(worker, Wanted { cancelling: of(cancelling), pausing: of(pausing) });
            }
        }
        self.to_notify.notify_one();
        self.to_follow.notify_one();
    }

    /// Jobs of which rooms are to be told: some of those that have ended, behind one, until that is noted by [`Engine::notified`], others once.
    /// None when there are none behind `after`; from the beginning it waits for some.
    ///
    /// *Cancel safety*: none; what was taken out is not told.
    pub async fn notices(&self, after: Seq) -> Vec<Notice> {
        loop {
            let ended = self.ask(|engine, _| (engine.notices(after, STEP_MAX), engine.last()));
            let ended = self.once_durable(ended).await;
            let passing = std::mem::take(&mut *self.noticed.lock());
            let passing = passing.into_iter().filter_map(|(seq, state)| {
                let notice = self.ask(|engine, _| engine.notice(seq))?;
                (notice.job.state() == state).then_some(notice)
            });
            let notices: Vec<Notice> = passing.chain(ended).collect();
            if !notices.is_empty() || after > Seq(0) {
                return notices;
            }
            self.to_notify.notified().await;
        }
    }

    /// Jobs that follow in chains, some behind one that is followed, each until that is noted by [`Engine::followed`].
    /// None when there are none behind `after`; from the beginning it waits for some.
    ///
    /// *Cancel safety*: nothing is lost.
    pub async fn follow_ups(&self, after: Seq) -> Vec<FollowUp> {
        loop {
            let follow_ups = self.ask(|engine, _| (engine.follow_ups(after, STEP_MAX), engine.last()));
            let follow_ups = self.once_durable(follow_ups).await;
            if !follow_ups.is_empty() || after > Seq(0) {
                return follow_ups;
            }
            self.to_follow.notified().await;
        }
    }

    /// What is true once a position is durable; nothing when it never will be.
    async fn once_durable<T>(&self, (items, position): (Vec<T>, Option<Position>)) -> Vec<T> {
        if items.is_empty() || self.durable(position).await.is_err() {
            return Vec::new();
        }
        items
    }

    /// Writes what is needed of the oldest part of the log again and gives the part back, when most of the log is not needed.
    async fn clean_if_worth(self: &Arc<Self>) {
        if !self.engine.lock().is_worth_cleaning(self.log.bytes()) {
            return;
        }
        let shard = Arc::clone(self);
        // The disk has to be waited for.
        let cleaned = tasks::blocking(move || {
            let first = shard.ask(|engine, now| engine.clean(now))?;
            shard.log.flush()?;
            shard.log.truncate(first)
        });
        if let Ok(Err(error)) = cleaned.await {
            tracing::error!(%error, "the log of jobs was not cleaned");
        }
    }

    /// A worker waits for a queue. It asks once more after that.
    pub fn wait_for(&self, queue: &QueueName, bell: &Arc<Bell>) {
        self.bells.wait(queue, bell);
    }

    /// Who was woken for a queue cannot take anything: the next one is.
    pub fn pass_on(&self, queue: &QueueName) {
        self.ask(|engine, now| engine.ask_again(&queue.0, &queue.1, now.ms));
    }

    /// A worker's stream is here. When it `begins` one of the same session before ends; otherwise it is not taken if there is one.
    /// Of what is `told` it knows.
    pub fn attend(&self, worker: u64, (stream, begins): (u64, bool), told: &Wanted) -> Option<Arc<Stream>> {
        let stream = self.streams.lock().attend(worker, stream, begins)?;
        let (cancelling, pausing) = self.ask(|engine, _| {
            engine.worker_back(worker);
            (engine.cancelling_of(worker), engine.pausing_of(worker))
        });
        // It may have missed that while it was away.
        let texts = |tokens: Vec<Token>| tokens.iter().map(Token::to_string).collect();
        stream.want(Wanted { cancelling: texts(cancelling), pausing: texts(pausing) }.but(told));
        Some(stream)
    }

    /// A worker's stream is not here any more: its leases return when it does not come back in time.
    pub fn leave(&self, worker: u64, stream: &Arc<Stream>) {
        if self.streams.lock().leave(worker, stream) {
            self.ask(|engine, now| engine.worker_away(now.ms, worker));
        }
    }
}

impl Drop for Shard {
    fn drop(&mut self) {
        self.bytes_of_all.fetch_sub(self.engine.get_mut().bytes(), Ordering::Relaxed);
    }
}

/// The log goes on elsewhere, or the node ends: what is in it is not known here.
fn closed() -> Refusal {
    Refusal::draining()
}
