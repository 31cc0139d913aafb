//! Jobs beside everything else: on each node somebody who hands them over in a queue of their own, and a worker of the queue of the
//! node before. Each stays with its node, also while that is away.

use std::{sync::Arc, time::Duration};

use rialto_client::{Jobs, Retry, v1::JobState};
use tokio::{
    sync::watch,
    task::{AbortHandle, JoinSet},
    time::{Instant, interval, timeout},
};

use super::{cluster::NODES, gauge::Gauge};
use crate::ledger::{DEADLINE, Ledger, client, queue_of, try_put, work_in};

/// From one job to the next.
const PAUSE: Duration = Duration::from_millis(150);
/// What was acknowledged is done within this time once all nodes are well.
const DONE_WITHIN: Duration = Duration::from_secs(60);
/// With each job it is looked what became of one so long before.
const LOOKED_BACK: u64 = 20;
/// Jobs that one worker does at once.
const AT_ONCE: u32 = 8;

/// Those who hand over and those who work.
#[derive(Debug)]
pub(super) struct Labour {
    urls: Vec<String>,
    ledger: Arc<Ledger>,
    gauge: Gauge,
    over: watch::Sender<bool>,
    producers: JoinSet<()>,
    workers: Vec<AbortHandle>,
    working: JoinSet<()>,
}

fn name(node: usize) -> String {
    format!("labour-{node}")
}

/// Hands over one. Where that is not possible at present it is said again as long as the server says so: a job has a name, and is put
/// in once.
async fn hand_over(jobs: &Jobs, id: &str, ledger: &Ledger) {
    let mut ticks = interval(PAUSE);
    loop {
        match try_put(jobs, id, ledger).await {
            Ok(()) => return,
            Err(error) => {
                let later = error.refusal().is_some_and(|refusal| matches!(refusal.retry, Retry::After(_)));
                assert!(later || error.timed_out() || error.unavailable(), "job {id}: {error}");
            }
        }
        ticks.tick().await;
    }
}

impl Labour {
    /// They begin.
    pub(super) fn begin(urls: &[String]) -> Self {
        let (ledger, gauge) = (Arc::new(Ledger::default()), Gauge::default());
        let (mut producers, mut working, mut workers) = (JoinSet::new(), JoinSet::new(), Vec::new());
        let (over, ends) = watch::channel(false);
        for (node, url) in urls.iter().enumerate() {
            let client = client(url.clone());
            let queue = name((node + NODES - 1) % NODES);
            workers.push(working.spawn(work_in(client.clone(), queue, Arc::clone(&ledger), AT_ONCE)));
            let (ledger, gauge, ends) = (Arc::clone(&ledger), gauge.clone(), ends.clone());
            producers.spawn(async move {
                let (jobs, writer) = (queue_of(&client, &name(node)), gauge.writer(node));
                let mut ticks = interval(PAUSE);
                for n in 0_u64.. {
                    ticks.tick().await;
                    if *ends.borrow() {
                        return;
                    }
                    hand_over(&jobs, &format!("{node}-{n}"), &ledger).await;
                    gauge.taken(writer, node, 1);
                    let earlier = format!("{node}-{}", n.saturating_sub(LOOKED_BACK));
                    // A node that is away says nothing.
                    if jobs.get(&earlier).await.is_ok_and(|job| job.state() == JobState::Completed) {
                        ledger.seen(&earlier);
                    }
                }
            });
        }
        Self { urls: urls.to_vec(), ledger, gauge, over, producers, workers, working }
    }

    /// The longest that no job was taken at one of `nodes`, between then and now.
    pub(super) fn longest(&self, nodes: &[usize], since: Instant) -> Duration {
        self.gauge.longest(nodes, since)
    }

    /// Whether jobs were taken at all of these nodes since then.
    pub(super) fn goes_on(&mut self, nodes: &[usize], since: Instant) -> bool {
        if let Some(ended) = self.producers.try_join_next() {
            panic!("somebody hands nothing over any more: {ended:?}");
        }
        if let Some(ended) = self.working.try_join_next() {
            panic!("a worker has ended: {ended:?}");
        }
        self.gauge.written(nodes, since) > 0
    }

    /// Nothing more is handed over; all that was acknowledged is done, and nothing that was seen to be done is begun again.
    pub(super) async fn end(mut self) {
        self.over.send_replace(true);
        while let Some(ended) = timeout(DONE_WITHIN, self.producers.join_next()).await.expect("an end") {
            ended.expect("nobody has panicked");
        }
        let acknowledged = self.ledger.acknowledged.lock().clone();
        let jobs: Vec<_> = self
            .urls
            .iter()
            .enumerate()
            .map(|(node, url)| queue_of(&client(url.clone()), &name(node)))
            .collect();
        for id in &acknowledged {
            let node: usize = id.split('-').next().and_then(|node| node.parse().ok()).expect("a node");
            let ended = jobs[node].wait(id, DEADLINE).await.expect("it ends");
            assert_eq!(ended.state(), JobState::Completed, "{ended:?}");
        }
        println!("{} jobs were acknowledged, and are done", acknowledged.len());
        self.ledger.check();
        self.workers.iter().for_each(AbortHandle::abort);
    }
}
