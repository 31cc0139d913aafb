//! What is asked of the owner of a part: in order, of one owner at a time, so that what a session says is kept in the order in
//! which it was said, also while the part goes from one node to another. Knows no network; `afar` sends what it gives out.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use rialto_proto::{
    node::{EventPage, Head, StatePage},
    v1,
};

use super::{
    Router,
    keep::{Keeping, Taken},
};
use crate::{
    base::{clock::Instant, ids::NodeId, refusal::Refusal},
    session::owed::{StateAfter, Stretch},
    wire::state::SetState,
};

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
    pub(super) answered: Answered,
}

/// What is asked of the owner of one part.
#[derive(Default)]
pub(super) struct Queue {
    waiting: VecDeque<Asked>,
    /// What `sent_to` has to answer.
    sent: VecDeque<Asked>,
    sent_to: Option<NodeId>,
    /// The last that changes something and was answered: what was sent before it and is not answered never came.
    done: u64,
    /// It says that the part is not with it: whoever it is with will be known soon.
    refused_by: Option<NodeId>,
    /// Something was refused and has to be asked again, before what was sent after it and is not answered yet may be.
    again: bool,
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
    /// one has answered everything, and nothing is asked again before all that was sent was answered.
    pub(super) fn next(&mut self, owner: At) -> Option<Asked> {
        self.again &= !self.sent.is_empty();
        let ready = match owner {
            At::Here => self.sent.is_empty(),
            At::There(node) => {
                let goes_on = self.sent_to == Some(node) && !self.again;
                self.refused_by != Some(node) && (self.sent.is_empty() || goes_on)
            }
            At::Nowhere => false,
        };
        let next = if ready { self.waiting.pop_front() } else { None };
        self.advancing = next.is_some();
        next
    }

    /// Something was sent.
    pub(super) fn sent(&mut self, node: NodeId, asked: Asked) {
        self.sent_to = Some(node);
        self.sent.push_back(asked);
    }

    /// A node has answered. `None` when nobody has asked it that, or does not wait any more.
    pub(super) fn answered(&mut self, node: NodeId, id: u64) -> Option<Asked> {
        let asked = self.take_sent(node, id)?;
        if !asked.what.reads() {
            self.done = self.done.max(id);
        }
        Some(asked)
    }

    fn take_sent(&mut self, node: NodeId, id: u64) -> Option<Asked> {
        let at = self.sent.iter().position(|asked| asked.id == id).filter(|_| self.sent_to == Some(node))?;
        self.sent.remove(at)
    }

    /// A node says that it is not the owner: whoever is has to be asked.
    pub(super) fn refused(&mut self, node: NodeId, id: u64) {
        if let Some(asked) = self.take_sent(node, id) {
            (self.refused_by, self.again) = (Some(node), true);
            self.put_back(asked);
        }
    }

    fn put_back(&mut self, asked: Asked) {
        let at = self.waiting.partition_point(|waiting| waiting.id < asked.id);
        self.waiting.insert(at, asked);
    }

    /// A node is gone. Returns what nobody knows whether it has done it; the rest is asked again.
    pub(super) fn lost(&mut self, node: NodeId) -> Vec<Asked> {
        if self.sent_to != Some(node) {
            return Vec::new();
        }
        self.ask_others(|asked| asked.what.is_harmless())
    }

    /// A node is gone that has answered all that it has done. The rest is asked again, but for what it has done later things than:
    /// that is returned.
    pub(super) fn left(&mut self, node: NodeId) -> Vec<Asked> {
        if self.sent_to != Some(node) {
            return Vec::new();
        }
        self.ask_others(|_| true)
    }

    /// Has what was sent asked again of somebody else, where it may be and comes in its order. Returns the rest.
    fn ask_others(&mut self, may: impl Fn(&Asked) -> bool) -> Vec<Asked> {
        let done = self.done;
        let in_order = |asked: &Asked| asked.what.reads() || asked.id > done;
        let (again, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.sent).into_iter().partition(|asked| may(asked) && in_order(asked));
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

    /// What reads and was not answered in time may have been lost on its way, or the answer: it is asked again, as something new.
    pub(super) fn ask_again(&mut self, now: Instant, mut number: impl FnMut() -> u64) {
        let (late, rest): (Vec<_>, Vec<_>) =
            self.sent.drain(..).partition(|asked| asked.what.reads() && asked.again <= now);
        self.sent = rest.into();
        for mut asked in late {
            (asked.id, asked.patience) = (number(), asked.patience * 2);
            self.waiting.push_back(asked);
        }
    }

    /// Takes back what could not be sent.
    pub(super) fn unsent(&mut self, id: u64) -> Option<Asked> {
        self.sent.pop_back_if(|asked| asked.id == id)
    }

    /// Whether nothing is asked.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.sent.is_empty()
    }
}

/// What this node has refused to other ones because a part was not with it. When it becomes the owner meanwhile, what they had sent
/// after that must not be done before what was refused.
#[derive(Debug, Default)]
pub(super) struct Turned {
    /// The last that was refused, by who has asked and the part.
    away: HashMap<(NodeId, u32), u64>,
}

impl Turned {
    /// Whether what a node asks, under a number that rises in each part, is to be done: not when it was sent after something that
    /// was refused, before the node could know that.
    pub(super) fn takes(&mut self, (from, part, id): (NodeId, u32, u64), is_here: bool) -> bool {
        let after = self.away.get(&(from, part)).is_some_and(|away| id > *away);
        if is_here && !after {
            self.away.remove(&(from, part));
            return true;
        }
        self.away.insert((from, part), id);
        false
    }

    /// A node is gone.
    pub(super) fn lose(&mut self, node: NodeId) {
        self.away.retain(|(from, _), _| *from != node);
    }
}

#[cfg(test)]
#[path = "asking_tests.rs"]
mod tests;
