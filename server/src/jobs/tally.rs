//! What metrics say of the jobs of one shard.

use parking_lot::Mutex;
use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge};
use rialto_proto::v1::JobState;

use super::{
    engine::{Engine, News},
    is_live,
};
use crate::base::metrics::{Metrics, StateLabel};

/// All states in which a job can be.
const STATES: [JobState; 10] = [
    JobState::Delayed,
    JobState::Waiting,
    JobState::Running,
    JobState::Completed,
    JobState::Dead,
    JobState::Cancelled,
    JobState::Expired,
    JobState::Discarded,
    JobState::Blocked,
    JobState::Paused,
];

/// The metrics of a shard. Those of several are counted together.
#[derive(Debug)]
pub(super) struct Tally {
    jobs: Family<StateLabel, Gauge>,
    enqueued: Counter,
    ended: Family<StateLabel, Counter>,
    /// What of the gauges is this shard's.
    counted: Mutex<[i64; STATES.len()]>,
}

impl Tally {
    pub(super) fn new(metrics: &Metrics) -> Self {
        Self {
            jobs: metrics.jobs.clone(),
            enqueued: metrics.jobs_enqueued.clone(),
            ended: metrics.jobs_ended.clone(),
            counted: Mutex::default(),
        }
    }

    /// What has changed in an engine is durable.
    pub(super) fn count(&self, engine: &mut Engine, news: &[News]) {
        self.enqueued.inc_by(engine.take_put_count());
        for News { state, .. } in news.iter().filter(|news| !is_live(news.state)) {
            self.ended.get_or_create(&label(*state)).inc();
        }
        self.set(STATES.map(|state| engine.count(state).into()));
    }

    fn set(&self, counts: [i64; STATES.len()]) {
        let mut counted = self.counted.lock();
        for ((state, before), now) in STATES.into_iter().zip(*counted).zip(counts) {
            self.jobs.get_or_create(&label(state)).inc_by(now - before);
        }
        *counted = counts;
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.set([0; STATES.len()]);
    }
}

fn label(state: JobState) -> StateLabel {
    let name = state.as_str_name();
    StateLabel { state: name.strip_prefix("JOB_STATE_").unwrap_or(name) }
}
