//! The Rust client with jobs: a worker that does them, whatever becomes of its stream, its server and itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use rialto_client::{
    Cancelled, Client, Error, JobFilter, Jobs, NewJob, NotDone, Payload, RefusalCode, WorkerReport,
    v1::{JobState, RetryPolicy},
};
use rialto_tests::{
    PATIENCE, eventually, histories::folder, node::TestNode, program::Running, proxied::ProxiedNode,
    proxy::Proxy, within,
};
use tokio::sync::Notify;

const QUEUE: &str = "mail";

fn client(node: &TestNode) -> Client {
    Client::new(node.url()).expect("a URL")
}

fn queue(client: &Client) -> Jobs {
    client.jobs("default", QUEUE)
}

/// Works until the future is there, and gives what it gives.
async fn beside<T>(worker: impl Future<Output = Result<(), Error>>, done: impl Future<Output = T>) -> T {
    tokio::select! {
        ended = worker => panic!("the worker has ended: {ended:?}"),
        done = within("the end", done) => done,
    }
}

#[tokio::test]
async fn a_function_is_called_for_each_job_and_what_it_gives_is_the_result() {
    let node = TestNode::start().await;
    let client = client(&node);
    let jobs = queue(&client);
    let worker = client.worker("w").queue("default", QUEUE).concurrency(4);
    let work =
        worker.run(async |job| Ok(Payload::from(format!("{} {}", job.kind(), job.text().unwrap_or("?")))));
    let ended = beside(work, async {
        let job = jobs.enqueue(NewJob::new("ann").of_type("greet")).await.unwrap();
        jobs.wait(&job.id, PATIENCE).await.unwrap()
    })
    .await;
    assert_eq!(ended.state(), JobState::Completed);
    assert_eq!(ended.result.map(Payload::from).as_ref().and_then(Payload::text), Some("greet ann"));
}

#[tokio::test]
async fn a_function_that_is_to_pause_gives_its_job_back_and_the_next_call_goes_on_there() {
    let node = TestNode::start().await;
    let client = client(&node);
    let jobs = queue(&client);
    let begun = Arc::new(Notify::new());
    let tell = Arc::clone(&begun);
    let work = client.worker("w").queue("default", QUEUE).run(move |job| {
        let tell = Arc::clone(&tell);
        async move {
            if !job.last_checkpoint().is_empty() {
                return Ok(Payload::from(job.last_checkpoint().to_vec()));
            }
            tell.notify_one();
            job.to_pause().await;
            assert!(job.is_to_pause() && !job.is_cancelled());
            job.checkpoint("half")?;
            Err(NotDone::Released(Duration::ZERO))
        }
    });
    let ended = beside(work, async {
        jobs.enqueue(NewJob::new("").id("long")).await.unwrap();
        begun.notified().await;
        jobs.pause_job("long").await.unwrap();
        eventually("it is paused", async || jobs.get("long").await.unwrap().state() == JobState::Paused)
            .await;
        jobs.resume_job("long").await.unwrap();
        jobs.wait("long", PATIENCE).await.unwrap()
    })
    .await;
    assert_eq!(ended.result.map(Payload::from).as_ref().and_then(Payload::text), Some("half"));
    assert_eq!((ended.attempt, ended.deliveries), (1, 2));
}

#[tokio::test]
async fn what_a_function_gives_instead_of_a_result_decides_what_becomes_of_the_job() {
    let node = TestNode::start().await;
    let client = client(&node);
    let jobs = queue(&client);
    let worker = client.worker("w").queue("default", QUEUE);
    let work = worker.run(async |job| match (job.text(), job.attempt()) {
        (Ok("discard"), _) => Err(NotDone::Discarded("no".to_owned())),
        (Ok("dead"), _) => Err(NotDone::permanent("never")),
        (Ok("panic"), 1) => panic!("on purpose"),
        (Ok("again"), 1) => Err(NotDone::failed("not yet")),
        (_, attempt) => Ok(Payload::from(attempt.to_string())),
    });
    let quick = RetryPolicy {
        base: Some(prost_types::Duration { seconds: 0, nanos: 1_000_000 }),
        ..RetryPolicy::default()
    };
    let states = beside(work, async {
        let mut states = BTreeMap::new();
        for name in ["discard", "dead", "panic", "again"] {
            jobs.enqueue(NewJob::new(name).id(name).retry(quick)).await.unwrap();
            let ended = jobs.wait(name, PATIENCE).await.unwrap();
            states.insert(name, (ended.state(), ended.attempt));
        }
        states
    })
    .await;
    let expected = [
        ("again", (JobState::Completed, 2)),
        ("dead", (JobState::Dead, 1)),
        ("discard", (JobState::Discarded, 1)),
        ("panic", (JobState::Completed, 2)),
    ];
    assert_eq!(states, BTreeMap::from(expected));
}

