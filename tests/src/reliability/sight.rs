//! What one client sees of rooms, written down: memberships, events, holes, and the position up to which it has seen
//! everything, which it comes back with when its session is lost.

use std::{collections::BTreeMap, sync::Arc};

use rialto_proto::v1::{Event, Joined, Missed, RoomPosition, content::Body};

use crate::checks::{Hole, Message, Position, Recorder, Room, Seen};

/// A client's view of its rooms.
#[derive(Debug)]
pub(super) struct Sight {
    who: String,
    recorder: Recorder,
    rooms: Vec<Known>,
    senders: BTreeMap<String, Arc<str>>,
    /// The last number of each sender in each room.
    heard: BTreeMap<(Room, Arc<str>), u64>,
}

#[derive(Debug)]
struct Known {
    room: Room,
    /// None before it was joined, and in rooms without history.
    position: Option<Position>,
}

impl Sight {
    pub(super) fn new(who: &str, recorder: Recorder, rooms: &[Room]) -> Self {
        let rooms = rooms.iter().map(|room| Known { room: room.clone(), position: None }).collect();
        Self { who: who.to_owned(), recorder, rooms, senders: BTreeMap::new(), heard: BTreeMap::new() }
    }

    /// The namespaces, and in each of them the rooms and the positions to recover from.
    pub(super) fn places(&self) -> BTreeMap<String, (Vec<String>, Vec<RoomPosition>)> {
        let mut places: BTreeMap<String, (Vec<String>, Vec<RoomPosition>)> = BTreeMap::new();
        for Known { room, position } in &self.rooms {
            let (names, recover) = places.entry(room.namespace.to_string()).or_default();
            names.push(room.name.to_string());
            recover.extend(position.as_ref().map(|position| RoomPosition {
                room: room.name.to_string(),
                epoch: position.epoch.to_string(),
                offset: position.offset,
            }));
        }
        places
    }

    fn index(&self, namespace: &str, room: &str) -> usize {
        let asked = |known: &Known| *known.room.name == *room && *known.room.namespace == *namespace;
        let index = self.rooms.iter().position(asked);
        index
            .unwrap_or_else(|| panic!("{} heard of {namespace}/{room}, which it has not asked for", self.who))
    }

    fn known(&mut self, namespace: &str, room: &str) -> &mut Known {
        let index = self.index(namespace, room);
        &mut self.rooms[index]
    }

    fn write(&self, seen: Seen) {
        self.recorder.seen(&self.who, seen);
    }

    /// The session is lost.
    pub(super) fn ended(&self) {
        self.write(Seen::Ended);
    }

    pub(super) fn joined(&mut self, joined: Joined) {
        for state in joined.rooms {
            let known = self.known(&joined.namespace, &state.room);
            let mut at = state.offset.map(|offset| Position::new(&state.epoch, offset));
            let mut recovers = known.position.take();
            // Before its first event a history has no epoch; then it begins with 1.
            if let (Some(recovers), Some(at)) = (&mut recovers, &at)
                && recovers.epoch.is_empty()
            {
                recovers.epoch = at.epoch.clone();
            }
            // Where the history has begun again, what comes is all of the new one.
            let begins_again = |before: &Position| at.as_ref().is_none_or(|at| at.epoch != before.epoch);
            if recovers.as_ref().is_some_and(begins_again) {
                let first = state.first_offset.unwrap_or(1);
                at = at.map(|at| Position { offset: first.saturating_sub(1), ..at });
                known.position = at.clone();
                let room = known.room.clone();
                self.write(Seen::Joined { room, at, recovers });
                continue;
            }
            // What was before is on its way, and counts when it has come.
            known.position = recovers.clone().or_else(|| at.clone());
            let room = known.room.clone();
            self.write(Seen::Joined { room, at, recovers });
        }
    }

    pub(super) fn event(&mut self, event: &Event) {
        let [room] = event.rooms.as_slice() else { panic!("{}: {event:?} is not for one room", self.who) };
        let Some(Body::Text(text)) = event.content.as_ref().and_then(|content| content.body.as_ref()) else {
            panic!("{}: {event:?} says no text", self.who)
        };
        let known = self.index(&event.namespace, room);
        let Known { room, position } = &mut self.rooms[known];
        let room = room.clone();
        let mut begins = None;
        if let Some(offset) = event.offset {
            let new = match position.take() {
                Some(before) if *before.epoch == *event.epoch => Position { offset, ..before },
                before => {
                    if before.is_some_and(|before| before.epoch.is_empty()) {
                        begins = Some(Position::new(&event.epoch, 0));
                    }
                    Position::new(&event.epoch, offset)
                }
            };
            *position = Some(new);
        }
        let position = event.offset.and(position.clone());
        let message = self.message(&room, text);
        if let Some(at) = begins {
            self.write(Seen::Reset { room: room.clone(), at });
        }
        self.heard.insert((room.clone(), message.sender.clone()), message.n);
        self.write(Seen::Event { room, position, message });
    }

    /// The number of the last message of a sender that was seen in a room.
    pub(super) fn heard(&self, room: &Room, sender: &str) -> Option<u64> {
        self.heard.get(&(room.clone(), sender.into())).copied()
    }

    /// The message that a text is, without new strings for each.
    fn message(&mut self, room: &Room, text: &str) -> Message {
        let parts = text.rsplit_once('.').and_then(|(rest, n)| {
            let (sender, said_in) = rest.split_once('.')?;
            (*said_in == *room.name).then_some((sender, n.parse().ok()?))
        });
        let Some((sender, n)) = parts else { return Message::read(text) };
        let sender = match self.senders.get(sender) {
            Some(known) => Arc::clone(known),
            None => Arc::clone(self.senders.entry(sender.to_owned()).or_insert(sender.into())),
        };
        Message { sender, room: Arc::clone(&room.name), n }
    }

    pub(super) fn missed(&mut self, missed: &Missed) {
        if missed.rooms.is_empty() && missed.count == 0 {
            // Of what is not said to rooms something may be missing: nobody here says such things.
            return;
        }
        let [room] = missed.rooms.as_slice() else { panic!("{}: {missed:?} is not of one room", self.who) };
        let Known { room, position } = self.known(&missed.namespace, room);
        let room = room.clone();
        let hole = match missed.from_offset {
            None => Hole::Count(missed.count.into()),
            Some(from) => {
                let epoch: Arc<str> = missed.epoch.as_str().into();
                if let Some(position) = position.as_mut().filter(|position| position.epoch == epoch) {
                    position.offset = missed.to_offset.unwrap_or(position.offset);
                }
                Hole::Range { epoch, from, to: missed.to_offset }
            }
        };
        self.write(Seen::Missed { room, hole });
    }
}
