//! What a client makes of what it hears, and writes down for the checkers.

use rialto_proto::v1::{
    Accepted, AttachResponse, Durability as Wire, Event, Joined, Missed, Recovery, RefusalCode, Refused,
    RoomState, ServerFrame, StateChanges, StateSet, Then, Welcome, content, server_frame::Frame as Body,
    state_entry,
};

use super::{
    client::{Client, Greeting, Membership, Pending, Watched, What},
    notes::Notes,
};
use crate::checks::{Done, Durability, Hole, Message, Position, Seen};

/// The name of events that are volatile and that nobody counts.
pub(super) const NOISE: &str = "noise";

impl Client {
    /// Takes a message of its stream, in the order of its frames.
    pub(super) fn hear(&mut self, response: AttachResponse, notes: &mut Notes) {
        for (at, frame) in response.frames.into_iter().enumerate() {
            if response.first_seq > 0 {
                let seq = response.first_seq + at as u32;
                if !matches!(frame.frame, Some(Body::Welcome(_))) && seq != self.seq + 1 {
                    self.complain(format!("frame {seq} came after {}", self.seq));
                }
                self.seq = seq;
            }
            self.hear_frame(frame, notes);
        }
    }

    fn hear_frame(&mut self, frame: ServerFrame, notes: &mut Notes) {
        let reference = frame.r#ref;
        let Some(body) = frame.frame else { return self.complain("an empty frame") };
        match body {
            Body::Welcome(welcome) => self.welcomed(welcome, notes),
            Body::Joined(joined) => self.joined(reference, joined, notes),
            Body::Parted(parted) => {
                self.pending.remove(&reference);
                for room in parted.rooms {
                    let room = notes.room(&parted.namespace, &room);
                    self.members.remove(&room);
                    notes.seen(&self.name, Seen::Parted { room: notes.rooms[room].clone() });
                }
            }
            Body::Event(event) => self.event(event, notes),
            Body::Missed(missed) => self.missed(missed, notes),
            Body::Accepted(accepted) => self.accepted(reference, accepted, notes),
            Body::Refused(refused) => self.refused(reference, &refused, notes),
            Body::StateSet(set) => self.state_set(reference, &set, notes),
            Body::StateChanges(changes) => self.state_changes(changes, notes),
            Body::Close(close) => {
                if close.then() != Then::Resume {
                    self.lose_session(&notes.recorder);
                }
            }
            _ => {
                self.pending.remove(&reference);
            }
        }
    }

    fn welcomed(&mut self, welcome: Welcome, notes: &mut Notes) {
        let greeting = self.greeting.take();
        let site = self.stream.as_ref().map(|stream| stream.site);
        if welcome.resumed {
            self.at.extend(site);
            notes.counts.resumed += 1;
            if !matches!(greeting, Some(Greeting::Resume | Greeting::Afresh)) {
                self.complain("was resumed without asking");
            }
            // What was not taken is said again, and sometimes what was.
            for (reference, pending) in &self.pending {
                let once = !matches!(pending.what, What::Other);
                let again = *reference > welcome.last_ref || (once && notes.chance.one_in(4));
                if let (true, Some(stream)) = (again, &mut self.stream) {
                    stream.up.push_back(pending.frame.clone());
                }
            }
            return;
        }
        self.lose_session(&notes.recorder);
        self.asked = std::mem::take(&mut self.asked_greeting);
        self.begin(&notes.recorder);
        self.at.extend(site);
        self.seq = 1;
        self.proof = Some((welcome.session_id, welcome.session_secret));
    }

    fn joined(&mut self, reference: u32, joined: Joined, notes: &mut Notes) {
        self.pending.remove(&reference);
        for state in joined.rooms {
            let room = notes.room(&joined.namespace, &state.room);
            self.joined_room(reference, (room, state), notes);
        }
    }

    fn joined_room(&mut self, reference: u32, (room, state): (usize, RoomState), notes: &mut Notes) {
        let fresh = !self.members.contains_key(&room);
        let asked = self.asked.get(&(reference, room)).cloned().unwrap_or_default();
        let mut membership = self.members.remove(&room).unwrap_or_default();
        membership.epoch = state.offset.map(|_| state.epoch.clone());
        if asked.state {
            membership.state.get_or_insert_with(Watched::default);
        }
        self.members.insert(room, membership);
        let (at, recovers) = places(&state, fresh, asked.recover, asked.newest);
        if let Some(place) =
            recovers.clone().filter(|one| Some(&one.epoch) == at.as_ref().map(|at| &at.epoch))
        {
            self.places.insert(room, place);
        } else if let Some(at) = at.clone().filter(|_| fresh) {
            self.places.insert(room, at);
        }
        notes.seen(&self.name, Seen::Joined { room: notes.rooms[room].clone(), at, recovers });
    }

