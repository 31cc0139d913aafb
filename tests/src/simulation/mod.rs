//! The seeded simulation: one node, its clients and an adversary in one thread, with time that stands still unless it is
//! moved. Sessions, hub, router, histories and log are the real ones; sockets are not there, and the disk is one that
//! forgets, tears and fails. The same seed is the same run. `tests/simulation.rs` runs many.

mod chance;
mod client;
mod ending;
mod hearing;
mod node;
mod notes;
mod saying;
mod scene;
mod stream;
mod trace;
mod world;

use rialto_server::base::clock;

pub use notes::Counts;
use world::World;

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
    let mut world = World::new(seed, whole_trace);
    world.trouble().await;
    let (verdict, complaints) = world.end().await;
    if let Some(node) = world.node.take() {
        node.die().await;
    }
    clock::simulated::end();
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
