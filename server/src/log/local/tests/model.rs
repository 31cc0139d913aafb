//! The log against a plain list: any steps, in any order, with crashes between and inside of them, compared after each.

use bytes::Bytes;
use proptest::prelude::{Strategy, any, prop_oneof, proptest};

use super::{Records, all, open, replayed, snapshot_of};
use crate::log::{
    Log, LogError, Position,
    local::{
        LocalLog,
        simulated::{Fault, SimulatedDisk},
    },
};

#[derive(Debug, Clone)]
enum Step {
    Append(usize, u8),
    Flush,
    Snapshot(u8),
    Truncate(u8),
    Reopen,
    /// The process dies.
    Kill,
    /// The power goes, now or after so many operations of what follows.
    Crash,
    CrashAfter(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (prop_oneof![0..40_usize, 400..600_usize, 0..3400_usize], any::<u8>())
            .prop_map(|(bytes, fill)| Step::Append(bytes, fill % 3)),
        6 => proptest::strategy::Just(Step::Flush),
        2 => any::<u8>().prop_map(Step::Snapshot),
        2 => any::<u8>().prop_map(Step::Truncate),
        1 => proptest::strategy::Just(Step::Reopen),
        1 => proptest::strategy::Just(Step::Kill),
        2 => proptest::strategy::Just(Step::Crash),
        2 => (1..12_u64).prop_map(Step::CrashAfter),
    ]
}

/// What must be true.
#[derive(Debug, Default)]
struct Model {
    records: Records,
    /// So many of them are durable.
    durable: usize,
    /// What must be the snapshot, and what may be instead, after a crash while it was taken.
    snapshot: Option<(Position, Vec<Bytes>)>,
    attempted: Option<(Position, Vec<Bytes>)>,
    n: u8,
}

impl Model {
    fn check(&mut self, log: &LocalLog) {
        let (first, next) = log.bounds();
        let durable = log.progress().borrow().durable;
        assert!(first <= durable && durable <= next, "{first:?} {durable:?} {next:?}");
        assert_eq!(log.bytes(), next.0 - first.0);
        let acknowledged = self.records.partition_point(|(position, _)| *position < durable);
        assert!(acknowledged >= self.durable);
        self.durable = acknowledged;
        let begin = self.records.partition_point(|(position, _)| *position < first);
        assert_eq!(all(log), self.records[begin..self.durable]);
        if let Some((position, record)) = self.records[begin..self.durable].last() {
            assert_eq!(&log.read(*position).unwrap(), record);
        }
        let middle = begin.midpoint(self.durable);
        if let Some((position, _)) = self.records[..self.durable].get(middle) {
            assert_eq!(replayed(log, *position), self.records[middle..self.durable]);
        }
        assert_eq!(snapshot_of(log), self.snapshot);
    }

    /// After a crash: what was durable is there; of the rest, the beginning.
    fn recover(&mut self, log: &LocalLog) {
        let first = log.bounds().0;
        let begin = self.records.partition_point(|(position, _)| *position < first);
        let there = all(log).len();
        assert!(begin + there >= self.durable, "{} of {} are there", begin + there, self.durable);
        self.records.truncate(begin + there);
        let snapshot = snapshot_of(log);
        if snapshot.is_some() && snapshot == self.attempted {
            self.snapshot = snapshot;
        }
        self.attempted = None;
    }

    fn place(&self, log: &LocalLog, choice: u8) -> Position {
        let (first, next) = log.bounds();
        let index = self.records.len() * usize::from(choice) / 256;
        self.records.get(index).map_or(next, |(position, _)| *position).max(first)
    }
}

fn run(seed: u64, steps: &[Step]) {
    let disk = SimulatedDisk::new(seed);
    let (mut log, mut model) = (open(&disk), Model::default());
    for step in steps {
        let done = take(&mut model, &disk, &log, step);
        // What failed did so because the power is gone.
        let crashed = done.is_err();
        if crashed {
            disk.crash();
        }
        if crashed || matches!(step, Step::Reopen | Step::Kill | Step::Crash) {
            log = restart(&disk, log, step);
            model.recover(&log);
        }
        model.check(&log);
    }
}

fn restart(disk: &SimulatedDisk, log: LocalLog, step: &Step) -> LocalLog {
    match step {
        Step::Kill => disk.kill(),
        Step::Crash => disk.crash(),
        _ => {}
    }
    drop(log);
    open_in_spite_of_crashes(disk)
}

/// Opens; where the power goes once more, opens again.
fn open_in_spite_of_crashes(disk: &SimulatedDisk) -> LocalLog {
    for operations in [1, 3, 5, 9, 15] {
        disk.fail(Fault::Power(operations));
        if let Ok(log) = super::try_open(disk) {
            drop(log);
        }
        disk.crash();
    }
    open(disk)
}

fn take(model: &mut Model, disk: &SimulatedDisk, log: &LocalLog, step: &Step) -> Result<(), LogError> {
    match step {
        Step::Append(bytes, fill) => {
            model.n = model.n.wrapping_add(1);
            let mut record = vec![*fill; *bytes];
            // Mostly zeros or ones, and distinct: what looks like a blank sector must not be taken for one.
            if let Some(last) = record.last_mut() {
                *last = model.n;
            }
            let at = super::append(log, &record)?;
            model.records.push((at, Bytes::from(record)));
        }
        Step::Flush => {
            let durable = log.flush()?;
            assert_eq!(durable, log.bounds().1);
        }
        Step::CrashAfter(operations) => disk.fail(Fault::Power(*operations)),
        Step::Snapshot(choice) => {
            let last = model.snapshot.as_ref().map_or(Position(0), |(at, _)| *at);
            let at = model.place(log, *choice).max(last);
            let chunks = vec![Bytes::from(vec![*choice; usize::from(*choice) * 9]), Bytes::new()];
            model.attempted = Some((at, chunks.clone()));
            log.snapshot(at, &mut chunks.into_iter())?;
            model.snapshot = model.attempted.take();
        }
        Step::Truncate(choice) => {
            let before = model.place(log, *choice);
            log.truncate(before)?;
            assert!(log.bounds().0 <= before.max(log.progress().borrow().durable));
        }
        Step::Reopen => {
            log.flush()?;
        }
        Step::Kill | Step::Crash => {}
    }
    Ok(())
}

proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 400, ..Default::default() })]

    #[test]
    fn the_log_is_a_list_that_survives(
        seed in any::<u64>(),
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        run(seed, &steps);
    }
}
