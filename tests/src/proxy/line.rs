//! The state of one connection: which faults are on, and how much went through. Faults change it, `carry` obeys it.

use std::{ops::Range, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

/// Slices per second of a limited lane: how evenly its bytes come.
const SLICES_PER_SECOND: u64 = 20;

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the target.
    Up,
    /// From the target to the client.
    Down,
}

/// How a connection is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// FIN.
    Cut,
    /// RST.
    Reset,
}

/// The faults of one direction.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Lane {
    pub(super) held: bool,
    pub(super) delay: Duration,
    pub(super) bytes_per_second: Option<u64>,
    claimed: u64,
    /// The connection ends when so many bytes have been claimed.
    end_at: Option<(u64, Ending)>,
    /// The byte with this number is inverted.
    flip_at: Option<u64>,
}

/// The faults of a connection.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rules {
    pub(super) up: Lane,
    pub(super) down: Lane,
    pub(super) ended: Option<Ending>,
}

impl Rules {
    pub(super) fn lane(&mut self, direction: Direction) -> &mut Lane {
        match direction {
            Direction::Up => &mut self.up,
            Direction::Down => &mut self.down,
        }
    }

    /// Ends now, or after `bytes` more in one direction. A reset follows a cut, never the other way round.
    pub(super) fn end_after(&mut self, direction: Direction, bytes: u64, ending: Ending) {
        if bytes == 0 {
            return self.end(ending);
        }
        let lane = self.lane(direction);
        lane.end_at = Some((lane.claimed + bytes, ending));
    }

    pub(super) fn end(&mut self, ending: Ending) {
        if self.ended != Some(Ending::Reset) {
            self.ended = Some(ending);
        }
    }

    /// No fault any more; what has ended stays so.
    pub(super) fn heal(&mut self) {
        for direction in [Direction::Up, Direction::Down] {
            let lane = self.lane(direction);
            *lane = Lane { claimed: lane.claimed, ..Lane::default() };
        }
    }
}

impl Lane {
    pub(super) fn flip_after(&mut self, bytes: u64) {
        self.flip_at = Some(self.claimed + bytes);
    }

    /// Takes up to `bytes` to be written.
    fn claim(&mut self, bytes: usize) -> Claim {
        let slice = self.bytes_per_second.map(|rate| (rate / SLICES_PER_SECOND).max(1));
        let left = self.end_at.map(|(end, _)| end - self.claimed);
        let count = slice.into_iter().chain(left).fold(bytes as u64, u64::min);
        let taken: Range<u64> = self.claimed..self.claimed + count;
        self.claimed = taken.end;
        let flip = self.flip_at.filter(|flip| taken.contains(flip)).map(|flip| (flip - taken.start) as usize);
        if flip.is_some() {
            self.flip_at = None;
        }
        let ending = self.end_at.filter(|(end, _)| *end == taken.end).map(|(_, ending)| ending);
        let busy = self.bytes_per_second.map(|rate| Duration::from_secs_f64(count as f64 / rate as f64));
        Claim { count: count as usize, flip, ending, busy: busy.unwrap_or_default() }
    }
}

/// What may be written now.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) count: usize,
    /// Which byte of it is inverted.
    pub(super) flip: Option<usize>,
    /// Set: these are the last.
    pub(super) ending: Option<Ending>,
    /// For how long they occupy a limited lane.
    pub(super) busy: Duration,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Line {
    rules: watch::Sender<Rules>,
}

enum Turn {
    Go,
    Until(Instant),
    Held,
}

impl Line {
    pub(super) fn new(rules: Rules) -> Self {
        Self { rules: watch::Sender::new(rules) }
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Rules)) {
        self.rules.send_modify(change);
    }

    /// Takes up to `bytes` to be written in `direction`: what a fault counts, it counts from here.
    pub(super) fn claim(&self, direction: Direction, bytes: usize) -> Claim {
        let mut claim = None;
        self.rules.send_if_modified(|rules| {
            claim = Some(rules.lane(direction).claim(bytes));
            false
        });
        claim.expect("the closure was called")
    }

    /// Waits until the connection has been ended as `fits` says.
    pub(super) async fn ended(&self, fits: impl Fn(Ending) -> bool) -> Ending {
        let mut rules = self.rules.subscribe();
        let ended = rules.wait_for(|rules| rules.ended.is_some_and(&fits)).await;
        ended.expect("the line has its own sender").ended.expect("it was looked at")
    }

    /// Waits until it is worth reaching out to the target: not while the connection is a black hole.
    pub(super) async fn open(&self) {
        let mut rules = self.rules.subscribe();
        let open = rules.wait_for(|rules| !(rules.up.held && rules.down.held)).await;
        drop(open.expect("the line has its own sender"));
    }

    /// Waits until the lane is not held.
    pub(super) async fn flows(&self, direction: Direction) {
        self.turn(direction, |lane| if lane.held { Turn::Held } else { Turn::Go }).await;
    }

    /// Waits until the lane is held.
    pub(super) async fn held(&self, direction: Direction) {
        self.turn(direction, |lane| if lane.held { Turn::Go } else { Turn::Held }).await;
    }

    /// Waits until what came at `arrived` may go out on a lane that is busy until `free_at`.
    pub(super) async fn due(&self, direction: Direction, arrived: Instant, free_at: Instant) {
        let turn = |lane: &Lane| {
            let delayed = arrived + lane.delay;
            let due = if lane.bytes_per_second.is_some() { delayed.max(free_at) } else { delayed };
            match lane.held {
                true => Turn::Held,
                false if due <= Instant::now() => Turn::Go,
                false => Turn::Until(due),
            }
        };
        self.turn(direction, turn).await;
    }

    async fn turn(&self, direction: Direction, turn: impl Fn(&Lane) -> Turn) {
        let mut rules = self.rules.subscribe();
        loop {
            let mut now = *rules.borrow_and_update();
            let next = turn(now.lane(direction));
            let changed = rules.changed();
            match next {
                Turn::Go => return,
                Turn::Held => changed.await.expect("the line has its own sender"),
                Turn::Until(due) => tokio::select! {
                    changed = changed => changed.expect("the line has its own sender"),
                    () = sleep_until(due) => {}
                },
            }
        }
    }
}
