//! What metrics say of the jobs of one shard.

use parking_lot::Mutex;
use prometheus_client::metrics::{counter::Counter, gauge::Gauge};
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
    jobs: [Gauge; STATES.len()],
    enqueued: Counter,
    ended: Vec<(JobState, Counter)>,
    /// What of the gauges is this shard's.
    counted: Mutex<[i64; STATES.len()]>,
}

impl Tally {
    pub(super) fn new(metrics: &Metrics) -> Self {
        let ended = STATES.into_iter().filter(|state| !is_live(*state));
        let counted = |state| metrics.jobs_ended.get_or_create_owned(&label(state));
        Self {
            jobs: STATES.map(|state| metrics.jobs.get_or_create_owned(&label(state))),
            enqueued: metrics.jobs_enqueued.clone(),
            ended: ended.map(|state| (state, counted(state))).collect(),
            counted: Mutex::default(),
        }
    }

    /// What has changed in an engine is durable.
    pub(super) fn count(&self, engine: &mut Engine, news: &[News]) {
        self.enqueued.inc_by(engine.take_put_count());
        for (state, counter) in &self.ended {
            let ended = news.iter().filter(|news| news.state == *state).count();
            counter.inc_by(ended as u64);
        }
        self.set(STATES.map(|state| engine.count(state).into()));
    }

    fn set(&self, counts: [i64; STATES.len()]) {
        let mut counted = self.counted.lock();
        for ((gauge, before), now) in self.jobs.iter().zip(*counted).zip(counts) {
            gauge.inc_by(now - before);
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
