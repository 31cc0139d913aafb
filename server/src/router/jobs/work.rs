//! What workers ask for: jobs, and what becomes of their leases.

use std::{sync::Arc, time::Duration};

use rialto_proto::v1::{
    self, ExtendRequest, ExtendResponse, Lease, LeaseOutcome, LeaseRequest, RefusalCode, SettleRequest,
    SettleResponse, WorkerCredit, WorkerHello, WorkerSubscription, WorkerWelcome,
};
use tokio::time::timeout;

use super::count;
use crate::{
    auth::{Identity, Right},
    base::{
        clock,
        limits::{
            JOB_WEIGHT_MAX, LEASE_WAIT_MAX, LEASES_PER_CALL_MAX, SUBSCRIPTIONS_MAX, WORKER_JOBS_MAX,
            WORKER_RESUME_WINDOW,
        },
        refusal::Refusal,
        text::{read_base32, write_base32},
    },
    jobs::{Bell, Credit, Engine, Order, QueueName, Shard, Stream, Subscription, Token, Worker},
    log::Position,
    router::{Router, dispatch::forbidden},
    wire::job,
};

/// Digits of a worker's session.
const SESSION_DIGITS: u32 = 13;

/// A worker that is here.
#[derive(Debug)]
pub struct Working {
    shard: Arc<Shard>,
    worker: Worker,
    bell: Arc<Bell>,
    stream: Arc<Stream>,
}

/// An answer to a worker, true once everything up to the position is durable.
#[derive(Debug)]
pub struct Settling {
    shard: Arc<Shard>,
    answer: SettleResponse,
    position: Option<Position>,
}

/// The same for extensions.
#[derive(Debug)]
pub struct Extending {
    shard: Arc<Shard>,
    answer: ExtendResponse,
    position: Option<Position>,
}

impl Settling {
    /// The answer, when it is durable.
    pub async fn outcome(self) -> SettleResponse {
        let Self { shard, mut answer, position } = self;
        if shard.durable(position).await.is_err() {
            unsettle(&mut answer.outcomes);
        }
        answer
    }
}

impl Extending {
    /// The answer, when it is durable.
    pub async fn outcome(self) -> ExtendResponse {
        let Self { shard, mut answer, position } = self;
        if shard.durable(position).await.is_err() {
            unsettle(&mut answer.outcomes);
        }
        answer
    }
}

/// Nobody knows whether what was done is written down.
fn unsettle(outcomes: &mut [i32]) {
    let done = |outcome: &&mut i32| **outcome == LeaseOutcome::Ok as i32;
    outcomes.iter_mut().filter(done).for_each(|outcome| *outcome = LeaseOutcome::Temporary.into());
}

