//! What waits for the connection, in the order in which the application said it: bounded in count, bytes and age. While
//! the session is attached, who finds it full waits in line; while it is not, the overflow policy decides. Filled by
//! `link.rs`, emptied by `conversation.rs`.

use std::{collections::VecDeque, time::Duration};

use parking_lot::Mutex;
use rialto_proto::v1::{self, client_frame::Command as Wire};
use tokio::{
    sync::{Mutex as Turnstile, Notify, watch},
    time::{Instant, timeout_at},
};

use crate::{
    error::{Closing, Error, Unsent},
    link::{Awaiting, Command},
    status::Status,
};

/// How much may wait for the connection while there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OfflineBuffer {
    /// Commands; 0 lets nothing wait.
    pub count_max: usize,
    /// Bytes of all of them. One alone may have more.
    pub bytes_max: usize,
    /// No longer than this, and never beyond its own deadline.
    pub age_max: Option<Duration>,
    /// What happens when it is full.
    pub overflow: Overflow,
}

impl Default for OfflineBuffer {
    fn default() -> Self {
        Self { count_max: 1000, bytes_max: 1 << 20, age_max: None, overflow: Overflow::Refuse }
    }
}

/// What happens when the offline buffer is full.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Overflow {
    /// The new command fails with [`Error::Unsent`].
    #[default]
    Refuse,
    /// The oldest emits make room; each of their callers fails with [`Error::Unsent`].
    DropOldest,
}

/// Commands on their way to the connection.
#[derive(Debug)]
pub(crate) struct Backlog {
    bounds: OfflineBuffer,
    waiting: Mutex<Waiting>,
    /// Who finds it full waits here, first come first served, so that nobody overtakes.
    line: Turnstile<()>,
    filled: Notify,
    emptied: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    items: VecDeque<Item>,
    bytes: usize,
    last_id: u64,
    /// Posts that were given up since this was last asked.
    given_up: u32,
    /// Nobody will take anything any more.
    closed: bool,
}

#[derive(Debug)]
struct Item {
    id: u64,
    command: Command,
    bytes: usize,
    until: Instant,
}

impl Waiting {
    fn remove(&mut self, index: usize) -> Option<Item> {
        let item = self.items.remove(index)?;
        self.bytes -= item.bytes;
        Some(item)
    }

    /// Gives an item up and tells who waits for it.
    fn give_up(&mut self, index: usize, why: Unsent) {
        self.fail(index, Error::Unsent(why));
    }

    fn fail(&mut self, index: usize, error: Error) {
        match self.remove(index).map(|item| item.command.awaiting) {
            Some(Awaiting::Nobody) => self.given_up = self.given_up.saturating_add(1),
            Some(Awaiting::One(answer) | Awaiting::Many(Some(answer), _)) => {
                answer.send(Err(error)).ok();
            }
            Some(Awaiting::Refusals(Some(leaves))) => {
                leaves.send(Err(error)).ok();
            }
            _ => {}
        }
    }

    /// Fails all that are of this kind.
    fn fail_all(&mut self, which: impl Fn(&Wire) -> bool, error: &Error) {
        for index in (0..self.items.len()).rev() {
            if self.items.get(index).is_some_and(|item| which(&item.command.wire)) {
                self.fail(index, error.clone());
            }
        }
    }

    /// Forgets what nobody waits for any more, and posts that are too old.
    fn purge(&mut self, now: Instant) {
        let mut index = 0;
        while let Some(item) = self.items.get(index) {
            if item.command.awaiting.abandoned() || item.until <= now {
                self.give_up(index, Unsent::TooOld);
            } else {
                index += 1;
            }
        }
    }

    fn push(&mut self, command: Command, bytes: usize, until: Instant) -> u64 {
        self.last_id += 1;
        self.bytes += bytes;
        self.items.push_back(Item { id: self.last_id, command, bytes, until });
        self.last_id
    }
}

