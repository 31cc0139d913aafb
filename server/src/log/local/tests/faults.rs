//! Disks that refuse: a failed write or sync ends a log until it is opened again; a full one does not.

use super::{all, append, chunks, fill, inline, open, snapshot_of, try_open};
use crate::log::{
    Log, LogError, Position,
    local::{
        LocalLog, LocalOptions, OpenError,
        simulated::{Fault, SimulatedDisk},
    },
};

#[test]
fn after_a_failed_sync_or_write_nothing_is_taken_and_nothing_tried_again() {
    for fault in [Fault::Sync(1), Fault::Write(1), Fault::ShortWrite(1)] {
        let disk = SimulatedDisk::new(3);
        let log = open(&disk);
        let kept = fill(&log, [100, 200]);
        let before = log.progress().borrow().clone();
        disk.fail(fault);
        log.append(&[9; 2000]).unwrap();
        let failed = log.flush().unwrap_err();
        assert!(matches!(failed, LogError::Failed(_)), "{failed:?}");
        let operations = disk.operations();
        assert_eq!(log.append(b"x"), Err(failed.clone()));
        assert_eq!(log.flush(), Err(failed.clone()));
        let progress = log.progress().borrow().clone();
        assert_eq!((progress.durable, progress.failed), (before.durable, Some(failed)));
        assert_eq!(all(&log), kept, "what was durable is still read");
        drop(log);
        assert_eq!(disk.operations(), operations, "nothing was tried again");
        let log = open(&disk);
        let there = all(&log);
        assert_eq!(there[..2], kept);
        disk.crash();
        assert_eq!(all(&open(&disk)), there, "after {fault:?}: what opening showed is on the disk");
    }
}

#[test]
fn a_full_disk_is_said_before_anything_is_taken_and_forgotten_when_there_is_space() {
    let disk = SimulatedDisk::new(3);
    let log = open(&disk);
    for _ in 0..50 {
        let mut taken = all(&log);
        disk.set_space(Some(0));
        let refused = loop {
            match append(&log, &[7; 900]) {
                Ok(position) => taken.push((position, bytes::Bytes::from_static(&[7; 900]))),
                Err(error) => break error,
            }
        };
        assert_eq!(refused, LogError::Full);
        log.flush().unwrap();
        assert_eq!(append(&log, &[7; 900]), Err(LogError::Full));
        assert_eq!(log.progress().borrow().failed, None);
        assert_eq!(all(&log), taken);
        disk.set_space(None);
        assert_eq!(append(&log, &[7; 900]), Err(LogError::Full), "the writer has not looked again");
        log.flush().unwrap();
        append(&log, &[7; 900]).unwrap();
        log.flush().unwrap();
        assert_eq!(all(&log).len(), taken.len() + 1);
        log.truncate(Position(u64::MAX)).unwrap();
    }
}

#[test]
fn a_full_disk_leaves_the_last_snapshot_and_no_rest_of_the_new_one() {
    let disk = SimulatedDisk::new(3);
    let log = open(&disk);
    let records = fill(&log, [10, 10]);
    log.snapshot(records[0].0, &mut chunks(&["a"])).unwrap();
    disk.set_space(Some(0));
    assert_eq!(log.snapshot(records[1].0, &mut chunks(&["b"])), Err(LogError::Full));
    assert_eq!(snapshot_of(&log).unwrap().0, records[0].0);
    assert!(!disk.mount().list().unwrap().contains(&"snapshot.tmp".to_owned()));
    disk.set_space(None);
    log.snapshot(records[1].0, &mut chunks(&["b"])).unwrap();
    assert_eq!(snapshot_of(&log).unwrap().0, records[1].0);
}

#[test]
fn a_disk_that_fails_at_opening_is_named_with_the_file() {
    let disk = SimulatedDisk::new(3);
    drop(fill(&open(&disk), [100]));
    for operation in 1..5 {
        disk.fail(Fault::Sync(operation));
        match try_open(&disk) {
            Err(OpenError::Disk { file, doing, .. }) => assert!(!file.is_empty() && doing.contains("sync")),
            other => panic!("{other:?}"),
        }
        disk.heal();
    }
    assert_eq!(all(&open(&disk)).len(), 1);
}

#[test]
fn a_second_opener_is_refused_until_the_first_is_gone() {
    let disk = SimulatedDisk::new(3);
    let log = open(&disk);
    assert!(matches!(try_open(&disk), Err(OpenError::InUse)));
    drop(log);
    open(&disk);
}

#[test]
fn a_log_that_fails_to_make_its_next_segment_for_any_other_reason_takes_nothing_more() {
    let disk = SimulatedDisk::new(3);
    let log = LocalLog::open_on(disk.mount(), &LocalOptions { segment_bytes: 2048, ..inline() }).unwrap();
    fill(&log, [1000]);
    // The record that crosses into the next segment, its seal before it, and then the segment after that.
    disk.fail(Fault::Write(3));
    log.append(&[1; 1000]).unwrap();
    let failed = log.flush().unwrap_err();
    assert!(failed.to_string().contains("segment.tmp"), "{failed}");
    assert_eq!(log.append(b""), Err(failed));
}
