//! Looking at a log without opening it: what is said is true, and nothing is changed.

use bytes::Bytes;

use super::{Records, all, append, chunks, fill, open, try_open};
use crate::log::{
    Log, Position,
    local::{
        Inspection, LocalLog, LocalOptions, OpenError, Summary,
        simulated::{Fault, SimulatedDisk},
    },
};

/// Looks, and checks that nothing was written.
fn look(disk: &SimulatedDisk) -> Result<(Summary, Records), OpenError> {
    let operations = disk.operations();
    let inspection = Inspection::open_on(disk.mount())?;
    let summary = inspection.summary()?;
    let mut records = Records::new();
    inspection
        .replay(summary.bounds.0, &mut |position, record| {
            records.push((position, record));
            true
        })
        .unwrap();
    assert_eq!(disk.operations(), operations);
    Ok((summary, records))
}

#[test]
fn a_log_that_was_closed_is_told_whole() {
    let disk = SimulatedDisk::new(1);
    let log = open(&disk);
    let records = fill(&log, [500; 20]);
    log.snapshot(records[12].0, &mut chunks(&["four", "five!"])).unwrap();
    let bounds = log.bounds();
    assert!(matches!(look(&disk), Err(OpenError::InUse)));
    drop(log);
    let (summary, there) = look(&disk).unwrap();
    assert_eq!(there, records, "also those that the snapshot covers");
    let expected = Summary {
        id: 7,
        bounds,
        records: 20,
        segments: (5, 5 * 4096),
        snapshot: Some((records[12].0, 2, 9)),
        torn: None,
        leftovers: Vec::new(),
    };
    assert_eq!(summary, expected);
}

#[test]
fn what_a_crash_has_torn_is_told_and_then_cut() {
    let mut torn = 0;
    for seed in 0..50 {
        let disk = SimulatedDisk::new(seed);
        let log = open(&disk);
        fill(&log, [100]);
        append(&log, &[1; 2500]).unwrap();
        disk.fail(Fault::Power(2));
        log.flush().unwrap_err();
        disk.crash();
        let (summary, there) = look(&disk).unwrap();
        let log = open(&disk);
        assert_eq!(all(&log), there);
        drop(log);
        if let Some(found) = summary.torn {
            torn += 1;
            assert_eq!(found.file, "segment-0000000000000000.log");
            assert_eq!(found.byte, summary.bounds.1.0);
            assert!(found.until > found.byte);
        }
        assert_eq!(look(&disk).unwrap().0.torn, None);
    }
    assert!(torn > 20, "{torn} of 50 were torn");
}

#[test]
fn damage_before_the_snapshot_is_found_too() {
    let disk = SimulatedDisk::new(1);
    let log = open(&disk);
    let records = fill(&log, [500; 20]);
    log.snapshot(records[19].0, &mut chunks(&["state"])).unwrap();
    drop(log);
    let name = "segment-0000000000000000.log";
    let mut contents = disk.contents(name).unwrap();
    contents[700] ^= 1;
    disk.put(name, &contents);
    match look(&disk) {
        Err(OpenError::Damaged { file, byte, .. }) => assert_eq!((file.as_str(), byte), (name, 512)),
        other => panic!("{other:?}"),
    }
    // Who opens it needs only what comes after the snapshot; who reads the rest is told.
    let log = try_open(&disk).unwrap();
    log.read(records[19].0).unwrap();
    log.read(records[0].0).unwrap_err();
    log.replay(Position(0), &mut |_, _| true).unwrap_err();
}

#[test]
fn where_there_is_no_log_that_is_said_and_none_is_made() {
    let disk = SimulatedDisk::new(1);
    assert!(matches!(look(&disk), Err(OpenError::Absent)));
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    assert!(matches!(Inspection::open(&missing), Err(OpenError::Disk { .. })));
    assert!(matches!(Inspection::open(folder.path()), Err(OpenError::Absent)));
    assert!(!missing.exists());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_real_folder_is_looked_at_and_refused_while_it_is_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let options = LocalOptions { segment_bytes: 8192, ..LocalOptions::default() };
    let log = LocalLog::open(folder.path(), &options).unwrap();
    let at = log.append(b"kept").unwrap();
    assert!(matches!(Inspection::open(folder.path()), Err(OpenError::InUse)));
    drop(log);
    let inspection = Inspection::open(folder.path()).unwrap();
    assert!(matches!(LocalLog::open(folder.path(), &options), Err(OpenError::InUse)));
    let mut shown = Records::new();
    inspection
        .replay(Position(0), &mut |position, record| {
            shown.push((position, record));
            true
        })
        .unwrap();
    assert_eq!(shown, [(at, Bytes::from("kept"))]);
}
