//! Who gets in: the order of the checks, what a refusal says, and what it leaves behind, which is nothing.

use std::{collections::BTreeMap, time::Duration};

use rialto_proto::v1::{
    ClientFrame, ClientInfo, Hello, Join, Ping, RefusalCode, client_frame::Command, server_frame::Frame,
};
use rialto_server::auth::Right;
use rialto_tests::{
    access::{AN_HOUR, demand_tokens, forged_token, grant, token},
    eventually,
    node::{TestNode, reached},
    over_both_shapes, reason,
    talker::{Shape, Talker, emit_to, rooms},
};
use tonic::Code;
use tonic_types::StatusExt;

const BOTH: [Shape; 2] = [Shape::Attach, Shape::ListenAndPush];

fn joining(namespace: &str, rooms: &[&str]) -> Join {
    let rooms = rooms.iter().map(|room| (*room).to_owned()).collect();
    Join { namespace: namespace.to_owned(), rooms, presence: false, ..Default::default() }
}

/// Assertion 21: rooms that were to be joined by a greeting that is refused are not joined, and nobody sees them.
#[tokio::test]
async fn a_refused_greeting_joins_nothing() {
    let node = TestNode::with(demand_tokens).await;
    let all = vec![grant("*", &["*"], &Right::ALL)];
    let mut operator = node.operator_with(&token("op", AN_HOUR, all.clone())).await;
    let mut watcher = operator.watch("chat", "").await.unwrap();
    for shape in BOTH {
        let hello = Hello {
            token: forged_token("ann", all.clone()),
            joins: vec![joining("chat", &["red"])],
            ..Hello::default()
        };
        let status = Talker::open_with(&node, shape, hello).await.err().unwrap();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, "UNAUTHENTICATED"));
    }
    let mut ann = Talker::greet_with(&node, Shape::Attach, &token("ann", AN_HOUR, all)).await.unwrap();
    ann.join("chat", &["fence"]).await;
    watcher.expect_first("fence").await;
    assert_eq!(operator.namespace("chat").await.unwrap().session_count, 1);
}

/// Assertion 21: a join of which one room may not be joined joins none, and nobody sees the others.
#[tokio::test]
async fn a_refused_join_is_undone_before_anybody_sees_it() {
    let node = TestNode::with(demand_tokens).await;
    let watch = token("op", AN_HOUR, vec![grant("*", &["*"], &[Right::Presence])]);
    let mut watcher = node.operator_with(&watch).await.watch("chat", "").await.unwrap();
    for shape in BOTH {
        let may = token("ann", AN_HOUR, vec![grant("chat", &["pub-*"], &[Right::Join])]);
        let mut ann = Talker::greet_with(&node, shape, &may).await.unwrap();
        let refused = ann.try_join("chat", &["pub-a", "secret"], false).await.unwrap_err();
        assert_eq!(refused.code(), RefusalCode::Forbidden);
        ann.join("chat", &["pub-fence"]).await;
        watcher.expect_first("pub-fence").await;
        ann.bye().await;
        watcher.expect_last("pub-fence").await;
    }
}

/// Assertion 26: checks run in order, the first refusal stops, and its details reach the client.
#[tokio::test]
async fn the_first_check_that_fails_is_the_one_that_is_told() {
    let node = TestNode::with(demand_tokens).await;
    let all = || vec![grant("*", &["*"], &Right::ALL)];
    let malformed = ClientInfo { name: "x".repeat(65), version: String::new() };
    let hello = |token: String| Hello { token, ..Hello::default() };
    let good = || hello(token("ann", AN_HOUR, all()));
    for shape in BOTH {
        for (hello, code, why) in [
            // Form before credentials, credentials before what they say, that before rooms.
            (
                Hello { client: Some(malformed.clone()), ..hello(String::new()) },
                Code::InvalidArgument,
                "INVALID",
            ),
            (Hello { user: "$".to_owned(), ..hello(String::new()) }, Code::InvalidArgument, "NAME_INVALID"),
            (hello(String::new()), Code::Unauthenticated, "UNAUTHENTICATED"),
            (hello("garbage".to_owned()), Code::Unauthenticated, "UNAUTHENTICATED"),
            (hello("x".repeat(5000)), Code::Unauthenticated, "UNAUTHENTICATED"),
            (Hello { user: "bob".to_owned(), ..good() }, Code::Unauthenticated, "UNAUTHENTICATED"),
        ] {
            let status = Talker::open_with(&node, shape, hello).await.err().unwrap();
            assert_eq!((status.code(), reason(&status).as_str()), (code, why), "{status:?}");
            if code == Code::InvalidArgument {
                let fields = status.get_details_bad_request().unwrap().field_violations;
                assert!(["client.name", "user"].contains(&fields[0].field.as_str()), "{fields:?}");
            }
        }
        let named = Hello { user: "ann".to_owned(), ..good() };
        assert_eq!(Talker::open_with(&node, shape, named).await.unwrap().welcome.user, "ann");
    }
}

