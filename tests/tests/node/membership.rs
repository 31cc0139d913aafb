//! Joining, parting, leaving and going: what holds when the answer is there, and what others see of it.

use rialto_proto::v1::{
    Bye, ClientFrame, Emit, Join, Part, PublishRequest, RefusalCode, RetryAdvice, RoomEventKind, Target,
    Then, client_frame::Command, server_frame::Frame,
};
use rialto_tests::{
    eventually,
    node::{TestNode, end_with_streams, reached, settled},
    over_both_shapes, over_both_shapes_with,
    talker::{content, emit_to, everyone, rooms, sessions, users},
    within,
};
use tokio_util::sync::CancellationToken;

/// Assertion 15: join is idempotent; a second join raises no second event and gives no second copy.
#[tokio::test]
async fn joining_twice_is_joining_once() {
    over_both_shapes(async |node, shape| {
        let mut operator = node.operator().await;
        let mut watcher = operator.watch("chat", "").await.unwrap();
        let mut ann = node.greet(shape, "ann").await;
        for _ in 0..3 {
            let joined = ann.join("chat", &["red", "red"]).await;
            assert!(joined.rooms.iter().all(|room| room.room == "red" && room.member_count == 1));
        }
        assert_eq!(operator.member_count("red").await, 1);
        let mut bob = node.greet(shape, "bob").await;
        bob.enter("chat").await.unwrap();
        reached(&bob.emit("red", "move", "1").await, 1);
        assert_eq!(ann.expect_text("move").await, "1");
        ann.expect_nothing().await;

        assert_eq!(ann.part("chat", &["red", "red"]).await.rooms, ["red"]);
        watcher.expect_first("red").await;
        watcher.expect_last("red").await;
    })
    .await;
}

/// Assertion 16: the first join creates a room and the last leave deletes it, each with one event.
#[tokio::test]
async fn a_room_lives_from_its_first_member_to_its_last() {
    over_both_shapes(async |node, shape| {
        let mut operator = node.operator().await;
        let mut watcher = operator.watch("chat", "").await.unwrap();
        let mut ann = node.greet(shape, "ann").await;
        let mut bob = node.greet(shape, "bob").await;
        assert_eq!(ann.join("chat", &["red"]).await.rooms[0].member_count, 1);
        assert_eq!(bob.join("chat", &["red"]).await.rooms[0].member_count, 2);
        assert_eq!(operator.namespace("chat").await.unwrap().room_count, 1);
        ann.part("chat", &["red"]).await;
        bob.part("chat", &["red"]).await;
        assert_eq!(operator.namespace("chat").await.unwrap().room_count, 0);
        assert!(operator.rooms("", 0, "").await.unwrap().rooms.is_empty());
        ann.join("chat", &["red"]).await;

        watcher.expect_first("red").await;
        assert_eq!(watcher.expect(RoomEventKind::Joined, "red", 2).await.unwrap().user, "bob");
        assert_eq!(watcher.expect(RoomEventKind::Left, "red", 1).await.unwrap().user, "ann");
        watcher.expect_last("red").await;
        watcher.expect_first("red").await;
    })
    .await;
}

/// Assertion 17: parting a room that was not joined is harmless, and so is leaving where one is not.
#[tokio::test]
async fn parting_what_was_not_joined_changes_nothing() {
    over_both_shapes(async |node, shape| {
        let mut ann = node.greet(shape, "ann").await;
        ann.join("chat", &["red"]).await;
        assert!(ann.part("chat", &["blue"]).await.rooms.is_empty());
        assert!(ann.part("default", &["red"]).await.rooms.is_empty());
        assert!(ann.part("nowhere", &["red"]).await.rooms.is_empty());
        assert!(ann.leave("default").await.rooms.is_empty());
        assert!(ann.leave("nowhere").await.rooms.is_empty());
        assert_eq!(ann.part("chat", &["blue", "red"]).await.rooms, ["red"]);
        assert!(ann.part("chat", &["red"]).await.rooms.is_empty());
    })
    .await;
}

