//! Jobs in a simulation: who puts them in and who does them, through whichever node they come to. What was asked of a node that ends
//! is not answered, and is asked again elsewhere, as client libraries do. `ledger` says what must hold.

use std::{pin::Pin, sync::Arc, time::Duration};

use futures_util::FutureExt;
use rialto_proto::v1::{
    EnqueueRequest, EnqueueResponse, ExtendRequest, ExtendResponse, Extension, JobCompleted, JobFailed,
    JobReleased, LeaseOutcome, LeaseRequest, LeaseResponse, NewJob, RefusalCode, RetryPolicy, SettleRequest,
    SettleResponse, Settlement, enqueue_outcome, settlement::Outcome,
};
use rialto_server::{auth::Identity, base::refusal::Refusal, router::Router};

use super::{
    chance::Chance,
    ledger::{Checkpoints, Held, JobName, Ledger},
    trace::Trace,
};

/// The namespace of all queues.
pub(super) const NAMESPACE: &str = "durable";
/// Queues; with a few parts they have different owners.
pub(super) const QUEUES: [&str; 4] = ["bread", "cake", "pie", "tart"];
/// How long leases last when all is done.
const LEASE_AT_END: Duration = Duration::from_secs(5);
/// Jobs that are put in while the adversary has its way.
const JOBS_MAX: u64 = 400;

type Future<T> = Pin<Box<dyn std::future::Future<Output = Result<T, Refusal>>>>;

/// What was asked of a node, and not answered.
enum Asked {
    Enqueue(Vec<JobName>, Future<EnqueueResponse>),
    /// With what was known to be left of jobs.
    Lease(Checkpoints, Future<LeaseResponse>),
    Settle(Held, Future<SettleResponse>),
    Extend(Held, u64, Future<ExtendResponse>),
}

/// Everybody who has to do with jobs.
pub(super) struct Labour {
    chance: Chance,
    asked: Vec<(usize, Asked)>,
    /// What workers have.
    hands: Vec<Held>,
    /// Jobs of which nobody knows whether they were taken.
    unsure: Vec<JobName>,
    names: u64,
    checkpoints: u64,
    /// What must hold.
    pub(super) ledger: Ledger,
}

impl Labour {
    /// Nobody has done anything.
    pub(super) fn new(seed: u64) -> Self {
        let (asked, hands, unsure, ledger) = Default::default();
        Self { chance: Chance::new(seed), asked, hands, unsure, names: 0, checkpoints: 0, ledger }
    }

    /// Somebody asks one of the nodes that serve for something.
    pub(super) fn turn(&mut self, sites: &[usize], router: impl Fn(usize) -> Option<Arc<Router>>) {
        let Some(site) = sites.get(self.chance.below(sites.len() as u64) as usize).copied() else { return };
        let Some(router) = router(site) else { return };
        let asked = match self.chance.below(10) {
            0..=2 => self.enqueue(router),
            3..=5 => Some(self.lease(router)),
            6..=8 => self.settle(router),
            _ => self.extend(router),
        };
        self.asked.extend(asked.map(|asked| (site, asked)));
        if self.chance.one_in(40) && !self.hands.is_empty() {
            // A worker is gone without a word.
            let which = self.chance.below(self.hands.len() as u64) as usize;
            self.hands.swap_remove(which);
        }
    }

    fn enqueue(&mut self, router: Arc<Router>) -> Option<Asked> {
        let queue = self.chance.pick(&QUEUES);
        let mut jobs: Vec<JobName> = self.unsure.extract_if(.., |job| job.queue == queue).collect();
        if jobs.is_empty() && self.names < JOBS_MAX {
            let count = self.chance.between(1, 3);
            jobs.extend((self.names..self.names + count).map(|id| JobName { queue, id: format!("j{id}") }));
            self.names += count;
        }
        (!jobs.is_empty()).then(|| enqueue(router, queue, jobs))
    }

    fn lease(&mut self, router: Arc<Router>) -> Asked {
        let (queue, jobs_max) = (self.chance.pick(&QUEUES), self.chance.between(1, 4) as u32);
        let lasts = Duration::from_millis(self.chance.pick(&[1_000, 2_500, 10_000]));
        let wait = Duration::from_millis(self.chance.pick(&[0, 0, 500, 3_000]));
        Asked::Lease(self.ledger.checkpoints.clone(), lease(router, queue, (jobs_max, lasts, wait)))
    }

