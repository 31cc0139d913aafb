//! A worker that speaks with this node, wherever its jobs are: what it can have is ordered of whoever keeps its queues, those that
//! have nothing are waited for, and whoever keeps one knows that the worker is here.

use std::{collections::BTreeSet, fmt, sync::Arc, time::Duration};

use futures_util::{
    StreamExt,
    future::{BoxFuture, try_join_all},
    stream::FuturesUnordered,
};
use prometheus_client::metrics::gauge::Gauge;
use rialto_proto::{
    node::{AttendWorker, AwaitJobs, OrderJobs, WorkerAttended},
    v1::{
        ExtendResponse, Lease, LeaseOutcome, RefusalCode, SettleResponse, WorkerCredit, WorkerHello,
        WorkerSubscription, WorkerWelcome,
    },
};
use tokio::time::sleep;

use super::call::InPart;
use crate::{
    auth::{Identity, Right},
    base::{
        clock,
        limits::{JOB_WEIGHT_MAX, SUBSCRIPTIONS_MAX, WORKER_JOBS_MAX, WORKER_RESUME_WINDOW},
        refusal::{Refusal, Retry},
        text::{read_base32, write_base32},
    },
    hub,
    jobs::{Credit, Go, Subscription, Wanted, Worker},
    router::{Router, dispatch::forbidden},
    wire::job,
};

/// Digits of a worker's session.
const SESSION_DIGITS: u32 = 13;
/// The wait before somebody is asked again who could not answer.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// A worker that is here.
pub struct Working {
    router: Arc<Router>,
    identity: Identity,
    worker: Worker,
    /// The stream by which it is here.
    stream: u64,
    /// What is ordered, by the queue.
    orders: FuturesUnordered<BoxFuture<'static, Given>>,
    /// Queues that have nothing, until they may have.
    dry: FuturesUnordered<BoxFuture<'static, usize>>,
    /// What comes for the worker, by the part.
    attended: FuturesUnordered<BoxFuture<'static, (u32, WorkerAttended)>>,
    /// Leases of which the worker was told that their jobs are to be cancelled.
    told: BTreeSet<String>,
    /// The same of those that are to be paused.
    told_pausing: BTreeSet<String>,
    _counted: Counted,
}

/// What was given of a queue.
type Given = (usize, Result<Vec<Lease>, Refusal>);

/// What a worker is to be told.
#[derive(Debug)]
pub enum Word {
    /// It has jobs.
    Leases(Vec<Lease>),
    /// Somebody wants something of its jobs.
    Wanted(Wanted),
    /// Another stream of the same session has taken over.
    Replaced,
}

/// One more worker is here while this is held.
struct Counted(Gauge);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl fmt::Debug for Working {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Working").field("worker", &self.worker).finish_non_exhaustive()
    }
}

impl Router {
    /// A worker greets. Its leases of before, when it resumes a session, come with the welcome.
    pub async fn begin_work(
        self: &Arc<Self>,
        identity: &Identity,
        hello: WorkerHello,
    ) -> Result<(Working, WorkerWelcome, Vec<Lease>), Refusal> {
        job::worker_id(&hello.worker_id)?;
        let lease_ms = job::lease_ms(hello.lease_duration)?;
        let credit = credit(hello.credit)?;
        let subscriptions = self.subscriptions(identity, hello.subscriptions)?;
        let asked = if hello.resume.is_empty() { None } else { Some(session(&hello.resume)?) };
        // The same session also without leases: a welcome may be lost, and what follows it. 0 stands for no stream.
        let key = asked.unwrap_or_else(|| clock::random_u64().max(1));
        let parts = subscriptions.iter().map(|held| self.parts.of(&held.queue.0, &held.queue.1));
        let parts: BTreeSet<u32> = parts.collect();
        let stream = clock::random_u64();
        let begun = parts.iter().map(|part| {
            let call = AttendWorker { worker: key, stream, begins: true, ..AttendWorker::default() };
            self.call_queue(identity, InPart { part: *part, call })
        });
        // Who begins is known with the first jobs at the latest.
        let begun = if asked.is_some() { try_join_all(begun).await? } else { Vec::new() };
        let leases: Vec<Lease> = begun.into_iter().flat_map(|attended| attended.leases).collect();
        let mut worker = Worker::new(key, &hello.worker_id, subscriptions, lease_ms, credit);
        worker.resumes(&leases);
        let mut text = String::new();
        // Writing to a string does not fail.
        write_base32(&mut text, key.into(), SESSION_DIGITS).ok();
        let welcome = WorkerWelcome {
            session: text,
            resumed: !leases.is_empty(),
            resume_window: prost_types::Duration::try_from(WORKER_RESUME_WINDOW).ok(),
            lease_duration: prost_types::Duration::try_from(Duration::from_millis(lease_ms)).ok(),
        };
        self.metrics.workers.inc();
        let working = Working {
            router: Arc::clone(self),
            identity: identity.clone(),
            worker,
            stream,
            orders: FuturesUnordered::new(),
            dry: FuturesUnordered::new(),
            attended: FuturesUnordered::new(),
            told: BTreeSet::new(),
            told_pausing: BTreeSet::new(),
            _counted: Counted(self.metrics.workers.clone()),
        };
        parts.into_iter().for_each(|part| working.attend(part));
        Ok((working, welcome, leases))
    }

