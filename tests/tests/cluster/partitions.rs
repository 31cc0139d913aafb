//! Rooms beyond a bound: a node listens to them with all others of their partition, and whoever is in them notices nothing.

use std::{cell::RefCell, collections::BTreeMap};

use rialto_proto::v1::{Event, Join, ServerFrame, client_frame::Command, server_frame::Frame};
use rialto_server::base::{config::Config, partition::partition};
use rialto_tests::{
    cluster::Cluster,
    eventually,
    nats::NatsServer,
    node::TestNode,
    talker::{Talker, emit_in, rooms, text},
};
use tokio::task::yield_now;

/// Rooms that nodes listen to one by one here.
const SINGLE_MAX: u32 = 8;
const ROOMS: usize = 60;
/// Into which they fall.
const PARTITIONS: u32 = 6;
/// Events that are said in each room after its member has heard the first one.
const ROUNDS: u32 = 10;

fn few(config: &mut Config) {
    config.cluster.rooms_heard_max = SINGLE_MAX;
}

async fn two() -> (NatsServer, TestNode, TestNode) {
    let nats = NatsServer::start().await;
    let nodes = (Cluster::node(&nats, few).await, Cluster::node(&nats, few).await);
    (nats, nodes.0, nodes.1)
}

/// What of rooms is listened to, one by one and by partition.
async fn listened(nats: &NatsServer) -> (usize, usize) {
    let all = nats.listened().await;
    let of_rooms = all.iter().filter(|subject| subject.starts_with("rl.main.room."));
    let (whole, single): (Vec<_>, Vec<_>) = of_rooms.partition(|subject| subject.ends_with(".*.*"));
    (single.len(), whole.len())
}

/// Rooms of few partitions.
fn all() -> Vec<String> {
    let names = (0..).map(|number| format!("room {number}"));
    names.filter(|name| partition("default", name) < PARTITIONS).take(ROOMS).collect()
}

/// What has become of a room.
#[derive(Debug, Default)]
struct Seen {
    /// What had been begun to be said there when its member had joined.
    begun: Option<u32>,
    heard: Vec<u32>,
}

/// Says numbers in turn in all rooms until enough of all is heard.
async fn say(talker: &mut Talker, said: &RefCell<u32>, seen: &RefCell<BTreeMap<String, Seen>>) {
    while !is_enough(&seen.borrow()) {
        *said.borrow_mut() += 1;
        let number = *said.borrow();
        let mut asked = Vec::new();
        for room in all() {
            let emit = emit_in("default", rooms(&[&room]), "number", &number.to_string());
            asked.push(talker.ask(Command::Emit(emit)).await);
        }
        for reference in asked {
            talker.answer(reference).await;
        }
        yield_now().await;
    }
}

fn is_enough(seen: &BTreeMap<String, Seen>) -> bool {
    seen.len() == ROOMS && seen.values().all(|seen| seen.heard.len() as u32 > ROUNDS)
}

/// Joins all rooms, and hears what is said there.
async fn hear(talker: &mut Talker, said: &RefCell<u32>, seen: &RefCell<BTreeMap<String, Seen>>) {
    for room in all() {
        let (namespace, rooms) = ("default".to_owned(), vec![room]);
        talker.ask(Command::Join(Join { namespace, rooms, ..Join::default() })).await;
    }
    while !is_enough(&seen.borrow()) {
        match talker.next().await {
            Some(ServerFrame { frame: Some(Frame::Joined(joined)), .. }) => {
                let room = joined.rooms[0].room.clone();
                seen.borrow_mut().entry(room).or_default().begun = Some(*said.borrow());
            }
            Some(ServerFrame { frame: Some(Frame::Event(event)), .. }) => note(seen, &event),
            other => panic!("nothing else is to be told, not {other:?}"),
        }
    }
}

fn note(seen: &RefCell<BTreeMap<String, Seen>>, event: &Event) {
    let (mut seen, number) = (seen.borrow_mut(), text(event).parse().expect("a number"));
    let room = seen.get_mut(&event.rooms[0]).expect("it was joined");
    match room.heard.last() {
        None => assert!(number <= room.begun.expect("it was joined") + 1, "{room:?} begins with {number}"),
        Some(last) => assert_eq!(number, last + 1, "once, in order and without a gap"),
    }
    room.heard.push(number);
}

#[tokio::test]
async fn whoever_joins_more_rooms_than_are_heard_one_by_one_hears_all_without_a_gap() {
    let (nats, here, there) = two().await;
    let (mut bob, mut ann) = (here.attach("bob").await, there.attach("ann").await);
    bob.enter("default").await.unwrap();
    let (said, seen) = (RefCell::new(0), RefCell::default());
    tokio::join!(say(&mut bob, &said, &seen), hear(&mut ann, &said, &seen));
    let (single, whole) = listened(&nats).await;
    assert!(single <= SINGLE_MAX as usize && whole > 0, "{single} and {whole}");
    assert!(whole <= PARTITIONS as usize);
    let told = async || there.metric("rialto_partitions_heard").await == whole as u64;
    eventually("how many they are", told).await;
}

#[tokio::test]
async fn a_partition_is_heard_as_long_as_somebody_is_in_one_of_its_rooms() {
    let (nats, here, there) = two().await;
    let mut ann = there.attach("ann").await;
    let all = all();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let (first, last) = (all[0], all[ROOMS - 1]);
    ann.join("default", &all).await;
    assert!(listened(&nats).await.1 > 0);
    // Who says something to nobody is heard by nobody, and a room of a partition that is heard is heard at once.
    let mut bob = here.attach("bob").await;
    bob.enter("default").await.unwrap();
    for room in [first, "a room where nobody is", last] {
        bob.try_emit(emit_in("default", rooms(&[room]), "message", room)).await.unwrap();
    }
    assert_eq!([ann.expect_text("message").await, ann.expect_text("message").await], [first, last]);
    ann.expect_nothing().await;
    ann.part("default", &all).await;
    eventually("the end of listening", async || listened(&nats).await == (0, 0)).await;
}
