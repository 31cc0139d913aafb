//! Two thousand resumes at random points: connections are reset, cut after any number of bytes, half open, and silent.
//! Inside the window everything comes exactly once and in order; outside of it, and where more came than is held, what is
//! missing is said exactly. Senders lose their connections too, and say again what was not taken.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rand::{RngExt, rngs::StdRng};
use rialto_server::base::config::Config;
use rialto_tests::{
    checks::{Recorder, Room, check_all},
    node::{TestNode, settled},
    proxy::Proxy,
    reliability::{Client, Counts, Fault, Seed, lose, read_histories},
    within,
};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, interval, timeout},
};

const RESUMES: u64 = 2_000;
const SENDERS: u64 = 6;
const RECEIVERS: u64 = 16;
/// Rooms of one receiver.
const ROOMS_EACH: usize = 5;
/// From one message of a sender to its next.
const PAUSE: Duration = Duration::from_millis(5);
/// Emits of one sender that wait for answers.
const UNANSWERED_MAX: usize = 32;
/// How long a session outlives its stream.
const WINDOW: Duration = Duration::from_secs(2);
/// One loss in so many is longer than the window.
const AWAY_ONE_IN: u32 = 60;
/// One in so many is a client that no longer knows where it was.
const FORGETS_ONE_IN: u32 = 40;
/// The same of senders: they say again under the same keys what has no answer.
const SENDER_FORGETS_ONE_IN: u32 = 8;
/// How long the run may take on a machine that is busy.
const TIME_MAX: Duration = Duration::from_secs(240);
/// Acknowledged messages below which the run says nothing.
const SUCCESSES_MIN: u64 = 2_000;

fn bounds(config: &mut Config) {
    config.limits.session.resume_window = WINDOW;
    // Small enough to be reached by those who stay away.
    (config.limits.session.outbox_frames_max, config.limits.session.replay_frames_max) = (64, 128);
    config.limits.node.resumes_per_second = 100_000;
    config.limits.node.sessions_per_user_max = 10_000;
    config.limits.node.sessions_per_address_max = 10_000;
    for namespace in &mut config.namespaces {
        // Histories on disk are read whole in the end; those in memory do not reach back far.
        namespace.settings.history_events_max = if namespace.name == "memory" { 100 } else { 100_000 };
    }
}

/// With a history on disk, with one in memory, and without.
fn rooms() -> Vec<Room> {
    let namespaces = ["chat", "memory", "default"];
    (0..9).map(|number| Room::new(namespaces[number % 3], &format!("room {number}"))).collect()
}

/// What all clients of the run share.
#[derive(Clone)]
struct Stage {
    nodes: Vec<SocketAddr>,
    url: String,
    recorder: Recorder,
    rooms: Vec<Room>,
    resumed: Arc<AtomicU64>,
    /// The witness sees everything from now on.
    watched: watch::Sender<bool>,
    /// The senders have been answered.
    said: watch::Sender<bool>,
}

impl Stage {
    fn over(&self) -> bool {
        self.resumed.load(Ordering::Relaxed) >= RESUMES
    }

    /// A node by chance: of several, clients come back to any.
    fn node(&self, rng: &mut StdRng) -> SocketAddr {
        self.nodes[rng.random_range(..self.nodes.len())]
    }

    fn note(&self, before: Counts, after: Counts) {
        self.resumed.fetch_add(after.resumed - before.resumed, Ordering::Relaxed);
    }
}

/// Connects without faults, as often as it takes.
async fn reach(client: &mut Client, proxy: &Proxy) {
    proxy.heal();
    let mut ticks = interval(Duration::from_millis(5));
    within("a connection", async {
        while client.connect().await.is_err() {
            ticks.tick().await;
        }
    })
    .await;
}

/// How often each kind of fault was met.
type Met = BTreeMap<String, u64>;

fn meet(met: &mut Met, fault: Fault) {
    let name = format!("{fault:?}").split([',', '(']).next().unwrap_or_default().to_owned();
    *met.entry(name).or_default() += 1;
}

async fn speaker(stage: Stage, number: u64, mut rng: StdRng) -> (Counts, Met) {
    let proxy = Proxy::start(stage.node(&mut rng)).await.unwrap();
    within("the witness", stage.watched.subscribe().wait_for(|watched| *watched)).await.unwrap();
    let rooms = stage.rooms.clone();
    let mut client =
        Client::new(&format!("sender{number}"), &proxy.url(), &stage.recorder, &[]).speaking(&rooms);
    let (mut met, mut due) = (Met::new(), Instant::now());
    while !stage.over() {
        let before = client.counts;
        let fault = lose(&mut client, &proxy, &mut rng, |client, rng| {
            while due <= Instant::now() && client.unanswered() < UNANSWERED_MAX {
                due += PAUSE;
                client.say(&rooms[rng.random_range(..rooms.len())]);
            }
        })
        .await;
        meet(&mut met, fault);
        stage.note(before, client.counts);
        proxy.forward_to(stage.node(&mut rng));
        if rng.random_ratio(1, SENDER_FORGETS_ONE_IN) {
            client.forget_seq();
        }
    }
    reach(&mut client, &proxy).await;
    while within("answers", client.settle()).await.is_err() {
        reach(&mut client, &proxy).await;
    }
    (client.counts, met)
}

