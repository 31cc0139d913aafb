//! The faults that a test can switch on, and for whom.

use std::{sync::Arc, time::Duration};

use super::{
    Shared,
    line::{Direction, Ending, Line, Rules},
};

/// Switches faults on and off for the connections that it was made for. What is said takes effect at once, for all that
/// has not yet been handed over.
#[derive(Debug)]
pub struct Faults {
    scope: Scope,
}

#[derive(Debug)]
enum Scope {
    All(Arc<Shared>),
    Next(Arc<Shared>),
    One(Arc<Line>),
}

impl Faults {
    pub(super) fn of_all(shared: Arc<Shared>) -> Self {
        Self { scope: Scope::All(shared) }
    }

    pub(super) fn of_next(shared: Arc<Shared>) -> Self {
        Self { scope: Scope::Next(shared) }
    }

    pub(super) fn of_one(line: Arc<Line>) -> Self {
        Self { scope: Scope::One(line) }
    }

    /// Ends with a reset (RST) on both sides; what was under way is lost.
    pub fn reset(&self) {
        self.end(|rules| rules.end(Ending::Reset));
    }

    /// Ends with a FIN on both sides.
    pub fn cut(&self) {
        self.end(|rules| rules.end(Ending::Cut));
    }

    /// Ends with a FIN on both sides after exactly so many more bytes in one direction.
    pub fn cut_after(&self, direction: Direction, bytes: u64) {
        self.end(|rules| rules.end_after(direction, bytes, Ending::Cut));
    }

    /// Ends with a reset on both sides after exactly so many more bytes in one direction. Of these the receiver may lose
    /// what it has not read when the reset comes.
    pub fn reset_after(&self, direction: Direction, bytes: u64) {
        self.end(|rules| rules.end_after(direction, bytes, Ending::Reset));
    }

    /// One direction is no longer forwarded. Nothing is closed, and nothing is lost: it waits.
    pub fn half_open(&self, direction: Direction) {
        self.hold(|rules| rules.lane(direction).held = true);
    }

    /// Nothing is forwarded either way; what was not yet connected to the target will not be.
    pub fn black_hole(&self) {
        self.hold(|rules| (rules.up.held, rules.down.held) = (true, true));
    }

    /// What comes in is handed over so much later, in its order.
    pub fn delay(&self, direction: Direction, delay: Duration) {
        self.hold(|rules| rules.lane(direction).delay = delay);
    }

    /// At most so many bytes are handed over in a second; at least one is.
    pub fn limit(&self, direction: Direction, bytes_per_second: u64) {
        self.hold(|rules| rules.lane(direction).bytes_per_second = Some(bytes_per_second.max(1)));
    }

    /// After exactly so many more bytes in one direction, the bits of one byte are inverted.
    pub fn flip_after(&self, direction: Direction, bytes: u64) {
        self.end(|rules| rules.lane(direction).flip_after(bytes));
    }

    /// No fault any more. What was held goes on, in order; what has ended stays so.
    pub fn heal(&self) {
        self.hold(Rules::heal);
    }

    /// Changes what holds from now on, for connections to come as well.
    fn hold(&self, change: impl Fn(&mut Rules)) {
        if let Scope::All(shared) = &self.scope {
            change(&mut shared.state.lock().rules);
        }
        self.end(change);
    }

    /// Changes what happens once, to connections that there are.
    fn end(&self, change: impl Fn(&mut Rules)) {
        match &self.scope {
            Scope::One(line) => line.change(change),
            Scope::All(shared) => shared.state.lock().lines.values().for_each(|line| line.change(&change)),
            Scope::Next(shared) => {
                let mut state = shared.state.lock();
                let rules = state.rules;
                change(state.next.get_or_insert(rules));
            }
        }
    }
}
