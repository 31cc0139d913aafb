//! Who is where on several nodes, when nodes die or hang, come later, and when NATS was away.

use std::{net::SocketAddr, time::Duration};

use rialto_proto::v1::{
    Hello, Member, RoomEventKind, directory_service_client::DirectoryServiceClient, server_frame::Frame,
};
use rialto_tests::{
    cluster::{Cluster, Process, channel},
    eventually,
    nats::NatsServer,
    node::TestNode,
    operator::{Operator, Watcher},
    talker::{Shape, Talker},
};
use tokio::time::Instant;

/// Members of a node that has died are nowhere any more after this time.
const GHOSTS_MAX: Duration = Duration::from_secs(15);
/// Somebody who joins does not wait longer for nodes that do not answer.
const JOIN_MAX: Duration = Duration::from_secs(3);

fn users(members: &[Member]) -> Vec<&str> {
    let mut users: Vec<&str> =
        members.iter().map(|member| member.who.as_ref().expect("a name").user.as_str()).collect();
    users.sort_unstable();
    users
}

async fn greet(address: SocketAddr, user: &str) -> Talker {
    let channel = channel(address).await.expect("it listens");
    let hello = Hello { user: user.into(), ..Hello::default() };
    Talker::open_with_over(channel, Shape::Attach, hello).await.expect("it is greeted")
}

async fn watcher(address: SocketAddr) -> Watcher {
    let channel = channel(address).await.expect("it listens");
    Operator::new(DirectoryServiceClient::new(channel), None).watch("chat", "").await.expect("a watch")
}

#[tokio::test]
async fn members_of_a_node_that_dies_are_soon_nowhere_any_more() {
    let nats = NatsServer::start().await;
    let nodes = [Process::start(&nats).await, Process::start(&nats).await];
    let addresses = nodes.each_ref().map(|node| node.address);
    let [here, dying] = nodes;
    let mut ann = greet(here.address, "ann").await;
    ann.try_join("chat", &["red"], true).await.unwrap();
    let (mut bob, mut eve) = (greet(addresses[1], "bob").await, greet(addresses[1], "eve").await);
    bob.join("chat", &["red"]).await;
    assert_eq!(users(&ann.expect_presence("red").await.joined), ["bob"]);
    eve.join("chat", &["blue"]).await;
    let mut watcher = watcher(addresses[0]).await;

    let died = Instant::now();
    dying.running.kill().await;

    let gone = ann.expect_presence("red").await;
    assert_eq!((gone.left[0].user.as_str(), gone.member_count, gone.user_count), ("bob", 1, 1));
    assert!(died.elapsed() < GHOSTS_MAX, "{:?}", died.elapsed());
    // Nobody knows who has left on the dead node, but that one did in each room, and which room is over.
    let mut told =
        [watcher.next().await.unwrap(), watcher.next().await.unwrap(), watcher.next().await.unwrap()];
    told.sort_by_key(|event| event.kind);
    let kinds = told.each_ref().map(|event| (event.kind(), event.room.as_str(), event.missed_count));
    let missed = (RoomEventKind::Missed, "", 1);
    assert_eq!(kinds, [(RoomEventKind::Deleted, "blue", 0), missed, missed]);
    println!("gone after {:?}", died.elapsed());
}

#[tokio::test]
async fn a_join_does_not_wait_for_a_node_that_hangs_and_hears_of_its_members_when_it_goes_on() {
    let nats = NatsServer::start().await;
    let (here, hanging) = (Process::start(&nats).await, Process::start(&nats).await);
    let mut bob = greet(hanging.address, "bob").await;
    bob.join("default", &["red"]).await;
    let mut ann = greet(here.address, "ann").await;

    hanging.running.signal("-STOP").await;
    let began = Instant::now();
    let joined = ann.try_join("default", &["red"], true).await.unwrap();
    assert_eq!(users(&joined.rooms[0].members), ["ann"]);
    assert!(began.elapsed() < JOIN_MAX, "{:?}", began.elapsed());
    hanging.running.signal("-CONT").await;

    let presence = ann.expect_presence("red").await;
    assert_eq!((users(&presence.joined), presence.member_count), (vec!["bob"], 2));
}

