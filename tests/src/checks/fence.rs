//! What a membership begins and ends with.

use super::{
    ledger::{Ledger, Membership},
    record::{Hole, Seen},
    verdict::{Checker, Verdict},
};

/// Nothing of a room comes to a receiver that is no member, so nothing before `Joined` and nothing after `Parted`; and
/// nothing that is older than what the member joined at or asked to recover.
pub fn fence(ledger: &Ledger<'_>) -> Verdict {
    let mut found = Vec::new();
    for (receiver, seen) in &ledger.strays {
        found.push(match seen {
            Seen::Event { room, message, .. } => {
                format!("{receiver} saw {message} without being a member of {room}")
            }
            Seen::Missed { room, hole: Hole::Count(count) } => {
                format!("{receiver} was told that it missed {count} without being a member of {room}")
            }
            other => format!("{receiver} was told this without being a member: {other:?}"),
        });
    }
    found.extend(ledger.memberships.iter().flat_map(older_than_the_joining));
    Verdict::of(Checker::Fence, found)
}

fn older_than_the_joining(membership: &Membership<'_>) -> Vec<String> {
    let Some(at) = membership.at else { return Vec::new() };
    let recovers = membership.recovers.filter(|recovers| recovers.epoch == at.epoch);
    let after = recovers.unwrap_or(at);
    let older = membership.events().filter(|(position, _)| {
        position.is_some_and(|position| position.epoch == after.epoch && position.offset <= after.offset)
    });
    older
        .map(|(_, message)| format!("{} saw {message}, which is not after {after}", membership.place()))
        .collect()
}
