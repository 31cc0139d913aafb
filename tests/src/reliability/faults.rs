//! One client behind one proxy that loses its connection in every way there is, at places by chance.

use std::time::Duration;

use rand::{RngExt, rngs::StdRng};
use tokio::time::{Instant, timeout, timeout_at};

use super::{Broken, Client};
use crate::proxy::{Direction, Proxy};

/// Bytes after which a connection may be ended.
const BYTES_MAX: f64 = 30_000.0;
/// How long a connection lives before it fails, at most.
const LIFE_MAX_MS: u64 = 25;
/// The clock by which a client gives up a connection on which nothing comes, at most.
const SILENCE_MAX_MS: u64 = 40;
/// The clock by which a client gives up connecting, and waiting for an end that was to come.
const PATIENCE: Duration = Duration::from_millis(400);

/// How a connection is lost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// RST.
    Reset,
    /// FIN.
    Cut,
    /// Nothing more passes in one direction; the client gives up by its own clock.
    HalfOpen(Direction),
    /// Nothing passes; the client gives up by its own clock.
    BlackHole,
    /// Nothing passes, and then the connection is reset.
    BlackHoleThenReset,
    /// FIN after so many bytes in one direction.
    CutAfter(Direction, u64),
    /// RST after so many bytes in one direction.
    ResetAfter(Direction, u64),
    /// The client goes without a word.
    Leaves,
}

impl Fault {
    /// One by chance.
    pub fn any(rng: &mut StdRng) -> Self {
        let direction = if rng.random() { Direction::Up } else { Direction::Down };
        // As often within the first hundred bytes as within the last ten thousand.
        let bytes = BYTES_MAX.powf(rng.random_range(0.0..1.0)) as u64;
        match rng.random_range(0..9) {
            0 => Self::Reset,
            1 => Self::Cut,
            2 | 3 => Self::HalfOpen(direction),
            4 => Self::BlackHole,
            5 => Self::BlackHoleThenReset,
            6 => Self::CutAfter(direction, bytes),
            7 => Self::ResetAfter(direction, bytes),
            _ => Self::Leaves,
        }
    }
}

/// Connects `client` through `proxy`, lets it live for a moment, saying what `say` makes it say before each turn, and
/// takes the connection from it.
pub async fn lose(
    client: &mut Client,
    proxy: &Proxy,
    rng: &mut StdRng,
    mut say: impl FnMut(&mut Client, &mut StdRng),
) -> Fault {
    let fault = Fault::any(rng);
    // What an older connection still held comes to the node now, too late.
    proxy.heal();
    match fault {
        Fault::CutAfter(direction, bytes) => proxy.next().cut_after(direction, bytes),
        Fault::ResetAfter(direction, bytes) => proxy.next().reset_after(direction, bytes),
        _ => {}
    }
    if !matches!(timeout(PATIENCE, client.connect()).await, Ok(Ok(()))) {
        client.abandon();
        return fault;
    }
    let life = Duration::from_millis(rng.random_range(0..=LIFE_MAX_MS));
    let clock = Duration::from_millis(rng.random_range(0..=SILENCE_MAX_MS));
    let mut live = async |client: &mut Client, time: Duration| {
        let end = Instant::now() + time;
        loop {
            say(client, rng);
            match timeout_at(end, client.turn()).await {
                Ok(Ok(())) => {}
                Ok(Err(broken)) => return Some(broken),
                Err(_) => return None,
            }
        }
    };
    let broken: Option<Broken> = live(client, life).await;
    if broken.is_none() {
        match fault {
            Fault::Reset => proxy.reset_all(),
            Fault::Cut => proxy.cut_all(),
            Fault::HalfOpen(direction) => proxy.all().half_open(direction),
            Fault::BlackHole | Fault::BlackHoleThenReset => proxy.black_hole(),
            Fault::CutAfter(..) | Fault::ResetAfter(..) | Fault::Leaves => {}
        }
        let ends = matches!(fault, Fault::Reset | Fault::Cut);
        let left = if fault == Fault::Leaves {
            Duration::ZERO
        } else if ends {
            PATIENCE
        } else {
            clock
        };
        drop(live(client, left).await);
        if fault == Fault::BlackHoleThenReset {
            proxy.reset_all();
        }
    }
    client.abandon();
    fault
}
