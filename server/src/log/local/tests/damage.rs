//! Files that are not as they were written. A log of a few kilobytes is cut at every length, has every byte changed,
//! every sector blanked and every file taken away: it is refused, or opens with every record that was acknowledged.

use super::{Records, all, chunks, fill, inline, open, snapshot_of, try_open};
use crate::log::{
    Log,
    local::{LocalLog, LocalOptions, OpenError, simulated::SimulatedDisk},
};

const SEGMENT: usize = 2048;

/// A log with several segments, a snapshot, and records that are mostly zeros, closed or not.
fn small(closed: bool) -> (SimulatedDisk, Records) {
    let disk = SimulatedDisk::new(5);
    let options = LocalOptions { segment_bytes: SEGMENT as u64, ..inline() };
    let log = LocalLog::open_on(disk.mount(), &options).unwrap();
    let mut records = Records::new();
    for lengths in [[100, 0, 700], [600, 5, 0], [1, 1200, 30], [40, 0, 600], [500, 12, 300]] {
        records.extend(fill(&log, lengths));
    }
    log.snapshot(records[4].0, &mut chunks(&["some", "state", ""])).unwrap();
    log.truncate(records[4].0).unwrap();
    let records = all(&log);
    if !closed {
        disk.kill();
    }
    drop(log);
    (disk, records)
}

fn files(disk: &SimulatedDisk) -> Vec<String> {
    let mut names = disk.mount().list().unwrap();
    names.retain(|name| name != "lock");
    assert!(names.len() >= 5, "{names:?}");
    names
}

/// What became of the log when `name` holds `contents`.
fn with(disk: &SimulatedDisk, name: &str, contents: &[u8]) -> Result<Records, OpenError> {
    let copy = disk.copy(1);
    copy.put(name, contents);
    let log = try_open(&copy)?;
    assert_eq!(snapshot_of(&log), snapshot_of(&open(&disk.copy(1))), "the snapshot is never less");
    Ok(all(&log))
}

fn refused(outcome: Result<Records, OpenError>, file: &str, what: &str) {
    match outcome {
        Err(OpenError::Damaged { file: found, .. }) => assert_eq!(found, file, "{what}"),
        Err(other) => panic!("{file}, {what}: {other}"),
        Ok(records) => panic!("{file}, {what}: opened with {} records", records.len()),
    }
}

#[test]
fn every_changed_byte_is_found() {
    for closed in [true, false] {
        let (disk, _) = small(closed);
        for name in files(&disk) {
            let contents = disk.contents(&name).unwrap();
            for byte in 0..contents.len() {
                for change in [0xff, 1 << (byte % 8)] {
                    let mut changed = contents.clone();
                    changed[byte] ^= change;
                    refused(with(&disk, &name, &changed), &name, &format!("byte {byte} ^ {change:#x}"));
                }
            }
        }
    }
}

#[test]
fn a_file_that_was_cut_is_found() {
    for closed in [true, false] {
        let (disk, _) = small(closed);
        for name in files(&disk) {
            let contents = disk.contents(&name).unwrap();
            for length in 0..contents.len() {
                refused(with(&disk, &name, &contents[..length]), &name, &format!("cut at {length}"));
            }
            let longer: Vec<u8> = contents.iter().copied().chain([0]).collect();
            refused(with(&disk, &name, &longer), &name, "a byte more");
        }
    }
}

#[test]
fn a_sector_that_was_blanked_is_found_in_a_log_that_was_closed() {
    let (disk, records) = small(true);
    for name in files(&disk) {
        let contents = disk.contents(&name).unwrap();
        for begin in (0..contents.len()).step_by(512) {
            let mut changed = contents.clone();
            let end = contents.len().min(begin + 512);
            changed[begin..end].fill(0);
            if changed == contents {
                continue;
            }
            match with(&disk, &name, &changed) {
                Err(OpenError::Damaged { .. }) => {}
                other => assert_eq!(other.unwrap(), records, "{name} at {begin}"),
            }
        }
    }
}

