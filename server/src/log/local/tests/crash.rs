//! The power goes at every operation of a short life, for many seeds: nothing that was acknowledged is lost, and what is
//! there after opening stays as it is.

use bytes::Bytes;

use super::{Records, all, append, chunks, open, snapshot_of, try_open};
use crate::log::{
    Log, LogError, Position,
    local::{
        LocalLog,
        simulated::{Fault, SimulatedDisk},
    },
};

/// What somebody knows who used a log until the power went.
#[derive(Debug, Default)]
struct Known {
    /// All records, in order, and how many of them were acknowledged.
    records: Records,
    acknowledged: usize,
    /// The last snapshot that was acknowledged.
    snapshot: Option<Position>,
}

impl Known {
    fn live(&mut self, log: &LocalLog) -> Result<(), LogError> {
        for n in 0..24_usize {
            // Also records of nothing but zeros: a blank sector is not one of them.
            let fill = if n.is_multiple_of(3) { 0 } else { n as u8 };
            let record = Bytes::from(vec![fill; n * 131 % 1100]);
            self.records.push((append(log, &record)?, record));
            if n % 4 == 3 {
                log.flush()?;
                self.acknowledge(log);
            }
            if n % 10 == 9 {
                let at = self.records[n - 4].0;
                log.snapshot(at, &mut chunks(&["state"]))?;
                self.snapshot = Some(at);
                self.acknowledge(log);
                log.truncate(at)?;
            }
        }
        log.flush()?;
        self.acknowledge(log);
        Ok(())
    }

    fn acknowledge(&mut self, log: &LocalLog) {
        let durable = log.progress().borrow().durable;
        self.acknowledged = self.records.partition_point(|(position, _)| *position < durable);
    }

    /// Compares with what is there, and returns that.
    fn check(&self, log: &LocalLog) -> Records {
        let there = all(log);
        let begin = self.records.partition_point(|(position, _)| *position < log.bounds().0);
        let end = begin + there.len();
        assert!(end >= self.acknowledged, "{end} of {} acknowledged are there", self.acknowledged);
        assert_eq!(there, self.records[begin..end]);
        if let Some(at) = self.snapshot {
            assert!(snapshot_of(log).is_some_and(|(there, _)| there >= at));
            assert!(log.bounds().0 <= at);
        }
        there
    }
}

fn operations_of_a_life() -> u64 {
    let disk = SimulatedDisk::new(0);
    Known::default().live(&open(&disk)).unwrap();
    disk.operations()
}

#[test]
fn nothing_acknowledged_is_lost_wherever_the_power_goes() {
    let last = operations_of_a_life();
    assert!(last > 80, "{last}");
    for seed in 0..40 {
        for operation in 1..=last {
            let disk = SimulatedDisk::new(seed * 10_007 + operation);
            disk.fail(Fault::Power(operation));
            let mut known = Known::default();
            if let Ok(log) = try_open(&disk) {
                // It ends with the power, or after its last step.
                known.live(&log).ok();
                known.acknowledge(&log);
                disk.crash();
            }
            disk.crash();
            let log = open(&disk);
            let there = known.check(&log);
            disk.crash();
            let again = open(&disk);
            assert_eq!(all(&again), there, "what is there once stays");
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_the_power_goes_again_during_opening() {
    for seed in 0..60 {
        let disk = SimulatedDisk::new(seed);
        let mut known = Known::default();
        let log = open(&disk);
        disk.fail(Fault::Power(1 + seed));
        known.live(&log).unwrap_err();
        disk.crash();
        for operation in 1..30 {
            disk.fail(Fault::Power(operation));
            if let Ok(opened) = try_open(&disk) {
                drop(opened);
            }
            disk.crash();
        }
        let there = known.check(&open(&disk));
        disk.crash();
        assert_eq!(all(&open(&disk)), there);
    }
}

#[test]
fn a_process_that_dies_without_a_word_loses_nothing_acknowledged() {
    let last = operations_of_a_life();
    for operation in 1..=last {
        let disk = SimulatedDisk::new(operation);
        disk.fail(Fault::Power(operation));
        let mut known = Known::default();
        if let Ok(log) = try_open(&disk) {
            known.live(&log).ok();
            known.acknowledge(&log);
            disk.kill();
        }
        disk.kill();
        let there = known.check(&open(&disk));
        // What was found in the cache of the system is on the disk as well.
        disk.crash();
        assert_eq!(all(&open(&disk)), there);
    }
}
