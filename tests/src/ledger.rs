//! What is known from outside of jobs that go through a queue while nodes and workers die: who begins them, who was told that they
//! were taken, and which were seen to be done.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rialto_client::{Client, Error, JobWatch, Jobs, NewJob, NotDone, Payload, v1::JobState};

/// The queue through which they go.
pub const QUEUE: &str = "mail";
/// Longer than any node is away.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// What is known of the jobs, from outside.
#[derive(Debug, Default)]
pub struct Ledger {
    /// How often each was begun.
    pub begun: Mutex<BTreeMap<String, usize>>,
    /// Jobs that were acknowledged.
    pub acknowledged: Mutex<Vec<String>>,
    /// How often a job had been begun when it was seen to be done.
    pub seen_done: Mutex<BTreeMap<String, usize>>,
    /// What somebody who watches all was told of each last.
    pub watched: Mutex<BTreeMap<String, JobState>>,
}

impl Ledger {
    /// A worker begins a job. How often it was begun.
    pub fn begin(&self, id: &str) -> usize {
        let mut begun = self.begun.lock();
        let count = begun.entry(id.to_owned()).or_default();
        *count += 1;
        *count
    }

    /// How often a job was begun.
    pub fn times_begun(&self, id: &str) -> usize {
        self.begun.lock().get(id).copied().unwrap_or_default()
    }

    /// A job was seen to be done.
    pub fn seen(&self, id: &str) {
        let times = self.times_begun(id);
        self.seen_done.lock().entry(id.to_owned()).or_insert(times);
    }

    /// Acknowledged jobs of which who watches was not told that they are done, and what they are for it.
    pub fn unwatched(&self) -> Vec<(String, Option<JobState>)> {
        let (acknowledged, watched) = (self.acknowledged.lock(), self.watched.lock());
        let told = acknowledged.iter().map(|id| (id.clone(), watched.get(id).copied()));
        told.filter(|(_, state)| *state != Some(JobState::Completed)).collect()
    }

    /// Nothing is lost, and what was seen to be done was not begun again.
    pub fn check(&self) {
        for id in self.acknowledged.lock().iter() {
            assert!(self.times_begun(id) > 0, "job {id} is done, and nobody has begun it");
        }
        let seen = self.seen_done.lock();
        assert!(seen.len() > 50, "only {} jobs were seen to be done", seen.len());
        for (id, times) in seen.iter() {
            assert_eq!(self.times_begun(id), *times, "job {id} was begun again after it was done");
        }
    }
}

/// Watches all jobs.
pub async fn watch_all(jobs: &Jobs) -> JobWatch {
    jobs.watch_all().await.expect("it begins")
}

/// Notes what a watch tells, over every loss of its connection, until it is aborted.
pub async fn follow(mut watch: JobWatch, ledger: Arc<Ledger>) {
    while let Some(job) = watch.next().await.expect("it goes on") {
        let state = job.state();
        ledger.watched.lock().insert(job.job_id, state);
    }
}

/// A client that waits for a node that is away.
pub fn client(url: String) -> Client {
    Client::builder(url).deadline(DEADLINE).build().expect("a URL")
}

/// The queue.
pub fn queue(client: &Client) -> Jobs {
    queue_of(client, QUEUE)
}

/// Another queue.
pub fn queue_of(client: &Client, queue: &str) -> Jobs {
    client.jobs("default", queue)
}

/// Works for ever; one job in ten fails at first.
pub async fn work(client: Client, ledger: Arc<Ledger>, concurrency: u32) {
    work_in(client, QUEUE.to_owned(), ledger, concurrency).await;
}

/// The same in another queue.
pub async fn work_in(client: Client, queue: String, ledger: Arc<Ledger>, concurrency: u32) {
    let worker = client.worker("w").queue("default", queue).concurrency(concurrency);
    let ended = worker
        .run(move |job| {
            let times = ledger.begin(job.id());
            let fails = times == 1 && job.id().ends_with('7');
            async move { if fails { Err(NotDone::failed("at first")) } else { Ok(Payload::default()) } }
        })
        .await;
    panic!("a worker has ended: {ended:?}");
}

/// Hands over until it is told to stop.
pub async fn produce(jobs: Jobs, name: usize, ledger: Arc<Ledger>, stop: Arc<AtomicBool>) {
    let mut n = 0;
    while !stop.load(Ordering::Relaxed) {
        try_put(&jobs, &format!("{name}-{n}"), &ledger).await.expect("it is taken in time");
        n += 1;
    }
}

/// Hands over one, and notes that it was taken.
pub async fn try_put(jobs: &Jobs, id: &str, ledger: &Ledger) -> Result<(), Error> {
    let enqueued = jobs.enqueue(NewJob::new("x").id(id)).await?;
    assert_eq!(enqueued.id, id);
    ledger.acknowledged.lock().push(id.to_owned());
    Ok(())
}

/// Looks at jobs that were acknowledged, and notes those that are done.
pub async fn look(jobs: Jobs, seed: u64, ledger: Arc<Ledger>, stop: Arc<AtomicBool>) {
    let mut chance = StdRng::seed_from_u64(seed);
    while !stop.load(Ordering::Relaxed) {
        let some = {
            let acknowledged = ledger.acknowledged.lock();
            (!acknowledged.is_empty())
                .then(|| acknowledged[chance.random_range(0..acknowledged.len())].clone())
        };
        let Some(id) = some else {
            tokio::task::yield_now().await;
            continue;
        };
        // A node that is away says nothing.
        if let Ok(job) = jobs.get(&id).await
            && job.state() == JobState::Completed
        {
            ledger.seen(&id);
        }
    }
}
