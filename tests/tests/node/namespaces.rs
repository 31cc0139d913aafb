//! Namespaces: unknown ones, several over one session, those that patterns admit and those that are made while the
//! node runs.

use rialto_proto::v1::{
    FallingBehind, NamespaceOrigin, NamespaceSettings, RefusalCode, RetryAdvice, Then, server_frame::Frame,
};
use rialto_server::base::config::{Config, NamespaceConfig};
use rialto_tests::{
    eventually,
    node::{TestNode, end_with_streams, is_alone, reached},
    over_both_shapes, over_both_shapes_with, reason,
    talker::{Shape, emit_in, everyone, rooms, users},
};
use tonic::Code;

/// Admits what begins with `tenant-`, in rooms of their own number.
fn tenants(config: &mut Config) {
    for (name, rooms_max) in [("tenant-*", 3), ("tenant-big-*", 4), ("tenant-fixed", 5)] {
        let mut namespace = NamespaceConfig::named(name);
        namespace.settings.rooms_max = rooms_max;
        config.namespaces.push(namespace);
    }
}

fn rooms_max(rooms_max: u32) -> NamespaceSettings {
    NamespaceSettings { rooms_max: Some(rooms_max), ..NamespaceSettings::default() }
}

/// Assertion 25: an unknown namespace is refused with a typed reason, and not to be tried again by itself.
#[tokio::test]
async fn an_unknown_namespace_is_refused_with_its_reason() {
    over_both_shapes(async |node, shape| {
        let mut ann = node.greet(shape, "ann").await;
        let entering = ann.enter("nowhere").await.unwrap_err();
        let joining = ann.try_join("nowhere", &["red"], false).await.unwrap_err();
        for refused in [entering, joining] {
            assert_eq!(refused.code(), RefusalCode::NamespaceUnknown);
            assert_eq!(refused.retry.unwrap().advice(), RetryAdvice::AfterChange);
        }
        ann.enter("chat").await.unwrap();
        let status = node.operator().await.namespace("nowhere").await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "NAMESPACE_UNKNOWN"));
    })
    .await;
}

/// Assertion 27: namespaces share one session; leaving one keeps the others.
#[tokio::test]
async fn leaving_one_namespace_keeps_the_others() {
    over_both_shapes(async |node, shape| {
        let mut ann = node.greet(shape, "ann").await;
        ann.join("chat", &["red"]).await;
        ann.join("default", &["red"]).await;
        let mut sam = node.greet(shape, "sam").await;
        sam.enter("chat").await.unwrap();
        sam.enter("default").await.unwrap();
        assert_eq!(ann.leave("chat").await.rooms, ["red"]);
        for target in [rooms(&["red"]), users(&["ann"]), everyone()] {
            let gone = sam.try_emit(emit_in("chat", target.clone(), "move", "1")).await.unwrap();
            reached(&gone, 0);
            let kept = sam.try_emit(emit_in("default", target, "move", "2")).await.unwrap();
            reached(&kept, 1);
            assert_eq!(ann.expect_text("move").await, "2");
        }
        ann.expect_nothing().await;
    })
    .await;
}

/// Assertion 28: the end of a session, whoever brings it about, is the end in all its namespaces.
#[tokio::test]
async fn the_end_of_a_session_ends_it_in_all_namespaces() {
    over_both_shapes_with(end_with_streams, async |node, shape| {
        let mut operator = node.operator().await;
        for forced in [true, false] {
            let mut ann = node.greet(shape, "ann").await;
            ann.join("chat", &["red"]).await;
            ann.join("default", &["red", "blue"]).await;
            if forced {
                assert_eq!(operator.disconnect(users(&["ann"]), "out", Then::StayAway).await.unwrap(), 1);
                for namespace in ["chat", "default"] {
                    assert_eq!(operator.namespace(namespace).await.unwrap().session_count, 0);
                }
                let close = ann.expect_close().await;
                assert_eq!((close.reason.as_str(), close.then()), ("out", Then::StayAway));
                let status = ann.end().await.unwrap_err();
                assert_eq!((status.code(), reason(&status).as_str()), (Code::Aborted, "DISCONNECTED"));
            }
            drop(ann);
            eventually("both namespaces to be empty", || async {
                let mut operator = operator.clone();
                let chat = operator.namespace("chat").await.unwrap();
                let default = operator.namespace("default").await.unwrap();
                chat.session_count + chat.room_count + default.session_count + default.room_count == 0
            })
            .await;
        }
    })
    .await;
}

