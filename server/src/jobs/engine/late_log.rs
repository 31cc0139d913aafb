//! A log for tests that is durable only as far as it is told, and that ends where a crash has cut it.

use bytes::Bytes;
use parking_lot::Mutex;
use rialto_proto::v1::Durability;
use tokio::sync::watch;

use crate::log::{Log, LogError, Position, Progress};

/// The log: record n is at position n + 1.
#[derive(Debug)]
pub(super) struct LateLog {
    held: Mutex<Held>,
    progress: watch::Sender<Progress>,
}

#[derive(Debug, Default)]
struct Held {
    records: Vec<Bytes>,
    first: u64,
    full: bool,
}

impl LateLog {
    /// A log of these records, durable; those before `first` are gone.
    pub(super) fn of(records: Vec<Bytes>, first: Position) -> Self {
        let progress = Progress { durable: Position(records.len() as u64 + 1), failed: None };
        Self {
            held: Mutex::new(Held { records, first: first.0.max(1), full: false }),
            progress: watch::Sender::new(progress),
        }
    }

    /// Everything that was appended is durable.
    pub(super) fn sync(&self) {
        let next = Position(self.held.lock().records.len() as u64 + 1);
        self.progress.send_modify(|progress| progress.durable = next);
    }

    pub(super) fn durable(&self) -> Position {
        self.progress.borrow().durable
    }

    /// How many records there have been.
    pub(super) fn len(&self) -> usize {
        self.held.lock().records.len()
    }

    /// Whether there is no space for more.
    pub(super) fn set_full(&self, full: bool) {
        self.held.lock().full = full;
    }

    /// What is there after a crash that left so many records.
    pub(super) fn cut(&self, records: usize) -> Self {
        let held = self.held.lock();
        Self::of(held.records[..records].to_vec(), Position(held.first))
    }
}

impl Log for LateLog {
    fn durability(&self) -> Durability {
        Durability::Memory
    }

    fn append(&self, record: &[u8]) -> Result<Position, LogError> {
        let mut held = self.held.lock();
        if held.full {
            return Err(LogError::Full);
        }
        held.records.push(Bytes::copy_from_slice(record));
        Ok(Position(held.records.len() as u64))
    }

    fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    fn flush(&self) -> Result<Position, LogError> {
        self.sync();
        Ok(self.durable())
    }

    fn bounds(&self) -> (Position, Position) {
        let held = self.held.lock();
        (Position(held.first), Position(held.records.len() as u64 + 1))
    }

    fn bytes(&self) -> u64 {
        let held = self.held.lock();
        held.records.iter().skip(held.first as usize - 1).map(|record| record.len() as u64).sum()
    }

    fn read(&self, at: Position) -> Result<Bytes, LogError> {
        self.held.lock().records.get(at.0 as usize - 1).cloned().ok_or(LogError::Gone(at))
    }

    fn replay(&self, from: Position, visit: &mut dyn FnMut(Position, Bytes) -> bool) -> Result<(), LogError> {
        let records = self.held.lock().records.clone();
        for (record, position) in records.into_iter().zip(1..).skip(from.0 as usize - 1) {
            if !visit(Position(position), record) {
                break;
            }
        }
        Ok(())
    }

    fn snapshot(&self, _: Position, _: &mut dyn Iterator<Item = Bytes>) -> Result<(), LogError> {
        Ok(())
    }

    fn last_snapshot(&self, _: &mut dyn FnMut(Bytes)) -> Result<Option<Position>, LogError> {
        Ok(None)
    }

    fn truncate(&self, before: Position) -> Result<(), LogError> {
        let mut held = self.held.lock();
        held.first = held.first.max(before.0);
        Ok(())
    }
}