    fn settle(&mut self, router: Arc<Router>) -> Option<Asked> {
        let which = self.chance.below(self.hands.len() as u64) as usize;
        let held = (which < self.hands.len()).then(|| self.hands.swap_remove(which))?;
        let outcome = match self.chance.below(10) {
            0 => Outcome::Failed(JobFailed::default()),
            1 => Outcome::Released(JobReleased::default()),
            _ => Outcome::Completed(JobCompleted::default()),
        };
        Some(settle(router, self.ledger.mark(held, outcome)))
    }

    fn extend(&mut self, router: Arc<Router>) -> Option<Asked> {
        let which = self.chance.below(self.hands.len() as u64) as usize;
        let held = self.hands.get_mut(which).filter(|held| held.outcome.is_none() && !held.leaving)?;
        held.leaving = true;
        let held = held.clone();
        self.checkpoints += 1;
        let checkpoint = self.checkpoints;
        let bytes = Some(checkpoint.to_string().into());
        let items = vec![Extension { token: held.token.clone(), checkpoint: bytes, ..Extension::default() }];
        let request = ExtendRequest { request_id: 0, items };
        let extend = async move { router.extend(&Identity::open(None), request).await };
        Some(Asked::Extend(held, checkpoint, Box::pin(extend)))
    }

    /// Hears what is answered.
    pub(super) fn wait(&mut self, trace: &mut Trace) {
        for (site, asked) in std::mem::take(&mut self.asked) {
            if let Some(asked) = self.hear(asked, trace) {
                self.asked.push((site, asked));
            }
        }
    }

    /// Hears the answer, if it is there; otherwise it is waited for.
    fn hear(&mut self, asked: Asked, trace: &mut Trace) -> Option<Asked> {
        match asked {
            Asked::Enqueue(jobs, mut answer) => match answer.as_mut().now_or_never() {
                Some(answer) => self.enqueued(jobs, answer, trace),
                None => return Some(Asked::Enqueue(jobs, answer)),
            },
            Asked::Lease(known, mut answer) => match answer.as_mut().now_or_never() {
                Some(answer) => self.leased(&known, answer, trace),
                None => return Some(Asked::Lease(known, answer)),
            },
            Asked::Settle(held, mut answer) => match answer.as_mut().now_or_never() {
                Some(answer) => self.settled(held, answer, trace),
                None => return Some(Asked::Settle(held, answer)),
            },
            Asked::Extend(held, checkpoint, mut answer) => match answer.as_mut().now_or_never() {
                Some(answer) => self.extended(&held, checkpoint, answer, trace),
                None => return Some(Asked::Extend(held, checkpoint, answer)),
            },
        }
        None
    }

    fn enqueued(&mut self, jobs: Vec<JobName>, answer: Result<EnqueueResponse, Refusal>, trace: &mut Trace) {
        let outcomes = match answer {
            Ok(answer) => answer.outcomes,
            Err(refusal) => {
                trace.note(format_args!("{jobs:?} are not taken: {refusal}"));
                if refusal.code != RefusalCode::NodesUnreachable {
                    self.ledger.complain(format!("{jobs:?} are refused: {refusal}"));
                }
                return self.unsure.extend(jobs);
            }
        };
        for (job, outcome) in jobs.into_iter().zip(outcomes) {
            trace.note(format_args!("{job:?} is taken: {outcome:?}"));
            match outcome.outcome {
                Some(enqueue_outcome::Outcome::Enqueued(_)) => self.ledger.taken(job),
                other => self.ledger.complain(format!("{job:?} is refused: {other:?}")),
            }
        }
    }

    fn leased(&mut self, known: &Checkpoints, answer: Result<LeaseResponse, Refusal>, trace: &mut Trace) {
        // Whoever is refused asks again.
        for lease in answer.into_iter().flat_map(|answer| answer.leases) {
            trace.note(format_args!("{}/{} is given as {}", lease.queue, lease.job_id, lease.token));
            self.hands.extend(self.ledger.given(lease, known));
        }
    }

    fn settled(&mut self, held: Held, answer: Result<SettleResponse, Refusal>, trace: &mut Trace) {
        let outcome = answer.ok().and_then(|answer| answer.outcomes().next());
        trace.note(format_args!("{:?} is settled: {outcome:?}", held.job));
        match outcome {
            Some(LeaseOutcome::Ok) => self.ledger.settled(&held),
            Some(LeaseOutcome::LeaseLost | LeaseOutcome::NotFound) => self.ledger.leases_lost += 1,
            Some(LeaseOutcome::Temporary) | None => self.hands.push(held),
            other => self.ledger.complain(format!("{:?} is settled: {other:?}", held.job)),
        }
    }

