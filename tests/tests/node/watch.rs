//! Watching rooms: every change after `WATCHING`, in order, from wherever; and what a slow watcher is told.

use std::time::Duration;

use rialto_proto::v1::{RoomEventKind, WatchRoomsRequest, directory_service_client::DirectoryServiceClient};
use rialto_tests::{
    node::TestNode,
    over_both_shapes, reason,
    talker::{Shape, everyone, users},
    within,
};
use tonic::{Code, transport::Endpoint};

/// Assertion 16: a room's life is told in order: created, joined, left, deleted, with who and how many.
#[tokio::test]
async fn a_rooms_life_is_told_in_order() {
    over_both_shapes(async |node, shape| {
        let mut watcher = node.operator().await.watch("chat", "").await.unwrap();
        let mut ann = node.greet(shape, "ann").await;
        let mut bob = node.greet(shape, "bob").await;
        ann.join("chat", &["red", "blue"]).await;
        bob.join("chat", &["red"]).await;
        ann.leave("chat").await;
        bob.bye().await;

        assert_eq!(watcher.expect(RoomEventKind::Created, "red", 0).await, None);
        let who = watcher.expect(RoomEventKind::Joined, "red", 1).await.unwrap();
        assert_eq!((who.user.as_str(), who.session), ("ann", ann.id()));
        watcher.expect_first("blue").await;
        assert_eq!(watcher.expect(RoomEventKind::Joined, "red", 2).await.unwrap().user, "bob");
        assert_eq!(watcher.expect(RoomEventKind::Left, "red", 1).await.unwrap().user, "ann");
        watcher.expect_last("blue").await;
        assert_eq!(watcher.expect(RoomEventKind::Left, "red", 0).await.unwrap().session, bob.id());
        assert_eq!(watcher.expect(RoomEventKind::Deleted, "red", 0).await, None);
    })
    .await;
}

/// Assertion 24: room events are told to watchers on any connection, whoever brought them about and in whatever shape.
#[tokio::test]
async fn all_watchers_are_told_the_same() {
    let node = TestNode::start().await;
    let mut watchers = Vec::new();
    for _ in 0..3 {
        watchers.push(node.operator().await.watch("chat", "").await.unwrap());
    }
    let mut operator = node.operator().await;
    let mut ann = node.greet(Shape::ListenAndPush, "ann").await;
    ann.enter("chat").await.unwrap();
    operator.join(users(&["ann"]), &["red"]).await.unwrap();
    operator.part(everyone(), &["red"]).await.unwrap();
    for watcher in &mut watchers {
        watcher.expect_first("red").await;
        watcher.expect_last("red").await;
    }
}

/// A watch may be of one room; a namespace that is watched says nothing of others.
#[tokio::test]
async fn a_watch_is_of_one_namespace_and_may_be_of_one_room() {
    let node = TestNode::start().await;
    let mut operator = node.operator().await;
    let mut of_red = operator.watch("chat", "red").await.unwrap();
    let mut of_chat = operator.watch("chat", "").await.unwrap();
    let mut ann = node.attach("ann").await;
    ann.join("default", &["red"]).await;
    ann.join("chat", &["blue"]).await;
    ann.join("chat", &["red"]).await;
    of_chat.expect_first("blue").await;
    of_chat.expect_first("red").await;
    of_red.expect_first("red").await;
    ann.leave("chat").await;
    of_red.expect_last("red").await;
}

/// What was before the watch is not told; everything after `WATCHING` is.
#[tokio::test]
async fn a_watch_begins_where_it_says() {
    let node = TestNode::start().await;
    let mut ann = node.member("ann", "red").await;
    let mut watcher = node.operator().await.watch("chat", "").await.unwrap();
    ann.part("chat", &["red"]).await;
    watcher.expect_last("red").await;
}

/// A namespace that a pattern will admit can be watched before it lives; an unknown one cannot.
#[tokio::test]
async fn a_namespace_can_be_watched_before_it_lives() {
    let node = TestNode::with(|config| {
        config.namespaces.push(rialto_server::base::config::NamespaceConfig::named("tenant-*"));
    })
    .await;
    let mut operator = node.operator().await;
    let mut watcher = operator.watch("tenant-a", "").await.unwrap();
    let mut ann = node.attach("ann").await;
    for _ in 0..2 {
        ann.join("tenant-a", &["red"]).await;
        ann.leave("tenant-a").await;
        watcher.expect_first("red").await;
        watcher.expect_last("red").await;
    }
    for (namespace, room, code) in [
        ("nowhere", "", Code::NotFound),
        ("$bad", "", Code::InvalidArgument),
        ("chat", "$bad", Code::InvalidArgument),
    ] {
        assert_eq!(operator.watch(namespace, room).await.unwrap_err().code(), code);
    }
}

/// Watches are bounded; one that has ended makes room for another.
#[tokio::test]
async fn watches_are_bounded() {
    let node = TestNode::with(|config| config.limits.node.watches_max = 2).await;
    let mut operator = node.operator().await;
    let first = operator.watch("chat", "").await.unwrap();
    let _second = operator.watch("default", "").await.unwrap();
    let status = operator.watch("chat", "").await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::ResourceExhausted, "LIMIT_REACHED"));
    drop(first);
    rialto_tests::eventually("a free place", || async {
        node.operator().await.watch("chat", "").await.is_ok()
    })
    .await;
}

/// A watch ends with the node, and says so.
#[tokio::test]
async fn a_watch_ends_with_the_node() {
    let node = TestNode::with(|config| config.stop.flush = Duration::from_millis(200)).await;
    let mut watcher = node.operator().await.watch("chat", "").await.unwrap();
    let (status, ()) = tokio::join!(watcher.next(), node.stop());
    assert_eq!(status.unwrap_err().code(), Code::Unavailable);
}

/// A slow watcher is told how many events it has missed, at the place where they are missing; what it is told and what
/// it has missed are together all that happened.
#[tokio::test]
async fn a_slow_watcher_is_told_how_much_it_has_missed() {
    const ROUNDS: usize = 2_000;
    let node = TestNode::start().await;
    let endpoint = Endpoint::from_shared(node.url()).unwrap().initial_stream_window_size(Some(65_535));
    let mut stub = DirectoryServiceClient::new(within("a connection", endpoint.connect()).await.unwrap());
    let request = WatchRoomsRequest { namespace: "chat".to_owned(), room: String::new() };
    let mut events = within("a watch", stub.watch_rooms(request)).await.unwrap().into_inner();
    let begun = within("the beginning", events.message()).await.unwrap().unwrap();
    assert_eq!(begun.kind(), RoomEventKind::Watching);

    let room = "x".repeat(128);
    let mut ann = node.attach("ann").await;
    for _ in 0..ROUNDS {
        ann.join("chat", &[&room]).await;
        ann.part("chat", &[&room]).await;
    }
    ann.join("chat", &["last"]).await;

    let (mut told, mut missed) = (0, 0);
    loop {
        let event = within("a room event", events.message()).await.unwrap().unwrap();
        match event.kind() {
            RoomEventKind::Missed => {
                assert!(event.missed_count > 0 && event.room.is_empty());
                missed += event.missed_count as usize;
            }
            RoomEventKind::Joined if event.room == "last" => break,
            _ => told += 1,
        }
    }
    assert!(missed > 0, "the watcher was slow");
    assert_eq!(told + missed, ROUNDS * 4 + 1);
}
