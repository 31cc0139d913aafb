//! How long a queue takes no jobs when one of several nodes is lost.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use rialto_proto::v1::RefusalCode;
use rialto_server::{auth::Identity, base::clock, router::Router};
use tokio::time::sleep;

use super::{
    labour::{QUEUES, enqueue_request},
    ledger::JobName,
    site::Site,
    world::{Kind, World},
};

/// The pause before it is looked again whether all nodes serve.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Longer than a run.
const NEVER: Duration = Duration::from_secs(24 * 3600);

/// How a node is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// It dies.
    Dies,
    /// It reaches nobody, and neither it nor anybody else is told.
    CutOff,
}

/// Loses one of some nodes, and says of each queue how long the others have taken no job for it. Needs a runtime of one thread whose
/// time is paused.
pub async fn fail_over(seed: u64, loss: Loss) -> Vec<Duration> {
    let mut world = World::new(seed, Kind::Jobs, false);
    for at in 0..world.sites.len() {
        world.start(at).await;
    }
    while world.notes.sites.len() < world.sites.len() {
        sleep(LOOK_EVERY).await;
        (0..world.sites.len()).for_each(|at| world.begin_to_serve(at));
    }
    join_all(QUEUES.map(|queue| put_in(&world.sites[0], queue, "before"))).await;
    let lost = world.notes.chance.below(world.sites.len() as u64) as usize;
    match (loss, &world.cluster, &world.sites[lost].node) {
        (Loss::CutOff, Some(cluster), Some(node)) => cluster.network.part(node.link, NEVER),
        _ => world.crash(lost, false).await,
    }
    let other = &world.sites[(lost + 1) % world.sites.len()];
    let began = clock::now();
    let waits = QUEUES.map(async |queue| {
        put_in(other, queue, "after").await;
        clock::now() - began
    });
    let waits = join_all(waits).await;
    world.close().await;
    waits
}

/// Asks until the job is taken.
async fn put_in(site: &Site, queue: &'static str, id: &str) {
    let router: Arc<Router> = site.router().cloned().expect("it runs");
    let request = enqueue_request(queue, &[JobName { queue, id: id.to_owned() }]);
    while let Err(refusal) = router.call_queue(&Identity::open(None), request.clone()).await {
        assert_eq!(refusal.code, RefusalCode::NodesUnreachable, "{refusal}");
    }
}
