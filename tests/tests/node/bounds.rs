//! One more than there may be, and what rules forbid for one message: each is refused to its sender with the name of the
//! limit and when to come back, the session lives on, and just within the bounds all is well.

use std::{collections::BTreeMap, time::Duration};

use rialto_proto::v1::{
    ClientFrame, ClientInfo, CloseCode, Content, Emit, Hello, Join, Ping, PublishRequest, RefusalCode,
    Refused, RetryAdvice, Target, client_frame::Command, content, server_frame::Frame,
};
use rialto_server::{
    auth::keys::ApiKey,
    base::config::{ApiKeyConfig, NamespaceConfig},
};
use rialto_tests::{
    asking::numbered,
    eventually,
    inspect::assert_status,
    node::TestNode,
    talker::{Shape, Talker, content, emit_to, rooms},
};
use tonic::Code;

const BOTH: [Shape; 2] = [Shape::Attach, Shape::ListenAndPush];

fn valid() -> Emit {
    emit_to(rooms(&["general"]), "message", "fine")
}

fn hello() -> Hello {
    Hello { user: "ann".to_owned(), ..Hello::default() }
}

#[tokio::test]
async fn what_is_just_within_its_bounds_is_taken() {
    let node = TestNode::start().await;
    let mut bob = node.member("bob", "general").await;
    let mut ann = node.attach("ann").await;
    ann.enter("chat").await.unwrap();
    let mut headers: BTreeMap<_, _> =
        (0..15).map(|number| (format!("k{number:02}"), String::new())).collect();
    headers.insert("k15".to_owned(), "x".repeat(1024 - 16 * 3));
    let content = Content {
        headers: headers.clone(),
        content_type: "x".repeat(128),
        body: Some(content::Body::Binary(vec![0; 64 << 10].into())),
        event: "e".repeat(64),
        ..Default::default()
    };
    ann.try_emit(Emit { content: Some(content.clone()), ..valid() }).await.unwrap();
    assert_eq!(bob.expect_event(&"e".repeat(64)).await.content, Some(content));
}

/// Assertion 63: a payload that is too large is a typed error to its sender; the session lives on.
#[tokio::test]
async fn a_payload_of_one_byte_too_many_is_refused_and_the_session_lives_on() {
    let node = TestNode::start().await;
    let sized = |bytes: usize| {
        let body = Some(content::Body::Binary(vec![1; bytes].into()));
        Emit { content: Some(Content { body, ..content("message", "") }), ..valid() }
    };
    let mut bob = node.member("bob", "general").await;
    for shape in BOTH {
        let before = node.refusals(RefusalCode::PayloadTooLarge).await;
        let mut ann = Talker::greet(&node, shape, "ann").await;
        ann.enter("chat").await.unwrap();
        for bytes in [(64 << 10) + 1, 1 << 20] {
            let refused = ann.try_emit(sized(bytes)).await.unwrap_err();
            assert_eq!(refused.code(), RefusalCode::PayloadTooLarge);
        }
        assert_eq!(node.refusals(RefusalCode::PayloadTooLarge).await, before + 2);
        ann.try_emit(valid()).await.expect("what is valid is taken");
        bob.expect_event("message").await;
    }

    let mut ann = node.attach("ann").await;
    ann.enter("chat").await.unwrap();
    let refused = ann.try_emit(sized((64 << 10) + 1)).await.unwrap_err();
    assert_eq!(refused.limit, "payload_bytes_max");
    let content = sized((64 << 10) + 1).content;
    let target = Some(rooms(&["general"]));
    let request =
        PublishRequest { namespace: "chat".to_owned(), target, content, delivery: 0, ..Default::default() };
    let status = node.messaging().await.publish(request).await.unwrap_err();
    assert_status(&status, Code::ResourceExhausted, "PAYLOAD_TOO_LARGE");
}

#[tokio::test]
async fn a_hello_beyond_its_bounds_is_refused() {
    let node = TestNode::start().await;
    let before = node.refusals(RefusalCode::Invalid).await;
    let client =
        |name: &str, version: &str| ClientInfo { name: name.to_owned(), version: version.to_owned() };
    let hellos = [
        Hello { attributes: (0..17).map(|number| (number.to_string(), String::new())).collect(), ..hello() },
        Hello { attributes: [("name".to_owned(), "x".repeat(1021))].into(), ..hello() },
        Hello { attributes: [(String::new(), "x".to_owned())].into(), ..hello() },
        Hello { client: Some(client(&"x".repeat(65), "1")), ..hello() },
        Hello { client: Some(client("x", "1\n2")), ..hello() },
        Hello { joins: vec![Join::default(); 17], ..hello() },
    ];
    let count = hellos.len() as u64;
    for wrong in hellos {
        for shape in BOTH {
            let status = Talker::open_with(&node, shape, wrong.clone()).await.map(drop).unwrap_err();
            assert_status(&status, Code::InvalidArgument, "INVALID");
        }
    }
    assert_eq!(node.refusals(RefusalCode::Invalid).await, before + 2 * count);
    for name in [" ", "$ann", "a\u{202e}b", &"x".repeat(129)] {
        let wrong = Hello { user: name.to_owned(), ..Hello::default() };
        let status = Talker::open_with(&node, Shape::Attach, wrong).await.map(drop).unwrap_err();
        assert_status(&status, Code::InvalidArgument, "NAME_INVALID");
    }
    assert_eq!(node.metric("rialto_sessions_opened_total").await, 0);
    let attributes = [("name".to_owned(), "x".repeat(1020))].into();
    assert!(Talker::open_with(&node, Shape::Attach, Hello { attributes, ..hello() }).await.is_ok());
}

