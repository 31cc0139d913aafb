//! Tests of the log in files: what they share, and what needs no crash and no damage.

mod crash;
mod damage;
mod faults;
mod hostile;
mod inspection;
mod model;
mod threads;

use bytes::Bytes;

use super::{LocalLog, LocalOptions, OpenError, Writing, simulated::SimulatedDisk};
use crate::log::{Log, LogError, Position};

type Records = Vec<(Position, Bytes)>;

/// Small segments, and nobody writes but `flush`.
fn inline() -> LocalOptions {
    LocalOptions { segment_bytes: 4096, pending_bytes_max: 1 << 20, writing: Writing::Inline, id: Some(7) }
}

fn open(disk: &SimulatedDisk) -> LocalLog {
    try_open(disk).unwrap()
}

fn try_open(disk: &SimulatedDisk) -> Result<LocalLog, OpenError> {
    LocalLog::open_on(disk.mount(), &inline())
}

/// Every record that the log shows.
fn replayed(log: &dyn Log, from: Position) -> Records {
    let mut records = Vec::new();
    log.replay(from, &mut |position, record| {
        records.push((position, record));
        true
    })
    .unwrap();
    records
}

fn all(log: &dyn Log) -> Records {
    replayed(log, log.bounds().0)
}

/// Appends, with a flush where there is no room.
fn append(log: &dyn Log, record: &[u8]) -> Result<Position, LogError> {
    match log.append(record) {
        Err(LogError::Busy) => {
            log.flush()?;
            log.append(record)
        }
        appended => appended,
    }
}

/// Appends records of these lengths, each with bytes of its own, and makes them durable.
fn fill(log: &dyn Log, lengths: impl IntoIterator<Item = usize>) -> Records {
    let mut records = Vec::new();
    for (n, length) in lengths.into_iter().enumerate() {
        let record = Bytes::from(vec![n as u8; length]);
        records.push((append(log, &record).unwrap(), record));
    }
    log.flush().unwrap();
    records
}

fn chunks(texts: &[&str]) -> impl Iterator<Item = Bytes> {
    texts.iter().map(|text| Bytes::copy_from_slice(text.as_bytes())).collect::<Vec<_>>().into_iter()
}

fn snapshot_of(log: &dyn Log) -> Option<(Position, Vec<Bytes>)> {
    let mut chunks = Vec::new();
    let at = log.last_snapshot(&mut |chunk| chunks.push(chunk)).unwrap();
    at.map(|at| (at, chunks))
}

#[test]
fn what_was_appended_comes_back_in_order_over_many_segments() {
    let disk = SimulatedDisk::new(1);
    let log = open(&disk);
    let records = fill(&log, (0..100).map(|n| n * 37 % 900));
    assert_eq!(all(&log), records);
    for (position, record) in &records {
        assert_eq!(&log.read(*position).unwrap(), record);
    }
    for (index, (position, _)) in records.iter().enumerate() {
        assert_eq!(replayed(&log, *position), records[index..], "from record {index}");
        assert_eq!(replayed(&log, Position(position.0 + 1)), records[index + 1..], "after record {index}");
    }
    assert!(log.bounds().1.0 > 10 * 4096, "only {:?}", log.bounds());
    drop(log);
    assert_eq!(all(&open(&disk)), records);
}

#[test]
fn a_record_is_not_shown_before_it_is_durable() {
    let log = open(&SimulatedDisk::new(1));
    let at = log.append(b"a").unwrap();
    assert_eq!(log.read(at), Err(LogError::Gone(at)));
    assert_eq!(all(&log), []);
    assert!(log.progress().borrow().durable <= at);
    assert!(log.flush().unwrap() > at);
    assert_eq!(log.read(at).unwrap(), "a");
    assert!(log.progress().borrow().durable > at);
}

#[test]
fn only_where_a_record_begins_there_is_one() {
    let log = open(&SimulatedDisk::new(1));
    let records = fill(&log, [3, 0, 700, 496, 5, 1000, 2000]);
    let positions: Vec<_> = records.iter().map(|(position, _)| *position).collect();
    for at in (0..log.bounds().1.0 + 8192).map(Position).filter(|at| !positions.contains(at)) {
        assert_eq!(log.read(at), Err(LogError::Gone(at)));
    }
}

#[test]
fn the_longest_record_fills_a_segment_and_a_longer_one_is_refused() {
    let disk = SimulatedDisk::new(1);
    let log = open(&disk);
    let longest = 7 * 496 - 16;
    assert_eq!(log.append(&vec![0; longest + 1]), Err(LogError::TooLong(longest + 1)));
    let records = fill(&log, [1, longest, longest, 1, longest]);
    assert_eq!(all(&log), records);
    drop(log);
    assert_eq!(all(&open(&disk)), records);
}