/// Assertion 29: a pattern admits namespaces; the longest one that fits decides, and a name wins over all.
#[tokio::test]
async fn the_most_specific_rule_decides_what_holds_in_a_namespace() {
    let node = TestNode::with(tenants).await;
    let mut operator = node.operator().await;
    let mut ann = node.attach("ann").await;
    for (name, rooms_max, origin) in [
        ("tenant-a", 3, NamespaceOrigin::Pattern),
        ("tenant-", 3, NamespaceOrigin::Pattern),
        ("tenant-big-a", 4, NamespaceOrigin::Pattern),
        ("tenant-fixed", 5, NamespaceOrigin::Config),
    ] {
        ann.enter(name).await.unwrap();
        let namespace = operator.namespace(name).await.unwrap();
        assert_eq!((namespace.origin(), namespace.session_count), (origin, 1));
        assert_eq!(namespace.settings.unwrap().rooms_max, Some(rooms_max), "{name}");
    }
    assert_eq!(ann.enter("tenant").await.unwrap_err().code(), RefusalCode::NamespaceUnknown);
    assert_eq!(ann.enter("tenant-*").await, Ok(()), "the star of a name is only a character");
}

/// Assertion 29: a namespace that was made by the API wins over a pattern, and does not end with its last session.
#[tokio::test]
async fn a_namespace_that_was_made_wins_over_a_pattern() {
    let node = TestNode::with(tenants).await;
    let mut operator = node.operator().await;
    let made = operator.create("tenant-a", rooms_max(7)).await.unwrap();
    assert_eq!(made.origin(), NamespaceOrigin::Api);
    let mut ann = node.attach("ann").await;
    ann.enter("tenant-a").await.unwrap();
    ann.leave("tenant-a").await;
    let kept = operator.namespace("tenant-a").await.unwrap();
    assert_eq!((kept.origin(), kept.session_count), (NamespaceOrigin::Api, 0));
    assert_eq!(kept.settings.unwrap().rooms_max, Some(7));
}

/// Assertion 30: simultaneous first entries into one dynamic namespace make it once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn those_who_enter_a_new_namespace_together_meet_there() {
    let node = TestNode::with(tenants).await;
    for round in 0..20 {
        let name = format!("tenant-{round}");
        let mut talkers = Vec::new();
        for number in 0..8 {
            let shape = if number % 2 == 0 { Shape::Attach } else { Shape::ListenAndPush };
            talkers.push(node.greet(shape, &format!("user {number}")).await);
        }
        let entering = talkers.iter_mut().map(|talker| talker.join(&name, &["red"]));
        let mut counts: Vec<u32> = futures_util::future::join_all(entering)
            .await
            .iter()
            .map(|joined| joined.rooms[0].member_count)
            .collect();
        counts.sort_unstable();
        // Who joins on two nodes in the same moment is told of the other a moment later.
        assert!(!is_alone() || counts == [1, 2, 3, 4, 5, 6, 7, 8], "{counts:?}");
        let namespace = node.operator().await.namespace(&name).await.unwrap();
        assert_eq!((namespace.session_count, namespace.room_count), (8, 1));
    }
}

