//! What outlives a stream: where the session wants to be, what it has heard, what it has said without an answer. Says
//! how the next stream is greeted, and what becomes of everything when the session goes on, and when it was lost. Used
//! by `actor.rs` between streams and by `conversation.rs` on them.

use std::{collections::VecDeque, time::Duration};

use parking_lot::MutexGuard;
use rialto_proto::v1::{self, ClientFrame, client_frame::Command as Wire};
use tokio::time::Instant;

use crate::{
    audience::Parked,
    backlog::is_volatile,
    delta::Deltas,
    error::{Error, span},
    event::Reached,
    link::{Awaiting, Command},
    membership::Membership,
    outstanding::Outstanding,
    pace::Pace,
    positions::Positions,
    step::{Ending, gives_up},
    whereabouts::Whereabouts,
};

/// Joins that one greeting may carry.
const JOINS_PER_HELLO: usize = 16;
/// Frames that one message may carry.
pub(crate) const FRAMES_PER_MESSAGE: usize = 256;
/// Bytes that one message gathers, unless a single frame has more: servers bound their messages.
pub(crate) const BYTES_PER_MESSAGE: usize = 64 << 10;

/// What outlives a stream.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// Where the session is and wants to be, and how far each room was handed over.
    whereabouts: Whereabouts,
    /// Payloads that others build on.
    pub(crate) deltas: Deltas,
    /// Numbered commands without an answer.
    pub(crate) outstanding: Outstanding,
    /// What goes out next.
    pub(crate) outgoing: VecDeque<Outgoing>,
    /// How fast emits may leave.
    pace: Pace,
    /// Joins of the greeting that were not answered yet, in order.
    pub(crate) greeted: VecDeque<v1::Join>,
    /// Joins that the server asked to try later.
    pub(crate) later: Vec<(Instant, Wire)>,
    /// What listeners had no room for.
    pub(crate) parked: Parked,
    /// Number of the last frame that was handed on.
    pub(crate) handed: u32,
    session: Option<Held>,
}

/// A session that may be taken up again.
#[derive(Debug)]
struct Held {
    id: String,
    secret: String,
    resume_window: Duration,
}

/// Something that goes out.
#[derive(Debug)]
pub(crate) enum Outgoing {
    /// The command with this number.
    Numbered(u32),
    /// A command whose answer nobody waits for.
    Plain(Box<Wire>),
}

/// How a stream is greeted.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Greeting {
    /// The session to go on with.
    pub(crate) resume: Option<v1::Resume>,
    /// What is joined if it cannot.
    pub(crate) joins: Vec<v1::Join>,
}

impl Kept {
    /// What outlives the streams of a session whose handles look at this.
    pub(crate) fn at(whereabouts: Whereabouts) -> Self {
        Self { whereabouts, ..Self::default() }
    }

    /// How an event reaches the session that there is now.
    pub(crate) fn reached(&self, event: &v1::Event) -> Reached {
        Reached { past: self.positions().is_past(event), session: self.whereabouts.session() }
    }

