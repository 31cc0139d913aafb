//! Who hears what: targets, unions, exceptions, address spaces.

use rialto_proto::v1::{RefusalCode, Target, content::Body};
use rialto_tests::{
    node::{TestNode, reached},
    over_both_shapes,
    talker::{Shape, emit_in, emit_to, everyone, rooms, sessions, users},
    within,
};

/// Assertion 1: a broadcast to a namespace reaches each member once and nobody outside it.
#[tokio::test]
async fn everyone_in_a_namespace_hears_a_broadcast_once_and_nobody_else_does() {
    over_both_shapes(async |node, shape| {
        let mut ann = node.greet(shape, "ann").await;
        ann.join("chat", &["red", "blue"]).await;
        let mut bob = node.greet(shape, "bob").await;
        bob.enter("chat").await.unwrap();
        let mut eve = node.greet(shape, "eve").await;
        eve.join("default", &["red"]).await;
        let mut sam = node.greet(shape, "sam").await;
        sam.enter("chat").await.unwrap();

        let accepted = sam.try_emit(emit_to(everyone(), "news", "1")).await.unwrap();

        reached(&accepted, 2);
        for member in [&mut ann, &mut bob] {
            let event = member.expect_event("news").await;
            assert_eq!((event.namespace.as_str(), event.rooms.len()), ("chat", 0));
            member.expect_nothing().await;
        }
        eve.expect_nothing().await;
    })
    .await;
}

/// Assertion 2: a broadcast from a session does not reach that session.
#[tokio::test]
async fn a_sender_does_not_hear_its_own_event() {
    over_both_shapes(async |node, shape| {
        let mut ann = node.greet(shape, "ann").await;
        ann.join("chat", &["red", "blue"]).await;
        for target in [rooms(&["red"]), rooms(&["red", "blue"]), users(&["ann"]), everyone()] {
            let accepted = ann.try_emit(emit_to(target, "move", "1")).await.unwrap();
            reached(&accepted, 0);
        }
        ann.expect_nothing().await;
    })
    .await;
}

/// Assertion 2: unless it asks for it.
#[tokio::test]
async fn a_sender_that_asks_for_it_hears_its_own_event_once() {
    let node = TestNode::start().await;
    let mut ann = node.attach("ann").await;
    ann.join("chat", &["red", "blue"]).await;
    for target in [rooms(&["red"]), rooms(&["red", "blue"]), users(&["ann"]), everyone()] {
        let target = Target { include_sender: true, ..target };
        let accepted = ann.try_emit(emit_to(target, "move", "1")).await.unwrap();
        reached(&accepted, 1);
        let event = ann.expect_event("move").await;
        assert_eq!(event.event_id, accepted.event_id);
        assert_eq!(event.sender.unwrap().session, ann.id());
    }
    ann.expect_nothing().await;
}

/// Assertion 2: the other sessions of the same user are other sessions.
#[tokio::test]
async fn the_senders_other_sessions_hear_its_event() {
    let node = TestNode::start().await;
    let mut phone = node.member("ann", "red").await;
    let mut laptop = node.member("ann", "red").await;
    reached(&phone.emit("red", "move", "1").await, 1);
    assert_eq!(laptop.expect_text("move").await, "1");
    phone.expect_nothing().await;
}

/// Assertion 3: a target of several rooms is their union; a member of two gets one copy.
#[tokio::test]
async fn a_member_of_two_target_rooms_hears_an_event_once() {
    over_both_shapes(async |node, shape| {
        let mut ann = node.greet(shape, "ann").await;
        ann.join("chat", &["red", "blue"]).await;
        let mut bob = node.greet(shape, "bob").await;
        bob.join("chat", &["blue"]).await;
        let mut eve = node.greet(shape, "eve").await;
        eve.join("chat", &["green"]).await;

        let accepted = bob.try_emit(emit_to(rooms(&["red", "blue"]), "move", "1")).await.unwrap();

        reached(&accepted, 1);
        assert_eq!(ann.expect_text("move").await, "1");
        ann.expect_nothing().await;
        bob.expect_nothing().await;
        eve.expect_nothing().await;
    })
    .await;
}