/// Assertion 26: the joins of a greeting are answered one by one, in order; a refused one does not stop the others.
#[tokio::test]
async fn the_joins_of_a_greeting_are_answered_in_order() {
    over_both_shapes(async |node, shape| {
        let joins = [
            joining("chat", &["red"]),
            joining("nowhere", &["red"]),
            joining("default", &["$bad"]),
            joining("default", &["blue", "green"]),
        ];
        let hello = Hello { user: "ann".to_owned(), joins: joins.to_vec(), ..Hello::default() };
        let mut ann = Talker::open_with(node, shape, hello).await.unwrap();
        let Frame::Joined(first) = ann.expect_notice().await else { panic!("joined first") };
        assert_eq!((first.namespace.as_str(), first.rooms[0].room.as_str()), ("chat", "red"));
        for code in [RefusalCode::NamespaceUnknown, RefusalCode::NameInvalid] {
            assert!(matches!(ann.expect_notice().await, Frame::Refused(refused) if refused.code() == code));
        }
        let Frame::Joined(last) = ann.expect_notice().await else { panic!("joined last") };
        assert_eq!(last.rooms.iter().map(|room| room.room.as_str()).collect::<Vec<_>>(), ["blue", "green"]);
        ann.expect_nothing().await;
        let session = node.operator().await.session(&ann.id()).await.unwrap();
        assert_eq!(session.memberships.len(), 2);
    })
    .await;
}

/// Assertion 26: what a greeting says of the client is bounded.
#[tokio::test]
async fn a_greeting_beyond_its_bounds_is_refused() {
    let node = TestNode::start().await;
    let attributes = |keys: usize, bytes: usize| -> BTreeMap<String, String> {
        (0..keys).map(|key| (format!("key {key}"), "x".repeat(bytes))).collect()
    };
    for shape in BOTH {
        for hello in [
            Hello { attributes: attributes(17, 1), ..Hello::default() },
            Hello { attributes: attributes(1, 1024), ..Hello::default() },
            Hello { joins: vec![joining("chat", &["red"]); 17], ..Hello::default() },
        ] {
            let status = Talker::open_with(&node, shape, hello).await.err().unwrap();
            assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        }
        let most = Hello { attributes: attributes(16, 50), ..Hello::default() };
        Talker::open_with(&node, shape, most).await.unwrap();
    }
    assert_eq!(node.operator().await.namespace("chat").await.unwrap().session_count, 0);
}

/// Assertion 26: a user has a bounded number of sessions; the one beyond is told the limit, and a place that is given
/// back can be taken.
#[tokio::test]
async fn a_user_has_a_bounded_number_of_sessions() {
    let node = TestNode::with(|config| config.limits.node.sessions_per_user_max = 2).await;
    let mut first = node.greet(Shape::Attach, "ann").await;
    let _second = node.greet(Shape::ListenAndPush, "ann").await;
    for shape in BOTH {
        let hello = Hello { user: "ann".to_owned(), ..Hello::default() };
        let status = Talker::open_with(&node, shape, hello).await.err().unwrap();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::ResourceExhausted, "LIMIT_REACHED"));
        let info = status.get_details_error_info().unwrap();
        assert_eq!(info.metadata["limit"], "sessions_per_user_max");
    }
    node.greet(Shape::Attach, "bob").await;
    first.bye().await;
    node.greet(Shape::Attach, "ann").await;
}

