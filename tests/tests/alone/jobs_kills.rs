//! Nodes and workers that are killed while jobs go through a queue: every job that was acknowledged is done, and one that was seen
//! to be done is not begun again.

use std::{
    collections::VecDeque,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use rialto_client::{
    JobFilter, Jobs, NewJob,
    v1::{JobState, QueueSettings},
};
use rialto_tests::{
    eventually,
    histories::folder,
    ledger::{DEADLINE, Ledger, client, follow, look, produce, queue, watch_all, work},
    node::TestNode,
    program::Running,
    within,
};
use tokio::{task::JoinSet, time::timeout};

async fn start(folder: &Path, listen: &str) -> (Running, std::net::SocketAddr) {
    let configuration = folder.join("rialto.toml");
    std::fs::write(&configuration, "[log]\nlevel = \"error\"\n").expect("a file");
    let (file, data) = (configuration.display().to_string(), folder.join("data").display().to_string());
    let arguments = ["--config", &file, "--data", &data, "--listen", listen];
    within("the node", Running::serve(&arguments)).await.expect("it starts")
}

/// How often the node is killed: 20 times, or as `RIALTO_TEST_KILLS` says.
fn kills() -> usize {
    std::env::var("RIALTO_TEST_KILLS").map_or(20, |kills| kills.parse().expect("a number"))
}

/// Jobs that have ended are kept until they were counted.
async fn keep_all(jobs: &Jobs) {
    let settings = QueueSettings { ended_max: u32::MAX, ..QueueSettings::default() };
    jobs.set(settings).await.expect("it may");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_killed_again_and_again_loses_no_job() {
    let (folder, kills) = (folder(), kills());
    let (mut node, address) = start(folder.path(), "127.0.0.1:0").await;
    let (ledger, stop) = (Arc::new(Ledger::default()), Arc::new(AtomicBool::new(false)));
    let client = client(format!("http://{address}"));
    let (mut workers, mut others) = (JoinSet::new(), JoinSet::new());
    workers.spawn(follow(watch_all(&queue(&client)).await, Arc::clone(&ledger)));
    for _ in 0..2 {
        workers.spawn(work(client.clone(), Arc::clone(&ledger), 8));
    }
    for name in 0..3 {
        others.spawn(produce(queue(&client), name, Arc::clone(&ledger), Arc::clone(&stop)));
    }
    others.spawn(look(queue(&client), 1, Arc::clone(&ledger), Arc::clone(&stop)));
    keep_all(&queue(&client)).await;
    for _ in 0..kills {
        let before = ledger.acknowledged.lock().len();
        eventually("jobs go through", async || ledger.acknowledged.lock().len() > before + 60).await;
        node.kill().await;
        (node, _) = start(folder.path(), &address.to_string()).await;
    }
    stop.store(true, Ordering::Relaxed);
    while let Some(ended) = others.join_next().await {
        ended.expect("nobody has panicked");
    }
    let jobs = queue(&client);
    let acknowledged = ledger.acknowledged.lock().clone();
    assert!(acknowledged.len() > kills * 60);
    for id in &acknowledged {
        let ended = jobs.wait(id, DEADLINE).await.expect("it ends");
        assert_eq!(ended.state(), JobState::Completed, "{ended:?}");
    }
    ledger.check();
    eventually("whoever watches knows that all are done", async || ledger.unwatched().is_empty()).await;
    let waiting = JobFilter { states: vec![JobState::Waiting, JobState::Dead], ..JobFilter::default() };
    assert_eq!(jobs.list(&waiting, 10, "").await.expect("a list").jobs, []);
    workers.abort_all();
    drop(node);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_killed_workers_lose_none_of_a_hundred_thousand_jobs() {
    const JOBS: usize = 100_000;
    const BATCH: usize = 500;
    const KILLS: usize = 100;
    let node = TestNode::start().await;
    let ledger = Arc::new(Ledger::default());
    let client = client(node.url());
    let jobs = queue(&client);
    keep_all(&jobs).await;
    let (mut workers, mut alive) = (JoinSet::new(), VecDeque::new());
    for _ in 0..4 {
        alive.push_back(workers.spawn(work(client.clone(), Arc::clone(&ledger), 64)));
    }
    let produce = async {
        for batch in 0..JOBS / BATCH {
            let batch = (0..BATCH).map(|n| NewJob::new("x").id((batch * BATCH + n).to_string()));
            let outcomes = jobs.enqueue_all(batch).await.expect("they are taken");
            assert!(outcomes.iter().all(Result::is_ok));
        }
    };
    let kill = async {
        for kill in 0..KILLS {
            let so_far = kill * JOBS / KILLS / 2;
            eventually("jobs are begun", async || ledger.begun.lock().len() > so_far).await;
            alive.push_back(workers.spawn(work(client.clone(), Arc::clone(&ledger), 64)));
            // The one that has been there longest is gone, with all that it has.
            alive.pop_front().expect("there are workers").abort();
        }
    };
    tokio::join!(produce, kill);
    let ended = async {
        loop {
            let queue = jobs.queue().await.expect("there is the queue");
            if queue.ended_count as usize + queue.dead_count as usize == JOBS {
                return queue;
            }
            tokio::task::yield_now().await;
        }
    };
    let queue = timeout(DEADLINE, ended).await.expect("all jobs end");
    assert_eq!((queue.ended_count as usize, queue.dead_count), (JOBS, 0));
    assert_eq!((queue.waiting_count, queue.running_count, queue.delayed_count), (0, 0, 0));
    assert_eq!(ledger.begun.lock().len(), JOBS);
    workers.abort_all();
}
