//! Whole runs of two to four nodes in one thread, decided by a seed: messages between them that are late, twice or lost with their
//! connection, nodes that die, and clients that go from node to node. A seed that has failed once is kept in
//! `tests/data/simulation-cluster-seeds.txt`.
//!
//! `RIALTO_SIMULATION_SEEDS=1000..3000` runs others; of a single seed the whole trace is printed when it fails.

use std::time::Duration;

use rialto_tests::simulation::{
    Loss, Outcome, fail_over,
    many::{run_all, run_twice, seeds},
    run_jobs, run_several,
};

/// Seeds that have failed once.
const KEPT: &str = include_str!("../data/simulation-cluster-seeds.txt");

fn simulate(seed: u64, whole_trace: bool) -> Outcome {
    runtime().block_on(run_several(seed, whole_trace))
}

fn simulate_jobs(seed: u64, whole_trace: bool) -> Outcome {
    runtime().block_on(run_jobs(seed, whole_trace))
}

fn runtime() -> tokio::runtime::Runtime {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime")
}

#[test]
fn every_promise_holds_whatever_a_seed_does_to_several_nodes() {
    let seeds = seeds(0..200, KEPT);
    let counts = run_all(&seeds, simulate);
    // A single seed may do without some of it.
    if seeds.len() >= 100 {
        let each = [counts.moves, counts.resumed, counts.partitions, counts.crashes, counts.take_overs];
        assert!(each.iter().all(|count| *count >= seeds.len() as u64), "too little has happened: {counts:?}");
    }
}

#[test]
fn every_job_is_done_and_none_after_it_was_done_whatever_a_seed_does_to_several_nodes() {
    let seeds = seeds(0..40, "");
    let counts = run_all(&seeds, simulate_jobs);
    if seeds.len() >= 40 {
        // Who does not keep a queue any more has tried to write, and was not let.
        let fenced = counts.fenced * 2;
        let each = [counts.jobs_done / 50, counts.leases_lost, counts.partitions, counts.crashes, fenced];
        assert!(each.iter().all(|count| *count >= seeds.len() as u64), "too little has happened: {counts:?}");
    }
}

#[test]
fn a_queue_takes_jobs_again_within_five_seconds_when_a_node_dies_or_is_cut_off() {
    for loss in [Loss::Dies, Loss::CutOff] {
        let waits = (0..40).flat_map(|seed| runtime().block_on(fail_over(seed, loss)));
        let waits: Vec<Duration> = waits.collect();
        // Of some queues it was the owner that was lost.
        let taken_over = waits.iter().filter(|wait| **wait > Duration::from_secs(1)).count();
        println!("{loss:?}: {taken_over} queues were taken over, within at most {:?}", waits.iter().max());
        assert!(taken_over >= 20, "{loss:?}: {taken_over} of {} queues were taken over", waits.len());
        assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(5)), "{loss:?}: {waits:?}");
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    run_twice(&[3, 10, 11, 58, 144], simulate);
    run_twice(&[1, 2], simulate_jobs);
}