#[tokio::test]
async fn a_worker_does_so_many_jobs_at_once_and_no_more() {
    let node = TestNode::start().await;
    let client = client(&node);
    let jobs = queue(&client);
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let worker = client.worker("w").queue("default", QUEUE).concurrency(3);
    let work = worker.run(|_| {
        let (now, most) = (Arc::clone(&now), Arc::clone(&most));
        async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            now.fetch_sub(1, Ordering::SeqCst);
            Ok(Payload::default())
        }
    });
    beside(work, async {
        let batch = (0..50).map(|n| NewJob::new("").id(n.to_string()));
        assert!(jobs.enqueue_all(batch).await.unwrap().iter().all(Result::is_ok));
        for n in 0..50 {
            assert_eq!(jobs.wait(n.to_string(), PATIENCE).await.unwrap().state(), JobState::Completed);
        }
    })
    .await;
    assert!(most.load(Ordering::SeqCst) <= 3);
}

#[tokio::test]
async fn a_job_that_takes_longer_than_its_lease_is_kept_and_shows_how_far_it_has_come() {
    let node = TestNode::start().await;
    let client = client(&node);
    let jobs = queue(&client);
    let go = Arc::new(Notify::new());
    let worker = client.worker("w").queue("default", QUEUE).lease(Duration::from_secs(1));
    let work = worker.run(|job| {
        let go = Arc::clone(&go);
        async move {
            job.progress(1, 2, "half");
            go.notified().await;
            Ok(Payload::default())
        }
    });
    let ended = beside(work, async {
        jobs.enqueue(NewJob::new("").id("long")).await.unwrap();
        let mut first_end = None;
        eventually("the lease was extended beyond its first end", async || {
            let job = jobs.get("long").await.unwrap();
            let end = job.lease_end_time.map(|end| (end.seconds, end.nanos));
            first_end = first_end.or(end);
            job.progress.is_some_and(|progress| progress.message == "half")
                && end.zip(first_end).is_some_and(|(end, first)| end > (first.0 + 1, first.1))
        })
        .await;
        go.notify_one();
        jobs.wait("long", PATIENCE).await.unwrap()
    })
    .await;
    assert_eq!((ended.state(), ended.deliveries), (JobState::Completed, 1));
}

#[tokio::test]
async fn a_job_that_is_cancelled_is_told_so() {
    let node = TestNode::start().await;
    let client = client(&node);
    let jobs = queue(&client);
    let worker = client.worker("w").queue("default", QUEUE);
    let work = worker.run(async |job| {
        job.progress(0, 1, "begun");
        assert_eq!(job.cancelled().await, Cancelled::Requested);
        Err(NotDone::failed("cancelled"))
    });
    let ended = beside(work, async {
        jobs.enqueue(NewJob::new("").id("one")).await.unwrap();
        eventually("it runs", async || jobs.get("one").await.unwrap().progress.is_some()).await;
        jobs.cancel("one", "enough").await.unwrap();
        jobs.wait("one", PATIENCE).await.unwrap()
    })
    .await;
    assert_eq!(ended.state(), JobState::Cancelled);
}

#[tokio::test]
async fn a_worker_whose_connection_is_cut_goes_on_with_its_jobs_and_begins_none_twice() {
    let node = TestNode::start().await;
    let proxy = Proxy::start(node.address()).await.expect("a port");
    let direct = client(&node);
    let jobs = queue(&direct);
    let cut = Client::new(proxy.url()).expect("a URL");
    let begun: Arc<Mutex<Vec<String>>> = Arc::default();
    let go = Arc::new(Notify::new());
    let worker = cut.worker("w").queue("default", QUEUE).concurrency(5);
    let work = worker.run(|job| {
        let (begun, go) = (Arc::clone(&begun), Arc::clone(&go));
        async move {
            begun.lock().push(job.id().to_owned());
            go.notified().await;
            Ok(Payload::default())
        }
    });
    beside(work, async {
        jobs.enqueue_all((0..5).map(|n| NewJob::new("").id(n.to_string()))).await.unwrap();
        eventually("all have begun", async || begun.lock().len() == 5).await;
        proxy.cut_all();
        go.notify_waiters();
        for n in 0..5 {
            let ended = jobs.wait(n.to_string(), PATIENCE).await.unwrap();
            assert_eq!((ended.state(), ended.deliveries), (JobState::Completed, 1));
        }
    })
    .await;
    assert_eq!(begun.lock().len(), 5);
}