/// Assertion 3: also when a room is named twice, and when sessions and users are named beside rooms.
#[tokio::test]
async fn whoever_is_covered_in_several_ways_hears_an_event_once() {
    let node = TestNode::start().await;
    let mut ann = node.member("ann", "red").await;
    let mut bob = node.attach("bob").await;
    bob.enter("chat").await.unwrap();
    let mut sam = node.attach("sam").await;
    sam.enter("chat").await.unwrap();
    let target = Target {
        rooms: vec!["red".to_owned(), "red".to_owned()],
        sessions: vec![ann.id(), bob.id(), bob.id()],
        users: vec!["ann".to_owned(), "bob".to_owned()],
        ..Target::default()
    };
    let accepted = sam.try_emit(emit_to(target, "move", "1")).await.unwrap();
    reached(&accepted, 2);
    for receiver in [&mut ann, &mut bob] {
        assert_eq!(receiver.expect_text("move").await, "1");
        receiver.expect_nothing().await;
    }
}

/// Assertion 4: an except list removes members even if they are in a target room.
#[tokio::test]
async fn members_of_an_excepted_room_are_left_out() {
    over_both_shapes(async |node, shape| {
        let mut ann = node.greet(shape, "ann").await;
        ann.join("chat", &["red"]).await;
        let mut bob = node.greet(shape, "bob").await;
        bob.join("chat", &["red", "muted"]).await;
        let mut sam = node.greet(shape, "sam").await;
        sam.enter("chat").await.unwrap();
        for target in [rooms(&["red"]), users(&["ann", "bob"]), everyone()] {
            let target = Target { except_rooms: vec!["muted".to_owned()], ..target };
            let accepted = sam.try_emit(emit_to(target, "move", "1")).await.unwrap();
            reached(&accepted, 1);
            assert_eq!(ann.expect_text("move").await, "1");
        }
        bob.expect_nothing().await;
    })
    .await;
}

/// Assertion 5: except accepts a single session as well as rooms.
#[tokio::test]
async fn an_excepted_session_is_left_out() {
    over_both_shapes(async |node, shape| {
        let mut ann = node.greet(shape, "ann").await;
        ann.join("chat", &["red"]).await;
        let mut bob = node.greet(shape, "bob").await;
        bob.join("chat", &["red"]).await;
        let mut sam = node.greet(shape, "sam").await;
        sam.enter("chat").await.unwrap();
        for target in [rooms(&["red"]), users(&["ann", "bob"]), everyone()] {
            let target = Target { except_sessions: vec![bob.id()], ..target };
            let accepted = sam.try_emit(emit_to(target, "move", "1")).await.unwrap();
            reached(&accepted, 1);
            assert_eq!(ann.expect_text("move").await, "1");
        }
        bob.expect_nothing().await;
    })
    .await;
}

/// Assertion 6: a stored target can be used again; what is built on it does not change it.
#[tokio::test]
async fn a_stored_target_reaches_the_same_members_each_time() {
    let node = TestNode::start().await;
    let mut red = node.member("ann", "red").await;
    let mut blue = node.member("bob", "blue").await;
    let session = within("a session", async {
        rialto_client::Session::connect(node.url()).user("sam").await.expect("the node greets")
    })
    .await;
    let chat = session.namespace("chat");
    chat.enter().await.unwrap();

    let stored = rialto_client::Target::room("red");
    let wider = stored.and_room("blue");
    let narrower = wider.except_session(red.id());
    for text in ["first", "second"] {
        chat.emit_to(&stored, "move", text).await.unwrap();
        assert_eq!(red.expect_text("move").await, text);
        blue.expect_nothing().await;
    }
    chat.emit_to(&narrower, "move", "third").await.unwrap();
    assert_eq!(blue.expect_text("move").await, "third");
    red.expect_nothing().await;
    chat.emit_to(&wider, "move", "fourth").await.unwrap();
    assert_eq!(red.expect_text("move").await, "fourth");
    assert_eq!(blue.expect_text("move").await, "fourth");
}

/// Assertion 7: an empty target is refused, never everyone.
#[tokio::test]
async fn an_empty_target_reaches_nobody_and_is_refused() {
    over_both_shapes(async |node, shape| {
        let mut ann = node.greet(shape, "ann").await;
        ann.join("chat", &["general"]).await;
        let mut bob = node.greet(shape, "bob").await;
        bob.join("chat", &["general"]).await;
        let only_exceptions = Target { except_rooms: vec!["muted".to_owned()], ..Target::default() };
        for target in [Target::default(), only_exceptions] {
            let refused = bob.try_emit(emit_to(target, "move", "1")).await.unwrap_err();
            assert_eq!(refused.code(), RefusalCode::TargetEmpty);
        }
        ann.expect_nothing().await;
    })
    .await;
}

