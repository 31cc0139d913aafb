//! The checkers of recorded runs, tested by runs that are right, of which nothing may be said, and by mutants of them,
//! each of which the checker that is meant for it must catch.

#[path = "checks/model.rs"]
mod model;

use rialto_tests::checks::check_all;

/// Runs that are looked at.
const SEEDS: u64 = 50;

#[test]
fn nothing_is_said_of_runs_that_are_right() {
    for seed in 0..SEEDS {
        let verdict = check_all(&model::run(seed));
        assert!(verdict.holds(), "seed {seed}: {verdict}");
    }
}
