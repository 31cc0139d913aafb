//! The log with its thread, in a real folder.

use std::{sync::Arc, thread};

use bytes::Bytes;

use super::{all, chunks, snapshot_of};
use crate::log::{
    Log, LogError, Position,
    local::{LocalLog, LocalOptions, OpenError},
};

fn small() -> LocalOptions {
    LocalOptions { segment_bytes: 64 << 10, pending_bytes_max: 16 << 10, ..LocalOptions::default() }
}

/// Appends also when the writer is behind.
fn insist(log: &LocalLog, record: &[u8]) -> Position {
    loop {
        match log.append(record) {
            Err(LogError::Busy) => {
                log.flush().unwrap();
                thread::yield_now();
            }
            appended => return appended.unwrap(),
        }
    }
}

#[test]
fn appenders_at_once_keep_each_their_order_and_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let log = Arc::new(LocalLog::open(folder.path(), &small()).unwrap());
    let appenders: Vec<_> = (0..8_u32)
        .map(|appender| {
            let log = Arc::clone(&log);
            thread::spawn(move || {
                let record = |n: u32| format!("{appender} {n} {}", "x".repeat(n as usize % 400));
                (0..500).map(|n| (insist(&log, record(n).as_bytes()), record(n))).collect::<Vec<_>>()
            })
        })
        .collect();
    let mut expected = Vec::new();
    for appender in appenders {
        let appended = appender.join().unwrap();
        assert!(appended.is_sorted(), "positions of one appender rise");
        expected.extend(appended);
    }
    expected.sort();
    let end = log.flush().unwrap();
    assert_eq!(end, log.bounds().1);
    let expected: Vec<_> = expected.into_iter().map(|(at, record)| (at, Bytes::from(record))).collect();
    assert_eq!(all(&*log), expected);
    drop(log);
    assert_eq!(all(&LocalLog::open(folder.path(), &small()).unwrap()), expected);
}

#[test]
fn readers_see_whole_records_while_others_append() {
    let folder = tempfile::tempdir().unwrap();
    let log = Arc::new(LocalLog::open(folder.path(), &small()).unwrap());
    let appender = {
        let log = Arc::clone(&log);
        thread::spawn(move || {
            for n in 0..3000_usize {
                insist(&log, &vec![n as u8; n % 300]);
            }
            log.flush().unwrap();
        })
    };
    let mut seen = 0;
    while seen < 3000 {
        let mut n = 0_usize;
        log.replay(Position(0), &mut |position, record| {
            assert_eq!(record, vec![n as u8; n % 300]);
            if n.is_multiple_of(97) {
                assert_eq!(log.read(position).unwrap(), record);
            }
            n += 1;
            true
        })
        .unwrap();
        assert!(n >= seen, "what was durable stays");
        seen = n;
    }
    appender.join().unwrap();
}

#[test]
fn what_waits_is_durable_when_the_log_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    for n in 0..10_u8 {
        let log = LocalLog::open(folder.path(), &small()).unwrap();
        insist(&log, &[n]);
        insist(&log, &[n; 1000]);
        drop(log);
    }
    let log = LocalLog::open(folder.path(), &small()).unwrap();
    assert_eq!(all(&log).len(), 20);
}

#[test]
fn a_second_opener_of_a_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let log = LocalLog::open(folder.path(), &small()).unwrap();
    assert!(matches!(LocalLog::open(folder.path(), &small()), Err(OpenError::InUse)));
    drop(log);
    LocalLog::open(folder.path(), &small()).unwrap();
}

#[tokio::test]
async fn who_waits_for_progress_is_woken() {
    let folder = tempfile::tempdir().unwrap();
    let log = LocalLog::open(folder.path(), &small()).unwrap();
    let mut progress = log.progress();
    let at = insist(&log, b"answer me when this is safe");
    progress.wait_for(|progress| progress.durable > at).await.unwrap();
    assert_eq!(log.read(at).unwrap(), "answer me when this is safe");
    drop(log);
    assert!(progress.changed().await.is_err(), "the log is gone");
}

#[test]
fn a_snapshot_waits_for_the_thread_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let log = LocalLog::open(folder.path(), &small()).unwrap();
    for n in 0..200_u8 {
        insist(&log, &[n; 1000]);
    }
    let next = log.bounds().1;
    log.snapshot(next, &mut chunks(&["all", "of", "it"])).unwrap();
    log.truncate(next).unwrap();
    assert!(log.bytes() <= 64 << 10);
    drop(log);
    let log = LocalLog::open(folder.path(), &small()).unwrap();
    assert_eq!(snapshot_of(&log).unwrap(), (next, chunks(&["all", "of", "it"]).collect()));
}
