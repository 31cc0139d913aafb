//! A session that goes from one node to another, because its client has. The old node takes nothing more from the client and
//! goes on gathering what is for it; the new one begins to gather as well; then the old one hands over everything that the
//! session is, and what has come to both is passed over once. Pure but for the locks of the session.

use std::collections::{HashMap, HashSet, VecDeque};

use bytes::Bytes;
use rialto_proto::v1::{Event, Presence, ServerFrame, server_frame::Frame as Body};

use super::{
    Session, Turn,
    answers::Answers,
    missed::Dropped,
    outbox::{Lost, Outbox},
    owed::{Owed, Stretch},
    queue::{Entry, Queue},
    replay::Replay,
};
use crate::{
    base::{clock::Instant, ids::NodeId},
    wire::{Class, Frame},
};

/// Where a session is on its way between nodes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Stage {
    /// It is here.
    #[default]
    Here,
    /// It comes from another node, and gathers what is said here.
    Arriving,
    /// Another node has asked for it, under this number, then.
    Leaving(u64, Instant),
    /// It is with another node.
    Gone(NodeId),
}

/// Something that waits for the client.
#[derive(Debug, Clone)]
pub enum Waits {
    /// A frame, or several that travel together.
    Frame(Frame),
    /// Something to be read.
    Owed(Owed),
}

/// What a session takes along.
#[derive(Debug, Default)]
pub struct Luggage {
    /// The last command that was taken.
    pub last_ref: u32,
    /// The last frame that was pushed.
    pub pushed_seq: u32,
    /// Commands that must not be carried out twice.
    pub answers: Answers,
    /// What was sent and not confirmed.
    pub replay: Replay,
    /// What waits, in order.
    pub waits: Vec<Waits>,
    /// How many of those, at the end, may have come to the new node as well.
    pub fresh: usize,
    /// Events that did not fit, by id, and may have come to the new node as well: they are told as missed.
    pub dropped: Vec<String>,
}

/// Up to which offset the client was told what rooms keep, in which life, by namespace and room.
pub type Reached = HashMap<(String, String), (String, u64)>;

impl Session {
    /// Where it is on its way.
    pub fn stage(&self) -> Stage {
        *self.stage.lock()
    }

    /// The same session as one that comes from another node, which told its client this secret. `None` when that is none.
    pub fn arriving(mut self, secret: &str) -> Option<Self> {
        self.secret = super::read_secret(secret)?;
        *self.stage.get_mut() = Stage::Arriving;
        self.outbox.gather();
        Some(self)
    }

    /// Takes nothing more from its client, which has seen the frames up to `seq` if that is known: another node has asked for it,
    /// under `number`.
    pub fn leave(&self, seq: Option<u32>, number: u64, now: Instant) -> Result<(), Lost> {
        // A push that is on its way is waited for.
        let _pushed = self.pushed_seq.lock();
        let mut turn = self.turn.lock();
        if matches!(self.stage(), Stage::Arriving | Stage::Gone(_)) {
            return Err(Lost::Ended);
        }
        self.outbox.leave(seq)?;
        *turn = Turn { stream: self.outbox.stream(), cut: None };
        *self.stage.lock() = Stage::Leaving(number, now);
        Ok(())
    }

    /// It is with another node from now on. False when it was not asked for under `number`, or not any more.
    pub fn go(&self, number: u64, to: NodeId) -> bool {
        // Not while another stream takes it up.
        let _turn = self.turn.lock();
        let mut stage = self.stage.lock();
        let leaves = matches!(*stage, Stage::Leaving(asked, _) if asked == number);
        if leaves {
            *stage = Stage::Gone(to);
        }
        leaves
    }

    /// It has gone on from there.
    pub fn gone_to(&self, node: NodeId) {
        *self.stage.lock() = Stage::Gone(node);
    }

    /// Everything that it takes along. `None` when it is closed. Nothing is put in its outbox from then on.
    pub fn pack(&self) -> Option<Luggage> {
        let (replay, waits, fresh, dropped) = self.outbox.pack()?;
        let last_ref = self.progress.lock().last_ref;
        let pushed_seq = *self.pushed_seq.lock();
        let answers = std::mem::take(&mut *self.answers.lock());
        Some(Luggage { last_ref, pushed_seq, answers, replay, waits, fresh, dropped })
    }

