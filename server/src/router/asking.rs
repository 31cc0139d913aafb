//! What is asked of the owner of a part: in order, of one owner at a time, so that what a session says is kept in the order in
//! which it was said, also while the part goes from one node to another and what is sent may be lost on its way. Knows no network;
//! `afar` sends what it gives out.
//!
//! What is sent to an owner has a place in a turn. An owner carries out what comes in a turn place by place; what does not fit, or
//! is not its own to do, ends the turn, and it says how far it came. Then the rest is asked in a new turn, of whoever is the owner.
//! So of what was sent, whatever was carried out comes before whatever was not, and nothing is carried out twice.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use rialto_proto::{
    node::{EventPage, Head, NotTaken, StatePage},
    v1,
};

use super::{
    Router,
    keeping::{Keeping, Taken},
};
use crate::{
    base::{clock::Instant, ids::NodeId, refusal::Refusal},
    session::owed::{StateAfter, Stretch},
    wire::state::SetState,
};

/// How long somebody waits for the owner of a part: longer than it takes until a part has another one.
const ASKED_MAX: Duration = Duration::from_secs(10);
/// What is not answered for so long may be lost on its way.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);
/// What may wait for one owner: beyond, nothing more is taken.
const WAITING_MAX: usize = 16 << 10;

/// Something that the owner of a part has to do.
pub(super) enum Ask {
    /// Keep an event and hand it out.
    Keep(Box<Keeping>),
    /// Change a key.
    Set(Box<SetState>, v1::Sender),
    /// Say how far rooms have come.
    Heads(String, Vec<String>),
    /// Read events.
    Events(Stretch),
    /// Read what has changed in a state.
    State(StateAfter),
    /// Read a page of a history.
    History(Box<v1::GetHistoryRequest>),
    /// Read a page of a state.
    Keys(Box<v1::GetStateRequest>),
}

impl Ask {
    /// Whether it changes nothing.
    fn reads(&self) -> bool {
        !matches!(self, Self::Keep(_) | Self::Set(..))
    }

    /// Whether it may as well be done twice.
    fn is_harmless(&self) -> bool {
        match self {
            Self::Keep(keeping) => keeping.is_repeatable(),
            Self::Set(..) => false,
            _ => true,
        }
    }
}

/// What the owner has answered.
pub(super) enum Answer {
    Taken(Box<Taken>),
    Set(v1::StateSet),
    Heads(Vec<Head>),
    Events(EventPage),
    State(StatePage),
    History(v1::GetHistoryResponse),
    Keys(v1::GetStateResponse),
}

/// Hears the answer.
pub(super) type Answered = Box<dyn FnOnce(&Arc<Router>, Result<Answer, Refusal>) + Send>;

/// Where something stands among all that was sent: everything before it was carried out if it was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// They rise with each turn of a queue.
    pub(super) turn: u64,
    /// From 1 in each turn.
    pub(super) number: u64,
}

/// Something that is asked.
pub(super) struct Asked {
    pub(super) id: u64,
    pub(super) what: Ask,
    /// Nobody waits any longer than this.
    pub(super) until: Instant,
    /// When it may be asked again, if it only reads and nothing is answered.
    pub(super) again: Instant,
    /// How long that is waited for; longer each time, so that an owner that has much to do is not given more.
    pub(super) patience: Duration,
    /// Where it was sent.
    pub(super) place: Place,
    pub(super) answered: Answered,
}

impl Asked {
    /// Something new.
    pub(super) fn new(id: u64, what: Ask, now: Instant, answered: Answered) -> Self {
        let (until, again, patience) = (now + ASKED_MAX, now + ANSWERED_WITHIN, ANSWERED_WITHIN);
        Self { id, what, until, again, patience, place: Place::default(), answered }
    }
}

/// What is asked of the owner of one part.
#[derive(Default)]
pub(super) struct Queue {
    waiting: VecDeque<Asked>,
    /// What `sent_to` has to answer.
    sent: VecDeque<Asked>,
    sent_to: Option<NodeId>,
    /// The last that was given.
    place: Place,
    /// All up to there was carried out.
    taken: Place,
    /// It says that the part is not with it: whoever it is with will be known soon.
    refused_by: Option<NodeId>,
    /// Somebody sees to what waits.
    advancing: bool,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").field("waiting", &self.waiting.len()).field("sent", &self.sent.len()).finish()
    }
}

