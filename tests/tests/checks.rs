//! The checkers of recorded runs, tested by runs that are right, of which nothing may be said, and by mutants of them,
//! each of which the checker that is meant for it must catch.

#[path = "checks/editing.rs"]
mod editing;
#[path = "checks/model.rs"]
mod model;
#[path = "checks/mutants.rs"]
mod mutants;

use editing::Edit;
use mutants::MUTANTS;
use rand::{SeedableRng, rngs::StdRng};
use rialto_tests::checks::{Checker, Message, Run, check_all};

/// Runs that are looked at.
const SEEDS: u64 = 50;
/// Each mutant is made of so many of them.
const MUTATED: u64 = 20;

#[test]
fn nothing_is_said_of_runs_that_are_right() {
    for seed in 0..SEEDS {
        let verdict = check_all(&model::run(seed));
        assert!(verdict.holds(), "seed {seed}: {verdict}");
    }
}

#[test]
fn every_mutant_is_caught_by_the_checker_that_is_meant_for_it() {
    let runs: Vec<_> = (0..SEEDS).map(model::run).collect();
    let mut escaped = Vec::new();
    for (name, checker, make) in MUTANTS {
        let mut made = 0;
        for (seed, run) in runs.iter().enumerate() {
            if made == MUTATED {
                break;
            }
            let mut run = run.clone();
            let mut edit = Edit { run: &mut run, rng: StdRng::seed_from_u64(seed as u64) };
            edit.spread();
            if make(&mut edit).is_none() {
                continue;
            }
            made += 1;
            let verdict = check_all(&run);
            if !verdict.breaks(*checker) {
                escaped.push(format!("{name}, seed {seed}: {checker:?} did not see it; {verdict}"));
            }
        }
        if made < MUTATED {
            escaped.push(format!("{name}: only {made} of {SEEDS} runs can be mutated so"));
        }
    }
    assert!(escaped.is_empty(), "{} mutants escaped:\n{}", escaped.len(), escaped.join("\n"));
}

#[test]
fn every_checker_has_a_mutant() {
    use Checker::{
        Conclusive, ExactlyOnce, Fence, NoSilentGap, NothingLost, NothingUnsaid, PerSenderOrder, Separation,
        TotalRoomOrder, TruthOfAcknowledgements,
    };
    let all = [
        Conclusive,
        PerSenderOrder,
        ExactlyOnce,
        TotalRoomOrder,
        NoSilentGap,
        NothingLost,
        Fence,
        TruthOfAcknowledgements,
        Separation,
        NothingUnsaid,
    ];
    for checker in all {
        assert!(
            MUTANTS.iter().any(|(_, meant, _)| *meant == checker),
            "{checker:?} was never seen to catch anything"
        );
    }
}

#[test]
fn a_message_is_what_its_payload_says() {
    for message in [Message::new("ann", "lobby", 0), Message::new("ann", "a.b.7", 12)] {
        assert_eq!(Message::read(&message.to_string()), message);
    }
    for garbled in ["", "ann", "ann.lobby", "ann.lobby.x", "ann.lobby.-1", ".lobby.1"] {
        assert_eq!(&*Message::read(garbled).sender, "", "{garbled:?}");
    }
}

#[test]
fn a_run_in_which_nothing_happened_says_nothing_and_that_is_a_failure() {
    let run = Run { successes_min: 1, ..Run::default() };
    let verdict = check_all(&run);
    assert!(verdict.breaks(Checker::Conclusive) && verdict.to_string().contains("inconclusive"), "{verdict}");
}
