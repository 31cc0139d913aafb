//! What of a session waits for the log, or for other nodes: how many of its commands are being written, and the commands that
//! wait behind them so that nothing overtakes. The router carries them out; this only keeps their order.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::wire::command::Command;

/// Commands that may wait before the client is not read from any more.
const WAITING_MAX: usize = 256;

/// The commands of one session that wait.
#[derive(Debug, Default)]
pub struct Pipeline {
    state: Mutex<State>,
    shorter: Notify,
    idle: Notify,
}

#[derive(Debug, Default)]
struct State {
    written: u32,
    /// For which log they are; `None` when they are for several.
    way: Option<u32>,
    /// Nothing may be carried out, not even what is for the log.
    blocked: bool,
    waiting: VecDeque<(u32, Command)>,
    /// Somebody carries out what has waited.
    advancing: bool,
}

impl State {
    fn is_idle(&self) -> bool {
        self.written == 0 && !self.blocked && !self.advancing && self.waiting.is_empty()
    }

    /// Whether a command may be carried out beside what is being written.
    fn admits(&self, way: impl FnOnce() -> Option<u32>) -> bool {
        self.written == 0 || self.way.is_some() && self.way == way()
    }
}

impl Pipeline {
    /// Gives a command back that may be carried out now; otherwise it waits behind those before it. `way` says for which
    /// log it is: in one log it cannot overtake.
    pub fn enter(
        &self,
        reference: u32,
        command: Command,
        way: impl FnOnce(&Command) -> Option<u32>,
    ) -> Option<Command> {
        let mut state = self.state.lock();
        let free =
            state.waiting.is_empty() && !state.advancing && !state.blocked && state.admits(|| way(&command));
        if free {
            return Some(command);
        }
        state.waiting.push_back((reference, command));
        None
    }

    /// Something is being written to a log, or to several.
    pub fn write(&self, way: impl Into<Option<u32>>) {
        let mut state = self.state.lock();
        state.written += 1;
        state.way = way.into();
    }

    /// It was written and answered. True when the caller is to carry out what has waited, by [`Pipeline::next`].
    #[must_use]
    pub fn written(&self) -> bool {
        let mut state = self.state.lock();
        state.written -= 1;
        self.begins(&mut state)
    }

    /// Everything waits until [`Pipeline::unblock`]: called while a command is carried out that has to wait for something.
    pub fn block(&self) {
        self.state.lock().blocked = true;
    }

    /// It was carried out. True when the caller is to carry out what has waited, by [`Pipeline::next`].
    #[must_use]
    pub fn unblock(&self) -> bool {
        let mut state = self.state.lock();
        state.blocked = false;
        self.begins(&mut state)
    }

    fn begins(&self, state: &mut State) -> bool {
        let begins = !state.advancing && !state.waiting.is_empty();
        state.advancing |= begins;
        self.note_idle(state);
        begins
    }

    fn note_idle(&self, state: &State) {
        if state.is_idle() {
            self.idle.notify_waiters();
        }
    }

    /// Waits until nothing is carried out or waits.
    pub async fn idle(&self) {
        loop {
            let idle = self.idle.notified();
            if self.state.lock().is_idle() {
                return;
            }
            idle.await;
        }
    }

    /// The next command whose turn it is; `None` when there is none, and then the caller has ended.
    pub fn next(&self, way: impl FnOnce(&Command) -> Option<u32>) -> Option<(u32, Command)> {
        let mut state = self.state.lock();
        let front = state.waiting.front();
        let free = !state.blocked && front.is_some_and(|(_, command)| state.admits(|| way(command)));
        if !free {
            state.advancing = false;
            self.note_idle(&state);
            return None;
        }
        let next = state.waiting.pop_front();
        if state.waiting.len() < WAITING_MAX {
            self.shorter.notify_waiters();
        }
        next
    }

    /// How many commands wait.
    pub fn waiting(&self) -> u32 {
        u32::try_from(self.state.lock().waiting.len()).unwrap_or(u32::MAX)
    }

    /// Whether more commands wait than should.
    pub fn is_full(&self) -> bool {
        self.state.lock().waiting.len() >= WAITING_MAX
    }

    /// Waits until commands are taken again.
    pub async fn ready(&self) {
        loop {
            let shorter = self.shorter.notified();
            if !self.is_full() {
                return;
            }
            shorter.await;
        }
    }
}
