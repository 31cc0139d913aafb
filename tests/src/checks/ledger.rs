//! A run, put in order for the checkers: what became of each message, who was where from when to when, what was read.
//! It judges nothing.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::record::{Done, Durability, Message, Position, Receiver, Room, Run, Seen, Stamped};

/// A run, indexed.
#[derive(Debug)]
pub struct Ledger<'a> {
    pub(super) run: &'a Run,
    pub(super) said: BTreeMap<&'a Message, Said<'a>>,
    pub(super) memberships: Vec<Membership<'a>>,
    /// Events and holes told to a receiver that was not a member.
    pub(super) strays: Vec<(&'a str, &'a Seen)>,
    pub(super) reads: Vec<Read<'a>>,
    pub(super) crashes: Vec<u64>,
    /// Senders of whom the first and the last messages may be lost in silence, in rooms without history.
    pub(super) cut: HashSet<&'a str>,
    /// What in the record itself cannot be.
    pub(super) errors: Vec<String>,
    places: HashMap<(&'a Room, &'a str, u64), &'a Message>,
    placed: HashSet<&'a Message>,
    delivered: HashSet<&'a Message>,
    said_in: HashMap<&'a Room, Vec<&'a Message>>,
    last_offsets: HashMap<(&'a Room, &'a str), u64>,
}

/// What became of a message.
#[derive(Debug)]
pub(super) struct Said<'a> {
    pub(super) room: &'a Room,
    /// When it was first said.
    pub(super) invoked: u64,
    times: usize,
    refusals: usize,
    pub(super) accepted: Vec<Acknowledgement<'a>>,
}

/// One acknowledgement of a message.
#[derive(Debug)]
pub(super) struct Acknowledgement<'a> {
    pub(super) at: u64,
    pub(super) position: Option<&'a Position>,
    pub(super) durability: Durability,
}

impl Said<'_> {
    /// Whether it is certain that nothing of it happened.
    pub(super) fn refused(&self) -> bool {
        self.accepted.is_empty() && self.refusals >= self.times
    }
}

/// How a membership ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End<'a> {
    /// Not before the end of the run.
    Open,
    /// By `Parted`.
    Parted,
    /// With the session.
    Ended,
    /// By another `Joined` in the same session, which says where the history is.
    Rejoined(Option<&'a Position>),
}

/// One uninterrupted membership, and what was seen in it.
#[derive(Debug)]
pub(super) struct Membership<'a> {
    pub(super) receiver: &'a str,
    pub(super) own: Option<&'a str>,
    pub(super) room: &'a Room,
    /// When `Joined` was seen.
    pub(super) from: u64,
    /// When its end was seen.
    pub(super) until: u64,
    pub(super) at: Option<&'a Position>,
    pub(super) recovers: Option<&'a Position>,
    pub(super) seen: Vec<&'a Seen>,
    pub(super) end: End<'a>,
}

impl<'a> Membership<'a> {
    fn over(&mut self, at: u64, end: End<'a>) {
        (self.until, self.end) = (at, end);
    }

    /// For a verdict: who and where.
    pub(super) fn place(&self) -> String {
        format!("{} in {}", self.receiver, self.room)
    }

    /// The events, with their positions.
    pub(super) fn events(&self) -> impl Iterator<Item = (Option<&'a Position>, &'a Message)> {
        self.seen.iter().filter_map(|seen| match seen {
            Seen::Event { position, message, .. } => Some((position.as_ref(), message)),
            _ => None,
        })
    }
}

/// One read of a whole history.
#[derive(Debug)]
pub(super) struct Read<'a> {
    /// Who read.
    pub(super) receiver: &'a str,
    pub(super) at: u64,
    pub(super) room: &'a Room,
    pub(super) epoch: &'a str,
    pub(super) first_offset: u64,
    pub(super) events: &'a [(u64, Message)],
}

impl Read<'_> {
    /// Whether the history says that it no longer keeps what stood at `position`.
    pub(super) fn has_let_go(&self, position: Option<&Position>) -> bool {
        position.is_some_and(|position| *position.epoch == *self.epoch && position.offset < self.first_offset)
    }
}

impl<'a> Ledger<'a> {
    /// Puts a run in order.
    pub fn of(run: &'a Run) -> Self {
        let mut ledger = Self {
            run,
            said: BTreeMap::new(),
            memberships: Vec::new(),
            strays: Vec::new(),
            reads: Vec::new(),
            crashes: Vec::new(),
            cut: HashSet::new(),
            errors: Vec::new(),
            places: HashMap::new(),
            placed: HashSet::new(),
            delivered: HashSet::new(),
            said_in: HashMap::new(),
            last_offsets: HashMap::new(),
        };
        run.done.iter().for_each(|done| ledger.take_done(done));
        for (name, receiver) in &run.receivers {
            ledger.take_receiver(name, receiver);
        }
        ledger.note_places();
        ledger.delivered =
            ledger.memberships.iter().flat_map(Membership::events).map(|(_, one)| one).collect();
        for (message, said) in &ledger.said {
            ledger.said_in.entry(said.room).or_default().push(message);
        }
        ledger
    }