/// Assertion 31: an empty dynamic namespace is removed, also after a refusal, and can be made again.
#[tokio::test]
async fn a_dynamic_namespace_lives_while_somebody_is_in_it() {
    let node = TestNode::with(tenants).await;
    let mut operator = node.operator().await;
    let mut ann = node.attach("ann").await;
    let refused = ann.try_join("tenant-a", &["1", "2", "3", "4"], false).await.unwrap_err();
    assert_eq!(refused.code(), RefusalCode::LimitReached);
    assert_eq!(operator.namespace("tenant-a").await.unwrap_err().code(), Code::NotFound);

    for _ in 0..2 {
        ann.join("tenant-a", &["1"]).await;
        let mut bob = node.attach("bob").await;
        bob.enter("tenant-a").await.unwrap();
        ann.leave("tenant-a").await;
        assert_eq!(operator.namespace("tenant-a").await.unwrap().session_count, 1);
        bob.bye().await;
        assert_eq!(operator.namespace("tenant-a").await.unwrap_err().code(), Code::NotFound);
    }
    assert_eq!(operator.namespaces(0, "").await.unwrap().total_count, 3);
}

/// Assertion 32: clients cannot make namespaces without bound.
#[tokio::test]
async fn dynamic_namespaces_have_a_quota() {
    let node = TestNode::with(|config| {
        tenants(config);
        config.limits.node.namespaces_max = 2;
    })
    .await;
    let mut operator = node.operator().await;
    let mut ann = node.attach("ann").await;
    ann.enter("tenant-a").await.unwrap();
    operator.create("made", NamespaceSettings::default()).await.unwrap();

    let refused = ann.enter("tenant-b").await.unwrap_err();
    assert_eq!((refused.code(), refused.limit.as_str()), (RefusalCode::LimitReached, "namespaces_max"));
    // Of several nodes each counts those that its own clients have made.
    if is_alone() {
        let status = operator.create("more", NamespaceSettings::default()).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::ResourceExhausted, "LIMIT_REACHED"));
    }
    ann.enter("tenant-fixed").await.unwrap();

    ann.leave("tenant-a").await;
    ann.enter("tenant-b").await.unwrap();
}

/// Assertion 32: nor can one session be in namespaces without bound.
#[tokio::test]
async fn a_session_is_in_a_bounded_number_of_namespaces() {
    let node = TestNode::with(|config| {
        tenants(config);
        config.limits.session.namespaces_max = 2;
    })
    .await;
    let mut ann = node.attach("ann").await;
    ann.enter("chat").await.unwrap();
    ann.enter("tenant-a").await.unwrap();
    let refused = ann.enter("tenant-b").await.unwrap_err();
    assert_eq!((refused.code(), refused.limit.as_str()), (RefusalCode::LimitReached, "namespaces_max"));
    let status = node.operator().await.namespace("tenant-b").await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound, "a refused entry leaves nothing behind");
    ann.enter("chat").await.unwrap();
    ann.leave("chat").await;
    ann.enter("tenant-b").await.unwrap();
}

