//! The checkers: they take the recorded history of a run, as plain data, and say what of it Rialto has promised not to
//! happen. They know no connection and no message of the protocol; tests that let nodes run and fail call them at the
//! end, through [`check_all`]. They are tested themselves by runs that are right and by mutants of them.
//!
//! Every test message is `<sender>.<room>.<n>`, n = 0, 1, 2… per sender and room. An outcome that is unknown may appear
//! once or never. A run with too few successes says nothing, and is a failure.

mod counts;
mod fence;
mod gaps;
mod ledger;
mod loss;
mod once;
mod order;
mod record;
mod recorder;
mod separation;
mod verdict;

pub use counts::enough_succeeded;
pub use fence::fence;
pub use gaps::no_silent_gap;
pub use ledger::Ledger;
pub use loss::{nothing_acknowledged_is_lost, truth_of_acknowledgements};
pub use once::exactly_once;
pub use order::{per_sender_order, total_room_order};
pub use record::{Done, Durability, Hole, Message, Position, Receiver, Room, Run, Seen, Stamped};
pub use recorder::Recorder;
pub use separation::{nothing_unsaid, separation};
pub use verdict::{Breach, Checker, Verdict};

/// Judges a run by every checker.
pub fn check_all(run: &Run) -> Verdict {
    let ledger = Ledger::of(run);
    let checkers = [
        enough_succeeded,
        per_sender_order,
        exactly_once,
        total_room_order,
        no_silent_gap,
        nothing_acknowledged_is_lost,
        fence,
        truth_of_acknowledgements,
        separation,
        nothing_unsaid,
    ];
    checkers.iter().map(|check| check(&ledger)).fold(Verdict::default(), Verdict::and)
}