    fn subscriptions(
        &self,
        identity: &Identity,
        subscriptions: Vec<WorkerSubscription>,
    ) -> Result<Vec<Subscription>, Refusal> {
        if subscriptions.is_empty() || subscriptions.len() > SUBSCRIPTIONS_MAX {
            let what = format_args!("are not between 1 and {SUBSCRIPTIONS_MAX}");
            return Err(Refusal::invalid("subscriptions", what));
        }
        let mut checked: Vec<Subscription> = Vec::with_capacity(subscriptions.len());
        for WorkerSubscription { namespace, queue, in_flight_max, weight } in subscriptions {
            let (namespace, queue) = job::queue(namespace, queue)?;
            if !identity.may(Right::Work, &namespace, Some(&queue)) {
                return Err(forbidden());
            }
            self.hub.namespaces.settings(&namespace).ok_or_else(hub::unknown)?;
            if weight > JOB_WEIGHT_MAX {
                return Err(Refusal::invalid("weight", format_args!("is more than {JOB_WEIGHT_MAX}")));
            }
            let queue = (namespace.into(), queue.into());
            if checked.iter().any(|before| before.queue == queue) {
                return Err(Refusal::invalid("subscriptions", "names a queue twice"));
            }
            checked.push(Subscription { queue, in_flight_max, weight });
        }
        Ok(checked)
    }
}

impl Working {
    /// What the worker is to be told next.
    ///
    /// *Cancel safety*: nothing is lost.
    pub async fn next(&mut self) -> Word {
        loop {
            while let Some(go) = self.worker.order() {
                self.orders.push(self.ordered(go));
            }
            tokio::select! {
                biased;
                Some((part, attended)) = self.attended.next() => {
                    if attended.replaced {
                        return Word::Replaced;
                    }
                    let wanted = Wanted { cancelling: attended.cancelling, pausing: attended.pausing };
                    self.told.extend(wanted.cancelling.iter().cloned());
                    self.told_pausing.extend(wanted.pausing.iter().cloned());
                    self.attend(part);
                    if wanted != Wanted::default() {
                        return Word::Wanted(wanted);
                    }
                }
                Some((index, leases)) = self.orders.next() => {
                    // The log takes nothing at present, or whoever keeps the queue is not reached: it is asked again.
                    let (leases, again) = match leases {
                        Ok(leases) => (leases, None),
                        Err(refusal) => {
                            tracing::debug!(%refusal, "no jobs are given out");
                            let after = if let Retry::After(after) = refusal.retry { after } else { AGAIN_AFTER };
                            (Vec::new(), Some(after.min(AGAIN_AFTER)))
                        }
                    };
                    self.worker.given(index, &leases);
                    if leases.is_empty() {
                        self.dry.push(self.awaited(index, again));
                    } else {
                        return Word::Leases(leases);
                    }
                }
                Some(index) = self.dry.next() => {
                    self.worker.wet(index);
                    if self.worker.go(index).is_none() {
                        // What it cannot have, another one can.
                        self.pass_on(index);
                    }
                }
                else => std::future::pending().await,
            }
        }
    }

