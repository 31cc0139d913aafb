//! Commands that were numbered and have no answer yet, by their `ref`. Gives each answer to whoever waits for it, and
//! says what goes out again: under the same number when the session goes on, under a new one when it was lost and it
//! does no harm. Everyone else is told that the outcome is unknown. Knows no connection; used by `kept.rs`.

use std::{collections::BTreeMap, time::Duration};

use rialto_proto::v1::{self, ClientFrame, client_frame::Command as Wire, server_frame::Frame};
use tokio::time::Instant;

use crate::{
    audience::{Delivery, Parked},
    backlog::is_volatile,
    error::{Error, Refusal},
    link::{Awaiting, Command},
};

/// Changes of membership without an answer that are remembered for callers who have given up.
const UNANSWERED_MAX: usize = 1024;
/// How many commands, and how many bytes of them, may be on their way at once; the next ones wait.
const WINDOW_COMMANDS: usize = 256;
const WINDOW_BYTES: usize = 1 << 20;
/// Servers know idempotency keys for five minutes at least; this is what is left when clocks and ways are allowed for.
const KEYS_KNOWN: Duration = Duration::from_secs(4 * 60);
/// With so few numbers left a session is used up.
const NUMBERS_SPARE: u32 = 1 << 16;
/// After so many replies of which nothing says that they were taken a sign is asked for.
const REPLIES_UNSURE: usize = 64;

/// Commands without an answer.
#[derive(Debug, Default)]
pub(crate) struct Outstanding {
    last_ref: u32,
    entries: BTreeMap<u32, Entry>,
    /// Those whose answer is still to come, and their bytes.
    window: usize,
    window_bytes: usize,
    /// Replies since a sign was asked for.
    unsure: usize,
}

/// A command without an answer.
#[derive(Debug)]
pub(crate) struct Entry {
    awaiting: Awaiting,
    /// Absent for a question that was taken and waits for its replies.
    wire: Option<Wire>,
    bytes: usize,
    /// When it was handed to a connection for the first time.
    left_at: Option<Instant>,
}

/// What an answer means for the session itself.
#[derive(Debug, PartialEq)]
pub(crate) enum Settled {
    /// Nothing more.
    Nothing,
    /// This command was carried out: the session is now somewhere else, or has another token.
    Done(Wire),
    /// The session could not return to where it was.
    RejoinRefused(Wire, Refusal),
    /// A new token or a reply was turned down.
    Refused(Refusal),
    /// The answer is to no command that is known, or to one that nobody waits for.
    Unasked(Frame),
}

impl Outstanding {
    /// Holds when nobody waits for an answer. Replies have none.
    pub(crate) fn is_quiet(&self) -> bool {
        self.entries.values().all(|entry| matches!(entry.awaiting, Awaiting::Refusals(_) | Awaiting::Sign))
    }

    /// Holds once after so many replies that may not have been taken.
    pub(crate) fn wants_sign(&mut self) -> bool {
        let wants = self.unsure >= REPLIES_UNSURE;
        if wants {
            self.unsure = 0;
        }
        wants
    }

    /// Holds when a room of this join begins anew already.
    pub(crate) fn joins_again(&self, join: &v1::Join) -> bool {
        let same = |wire: &Wire| {
            matches!(wire, Wire::Join(other)
            if other.namespace == join.namespace && other.rooms == join.rooms)
        };
        let again = self.entries.values().filter(|entry| matches!(entry.awaiting, Awaiting::Again));
        again.filter_map(|entry| entry.wire.as_ref()).any(same)
    }

    /// Holds when one more command may be on its way.
    pub(crate) fn has_room(&self) -> bool {
        self.window < WINDOW_COMMANDS && self.window_bytes < WINDOW_BYTES
    }

    /// How many bytes the next one may have. One alone may have any number.
    pub(crate) fn room(&self) -> usize {
        if self.window == 0 { usize::MAX } else { WINDOW_BYTES.saturating_sub(self.window_bytes) }
    }

    /// Holds when the session has no more numbers to speak of.
    pub(crate) fn is_used_up(&self) -> bool {
        self.last_ref >= u32::MAX - NUMBERS_SPARE
    }

    /// Numbers a command and remembers who waits for its answer.
    pub(crate) fn begin(&mut self, command: Command) -> u32 {
        let Command { wire, mut awaiting } = command;
        let bytes = wire.encoded_len();
        if let Awaiting::Refusals(leaves) = &mut awaiting {
            self.unsure += 1;
            if let Some(leaves) = leaves.take() {
                leaves.send(Ok(())).ok();
            }
        }
        self.enter(Entry { awaiting, wire: Some(wire), bytes, left_at: None })
    }