    /// It is here, with what it has taken along; `then` is put behind that, and what was gathered here behind all. Returns under
    /// which tokens it was asked here what it had been asked before. False when it is closed.
    pub fn unpack(&self, luggage: Luggage, reached: &Reached, then: Vec<Owed>) -> Option<Vec<String>> {
        let Luggage { last_ref, pushed_seq, answers, replay, waits, fresh, dropped } = luggage;
        let mut asked_twice = Vec::new();
        let unpacked = self.outbox.unpack(replay, |gathered, missed| {
            let mut known = Known::of(waits.iter().rev().take(fresh), reached);
            let mut all = waits;
            all.extend(then.into_iter().map(Waits::Owed));
            known.owed.extend(all.iter().filter_map(state_room));
            known.find_overtaken(&gathered, missed);
            known.told.extend(dropped.into_iter().map(Told::Event));
            all.extend(gathered.into_iter().flat_map(|waits| known.without(waits, &mut asked_twice)));
            missed.retain(|event| !known.has(event));
            all
        });
        self.progress.lock().last_ref = last_ref;
        *self.pushed_seq.lock() = pushed_seq;
        *self.answers.lock() = answers;
        *self.stage.lock() = Stage::Here;
        unpacked.then_some(asked_twice)
    }
}

impl Outbox {
    /// Takes in as much as one that waits for its client to come back.
    fn gather(&self) {
        let mut state = self.state.lock();
        state.catching_up = true;
        state.queue.dropped = Dropped::Held(Vec::new());
    }

    /// The stream that reads ends, and the client goes on after `seq` elsewhere.
    fn leave(&self, seq: Option<u32>) -> Result<(), Lost> {
        let waker = {
            let mut state = self.state.lock();
            if state.closed.is_some() {
                return Err(Lost::Ended);
            }
            if let Some(seq) = seq {
                state.replay.after(seq)?;
                state.replay.seen(seq);
            }
            state.queue.fresh = 0;
            state.queue.dropped = Dropped::Named(Vec::new());
            state.stream += 1;
            (state.follows, state.attached) = (state.attached, false);
            (state.preface, state.again, state.cut) = (None, None, None);
            state.waker.take()
        };
        super::outbox::wake(waker);
        Ok(())
    }

    fn pack(&self) -> Option<(Replay, Vec<Waits>, usize, Vec<String>)> {
        let mut state = self.state.lock();
        if state.closed.is_some() {
            return None;
        }
        state.closed = Some(rialto_proto::v1::CloseCode::SessionLost);
        let dropped = match std::mem::take(&mut state.queue.dropped) {
            Dropped::Named(ids) => ids,
            Dropped::Told | Dropped::Held(_) => Vec::new(),
        };
        let (waits, fresh) = state.queue.take_all();
        Some((std::mem::take(&mut state.replay), waits, fresh, dropped))
    }

    fn unpack(&self, replay: Replay, join: impl FnOnce(Vec<Waits>, &mut Vec<Event>) -> Vec<Waits>) -> bool {
        let mut state = self.state.lock();
        let mut missed = match std::mem::take(&mut state.queue.dropped) {
            Dropped::Held(events) => events,
            Dropped::Told | Dropped::Named(_) => Vec::new(),
        };
        let (gathered, _) = state.queue.take_all();
        if state.closed.is_some() {
            return false;
        }
        state.replay = replay;
        state.queue.restore(join(gathered, &mut missed));
        missed.into_iter().for_each(|event| state.queue.misses.add(event));
        true
    }
}

