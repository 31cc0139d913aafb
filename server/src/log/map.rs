//! A small map over a log: what is put is durable when that is answered, and all of it lies in memory. For what changes seldom and
//! has to outlive the process; a change is a record, and the log is cleaned when most of it is old.

use std::{collections::BTreeMap, sync::Arc};

use bytes::{BufMut, Bytes, BytesMut};
use parking_lot::Mutex;
use rialto_proto::v1::Durability;
use tokio::task::JoinError;

use super::{Log, LogError, Position, memory::MemoryLog};

/// Below that a log is not cleaned.
const CLEANED_BYTES_MIN: u64 = 1 << 20;
/// A log is cleaned when it is so many times as long as what it holds.
const CLEANED_FACTOR: u64 = 4;
/// What an entry takes beside its key and its value.
const ENTRY_BYTES: usize = 16;
const KEY_BYTES_MAX: usize = u16::MAX as usize;

/// Why a change is not known to be durable.
#[derive(Debug, thiserror::Error)]
pub enum MapError {
    /// The log does not take it.
    #[error("{0}")]
    Log(#[from] LogError),
    /// The node ends.
    #[error("the node ends")]
    Ended(#[from] JoinError),
}

/// The map.
#[derive(Debug, Clone)]
pub struct LogMap {
    log: Arc<dyn Log>,
    held: Arc<Mutex<Held>>,
}

#[derive(Debug, Default)]
struct Held {
    entries: BTreeMap<String, Bytes>,
    bytes: usize,
}

impl Held {
    fn set(&mut self, key: String, value: Bytes) {
        let size = |key: &str, value: &Bytes| ENTRY_BYTES + key.len() + value.len();
        if let Some(before) = self.entries.get(&key) {
            self.bytes -= size(&key, before);
        }
        if value.is_empty() {
            self.entries.remove(&key);
        } else {
            self.bytes += size(&key, &value);
            self.entries.insert(key, value);
        }
    }

    fn read(&mut self, record: &Bytes) -> Result<(), LogError> {
        let (key, value) = decode(record).ok_or_else(|| LogError::Damaged {
            file: "a map".to_owned(),
            what: "a record is no entry".to_owned(),
            byte: 0,
        })?;
        self.set(key, value);
        Ok(())
    }
}

impl Default for LogMap {
    /// One in memory.
    fn default() -> Self {
        Self { log: Arc::new(MemoryLog::new()), held: Arc::default() }
    }
}

impl LogMap {
    /// Takes up what a log holds. May wait for the disk.
    pub fn open(log: Arc<dyn Log>) -> Result<Self, LogError> {
        let mut held = Held::default();
        let mut outcome = Ok(());
        let mut read = |record: Bytes| {
            if outcome.is_ok() {
                outcome = held.read(&record);
            }
            outcome.is_ok()
        };
        let snapshot = log.last_snapshot(&mut |chunk| {
            read(chunk);
        })?;
        let from = snapshot.unwrap_or_else(|| log.bounds().0);
        log.replay(from, &mut |_, record| read(record))?;
        outcome?;
        Ok(Self { log, held: Arc::new(Mutex::new(held)) })
    }

    /// What a change is once it is answered.
    pub fn durability(&self) -> Durability {
        self.log.durability()
    }

    /// Puts something under a key, in place of what was there; nothing takes it away. Returns when that is durable.
    pub async fn put(&self, key: &str, value: Bytes) -> Result<(), MapError> {
        let record = encode(key, &value).ok_or(LogError::TooLong(key.len()))?;
        let (at, is_old) = {
            let mut held = self.held.lock();
            let at = self.log.append(&record)?;
            held.set(key.to_owned(), value);
            (at, self.log.bytes() > CLEANED_BYTES_MIN.max(CLEANED_FACTOR * held.bytes as u64))
        };
        self.durable(at).await?;
        if is_old {
            let map = self.clone();
            tokio::task::spawn_blocking(move || map.clean()).await??;
        }
        Ok(())
    }

    /// All entries, by key.
    pub fn all(&self) -> Vec<(String, Bytes)> {
        let held = self.held.lock();
        held.entries.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    async fn durable(&self, at: Position) -> Result<(), LogError> {
        let mut progress = self.log.progress();
        let passed = progress.wait_for(|progress| progress.durable > at || progress.failed.is_some()).await;
        let ended = |_| LogError::Failed("it was closed".to_owned());
        passed.map_err(ended)?.failed.clone().map_or(Ok(()), Err)
    }

    /// Writes down what there is in place of how it came to be.
    fn clean(&self) -> Result<(), LogError> {
        let held = self.held.lock();
        self.log.flush()?;
        let (_, next) = self.log.bounds();
        let mut entries = held.entries.iter().filter_map(|(key, value)| encode(key, value));
        self.log.snapshot(next, &mut entries)?;
        self.log.truncate(next)
    }
}

/// `None` for a key that is too long.
fn encode(key: &str, value: &Bytes) -> Option<Bytes> {
    let length = u16::try_from(key.len().min(KEY_BYTES_MAX + 1)).ok()?;
    let mut record = BytesMut::with_capacity(2 + key.len() + value.len());
    record.put_u16(length);
    record.put_slice(key.as_bytes());
    record.put_slice(value);
    Some(record.freeze())
}

fn decode(record: &Bytes) -> Option<(String, Bytes)> {
    let (length, _) = record.split_first_chunk::<2>()?;
    let end = 2 + usize::from(u16::from_be_bytes(*length));
    let key = std::str::from_utf8(record.get(2..end)?).ok()?;
    Some((key.to_owned(), record.slice(end..)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::local::{LocalLog, LocalOptions};

    fn texts(map: &LogMap) -> Vec<(String, String)> {
        let text = |value: Bytes| String::from_utf8(value.to_vec()).unwrap();
        map.all().into_iter().map(|(key, value)| (key, text(value))).collect()
    }

    fn entry(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[tokio::test]
    async fn what_was_put_is_there_again() {
        let folder = tempfile::tempdir().unwrap();
        let open = || {
            let log = LocalLog::open(folder.path(), &LocalOptions::default()).unwrap();
            LogMap::open(Arc::new(log)).unwrap()
        };
        let map = open();
        map.put("a", Bytes::from_static(b"1")).await.unwrap();
        map.put("b", Bytes::from_static(b"2")).await.unwrap();
        map.put("a", Bytes::from_static(b"3")).await.unwrap();
        map.put("c", Bytes::from_static(b"4")).await.unwrap();
        map.put("b", Bytes::new()).await.unwrap();
        let there = [entry("a", "3"), entry("c", "4")];
        assert_eq!(texts(&map), there);
        drop(map);
        assert_eq!(texts(&open()), there);
    }

    #[tokio::test]
    async fn a_log_that_is_mostly_old_is_cleaned_and_holds_the_same() {
        let log: Arc<dyn Log> = Arc::new(MemoryLog::new());
        let map = LogMap::open(Arc::clone(&log)).unwrap();
        let value = Bytes::from(vec![b'x'; 10_000]);
        for number in 0..500 {
            map.put(&format!("{}", number % 7), value.clone()).await.unwrap();
        }
        assert!(log.bytes() <= CLEANED_BYTES_MIN + 20_000, "{}", log.bytes());
        map.put("7", Bytes::from_static(b"last")).await.unwrap();
        let again = LogMap::open(log).unwrap();
        assert_eq!(again.all(), map.all());
        assert_eq!(again.all().len(), 8);
    }

    #[tokio::test]
    async fn what_is_no_entry_is_refused() {
        let log: Arc<dyn Log> = Arc::new(MemoryLog::new());
        log.append(&[0, 9, b'x']).unwrap();
        assert!(matches!(LogMap::open(log), Err(LogError::Damaged { .. })));
        let map = LogMap::open(Arc::new(MemoryLog::new())).unwrap();
        let refused = map.put(&"k".repeat(KEY_BYTES_MAX + 1), Bytes::from_static(b"v")).await;
        assert!(matches!(refused, Err(MapError::Log(LogError::TooLong(_)))));
    }
}