async fn listener(stage: Stage, number: u64, mut rng: StdRng) -> (Counts, Met) {
    let proxy = Proxy::start(stage.node(&mut rng)).await.unwrap();
    let mine = (0..ROOMS_EACH).map(|k| stage.rooms[(number as usize + k) % stage.rooms.len()].clone());
    let mine: Vec<_> = mine.collect();
    let mut client = Client::new(&format!("receiver{number}"), &proxy.url(), &stage.recorder, &mine);
    let mut met = Met::new();
    while !stage.over() {
        let before = client.counts;
        meet(&mut met, lose(&mut client, &proxy, &mut rng, |_, _| ()).await);
        stage.note(before, client.counts);
        proxy.forward_to(stage.node(&mut rng));
        if rng.random_ratio(1, AWAY_ONE_IN) {
            let away = WINDOW.mul_f64(rng.random_range(0.3..1.3));
            drop(timeout(away, std::future::pending::<()>()).await);
        }
        if rng.random_ratio(1, FORGETS_ONE_IN) {
            client.forget_seq();
        }
    }
    finish(&stage, &mut client, &proxy).await;
    (client.counts, met)
}

/// Stays until everything is said, and sees it.
async fn finish(stage: &Stage, client: &mut Client, proxy: &Proxy) {
    let mut said = stage.said.subscribe();
    reach(client, proxy).await;
    loop {
        let turned = tokio::select! {
            turned = client.turn() => turned,
            () = async { drop(said.wait_for(|said| *said).await) } => break,
        };
        if turned.is_err() {
            reach(client, proxy).await;
        }
    }
    while !matches!(timeout(Duration::from_secs(5), client.catch_up()).await, Ok(Ok(()))) {
        reach(client, proxy).await;
    }
}

/// Is never disturbed, so that of every room somebody sees everything.
async fn witness(stage: Stage) -> (Counts, Met) {
    let proxy = Proxy::start(stage.nodes[0]).await.unwrap();
    let mut client = Client::new("witness", &stage.url, &stage.recorder, &stage.rooms);
    reach(&mut client, &proxy).await;
    within("the rooms", client.catch_up()).await.unwrap();
    stage.watched.send_replace(true);
    finish(&stage, &mut client, &proxy).await;
    (client.counts, Met::new())
}

async fn all(of: &mut JoinSet<(Counts, Met)>, total: &mut Counts, met: &mut Met) {
    while let Some(ended) = of.join_next().await {
        let (counts, more) = ended.unwrap();
        *total += counts;
        for (name, count) in more {
            *met.entry(name).or_default() += count;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_resumes_at_random_points_lose_nothing_in_silence() {
    let (seed, folder) = (Seed::of("resumes"), tempfile::tempdir().unwrap());
    let node = TestNode::keeping_with(folder.path(), bounds).await;
    let stage = Stage {
        nodes: node.addresses(),
        url: node.url(),
        recorder: Recorder::new(SUCCESSES_MIN),
        rooms: rooms(),
        resumed: Arc::default(),
        watched: watch::Sender::new(false),
        said: watch::Sender::new(false),
    };
    let began = Instant::now();
    let (mut senders, mut receivers) = (JoinSet::new(), JoinSet::new());
    receivers.spawn(witness(stage.clone()));
    for number in 0..RECEIVERS {
        receivers.spawn(listener(stage.clone(), number, seed.rng(number)));
    }
    for number in 0..SENDERS {
        senders.spawn(speaker(stage.clone(), number, seed.rng(100 + number)));
    }
    let (mut total, mut met) = (Counts::default(), Met::new());
    let run = async {
        all(&mut senders, &mut total, &mut met).await;
        // What one node has answered may still be on its way to the others.
        settled().await;
        stage.said.send_replace(true);
        all(&mut receivers, &mut total, &mut met).await;
    };
    let ended = timeout(TIME_MAX, run).await;
    assert!(ended.is_ok(), "{} resumes in {TIME_MAX:?}", stage.resumed.load(Ordering::Relaxed));
    let ran = began.elapsed();
    read_histories(&stage.recorder, "reader", &mut node.rooms().await, &stage.rooms).await;
    let faults: Vec<_> = met.iter().map(|(name, count)| format!("{name} {count}")).collect();
    println!("resumes: {total:?} in {ran:?}; {}", faults.join(", "));
    check_all(&stage.recorder.run()).assert_holds();
    println!("resumes: checked after {:?}", began.elapsed());
    assert!(total.resumed >= RESUMES);
    assert!(
        total.afresh > 0 && total.missed > 0 && total.duplicates > 0,
        "too little has happened: {total:?}"
    );
}
