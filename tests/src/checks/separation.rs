//! What must not come at all: what was said elsewhere, and what was never said.

use super::{
    ledger::Ledger,
    record::{Message, Room, Seen},
    verdict::{Checker, Verdict},
};

/// Nothing crosses from one namespace into another, nor from one room into another, by whatever way it is seen.
pub fn separation(ledger: &Ledger<'_>) -> Verdict {
    let crossed = |who: &str, room: &Room, message: &Message| {
        let home = ledger.said.get(message)?.room;
        if home.namespace != room.namespace {
            return Some(format!("{who} saw {message} of the namespace {} in {room}", home.namespace));
        }
        (home != room).then(|| format!("{who} saw {message} of {home} in {room}"))
    };
    Verdict::of(Checker::Separation, everything_seen(ledger, crossed))
}

/// Nothing comes that nobody has said, and nothing that was refused.
pub fn nothing_unsaid(ledger: &Ledger<'_>) -> Verdict {
    let unsaid = |who: &str, room: &Room, message: &Message| match ledger.said.get(message) {
        None => Some(format!("{who} saw {message} in {room}, and nobody has said it")),
        Some(said) if said.refused() => Some(format!("{who} saw {message} in {room}, and it was refused")),
        Some(_) => None,
    };
    Verdict::of(Checker::NothingUnsaid, everything_seen(ledger, unsaid))
}

fn everything_seen(
    ledger: &Ledger<'_>,
    judge: impl Fn(&str, &Room, &Message) -> Option<String>,
) -> Vec<String> {
    let mut found = Vec::new();
    for (name, receiver) in &ledger.run.receivers {
        for stamped in &receiver.seen {
            match &stamped.what {
                Seen::Event { room, message, .. } => found.extend(judge(name, room, message)),
                Seen::HistoryRead { room, events, .. } => {
                    found.extend(events.iter().filter_map(|(_, message)| judge(name, room, message)));
                }
                _ => {}
            }
        }
    }
    found
}