    fn take_done(&mut self, Stamped { at, what }: &'a Stamped<Done>) {
        match what {
            Done::Invoked { room, message } => {
                let new = Said { room, invoked: *at, times: 0, refusals: 0, accepted: Vec::new() };
                let said = self.said.entry(message).or_insert(new);
                said.times += 1;
                if said.room != room {
                    self.errors.push(format!("{message} was said to {} and to {room}", said.room));
                }
            }
            Done::Accepted { message, position, durability } => match self.said.get_mut(message) {
                Some(said) => said.accepted.push(Acknowledgement {
                    at: *at,
                    position: position.as_ref(),
                    durability: *durability,
                }),
                None => self.errors.push(format!("{message} was acknowledged before it was said")),
            },
            Done::Refused { message } => match self.said.get_mut(message) {
                Some(said) => said.refusals += 1,
                None => self.errors.push(format!("{message} was refused before it was said")),
            },
            Done::Unknown { .. } => {}
            Done::Crashed => self.crashes.push(*at),
            Done::Cut { sender } => _ = self.cut.insert(sender),
        }
    }

    fn take_receiver(&mut self, name: &'a str, receiver: &'a Receiver) {
        let mut open: BTreeMap<&Room, usize> = BTreeMap::new();
        for Stamped { at, what } in &receiver.seen {
            match what {
                Seen::Joined { room, at: position, recovers } => {
                    if let Some(before) = open.insert(room, self.memberships.len()) {
                        self.memberships[before].over(*at, End::Rejoined(position.as_ref()));
                    }
                    self.memberships.push(Membership {
                        receiver: name,
                        own: receiver.own.as_deref(),
                        room,
                        from: *at,
                        until: u64::MAX,
                        at: position.as_ref(),
                        recovers: recovers.as_ref(),
                        seen: Vec::new(),
                        end: End::Open,
                    });
                }
                Seen::Event { room, .. } | Seen::Missed { room, .. } | Seen::Reset { room, .. } => {
                    match open.get(room) {
                        Some(index) => self.memberships[*index].seen.push(what),
                        None => self.strays.push((name, what)),
                    }
                }
                Seen::Parted { room } => {
                    if let Some(index) = open.remove(room) {
                        self.memberships[index].over(*at, End::Parted);
                    }
                }
                Seen::Ended => {
                    for (_, index) in std::mem::take(&mut open) {
                        self.memberships[index].over(*at, End::Ended);
                    }
                }
                Seen::HistoryRead { room, epoch, first_offset, events } => self.reads.push(Read {
                    receiver: name,
                    at: *at,
                    room,
                    epoch,
                    first_offset: *first_offset,
                    events,
                }),
            }
        }
    }

    /// What stands where, by all that was told; the first wins, `total_room_order` finds the others.
    fn note_places(&mut self) {
        let mut told: Vec<(&'a Room, &'a str, u64, &'a Message)> = Vec::new();
        for (message, said) in &self.said {
            let positions = said.accepted.iter().filter_map(|acknowledged| acknowledged.position);
            told.extend(positions.map(|at| (said.room, &*at.epoch, at.offset, *message)));
        }
        for receiver in self.run.receivers.values() {
            for Stamped { what, .. } in &receiver.seen {
                if let Seen::Event { room, position: Some(at), message } = what {
                    told.push((room, &at.epoch, at.offset, message));
                }
            }
        }
        for read in &self.reads {
            let events = read.events.iter();
            told.extend(events.map(|(offset, message)| (read.room, read.epoch, *offset, message)));
        }
        for (room, epoch, offset, message) in told {
            self.places.entry((room, epoch, offset)).or_insert(message);
            self.placed.insert(message);
            let last = self.last_offsets.entry((room, epoch)).or_default();
            *last = offset.max(*last);
        }
        self.reads.sort_by_key(|read| read.at);
    }

    /// The last offset of an epoch that anybody was told of.
    pub(super) fn last_offset(&self, room: &Room, epoch: &str) -> u64 {
        self.last_offsets.get(&(room, epoch)).copied().unwrap_or_default()
    }

    /// The last read of a room.
    pub(super) fn final_read(&self, room: &Room) -> Option<&Read<'a>> {
        self.reads.iter().rfind(|read| read.room == room)
    }

    /// Who said what stands at a place.
    pub(super) fn sender_at(&self, room: &Room, epoch: &str, offset: u64) -> Option<&str> {
        self.places.get(&(room, epoch, offset)).map(|message| &*message.sender)
    }

    /// Whether it is certain that the message was taken: it was acknowledged, or somebody has seen it.
    pub(super) fn happened(&self, message: &Message, said: &Said<'_>) -> bool {
        !said.accepted.is_empty() || self.delivered.contains(message)
    }

    /// Whether a member of the room was sent the message.
    pub(super) fn was_delivered(&self, message: &Message) -> bool {
        self.delivered.contains(message)
    }

    /// All that was said to a room.
    pub(super) fn said_in(&self, room: &Room) -> impl Iterator<Item = (&'a Message, &Said<'a>)> {
        let messages = self.said_in.get(room).into_iter().flatten();
        messages.filter_map(|message| Some((*message, self.said.get(message)?)))
    }

    /// How many messages of a sender may stand in the history of a room without anybody having been told where.
    pub(super) fn unplaced(&self, room: &Room, sender: &str) -> u64 {
        let unknown = self.said_in(room).filter(|(message, said)| {
            let own = *message.sender == *sender;
            own && said.accepted.is_empty() && !said.refused() && !self.placed.contains(message)
        });
        unknown.count() as u64
    }
}