/// Assertion 33: a client that goes before it has greeted was never there.
#[tokio::test]
async fn a_client_that_goes_before_its_greeting_was_never_there() {
    let node = TestNode::start().await;
    let mut operator = node.operator().await;
    let mut watcher = operator.watch("chat", "").await.unwrap();
    for _ in 0..5 {
        drop(Talker::open(&node).await);
        let mut talker = Talker::open(&node).await;
        talker.half_close();
        let status = talker.end().await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "OUT_OF_ORDER"));
    }
    node.member("fence", "fence").await;
    watcher.expect_first("fence").await;
}

/// Assertion 33: a client that goes together with its greeting leaves nothing behind.
#[tokio::test]
async fn a_client_that_goes_with_its_greeting_leaves_nothing_behind() {
    let node = TestNode::with(|config| config.limits.node.sessions_per_user_max = 1).await;
    let mut operator = node.operator().await;
    for _ in 0..10 {
        let mut talker = Talker::open(&node).await;
        let joins = vec![joining("chat", &["red"])];
        let hello = Hello { user: "ann".to_owned(), joins, ..Hello::default() };
        talker.say(0, Command::Hello(hello)).await;
        drop(talker);
    }
    // A user has one place: it is free again only if each of them gave it back.
    eventually("the place of the user", || async {
        let hello = Hello { user: "ann".to_owned(), ..Hello::default() };
        Talker::open_with(&node, Shape::Attach, hello).await.is_ok()
    })
    .await;
    eventually("an empty namespace", || {
        let mut operator = operator.clone();
        async move { operator.namespace("chat").await.unwrap().session_count == 0 }
    })
    .await;
    assert_eq!(operator.member_count("red").await, 0);
}

/// Assertion 34: a client that never greets is ended at the deadline with a clear code.
#[tokio::test]
async fn a_client_that_never_greets_is_ended_at_the_deadline() {
    let short = Duration::from_millis(100);
    let node = TestNode::with(|config| config.limits.session.hello_timeout = short).await;
    let mut talker = Talker::open(&node).await;
    // A message without frames is no greeting.
    talker.say_all(Vec::new()).await;
    let status = talker.end().await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::DeadlineExceeded, "DEADLINE"));
    node.greet(Shape::Attach, "ann").await.expect_nothing().await;
}

/// Assertion 34: whoever has greeted in time is not ended by that deadline.
#[tokio::test]
async fn the_deadline_of_the_greeting_does_not_end_a_session() {
    let short = Duration::from_millis(100);
    let node = TestNode::with(|config| config.limits.session.hello_timeout = short).await;
    let mut ann = node.attach("ann").await;
    let mut silent = Talker::open(&node).await;
    assert!(silent.end().await.is_err(), "the deadline passes");
    ann.expect_nothing().await;
}

/// The first frame is the greeting, and only the first.
#[tokio::test]
async fn the_first_frame_and_only_the_first_is_the_greeting() {
    let node = TestNode::start().await;
    let mut talker = Talker::open(&node).await;
    talker.say(1, Command::Ping(Ping {})).await;
    let status = talker.end().await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "OUT_OF_ORDER"));

    for shape in BOTH {
        let mut ann = node.greet(shape, "ann").await;
        ann.say(1, Command::Hello(Hello::default())).await;
        let close = ann.expect_close().await;
        assert_eq!(close.code(), rialto_proto::v1::CloseCode::Protocol);
        let status = ann.end().await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "PROTOCOL"));
    }
}

/// Commands that come with the greeting in one message are carried out after it.
#[tokio::test]
async fn commands_may_come_with_the_greeting() {
    let node = TestNode::start().await;
    let mut bob = node.member("bob", "red").await;
    let mut ann = Talker::open(&node).await;
    let frame = |r#ref, command| ClientFrame { r#ref, command: Some(command) };
    ann.say_all(vec![
        frame(0, Command::Hello(Hello { user: "ann".to_owned(), ..Hello::default() })),
        frame(1, Command::Join(joining("chat", &["red"]))),
        frame(2, Command::Emit(emit_to(rooms(&["red"]), "move", "1"))),
    ])
    .await;
    assert!(matches!(ann.expect_notice().await, Frame::Welcome(welcome) if welcome.user == "ann"));
    assert!(matches!(ann.answer(1).await, Frame::Joined(_)));
    let Frame::Accepted(accepted) = ann.answer(2).await else { panic!("the event is taken") };
    reached(&accepted, 1);
    assert_eq!(bob.expect_text("move").await, "1");
}