    /// Where the session wants to be.
    pub(crate) fn membership(&self) -> MutexGuard<'_, Membership> {
        self.whereabouts.membership.lock()
    }

    /// How far each room was handed over.
    pub(crate) fn positions(&self) -> MutexGuard<'_, Positions> {
        self.whereabouts.positions.lock()
    }

    /// The session is another one: it is nowhere until its joins are answered.
    pub(crate) fn afresh(&self) {
        self.whereabouts.next_session();
        let gone = self.membership().afresh();
        for (namespace, room) in gone {
            self.positions().parted(&namespace, &[room]);
        }
    }

    /// How to greet on the next stream.
    pub(crate) fn greeting(&self) -> Greeting {
        let held = self.session.as_ref().filter(|_| self.resumes());
        let resume = held.map(|held| v1::Resume {
            session_id: held.id.clone(),
            session_secret: held.secret.clone(),
            seq: self.handed,
            afresh: true,
        });
        let mut joins = self.membership().joins(&self.positions());
        joins.truncate(JOINS_PER_HELLO);
        Greeting { resume, joins }
    }

    /// Holds when there is a session to go on with.
    pub(crate) fn resumes(&self) -> bool {
        self.session.as_ref().is_some_and(|held| !held.resume_window.is_zero())
    }

    /// Id of the session that is held, or was last.
    pub(crate) fn session(&self) -> Option<&str> {
        self.session.as_ref().map(|held| held.id.as_str())
    }

    /// A stream has begun: everything that was under way is put in its place.
    pub(crate) fn welcomed(&mut self, welcome: &v1::Welcome, joins: Vec<v1::Join>, now: Instant) {
        self.pace.begin(&welcome.limits.unwrap_or_default(), welcome.resumed, now);
        if welcome.resumed {
            let unsent = std::mem::take(&mut self.outgoing);
            let lost = self.outstanding.lost_after(welcome.last_ref);
            self.outgoing.extend(lost.into_iter().map(Outgoing::Numbered));
            self.outgoing.extend(unsent);
        } else {
            self.restart(joins, now);
        }
        let held = Held {
            id: welcome.session_id.clone(),
            secret: welcome.session_secret.clone(),
            resume_window: span(welcome.resume_window.as_ref()),
        };
        if let Some(before) = self.session.replace(held).filter(|_| !welcome.resumed) {
            self.positions().ended(before.id);
        }
    }

    /// Everything of the session before is lost but what this side remembers.
    fn restart(&mut self, joins: Vec<v1::Join>, now: Instant) {
        self.afresh();
        self.handed = 0;
        self.later.clear();
        self.deltas.forget();
        let unsent = std::mem::take(&mut self.outgoing);
        let mut sent = self.outstanding.restart();
        let mut others: Vec<Wire> = self.membership().enters().collect();
        let beyond = self.membership().joins(&self.positions()).into_iter().skip(joins.len());
        others.extend(beyond.map(Wire::Join));
        self.greeted = joins.into();
        for wire in others {
            self.send(Command { wire, awaiting: Awaiting::Rejoin });
        }
        // What had not left was said after everything that had.
        let first_unsent = unsent.iter().find_map(Outgoing::number).unwrap_or(u32::MAX);
        let mut not_sent = sent.split_off(&first_unsent);
        for entry in sent.into_values() {
            let number = self.outstanding.begin_again(entry, now);
            self.outgoing.extend(number.map(Outgoing::Numbered));
        }
        for outgoing in unsent {
            let again = match outgoing {
                Outgoing::Numbered(number) => {
                    let entry = not_sent.remove(&number);
                    let number = entry.and_then(|entry| self.outstanding.begin_again(entry, now));
                    number.map(Outgoing::Numbered)
                }
                plain => Some(plain),
            };
            self.outgoing.extend(again);
        }
    }

    /// A stream has ended, or was not begun. Returns how many posts are given up by that.
    pub(crate) fn ended(&mut self, ending: &Ending) -> u32 {
        let over = match ending {
            Ending::Closed(closing) | Ending::Failed(Error::Closed(closing)) => {
                closing.then != v1::Then::Resume
            }
            Ending::Failed(Error::Refused(refusal)) => gives_up(refusal.code),
            Ending::UsedUp | Ending::Mistaken => true,
            Ending::Failed(_) | Ending::Lost(_) | Ending::Moved | Ending::Stopped => false,
        };
        if let Some(held) = self.session.as_mut().filter(|_| over) {
            held.resume_window = Duration::ZERO;
        }
        // A goodbye and what was for that moment alone belong to the stream.
        self.outstanding.forget_volatile();
        let before = self.outgoing.len();
        self.outgoing.retain(|outgoing| !matches!(outgoing, Outgoing::Plain(wire) if is_volatile(wire)));
        let unsent = u32::try_from(before - self.outgoing.len()).unwrap_or(u32::MAX);
        self.outgoing.retain(|outgoing| match outgoing {
            Outgoing::Plain(wire) => !matches!(**wire, Wire::Bye(_)),
            Outgoing::Numbered(number) => self.outstanding.command(*number).is_some(),
        });
        unsent
    }

    /// Queues a command for sending.
    pub(crate) fn send(&mut self, command: Command) {
        if let Wire::Emit(emit) = &command.wire {
            self.positions().emits(emit);
        }
        self.outgoing.push_back(match command {
            Command { wire, awaiting: Awaiting::Nobody } => Outgoing::Plain(Box::new(wire)),
            command => Outgoing::Numbered(self.outstanding.begin(command)),
        });
        if self.outstanding.wants_sign() {
            let ping = Command { wire: Wire::Ping(v1::Ping {}), awaiting: Awaiting::Sign };
            self.outgoing.push_back(Outgoing::Numbered(self.outstanding.begin(ping)));
        }
    }

    /// The command that goes out next.
    fn next(&self) -> Option<&Wire> {
        match self.outgoing.front()? {
            Outgoing::Plain(wire) => Some(wire),
            Outgoing::Numbered(number) => self.outstanding.command(*number),
        }
    }

    /// Until when the next one has to wait, so that the server takes it. What stands behind it waits too.
    pub(crate) fn held_until(&mut self, now: Instant) -> Option<Instant> {
        match self.next() {
            Some(Wire::Emit(_)) => self.pace.free_at(now),
            _ => None,
        }
    }

    /// Has a room begin anew of which something is missing that it was joined with. Once at a time.
    pub(crate) fn join_again(&mut self, namespace: &str, room: &str, with: fn(&v1::Join) -> bool) {
        let join = self.membership().again(namespace, room);
        let Some(join) = join.filter(with) else { return };
        if !self.outstanding.joins_again(&join) {
            self.send(Command { wire: Wire::Join(join), awaiting: Awaiting::Again });
        }
    }

    /// The next message that goes out.
    pub(crate) fn next_message(&mut self, now: Instant) -> Vec<ClientFrame> {
        let mut frames = Vec::new();
        let mut bytes = 0;
        while frames.len() < FRAMES_PER_MESSAGE {
            bytes += self.next().map_or(0, Wire::encoded_len);
            if (bytes > BYTES_PER_MESSAGE && !frames.is_empty()) || self.held_until(now).is_some() {
                break;
            }
            let frame = match self.outgoing.pop_front() {
                Some(Outgoing::Plain(wire)) => Some(ClientFrame { r#ref: 0, command: Some(*wire) }),
                Some(Outgoing::Numbered(number)) => self.outstanding.frame(number, now),
                None => break,
            };
            if let Some(ClientFrame { command: Some(Wire::Emit(_)), .. }) = frame {
                self.pace.spend(now);
            }
            frames.extend(frame);
        }
        frames
    }

    /// The session is no longer in these rooms.
    pub(crate) fn parted(&mut self, namespace: &str, rooms: &[String]) {
        self.later.retain(|(_, wire)| !joins_one_of(wire, namespace, Some(rooms)));
        self.membership().parted(namespace, rooms);
        self.positions().parted(namespace, rooms);
    }

    /// The session is no longer in this namespace.
    pub(crate) fn left(&mut self, namespace: &str) {
        self.later.retain(|(_, wire)| !joins_one_of(wire, namespace, None));
        self.membership().left(namespace);
        self.positions().left(namespace);
    }
}

fn joins_one_of(wire: &Wire, namespace: &str, rooms: Option<&[String]>) -> bool {
    match wire {
        Wire::Join(join) => {
            join.namespace == namespace
                && rooms.is_none_or(|rooms| join.rooms.iter().any(|room| rooms.contains(room)))
        }
        Wire::Enter(enter) => enter.namespace == namespace && rooms.is_none(),
        _ => false,
    }
}

impl Outgoing {
    fn number(&self) -> Option<u32> {
        match self {
            Self::Numbered(number) => Some(*number),
            Self::Plain(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