/// Where the owner is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    Here,
    There(NodeId),
    Nowhere,
}

impl Queue {
    /// Puts something in; gives it back when too much waits.
    pub(super) fn push(&mut self, asked: Asked) -> Result<(), Box<Asked>> {
        if self.waiting.len() + self.sent.len() >= WAITING_MAX {
            return Err(Box::new(asked));
        }
        self.waiting.push_back(asked);
        Ok(())
    }

    /// Whether the caller is to see to what waits, by [`Queue::next`] until that gives nothing.
    pub(super) fn begin(&mut self) -> bool {
        !std::mem::replace(&mut self.advancing, true)
    }

    /// What is to be done here, or to be sent: that is put in by [`Queue::sent`]. Nothing goes to a new owner before the old
    /// one has answered everything.
    pub(super) fn next(&mut self, owner: At) -> Option<Asked> {
        let ready = match owner {
            At::Here => self.sent.is_empty(),
            At::There(node) => {
                self.refused_by != Some(node) && (self.sent.is_empty() || self.sent_to == Some(node))
            }
            At::Nowhere => false,
        };
        let next = if ready { self.waiting.pop_front() } else { None };
        self.advancing = next.is_some();
        next
    }

    /// Something is sent: where it stands.
    pub(super) fn sent(&mut self, node: NodeId, mut asked: Asked) -> Place {
        if self.sent_to != Some(node) {
            self.sent_to = Some(node);
            self.begin_turn();
        }
        self.place.number += 1;
        asked.place = self.place;
        self.sent.push_back(asked);
        self.place
    }

    fn begin_turn(&mut self) {
        self.place = Place { turn: self.place.turn + 1, number: 0 };
    }

    /// Takes back what could not be sent.
    pub(super) fn unsent(&mut self, id: u64) -> Option<Asked> {
        let unsent = self.sent.pop_back_if(|asked| asked.id == id)?;
        self.place.number -= 1;
        Some(unsent)
    }

    /// A node has answered. `None` when nobody has asked it that, or does not wait any more.
    pub(super) fn answered(&mut self, node: NodeId, id: u64) -> Option<Asked> {
        let at = self.sent.iter().position(|asked| asked.id == id).filter(|_| self.sent_to == Some(node))?;
        let asked = self.sent.remove(at)?;
        self.taken = self.taken.max(asked.place);
        Some(asked)
    }

    /// A node says that a turn is over: the rest of it has to be asked again, of whoever is the owner.
    pub(super) fn refused(&mut self, node: NodeId, refused: NotTaken) {
        let NotTaken { turn, taken, is_here } = refused;
        if self.sent_to != Some(node) || self.place.turn != turn {
            return;
        }
        self.refused_by = Some(node).filter(|_| !is_here);
        self.taken = self.taken.max(Place { turn, number: taken });
        let rest = self.sent.partition_point(|asked| asked.place <= self.taken);
        for asked in self.sent.split_off(rest) {
            self.put_back(asked);
        }
        self.begin_turn();
    }

    fn put_back(&mut self, asked: Asked) {
        let at = self.waiting.partition_point(|waiting| waiting.id < asked.id);
        self.waiting.insert(at, asked);
    }

    /// A node is gone. Returns what nobody knows whether it has done it; the rest is asked again.
    pub(super) fn lost(&mut self, node: NodeId) -> Vec<Asked> {
        self.ask_others(node, |asked, _| asked.what.is_harmless())
    }

    /// A node is gone that has answered all that it has done, so that the rest is asked again. Returns that of which the answer was
    /// lost.
    pub(super) fn left(&mut self, node: NodeId) -> Vec<Asked> {
        self.ask_others(node, |asked, taken| asked.place > taken || asked.what.is_harmless())
    }