    /// The history of a room has begun.
    fn epoch(&mut self, room: usize, epoch: &str, notes: &mut Notes) {
        let Some(membership) = self.members.get_mut(&room) else { return };
        if membership.epoch.as_deref() == Some("") && !epoch.is_empty() {
            membership.epoch = Some(epoch.to_owned());
            let at = Position::new(epoch, 0);
            notes.seen(&self.name, Seen::Reset { room: notes.rooms[room].clone(), at });
        }
    }

    fn event(&mut self, event: Event, notes: &mut Notes) {
        let content = event.content.unwrap_or_default();
        if content.event == NOISE {
            return;
        }
        let Some(content::Body::Text(text)) = content.body else {
            return self.complain("an event without text");
        };
        let [name] = event.rooms.as_slice() else {
            return self.complain(format!("{text} is for many rooms"));
        };
        let room = notes.room(&event.namespace, name);
        let position = event.offset.map(|offset| Position::new(&event.epoch, offset));
        if let Some(position) = &position {
            self.epoch(room, &event.epoch, notes);
            self.places.insert(room, position.clone());
        }
        let message = Message::read(&text);
        notes.seen(&self.name, Seen::Event { room: notes.rooms[room].clone(), position, message });
    }

    fn missed(&mut self, missed: Missed, notes: &mut Notes) {
        if notes.several && missed.rooms.is_empty() {
            // Something that was for users or for everyone: nobody says such things here.
            return;
        }
        let [name] = missed.rooms.as_slice() else {
            return self.complain(format!("was told of something missing in {:?}", missed.rooms));
        };
        let room = notes.room(&missed.namespace, name);
        if notes.several && missed.from_offset.is_none() && notes.is_kept(room) {
            // What rooms do not keep is said to them as well, and may be missing.
            return;
        }
        let hole = match missed.from_offset {
            Some(from) => Hole::Range { epoch: missed.epoch.as_str().into(), from, to: missed.to_offset },
            None => Hole::Count(missed.count.into()),
        };
        let lost = self
            .asked
            .values()
            .any(|asked| asked.recover.as_ref().is_some_and(|place| *place.epoch == *missed.epoch));
        if !lost || missed.to_offset.is_some() {
            self.epoch(room, &missed.epoch, notes);
        }
        if let (Some(to), Some(place)) = (missed.to_offset, self.places.get_mut(&room))
            && *place.epoch == *missed.epoch
        {
            place.offset = place.offset.max(to);
        }
        notes.seen(&self.name, Seen::Missed { room: notes.rooms[room].clone(), hole });
    }

    fn accepted(&mut self, reference: u32, accepted: Accepted, notes: &mut Notes) {
        let said = format!("{} {:?} {}", accepted.event_id, accepted.offset, accepted.epoch);
        self.answered_alike(reference, &said);
        let Some(Pending { what: What::Emit { message, .. }, .. }) = self.pending.remove(&reference) else {
            return;
        };
        let durability = match accepted.durability() {
            Wire::Fsync => Durability::Fsync,
            Wire::Replicated => Durability::Replicated,
            _ => Durability::Memory,
        };
        let position = accepted.offset.map(|offset| Position::new(&accepted.epoch, offset));
        notes.counts.accepted += 1;
        notes.counts.duplicates += u64::from(accepted.duplicate);
        notes.recorder.done(Done::Accepted { message, position, durability });
    }

    /// A command that is answered twice is answered alike.
    fn answered_alike(&mut self, reference: u32, answer: &str) {
        match self.answers.get(&reference) {
            Some(known) if known != answer => {
                let what = format!("ref {reference} was answered by {known} and by {answer}");
                self.complain(what);
            }
            _ => {
                self.answers.insert(reference, answer.to_owned());
            }
        }
    }

