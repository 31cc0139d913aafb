//! Runs many seeds on all processors, and says what is wrong with which.

use std::{
    collections::BTreeSet,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use parking_lot::Mutex;

use super::{Counts, Outcome};

/// Breaches that are printed of a seed.
const PRINTED_MAX: usize = 6_000;
/// Seeds of which it is printed what is wrong.
const TOLD_MAX: usize = 5;

/// Runs a seed; with `true` all of its trace is kept.
pub type Run = fn(u64, bool) -> Outcome;

/// Those of `RIALTO_SIMULATION_SEEDS`, when that says which; otherwise those in `range`, and those in `kept`, one a line.
pub fn seeds(range: Range<u64>, kept: &str) -> Vec<u64> {
    let kept = kept.lines().filter(|line| !line.starts_with('#'));
    let kept = kept.map(|line| {
        let seed = line.split_whitespace().next().unwrap_or_default();
        seed.parse::<u64>().unwrap_or_else(|_| panic!("{line:?} does not begin with a seed"))
    });
    match std::env::var("RIALTO_SIMULATION_SEEDS") {
        Ok(range) => {
            let (from, to) = range.split_once("..").expect("a range as 0..200");
            (from.parse().expect("a seed")..to.parse().expect("a seed")).collect()
        }
        Err(_) => kept.chain(range).collect::<BTreeSet<u64>>().into_iter().collect(),
    }
}

/// What is wrong with a run of this seed.
fn failure(run: Run, (seed, whole_trace): (u64, bool), counts: &Mutex<Counts>) -> Option<String> {
    let Ok(outcome) = catch_unwind(AssertUnwindSafe(|| run(seed, whole_trace))) else {
        return Some("it panicked".to_owned());
    };
    counts.lock().add(&outcome.counts);
    outcome.wrong.map(|wrong| {
        let lines = if whole_trace { outcome.lines } else { String::new() };
        format!("{lines}{}", wrong.chars().take(PRINTED_MAX).collect::<String>())
    })
}

/// Runs these seeds, and returns what they have done together. Panics when one of them fails.
pub fn run_all(seeds: &[u64], run: Run) -> Counts {
    let (next, counts, failures) = (AtomicU64::new(0), Mutex::new(Counts::default()), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                    if let Some(failure) = failure(run, (*seed, seeds.len() == 1), &counts) {
                        failures.lock().push((*seed, failure));
                    }
                }
            });
        }
    });
    let (counts, mut failures) = (counts.into_inner(), failures.into_inner());
    failures.sort();
    println!("{} seeds: {counts:?}", seeds.len());
    let failed: Vec<u64> = failures.iter().map(|(seed, _)| *seed).collect();
    let told = failures.iter().take(TOLD_MAX).map(|(seed, what)| format!("seed {seed}:\n{what}\n"));
    assert!(
        failures.is_empty(),
        "{} of {} seeds fail: {failed:?}\n{}",
        failed.len(),
        seeds.len(),
        told.collect::<String>()
    );
    counts
}

/// Runs each of these seeds twice. Panics when the two are not the same.
pub fn run_twice(seeds: &[u64], run: Run) {
    for seed in seeds {
        let (first, second) = (run(*seed, false), run(*seed, false));
        assert_eq!(first.trace, second.trace, "seed {seed}: two runs differ");
    }
}