    /// Has what was sent to a node asked again of somebody else, where it may be. Returns the rest.
    fn ask_others(&mut self, node: NodeId, may: impl Fn(&Asked, Place) -> bool) -> Vec<Asked> {
        if self.sent_to.take_if(|to| *to == node).is_none() {
            return Vec::new();
        }
        let sent = std::mem::take(&mut self.sent);
        let (again, rest): (Vec<_>, Vec<_>) = sent.into_iter().partition(|asked| may(asked, self.taken));
        again.into_iter().for_each(|asked| self.put_back(asked));
        rest
    }

    /// A former owner that has still to answer something, when it is known who the owner is now.
    pub(super) fn former(&self, owner: At) -> Option<NodeId> {
        let sent_to = self.sent_to.filter(|node| !self.sent.is_empty() && owner != At::There(*node));
        sent_to.filter(|_| owner != At::Nowhere)
    }

    /// Whoever has refused may be asked again. Returns what was waited for too long.
    pub(super) fn tick(&mut self, now: Instant) -> Vec<Asked> {
        self.refused_by = None;
        let mut late = Vec::new();
        for asked in [&mut self.waiting, &mut self.sent] {
            while let Some(asked) = asked.pop_front_if(|asked| asked.until <= now) {
                late.push(asked);
            }
        }
        late
    }

    /// What reads and was not answered in time may have been lost on its way, or the answer: it is asked again, as something new. What
    /// changes something has something harmless sent after it: the owner says if it has missed it.
    pub(super) fn ask_again(&mut self, now: Instant, mut number: impl FnMut() -> u64) {
        let (late, rest): (Vec<_>, Vec<_>) =
            self.sent.drain(..).partition(|asked| asked.what.reads() && asked.again <= now);
        self.sent = rest.into();
        for mut asked in late {
            (asked.id, asked.patience) = (number(), asked.patience * 2);
            self.waiting.push_back(asked);
        }
        let mut late = false;
        for asked in self.sent.iter_mut().filter(|asked| asked.again <= now) {
            asked.again = now + asked.patience;
            late |= asked.place > self.taken;
        }
        if late && self.waiting.is_empty() {
            let harmless = Ask::Heads(String::new(), Vec::new());
            self.waiting.push_back(Asked::new(number(), harmless, now, Box::new(|_, _| ())));
        }
    }

    /// Whether nothing is asked.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.sent.is_empty()
    }
}

/// How far the newest turns of other nodes were carried out here.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// By who asks and the part.
    newest: HashMap<(NodeId, u32), Turn>,
}

#[derive(Debug)]
struct Turn {
    turn: u64,
    taken: u64,
    over: bool,
    used: Instant,
}

/// What to do with a request.
#[derive(Debug, PartialEq)]
pub(super) enum Turned {
    /// Carry it out.
    Take,
    /// Say that its turn is over.
    Refuse(NotTaken),
    /// Nothing: it came before, or nobody waits for it any more.
    PassOver,
}

impl Turns {
    /// What to do with something that a node asks of a part.
    pub(super) fn turn(&mut self, asker: (NodeId, u32), place: Place, is_here: bool, now: Instant) -> Turned {
        let fresh = |turn| Turn { turn, taken: 0, over: false, used: now };
        let newest = self.newest.entry(asker).or_insert_with(|| fresh(0));
        if place.turn > newest.turn {
            *newest = fresh(place.turn);
        }
        newest.used = now;
        if place <= (Place { turn: newest.turn, number: newest.taken }) {
            return Turned::PassOver;
        }
        newest.over |= !is_here || place.number != newest.taken + 1;
        if newest.over {
            return Turned::Refuse(NotTaken { turn: newest.turn, taken: newest.taken, is_here });
        }
        newest.taken = place.number;
        Turned::Take
    }

    /// Forgets turns of which nobody waits for anything any more. Not at once those of a node that seems to be gone: it may only not
    /// have been heard, and would have everything done again of which it has missed the answers.
    pub(super) fn forget(&mut self, now: Instant) {
        self.newest.retain(|_, turn| now.saturating_duration_since(turn.used) <= ASKED_MAX);
    }
}

#[cfg(test)]
#[path = "asking_tests.rs"]
mod tests;