#[tokio::test]
async fn a_worker_that_is_to_stop_settles_what_it_has_and_takes_nothing_more() {
    let node = TestNode::start().await;
    let client = client(&node);
    let jobs = queue(&client);
    let (stop, begun, go) = (Notify::new(), Arc::new(Notify::new()), Arc::new(Notify::new()));
    let worker = client.worker("w").queue("default", QUEUE);
    let work = worker.run_until(stop.notified(), |_| {
        let (begun, go) = (Arc::clone(&begun), Arc::clone(&go));
        async move {
            begun.notify_one();
            go.notified().await;
            Ok(Payload::default())
        }
    });
    let drive = async {
        jobs.enqueue_all([NewJob::new("").id("one"), NewJob::new("").id("two")]).await.unwrap();
        begun.notified().await;
        stop.notify_one();
        tokio::task::yield_now().await;
        go.notify_one();
    };
    let (ended, ()) = within("the end", async { tokio::join!(work, drive) }).await;
    ended.expect("it ends well");
    assert_eq!(jobs.get("one").await.unwrap().state(), JobState::Completed);
    assert_eq!(jobs.get("two").await.unwrap().state(), JobState::Waiting);
}

#[tokio::test]
async fn what_still_runs_when_the_time_to_stop_is_over_is_given_up_and_told_so() {
    let node = TestNode::start().await;
    let client = client(&node);
    let jobs = queue(&client);
    let (stop, begun) = (Notify::new(), Arc::new(Notify::new()));
    let told: Arc<Mutex<Option<Cancelled>>> = Arc::default();
    let worker = client.worker("w").queue("default", QUEUE).stop_within(Duration::from_millis(50));
    let work = worker.run_until(stop.notified(), |job| {
        let (begun, told) = (Arc::clone(&begun), Arc::clone(&told));
        async move {
            begun.notify_one();
            *told.lock() = Some(job.cancelled().await);
            std::future::pending().await
        }
    });
    let drive = async {
        jobs.enqueue(NewJob::new("").id("one")).await.unwrap();
        begun.notified().await;
        stop.notify_one();
    };
    let (ended, ()) = within("the end", async { tokio::join!(work, drive) }).await;
    ended.expect("it ends well");
    assert_eq!(*told.lock(), Some(Cancelled::Closed));
}