impl Router {
    /// A worker greets. Its leases of before, when it resumes a session, come with the welcome.
    pub fn begin_work(
        &self,
        identity: &Identity,
        hello: WorkerHello,
    ) -> Result<(Working, WorkerWelcome, Vec<Lease>), Refusal> {
        job::worker_id(&hello.worker_id)?;
        let lease_ms = job::lease_ms(hello.lease_duration)?;
        let credit = credit(hello.credit)?;
        let subscriptions = self.subscriptions(identity, hello.subscriptions)?;
        let shard = Arc::clone(self.shard()?);
        let asked = if hello.resume.is_empty() { None } else { Some(session(&hello.resume)?) };
        let leases = asked.map(|key| shard.ask(|engine, _| engine.leases_of(key))).unwrap_or_default();
        let may = |lease: &Lease| identity.may(Right::Work, &lease.namespace, Some(&lease.queue));
        if !leases.iter().all(may) {
            return Err(forbidden());
        }
        let resumed = !leases.is_empty();
        // The same session also without leases: a welcome may be lost, and what follows it. 0 stands for no stream.
        let key = asked.unwrap_or_else(|| clock::random_u64().max(1));
        let mut worker = Worker::new(key, &hello.worker_id, subscriptions, lease_ms, credit);
        worker.resumes(&leases);
        let stream = shard.stream(key);
        let mut text = String::new();
        // Writing to a string does not fail.
        write_base32(&mut text, key.into(), SESSION_DIGITS).ok();
        let welcome = WorkerWelcome {
            session: text,
            resumed,
            resume_window: prost_types::Duration::try_from(WORKER_RESUME_WINDOW).ok(),
            lease_duration: prost_types::Duration::try_from(Duration::from_millis(lease_ms)).ok(),
        };
        Ok((Working { shard, worker, bell: Arc::default(), stream }, welcome, leases))
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
            let (namespace, queue) = self.queue(identity, &[Right::Work], (namespace, queue))?;
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

    /// Takes what became of jobs.
    pub fn settle(&self, identity: &Identity, request: SettleRequest) -> Result<Settling, Refusal> {
        count("items", request.items.len())?;
        let shard = Arc::clone(self.shard()?);
        let checked = request.items.into_iter().map(|item| {
            let token =
                if job::settlement(&item).is_err() { Err(LeaseOutcome::Invalid) } else { token(&item.token) };
            token.map(|token| (token, item))
        });
        let checked: Vec<_> = checked.collect();
        let (outcomes, position) = shard.ask(|engine, now| {
            let mut position = None;
            let outcome = |checked: Result<(Token, v1::Settlement), LeaseOutcome>| {
                let settled = checked.and_then(|(token, item)| {
                    may_settle(engine, identity, token)?;
                    let settled = engine.settle(now, vec![(token, item)]);
                    position = position.max(settled.position);
                    settled.outcomes.first().copied().ok_or(LeaseOutcome::Invalid)
                });
                settled.unwrap_or_else(|outcome| outcome).into()
            };
            (checked.into_iter().map(outcome).collect::<Vec<i32>>(), position)
        });
        Ok(Settling { shard, answer: SettleResponse { request_id: request.request_id, outcomes }, position })
    }

    /// Prolongs leases.
    pub fn extend(&self, identity: &Identity, request: ExtendRequest) -> Result<Extending, Refusal> {
        count("items", request.items.len())?;
        let shard = Arc::clone(self.shard()?);
        let mut answer = ExtendResponse { request_id: request.request_id, ..ExtendResponse::default() };
        let mut position = None;
        for item in request.items {
            let checked =
                if job::extension(&item).is_err() { Err(LeaseOutcome::Invalid) } else { token(&item.token) };
            let outcome = match checked {
                Ok(token) => shard.ask(|engine, now| {
                    may_settle(engine, identity, token)?;
                    let extended = engine.extend(now, vec![(token, item)]);
                    position = position.max(extended.position);
                    answer.cancelling.extend(extended.response.cancelling);
                    Ok(extended.response.outcomes.first().copied().unwrap_or_default())
                }),
                Err(outcome) => Err(outcome),
            };
            answer.outcomes.push(outcome.unwrap_or_else(LeaseOutcome::into));
        }
        Ok(Extending { shard, answer, position })
    }

    /// Takes jobs without a stream, waiting for them if need be.
    pub async fn lease(
        &self,
        identity: &Identity,
        request: LeaseRequest,
        deadline: Option<Duration>,
    ) -> Result<Vec<Lease>, Refusal> {
        job::worker_id(&request.worker_id)?;
        let lease_ms = job::lease_ms(request.lease_duration)?;
        let wait = job::bounded("wait", request.wait, LEASE_WAIT_MAX)?.unwrap_or_default();
        // So that what is given has time to arrive.
        let wait = deadline.map_or(wait, |deadline| wait.min(deadline.mul_f32(0.8)));
        let (namespace, queue) = self.queue(identity, &[Right::Work], (request.namespace, request.queue))?;
        let jobs_max = request.jobs_max.max(1);
        if jobs_max > LEASES_PER_CALL_MAX {
            return Err(Refusal::invalid("jobs_max", format_args!("is more than {LEASES_PER_CALL_MAX}")));
        }
        let shard = Arc::clone(self.shard()?);
        let (queue, bell): (QueueName, _) = ((namespace.into(), queue.into()), Arc::new(Bell::default()));
        let order = Order {
            namespace: &queue.0,
            queue: &queue.1,
            worker: 0,
            worker_name: &request.worker_id,
            jobs_max: jobs_max as usize,
            bytes_max: u64::MAX,
            has_none: true,
            lease_ms,
        };
        let taken = async {
            loop {
                shard.wait_for(&queue, &bell);
                let leases = shard.ask(|engine, now| engine.take(now, &order))?;
                if !leases.is_empty() || self.tasks.draining().is_cancelled() {
                    return Ok(leases);
                }
                tokio::select! {
                    () = bell.rung() => {}
                    () = self.tasks.draining().cancelled() => {}
                }
            }
        };
        match timeout(wait, taken).await {
            Ok(leases) => leases,
            Err(_) => {
                // Somebody else may have been passed over.
                shard.pass_on(&queue);
                Ok(Vec::new())
            }
        }
    }
}

impl Working {
    /// Jobs for the worker, some of those that it can have; none when there is nothing.
    pub fn take(&mut self) -> Result<Vec<Lease>, Refusal> {
        let queues: Vec<_> = self.worker.queues().cloned().collect();
        let mut dry = vec![false; queues.len()];
        // Before it is asked, so that nothing is missed that comes meanwhile.
        for (index, queue) in queues.iter().enumerate() {
            if self.worker.go(index).is_some() {
                self.shard.wait_for(queue, &self.bell);
            }
        }
        while let Some(go) = self.worker.next(&dry) {
            let order = Order {
                namespace: &go.queue.0,
                queue: &go.queue.1,
                worker: self.worker.key,
                worker_name: &self.worker.name,
                jobs_max: go.jobs_max,
                bytes_max: go.bytes_max,
                has_none: go.has_none,
                lease_ms: self.worker.lease_ms,
            };
            let leases = self.shard.ask(|engine, now| engine.take(now, &order))?;
            if !leases.is_empty() {
                self.worker.given(go.index, &leases);
                return Ok(leases);
            }
            dry[go.index] = true;
        }
        Ok(Vec::new())
    }

