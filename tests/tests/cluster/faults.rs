//! Nodes that die, nodes that hang and a NATS that dies, while others write and read: what was acknowledged is there, once, in
//! its order, and whoever is a member hears it.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use futures_util::future::join_all;
use rialto_proto::v1::{
    Event, GetHistoryRequest, PublishRequest, get_history_request::Start,
    messaging_service_client::MessagingServiceClient, room_service_client::RoomServiceClient,
    server_frame::Frame,
};
use rialto_tests::{
    cluster::{Process, channel},
    histories::request,
    nats::NatsServer,
    talker::{Shape, Talker, text},
    within,
};
use tokio::{
    sync::watch,
    time::{Instant, interval, timeout},
};

const ROOMS: [&str; 4] = ["one", "two", "three", "four"];
/// What is not taken in this time is not going to be.
const TAKEN_MAX: Duration = Duration::from_secs(30);

/// How many events were taken, of all writers.
#[derive(Clone, Default)]
struct Taken(watch::Sender<usize>);

impl Taken {
    /// Waits until so many more were taken.
    async fn more(&self, events: usize) {
        let before = *self.0.borrow();
        within("more events", self.0.subscribe().wait_for(|taken| *taken >= before + events))
            .await
            .expect("somebody writes");
    }
}

/// Somebody who publishes one event after the other, each until it is taken, by whatever node answers.
struct Writer {
    nodes: Vec<SocketAddr>,
    name: &'static str,
    number: usize,
    taken: Taken,
    /// The longest that one event has taken.
    longest: Duration,
}

impl Writer {
    async fn write(&mut self, events: usize) {
        for _ in 0..events {
            let began = Instant::now();
            let content = format!("{}.{}", self.name, self.number);
            let event = PublishRequest {
                idempotency_key: content.clone(),
                ..request("chat", ROOMS[self.number % ROOMS.len()], &content)
            };
            let mut ticks = interval(Duration::from_millis(20));
            let mut at = self.number;
            while !publish(self.nodes[at % self.nodes.len()], event.clone()).await {
                assert!(began.elapsed() < TAKEN_MAX, "{content} is not taken");
                at += 1;
                ticks.tick().await;
            }
            self.longest = self.longest.max(began.elapsed());
            self.number += 1;
            self.taken.0.send_modify(|taken| *taken += 1);
        }
    }
}

async fn publish(address: SocketAddr, event: PublishRequest) -> bool {
    let Some(channel) = channel(address).await else { return false };
    let mut stub = MessagingServiceClient::new(channel);
    // A node that hangs does not answer; the key sees to it that the event is taken once.
    let published = timeout(Duration::from_secs(2), stub.publish(event)).await;
    published.is_ok_and(|published| published.is_ok())
}

async fn history(address: SocketAddr, room: &str) -> Vec<Event> {
    let mut stub = RoomServiceClient::new(channel(address).await.expect("it listens"));
    let mut request = GetHistoryRequest {
        namespace: "chat".into(),
        room: room.into(),
        page_size: Some(100),
        start: Some(Start::FromOffset(1)),
        ..Default::default()
    };
    let mut events = Vec::new();
    loop {
        let page =
            within("a page", stub.get_history(request.clone())).await.expect("it is read").into_inner();
        events.extend(page.events);
        if page.next_page_token.is_empty() {
            return events;
        }
        request.page_token = page.next_page_token;
    }
}

/// The number of each writer's events in a room rises, each is there once, and offsets have no hole.
fn check(room: &str, events: &[Event], writers: &[Writer]) {
    assert!(events.iter().map(|event| event.offset).eq((1..=events.len() as u64).map(Some)), "{room}");
    for writer in writers {
        let numbers = events.iter().filter_map(|event| {
            text(event).strip_prefix(&format!("{}.", writer.name))?.parse::<usize>().ok()
        });
        let expected = (0..writer.number).filter(|number| ROOMS[number % ROOMS.len()] == room);
        assert!(
            numbers.eq(expected),
            "{room} of {}: {:?}",
            writer.name,
            events.iter().map(text).collect::<Vec<_>>()
        );
    }
}

/// A member of all rooms on one node.
async fn member(address: SocketAddr) -> Talker {
    let channel = channel(address).await.expect("it listens");
    let hello = rialto_proto::v1::Hello { user: "member".into(), ..Default::default() };
    let mut talker = Talker::open_with_over(channel, Shape::Attach, hello).await.expect("it is greeted");
    talker.join("chat", &ROOMS).await;
    talker
}