impl Queue {
    /// Takes out all that waits, and how much of it, at the end, was put in since it was marked, at least.
    fn take_all(&mut self) -> (Vec<Waits>, usize) {
        self.note_missed();
        let mut all = Vec::with_capacity(self.entries.len());
        for entry in std::mem::take(&mut self.entries) {
            match entry {
                Entry::Frame(frame) => all.push(Waits::Frame(frame)),
                Entry::Owed(owed) => all.push(Waits::Owed(*owed)),
                Entry::Gap(mut misses) => {
                    let missed = self.gaps.close(&mut misses).into_iter();
                    all.extend(missed.map(|missed| Waits::Frame(Frame::missed(missed))));
                }
            }
        }
        let fresh = self.fresh.min(all.len());
        let losses = self.losses;
        self.clear();
        self.losses = losses;
        (all, fresh)
    }

    /// Puts in what has waited with another node, whatever the bounds: it kept to them there.
    fn restore(&mut self, waits: Vec<Waits>) {
        for waits in waits {
            match waits {
                Waits::Frame(frame) => self.append(frame),
                Waits::Owed(owed) => self.owe(owed),
            }
        }
    }
}

/// What a frame tells, so that the same is known when it comes again.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Told {
    /// An event, by its id.
    Event(String),
    /// Who came to a room and who went, whatever they were counted to be.
    Came(String, String, Vec<String>, Vec<String>),
    /// Anything else, as it is.
    Same(Bytes),
}

/// What the client has been told, or will be.
struct Known<'a> {
    told: HashSet<Told>,
    reached: &'a Reached,
    /// Rooms whose state will be read, and with it what has changed by then.
    owed: HashSet<(String, String)>,
    /// Events that the old node has not heard though it has told what their senders said later: it is too late for them.
    overtaken: HashSet<String>,
}

impl<'a> Known<'a> {
    fn of<'w>(waits: impl Iterator<Item = &'w Waits>, reached: &'a Reached) -> Self {
        let frames =
            waits.filter_map(|waits| if let Waits::Frame(frame) = waits { Some(frame) } else { None });
        let told = frames.flat_map(|frame| frame.each()).filter_map(|(one, said)| told(&one, said)).collect();
        Self { told, reached, owed: HashSet::new(), overtaken: HashSet::new() }
    }

    /// Finds what was gathered and is overtaken, and notes it as missed. What rooms keep has an order of its own.
    fn find_overtaken(&mut self, gathered: &[Waits], missed: &mut Vec<Event>) {
        let sender = |event: &Event| event.sender.as_ref().map(|sender| sender.session.clone());
        let is_told = |event: &Event| self.told.contains(&Told::Event(event.event_id.clone()));
        // What did not fit came last.
        let mut told_later: HashSet<_> =
            missed.iter().filter(|event| is_told(event)).filter_map(sender).collect();
        let frames = gathered
            .iter()
            .rev()
            .filter_map(|waits| if let Waits::Frame(frame) = waits { Some(frame) } else { None });
        let mut overtaken = Vec::new();
        for (frame, said) in frames.flat_map(|frame| frame.each().into_iter().rev()) {
            let Some(Body::Event(event)) = said.frame else { continue };
            let Some(session) = sender(&event).filter(|session| !session.is_empty()) else { continue };
            if is_told(&event) {
                told_later.insert(session);
            } else if told_later.contains(&session) && event.offset.is_none() && event.positions.is_empty() {
                overtaken.push((frame.class(), event));
            }
        }
        self.overtaken = overtaken.iter().map(|(_, event)| event.event_id.clone()).collect();
        let counted = overtaken.into_iter().rev().filter(|(class, _)| *class == Class::Reliable);
        missed.extend(counted.map(|(_, event)| event));
    }

    /// Something that was gathered, without what is known. Questions among that are noted by their tokens.
    fn without(&self, waits: Waits, asked: &mut Vec<String>) -> Vec<Waits> {
        match waits {
            Waits::Owed(Owed::Events(stretch)) => {
                self.rest(stretch).map(|rest| Waits::Owed(Owed::Events(rest))).into_iter().collect()
            }
            Waits::Owed(state) => vec![Waits::Owed(state)],
            Waits::Frame(frame) => {
                let mut fresh = Vec::new();
                for (one, said) in frame.each() {
                    let token = token(&said);
                    if self.knows(&one, said) {
                        asked.extend(token);
                    } else {
                        fresh.push(one);
                    }
                }
                // What is gathered is of one kind, and none of it depends on what is left out.
                if fresh.is_empty() { Vec::new() } else { vec![Waits::Frame(Frame::gathered(&fresh))] }
            }
        }
    }

    fn knows(&self, frame: &Frame, said: ServerFrame) -> bool {
        if let Some(Body::Event(event)) = &said.frame
            && (self.is_reached(event) || self.overtaken.contains(&event.event_id))
        {
            return true;
        }
        if let Some(Body::StateChanges(changes)) = &said.frame
            && self.owed.contains(&(changes.namespace.clone(), changes.room.clone()))
        {
            return true;
        }
        told(frame, said).is_some_and(|told| self.told.contains(&told))
    }

    /// Whether an event has come, or was told as missed.
    fn has(&self, event: &Event) -> bool {
        self.is_reached(event) || self.told.contains(&Told::Event(event.event_id.clone()))
    }

    /// Whether an event is kept where the client has come to already.
    fn is_reached(&self, event: &Event) -> bool {
        let reached = |room: &str, epoch: &str, offset: u64| {
            let reached = self.reached.get(&(event.namespace.clone(), room.to_owned()));
            reached.is_some_and(|(life, last)| life == epoch && offset <= *last)
        };
        match (event.offset, event.rooms.first()) {
            (Some(offset), Some(room)) => reached(room, &event.epoch, offset),
            _ => event.positions.iter().any(|at| reached(&at.room, &at.epoch, at.offset)),
        }
    }

    /// What of a stretch is not known.
    fn rest(&self, mut stretch: Stretch) -> Option<Stretch> {
        let reached = self.reached.get(&(stretch.namespace.to_string(), stretch.room.to_string()));
        if let Some((_, last)) = reached.filter(|(life, _)| *life == stretch.epoch) {
            stretch.from = stretch.from.max(last + 1);
        }
        (stretch.from <= stretch.to).then_some(stretch)
    }
}