#[test]
fn a_seal_may_stand_anywhere_in_a_sector() {
    for length in 0..=520 {
        let disk = SimulatedDisk::new(1);
        let log = open(&disk);
        let records = fill(&log, [length, 2900, 3400, 1]);
        assert_eq!(all(&log), records, "with a first record of {length} bytes");
        drop(log);
        assert_eq!(all(&open(&disk)), records, "with a first record of {length} bytes");
    }
}

#[test]
fn what_waits_is_bounded_and_one_long_record_still_passes() {
    let disk = SimulatedDisk::new(1);
    let options = LocalOptions { pending_bytes_max: 100, ..inline() };
    let log = LocalLog::open_on(disk.mount(), &options).unwrap();
    log.append(&[0; 300]).unwrap();
    assert_eq!(log.append(b""), Err(LogError::Busy));
    log.flush().unwrap();
    log.append(&[0; 80]).unwrap();
    assert_eq!(log.append(&[0; 10]), Err(LogError::Busy));
    log.append(&[0; 4]).unwrap();
}

#[test]
fn a_snapshot_takes_the_place_of_the_one_before_and_whole_segments_are_given_back() {
    let disk = SimulatedDisk::new(1);
    let log = open(&disk);
    assert_eq!(snapshot_of(&log), None);
    let records = fill(&log, [500; 40]);
    log.snapshot(records[10].0, &mut chunks(&["a", ""])).unwrap();
    log.snapshot(records[20].0, &mut chunks(&["b", "c"])).unwrap();
    assert_eq!(log.snapshot(records[19].0, &mut chunks(&[])), Err(LogError::Gone(records[19].0)));
    let beyond = Position(log.bounds().1.0 + 1);
    assert_eq!(log.snapshot(beyond, &mut chunks(&[])), Err(LogError::Gone(beyond)));
    let stored = log.bytes();
    log.truncate(records[20].0).unwrap();
    assert!(log.bytes() < stored);
    assert_eq!(log.replay(Position(0), &mut |_, _| true), Err(LogError::Gone(Position(0))));
    let check = |log: &LocalLog| {
        let expected = Some((records[20].0, vec![Bytes::from("b"), Bytes::from("c")]));
        assert_eq!(snapshot_of(log), expected);
        let first = log.bounds().0;
        assert!(records[10].0 < first && first <= records[20].0, "{first:?}");
        assert_eq!(replayed(log, records[20].0), records[20..]);
    };
    check(&log);
    drop(log);
    check(&open(&disk));
    let snapshots = disk.mount().list().unwrap().iter().filter(|name| name.starts_with("snapshot")).count();
    assert_eq!(snapshots, 1);
}

#[test]
fn what_waits_is_durable_before_a_snapshot_counts_on_it() {
    let disk = SimulatedDisk::new(1);
    let log = open(&disk);
    log.append(b"a").unwrap();
    let next = log.bounds().1;
    log.snapshot(next, &mut chunks(&["after a"])).unwrap();
    disk.crash();
    let log = open(&disk);
    assert_eq!(all(&log).len(), 1);
    assert_eq!(snapshot_of(&log).unwrap().0, next);
}

#[test]
fn the_active_segment_is_never_given_back() {
    let disk = SimulatedDisk::new(1);
    let log = open(&disk);
    let records = fill(&log, [500; 10]);
    log.truncate(Position(u64::MAX)).unwrap();
    let left = all(&log);
    assert!(records.ends_with(&left));
    let next = append(&log, b"next").unwrap();
    log.flush().unwrap();
    assert!(next > records[9].0);
    assert_eq!(log.read(next).unwrap(), "next");
    drop(log);
    assert_eq!(all(&open(&disk)).len(), left.len() + 1);
}

#[test]
fn segments_of_another_length_follow_when_the_option_changes() {
    let disk = SimulatedDisk::new(1);
    let log = open(&disk);
    let mut records = fill(&log, [500; 10]);
    drop(log);
    for segment_bytes in [16384, 2048, 4096] {
        let options = LocalOptions { segment_bytes, ..inline() };
        let log = LocalLog::open_on(disk.mount(), &options).unwrap();
        records.extend(fill(&log, [1400; 30]));
        assert_eq!(all(&log), records);
    }
}

#[test]
fn options_that_make_no_sense_are_refused() {
    for options in [
        LocalOptions { segment_bytes: 512, ..inline() },
        LocalOptions { segment_bytes: 5000, ..inline() },
        LocalOptions { segment_bytes: 1 << 40, ..inline() },
        LocalOptions { pending_bytes_max: 0, ..inline() },
    ] {
        let opened = LocalLog::open_on(SimulatedDisk::new(1).mount(), &options);
        assert!(matches!(opened, Err(OpenError::Options(_))), "{options:?}");
    }
}