/// Assertion 18: joining many rooms at once is all or nothing.
#[tokio::test]
async fn a_join_of_which_one_room_is_refused_joins_none() {
    over_both_shapes(async |node, shape| {
        let mut operator = node.operator().await;
        let mut watcher = operator.watch("chat", "").await.unwrap();
        let mut ann = node.greet(shape, "ann").await;
        let many: Vec<String> = (0..128).map(|number| format!("room {number}")).collect();
        let names: Vec<&str> = many.iter().map(String::as_str).collect();
        let (first, second) = names.split_at(64);
        ann.join("chat", first).await;
        ann.part("chat", &first[1..]).await;
        for room in first {
            watcher.expect_first(room).await;
        }
        for room in &first[1..] {
            watcher.expect_last(room).await;
        }

        let refused = ann.try_join("chat", &["good", "$bad"], false).await.unwrap_err();
        assert_eq!(refused.code(), RefusalCode::NameInvalid);
        ann.join("chat", second).await;
        ann.join("chat", &first[..60]).await;
        let refused = ann.try_join("chat", &["a", "b", "c", "d", "e"], false).await.unwrap_err();
        assert_eq!((refused.code(), refused.limit.as_str()), (RefusalCode::LimitReached, "rooms_max"));
        assert_eq!(operator.rooms("", 1000, "").await.unwrap().total_count, 124);
        ann.join("chat", &["a", "b", "c", "d", "room 0"]).await;
        assert_eq!(operator.rooms("", 1000, "").await.unwrap().total_count, 128);
    })
    .await;
}

/// Assertion 18: a join that is refused for its rate has taken nothing from it.
#[tokio::test]
async fn a_join_that_creates_too_many_rooms_takes_nothing_from_the_rate() {
    let node = TestNode::with(|config| config.limits.node.rooms_created_per_minute = 3).await;
    let mut ann = node.attach("ann").await;
    let refused = ann.try_join("chat", &["1", "2", "3", "4"], false).await.unwrap_err();
    assert_eq!(refused.code(), RefusalCode::LimitReached, "no waiting would help");
    assert_eq!(refused.limit, "rooms_created_per_minute");
    ann.join("chat", &["1", "2"]).await;
    let refused = ann.try_join("chat", &["1", "3", "4"], false).await.unwrap_err();
    assert_eq!(refused.code(), RefusalCode::RateLimited);
    assert_eq!(refused.retry.unwrap().advice(), RetryAdvice::Later);
    ann.join("chat", &["1", "3"]).await;
    let mut bob = node.attach("bob").await;
    bob.join("chat", &["1", "2", "4", "5", "6"]).await;
}

/// Assertion 18: nobody ever sees a session in one room of a join and not yet in the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_sees_half_of_a_join() {
    let node = TestNode::start().await;
    let mut observer = node.messaging().await;
    let mut joiners = tokio::task::JoinSet::new();
    for number in 0..4 {
        let mut joiner = node.attach(&format!("user {number}")).await;
        joiner.enter("chat").await.unwrap();
        joiners.spawn(async move {
            for _ in 0..150 {
                joiner.join("chat", &["red", "blue"]).await;
                // Red goes first: whoever is in red is in blue.
                joiner.part("chat", &["red", "blue"]).await;
            }
        });
    }
    let mut looks = 0;
    while !joiners.is_empty() {
        let target = Target { except_rooms: vec!["blue".to_owned()], ..rooms(&["red"]) };
        let request = PublishRequest {
            namespace: "chat".to_owned(),
            target: Some(target),
            content: Some(content("look", "")),
            ..PublishRequest::default()
        };
        let seen = within("a look", observer.publish(request)).await.unwrap();
        reached(&seen.into_inner().accepted.unwrap(), 0);
        looks += 1;
        while let Some(ended) = joiners.try_join_next() {
            ended.unwrap();
        }
    }
    assert!(looks > 0);
}