/// Assertion 7: a room without members is not empty by construction: it is reached, and nobody is in it.
#[tokio::test]
async fn a_room_without_members_is_accepted_and_reaches_nobody() {
    let node = TestNode::start().await;
    let mut ann = node.member("ann", "general").await;
    let mut bob = node.member("bob", "general").await;
    reached(&bob.emit("deserted", "move", "1").await, 0);
    let both = bob.try_emit(emit_to(rooms(&["deserted", "abandoned"]), "move", "2")).await.unwrap();
    reached(&both, 0);
    let strangers = bob.try_emit(emit_to(users(&["nobody"]), "move", "3")).await.unwrap();
    reached(&strangers, 0);
    ann.expect_nothing().await;
}

/// Assertion 8: the same room name in two namespaces is two rooms.
#[tokio::test]
async fn rooms_of_one_name_in_two_namespaces_are_two_rooms() {
    over_both_shapes(async |node, shape| {
        let mut ann = node.greet(shape, "ann").await;
        ann.join("chat", &["red"]).await;
        let mut bob = node.greet(shape, "bob").await;
        bob.join("default", &["red"]).await;
        let mut sam = node.greet(shape, "sam").await;
        sam.enter("default").await.unwrap();

        let accepted = sam.try_emit(emit_in("default", rooms(&["red"]), "move", "1")).await.unwrap();

        reached(&accepted, 1);
        assert_eq!(bob.expect_event("move").await.namespace, "default");
        ann.expect_nothing().await;
    })
    .await;
}

/// Assertion 9: a binary payload survives a broadcast byte for byte.
#[tokio::test]
async fn a_binary_payload_arrives_byte_for_byte() {
    over_both_shapes(async |node, shape| {
        let mut ann = node.greet(shape, "ann").await;
        ann.join("chat", &["red"]).await;
        let mut bob = node.greet(shape, "bob").await;
        bob.join("chat", &["red"]).await;
        let payload: bytes::Bytes = (0..=255).cycle().take(64 << 10).collect();
        for target in [rooms(&["red"]), everyone()] {
            let mut emit = emit_to(target, "blob", "");
            let content = emit.content.as_mut().unwrap();
            content.body = Some(Body::Binary(payload.clone()));
            content.content_type = "image/png".to_owned();
            content.headers.insert("name".to_owned(), "ünïcode".to_owned());
            let sent = content.clone();
            bob.try_emit(emit).await.unwrap();
            assert!(ann.expect_event("blob").await.content == Some(sent), "the content changed on its way");
        }
    })
    .await;
}

/// Assertion 13: a room that is called like a session, or like a user, is only a room.
#[tokio::test]
async fn joining_a_room_called_like_a_session_gives_none_of_its_messages() {
    over_both_shapes(async |node, shape| {
        let mut ann = node.greet(shape, "ann").await;
        ann.enter("chat").await.unwrap();
        let ann_id = ann.id();
        let mut eve = node.greet(shape, "eve").await;
        eve.join("chat", &[&ann_id, "ann"]).await;
        let mut sam = node.greet(shape, "sam").await;
        sam.enter("chat").await.unwrap();

        for (target, text) in [(sessions(std::slice::from_ref(&ann_id)), "1"), (users(&["ann"]), "2")] {
            let accepted = sam.try_emit(emit_to(target, "secret", text)).await.unwrap();
            reached(&accepted, 1);
            assert_eq!(ann.expect_text("secret").await, text);
        }
        eve.expect_nothing().await;

        sam.try_emit(emit_to(rooms(&[&ann_id, "ann"]), "open", "3")).await.unwrap();
        assert_eq!(eve.expect_text("open").await, "3");
        ann.expect_nothing().await;
    })
    .await;
}

