//! Giving jobs to workers, wherever they speak from.

use std::{sync::Arc, time::Duration};

use rialto_proto::{
    node::{AttendWorker, AwaitJobs, JobsAwaited, OrderJobs, WorkerAttended},
    v1::{Lease, LeaseRequest, LeaseResponse},
};
use tokio::time::{sleep, timeout};

use super::call::{Here, POLLED_FOR};
use crate::{
    auth::Right,
    base::{
        limits::{LEASE_WAIT_MAX, LEASES_PER_CALL_MAX, WORKER_JOBS_MAX},
        refusal::Refusal,
    },
    jobs::{Bell, Order, QueueName, Shard, Stream, Wanted},
    router::dispatch::forbidden,
    wire::job,
};

/// Jobs go to another node in one answer of about so many bytes.
const BYTES_THERE_MAX: u64 = 4 << 20;
/// At most so many: with each may come a checkpoint and a result.
const JOBS_THERE_MAX: usize = 64;
/// Whoever was woken on another node and does not ask within this time is passed over.
const ASKS_WITHIN: Duration = Duration::from_millis(200);

/// A worker that is here as long as this is held.
struct Attending<'a> {
    shard: &'a Shard,
    worker: u64,
    stream: Arc<Stream>,
}

impl Drop for Attending<'_> {
    fn drop(&mut self) {
        self.shard.leave(self.worker, &self.stream);
    }
}

impl Here<'_> {
    /// Jobs for a worker that is known by a stream; none when there is nothing.
    pub(super) async fn order_jobs(self, order: OrderJobs) -> Result<LeaseResponse, Refusal> {
        job::worker_id(&order.worker_name)?;
        let (namespace, queue) = self.queue(&[Right::Work], (order.namespace, order.queue))?;
        let (jobs_max, bytes_max) = self.at_once(order.jobs_max.min(WORKER_JOBS_MAX), order.bytes_max);
        let order = Order {
            namespace: &namespace,
            queue: &queue,
            worker: order.worker,
            worker_name: &order.worker_name,
            jobs_max,
            bytes_max,
            has_none: order.has_none,
            lease_ms: order.lease_ms,
        };
        let leases = self.shard.ask(|engine, now| engine.take(now, &order))?;
        Ok(LeaseResponse { leases })
    }

    /// How many jobs and bytes of them may be given in one answer.
    fn at_once(self, jobs_max: u32, bytes_max: u64) -> (usize, u64) {
        if self.from == self.router.node {
            return (jobs_max as usize, bytes_max);
        }
        ((jobs_max as usize).min(JOBS_THERE_MAX), bytes_max.min(BYTES_THERE_MAX))
    }

    /// Waits until there may be jobs.
    pub(super) async fn await_jobs(self, request: AwaitJobs) -> Result<JobsAwaited, Refusal> {
        let (namespace, queue) = self.queue(&[Right::Work], (request.namespace, request.queue))?;
        let (queue, bell): (QueueName, _) = ((namespace.into(), queue.into()), Arc::new(Bell::default()));
        self.shard.wait_for(&queue, &bell);
        // What has come since it was asked.
        self.shard.pass_on(&queue);
        let rung = timeout(POLLED_FOR, bell.rung()).await.is_ok();
        if rung && self.from != self.router.node {
            let (shard, queue) = (Arc::clone(self.shard), queue.clone());
            self.router.tasks.spawn("passing on", async move {
                sleep(ASKS_WITHIN).await;
                shard.pass_on(&queue);
            });
        }
        Ok(JobsAwaited {})
    }

    /// Takes jobs for a worker without a stream, waiting for them if need be.
    pub(super) async fn lease(self, request: LeaseRequest) -> Result<LeaseResponse, Refusal> {
        job::worker_id(&request.worker_id)?;
        let lease_ms = job::lease_ms(request.lease_duration)?;
        let wait = job::bounded("wait", request.wait, LEASE_WAIT_MAX)?.unwrap_or_default();
        let (namespace, queue) = self.queue(&[Right::Work], (request.namespace, request.queue))?;
        let jobs_max = request.jobs_max.max(1);
        if jobs_max > LEASES_PER_CALL_MAX {
            return Err(Refusal::invalid("jobs_max", format_args!("is more than {LEASES_PER_CALL_MAX}")));
        }
        let (shard, draining) = (self.shard, self.router.tasks.draining());
        let queue: QueueName = (namespace.into(), queue.into());
        let (jobs_max, bytes_max) = self.at_once(jobs_max, u64::MAX);
        let order = Order {
            namespace: &queue.0,
            queue: &queue.1,
            worker: 0,
            worker_name: &request.worker_id,
            jobs_max,
            bytes_max,
            has_none: true,
            lease_ms,
        };
        let taken = async {
            loop {
                let bell = Arc::new(Bell::default());
                shard.wait_for(&queue, &bell);
                let leases = shard.ask(|engine, now| engine.take(now, &order))?;
                if !leases.is_empty() || draining.is_cancelled() {
                    return Ok(leases);
                }
                tokio::select! {
                    () = bell.rung() => {}
                    () = draining.cancelled() => {}
                }
            }
        };
        let leases = match timeout(wait, taken).await {
            Ok(leases) => leases,
            Err(_) => {
                // Somebody else may have been passed over.
                shard.pass_on(&queue);
                Ok(Vec::new())
            }
        };
        leases.map(|leases| LeaseResponse { leases })
    }

    /// A worker is here: at once with its leases when it begins, and otherwise when something comes for it.
    pub(super) async fn attend_worker(self, request: AttendWorker) -> Result<WorkerAttended, Refusal> {
        let AttendWorker { worker, stream, begins, told, told_pausing } = request;
        let told = Wanted { cancelling: told, pausing: told_pausing };
        let shard = self.shard;
        let leases = if begins { shard.ask(|engine, _| engine.leases_of(worker)) } else { Vec::new() };
        let may = |lease: &Lease| self.identity.may(Right::Work, &lease.namespace, Some(&lease.queue));
        if !leases.iter().all(may) {
            return Err(forbidden());
        }
        let Some(stream) = shard.attend(worker, (stream, begins), &told) else {
            return Ok(WorkerAttended { replaced: true, ..WorkerAttended::default() });
        };
        let attending = Attending { shard, worker, stream };
        if begins {
            return Ok(WorkerAttended { leases, ..WorkerAttended::default() });
        }
        let stream = &attending.stream;
        tokio::select! {
            biased;
            () = stream.replaced.cancelled() => {
                Ok(WorkerAttended { replaced: true, ..WorkerAttended::default() })
            }
            wanted = timeout(POLLED_FOR, stream.wanted()) => {
                let Wanted { cancelling, pausing } = wanted.unwrap_or_default();
                Ok(WorkerAttended { cancelling, pausing, ..WorkerAttended::default() })
            }
        }
    }
}