#[tokio::test]
async fn work_whose_lease_is_lost_is_told_so_and_runs_on_in_its_place() {
    let place = ProxiedNode::start().await;
    let (direct, cut) = (client(place.node()), Client::new(place.proxy.url()).expect("a URL"));
    let jobs = queue(&direct);
    let lost: Arc<Mutex<Vec<String>>> = Arc::default();
    let (reports, begun) = (Arc::clone(&lost), Arc::new(Mutex::new(Vec::new())));
    let (told, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let worker = cut.worker("w").queue("default", QUEUE).lease(Duration::from_secs(1));
    let worker = worker.on_report(move |report| {
        if let WorkerReport::LeaseLost { id } = report {
            reports.lock().push(id);
        }
    });
    let work = worker.run(|job| {
        let (begun, told, go) = (Arc::clone(&begun), Arc::clone(&told), Arc::clone(&go));
        async move {
            begun.lock().push(job.id().to_owned());
            told.notify_one();
            if job.id() == "one" {
                assert_eq!(job.cancelled().await, Cancelled::LeaseLost);
                job.lost().await;
                told.notify_one();
                go.notified().await;
            }
            Ok(Payload::from("late"))
        }
    });
    beside(work, async {
        jobs.enqueue(NewJob::new("").id("one")).await.unwrap();
        told.notified().await;
        place.part();
        let other = direct.worker("other").queue("default", QUEUE);
        let other = other.run(async |_| Ok(Payload::from("in time")));
        let ended = beside(other, jobs.wait("one", PATIENCE)).await.unwrap();
        assert_eq!(ended.result.map(Payload::from).as_ref().and_then(Payload::text), Some("in time"));
        place.proxy.heal();
        told.notified().await;
        jobs.enqueue(NewJob::new("").id("two")).await.unwrap();
        assert_eq!(*begun.lock(), ["one"], "it takes the only place");
        go.notify_one();
        jobs.wait("two", PATIENCE).await.unwrap()
    })
    .await;
    assert_eq!(*lost.lock(), ["one"]);
}

#[tokio::test]
async fn a_result_that_is_too_large_fails_its_job_for_good() {
    let node = TestNode::start().await;
    let client = client(&node);
    let jobs = queue(&client);
    let reports = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&reports);
    let worker = client.worker("w").queue("default", QUEUE).on_report(move |report| {
        assert_eq!(report, WorkerReport::OutcomeRefused { id: "one".to_owned() });
        count.fetch_add(1, Ordering::SeqCst);
    });
    let work = worker.run(async |job| {
        assert!(job.checkpoint(vec![0; (64 << 10) + 1]).is_err(), "so is a checkpoint");
        Ok(Payload::from(vec![0; (64 << 10) + 1]))
    });
    let ended = beside(work, async {
        jobs.enqueue(NewJob::new("").id("one")).await.unwrap();
        jobs.wait("one", PATIENCE).await.unwrap()
    })
    .await;
    assert_eq!((ended.state(), ended.attempt), (JobState::Dead, 1));
    assert_eq!(ended.error.unwrap().code, "INVALID_OUTCOME");
    assert_eq!(reports.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_payload_that_was_uploaded_is_not_empty_but_to_be_read() {
    let node = TestNode::start().await;
    let client = client(&node);
    let jobs = queue(&client);
    let work = client.worker("w").queue("default", QUEUE).run(async |job| {
        assert!(matches!(job.text(), Err(Error::Invalid(_))) && job.payload().is_err());
        let bytes = job.read(0).next().await?.unwrap_or_default();
        Ok(Payload::from(bytes.to_vec()))
    });
    let ended = beside(work, async {
        let uploaded = jobs.upload(&b"large"[..], |_| ()).await.unwrap();
        let job = jobs.enqueue(NewJob::uploaded(uploaded)).await.unwrap();
        jobs.wait(&job.id, PATIENCE).await.unwrap()
    })
    .await;
    assert_eq!(ended.result.map(Payload::from).as_ref().and_then(Payload::text), Some("large"));
}

#[tokio::test]
async fn a_worker_that_may_not_work_is_told_and_ends() {
    let node = TestNode::start().await;
    let worker = client(&node).worker("w").queue("nowhere", QUEUE);
    let ended = within("the end", worker.run(async |_| Ok(Payload::default()))).await;
    let refused = ended.expect_err("there is no such namespace");
    assert_eq!(refused.refusal().map(|refusal| refusal.code), Some(RefusalCode::NamespaceUnknown));
}

#[tokio::test]
async fn every_job_is_done_over_restarts_and_kills_of_the_node() {
    const JOBS: usize = 600;
    let folder = folder();
    let configuration = folder.path().join("rialto.toml");
    std::fs::write(&configuration, "[log]\nlevel = \"error\"\n").expect("a file");
    let data = folder.path().join("data").display().to_string();
    let start = async |listen: &str| {
        let file = configuration.display().to_string();
        let arguments = ["--config", &file, "--data", &data, "--listen", listen];
        within("the node", Running::serve(&arguments)).await.expect("it starts")
    };
    let (mut node, address) = start("127.0.0.1:0").await;
    let client = Client::builder(format!("http://{address}")).deadline(PATIENCE).build().expect("a URL");
    let jobs = queue(&client);
    let done: Arc<Mutex<BTreeMap<String, usize>>> = Arc::default();
    let worker = client.worker("w").queue("default", QUEUE).concurrency(8).lease(Duration::from_secs(5));
    let work = worker.run(|job| {
        let done = Arc::clone(&done);
        async move {
            *done.lock().entry(job.id().to_owned()).or_default() += 1;
            Ok(Payload::default())
        }
    });
    let (enqueued, _node) = beside(work, async {
        let mut enqueued = BTreeSet::new();
        for n in 0..JOBS {
            let job = jobs.enqueue(NewJob::new("").id(n.to_string())).await.expect("it is taken in time");
            assert!(enqueued.insert(job.id));
            if n % 150 == 149 {
                node.kill().await;
                (node, _) = start(&address.to_string()).await;
            }
        }
        for id in &enqueued {
            let ended = jobs.wait(id, PATIENCE).await.expect("it ends");
            assert_eq!(ended.state(), JobState::Completed);
        }
        (enqueued, node)
    })
    .await;
    assert_eq!(enqueued.len(), JOBS);
    assert!(enqueued.iter().all(|id| done.lock().contains_key(id)), "a job is completed that nobody did");
    let dead = jobs.list(&JobFilter { states: vec![JobState::Dead], ..JobFilter::default() }, 10, "").await;
    assert_eq!(dead.expect("a list").jobs, []);
}