    fn extended(
        &mut self,
        held: &Held,
        checkpoint: u64,
        answer: Result<ExtendResponse, Refusal>,
        trace: &mut Trace,
    ) {
        let outcome = answer.ok().and_then(|answer| answer.outcomes().next());
        trace.note(format_args!("{:?} has left {checkpoint}: {outcome:?}", held.job));
        match outcome {
            Some(LeaseOutcome::Ok) => {
                self.ledger.left(held, checkpoint);
                let same = self.hands.iter_mut().filter(|other| other.token == held.token);
                same.for_each(|other| other.leaving = false);
            }
            Some(LeaseOutcome::LeaseLost | LeaseOutcome::NotFound) => {
                self.hands.retain(|other| other.token != held.token);
            }
            _ => {}
        }
    }

    /// A node has ended: whoever has asked it gets no answer.
    pub(super) fn lost(&mut self, site: usize) {
        for (_, asked) in self.asked.extract_if(.., |(at, _)| *at == site) {
            match asked {
                Asked::Enqueue(jobs, _) => self.unsure.extend(jobs),
                Asked::Settle(held, _) => self.hands.push(held),
                Asked::Lease(..) | Asked::Extend(..) => {}
            }
        }
    }

    /// All that is left is done, through one node: what nobody is sure of is put in again, jobs are taken and completed.
    pub(super) fn finish(&mut self, (site, router): (usize, &Arc<Router>)) {
        self.names = JOBS_MAX;
        for queue in QUEUES {
            let jobs: Vec<JobName> = self.unsure.extract_if(.., |job| job.queue == queue).collect();
            if !jobs.is_empty() {
                self.asked.push((site, enqueue(Arc::clone(router), queue, jobs)));
            }
        }
        for held in std::mem::take(&mut self.hands) {
            let completed = Outcome::Completed(JobCompleted::default());
            let held = self.ledger.mark(held, completed);
            self.asked.push((site, settle(Arc::clone(router), held)));
        }
        if self.asked.is_empty() {
            let leases: Vec<_> = QUEUES
                .map(|queue| lease(Arc::clone(router), queue, (64, LEASE_AT_END, Duration::ZERO)))
                .into();
            let known = &self.ledger.checkpoints;
            self.asked.extend(leases.into_iter().map(|lease| (site, Asked::Lease(known.clone(), lease))));
        }
    }

    /// Whether it is known of all jobs whether they were taken.
    pub(super) fn is_sure(&self) -> bool {
        self.unsure.is_empty() && !self.asked.iter().any(|(_, asked)| matches!(asked, Asked::Enqueue(..)))
    }
}

/// Puts jobs in.
fn enqueue(router: Arc<Router>, queue: &str, jobs: Vec<JobName>) -> Asked {
    let request = enqueue_request(queue, &jobs);
    Asked::Enqueue(jobs, Box::pin(async move { router.call_queue(&Identity::open(None), request).await }))
}

/// Jobs that are tried again and again.
pub(super) fn enqueue_request(queue: &str, jobs: &[JobName]) -> EnqueueRequest {
    let retry = RetryPolicy {
        attempts_max: 1_000,
        base: Some(carried(Duration::from_millis(50))),
        max: Some(carried(Duration::from_millis(400))),
    };
    let new = |job: &JobName| NewJob { job_id: job.id.clone(), retry: Some(retry), ..NewJob::default() };
    EnqueueRequest {
        namespace: NAMESPACE.to_owned(),
        queue: queue.to_owned(),
        jobs: jobs.iter().map(new).collect(),
    }
}

/// Takes so many jobs for so long, and waits for them so long.
fn lease(
    router: Arc<Router>,
    queue: &str,
    (jobs_max, lasts, wait): (u32, Duration, Duration),
) -> Future<LeaseResponse> {
    let request = LeaseRequest {
        worker_id: "somebody".to_owned(),
        namespace: NAMESPACE.to_owned(),
        queue: queue.to_owned(),
        jobs_max,
        lease_duration: Some(carried(lasts)),
        wait: Some(carried(wait)),
    };
    Box::pin(async move { router.call_queue(&Identity::open(None), request).await })
}

/// Says what became of a job.
fn settle(router: Arc<Router>, held: Held) -> Asked {
    let items = vec![Settlement { token: held.token.clone(), outcome: held.outcome.clone() }];
    let request = SettleRequest { request_id: 0, items };
    Asked::Settle(held, Box::pin(async move { router.settle(&Identity::open(None), request).await }))
}

fn carried(time: Duration) -> prost_types::Duration {
    time.try_into().expect("it is short")
}
