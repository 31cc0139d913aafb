//! How the jobs of a run come to their end: all that were taken are done, and whoever keeps them says so.

use std::{sync::Arc, time::Duration};

use rialto_proto::v1::{GetJobRequest, JobState};
use rialto_server::{auth::Identity, router::Router};
use tokio::time::timeout;

use super::{
    labour::{Labour, NAMESPACE},
    ledger::JobName,
    site::Site,
    world::World,
};

/// Rounds within which all jobs are done.
const ROUNDS_MAX: usize = 2_000;
/// So many rounds are between two looks at all of them.
const LOOK_EVERY: usize = 50;
/// How long whoever keeps a queue may have to be found.
const READ_WITHIN: Duration = Duration::from_secs(20);

impl World {
    /// Has all jobs done.
    pub(super) async fn work_off(&mut self) {
        let Some(mut labour) = self.labour.take() else { return };
        let mut open = Vec::new();
        for round in 0..ROUNDS_MAX {
            labour.wait(&mut self.notes.trace);
            let at = round % self.sites.len();
            if let Some(router) = self.sites[at].router() {
                labour.finish((at, router));
            }
            if round % LOOK_EVERY == 0 && labour.is_sure() {
                open = self.open(&labour).await;
                if open.is_empty() {
                    break;
                }
            }
            self.round().await;
        }
        self.complaints.extend(open.iter().map(|(job, state)| format!("{job:?} is not done: {state}")));
        self.complaints.extend(labour.ledger.complaints());
        self.notes.counts.jobs_done += labour.ledger.done();
        self.notes.counts.leases_lost += labour.ledger.leases_lost;
    }

    /// Which of the jobs that were taken are not done, and what they are instead.
    async fn open(&self, labour: &Labour) -> Vec<(JobName, String)> {
        let Some(router) = self.sites.iter().find_map(Site::router) else { return Vec::new() };
        let mut open = Vec::new();
        for job in &labour.ledger.taken {
            let state = state(router, job).await;
            if state != Ok(JobState::Completed) {
                open.push((job.clone(), format!("{state:?}")));
            }
        }
        open
    }
}

async fn state(router: &Arc<Router>, JobName { queue, id }: &JobName) -> Result<JobState, String> {
    let (namespace, queue, job_id) = (NAMESPACE.to_owned(), (*queue).to_owned(), id.clone());
    let request = GetJobRequest { namespace, queue, job_id };
    let asked = timeout(READ_WITHIN, router.call_queue(&Identity::open(None), request)).await;
    let answer = asked.map_err(|_| "nobody answers".to_owned())?;
    Ok(answer.map_err(|refusal| refusal.to_string())?.job.unwrap_or_default().state())
}
