//! Two orders: that of each sender, and that of the room.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{
    ledger::{Ledger, Membership},
    record::{Message, Position, Room},
    verdict::{Checker, Verdict},
};

/// For each receiver, room and sender: n strictly rises, once what came before is taken out. Where a member has joined
/// with a position it may be sent what is older than what it saw in an earlier membership, so it is counted afresh there.
/// A history that is read has the same order.
pub fn per_sender_order(ledger: &Ledger<'_>) -> Verdict {
    let mut found = Vec::new();
    let mut places: BTreeMap<(&str, &Room), Climb<'_>> = BTreeMap::new();
    for membership in &ledger.memberships {
        let climb = places.entry((membership.receiver, membership.room)).or_default();
        if membership.at.is_some() {
            *climb = Climb::default();
        }
        for (_, message) in membership.events() {
            if let Some(before) = climb.take(message) {
                found.push(format!("{} saw {message} after {before}", membership.place()));
            }
        }
    }
    for read in &ledger.reads {
        let mut climb = Climb::default();
        for (_, message) in read.events {
            if let Some(before) = climb.take(message) {
                let (who, room) = (read.receiver, read.room);
                found.push(format!("{who} read {message} after {before} in the history of {room}"));
            }
        }
    }
    Verdict::of(Checker::PerSenderOrder, found)
}

#[derive(Default)]
struct Climb<'a> {
    highest: HashMap<&'a str, &'a Message>,
    taken: HashSet<&'a Message>,
}

impl<'a> Climb<'a> {
    /// The message that should have come later, if there is one.
    fn take(&mut self, message: &'a Message) -> Option<&'a Message> {
        if !self.taken.insert(message) {
            return None;
        }
        let highest = self.highest.entry(&message.sender).or_insert(message);
        if message.n < highest.n {
            return Some(highest);
        }
        *highest = message;
        None
    }
}

/// The same epoch and offset is the same message, whoever was told of it and how; and each receiver's offsets rise.
pub fn total_room_order(ledger: &Ledger<'_>) -> Verdict {
    let mut found = Vec::new();
    let mut places = Places::default();
    for (message, said) in &ledger.said {
        for position in said.accepted.iter().filter_map(|acknowledged| acknowledged.position) {
            let at = (said.room, &*position.epoch, position.offset);
            found.extend(places.take(at, message, &message.sender));
        }
    }
    for read in &ledger.reads {
        for (offset, message) in read.events {
            found.extend(places.take((read.room, read.epoch, *offset), message, read.receiver));
        }
        found.extend(read.events.windows(2).filter(|pair| pair[0].0 >= pair[1].0).map(|pair| {
            let (before, after) = (pair[0].0, pair[1].0);
            format!("{} read offset {after} after {before} in {}", read.receiver, read.room)
        }));
    }
    for membership in &ledger.memberships {
        for (position, message) in membership.events() {
            if let Some(position) = position {
                let at = (membership.room, &*position.epoch, position.offset);
                found.extend(places.take(at, message, membership.receiver));
            }
        }
        found.extend(falls(membership));
    }
    Verdict::of(Checker::TotalRoomOrder, found)
}

type Place<'a> = (&'a Room, &'a str, u64);

#[derive(Default)]
struct Places<'a> {
    known: HashMap<Place<'a>, (&'a Message, &'a str)>,
}

impl<'a> Places<'a> {
    fn take(&mut self, place: Place<'a>, message: &'a Message, whose: &'a str) -> Option<String> {
        let (known, by) = self.known.entry(place).or_insert((message, whose));
        let (room, epoch, offset) = place;
        (*known != message)
            .then(|| format!("{room} {epoch}:{offset} is {known} for {by} and {message} for {whose}"))
    }
}

fn falls(membership: &Membership<'_>) -> Vec<String> {
    let mut last: Option<&Position> = None;
    let mut found = Vec::new();
    for position in membership.events().filter_map(|(position, _)| position) {
        if let Some(last) = last.filter(|last| last.epoch == position.epoch && last.offset >= position.offset)
        {
            found.push(format!("{} saw {position} after {last}", membership.place()));
        }
        last = Some(position);
    }
    found
}
