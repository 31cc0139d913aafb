//! The gaps of rooms without history: nothing says where a message stands, but senders number what they say, so what a
//! member has not seen can be counted, and compared with what it was told.

use std::collections::{BTreeMap, HashSet};

use super::super::{
    ledger::{End, Ledger, Membership},
    record::{Hole, Message, Seen},
};

/// Messages named in one breach.
const NAMED_MAX: usize = 8;

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
    let missing = missing(ledger, membership);
    let sure: Vec<_> = missing.iter().filter(|one| one.surely).map(|one| one.message).collect();
    if told < sure.len() as u64 && !vague {
        let names = sure.iter().take(NAMED_MAX).map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let (place, count) = (membership.place(), sure.len());
        found.push(format!("{place} was told of {told} missing messages, and at least {count} are: {names}"));
    }
    if told > 0 {
        let before = seen_before(ledger, membership);
        let newer =
            |one: &&Missing<'_>| before.get(&*one.message.sender).is_none_or(|last| one.message.n > *last);
        let possible = missing.iter().filter(newer).count() as u64;
        if told > possible {
            let place = membership.place();
            found.push(format!("{place} was told of {told} missing messages, and at most {possible} are"));
        }
    }
    found
}

struct Missing<'a> {
    message: &'a Message,
    surely: bool,
}

/// Messages that the member has not seen and may have missed, and those among them that it surely should have seen. What
/// was said after it saw `Joined` is surely for it, and what follows something that it has seen; up to the last of that
/// sender that it saw, and to the end if it stayed. Of a sender whose node was lost, what lies between two that it has seen.
fn missing<'a>(ledger: &Ledger<'a>, membership: &Membership<'_>) -> Vec<Missing<'a>> {
    let taken: HashSet<&Message> = membership.events().map(|(_, message)| message).collect();
    let mut spans: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for message in &taken {
        let span = spans.entry(&message.sender).or_insert((message.n, message.n));
        *span = (span.0.min(message.n), span.1.max(message.n));
    }
    let unseen = ledger.said_in(membership.room).filter(|(message, said)| {
        let of_others = membership.own != Some(&*message.sender);
        of_others && said.invoked < membership.until && !said.refused() && !taken.contains(message)
    });
    let judged = unseen.map(|(message, said)| {
        let span = spans.get(&*message.sender);
        let cut = ledger.cut.contains(&*message.sender);
        let begun =
            (said.invoked > membership.from && !cut) || span.is_some_and(|(first, _)| message.n > *first);
        let stayed = membership.end == End::Open && !cut;
        let lasted = stayed || span.is_some_and(|(_, last)| message.n < *last);
        Missing { message, surely: begun && lasted && ledger.happened(message, said) }
    });
    judged.collect()
}

/// The last that the receiver saw of each sender in earlier memberships: it cannot miss what is older.
fn seen_before<'a>(ledger: &Ledger<'a>, membership: &Membership<'_>) -> BTreeMap<&'a str, u64> {
    let earlier = ledger.memberships.iter().filter(|one| {
        one.receiver == membership.receiver && one.room == membership.room && one.from < membership.from
    });
    let mut last = BTreeMap::new();
    for (_, message) in earlier.flat_map(Membership::events) {
        let n = last.entry(&*message.sender).or_insert(message.n);
        *n = message.n.max(*n);
    }
    last
}
