//! Jobs of several nodes: whichever of them dies or hangs, what was acknowledged is done, and whoever has had a queue before does
//! not write it any more.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rialto_client::v1::JobState;
use rialto_proto::v1::{
    EnqueueRequest, GetJobRequest, JobCompleted, Lease, LeaseOutcome, LeaseRequest, SettleRequest,
    Settlement, enqueue_outcome::Outcome, job_service_client::JobServiceClient, settlement,
    worker_service_client::WorkerServiceClient,
};
use rialto_tests::{
    cluster::Process,
    eventually,
    inspect::metric,
    jobs,
    ledger::{DEADLINE, Ledger, client, follow, look, produce, queue, watch_all, work},
    nats::NatsServer,
    program::Running,
    talker::duration,
    within,
};
use tokio::task::JoinSet;

/// Nodes in processes of their own that know each other.
async fn nodes(count: usize) -> (NatsServer, Vec<Process>) {
    let nats = NatsServer::start().await;
    let mut nodes = Vec::new();
    for _ in 0..count {
        nodes.push(Process::start(&nats).await);
    }
    for node in &nodes {
        let others = count as u64 - 1;
        eventually("the other nodes", async || metric(node.address, "rialto_nodes").await == others).await;
    }
    (nats, nodes)
}

async fn start_again(nats: &NatsServer, address: SocketAddr) -> Process {
    let (url, monitor, listen) = (nats.url(), nats.monitor(), address.to_string());
    let arguments = ["--listen", &listen, "--nats", &url, "--nats-monitors", &monitor];
    let (running, address) = within("the node", Running::serve(&arguments)).await.expect("it starts");
    Process { running, address }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_are_killed_one_after_the_other_lose_no_job() {
    const KILLS: usize = 6;
    let (nats, mut nodes) = nodes(3).await;
    let (ledger, stop) = (Arc::new(Ledger::default()), Arc::new(AtomicBool::new(false)));
    let (mut workers, mut others) = (JoinSet::new(), JoinSet::new());
    // Whoever watches hears of all, however often the node that keeps the queue or its own is another one.
    let watched = client(format!("http://{}", nodes[0].address));
    workers.spawn(follow(watch_all(&queue(&watched)).await, Arc::clone(&ledger)));
    for (name, node) in nodes.iter().enumerate() {
        let client = client(format!("http://{}", node.address));
        workers.spawn(work(client.clone(), Arc::clone(&ledger), 8));
        others.spawn(produce(queue(&client), name, Arc::clone(&ledger), Arc::clone(&stop)));
        others.spawn(look(queue(&client), name as u64, Arc::clone(&ledger), Arc::clone(&stop)));
    }
    for kill in 0..KILLS {
        let before = ledger.acknowledged.lock().len();
        eventually("jobs go through", async || ledger.acknowledged.lock().len() > before + 60).await;
        let at = kill % nodes.len();
        let address = nodes[at].address;
        let killed = nodes.remove(at);
        killed.running.kill().await;
        let before = ledger.acknowledged.lock().len();
        // Those that are left take over what it had.
        eventually("jobs go through", async || ledger.acknowledged.lock().len() > before + 60).await;
        nodes.insert(at, start_again(&nats, address).await);
    }
    stop.store(true, Ordering::Relaxed);
    while let Some(ended) = others.join_next().await {
        ended.expect("nobody has panicked");
    }
    let jobs = queue(&client(format!("http://{}", nodes[0].address)));
    let acknowledged = ledger.acknowledged.lock().clone();
    for id in &acknowledged {
        let ended = jobs.wait(id, DEADLINE).await.expect("it ends");
        assert_eq!(ended.state(), JobState::Completed, "{ended:?}");
    }
    ledger.check();
    eventually("whoever watches knows that all are done", async || ledger.unwatched().is_empty()).await;
    workers.abort_all();
}

/// So many queues that each node keeps some of them.
const QUEUES: usize = 24;

/// Puts a job into each queue.
async fn enqueue_in_all(node: &Process, id: &str) {
    let mut stub = JobServiceClient::connect(format!("http://{}", node.address)).await.expect("it listens");
    for n in 0..QUEUES {
        let jobs = vec![jobs::job(id, "x")];
        let request = EnqueueRequest { namespace: "default".into(), queue: format!("queue-{n}"), jobs };
        let answer = within("an answer", stub.enqueue(request)).await.expect("it is taken").into_inner();
        let outcome = answer.outcomes.into_iter().next().and_then(|outcome| outcome.outcome);
        assert!(matches!(outcome, Some(Outcome::Enqueued(_))), "{outcome:?}");
    }
}

/// Takes the job of each queue.
async fn lease_in_all(node: &Process, seconds: u64) -> Vec<Lease> {
    let mut stub =
        WorkerServiceClient::connect(format!("http://{}", node.address)).await.expect("it listens");
    let mut leases = Vec::new();
    for n in 0..QUEUES {
        let request = LeaseRequest {
            namespace: "default".into(),
            queue: format!("queue-{n}"),
            worker_id: "worker".into(),
            jobs_max: 1,
            lease_duration: Some(duration(Duration::from_secs(seconds))),
            wait: Some(duration(Duration::from_secs(20))),
        };
        let answer = within("a lease", stub.lease(request)).await.expect("it is given").into_inner();
        assert_eq!(answer.leases.len(), 1, "queue-{n}");
        leases.extend(answer.leases);
    }
    leases
}

/// Settles the job of each queue. What became of each.
async fn settle_all(node: &Process, leases: &[Lease], result: &str) -> Vec<LeaseOutcome> {
    let mut stub =
        WorkerServiceClient::connect(format!("http://{}", node.address)).await.expect("it listens");
    let outcome = settlement::Outcome::Completed(JobCompleted { result: Some(jobs::body(result)) });
    let settlement =
        |lease: &Lease| Settlement { token: lease.token.clone(), outcome: Some(outcome.clone()) };
    let request = SettleRequest { request_id: 1, items: leases.iter().map(settlement).collect() };
    within("an answer", stub.settle(request)).await.expect("it is answered").into_inner().outcomes().collect()
}

#[tokio::test]
async fn a_node_that_has_hung_does_not_write_what_another_one_has_taken_over() {
    let (_nats, mut nodes) = nodes(2).await;
    let (hangs, other) = (nodes.remove(0), nodes.remove(0));
    eventually("both keep some", async || {
        let kept = [metric(hangs.address, "rialto_parts_owned"), metric(other.address, "rialto_parts_owned")];
        let kept = futures_util::future::join_all(kept).await;
        kept.iter().all(|count| *count > 0) && kept.iter().sum::<u64>() == 8
    })
    .await;
    enqueue_in_all(&other, "one").await;
    let before = lease_in_all(&hangs, 1).await;
    hangs.running.signal("-STOP").await;
    eventually("the other one has taken over", async || {
        metric(other.address, "rialto_parts_owned").await == 8
    })
    .await;
    let after = lease_in_all(&other, 60).await;
    assert!(after.iter().all(|lease| lease.attempt == 2), "{after:?}");
    hangs.running.signal("-CONT").await;
    // At once: it believes for a moment that the queues are its own. What it says is taken is where everybody finds it.
    enqueue_in_all(&hangs, "two").await;
    let late = settle_all(&hangs, &before, "late").await;
    assert!(late.iter().all(|outcome| *outcome == LeaseOutcome::LeaseLost), "{late:?}");
    let settled = settle_all(&other, &after, "in time").await;
    assert!(settled.iter().all(|outcome| *outcome == LeaseOutcome::Ok), "{settled:?}");
    let mut stub = JobServiceClient::connect(format!("http://{}", other.address)).await.expect("it listens");
    for n in 0..QUEUES {
        let request = |id: &str| GetJobRequest {
            namespace: "default".into(),
            queue: format!("queue-{n}"),
            job_id: id.to_owned(),
        };
        within("a job", stub.get_job(request("two"))).await.expect("what was acknowledged is there");
        let request = request("one");
        let job =
            within("a job", stub.get_job(request)).await.expect("it is there").into_inner().job.unwrap();
        assert_eq!(job.result, Some(jobs::body("in time")), "{job:?}");
    }
}