#[test]
fn sectors_that_were_blanked_are_found_when_anything_is_left_that_knew_them_durable() {
    let disk = SimulatedDisk::new(5);
    let log = open(&disk);
    let mut groups = Vec::new();
    for length in [100, 900, 10, 496, 2000, 0, 1500, 488, 700, 300] {
        groups.push(fill(&log, [length, 5]));
    }
    disk.kill();
    drop(log);
    let everything: Records = groups.concat();
    // The group that is under way when the power goes may be torn, and looks as if it were.
    let known: Records = groups[..groups.len() - 1].concat();
    let (mut opened, mut found) = (0, 0);
    let segments: Vec<_> = files(&disk).into_iter().filter(|name| name.starts_with("segment-")).collect();
    let active = &segments[segments.len() - 2];
    for name in &segments {
        let contents = disk.contents(name).unwrap();
        for (begin, sectors) in (1..8).flat_map(|begin| (1..=3).map(move |sectors| (begin, sectors))) {
            let mut changed = contents.clone();
            let end = contents.len().min((begin + sectors) * 512);
            changed[begin * 512..end].fill(0);
            if changed == contents {
                continue;
            }
            let what = format!("{name}: {sectors} sectors from {begin}");
            let copy = disk.copy(1);
            copy.put(name, &changed);
            let knew = name != active || changed[end..].iter().any(|byte| *byte != 0);
            match try_open(&copy) {
                Err(OpenError::Damaged { .. }) => found += 1,
                Err(other) => panic!("{what}: {other}"),
                Ok(log) => {
                    opened += 1;
                    let there = all(&log);
                    assert!(everything.starts_with(&there), "{what}");
                    assert!(!knew || there.starts_with(&known), "{what}: {} records", there.len());
                }
            }
        }
    }
    assert!(found > 15 && opened > 0, "{found} were found, {opened} pass for torn");
}

#[test]
fn sectors_that_changed_places_are_found() {
    let disk = SimulatedDisk::new(5);
    let log = open(&disk);
    // Each record fills one sector, so that any order of them could be read.
    fill(&log, [488; 6]);
    drop(log);
    let name = "segment-0000000000000000.log";
    let contents = disk.contents(name).unwrap();
    for other in 2..=6 {
        let mut changed = contents.clone();
        changed[512..1024].copy_from_slice(&contents[other * 512..(other + 1) * 512]);
        changed[other * 512..(other + 1) * 512].copy_from_slice(&contents[512..1024]);
        refused(with(&disk, name, &changed), name, &format!("1 and {other}"));
    }
}

#[test]
fn what_is_written_after_the_end_is_found() {
    let (disk, _) = small(false);
    let last = files(&disk).into_iter().rfind(|name| name.starts_with("segment-")).unwrap();
    let contents = disk.contents(&last).unwrap();
    for byte in 512..contents.len() {
        assert_eq!(contents[byte], 0, "the last segment is only prepared");
        let mut changed = contents.clone();
        changed[byte] = 1;
        refused(with(&disk, &last, &changed), &last, &format!("byte {byte}"));
    }
}

#[test]
fn a_file_that_is_missing_is_found() {
    for closed in [true, false] {
        let (disk, records) = small(closed);
        let names = files(&disk);
        let prepared = names.iter().rfind(|name| name.starts_with("segment-")).unwrap();
        for name in &names {
            let copy = disk.copy(1);
            copy.take_away(name);
            match try_open(&copy) {
                Err(OpenError::Damaged { file, .. }) => assert_eq!(&file, name),
                Ok(log) => {
                    assert_eq!(name, prepared, "opened without it");
                    assert_eq!(all(&log), records);
                }
                Err(other) => panic!("{name}: {other}"),
            }
        }
    }
}

#[test]
fn a_file_of_another_log_or_place_is_found() {
    let (disk, _) = small(true);
    let other = SimulatedDisk::new(9);
    let options = LocalOptions { segment_bytes: SEGMENT as u64, id: Some(8), ..inline() };
    fill(&LocalLog::open_on(other.mount(), &options).unwrap(), [500; 20]);
    let segments: Vec<_> = files(&disk).into_iter().filter(|name| name.starts_with("segment-")).collect();
    let foreign = other.contents(&segments[1]).unwrap();
    refused(with(&disk, &segments[1], &foreign), &segments[1], "of another log");
    let moved = disk.contents(&segments[0]).unwrap();
    refused(with(&disk, &segments[1], &moved), &segments[1], "of another place");
    // A sector that was written to the wrong place is whole, but not there.
    let mut misplaced = disk.contents(&segments[0]).unwrap();
    misplaced.copy_within(512..1024, 1024);
    refused(with(&disk, &segments[0], &misplaced), &segments[0], "a sector twice");
}

#[test]
fn a_name_that_no_file_has_is_refused_and_foreign_files_are_left_alone() {
    let (disk, records) = small(true);
    disk.put("notes.txt", b"mine");
    assert_eq!(all(&open(&disk)), records);
    assert_eq!(disk.contents("notes.txt").unwrap(), b"mine");
    disk.put("segment-12.log", b"");
    assert!(matches!(try_open(&disk), Err(OpenError::Damaged { file, .. }) if file == "segment-12.log"));
}

#[test]
fn nothing_is_changed_in_a_log_that_is_refused() {
    let (disk, _) = small(false);
    let names = files(&disk);
    let mut contents = disk.contents(&names[1]).unwrap();
    contents[600] ^= 1;
    disk.put(&names[1], &contents);
    let before: Vec<_> = names.iter().map(|name| disk.contents(name)).collect();
    let operations = disk.operations();
    try_open(&disk).unwrap_err();
    assert_eq!(disk.operations(), operations);
    assert_eq!(before, names.iter().map(|name| disk.contents(name)).collect::<Vec<_>>());
}