/// Assertion 19: going leaves all rooms; those who watch are told of each.
#[tokio::test]
async fn whoever_goes_is_in_no_room_any_more() {
    over_both_shapes_with(end_with_streams, async |node, shape| {
        let mut operator = node.operator().await;
        let mut watcher = operator.watch("chat", "").await.unwrap();
        for says_bye in [true, false] {
            let mut ann = node.greet(shape, "ann").await;
            ann.join("chat", &["red", "blue"]).await;
            watcher.expect_first("red").await;
            watcher.expect_first("blue").await;
            let id = ann.id();
            assert_eq!(operator.session(&id).await.unwrap().memberships[0].rooms, ["blue", "red"]);
            if says_bye {
                ann.bye().await;
                ann.end().await.unwrap();
            }
            drop(ann);
            watcher.expect_last("red").await;
            watcher.expect_last("blue").await;
            eventually("the end of the session", || {
                let (mut operator, id) = (operator.clone(), id.clone());
                async move { operator.session(&id).await.is_err() }
            })
            .await;
            let chat = operator.namespace("chat").await.unwrap();
            assert_eq!((chat.session_count, chat.room_count), (0, 0));
        }
    })
    .await;
}

/// Assertion 19: leaving a namespace names the rooms that were parted by it.
#[tokio::test]
async fn leaving_a_namespace_parts_its_rooms_and_names_them() {
    over_both_shapes(async |node, shape| {
        let mut operator = node.operator().await;
        let mut watcher = operator.watch("chat", "").await.unwrap();
        let mut ann = node.greet(shape, "ann").await;
        ann.join("chat", &["red", "blue"]).await;
        let mut rooms = ann.leave("chat").await.rooms;
        rooms.sort_unstable();
        assert_eq!(rooms, ["blue", "red"]);
        watcher.expect_first("red").await;
        watcher.expect_first("blue").await;
        watcher.expect_last("red").await;
        watcher.expect_last("blue").await;
        let refused = ann.try_emit(emit_to(everyone(), "move", "1")).await.unwrap_err();
        assert_eq!(refused.code(), RefusalCode::NotAMember);
    })
    .await;
}

