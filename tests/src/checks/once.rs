//! Nothing comes twice, neither at a receiver nor in a history.

use std::collections::{HashMap, HashSet};

use super::{
    ledger::Ledger,
    record::{Message, Position, Room},
    verdict::{Checker, Verdict},
};

/// No receiver sees a message twice within one uninterrupted membership, resumed as often as it likes; and no message
/// stands at two places of one history. That holds for unknown outcomes too.
pub fn exactly_once(ledger: &Ledger<'_>) -> Verdict {
    let mut found = Vec::new();
    for membership in &ledger.memberships {
        let mut taken = HashSet::new();
        let twice = membership.events().filter(|(_, message)| !taken.insert(*message));
        found.extend(twice.map(|(_, message)| format!("{} saw {message} twice", membership.place())));
    }
    found.extend(two_places(ledger));
    Verdict::of(Checker::ExactlyOnce, found)
}

fn two_places(ledger: &Ledger<'_>) -> Vec<String> {
    let mut known: HashMap<(&Room, &str, &Message), u64> = HashMap::new();
    let mut found = Vec::new();
    let mut take = |room, epoch, offset: u64, message| {
        let before = *known.entry((room, epoch, message)).or_insert(offset);
        if before != offset {
            found.push(format!("{message} stands at {epoch}:{before} and at {epoch}:{offset} of {room}"));
        }
    };
    for read in &ledger.reads {
        read.events.iter().for_each(|(offset, message)| take(read.room, read.epoch, *offset, message));
    }
    for membership in &ledger.memberships {
        for (position, message) in membership.events() {
            if let Some(Position { epoch, offset }) = position {
                take(membership.room, epoch, *offset, message);
            }
        }
    }
    for (message, said) in &ledger.said {
        for Position { epoch, offset } in
            said.accepted.iter().filter_map(|acknowledged| acknowledged.position)
        {
            take(said.room, epoch, *offset, message);
        }
    }
    found.sort();
    found.dedup();
    found
}