    fn refused(&mut self, reference: u32, refused: &Refused, notes: &mut Notes) {
        self.answered_alike(reference, &format!("{:?}", refused.code()));
        notes.counts.refused += 1;
        let Some(Pending { what, .. }) = self.pending.remove(&reference) else {
            if refused.code() == RefusalCode::RefReused {
                self.complain(format!("ref {reference} was refused: {}", refused.reason));
            }
            return;
        };
        match (what, refused.code()) {
            (
                what @ What::Emit { .. },
                RefusalCode::StorageFailed | RefusalCode::RefReused | RefusalCode::NodesUnreachable,
            ) => {
                // Where there are several nodes what was said after it may have been taken.
                let what = if notes.several { what.not_again() } else { what };
                self.unknown(what, &notes.recorder);
            }
            (What::Emit { message, .. }, _) => notes.recorder.done(Done::Refused { message }),
            (What::Set { room, key, expected, .. }, RefusalCode::Conflict) => {
                let (now, room) = (refused.revision, &notes.rooms[room]);
                if expected.is_none() || now == expected {
                    self.complain(format!("{key} of {room} was in conflict at {now:?} with {expected:?}"));
                }
            }
            (What::Other, RefusalCode::NodesUnreachable) if notes.several => {}
            (What::Other, code) => self.complain(format!("was refused by {code:?}: {}", refused.reason)),
            (What::Set { .. }, _) => {}
        }
    }

    fn state_set(&mut self, reference: u32, set: &StateSet, notes: &mut Notes) {
        self.answered_alike(reference, &format!("{} {}", set.epoch, set.revision));
        let Some(Pending { what: What::Set { room, key, value, expected }, .. }) =
            self.pending.remove(&reference)
        else {
            return;
        };
        notes.counts.sets += 1;
        notes.trace.note(format_args!("{} set {key} of {room} at {}", self.name, set.revision));
        if let Err(breach) = notes.sets.take((room, key, set), value, expected) {
            self.complain(breach);
        }
    }

    fn state_changes(&mut self, changes: StateChanges, notes: &mut Notes) {
        let room = notes.room(&changes.namespace, &changes.room);
        let revisions: Vec<u64> = changes.entries.iter().map(|entry| entry.revision).collect();
        let (reset, name) = (changes.reset, &self.name);
        notes.trace.note(format_args!("{name} hears {revisions:?} of the state of {room}, anew: {reset}"));
        let known =
            self.members.get_mut(&room).and_then(|membership: &mut Membership| membership.state.as_mut());
        let Some(known) = known else {
            return self.complain(format!("was told of the state of {} and did not ask", changes.room));
        };
        let mut found = Vec::new();
        if changes.reset {
            known.entries.clear();
        } else if !known.epoch.is_empty() && known.epoch != changes.epoch {
            found.push(format!("the state of {} changed its epoch in silence", changes.room));
        }
        known.epoch = changes.epoch;
        known.complete = changes.complete;
        for entry in changes.entries {
            let before = known.entries.get(&entry.key).map_or(0, |(revision, _)| *revision);
            if entry.revision < before {
                found.push(format!(
                    "{} of {} fell from {before} to {}",
                    entry.key, changes.room, entry.revision
                ));
            }
            match entry.body {
                Some(state_entry::Body::Text(text)) => {
                    known.entries.insert(entry.key, (entry.revision, text));
                }
                _ => {
                    known.entries.remove(&entry.key);
                }
            }
        }
        found.into_iter().for_each(|breach| self.complain(breach));
    }
}

/// Where a room was joined, and the position after which everything is to come.
fn places(
    state: &RoomState,
    fresh: bool,
    recover: Option<Position>,
    newest: u64,
) -> (Option<Position>, Option<Position>) {
    let Some(last) = state.offset else { return (None, None) };
    let first = state.first_offset.unwrap_or(1);
    let at = Position::new(&state.epoch, last);
    let recover = recover.filter(|_| fresh);
    let same = |place: Position| Position { epoch: at.epoch.clone(), offset: place.offset };
    match state.recovery() {
        Recovery::Whole | Recovery::Partial if state.epoch.is_empty() => (Some(at), None),
        Recovery::Whole | Recovery::Partial => (Some(at.clone()), recover.map(same)),
        // All that there is in the new life comes.
        Recovery::Lost if state.epoch.is_empty() => (Some(at), recover),
        Recovery::Lost => (Some(Position::new(&state.epoch, first - 1)), recover),
        Recovery::Unspecified if fresh && newest > 0 && last >= first => {
            let from = (last + 1).saturating_sub(newest).max(first);
            (Some(at.clone()), Some(Position::new(&state.epoch, from - 1)))
        }
        Recovery::Unspecified => (Some(at), None),
    }
}
