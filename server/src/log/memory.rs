//! A log in memory: durable at once and gone with the process. For tests, and for nodes that are told to keep nothing.
//! It keeps the face of a log exactly, with positions that tell nobody what lies between them.

use std::collections::VecDeque;

use bytes::Bytes;
use parking_lot::Mutex;
use rialto_proto::v1::Durability;
use tokio::sync::watch;

use super::{Log, LogError, Position, Progress};
use crate::base::limits::LOG_SEGMENT_BYTES;

/// What a record costs beside its payload, so that positions rise also for empty records.
const OVERHEAD_BYTES: u64 = 16;

/// Records in memory.
#[derive(Debug)]
pub struct MemoryLog {
    held: Mutex<Held>,
    progress: watch::Sender<Progress>,
}

#[derive(Debug, Default)]
struct Held {
    records: VecDeque<(Position, Bytes)>,
    /// What was truncated lies before.
    first: Position,
    next: Position,
    snapshot: Option<(Position, Vec<Bytes>)>,
}

impl MemoryLog {
    /// A log without records.
    pub fn new() -> Self {
        Self { held: Mutex::default(), progress: watch::Sender::new(Progress::default()) }
    }
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self::new()
    }
}

impl Held {
    /// The index of the first record at or after `at`.
    fn index(&self, at: Position) -> usize {
        self.records.partition_point(|(position, _)| *position < at)
    }
}

impl Log for MemoryLog {
    fn durability(&self) -> Durability {
        Durability::Memory
    }

    fn append(&self, record: &[u8]) -> Result<Position, LogError> {
        if record.len() > LOG_SEGMENT_BYTES {
            return Err(LogError::TooLong(record.len()));
        }
        let mut held = self.held.lock();
        let at = held.next;
        held.records.push_back((at, Bytes::copy_from_slice(record)));
        held.next = Position(at.0 + OVERHEAD_BYTES + record.len() as u64);
        // Under the lock, so that progress never goes back.
        self.progress.send_modify(|progress| progress.durable = held.next);
        Ok(at)
    }

    fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    fn flush(&self) -> Result<Position, LogError> {
        Ok(self.held.lock().next)
    }

    fn bounds(&self) -> (Position, Position) {
        let held = self.held.lock();
        (held.first, held.next)
    }

    fn bytes(&self) -> u64 {
        let held = self.held.lock();
        held.next.0 - held.first.0
    }

    fn read(&self, at: Position) -> Result<Bytes, LogError> {
        let held = self.held.lock();
        match held.records.get(held.index(at)) {
            Some((position, record)) if *position == at => Ok(record.clone()),
            _ => Err(LogError::Gone(at)),
        }
    }

    fn replay(&self, from: Position, visit: &mut dyn FnMut(Position, Bytes) -> bool) -> Result<(), LogError> {
        let records: Vec<_> = {
            let held = self.held.lock();
            if from < held.first {
                return Err(LogError::Gone(from));
            }
            held.records.range(held.index(from)..).cloned().collect()
        };
        // Outside the lock: whoever visits may append.
        for (position, record) in records {
            if !visit(position, record) {
                break;
            }
        }
        Ok(())
    }

    fn snapshot(&self, at: Position, chunks: &mut dyn Iterator<Item = Bytes>) -> Result<(), LogError> {
        let chunks = chunks.collect();
        let mut held = self.held.lock();
        let before = held.snapshot.as_ref().map_or(held.first, |(position, _)| *position);
        if at < before || at > held.next {
            return Err(LogError::Gone(at));
        }
        held.snapshot = Some((at, chunks));
        Ok(())
    }

    fn last_snapshot(&self, visit: &mut dyn FnMut(Bytes)) -> Result<Option<Position>, LogError> {
        let Some((at, chunks)) = self.held.lock().snapshot.clone() else {
            return Ok(None);
        };
        chunks.into_iter().for_each(visit);
        Ok(Some(at))
    }

    fn truncate(&self, before: Position) -> Result<(), LogError> {
        let mut held = self.held.lock();
        let before = before.clamp(held.first, held.next);
        let forgotten = held.index(before);
        held.records.drain(..forgotten);
        held.first = before;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replayed(log: &MemoryLog, from: Position) -> Vec<(Position, Bytes)> {
        let mut records = Vec::new();
        log.replay(from, &mut |position, record| {
            records.push((position, record));
            true
        })
        .unwrap();
        records
    }

    #[test]
    fn what_is_appended_is_read_and_replayed_in_order_and_durable_at_once() {
        let log = MemoryLog::new();
        let (a, b) = (log.append(b"a").unwrap(), log.append(b"").unwrap());
        assert!(a < b && b < log.progress().borrow().durable);
        assert_eq!(log.read(b).unwrap(), Bytes::new());
        assert_eq!(log.read(Position(b.0 + 1)), Err(LogError::Gone(Position(b.0 + 1))));
        assert_eq!(replayed(&log, Position(0)), [(a, Bytes::from("a")), (b, Bytes::new())]);
        assert_eq!(replayed(&log, Position(a.0 + 1)), [(b, Bytes::new())]);
        assert_eq!(log.flush().unwrap(), log.bounds().1);
    }

    #[test]
    fn what_is_truncated_is_gone_and_the_rest_stays() {
        let log = MemoryLog::new();
        let positions: Vec<_> = (0..10_u8).map(|n| log.append(&[n]).unwrap()).collect();
        log.truncate(positions[4]).unwrap();
        assert_eq!(log.bounds().0, positions[4]);
        assert_eq!(log.read(positions[3]), Err(LogError::Gone(positions[3])));
        assert_eq!(replayed(&log, positions[4]).len(), 6);
        assert_eq!(log.replay(positions[3], &mut |_, _| true), Err(LogError::Gone(positions[3])));
        log.truncate(Position(u64::MAX)).unwrap();
        assert_eq!(log.bytes(), 0);
        assert!(log.append(b"next").unwrap() > positions[9]);
    }

    #[test]
    fn a_snapshot_takes_the_place_of_the_one_before() {
        let log = MemoryLog::new();
        assert_eq!(log.last_snapshot(&mut |_| ()).unwrap(), None);
        let (a, b) = (log.append(b"a").unwrap(), log.append(b"b").unwrap());
        log.snapshot(b, &mut [Bytes::from("1"), Bytes::from("2")].into_iter()).unwrap();
        assert_eq!(log.snapshot(a, &mut std::iter::empty()), Err(LogError::Gone(a)));
        let mut chunks = Vec::new();
        assert_eq!(log.last_snapshot(&mut |chunk| chunks.push(chunk)).unwrap(), Some(b));
        assert_eq!(chunks, ["1", "2"]);
    }
}
