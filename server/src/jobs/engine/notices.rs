//! Rooms that are told what has become of a job. That it was told is written down, so that after a crash it is told again rather
//! than not at all; whoever publishes it gives it a name by which it is known again. What is told while a job is on its way is not
//! written down.

use rialto_proto::v1::{Job, JobNotify, JobState};

use super::{
    Engine, Now, Seq, behind,
    job::is_live,
    record::{Kind, SeqRecord},
};
use crate::log::LogError;

/// Rooms are to be told of a job.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// Which.
    pub seq: Seq,
    /// As it is now.
    pub job: Job,
    /// Who is told.
    pub notify: Vec<JobNotify>,
}

/// Who is to hear of a job beside those who watch it.
#[derive(Debug, Default, Clone, Copy)]
pub struct Hearers {
    /// Rooms, which are told while it is on its way.
    pub is_noticed: bool,
    /// Its worker: somebody wants it cancelled.
    pub cancelling: bool,
    /// Its worker: somebody wants it paused.
    pub pausing: bool,
}

impl Engine {
    /// Ended jobs of which rooms were not told, the first of them behind one.
    pub fn notices(&self, after: Seq, count_max: usize) -> Vec<Notice> {
        behind(&self.unnotified, after).take(count_max).filter_map(|seq| self.notice(*seq)).collect()
    }

    /// What is to be told of a job as it is now.
    pub fn notice(&self, seq: Seq) -> Option<Notice> {
        let job = self.job_by_seq(seq)?;
        let state = job.state();
        let mut notify = self.jobs.get(&seq)?.spec().notify;
        notify.retain(|notify| wants(notify, state));
        Some(Notice { seq, job, notify })
    }

    /// Who is to hear of a job now.
    pub fn hearers(&self, seq: Seq) -> Hearers {
        let Some(job) = self.jobs.get(&seq) else { return Hearers::default() };
        let is_noticed = job.has_notify && is_live(job.state);
        let (cancelling, pausing) = (job.cancelling, self.is_pausing(seq));
        Hearers { is_noticed, cancelling, pausing }
    }

    /// Rooms were told of a job, or it is known that they cannot be. That is noted of its end alone: meanwhile it may have ended, or
    /// ended in another way after it was redriven, and of that they are still to be told.
    pub fn notified(&mut self, now: &Now<'_>, told: &Notice) -> Result<(), LogError> {
        let as_told = |job: &Job| job.state() == told.job.state() && job.deliveries == told.job.deliveries;
        if self.unnotified.contains(&told.seq) && self.job_by_seq(told.seq).as_ref().is_some_and(as_told) {
            self.write(now, Kind::Notified(SeqRecord { seq: told.seq.0 }))?;
        }
        Ok(())
    }
}

/// Whether somebody is told of a state.
fn wants(notify: &JobNotify, state: JobState) -> bool {
    if notify.states.is_empty() { !is_live(state) } else { notify.states().any(|wanted| wanted == state) }
}