/// The room whose state is owed.
fn state_room(waits: &Waits) -> Option<(String, String)> {
    match waits {
        Waits::Owed(Owed::State(after)) => Some((after.namespace.to_string(), after.room.to_string())),
        _ => None,
    }
}

/// What tells a frame from others; `None` when it may be told twice: numbers of members, and answers.
fn told(frame: &Frame, said: ServerFrame) -> Option<Told> {
    match said.frame? {
        Body::Event(event) => Some(Told::Event(event.event_id)),
        Body::Presence(Presence { namespace, room, joined, left, .. }) => {
            let joined =
                joined.into_iter().map(|member| member.who.unwrap_or_default().session).collect::<Vec<_>>();
            let left = left.into_iter().map(|who| who.session).collect::<Vec<_>>();
            (!joined.is_empty() || !left.is_empty()).then_some(Told::Came(namespace, room, joined, left))
        }
        _ if said.r#ref != 0 => None,
        _ => Some(Told::Same(frame.record().clone())),
    }
}

fn token(said: &ServerFrame) -> Option<String> {
    match &said.frame {
        Some(Body::Event(event)) if !event.reply_token.is_empty() => Some(event.reply_token.clone()),
        _ => None,
    }
}

impl Replay {
    /// Everything that is held: records, how many frames each has, and when it was sent.
    pub fn parts(&self) -> impl Iterator<Item = (&Bytes, u32, Instant)> {
        self.sent.iter().map(|sent| (&sent.record, sent.count, sent.at))
    }

    /// The same as another node has held it, up to `last_seq`.
    pub fn of_parts(last_seq: u32, parts: Vec<(Bytes, u32, Instant)>) -> Self {
        let mut replay = Self { last_seq, sent: VecDeque::with_capacity(parts.len()), ..Self::default() };
        for (record, count, at) in parts {
            replay.frames = replay.frames.saturating_add(count);
            replay.bytes = replay.bytes.saturating_add(super::replay::size(&record));
            replay.sent.push_back(super::replay::Sent { record, count, at });
        }
        replay
    }
}

#[cfg(test)]
#[path = "moving_tests.rs"]
mod tests;
