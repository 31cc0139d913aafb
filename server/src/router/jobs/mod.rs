//! Jobs, for those who may: who asks, in which queue, and what follows. [`call`] says what can be asked, [`owner`] finds whoever
//! keeps the queue, and `calls` carries it there and back when that is another node. Where the queue is, `putting` takes jobs in,
//! `control` and `schedules` are for who looks after them, `looking` for who waits, and `giving` for whom workers speak for;
//! [`watching`] and [`working`] are the other ends of that, for who watches and who works here. `notices` tells rooms, `events` programs
//! that speak NATS, and `chains` puts in what follows from other jobs. [`uploading`] takes payloads that are too large for a message, and
//! `sweeping` forgets them.

pub mod call;
mod calls;
mod chains;
mod control;
mod events;
mod giving;
mod looking;
mod notices;
mod owner;
mod pieces;
mod putting;
mod rounds;
mod schedules;
mod settling;
mod sweeping;
mod taking_up;
pub mod uploading;
pub mod watching;
pub mod working;

use std::{sync::Arc, time::Duration};

use rialto_proto::v1::NewJob;
use tokio_util::sync::CancellationToken;

use self::call::Here;
pub(super) use self::calls::Calls;
use super::{Router, dispatch::forbidden};
use crate::{
    auth::{Identity, Right},
    base::{limits::JOBS_PER_REQUEST_MAX, refusal::Refusal},
    hub,
    jobs::Shard,
    wire::job,
};

impl Here<'_> {
    /// A queue in which whoever asks has one of these rights.
    fn queue(
        self,
        rights: &[Right],
        (namespace, queue): (String, String),
    ) -> Result<(String, String), Refusal> {
        self.router.queue_of(self.identity, rights, (namespace, queue))
    }
}

impl Router {
    /// A queue in which whoever asks has one of these rights.
    fn queue_of(
        &self,
        identity: &Identity,
        rights: &[Right],
        (namespace, queue): (String, String),
    ) -> Result<(String, String), Refusal> {
        let (namespace, queue) = job::queue(namespace, queue)?;
        if !rights.iter().any(|right| identity.may(*right, &namespace, Some(&queue))) {
            return Err(forbidden());
        }
        if self.hub.namespaces.settings(&namespace).is_none() {
            return Err(hub::unknown());
        }
        Ok((namespace, queue))
    }

    /// The shards that this node keeps.
    fn shards_here(&self) -> impl Iterator<Item = Arc<Shard>> {
        self.parts.all_here().into_iter().filter_map(|part| part.jobs.get().cloned())
    }

    /// Runs the conversation of a worker.
    pub fn spawn_worker(&self, conversation: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn("worker", self.workers.track_future(conversation));
    }

    /// Waits until no worker is here any more. None may come after this was called.
    pub async fn workers_gone(&self) {
        self.workers.close();
        self.workers.wait().await;
    }

    /// The time that workers have when the node stops.
    pub fn stop_drain(&self) -> Duration {
        self.stop_drain
    }

    /// Sees to the jobs of a node without others, until it stops.
    pub async fn run_jobs(self: Arc<Self>) {
        let own = Arc::clone(self.parts.own());
        if let Some(shard) = own.jobs.get() {
            self.run_shard(shard, self.tasks.stopping()).await;
        }
    }

    /// Sees to what waits for a log of jobs and for time, and to what follows from jobs, until `closed`.
    pub(super) async fn run_shard(&self, shard: &Arc<Shard>, closed: &CancellationToken) {
        let follows = async {
            tokio::join!(
                self.run_notices(shard),
                self.run_chains(shard),
                self.run_job_events(shard),
                self.run_sweeps(shard)
            )
        };
        // They are large.
        let follows = Box::pin(closed.run_until_cancelled(follows));
        tokio::join!(shard.run(closed), follows);
    }
}

/// The queues of a chain, each by its name.
fn name_queues(job: &mut NewJob, own: &str) {
    for next in job.chain.iter_mut().filter(|next| next.queue.is_empty()) {
        own.clone_into(&mut next.queue);
    }
}

/// Refuses none and too many.
fn count(field: &'static str, count: usize) -> Result<(), Refusal> {
    if count == 0 || count > JOBS_PER_REQUEST_MAX {
        return Err(Refusal::invalid(field, format_args!("are not between 1 and {JOBS_PER_REQUEST_MAX}")));
    }
    Ok(())
}