/// So many events that a member hears, by room. What is not said to rooms may be missing, and nothing else.
async fn hear(talker: &mut Talker, mut events: usize) -> BTreeMap<String, Vec<Event>> {
    let mut heard: BTreeMap<String, Vec<Event>> = BTreeMap::new();
    while events > 0 {
        match talker.next().await.and_then(|frame| frame.frame) {
            Some(Frame::Event(event)) => {
                heard.entry(event.rooms[0].clone()).or_default().push(event);
                events -= 1;
            }
            Some(Frame::Missed(missed)) if missed.rooms.is_empty() => {}
            other => panic!("expected {events} more events, not {other:?}"),
        }
    }
    heard
}

/// Three nodes, two writers and a member on the third node, and what happens to the others.
async fn with_trouble(trouble: impl AsyncFnOnce(&mut NatsServer, &mut Vec<Process>, &Taken)) {
    let mut nats = NatsServer::start().await;
    let mut nodes = Vec::new();
    for _ in 0..3 {
        nodes.push(Process::start(&nats).await);
    }
    let third = nodes[2].address;
    let addresses: Vec<SocketAddr> = nodes.iter().map(|node| node.address).collect();
    let mut listener = member(third).await;
    let taken = Taken::default();
    let mut writers = ["a", "b"].map(|name| Writer {
        nodes: addresses.clone(),
        name,
        number: 0,
        taken: taken.clone(),
        longest: Duration::ZERO,
    });
    let [a, b] = &mut writers;
    tokio::join!(a.write(40), b.write(40));
    let writing = async { tokio::join!(a.write(400), b.write(400)) };
    tokio::join!(writing, trouble(&mut nats, &mut nodes, &taken));
    let longest = writers.iter().map(|writer| writer.longest).max().expect("two writers");
    println!("one event took at most {longest:?}");
    for room in ROOMS {
        check(room, &history(third, room).await, &writers);
    }
    let heard = hear(&mut listener, 880).await;
    listener.expect_nothing().await;
    for (room, events) in &heard {
        check(room, events, &writers);
    }
}

#[tokio::test]
async fn nothing_is_lost_and_nothing_comes_twice_when_nodes_are_killed() {
    with_trouble(async |_, nodes, _| {
        let last = nodes.split_off(2);
        for node in nodes.drain(..) {
            node.running.kill().await;
        }
        nodes.extend(last);
    })
    .await;
}

#[tokio::test]
async fn a_node_that_hangs_is_replaced_and_does_no_harm_when_it_goes_on() {
    with_trouble(async |_, nodes, taken| {
        for node in &nodes[..2] {
            node.running.signal("-STOP").await;
            // All rooms have owners that answer.
            taken.more(16).await;
            node.running.signal("-CONT").await;
            taken.more(100).await;
        }
    })
    .await;
}

/// Assertion 65: senders are told or wait, and nothing that was accepted is lost.
#[tokio::test]
async fn nothing_is_lost_when_nats_is_killed() {
    with_trouble(async |nats, _, taken| {
        for _ in 0..2 {
            nats.kill().await;
            nats.again().await;
            taken.more(100).await;
        }
    })
    .await;
}

#[tokio::test]
async fn nodes_that_are_stopped_when_nats_has_just_died_end_all_the_same() {
    let mut nats = NatsServer::start().await;
    let mut nodes = Vec::new();
    for _ in 0..3 {
        nodes.push(Process::start(&nats).await);
    }
    let nodes_of = nodes.iter().map(|node| node.address).collect();
    let mut writer =
        Writer { nodes: nodes_of, name: "a", number: 0, taken: Taken::default(), longest: Duration::ZERO };
    writer.write(40).await;

    nats.kill().await;

    let codes = join_all(nodes.into_iter().map(|node| node.running.interrupt())).await;
    assert_eq!(codes, [0, 0, 0]);
}

/// Parts of the rooms are with nodes that are gone, until others have them: who sends waits for that.
#[tokio::test]
async fn what_is_sent_to_a_cluster_that_was_killed_and_begins_again_is_taken_at_the_first_attempt() {
    let nats = NatsServer::start().await;
    for run in 0..2 {
        let node = Process::start(&nats).await;
        let mut stub = MessagingServiceClient::new(channel(node.address).await.expect("it listens"));
        let all = ROOMS.map(|room| request("chat", room, &run.to_string()));
        for event in all {
            within("an answer", stub.publish(event)).await.expect("it is taken");
        }
        for room in ROOMS {
            assert_eq!(history(node.address, room).await.len(), run + 1);
        }
        node.running.kill().await;
    }
}