    fn ordered(&self, go: Go) -> BoxFuture<'static, Given> {
        let order = OrderJobs {
            namespace: go.queue.0.as_ref().to_owned(),
            queue: go.queue.1.as_ref().to_owned(),
            worker: self.worker.key,
            worker_name: self.worker.name.as_ref().to_owned(),
            jobs_max: u32::try_from(go.jobs_max).unwrap_or(u32::MAX),
            bytes_max: go.bytes_max,
            has_none: go.has_none,
            lease_ms: self.worker.lease_ms,
        };
        let (router, identity) = (Arc::clone(&self.router), self.identity.clone());
        Box::pin(async move {
            let given = router.call_queue(&identity, order).await;
            (go.index, given.map(|given| given.leases))
        })
    }

    /// Waits until a queue may have jobs; when whoever keeps it has refused, until it may be asked again.
    fn awaited(&self, index: usize, again: Option<Duration>) -> BoxFuture<'static, usize> {
        let Some((namespace, queue)) = self.worker.queues().nth(index) else {
            return Box::pin(std::future::pending());
        };
        let awaits = AwaitJobs { namespace: namespace.as_ref().to_owned(), queue: queue.as_ref().to_owned() };
        let (router, identity) = (Arc::clone(&self.router), self.identity.clone());
        Box::pin(async move {
            match again {
                Some(after) => sleep(after).await,
                None if router.call_queue(&identity, awaits).await.is_err() => sleep(AGAIN_AFTER).await,
                None => {}
            }
            index
        })
    }

    /// Has whoever keeps a part know that the worker is here, and tell what comes for it.
    fn attend(&self, part: u32) {
        let call = AttendWorker {
            worker: self.worker.key,
            stream: self.stream,
            begins: false,
            told: self.told.iter().cloned().collect(),
            told_pausing: self.told_pausing.iter().cloned().collect(),
        };
        let (router, identity) = (Arc::clone(&self.router), self.identity.clone());
        self.attended.push(Box::pin(async move {
            match router.call_queue(&identity, InPart { part, call }).await {
                Ok(attended) => (part, attended),
                Err(_) => {
                    sleep(AGAIN_AFTER).await;
                    (part, WorkerAttended::default())
                }
            }
        }));
    }

    /// Has another worker woken, where the queue at `index` is here. Elsewhere that happens by itself.
    fn pass_on(&self, index: usize) {
        let Some(queue) = self.worker.queues().nth(index) else { return };
        let part = self.router.parts.of_here(&queue.0, &queue.1);
        if let Some(shard) = part.as_ref().and_then(|part| part.jobs.get()) {
            shard.pass_on(queue);
        }
    }

    /// The worker can have so much from now on.
    pub fn set_credit(&mut self, asked: Option<WorkerCredit>) -> Result<(), Refusal> {
        self.worker.set_credit(credit(asked)?);
        Ok(())
    }

    /// The worker has settled jobs, or they are not its own any more.
    pub fn settled(&mut self, request: &[String], answer: &SettleResponse) {
        for (token, outcome) in request.iter().zip(answer.outcomes()) {
            if !matches!(outcome, LeaseOutcome::Temporary | LeaseOutcome::Invalid) {
                self.has_not(token);
            }
        }
    }

    /// The worker was told that leases are not its own any more.
    pub fn lost(&mut self, tokens: &[String], answer: &ExtendResponse) {
        for (token, outcome) in tokens.iter().zip(answer.outcomes()) {
            if matches!(outcome, LeaseOutcome::LeaseLost | LeaseOutcome::NotFound) {
                self.has_not(token);
            }
        }
    }

    fn has_not(&mut self, token: &str) {
        self.worker.has_not(token);
        self.told.remove(token);
        self.told_pausing.remove(token);
    }

    /// The worker takes no more jobs.
    pub fn drain(&mut self) {
        self.worker.draining = true;
    }

    /// Whether the worker takes no more jobs, has none, and is about to be given none.
    pub fn is_done(&self) -> bool {
        self.worker.draining && self.worker.has_none() && self.orders.is_empty()
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        // It may have been woken for what it does not take any more.
        (0..self.worker.queues().count()).for_each(|index| self.pass_on(index));
    }
}

fn credit(credit: Option<WorkerCredit>) -> Result<Credit, Refusal> {
    let WorkerCredit { jobs, bytes } = credit.unwrap_or_default();
    if jobs > WORKER_JOBS_MAX {
        return Err(Refusal::invalid("credit.jobs", format_args!("is more than {WORKER_JOBS_MAX}")));
    }
    Ok(Credit { jobs, bytes })
}

fn session(text: &str) -> Result<u64, Refusal> {
    let bits = Some(text).filter(|text| text.len() == SESSION_DIGITS as usize).and_then(read_base32);
    let key = bits.and_then(|bits| u64::try_from(bits).ok()).filter(|key| *key != 0);
    key.ok_or_else(|| Refusal {
        field: "resume",
        ..Refusal::new(RefusalCode::Invalid, "resume is no session")
    })
}
