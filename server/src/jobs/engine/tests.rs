//! What holds for single jobs and workers, step by step.

use rialto_proto::v1::{JobState, NewJob};

use super::{Engine, EngineLimits, Now, Order, late_log::LateLog};
use crate::{base::clock, log::Position};

const WINDOW_MS: u64 = 10_000;

fn limits() -> EngineLimits {
    let resume_window = std::time::Duration::from_millis(WINDOW_MS);
    EngineLimits { bytes_max: 1 << 20, queues_max: 8, resume_window, clean_floor_bytes: 0 }
}

fn order(worker: u64) -> Order<'static> {
    Order {
        namespace: "default",
        queue: "mail",
        worker,
        worker_name: "w",
        jobs_max: 1,
        bytes_max: u64::MAX,
        has_none: true,
        lease_ms: 10 * WINDOW_MS,
    }
}

/// Where a job is that a worker had when the node ended, so long after the node was there again.
fn after_a_restart(worker: u64, passed_ms: u64) -> JobState {
    let log = LateLog::of(Vec::new(), Position(1));
    let now = |ms| Now { ms, log: &log, chance: &|| 7 };
    let mut engine = Engine::open(0, limits(), clock::now(), &now(1_000)).unwrap();
    engine
        .put(&now(1_000), "default", "mail", NewJob { job_id: "a".to_owned(), ..NewJob::default() })
        .unwrap();
    log.sync();
    engine.advance(log.durable());
    assert_eq!(engine.take(&now(1_000), &order(worker)).unwrap().len(), 1);
    let mut engine = Engine::open(0, limits(), clock::now(), &now(2_000)).unwrap();
    engine.tick(&now(2_000 + passed_ms)).unwrap();
    engine.check();
    engine.job("default", "mail", "a").unwrap().state()
}

#[test]
fn a_worker_with_a_stream_has_its_window_after_a_restart_and_one_without_has_its_lease() {
    assert_eq!(after_a_restart(1, WINDOW_MS - 1), JobState::Running);
    assert_eq!(after_a_restart(1, WINDOW_MS), JobState::Waiting);
    assert_eq!(after_a_restart(0, WINDOW_MS), JobState::Running);
    assert_eq!(after_a_restart(0, 10 * WINDOW_MS), JobState::Waiting);
}
