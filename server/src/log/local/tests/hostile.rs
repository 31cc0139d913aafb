//! Files that nobody has written: bytes by chance, and bytes that somebody has given right checksums. Nothing panics,
//! nothing is believed that contradicts itself.

use proptest::{
    collection::vec,
    prelude::{ProptestConfig, Strategy, any, prop_oneof, proptest},
    strategy::Just,
};

use super::{all, chunks, fill, open, snapshot_of, try_open};
use crate::log::{
    Log, Position,
    local::{
        Inspection, OpenError,
        layout::{Filled, LogId, SECTOR, Sector, Title, body_mut, look},
        simulated::SimulatedDisk,
    },
};

fn sample() -> SimulatedDisk {
    let disk = SimulatedDisk::new(1);
    let log = open(&disk);
    let records = fill(&log, [100, 0, 900, 1300, 700, 2000, 30]);
    log.snapshot(records[3].0, &mut chunks(&["a", "b"])).unwrap();
    disk.kill();
    disk
}

fn names(disk: &SimulatedDisk) -> Vec<String> {
    disk.mount().list().unwrap().into_iter().filter(|name| name != "lock").collect()
}

/// Uses whatever opens.
fn use_it(disk: &SimulatedDisk) {
    if let Ok(inspection) = Inspection::open_on(disk.mount()) {
        inspection.summary().ok();
        inspection.replay(Position(0), &mut |_, _| true).ok();
    }
    let Ok(log) = try_open(disk) else {
        return;
    };
    let mut shown = 0;
    log.replay(log.bounds().0, &mut |position, _| {
        log.read(position).ok();
        shown += 1;
        true
    })
    .ok();
    log.last_snapshot(&mut |_| ()).ok();
    if log.append(b"more").is_ok() {
        log.flush().ok();
    }
    drop(log);
}

fn bytes_of_chance() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..2000),
        vec(prop_oneof![4 => Just(0), 1 => any::<u8>()], 4096),
        vec(Just(0xff), 0..4096),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..Default::default() })]

    #[test]
    fn bytes_by_chance_in_place_of_any_file_are_refused(choice in any::<usize>(), bytes in bytes_of_chance()) {
        let disk = sample();
        let names = names(&disk);
        let name = &names[choice % names.len()];
        disk.put(name, &bytes);
        match try_open(&disk) {
            Err(OpenError::Damaged { .. }) => {}
            other => panic!("{name}: {other:?}"),
        }
        use_it(&disk);
    }

    #[test]
    fn bytes_by_chance_inside_of_a_file_are_refused_or_change_nothing(
        choice in any::<usize>(),
        at in any::<usize>(),
        bytes in vec(any::<u8>(), 1..600),
    ) {
        let disk = sample();
        let (names, records) = (names(&disk), all(&open(&disk.copy(2))));
        let name = &names[choice % names.len()];
        let mut contents = disk.contents(name).unwrap();
        let at = at % contents.len();
        let end = contents.len().min(at + bytes.len());
        contents[at..end].copy_from_slice(&bytes[..end - at]);
        disk.put(name, &contents);
        match try_open(&disk) {
            Err(OpenError::Damaged { .. }) => {}
            Ok(log) => {
                assert_eq!(all(&log), records);
                assert_eq!(snapshot_of(&log).unwrap().1.len(), 2);
            }
            Err(other) => panic!("{name}: {other}"),
        }
    }

    #[test]
    fn titles_that_lie_with_right_checksums_never_panic(
        choice in any::<usize>(),
        numbers in [any_number(), any_number(), any_number()],
        length in prop_oneof![Just(512_usize), 0..9000_usize],
    ) {
        let disk = sample();
        let names = names(&disk);
        let name = &names[choice % names.len()];
        let kind = match name.split('-').next() {
            Some("segment") => *b"segm",
            Some("snapshot") => *b"snap",
            _ => *b"mani",
        };
        let mut contents = disk.contents(name).unwrap();
        contents[..SECTOR].copy_from_slice(&Title { kind, id: LogId(7), numbers }.encode());
        use_it_with(&disk, name, &contents);
        contents.resize(length, 0);
        use_it_with(&disk, name, &contents);
    }

    #[test]
    fn sectors_that_lie_with_right_checksums_never_panic(
        sectors in vec((1..8_u64, any::<u16>(), any::<u16>(), any_number(), any::<(u16, u32)>()), 1..6),
        second in any::<bool>(),
    ) {
        let disk = sample();
        let base = if second { 4096 } else { 0 };
        let name = super::super::segment::name(base);
        let mut contents = disk.contents(&name).unwrap();
        for (number, used, start, synced, (place, value)) in sectors {
            let address = base + number * SECTOR as u64;
            let place_of = number as usize * SECTOR;
            let mut sector: [u8; SECTOR] = contents[place_of..place_of + SECTOR].try_into().unwrap();
            let mut filled = match look(&sector, LogId(7), address) {
                Sector::Written(filled) => filled,
                _ => Filled { used: 496, start: Some(0), synced: Position(base) },
            };
            match used % 4 {
                0 => filled.used = usize::from(used),
                1 => filled.start = Some(usize::from(start) % 600),
                2 => filled.synced = Position(synced),
                _ => {
                    let at = usize::from(place) % 492;
                    body_mut(&mut sector)[at..at + 4].copy_from_slice(&value.to_le_bytes());
                }
            }
            filled.stamp(&mut sector, LogId(7), address);
            contents[place_of..place_of + SECTOR].copy_from_slice(&sector);
        }
        use_it_with(&disk, &name, &contents);
    }
}

fn any_number() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(4096), 0..20_000_u64, Just(u64::MAX), Just(1 << 62), any::<u64>()]
}

fn use_it_with(disk: &SimulatedDisk, name: &str, contents: &[u8]) {
    let copy = disk.copy(3);
    copy.put(name, contents);
    use_it(&copy);
}
