//! Steady state: a hundred thousand messages through rooms in memory and on disk, without any fault. Everything that is
//! promised holds for every one of them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rand::RngExt;
use rialto_server::base::config::Config;
use rialto_tests::{
    checks::{Done, Recorder, Room, check_all},
    node::TestNode,
    reliability::{Client, Counts, Seed, read_histories},
    within,
};
use tokio::{
    sync::Barrier,
    task::JoinSet,
    time::{Instant, interval},
};

const MESSAGES: u64 = 100_000;
const SENDERS: u64 = 20;
const ROOMS: usize = 50;
const RECEIVERS: usize = 25;
/// Members of one room.
const FAN_OUT: usize = 5;
/// Rooms of one receiver.
const ROOMS_EACH: usize = ROOMS * FAN_OUT / RECEIVERS;
/// Emits of one sender that wait for answers.
const UNANSWERED_MAX: usize = 64;
/// What one receiver may have still to see before those who speak to it wait: half of an outbox, so that nobody is
/// behind however busy the machine is.
const UNSEEN_MAX: u64 = 128;
/// How long the run may take on a machine that is busy.
const TIME_MAX: Duration = Duration::from_secs(180);

fn roomy(config: &mut Config) {
    config.limits.node.sessions_per_address_max = 1_000;
    for namespace in &mut config.namespaces {
        namespace.settings.history_events_max = MESSAGES as u32;
    }
}

fn rooms() -> Vec<Room> {
    let namespace = |number| if number % 2 == 0 { "chat" } else { "memory" };
    (0..ROOMS).map(|number| Room::new(namespace(number), &format!("room {number}"))).collect()
}

/// How far a run has come.
fn progress(recorder: &Recorder) -> String {
    let run = recorder.run();
    let accepted = run.done.iter().filter(|done| matches!(done.what, Done::Accepted { .. })).count();
    let seen: Vec<_> = run.receivers.iter().map(|(name, receiver)| (name, receiver.seen.len())).collect();
    format!("{accepted} accepted, {seen:?} seen")
}

/// How far each receiver is.
#[derive(Default)]
struct Pace {
    said: [AtomicU64; RECEIVERS],
    seen: [AtomicU64; RECEIVERS],
}

impl Pace {
    fn may_say(&self, room: usize) -> bool {
        let unseen = |who: usize| {
            self.said[who].load(Ordering::SeqCst).saturating_sub(self.seen[who].load(Ordering::SeqCst))
        };
        members(room).all(|who| unseen(who) < UNSEEN_MAX)
    }

    fn say(&self, room: usize) {
        for who in members(room) {
            self.said[who].fetch_add(1, Ordering::SeqCst);
        }
    }
}

fn rooms_of(receiver: usize) -> impl Iterator<Item = usize> {
    (0..ROOMS_EACH).map(move |k| (receiver * ROOMS_EACH + k) % ROOMS)
}

fn members(room: usize) -> impl Iterator<Item = usize> {
    (0..RECEIVERS).filter(move |receiver| (room + ROOMS - receiver * ROOMS_EACH % ROOMS) % ROOMS < ROOMS_EACH)
}

/// Says its share, in rooms by chance.
async fn speak(mut client: Client, rooms: Vec<Room>, pace: Arc<Pace>, mut rng: impl RngExt) -> Counts {
    client.connect().await.unwrap();
    let mut ticks = interval(Duration::from_millis(1));
    for _ in 0..MESSAGES / SENDERS {
        let room = rng.random_range(..ROOMS);
        while client.unanswered() >= UNANSWERED_MAX || !pace.may_say(room) {
            tokio::select! {
                turned = client.turn() => turned.unwrap(),
                _ = ticks.tick() => {}
            }
        }
        pace.say(room);
        client.say(&rooms[room]);
    }
    client.settle().await.unwrap();
    client.counts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_messages_come_once_in_order_and_without_a_gap() {
    let seed = Seed::of("steady");
    let folder = tempfile::tempdir().unwrap();
    let node = TestNode::keeping_with(folder.path(), roomy).await;
    let recorder = Recorder::new(MESSAGES);
    let (rooms, url, pace) = (rooms(), node.url(), Arc::<Pace>::default());
    let began = Instant::now();

    let mut receivers = JoinSet::new();
    let joined = Arc::new(Barrier::new(RECEIVERS + 1));
    let (over, is_over) = tokio::sync::watch::channel(false);
    for number in 0..RECEIVERS {
        let mine: Vec<_> = rooms_of(number).map(|room| rooms[room].clone()).collect();
        let mut client = Client::new(&format!("receiver{number}"), &url, &recorder, &mine);
        let (joined, mut is_over, pace) = (Arc::clone(&joined), is_over.clone(), Arc::clone(&pace));
        receivers.spawn(async move {
            client.connect().await.unwrap();
            client.catch_up().await.unwrap();
            joined.wait().await;
            loop {
                tokio::select! {
                    turned = client.turn() => {
                        turned.unwrap();
                        pace.seen[number].store(client.counts.events, Ordering::SeqCst);
                    }
                    _ = is_over.wait_for(|over| *over) => break,
                }
            }
            client.catch_up().await.unwrap();
            client.counts
        });
    }
    within("everybody to join", joined.wait()).await;

    let mut senders = JoinSet::new();
    for number in 0..SENDERS {
        let client = Client::new(&format!("sender{number}"), &url, &recorder, &[]).speaking(&rooms);
        senders.spawn(speak(client, rooms.clone(), Arc::clone(&pace), seed.rng(number)));
    }
    let mut total = Counts::default();
    let all = async {
        while let Some(counts) = senders.join_next().await {
            total += counts.unwrap();
        }
        over.send_replace(true);
        while let Some(counts) = receivers.join_next().await {
            total += counts.unwrap();
        }
    };
    let ended = tokio::time::timeout(TIME_MAX, all).await;
    assert!(ended.is_ok(), "the run has its time: {}", progress(&recorder));
    let ran = began.elapsed();
    read_histories(&recorder, "reader", &mut node.rooms().await, &rooms).await;
    let run = recorder.run();
    check_all(&run).assert_holds();
    let delivered: usize = run.receivers.values().map(|receiver| receiver.seen.len()).sum();
    println!("steady: {total:?}, {delivered} things seen, {ran:?}; checked after {:?}", began.elapsed());
    assert_eq!((total.accepted, total.missed, total.duplicates), (MESSAGES, 0, 0));
}
