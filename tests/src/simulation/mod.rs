//! The seeded simulation: one node or several, their clients and an adversary in one thread, with time that stands still unless
//! it is moved. Sessions, hub, router, histories and log are the real ones; sockets are not there, and the disk is one that
//! forgets, tears and fails. Several nodes have bridges, owners and sessions that move as real ones do, over a network, a
//! register and logs in memory. The same seed is the same run. `tests/simulation.rs` and `tests/simulation_cluster.rs` run many.

mod chance;
mod client;
mod cluster;
mod ending;
mod fail_over;
mod fault;
mod hearing;
mod labour;
mod ledger;
pub mod many;
mod node;
mod notes;
mod saying;
mod scene;
mod site;
mod stream;
mod trace;
mod work_off;
mod world;

pub use fail_over::{Loss, fail_over};
pub use notes::Counts;
use world::{Kind, World};

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// Stands for everything that happened.
    pub trace: u64,
    /// How much did.
    pub counts: Counts,
    /// What is wrong, if anything is.
    pub wrong: Option<String>,
    /// The last of what happened.
    pub lines: String,
}

/// Runs a seed on this thread, whose runtime has one thread and paused time.
pub async fn run(seed: u64, whole_trace: bool) -> Outcome {
    run_world(World::new(seed, Kind::Alone, whole_trace)).await
}

/// The same with several nodes and a network between them.
pub async fn run_several(seed: u64, whole_trace: bool) -> Outcome {
    run_world(World::new(seed, Kind::Several, whole_trace)).await
}

/// The same with jobs, and few clients.
pub async fn run_jobs(seed: u64, whole_trace: bool) -> Outcome {
    run_world(World::new(seed, Kind::Jobs, whole_trace)).await
}

async fn run_world(mut world: World) -> Outcome {
    world.trouble().await;
    let (verdict, complaints) = world.end().await;
    world.close().await;
    let mut wrong: Vec<String> = complaints;
    if !verdict.holds() {
        wrong.push(verdict.to_string());
    }
    Outcome {
        trace: world.notes.trace.hash(),
        counts: world.notes.counts,
        wrong: (!wrong.is_empty()).then(|| wrong.join("\n")),
        lines: world.notes.trace.lines(),
    }
}