/// A member of `red` on the first node, who wants to know who is there; and somebody on the second node.
async fn two(cluster: &Cluster) -> (Talker, Talker) {
    let mut ann = cluster.nodes[0].attach("ann").await;
    ann.try_join("chat", &["red"], true).await.unwrap();
    let bob = cluster.nodes[1].member("bob", "red").await;
    assert_eq!(users(&ann.expect_presence("red").await.joined), ["bob"]);
    (ann, bob)
}

#[tokio::test]
async fn who_came_and_went_while_nats_was_away_is_told_when_it_is_back() {
    let mut cluster = Cluster::start(2).await;
    let (mut ann, mut bob) = two(&cluster).await;
    let mut eve = cluster.nodes[1].member("eve", "red").await;
    assert_eq!(users(&ann.expect_presence("red").await.joined), ["eve"]);
    let mut watcher = cluster.nodes[0].operator().await.watch("chat", "red").await.unwrap();

    cluster.nats.kill().await;
    bob.part("chat", &["red"]).await;
    eve.part("chat", &["red"]).await;
    cluster.nats.again().await;

    let mut left = Vec::new();
    while left.len() < 2 {
        match ann.expect_notice().await {
            Frame::Presence(presence) => left.extend(presence.left.into_iter().map(|who| who.user)),
            // What was said to everybody meanwhile is not known.
            Frame::Missed(missed) => assert!(missed.rooms.is_empty(), "{missed:?}"),
            other => panic!("expected presence, not {other:?}"),
        }
    }
    left.sort();
    assert_eq!(left, ["bob", "eve"]);
    // What was on its way may have been heard after all; the rest is counted.
    let mut told = 0;
    while told < 2 {
        let event = watcher.next().await.unwrap();
        told += if event.kind() == RoomEventKind::Left { 1 } else { event.missed_count };
    }
    assert_eq!(told, 2);
    eventually("a member", async || {
        ann.try_join("chat", &["red"], true).await.unwrap().rooms[0].member_count == 1
    })
    .await;
}

#[tokio::test]
async fn a_watch_hears_of_nodes_that_come_later_and_is_told_nothing_after_its_end() {
    let mut cluster = Cluster::start(2).await;
    let mut watcher = cluster.nodes[0].operator().await.watch("chat", "").await.unwrap();
    cluster.add().await;
    let mut ann = cluster.nodes[2].member("ann", "red").await;
    watcher.expect_first("red").await;
    let _bob = cluster.nodes[1].member("bob", "red").await;
    assert_eq!(watcher.expect(RoomEventKind::Joined, "red", 2).await.unwrap().user, "bob");
    ann.part("chat", &["red"]).await;
    assert_eq!(watcher.expect(RoomEventKind::Left, "red", 1).await.unwrap().user, "ann");

    drop(watcher);
    let mut second = cluster.nodes[0].operator().await.watch("chat", "red").await.unwrap();
    ann.join("chat", &["red"]).await;
    assert_eq!(second.expect(RoomEventKind::Joined, "red", 2).await.unwrap().user, "ann");
}

/// A node that comes later knows who was there before.
#[tokio::test]
async fn a_node_that_comes_later_knows_who_is_there() {
    let mut cluster = Cluster::start(2).await;
    let (mut ann, _bob) = two(&cluster).await;
    cluster.add().await;
    let later: &TestNode = &cluster.nodes[2];
    let mut eve = later.attach("eve").await;
    let joined = eve.try_join("chat", &["red"], true).await.unwrap();
    assert_eq!(users(&joined.rooms[0].members), ["ann", "bob", "eve"]);
    assert_eq!(users(&ann.expect_presence("red").await.joined), ["eve"]);
}
