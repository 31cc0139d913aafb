//! What is to be written: the message that is being filled, and those that are full. Bounded; who appends never waits.

use std::collections::VecDeque;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{
    super::{LogError, Position},
    batch::{Filling, RECORD_OVERHEAD_BYTES, RECORDS_MAX, position},
};

/// Bytes of records at which a message is full. A longer record has its own.
const MESSAGE_BYTES: usize = 256 << 10;
/// Bytes that may wait.
const WAITING_BYTES_MAX: usize = 64 << 20;
/// What the headers and the sum of a message take of what the server takes.
const HEADERS_BYTES: usize = 1 << 10;

/// A message that is full.
#[derive(Debug, Clone)]
pub(super) struct Full {
    /// Its number in the stream.
    pub(super) sequence: u64,
    pub(super) payload: Bytes,
    /// It says where a snapshot is.
    pub(super) pointer: bool,
}

/// What waits to be written.
#[derive(Debug)]
pub(super) struct Intake {
    waiting: Mutex<Waiting>,
    record_bytes_max: usize,
    /// There is something, or there will never be more.
    pub(super) changed: Notify,
}

#[derive(Debug)]
struct Waiting {
    full: VecDeque<Full>,
    filling: Filling,
    /// The number that the message has which is being filled.
    sequence: u64,
    bytes: usize,
    failed: Option<LogError>,
}

impl Waiting {
    fn bytes(&self) -> usize {
        self.bytes + self.filling.bytes()
    }

    /// What is being filled is full; nothing when it is empty.
    fn close(&mut self) {
        if self.filling.records() > 0 {
            let payload = std::mem::take(&mut self.filling).seal();
            self.put(payload, false);
        }
    }

    fn put(&mut self, payload: Bytes, pointer: bool) {
        self.bytes += payload.len();
        self.full.push_back(Full { sequence: self.sequence, payload, pointer });
        self.sequence += 1;
    }
}

impl Intake {
    /// Nothing; the first message has the number `sequence`.
    pub(super) fn new(sequence: u64, message_bytes_max: usize) -> Self {
        let (full, filling) = (VecDeque::new(), Filling::default());
        let waiting = Waiting { full, filling, sequence, bytes: 0, failed: None };
        let record_bytes_max = message_bytes_max.saturating_sub(HEADERS_BYTES);
        Self { waiting: Mutex::new(waiting), record_bytes_max, changed: Notify::new() }
    }

    /// Takes a record.
    pub(super) fn append(&self, record: &[u8]) -> Result<Position, LogError> {
        if record.len() > self.record_bytes_max {
            return Err(LogError::TooLong(record.len()));
        }
        let mut waiting = self.waiting.lock();
        check(&waiting)?;
        let filled = waiting.filling.bytes() + RECORD_OVERHEAD_BYTES + record.len();
        if filled > MESSAGE_BYTES || waiting.filling.records() == RECORDS_MAX {
            waiting.close();
        }
        let index = waiting.filling.push(record);
        self.changed.notify_one();
        Ok(position(waiting.sequence, index))
    }

    /// Takes a message that says where a snapshot is.
    pub(super) fn point(&self, pointer: Bytes) -> Result<(), LogError> {
        let mut waiting = self.waiting.lock();
        check(&waiting)?;
        waiting.close();
        waiting.put(pointer, true);
        self.changed.notify_one();
        Ok(())
    }

    /// Gives out the next message.
    pub(super) fn take(&self) -> Option<Full> {
        let mut waiting = self.waiting.lock();
        if waiting.full.is_empty() {
            waiting.close();
        }
        let full = waiting.full.pop_front()?;
        waiting.bytes -= full.payload.len();
        Some(full)
    }

    /// Where the next record begins, or soon after which.
    pub(super) fn end(&self) -> Position {
        let waiting = self.waiting.lock();
        let sequence = waiting.sequence + u64::from(waiting.filling.records() > 0);
        position(sequence, 0)
    }

    /// Bytes that wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.lock().bytes()
    }

    /// Takes nothing more.
    pub(super) fn fail(&self, error: LogError) {
        self.waiting.lock().failed.get_or_insert(error);
        self.changed.notify_one();
    }

    /// Why nothing more is taken, once that is so.
    pub(super) fn failed(&self) -> Option<LogError> {
        self.waiting.lock().failed.clone()
    }
}

fn check(waiting: &Waiting) -> Result<(), LogError> {
    if let Some(error) = &waiting.failed {
        return Err(error.clone());
    }
    if waiting.bytes() > WAITING_BYTES_MAX { Err(LogError::Busy) } else { Ok(()) }
}