impl Backlog {
    pub(crate) fn new(bounds: OfflineBuffer) -> Self {
        Self {
            bounds,
            waiting: Mutex::default(),
            line: Turnstile::default(),
            filled: Notify::new(),
            emptied: Notify::new(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.lock().items.is_empty()
    }

    /// Adds a command; returns what takes it back, and how long it may wait.
    ///
    /// *Cancel safety*: when dropped before it is done, the command is not added.
    pub(crate) async fn put(
        &self,
        command: Command,
        deadline: Instant,
        status: &mut watch::Receiver<Status>,
    ) -> Result<(u64, Instant), Error> {
        let bytes = command.wire.encoded_len();
        let until = self.bounds.age_max.map_or(deadline, |age| deadline.min(Instant::now() + age));
        let full = || Error::Unavailable("the connection takes no more for now".to_owned());
        let _turn = timeout_at(deadline, self.line.lock()).await.map_err(|_| full())?;
        loop {
            let emptied = self.emptied.notified();
            let attached = match &*status.borrow_and_update() {
                Status::Closed(closing) => return Err(Error::Closed(closing.clone())),
                Status::Attached { .. } => true,
                // It is for this moment alone.
                Status::Waiting { cause, .. } if is_volatile(&command.wire) => {
                    return Err(Error::Unavailable(cause.clone()));
                }
                _ if is_volatile(&command.wire) => {
                    return Err(Error::Unavailable("not connected yet".to_owned()));
                }
                _ => false,
            };
            {
                let mut waiting = self.waiting.lock();
                if waiting.closed {
                    return Err(full());
                }
                if self.make_room(&mut waiting, bytes, attached)? {
                    let id = waiting.push(command, bytes, until);
                    drop(waiting);
                    self.filled.notify_one();
                    return Ok((id, until));
                }
            }
            tokio::select! {
                () = emptied => {}
                changed = status.changed() => {
                    if changed.is_err() {
                        return Err(full());
                    }
                }
                () = tokio::time::sleep_until(deadline) => return Err(full()),
            }
        }
    }

    /// True when there is room for `bytes` more; false when it is to be waited for.
    fn make_room(&self, waiting: &mut Waiting, bytes: usize, attached: bool) -> Result<bool, Error> {
        let OfflineBuffer { count_max, bytes_max, overflow, .. } = self.bounds;
        let fits = |waiting: &Waiting| {
            let alone = waiting.items.is_empty() && (attached || count_max > 0);
            alone || (waiting.items.len() < count_max && waiting.bytes + bytes <= bytes_max)
        };
        if !fits(waiting) {
            waiting.purge(Instant::now());
        }
        while !fits(waiting) && !attached {
            let oldest = waiting.items.iter().position(|item| matches!(item.command.wire, Wire::Emit(_)));
            match oldest.filter(|_| overflow == Overflow::DropOldest) {
                Some(oldest) => waiting.give_up(oldest, Unsent::MadeRoom),
                None => return Err(Error::Unsent(Unsent::Full)),
            }
        }
        Ok(fits(waiting))
    }

    /// Waits until there is something.
    ///
    /// *Cancel safety*: nothing is lost.
    pub(crate) async fn filled(&self) {
        while self.is_empty() {
            self.filled.notified().await;
        }
    }

    /// The oldest command that somebody still waits for, unless it has more than `room` bytes.
    pub(crate) fn take(&self, now: Instant, room: usize) -> Option<Command> {
        let mut waiting = self.waiting.lock();
        let mut taken = None;
        while taken.is_none() {
            let Some(item) = waiting.items.front() else { break };
            if item.command.awaiting.abandoned() || item.until <= now {
                waiting.give_up(0, Unsent::TooOld);
            } else if item.bytes > room {
                break;
            } else {
                taken = waiting.remove(0).map(|item| item.command);
            }
        }
        drop(waiting);
        self.emptied.notify_waiters();
        taken
    }

    /// Takes a command back; false when it is on its way already.
    pub(crate) fn take_back(&self, id: u64) -> bool {
        let mut waiting = self.waiting.lock();
        let index = waiting.items.iter().position(|item| item.id == id);
        let taken = index.and_then(|index| waiting.remove(index)).is_some();
        drop(waiting);
        self.emptied.notify_waiters();
        taken
    }

    /// Gives up all emits that wait; their callers are told. Returns how many.
    pub(crate) fn clear(&self) -> usize {
        let mut waiting = self.waiting.lock();
        let before = waiting.items.len();
        waiting.fail_all(|wire| matches!(wire, Wire::Emit(_)), &Error::Unsent(Unsent::Cleared));
        let cleared = before - waiting.items.len();
        drop(waiting);
        self.emptied.notify_waiters();
        cleared
    }

    /// How many posts were given up since this was last asked.
    pub(crate) fn given_up(&self) -> u32 {
        std::mem::take(&mut self.waiting.lock().given_up)
    }

    /// The stream is lost: what is for this moment alone does not wait for the next one.
    pub(crate) fn detached(&self, cause: &str) {
        self.waiting.lock().fail_all(is_volatile, &Error::Unavailable(cause.to_owned()));
        self.emptied.notify_waiters();
    }

    /// The session is lost, and with it whoever waits for a reply.
    pub(crate) fn drop_replies(&self) {
        let error = Error::Unavailable("the session that was asked is over".to_owned());
        self.waiting.lock().fail_all(|wire| matches!(wire, Wire::Reply(_)), &error);
        self.emptied.notify_waiters();
    }

    /// Gives up everything: nobody will take it.
    pub(crate) fn close(&self, closing: &Closing) {
        let closed = Waiting { closed: true, ..Waiting::default() };
        let mut waiting = std::mem::replace(&mut *self.waiting.lock(), closed);
        waiting.fail_all(|_| true, &Error::Closed(closing.clone()));
        self.emptied.notify_waiters();
    }
}

/// Holds for what is for this moment alone.
pub(crate) fn is_volatile(wire: &Wire) -> bool {
    matches!(wire, Wire::Emit(emit) if emit.delivery() == v1::Delivery::Volatile)
}

#[cfg(test)]
mod tests;