fn assert_limit(refused: &Refused, limit: &str) {
    assert_eq!((refused.code(), refused.limit.as_str()), (RefusalCode::LimitReached, limit));
    assert_eq!(refused.retry.unwrap().advice(), RetryAdvice::AfterChange);
}

#[tokio::test]
async fn the_129th_room_of_a_session_is_refused_until_one_is_parted() {
    let node = TestNode::with(|config| config.limits.node.rooms_created_per_minute = 10_000).await;
    let mut ann = node.attach("ann").await;
    let names: Vec<String> = (0..130).map(|number| format!("room {number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    ann.join("chat", &names[..64]).await;
    ann.join("default", &names[64..127]).await;
    // All or none: there is room for one.
    let refused = ann.try_join("chat", &names[127..129], false).await.unwrap_err();
    assert_limit(&refused, "rooms_max");
    ann.join("chat", &names[127..128]).await;
    assert_limit(&ann.try_join("chat", &names[128..129], false).await.unwrap_err(), "rooms_max");
    ann.join("chat", &names[..64]).await;

    ann.part("chat", &names[..1]).await;
    ann.join("chat", &names[128..129]).await;
    assert_eq!(node.refusals(RefusalCode::LimitReached).await, 2);
    assert_eq!(node.metric("rialto_rooms").await, 128);
}

#[tokio::test]
async fn the_17th_session_of_a_user_is_refused_until_one_ends() {
    let node = TestNode::start().await;
    let mut sessions = Vec::new();
    for number in 0..16 {
        let shape = BOTH[number % 2];
        sessions.push(Talker::open_with(&node, shape, hello()).await.unwrap());
    }
    for shape in BOTH {
        let status = Talker::open_with(&node, shape, hello()).await.map(drop).unwrap_err();
        assert_status(&status, Code::ResourceExhausted, "LIMIT_REACHED");
        let details = tonic_types::StatusExt::get_error_details(&status);
        assert_eq!(details.error_info().unwrap().metadata["limit"], "sessions_per_user_max");
    }
    node.attach("bob").await;
    sessions.remove(0).bye().await;
    assert!(Talker::open_with(&node, Shape::Attach, hello()).await.is_ok());
    assert_eq!(node.refusals(RefusalCode::LimitReached).await, 2);
}

#[tokio::test]
async fn the_101st_emit_at_once_is_refused_and_told_when_to_come_back() {
    let node = TestNode::with(|config| config.limits.session.emits_per_second = 1).await;
    let mut bob = node.member("bob", "general").await;
    let mut ann = node.attach("ann").await;
    ann.enter("chat").await.unwrap();
    ann.say_all((10..111).map(|number| numbered(number, valid())).collect()).await;
    for number in 10..110 {
        assert!(matches!(ann.answer(number).await, Frame::Accepted(_)), "{number}");
        bob.expect_event("message").await;
    }
    let refused = ann.expect_refused(110).await;
    assert_eq!((refused.code(), refused.limit.as_str()), (RefusalCode::RateLimited, "emits_per_second"));
    let retry = refused.retry.unwrap();
    assert_eq!(retry.advice(), RetryAdvice::Later);
    let after = Duration::try_from(retry.after.unwrap()).unwrap();
    assert!(after > Duration::ZERO && after <= Duration::from_secs(1), "{after:?}");
    assert_eq!(node.refusals(RefusalCode::RateLimited).await, 1);

    // Other commands go on, and after the time that was told so do emits.
    ann.expect_nothing_with(111).await;
    let mut reference = 111;
    eventually("room for one more", async || {
        reference += 1;
        ann.say_all(vec![numbered(reference, valid())]).await;
        matches!(ann.answer(reference).await, Frame::Accepted(_))
    })
    .await;
}

#[tokio::test]
async fn a_room_takes_so_many_events_and_then_says_when_to_come_back() {
    let node = TestNode::with(|config| config.namespaces[0].settings.room_emits_per_second = 1).await;
    let publish = |room: &str| PublishRequest {
        namespace: "chat".to_owned(),
        target: Some(rooms(&[room])),
        content: Some(content("message", "x")),
        delivery: 0,
        ..Default::default()
    };
    let _bob = node.member("bob", "general").await;
    let mut stub = node.messaging().await;
    for _ in 0..100 {
        stub.publish(publish("general")).await.unwrap();
    }
    let status = stub.publish(publish("general")).await.unwrap_err();
    assert_status(&status, Code::ResourceExhausted, "RATE_LIMITED");
    let details = tonic_types::StatusExt::get_error_details(&status);
    assert!(details.retry_info().unwrap().retry_delay.is_some_and(|delay| !delay.is_zero()));
    assert_eq!(details.error_info().unwrap().metadata["limit"], "room_emits_per_second");
    stub.publish(publish("other")).await.expect("other rooms go on");
}

#[tokio::test]
async fn a_message_of_257_frames_ends_the_session() {
    let node = TestNode::start().await;
    let ping = |reference| ClientFrame { r#ref: reference, command: Some(Command::Ping(Ping {})) };
    let mut ann = node.attach("ann").await;
    ann.say_all((1..=256).map(ping).collect()).await;
    for reference in 1..=256 {
        assert!(matches!(ann.answer(reference).await, Frame::Pong(_)));
    }
    ann.say_all((257..=513).map(ping).collect()).await;
    assert_eq!(ann.expect_close().await.code(), CloseCode::Protocol);

    let mut first = vec![ClientFrame { r#ref: 0, command: Some(Command::Hello(hello())) }];
    first.extend((1..=256).map(ping));
    let mut talker = Talker::open(&node).await;
    talker.say_all(first).await;
    assert_status(&talker.end().await.unwrap_err(), Code::InvalidArgument, "INVALID");
}

/// Assertion 45: what a rule of the namespace forbids for one message is an error to its sender.
#[tokio::test]
async fn a_message_that_the_namespace_does_not_admit_is_refused_to_its_sender() {
    let node = TestNode::with(|config| {
        let mut strict = NamespaceConfig::named("strict");
        strict.settings.emit_requires_member = true;
        config.namespaces.push(strict);
    })
    .await;
    let mut bob = node.attach("bob").await;
    bob.join("strict", &["general"]).await;
    let mut ann = node.attach("ann").await;
    let emit = || Emit { namespace: "strict".to_owned(), ..valid() };

    let refused = ann.try_emit(emit()).await.unwrap_err();
    assert_eq!(refused.code(), RefusalCode::NotAMember, "it has not entered");
    ann.enter("strict").await.unwrap();
    let refused = ann.try_emit(emit()).await.unwrap_err();
    assert_eq!(refused.code(), RefusalCode::NotAMember, "it is not in the room");
    assert_eq!(refused.retry.unwrap().advice(), RetryAdvice::AfterChange);
    bob.expect_nothing().await;
    assert_eq!(node.refusals(RefusalCode::NotAMember).await, 2);

    ann.join("strict", &["general"]).await;
    ann.try_emit(emit()).await.unwrap();
    bob.expect_event("message").await;
}

/// Assertion 45: so is what the sender has no right to.
#[tokio::test]
async fn a_message_without_the_right_to_it_is_refused_to_its_sender() {
    let secret = ApiKey::random().unwrap();
    let node = TestNode::with(|config| {
        let grants = [(&["*"], "join"), (&["open"], "emit")].map(|(rooms, can)| {
            serde_json::json!({ "namespace": "chat", "rooms": rooms, "can": [can] })
        });
        let key = serde_json::json!({ "name": "reader", "sha256": secret.sha256(), "user": "reader", "grants": grants });
        let key: ApiKeyConfig = serde_json::from_value(key).unwrap();
        config.auth.api_keys.push(key);
    })
    .await;
    let hello = || Hello { token: secret.expose().to_owned(), ..Hello::default() };
    let mut bob = Talker::open_with(&node, Shape::Attach, hello()).await.unwrap();
    bob.join("chat", &["general", "open"]).await;
    let mut ann = Talker::open_with(&node, Shape::Attach, hello()).await.unwrap();
    ann.enter("chat").await.unwrap();

    let everyone = Target { everyone: true, ..Target::default() };
    for target in [rooms(&["general"]), rooms(&["open", "general"]), rooms(&["unknown"]), everyone] {
        let refused = ann.try_emit(emit_to(target, "message", "x")).await.unwrap_err();
        assert_eq!(refused.code(), RefusalCode::Forbidden);
    }
    bob.expect_nothing().await;
    assert_eq!(node.refusals(RefusalCode::Forbidden).await, 4);
    ann.emit("open", "message", "x").await;
    bob.expect_event("message").await;
}