    /// Waits until there may be something for the worker.
    ///
    /// *Cancel safety*: nothing is lost.
    pub async fn rung(&self) {
        self.bell.rung().await;
        // What it cannot have, another one can.
        for (index, queue) in self.worker.queues().enumerate() {
            if self.worker.go(index).is_none() {
                self.shard.pass_on(queue);
            }
        }
    }

    /// The worker's share in its shard.
    pub fn stream(&self) -> &Arc<Stream> {
        &self.stream
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
                self.worker.has_not(token);
            }
        }
    }

    /// The worker was told that leases are not its own any more.
    pub fn lost(&mut self, tokens: &[String], answer: &ExtendResponse) {
        for (token, outcome) in tokens.iter().zip(answer.outcomes()) {
            if matches!(outcome, LeaseOutcome::LeaseLost | LeaseOutcome::NotFound) {
                self.worker.has_not(token);
            }
        }
    }

    /// The worker takes no more jobs.
    pub fn drain(&mut self) {
        self.worker.draining = true;
    }

    /// Whether the worker takes no more jobs and has none.
    pub fn is_done(&self) -> bool {
        self.worker.draining && self.worker.has_none()
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.shard.stream_lost(self.worker.key, &self.stream);
        // It may have been woken for what it does not take any more.
        self.worker.queues().for_each(|queue| self.shard.pass_on(queue));
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

fn token(text: &str) -> Result<Token, LeaseOutcome> {
    let token: Token = text.parse().map_err(|_| LeaseOutcome::Invalid)?;
    if token.shard == 0 { Ok(token) } else { Err(LeaseOutcome::NotFound) }
}

/// Whether the identity may work in the queue of a lease. A job that may not be known is answered like none.
fn may_settle(engine: &Engine, identity: &Identity, token: Token) -> Result<(), LeaseOutcome> {
    match engine.queue_of(token.seq) {
        Some((namespace, queue)) if identity.may(Right::Work, namespace, Some(queue)) => Ok(()),
        _ => Err(LeaseOutcome::NotFound),
    }
}
