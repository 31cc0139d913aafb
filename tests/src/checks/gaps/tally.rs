//! The gaps of rooms without history: nothing says where a message stands, but senders number what they say, so what a
//! member has not seen can be counted, and compared with what it was told.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{
    ledger::{End, Ledger, Membership, Said},
    record::{Hole, Message, Seen},
};

/// What a member was told is at least what it surely should have seen, and at most what it can have missed.
pub(super) fn uncounted(ledger: &Ledger<'_>, membership: &Membership<'_>) -> Vec<String> {
    let mut found = Vec::new();
    let (mut told, mut vague) = (0, false);
    for seen in &membership.seen {
        match seen {
            Seen::Missed { hole: Hole::Count(0), .. } => vague = true,
            Seen::Missed { hole: Hole::Count(count), .. } => told += count,
            Seen::Missed { hole: Hole::Range { .. }, .. } | Seen::Reset { .. } => {
                found.push(format!("{} was told of offsets, and there is no history", membership.place()));
            }
            _ => {}
        }
    }
    let (sure, possible) = missing(ledger, membership);
    if told < sure.len() as u64 && !vague {
        let names = sure.iter().take(8).map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let (place, count) = (membership.place(), sure.len());
        found.push(format!("{place} was told of {told} missing messages, and at least {count} are: {names}"));
    }
    if told > possible {
        let place = membership.place();
        found.push(format!("{place} was told of {told} missing messages, and at most {possible} are"));
    }
    found
}

/// Messages that the member should surely have seen, and how many it can have missed at most. What was said after it saw
/// `Joined` is surely for it, and what follows something that it has seen; up to the last of that sender that it saw, and
/// to the end if it stayed.
fn missing<'a>(ledger: &Ledger<'a>, membership: &Membership<'_>) -> (Vec<&'a Message>, u64) {
    let taken: BTreeSet<&Message> = membership.events().map(|(_, message)| message).collect();
    let mut spans: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for message in &taken {
        let span = spans.entry(&message.sender).or_insert((message.n, message.n));
        *span = (span.0.min(message.n), span.1.max(message.n));
    }
    let (mut sure, mut possible) = (Vec::new(), 0);
    let here = ledger.said.iter().filter(|(message, said)| {
        said.room == membership.room && membership.own != Some(&*message.sender) && !taken.contains(*message)
    });
    for (message, said) in here.filter(|(_, said)| !said.refused()) {
        possible += 1;
        let span = spans.get(&*message.sender);
        if !said.accepted.is_empty()
            && begun(membership, said, message, span)
            && not_over(membership, message, span)
        {
            sure.push(*message);
        }
    }
    (sure, possible)
}

fn begun(membership: &Membership<'_>, said: &Said<'_>, message: &Message, span: Option<&(u64, u64)>) -> bool {
    said.invoked > membership.from || span.is_some_and(|(first, _)| message.n > *first)
}

fn not_over(membership: &Membership<'_>, message: &Message, span: Option<&(u64, u64)>) -> bool {
    membership.end == End::Open || span.is_some_and(|(_, last)| message.n < *last)
}