/// Assertion 20: a join after the end has no effect, even when it was sent together with the good-bye.
#[tokio::test]
async fn a_join_after_the_good_bye_has_no_effect() {
    let node = TestNode::start().await;
    let mut operator = node.operator().await;
    let mut watcher = operator.watch("chat", "").await.unwrap();
    let mut ann = node.attach("ann").await;
    let join = Join {
        namespace: "chat".to_owned(),
        rooms: vec!["red".to_owned()],
        presence: false,
        ..Default::default()
    };
    ann.say_all(vec![
        ClientFrame { r#ref: 0, command: Some(Command::Bye(Bye {})) },
        ClientFrame { r#ref: 1, command: Some(Command::Join(join)) },
    ])
    .await;
    assert!(matches!(ann.next().await.unwrap().frame, Some(Frame::Close(_))), "close is the last frame");
    assert!(ann.next().await.is_none());
    let mut bob = node.member("bob", "fence").await;
    watcher.expect_first("fence").await;
    reached(&bob.emit("red", "move", "1").await, 0);
}

/// Assertion 20: nor do an operator's.
#[tokio::test]
async fn an_operator_cannot_make_a_session_that_has_ended_join() {
    let node = TestNode::start().await;
    let mut operator = node.operator().await;
    let mut ann = node.member("ann", "red").await;
    assert_eq!(operator.disconnect(users(&["ann"]), "", Then::StayAway).await.unwrap(), 1);
    assert_eq!(operator.join(sessions(&[ann.id()]), &["blue"]).await.unwrap(), (0, 0));
    assert_eq!(operator.member_count("blue").await, 0);
    ann.expect_close().await;
}

/// Assertion 22: when a join is answered it holds for whatever is sent after that, from any connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_join_that_was_answered_holds_for_the_next_event_from_anywhere() {
    over_both_shapes(async |node, shape| {
        let mut sender = node.greet(shape, "sam").await;
        sender.enter("chat").await.unwrap();
        let mut member = node.greet(shape, "ann").await;
        for round in 0..50 {
            let text = round.to_string();
            member.join("chat", &["red"]).await;
            reached(&sender.emit("red", "move", &text).await, 1);
            assert_eq!(member.expect_text("move").await, text);
            member.part("chat", &["red"]).await;
            reached(&sender.emit("red", "move", &text).await, 0);
            // What is not kept may reach who joins another node after it was taken.
            settled().await;
        }
        member.expect_nothing().await;
    })
    .await;
}

/// Assertion 22: and when an operator's is.
#[tokio::test]
async fn an_operators_join_holds_for_the_next_event_when_it_returns() {
    let node = TestNode::start().await;
    let mut operator = node.operator().await;
    let mut sender = node.attach("sam").await;
    sender.enter("chat").await.unwrap();
    let mut member = node.attach("ann").await;
    member.enter("chat").await.unwrap();
    for _ in 0..20 {
        assert_eq!(operator.join(users(&["ann"]), &["red"]).await.unwrap(), (1, 0));
        reached(&sender.emit("red", "move", "1").await, 1);
        settled().await;
        assert_eq!(operator.part(users(&["ann"]), &["red"]).await.unwrap(), 1);
        reached(&sender.emit("red", "move", "2").await, 0);
        settled().await;
        assert!(matches!(member.expect_notice().await, Frame::Joined(_)));
        assert_eq!(member.expect_text("move").await, "1");
        assert!(matches!(member.expect_notice().await, Frame::Parted(_)));
    }
    member.expect_nothing().await;
}

/// Guarantee 6: nothing from a room comes before its `Joined` or after its `Parted`, while others emit without pause.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_from_a_room_comes_before_joined_or_after_parted() {
    let node = TestNode::start().await;
    let mut member = node.attach("ann").await;
    member.enter("chat").await.unwrap();
    let mut sender = node.member("sam", "red").await;
    let done = CancellationToken::new();
    let emitting = async {
        while !done.is_cancelled() {
            sender.emit("red", "move", "1").await;
        }
    };
    let joining = async {
        for _ in 0..200 {
            let (namespace, rooms) = ("chat".to_owned(), vec!["red".to_owned()]);
            let join = Join {
                namespace: namespace.clone(),
                rooms: rooms.clone(),
                presence: false,
                ..Default::default()
            };
            let joined = member.ask(Command::Join(join)).await;
            let frame = member.next().await.unwrap();
            assert!(frame.r#ref == joined && matches!(frame.frame, Some(Frame::Joined(_))), "{frame:?}");
            let parted = member.ask(Command::Part(Part { namespace, rooms })).await;
            loop {
                let frame = member.next().await.unwrap();
                match frame.frame.unwrap() {
                    Frame::Event(_) => {}
                    Frame::Parted(_) if frame.r#ref == parted => break,
                    other => panic!("{other:?} in the room"),
                }
            }
        }
        done.cancel();
        member.expect_nothing().await;
    };
    tokio::join!(emitting, joining);
}

/// A room that only members may emit to refuses everyone else.
#[tokio::test]
async fn a_namespace_may_demand_membership_of_whoever_emits() {
    let node = TestNode::with(|config| config.namespaces[0].settings.emit_requires_member = true).await;
    let mut ann = node.member("ann", "red").await;
    let mut bob = node.member("bob", "blue").await;
    for target in [rooms(&["red"]), rooms(&["blue", "red"])] {
        let refused = bob.try_emit(emit_to(target, "move", "1")).await.unwrap_err();
        assert_eq!(refused.code(), RefusalCode::NotAMember);
    }
    ann.expect_nothing().await;
    bob.join("chat", &["red"]).await;
    bob.emit("red", "move", "2").await;
    assert_eq!(ann.expect_text("move").await, "2");
}

/// Emitting needs the namespace to be entered, and says so.
#[tokio::test]
async fn a_session_that_has_entered_nothing_cannot_emit() {
    over_both_shapes(async |node, shape| {
        let mut ann = node.greet(shape, "ann").await;
        let refused = ann.try_emit(emit_to(everyone(), "move", "1")).await.unwrap_err();
        assert_eq!(refused.code(), RefusalCode::NotAMember);
        let nowhere = Emit { namespace: "nowhere".to_owned(), ..emit_to(everyone(), "move", "1") };
        assert_eq!(ann.try_emit(nowhere).await.unwrap_err().code(), RefusalCode::NamespaceUnknown);
    })
    .await;
}
