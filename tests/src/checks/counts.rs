//! Whether a run says anything: enough of it succeeded, and the record can be.

use super::{
    ledger::Ledger,
    record::{Done, Stamped},
    verdict::{Checker, Verdict},
};

/// A run with too few successes is inconclusive, and that is a failure; so is a record that contradicts itself.
pub fn enough_succeeded(ledger: &Ledger<'_>) -> Verdict {
    let mut found = ledger.errors.clone();
    let succeeded = ledger.said.values().filter(|said| !said.accepted.is_empty()).count() as u64;
    if succeeded < ledger.run.successes_min {
        let (said, min) = (ledger.said.len(), ledger.run.successes_min);
        found.push(format!(
            "inconclusive: {succeeded} of {said} messages were acknowledged, {min} are needed"
        ));
    }
    found.extend(stamps_that_do_not_rise("what was done", &ledger.run.done));
    for (name, receiver) in &ledger.run.receivers {
        found.extend(stamps_that_do_not_rise(name, &receiver.seen));
    }
    found.extend(unnumbered(ledger));
    Verdict::of(Checker::Conclusive, found)
}

fn stamps_that_do_not_rise<T>(whose: &str, records: &[Stamped<T>]) -> Option<String> {
    let pair = records.windows(2).find(|pair| pair[0].at >= pair[1].at)?;
    Some(format!("{whose}: the stamp {} is followed by {}", pair[0].at, pair[1].at))
}

/// Senders count from zero, without a hole: a checker could not tell a hole of theirs from one of the node's.
fn unnumbered(ledger: &Ledger<'_>) -> Vec<String> {
    let mut next = std::collections::BTreeMap::new();
    let mut found = Vec::new();
    for Stamped { what, .. } in &ledger.run.done {
        let Done::Invoked { message, .. } = what else { continue };
        let next = next.entry((&message.sender, &message.room)).or_insert(0);
        if message.n > *next {
            found.push(format!("{message} was said before number {next}"));
        }
        *next = (*next).max(message.n + 1);
    }
    found
}