/// A namespace is made, changed and deleted while the node runs; who is in it is told.
#[tokio::test]
async fn a_namespace_is_made_changed_and_deleted_at_run_time() {
    over_both_shapes(async |node, shape| {
        let mut operator = node.operator().await;
        let mut ann = node.greet(shape, "ann").await;
        assert_eq!(ann.enter("games").await.unwrap_err().code(), RefusalCode::NamespaceUnknown);
        let made = operator.create("games", NamespaceSettings::default()).await.unwrap();
        assert_eq!(made.settings.unwrap().payload_bytes_max, Some(64 << 10), "settings are shown complete");
        let status = operator.create("games", NamespaceSettings::default()).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::AlreadyExists, "ALREADY_EXISTS"));
        ann.join("games", &["red", "blue"]).await;
        ann.join("chat", &["red"]).await;
        let mut bob = node.greet(shape, "bob").await;
        bob.enter("games").await.unwrap();

        let change = NamespaceSettings { payload_bytes_max: Some(4), ..NamespaceSettings::default() };
        let changed = operator.update("games", change).await.unwrap().settings.unwrap();
        assert_eq!((changed.payload_bytes_max, changed.rooms_max), (Some(4), Some(100_000)));
        bob.try_emit(emit_in("games", rooms(&["red"]), "move", "1234")).await.unwrap();
        let refused = bob.try_emit(emit_in("games", rooms(&["red"]), "move", "12345")).await.unwrap_err();
        assert_eq!(refused.code(), RefusalCode::PayloadTooLarge);
        assert_eq!(ann.expect_text("move").await, "1234");

        assert_eq!(operator.delete("games").await.unwrap(), 2);
        let Frame::Left(mut left) = ann.expect_notice().await else {
            panic!("ann is told that she has left")
        };
        left.rooms.sort_unstable();
        assert_eq!(
            (left.namespace.as_str(), left.rooms),
            ("games", vec!["blue".to_owned(), "red".to_owned()])
        );
        assert!(matches!(bob.expect_notice().await, Frame::Left(left) if left.rooms.is_empty()));
        assert_eq!(ann.enter("games").await.unwrap_err().code(), RefusalCode::NamespaceUnknown);
        assert_eq!(operator.namespace("games").await.unwrap_err().code(), Code::NotFound);
        assert_eq!(operator.member_count("red").await, 1, "the other namespace is as it was");

        operator.create("games", NamespaceSettings::default()).await.unwrap();
        ann.join("games", &["red"]).await;
    })
    .await;
}

/// What the configuration names cannot be deleted, and what does not exist cannot be changed.
#[tokio::test]
async fn namespaces_of_the_configuration_cannot_be_deleted() {
    let node = TestNode::start().await;
    let mut operator = node.operator().await;
    let mut ann = node.member("ann", "red").await;
    assert_eq!(operator.delete("chat").await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(operator.delete("nowhere").await.unwrap_err().code(), Code::NotFound);
    assert_eq!(operator.update("nowhere", rooms_max(1)).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(operator.create("$bad", rooms_max(1)).await.unwrap_err().code(), Code::InvalidArgument);
    for wrong in [
        rooms_max(0),
        NamespaceSettings { payload_bytes_max: Some(2 << 20), ..NamespaceSettings::default() },
        NamespaceSettings { falling_behind: Some(99), ..NamespaceSettings::default() },
    ] {
        assert_eq!(operator.create("wrong", wrong).await.unwrap_err().code(), Code::InvalidArgument);
        assert_eq!(operator.update("chat", wrong).await.unwrap_err().code(), Code::InvalidArgument);
    }
    assert_eq!(operator.namespace("wrong").await.unwrap_err().code(), Code::NotFound);
    let settings = operator.namespace("chat").await.unwrap().settings.unwrap();
    assert_eq!(settings.falling_behind(), FallingBehind::Close);
    ann.expect_nothing().await;
}

/// Deleting lets nobody in meanwhile: whoever enters at the same moment is either refused or told that they have left.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn deleting_a_namespace_while_others_enter_leaves_nobody_in_it() {
    let node = TestNode::start().await;
    let mut operator = node.operator().await;
    let mut talkers = Vec::new();
    for number in 0..6 {
        talkers.push(node.attach(&format!("user {number}")).await);
    }
    for _ in 0..20 {
        operator.create("games", NamespaceSettings::default()).await.unwrap();
        let entering = talkers.iter_mut().map(|talker| async move {
            let joined = talker.try_join("games", &["red"], false).await;
            let told = match joined {
                Ok(_) => matches!(talker.expect_notice().await, Frame::Left(left) if left.rooms == ["red"]),
                Err(refused) => refused.code() == RefusalCode::NamespaceUnknown,
            };
            assert!(told);
            talker.expect_nothing().await;
        });
        let (left, _) = tokio::join!(operator.delete("games"), futures_util::future::join_all(entering));
        left.unwrap();
        assert_eq!(operator.clone().namespace("games").await.unwrap_err().code(), Code::NotFound);
    }
}
