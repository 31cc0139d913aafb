//! What was acknowledged must be there: in the end, and after every crash.

use std::collections::{BTreeMap, HashSet};

use super::{
    ledger::{Acknowledgement, Ledger, Read},
    record::{Durability, Message, Room},
    verdict::{Checker, Verdict},
};

/// Every message that was acknowledged as durable is in the final read of its room's history. One that the history has
/// let go by its own bounds was delivered to somebody; so was every one of a room that was never read. What was
/// acknowledged as held in memory may go with a crash after it, and in rooms without history only members can miss it
/// (that is for `no_silent_gap`). Losses are told by sender: a prefix, the middle, a postfix.
pub fn nothing_acknowledged_is_lost(ledger: &Ledger<'_>) -> Verdict {
    let mut kept: BTreeMap<&Room, Option<(&Read<'_>, HashSet<&Message>)>> = BTreeMap::new();
    let mut senders: BTreeMap<(&Room, &str), Vec<(u64, bool)>> = BTreeMap::new();
    for (message, said) in &ledger.said {
        let owed = said.accepted.iter().find(|acknowledged| is_owed(ledger, acknowledged));
        let Some(owed) = owed else { continue };
        let kept = kept.entry(said.room).or_insert_with(|| {
            let read = ledger.final_read(said.room)?;
            Some((read, read.events.iter().map(|(_, message)| message).collect()))
        });
        let there = match kept {
            Some((read, kept)) => {
                kept.contains(message) || read.has_let_go(owed.position) && ledger.was_delivered(message)
            }
            None => ledger.was_delivered(message),
        };
        senders.entry((said.room, &message.sender)).or_default().push((message.n, there));
    }
    let found = senders.into_iter().filter_map(|((room, sender), all)| lost_of(room, sender, &all));
    Verdict::of(Checker::NothingLost, found)
}

/// Whether the message must still be there at the end of the run.
fn is_owed(ledger: &Ledger<'_>, acknowledged: &Acknowledgement<'_>) -> bool {
    let survived = !ledger.crashes.iter().any(|crash| *crash > acknowledged.at);
    acknowledged.durability >= Durability::Fsync || survived && acknowledged.position.is_some()
}

fn lost_of(room: &Room, sender: &str, all: &[(u64, bool)]) -> Option<String> {
    let lost = all.iter().filter(|(_, there)| !there).count();
    if lost == 0 {
        return None;
    }
    let prefix = all.iter().take_while(|(_, there)| !there).count();
    let postfix =
        if prefix == all.len() { 0 } else { all.iter().rev().take_while(|(_, there)| !there).count() };
    let parts = [
        ("prefix", &all[..prefix]),
        ("middle", &all[prefix..all.len() - postfix]),
        ("postfix", &all[all.len() - postfix..]),
    ];
    let mut text = format!("{room} has lost {lost} of {} acknowledged messages of {sender}", all.len());
    for (name, part) in parts {
        let numbers: Vec<u64> = part.iter().filter(|(_, there)| !there).map(|(n, _)| *n).collect();
        if !numbers.is_empty() {
            text += &format!("; {name} {numbers:?}");
        }
    }
    Some(text)
}

/// A message acknowledged as synced, or as replicated, is in every history of its room that is read after a later crash,
/// at its position. Without such a read nothing is known, and that is a failure. One acknowledged as held in memory may
/// be gone.
pub fn truth_of_acknowledgements(ledger: &Ledger<'_>) -> Verdict {
    let mut owed: BTreeMap<&Room, Vec<(&Message, &Acknowledgement<'_>)>> = BTreeMap::new();
    for (message, said) in &ledger.said {
        let durable = said.accepted.iter().filter(|one| one.durability >= Durability::Fsync);
        owed.entry(said.room).or_default().extend(durable.map(|one| (*message, one)));
    }
    let mut found = Vec::new();
    for (room, owed) in owed.into_iter().filter(|(_, owed)| !owed.is_empty()) {
        found.extend(untrue_in(ledger, room, &owed));
    }
    Verdict::of(Checker::TruthOfAcknowledgements, found)
}

fn untrue_in(ledger: &Ledger<'_>, room: &Room, owed: &[(&Message, &Acknowledgement<'_>)]) -> Vec<String> {
    let mut found = Vec::new();
    let first_owed = owed.iter().map(|(_, acknowledged)| acknowledged.at).min().unwrap_or_default();
    if let Some(crash) = ledger.crashes.iter().rfind(|crash| **crash > first_owed)
        && !ledger.reads.iter().any(|read| read.room == room && read.at > *crash)
    {
        found.push(format!("{room} was not read after the last crash: what survived is not known"));
    }
    for read in ledger.reads.iter().filter(|read| read.room == room) {
        let Some(crash) = ledger.crashes.iter().rfind(|crash| **crash < read.at) else { continue };
        let kept: BTreeMap<&Message, u64> =
            read.events.iter().map(|(offset, message)| (message, *offset)).collect();
        for (message, acknowledged) in owed.iter().filter(|(_, acknowledged)| acknowledged.at < *crash) {
            let position = acknowledged.position;
            let said = acknowledged.durability;
            match kept.get(message) {
                None if read.has_let_go(position) => {}
                None => {
                    found.push(format!("{message} was acknowledged as {said:?} and is gone after a crash"))
                }
                Some(offset) => found.extend(
                    position
                        .filter(|position| position.offset != *offset || *position.epoch != *read.epoch)
                        .map(|at| {
                            format!("{message} stood at {at} and is at {}:{offset} after a crash", read.epoch)
                        }),
                ),
            }
        }
    }
    found
}
