//! Whole runs of a node in one thread, decided by a seed: faults of disk, power, streams and time, and clients that go on
//! afterwards. A seed that has failed once is kept in `tests/data/simulation-seeds.txt`.
//!
//! `RIALTO_SIMULATION_SEEDS=1000..3000` runs others; of a single seed the whole trace is printed when it fails.

use std::{
    collections::BTreeSet,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use parking_lot::Mutex;
use rialto_tests::simulation::{Counts, Outcome, run};

/// Seeds that are run when nothing else is said.
const SEEDS: Range<u64> = 0..200;
/// Seeds that have failed once.
const KEPT: &str = include_str!("../data/simulation-seeds.txt");
/// Breaches that are printed of a seed.
const PRINTED_MAX: usize = 6_000;

fn simulate(seed: u64, whole_trace: bool) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(run(seed, whole_trace))
}

/// What is wrong with a run of this seed.
fn failure(seed: u64, whole_trace: bool, counts: &Mutex<Counts>) -> Option<String> {
    let Ok(outcome) = catch_unwind(AssertUnwindSafe(|| simulate(seed, whole_trace))) else {
        return Some("it panicked".to_owned());
    };
    counts.lock().add(&outcome.counts);
    outcome.wrong.map(|wrong| {
        let lines = if whole_trace { outcome.lines } else { String::new() };
        format!("{lines}{}", wrong.chars().take(PRINTED_MAX).collect::<String>())
    })
}

fn seeds() -> Vec<u64> {
    let kept = KEPT.lines().filter(|line| !line.starts_with('#'));
    let kept = kept.map(|line| {
        let seed = line.split_whitespace().next().unwrap_or_default();
        seed.parse::<u64>().unwrap_or_else(|_| panic!("{line:?} does not begin with a seed"))
    });
    match std::env::var("RIALTO_SIMULATION_SEEDS") {
        Ok(range) => {
            let (from, to) = range.split_once("..").expect("a range as 0..200");
            (from.parse().expect("a seed")..to.parse().expect("a seed")).collect()
        }
        Err(_) => kept.chain(SEEDS).collect::<BTreeSet<u64>>().into_iter().collect(),
    }
}

#[test]
fn every_promise_holds_whatever_a_seed_does_to_a_node() {
    let seeds = seeds();
    let (next, counts, failures) = (AtomicU64::new(0), Mutex::new(Counts::default()), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                    if let Some(failure) = failure(*seed, seeds.len() == 1, &counts) {
                        failures.lock().push((*seed, failure));
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner();
    failures.sort();
    println!("{} seeds: {:?}", seeds.len(), counts.into_inner());
    let failed: Vec<u64> = failures.iter().map(|(seed, _)| *seed).collect();
    let told: String =
        failures.iter().take(5).map(|(seed, what)| format!("seed {seed}:\n{what}\n")).collect();
    assert!(failures.is_empty(), "{} of {} seeds fail: {failed:?}\n{told}", failed.len(), seeds.len());
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in [3, 17, 58, 101, 144] {
        let (first, second) = (simulate(seed, false), simulate(seed, false));
        assert_eq!(first.trace, second.trace, "seed {seed}: two runs differ");
    }
}
