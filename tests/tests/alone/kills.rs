//! A node that is killed while rooms are spoken in, again and again: what it has acknowledged as durable is there, in its
//! order, and what was said again under the same key has happened once.

use std::{path::Path, sync::Arc, time::Duration};

use rand::{RngExt, rngs::StdRng};
use rialto_proto::v1::room_service_client::RoomServiceClient;
use rialto_tests::{
    checks::{Done, Recorder, Room, check_all},
    program::Running,
    proxy::Proxy,
    reliability::{Client, Counts, Seed, read_histories},
    within,
};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, interval, timeout},
};

const KILLS: u32 = 20;
const SENDERS: u64 = 6;
const RECEIVERS: u64 = 4;
/// Emits of one sender that wait for answers.
const UNANSWERED_MAX: usize = 16;
/// Acknowledged messages below which the run says nothing.
const SUCCESSES_MIN: u64 = 2_000;
/// Until a node that was killed is ready again. The goal is 2 s; a debug build on a busy machine needs more.
const READY_MAX: Duration = Duration::from_secs(10);

const CONFIGURATION: &str = r#"
listen = "127.0.0.1:0"
[log]
level = "error"
[[namespace]]
name = "chat"
history = "durable"
history_events_max = 100000
history_bytes_max = 67108864
room_emits_per_second = 0
[[namespace]]
name = "memory"
history = "memory"
history_events_max = 100000
room_emits_per_second = 0
[limits.session]
emits_per_second = 0
[limits.node]
hellos_per_second = 10000
sessions_per_user_max = 1000
sessions_per_address_max = 1000
rooms_created_per_minute = 100000
"#;

fn rooms() -> Vec<Room> {
    let names = [("chat", "one"), ("chat", "two"), ("chat", "three"), ("memory", "four")];
    names.map(|(namespace, name)| Room::new(namespace, name)).into()
}

/// Starts the node on `folder`.
async fn start(folder: &Path) -> (Running, std::net::SocketAddr) {
    let (file, data) = (folder.join("rialto.toml"), folder.join("data"));
    let arguments = ["--config", file.to_str().unwrap(), "--data", data.to_str().unwrap()];
    Running::serve(&arguments).await.unwrap_or_else(|why| panic!("the node does not start: {why}"))
}

/// Connects, as often as it takes.
async fn reach(client: &mut Client) {
    let mut ticks = interval(Duration::from_millis(10));
    within("a connection", async {
        while client.connect().await.is_err() {
            ticks.tick().await;
        }
    })
    .await;
}

/// Speaks until the faults are over and everything is answered, then sees what there is to see.
async fn live(mut client: Client, speaks: bool, mut over: watch::Receiver<bool>, mut rng: StdRng) -> Counts {
    let rooms = rooms();
    reach(&mut client).await;
    loop {
        while speaks && !*over.borrow() && client.unanswered() < UNANSWERED_MAX {
            client.say(&rooms[rng.random_range(..rooms.len())]);
        }
        let turned = tokio::select! {
            turned = client.turn() => turned,
            changed = over.wait_for(|over| *over), if !speaks || client.unanswered() == 0 => {
                drop(changed);
                break;
            }
        };
        if turned.is_err() {
            reach(&mut client).await;
        }
    }
    // What has come before the answer is all that there is.
    while client.catch_up().await.is_err() {
        reach(&mut client).await;
    }
    client.counts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_as_durable_is_there_after_twenty_kills() {
    let (seed, folder) = (Seed::of("kills"), tempfile::tempdir().unwrap());
    std::fs::write(folder.path().join("rialto.toml"), CONFIGURATION).unwrap();
    let recorder = Recorder::new(SUCCESSES_MIN);
    let (mut node, address) = start(folder.path()).await;
    let proxy = Arc::new(Proxy::start(address).await.unwrap());
    let (rooms, url) = (rooms(), proxy.url());

    // Receivers stay until all that was said has been answered.
    let (senders_over, senders_told) = watch::channel(false);
    let (mut senders, mut receivers) = (JoinSet::new(), JoinSet::new());
    for number in 0..SENDERS {
        let client = Client::new(&format!("sender{number}"), &url, &recorder, &[]).speaking(&rooms);
        senders.spawn(live(client, true, senders_told.clone(), seed.rng(number)));
    }
    let (receivers_over, receivers_told) = watch::channel(false);
    for number in 0..RECEIVERS {
        let client = Client::new(&format!("receiver{number}"), &url, &recorder, &rooms);
        receivers.spawn(live(client, false, receivers_told.clone(), seed.rng(100 + number)));
    }

    let mut rng = seed.rng(1_000);
    let mut ready = Vec::new();
    for _ in 0..KILLS {
        let load = Duration::from_millis(rng.random_range(50..400));
        // Nothing to wait for but that there is load.
        drop(timeout(load, std::future::pending::<()>()).await);
        node.kill().await;
        let began = Instant::now();
        let (again, address) = start(folder.path()).await;
        ready.push(began.elapsed());
        // Only now: what clients read after the kill was still said by the node that is gone.
        recorder.done(Done::Crashed);
        proxy.forward_to(address);
        node = again;
    }
    drop(timeout(Duration::from_millis(300), std::future::pending::<()>()).await);
    let mut total = Counts::default();
    senders_over.send_replace(true);
    while let Some(counts) = within("the senders", senders.join_next()).await {
        total += counts.unwrap();
    }
    receivers_over.send_replace(true);
    while let Some(counts) = within("the receivers", receivers.join_next()).await {
        total += counts.unwrap();
    }
    let mut stub = RoomServiceClient::connect(proxy.url()).await.unwrap();
    read_histories(&recorder, "reader", &mut stub, &rooms).await;
    assert_eq!(node.interrupt().await, 0);

    ready.sort();
    println!("kills: {total:?}; ready after {:?} to {:?}", ready[0], ready[ready.len() - 1]);
    check_all(&recorder.run()).assert_holds();
    assert!(ready[ready.len() - 1] < READY_MAX, "ready after {ready:?}");
    assert!(total.duplicates > 0, "nothing was said again that had been taken: {total:?}");
    assert!(total.afresh >= u64::from(KILLS), "{total:?}");
}