/// Assertion 13: a session that is not in the namespace is not reached through it, whatever names it.
#[tokio::test]
async fn a_session_is_not_reached_through_a_namespace_that_it_has_not_entered() {
    let node = TestNode::start().await;
    let mut ann = node.attach("ann").await;
    ann.enter("default").await.unwrap();
    let mut sam = node.attach("sam").await;
    sam.enter("chat").await.unwrap();
    for target in [sessions(&[ann.id()]), users(&["ann"])] {
        reached(&sam.try_emit(emit_to(target, "move", "1")).await.unwrap(), 0);
    }
    let refused = sam.try_emit(emit_in("default", users(&["ann"]), "move", "1")).await.unwrap_err();
    assert_eq!(refused.code(), RefusalCode::NotAMember);
    ann.expect_nothing().await;
}

/// A target is one of three kinds; mixtures and lists without bound are refused.
#[tokio::test]
async fn a_target_that_contradicts_itself_is_refused() {
    let node = TestNode::start().await;
    let mut ann = node.member("ann", "red").await;
    let mut bob = node.member("bob", "red").await;
    let too_many: Vec<String> = (0..65).map(|number| format!("room {number}")).collect();
    for target in [
        Target { everyone: true, ..rooms(&["red"]) },
        Target { any_of: "red".to_owned(), ..rooms(&["red"]) },
        Target { any_of: "red".to_owned(), ..everyone() },
        Target { rooms: too_many.clone(), ..Target::default() },
        Target { except_rooms: too_many, ..everyone() },
        sessions(&["not a session".to_owned()]),
    ] {
        let refused = bob.try_emit(emit_to(target, "move", "1")).await.unwrap_err();
        assert_eq!(refused.code(), RefusalCode::Invalid);
    }
    ann.expect_nothing().await;
}

/// Any one member: exactly one hears it, and never the sender.
#[tokio::test]
async fn an_event_for_any_one_member_reaches_exactly_one() {
    let node = TestNode::start().await;
    let mut workers = [node.member("one", "work").await, node.member("two", "work").await];
    let mut boss = node.member("boss", "work").await;
    let target = || Target { any_of: "work".to_owned(), ..Target::default() };
    for _ in 0..20 {
        let accepted = boss.try_emit(emit_to(target(), "task", "1")).await.unwrap();
        reached(&accepted, 1);
    }
    let mut taken = 0;
    for worker in &mut workers {
        taken += worker.events_until_now().await.len();
    }
    assert_eq!(taken, 20);
    boss.expect_nothing().await;
}

/// Sessions of both shapes are in the same rooms.
#[tokio::test]
async fn both_shapes_of_a_session_meet_in_one_room() {
    let node = TestNode::start().await;
    let mut ann = node.greet(Shape::Attach, "ann").await;
    let mut bob = node.greet(Shape::ListenAndPush, "bob").await;
    ann.join("chat", &["red"]).await;
    bob.join("chat", &["red"]).await;
    ann.emit("red", "move", "1").await;
    assert_eq!(bob.expect_text("move").await, "1");
    bob.emit("red", "move", "2").await;
    assert_eq!(ann.expect_text("move").await, "2");
}

#[tokio::test]
async fn an_event_that_one_room_refuses_costs_the_others_nothing() {
    // A room takes 100 events at once, and then one a second.
    let node = TestNode::with(|config| config.namespaces[0].settings.room_emits_per_second = 1).await;
    let mut bob = node.attach("bob").await;
    bob.join("chat", &["red", "blue"]).await;
    let mut ann = node.member("ann", "side").await;
    for _ in 0..100 {
        ann.emit("red", "move", "1").await;
    }

    for _ in 0..50 {
        let refused = ann.try_emit(emit_to(rooms(&["blue", "red"]), "move", "2")).await.unwrap_err();
        assert_eq!(refused.limit, "room_emits_per_second");
    }

    for _ in 0..100 {
        ann.emit("blue", "move", "3").await;
    }
}

#[tokio::test]
async fn a_room_that_is_named_twice_counts_once() {
    let node = TestNode::start().await;
    let mut bob = node.attach("bob").await;
    let joined = bob.join("chat", &["red", "red"]).await;
    assert_eq!(joined.rooms.len(), 1);
    let mut ann = node.member("ann", "side").await;

    let accepted = ann.try_emit(emit_to(rooms(&["red", "red"]), "move", "1")).await.unwrap();

    reached(&accepted, 1);
    assert_eq!(bob.expect_event("move").await.rooms, ["red"]);
    bob.expect_nothing().await;
}
