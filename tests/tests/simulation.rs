//! Whole runs of a node in one thread, decided by a seed: faults of disk, power, streams and time, and clients that go on
//! afterwards. A seed that has failed once is kept in `tests/data/simulation-seeds.txt`.
//!
//! `RIALTO_SIMULATION_SEEDS=1000..3000` runs others; of a single seed the whole trace is printed when it fails.

use rialto_tests::simulation::{
    Outcome,
    many::{run_all, run_twice, seeds},
    run,
};

/// Seeds that have failed once.
const KEPT: &str = include_str!("../data/simulation-seeds.txt");

fn simulate(seed: u64, whole_trace: bool) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(run(seed, whole_trace))
}

#[test]
fn every_promise_holds_whatever_a_seed_does_to_a_node() {
    run_all(&seeds(0..200, KEPT), simulate);
}

#[test]
fn the_same_seed_is_the_same_run() {
    run_twice(&[3, 17, 58, 101, 144], simulate);
}
