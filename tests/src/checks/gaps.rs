//! Nothing is missing in silence, and nothing is told as missing that is not. In rooms with history that is a matter of
//! offsets, followed here; in rooms without, of numbers, counted in `tally`.

mod tally;

use super::{
    ledger::{End, Ledger, Membership, Read},
    record::{Hole, Position, Room, Seen},
    verdict::{Checker, Verdict},
};

/// What a member sees is contiguous from where it joined, or from where it asked to recover, to the end; where something
/// is missing, `Missed` stands in its place and covers exactly the hole. In rooms without history, what a member does not
/// see is as much as it is told. A member's own messages, which it does not hear, are no hole. A history that is read has
/// no hole either.
pub fn no_silent_gap(ledger: &Ledger<'_>) -> Verdict {
    let mut found = Vec::new();
    for membership in &ledger.memberships {
        match membership.at {
            Some(at) => found.extend(Walk::through(ledger, membership, at)),
            None => found.extend(tally::uncounted(ledger, membership)),
        }
    }
    found.extend(ledger.reads.iter().flat_map(holes_in_a_history));
    Verdict::of(Checker::NoSilentGap, found)
}

fn holes_in_a_history(read: &Read<'_>) -> Vec<String> {
    let mut expected = read.first_offset;
    let mut found = Vec::new();
    for (offset, _) in read.events {
        if *offset > expected {
            let (who, room, epoch, last) = (read.receiver, read.room, read.epoch, offset - 1);
            found.push(format!("{who} read the history of {room} without {epoch}:{expected} to {last}"));
        }
        expected = expected.max(offset + 1);
    }
    found
}

/// One member's way along the offsets.
struct Walk<'l> {
    ledger: &'l Ledger<'l>,
    membership: &'l Membership<'l>,
    epoch: &'l str,
    /// The offset that must come next.
    expected: u64,
    /// Up to here an open hole goes: where the member joined.
    joined_at: u64,
    /// The position in a lost epoch after which everything is missing, until the member is told.
    owed: Option<&'l Position>,
    /// Own messages that may stand anywhere.
    unplaced: u64,
    /// What was told as missing, in this epoch.
    told: Vec<(u64, u64)>,
    found: Vec<String>,
}

impl<'l> Walk<'l> {
    fn through(ledger: &'l Ledger<'l>, membership: &'l Membership<'l>, at: &'l Position) -> Vec<String> {
        let (after, owed) = match membership.recovers {
            Some(recovers) if recovers.epoch == at.epoch => (recovers.offset, None),
            recovers => (at.offset, recovers),
        };
        let mut walk = Self {
            ledger,
            membership,
            epoch: &at.epoch,
            expected: after + 1,
            joined_at: at.offset,
            owed,
            unplaced: membership.own.map_or(0, |own| ledger.unplaced(membership.room, own)),
            told: Vec::new(),
            found: Vec::new(),
        };
        for seen in &membership.seen {
            match seen {
                Seen::Event { position: Some(position), .. } => walk.event(position),
                Seen::Event { message, .. } => walk.breach(format!("saw {message} without a position")),
                Seen::Missed { hole: Hole::Range { epoch, from, to }, .. } => walk.missed(epoch, *from, *to),
                Seen::Missed { hole: Hole::Count(count), .. } => {
                    walk.breach(format!("was told that {count} are missing, and not which"));
                }
                Seen::Reset { at, .. } => walk.reset(at),
                _ => {}
            }
        }
        walk.end();
        walk.found
    }

    fn breach(&mut self, what: String) {
        self.found.push(format!("{} {what}", self.membership.place()));
    }

    fn settle_owed(&mut self) {
        if let Some(owed) = self.owed.take() {
            self.breach(format!("was not told that all after {owed} is missing"));
        }
    }

    fn event(&mut self, position: &Position) {
        self.settle_owed();
        if *position.epoch != *self.epoch {
            return self.breach(format!("saw {position} while the epoch was {}", self.epoch));
        }
        let offset = position.offset;
        if self.told.iter().any(|(from, to)| (from..=to).contains(&&offset)) {
            return self.breach(format!("saw {position}, which was told as missing"));
        }
        self.expect(offset);
        self.expected = self.expected.max(offset + 1);
    }

    fn missed(&mut self, epoch: &str, from: u64, to: Option<u64>) {
        if epoch != self.epoch {
            return match self.owed.take() {
                Some(owed) if *owed.epoch == *epoch && from == owed.offset + 1 => {}
                owed => self.breach(format!("was told that {epoch}:{from} is missing, expected {owed:?}")),
            };
        }
        let to = to.unwrap_or(self.joined_at);
        if from < self.expected || to < from {
            let expected = self.expected;
            return self
                .breach(format!("was told that {from} to {to} are missing, and {expected} comes next"));
        }
        self.expect(from);
        self.told.push((from, to));
        self.expected = self.expected.max(to + 1);
    }

    /// Everything before `offset` has come, or is the member's own.
    fn expect(&mut self, offset: u64) {
        self.pass_own(offset);
        if self.expected < offset {
            let (epoch, from, to) = (self.epoch, self.expected, offset - 1);
            self.breach(format!("was not told that {epoch}:{from} to {to} are missing"));
        }
    }

    /// A place that nobody knows anything of may be that of an own message whose outcome is unknown.
    fn pass_own(&mut self, before: u64) {
        let (room, epoch): (&Room, &str) = (self.membership.room, self.epoch);
        let Some(own) = self.membership.own else { return };
        while self.expected < before {
            match self.ledger.sender_at(room, epoch, self.expected) {
                Some(sender) if sender == own => {}
                None if self.unplaced > 0 => self.unplaced -= 1,
                _ => return,
            }
            self.expected += 1;
        }
    }

    fn reset(&mut self, at: &'l Position) {
        self.settle_owed();
        (self.epoch, self.expected, self.joined_at) = (&at.epoch, at.offset + 1, at.offset);
        self.told.clear();
    }

    fn end(&mut self) {
        let last = match self.membership.end {
            End::Open => Some(self.ledger.last_offset(self.membership.room, self.epoch)),
            End::Rejoined(Some(at)) if *at.epoch == *self.epoch => Some(at.offset),
            End::Parted => return self.settle_owed(),
            _ => None,
        };
        let Some(last) = last else { return };
        self.settle_owed();
        self.expect(last + 1);
        let read = self.ledger.final_read(self.membership.room).filter(|read| read.epoch == self.epoch);
        if let Some((from, to)) = self.told.last().copied()
            && read.is_some()
            && to > last
        {
            self.breach(format!("was told that {from} to {to} are missing, and {last} is the last"));
        }
    }
}
