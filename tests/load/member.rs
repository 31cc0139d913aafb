//! Members: connections that only read. To leave the machine to the server, nothing is decoded: each payload holds a
//! mark and the time at which its event should have been sent, and the stream of bytes is searched for marks. What a
//! protocol needs to stay alive is answered by its [`Dialect`].

use std::{
    cell::RefCell,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hdrhistogram::Histogram;
use tokio::{io::AsyncWriteExt, net::TcpStream, time::Instant};

use crate::{Failure, dialect::Dialect};

/// Bytes of every payload, for every server.
pub(crate) const PAYLOAD_BYTES: usize = 128;
/// The room that everyone is in.
pub(crate) const ROOM: &str = "bench-room";
/// Begins a payload; then come 16 hexadecimal digits.
const MARK: &[u8; 2] = b"@~";
const STAMP_BYTES: usize = MARK.len() + 16;
/// How long a member waits for each answer until it is in the room.
const JOIN_TIMEOUT: Duration = Duration::from_secs(20);
const READ_BYTES: usize = 64 << 10;

thread_local! {
    /// All members of a thread read into one buffer, which therefore stays in the CPU's cache.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
}

/// A payload for an event that should be sent at `stamp`, in ns since the start of the run.
pub(crate) fn payload(stamp: u64) -> String {
    format!("@~{stamp:016x}{}", "x".repeat(PAYLOAD_BYTES - STAMP_BYTES))
}

/// What all members of a run have seen.
#[derive(Debug)]
pub(crate) struct Tally {
    /// Time zero of all stamps.
    pub(crate) epoch: Instant,
    /// Deliveries so far.
    pub(crate) deliveries: AtomicU64,
    /// Connections that ended early.
    pub(crate) ended: AtomicU64,
    /// Latencies of events that should have been sent in the measured time, in µs.
    pub(crate) latencies: parking_lot::Mutex<Histogram<u64>>,
    /// Stamps from here on are measured.
    pub(crate) from: AtomicU64,
    /// Stamps up to here are measured.
    pub(crate) to: AtomicU64,
}

impl Tally {
    /// Nothing seen yet; nothing measured before [`Tally::from`] is set.
    pub(crate) fn new(epoch: Instant) -> Result<Self, Failure> {
        Ok(Self {
            epoch,
            deliveries: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            latencies: parking_lot::Mutex::new(Histogram::new_with_bounds(1, 120_000_000, 3)?),
            from: AtomicU64::new(u64::MAX),
            to: AtomicU64::new(u64::MAX),
        })
    }

    /// Time since the start, in ns.
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn record(&self, stamps: &[u64]) {
        self.deliveries.fetch_add(stamps.len() as u64, Ordering::Relaxed);
        let (from, to) = (self.from.load(Ordering::Relaxed), self.to.load(Ordering::Relaxed));
        let now = self.now();
        let mut latencies = self.latencies.lock();
        for stamp in stamps.iter().filter(|stamp| (from..to).contains(*stamp)) {
            latencies.saturating_record((now.saturating_sub(*stamp) / 1_000).max(1));
        }
    }
}

/// Finds stamps in a stream of bytes that comes in pieces.
#[derive(Debug, Default)]
pub(crate) struct Stamps {
    rest: Vec<u8>,
    /// Stamps found since the last look.
    pub(crate) found: Vec<u64>,
    /// Whether the name of the room was seen: the sign that the member is in it.
    pub(crate) room_seen: bool,
}

impl Stamps {
    /// Looks through the next piece.
    pub(crate) fn search(&mut self, piece: &[u8]) {
        if !self.room_seen {
            self.room_seen = piece.windows(ROOM.len()).any(|window| window == ROOM.as_bytes());
        }
        if self.rest.is_empty() {
            let left = search(piece, &mut self.found);
            self.rest.extend_from_slice(&piece[left..]);
        } else {
            let mut rest = std::mem::take(&mut self.rest);
            rest.extend_from_slice(piece);
            let left = search(&rest, &mut self.found);
            rest.drain(..left);
            self.rest = rest;
        }
    }
}

/// Finds the stamps in `bytes`; the index of what may be the beginning of one more.
fn search(bytes: &[u8], found: &mut Vec<u64>) -> usize {
    let mut at = 0;
    while let Some(offset) = bytes[at..].iter().position(|byte| *byte == MARK[0]) {
        at += offset;
        let Some(stamp) = bytes.get(at..at + STAMP_BYTES) else {
            return at;
        };
        let digits = std::str::from_utf8(&stamp[MARK.len()..]).ok();
        match digits.and_then(|digits| u64::from_str_radix(digits, 16).ok()) {
            Some(value) if stamp.starts_with(MARK) => {
                found.push(value);
                at = (at + PAYLOAD_BYTES).min(bytes.len());
            }
            _ => at += 1,
        }
    }
    bytes.len()
}

/// A member that is in the room.
#[derive(Debug)]
pub(crate) struct Member {
    socket: TcpStream,
    dialect: Dialect,
    stamps: Stamps,
}

impl Member {
    /// Connects, greets, and waits until the member is in the room.
    pub(crate) async fn join(
        mut dialect: Dialect,
        address: SocketAddr,
        number: usize,
    ) -> Result<Self, Failure> {
        let mut socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        socket.write_all(&dialect.greeting(number)).await?;
        let mut stamps = Stamps::default();
        while !stamps.room_seen {
            let reading = read(&mut socket, &mut dialect, &mut stamps);
            let silent = |_| format!("the server left connection {number} without an answer");
            if tokio::time::timeout(JOIN_TIMEOUT, reading).await.map_err(silent)?? == 0 {
                return Err(format!("the server closed connection {number} during its greeting").into());
            }
        }
        Ok(Self { socket, dialect, stamps })
    }

    /// Reads until the connection ends.
    pub(crate) async fn listen(mut self, tally: Arc<Tally>) {
        while let Ok(1..) = read(&mut self.socket, &mut self.dialect, &mut self.stamps).await {
            if !self.stamps.found.is_empty() {
                tally.record(&self.stamps.found);
                self.stamps.found.clear();
            }
        }
        tally.ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// Reads what is there, searches it, and answers what wants an answer. The number of bytes; 0 at the end.
async fn read(socket: &mut TcpStream, dialect: &mut Dialect, stamps: &mut Stamps) -> Result<usize, Failure> {
    loop {
        socket.readable().await?;
        let mut answer = Vec::new();
        let outcome = BUFFER.with_borrow_mut(|buffer| {
            let count = socket.try_read(buffer)?;
            dialect.take(&buffer[..count], stamps, &mut answer);
            std::io::Result::Ok(count)
        });
        match outcome {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
            Ok(count) => {
                if !answer.is_empty() {
                    socket.write_all(&answer).await?;
                }
                return Ok(count);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_has_its_size_and_gives_its_stamp_back() {
        let text = payload(0x1234);
        assert_eq!(text.len(), PAYLOAD_BYTES);
        let mut stamps = Stamps::default();
        stamps.search(text.as_bytes());
        assert_eq!(stamps.found, [0x1234]);
    }

    #[test]
    fn stamps_are_found_wherever_the_stream_is_cut() {
        let stream = format!("head@{}middle{}{}tail", payload(1), payload(2), payload(3));
        for cut in 0..stream.len() {
            let mut stamps = Stamps::default();
            stamps.search(&stream.as_bytes()[..cut]);
            stamps.search(&stream.as_bytes()[cut..]);
            assert_eq!(stamps.found, [1, 2, 3], "cut at {cut}");
        }
    }
}