    fn enter(&mut self, entry: Entry) -> u32 {
        self.last_ref = self.last_ref.saturating_add(1);
        self.window += 1;
        self.window_bytes += entry.bytes;
        self.entries.insert(self.last_ref, entry);
        self.last_ref
    }

    /// The command with this number, if its answer is still to come.
    pub(crate) fn command(&self, number: u32) -> Option<&Wire> {
        self.entries.get(&number)?.wire.as_ref()
    }

    /// Holds when this command joins rooms of the session before.
    pub(crate) fn is_rejoin(&self, number: u32) -> bool {
        self.entries.get(&number).is_some_and(|entry| matches!(entry.awaiting, Awaiting::Rejoin))
    }

    /// The frame of a command that goes out now. `None` when its caller has given up before it ever left.
    pub(crate) fn frame(&mut self, number: u32, now: Instant) -> Option<ClientFrame> {
        let entry = self.entries.get_mut(&number)?;
        if entry.left_at.is_none() && entry.awaiting.abandoned() {
            self.remove(number);
            return None;
        }
        entry.left_at.get_or_insert(now);
        Some(ClientFrame { r#ref: number, command: entry.wire.clone() })
    }

    fn remove(&mut self, number: u32) -> Option<Entry> {
        let entry = self.entries.remove(&number)?;
        if entry.wire.is_some() {
            self.window -= 1;
            self.window_bytes -= entry.bytes;
        }
        Some(entry)
    }

    /// Gives an answer to whoever waits for it.
    pub(crate) fn settle(&mut self, number: u32, frame: Frame, parked: &mut Parked) -> Settled {
        self.taken_before(number);
        let Some(mut entry) = self.remove(number) else {
            return Settled::Unasked(frame);
        };
        if !matches!(entry.awaiting, Awaiting::Many(..)) {
            return entry.settle_one(frame);
        }
        if entry.settle_many(frame, parked) {
            // What was taken is not sent again, so its place is free.
            entry.wire = None;
            self.entries.insert(number, entry);
        }
        Settled::Nothing
    }

    /// Commands are taken in their order: replies before this number were.
    fn taken_before(&mut self, number: u32) {
        let replies = self.entries.range(..number);
        let replies = replies.filter(|(_, entry)| matches!(entry.awaiting, Awaiting::Refusals(_)));
        let replies: Vec<u32> = replies.map(|(number, _)| *number).collect();
        for number in replies {
            self.remove(number);
            self.unsure = self.unsure.saturating_sub(1);
        }
    }

    /// The stream is lost, and with it what was for that moment alone.
    pub(crate) fn forget_volatile(&mut self) {
        let volatile = self.entries.iter().filter(|(_, entry)| entry.wire.as_ref().is_some_and(is_volatile));
        let volatile: Vec<u32> = volatile.map(|(number, _)| *number).collect();
        for number in volatile {
            if let Some(entry) = self.remove(number) {
                let unsent = Error::Unavailable("the connection was lost".to_owned());
                let error = if entry.left_at.is_some() { Error::UnknownOutcome } else { unsent };
                entry.fail(error);
            }
        }
    }

    /// Forgets those whose callers have given up. Changes of membership are remembered, because the session needs their
    /// answers too, unless the server leaves so many unanswered that it cannot be in order.
    pub(crate) fn sweep(&mut self) {
        let crowded = self.entries.len() > UNANSWERED_MAX;
        let forgotten = |entry: &Entry| {
            entry.awaiting.abandoned() && (crowded || !entry.wire.as_ref().is_some_and(is_membership))
        };
        let forgotten: Vec<u32> =
            self.entries.iter().filter(|(_, entry)| forgotten(entry)).map(|(number, _)| *number).collect();
        for number in forgotten {
            self.remove(number);
        }
    }

    /// The session goes on, and the server has taken commands up to `last_ref`: the numbers of those that were lost on
    /// their way.
    pub(crate) fn lost_after(&mut self, last_ref: u32) -> Vec<u32> {
        self.taken_before(last_ref.saturating_add(1));
        // The greeting had a token, which may be a newer one.
        let beyond = self.entries.range(last_ref.saturating_add(1)..);
        let refreshes = beyond
            .filter(|(_, entry)| entry.left_at.is_some() && matches!(entry.wire, Some(Wire::Refresh(_))));
        let refreshes: Vec<u32> = refreshes.map(|(number, _)| *number).collect();
        for entry in refreshes.into_iter().filter_map(|number| self.remove(number)).collect::<Vec<_>>() {
            entry.fail(Error::UnknownOutcome);
        }
        let beyond = self.entries.range(last_ref.saturating_add(1)..);
        let left = beyond.filter(|(_, entry)| entry.left_at.is_some() && entry.wire.is_some());
        left.map(|(number, _)| *number).collect()
    }

    /// The session is lost: numbers begin anew, and all commands are given back with their old ones.
    pub(crate) fn restart(&mut self) -> BTreeMap<u32, Entry> {
        std::mem::take(self).entries
    }

    /// Takes a command of the session before under a new number, if that does no harm; tells its caller otherwise.
    pub(crate) fn begin_again(&mut self, entry: Entry, now: Instant) -> Option<u32> {
        let again = match (&entry.wire, &entry.awaiting) {
            // Replies belong to one session: who has asked is told that it has left.
            (None, _)
            | (
                _,
                Awaiting::Rejoin
                | Awaiting::Refresh
                | Awaiting::Again
                | Awaiting::Refusals(_)
                | Awaiting::Sign,
            ) => return None,
            _ if entry.awaiting.abandoned() => return None,
            (Some(_), _) if entry.left_at.is_none() => true,
            (Some(Wire::Emit(emit)), _) => {
                let age = entry.left_at.map_or(Duration::ZERO, |left_at| now.duration_since(left_at));
                !emit.idempotency_key.is_empty() && age < KEYS_KNOWN
            }
            (Some(wire), _) => is_membership(wire) || matches!(wire, Wire::Ping(_)),
        };
        if again {
            return Some(self.enter(entry));
        }
        entry.fail(Error::UnknownOutcome);
        None
    }
}

fn is_membership(wire: &Wire) -> bool {
    matches!(wire, Wire::Join(_) | Wire::Part(_) | Wire::Enter(_) | Wire::Leave(_))
}

/// Holds when this answer says that a command which changes the session was carried out. One of another kind says nothing.
fn carries_out(answer: &Frame, command: &Wire) -> bool {
    matches!(
        (command, answer),
        (Wire::Join(_), Frame::Joined(_))
            | (Wire::Part(_), Frame::Parted(_))
            | (Wire::Enter(_), Frame::Entered(_))
            | (Wire::Leave(_), Frame::Left(_))
            | (Wire::Refresh(_), Frame::Refreshed(_))
    )
}

impl Entry {
    /// Tells who waits for it.
    fn fail(self, error: Error) {
        if let Awaiting::One(answer) | Awaiting::Many(Some(answer), _) = self.awaiting {
            answer.send(Err(error)).ok();
        }
    }

    /// True when more answers are to come.
    fn settle_many(&mut self, frame: Frame, parked: &mut Parked) -> bool {
        let Awaiting::Many(answer, replies) = &mut self.awaiting else {
            return false;
        };
        match frame {
            Frame::Accepted(accepted) => {
                // It was asked by a session that is lost, and with it its replies: their stream ends without a summary.
                let replies_come = !accepted.duplicate;
                let heard = match answer.take() {
                    // An answer that nobody takes any more: the replies are not wanted either.
                    Some(answer) => answer.send(Ok(Frame::Accepted(accepted))).is_ok(),
                    None => true,
                };
                heard && replies_come
            }
            Frame::Replies(batch) => {
                batch.items.into_iter().all(|item| parked.offer(replies, Delivery::Reply(Box::new(item))))
            }
            Frame::RepliesDone(done) => {
                parked.offer(replies, Delivery::Done(done));
                false
            }
            Frame::Refused(refused) => {
                if let Some(answer) = answer.take() {
                    answer.send(Err(Error::Refused(refused.into()))).ok();
                }
                false
            }
            // It does not fit: whoever has asked is told so.
            other => answer.take().is_none_or(|answer| {
                answer.send(Ok(other)).ok();
                false
            }),
        }
    }

    fn settle_one(self, frame: Frame) -> Settled {
        let refusal = match &frame {
            Frame::Refused(refused) => Some(Refusal::from(refused.clone())),
            _ => None,
        };
        match (self.awaiting, self.wire, refusal) {
            (Awaiting::One(answer), command, None) => {
                // The membership has changed even if the caller has given up.
                let done = command.filter(|command| carries_out(&frame, command));
                answer.send(Ok(frame)).ok();
                done.map_or(Settled::Nothing, Settled::Done)
            }
            (Awaiting::One(answer), _, Some(refusal)) => {
                answer.send(Err(Error::Refused(refusal))).ok();
                Settled::Nothing
            }
            (Awaiting::Refresh, Some(command), None) if carries_out(&frame, &command) => {
                Settled::Done(command)
            }
            (Awaiting::Rejoin, Some(command), Some(refusal)) => Settled::RejoinRefused(command, refusal),
            (Awaiting::Refresh | Awaiting::Refusals(_) | Awaiting::Again, _, Some(refusal)) => {
                Settled::Refused(refusal)
            }
            _ => Settled::Nothing,
        }
    }
}

#[cfg(test)]
mod tests;
