//! What clients get wrong, row by row of the table in the security design: each row has its answer, a counter moves,
//! and the next valid call works. What only bytes can get wrong is in `malformed`.

use std::{collections::BTreeMap, time::Duration};

use rialto_proto::v1::{
    CallRequest, ClientFrame, CloseCode, Content, Emit, Enter, ExpectReplies, Hello, Join, Leave, Part, Ping,
    RefusalCode, RetryAdvice, Target, call_request::Callee, client_frame::Command, server_frame::Frame,
};
use rialto_tests::{
    asking::numbered,
    inspect::assert_status,
    node::{TestNode, reached},
    talker::{Shape, Talker, content, emit_to, rooms},
};
use tonic::{Code, Status};

const BOTH: [Shape; 2] = [Shape::Attach, Shape::ListenAndPush];

fn valid() -> Emit {
    emit_to(rooms(&["general"]), "message", "fine")
}

fn other() -> [Emit; 2] {
    [emit_to(rooms(&["general"]), "message", "other"), emit_to(rooms(&["other"]), "message", "fine")]
}

fn hello() -> Hello {
    Hello { user: "ann".to_owned(), ..Hello::default() }
}

/// How a stream ends that never becomes a session.
async fn end_of(node: &TestNode, first: Vec<ClientFrame>) -> Status {
    let mut talker = Talker::open(node).await;
    talker.say_all(first).await;
    talker.end().await.expect_err("no session")
}

/// Says each command on one session and expects the refusal; then something valid works.
async fn refuses(node: &TestNode, commands: Vec<(&str, Command)>, code: RefusalCode) {
    let mut bob = node.member("bob", "general").await;
    for shape in BOTH {
        let before = node.refusals(code).await;
        let mut ann = Talker::greet(node, shape, "ann").await;
        ann.enter("chat").await.unwrap();
        let count = commands.len() as u64;
        for (what, command) in commands.clone() {
            let reference = ann.ask(command).await;
            let refused = ann.expect_refused(reference).await;
            assert_eq!(refused.code(), code, "{what}: {refused:?}");
            assert!(!refused.reason.is_empty(), "{what}");
            assert_ne!(refused.retry.unwrap().advice(), RetryAdvice::Unspecified, "{what}");
        }
        assert_eq!(node.refusals(code).await, before + count);
        ann.try_emit(valid()).await.expect("what is valid is taken");
        bob.expect_event("message").await;
    }
}

#[tokio::test]
async fn a_first_frame_that_is_not_hello_is_out_of_order() {
    let node = TestNode::start().await;
    let before = node.refusals(RefusalCode::OutOfOrder).await;
    let ping = ClientFrame { r#ref: 1, command: Some(Command::Ping(Ping {})) };
    for first in [ping, numbered(1, valid()), ClientFrame::default()] {
        let status = end_of(&node, vec![first]).await;
        assert_status(&status, Code::FailedPrecondition, "OUT_OF_ORDER");
    }
    assert_eq!(node.refusals(RefusalCode::OutOfOrder).await, before + 3);
    assert_eq!(node.metric("rialto_sessions_opened_total").await, 0);
    node.member("ann", "general").await;
}

#[tokio::test]
async fn a_stream_that_ends_before_its_hello_is_out_of_order() {
    let node = TestNode::start().await;
    let mut talker = Talker::open(&node).await;
    talker.half_close();
    assert_status(&talker.end().await.unwrap_err(), Code::FailedPrecondition, "OUT_OF_ORDER");
}

/// Assertion 61: a frame that does not belong in this state ends that session, and no other.
#[tokio::test]
async fn a_second_hello_ends_the_session_and_no_other() {
    let node = TestNode::start().await;
    let mut bob = node.member("bob", "general").await;
    let before = node.refusals(RefusalCode::OutOfOrder).await;
    // On one connection.
    let channel = node.channel().await;
    let mut ann = Talker::open_with_over(channel.clone(), Shape::Attach, hello()).await.unwrap();
    let mut eve = Talker::open_with_over(channel, Shape::Attach, hello()).await.unwrap();
    ann.join("chat", &["general"]).await;
    eve.join("chat", &["general"]).await;

    // What comes after the end in the same message is not carried out.
    let again = ClientFrame { r#ref: 9, command: Some(Command::Hello(hello())) };
    ann.say_all(vec![again, numbered(10, valid())]).await;

    let close = ann.expect_close().await;
    assert_eq!(close.code(), CloseCode::Protocol);
    assert_status(&ann.end().await.unwrap_err(), Code::FailedPrecondition, "PROTOCOL");
    assert!(node.refusals(RefusalCode::OutOfOrder).await > before);
    assert_eq!(node.members("general").await, 2);
    bob.expect_nothing().await;
    eve.emit("general", "message", "still here").await;
    bob.expect_event("message").await;
}

#[tokio::test]
async fn no_hello_in_time_is_late() {
    let node = TestNode::with(|config| config.limits.session.hello_timeout = Duration::from_millis(50)).await;
    let mut talker = Talker::open(&node).await;
    assert_status(&talker.end().await.unwrap_err(), Code::DeadlineExceeded, "DEADLINE");
    // Empty messages do not count as one.
    let mut talker = Talker::open(&node).await;
    talker.say_all(Vec::new()).await;
    assert_status(&talker.end().await.unwrap_err(), Code::DeadlineExceeded, "DEADLINE");
    assert_eq!(node.refusals(RefusalCode::Deadline).await, 2);
    node.member("ann", "general").await;
}

#[tokio::test]
async fn a_frame_without_a_command_is_invalid() {
    let node = TestNode::start().await;
    let mut ann = node.member("ann", "general").await;
    ann.say_all(vec![ClientFrame { r#ref: 77, command: None }]).await;
    assert_eq!(ann.expect_refused(77).await.code(), RefusalCode::Invalid);
    assert_eq!(node.refusals(RefusalCode::Invalid).await, 1);
    ann.expect_nothing_with(78).await;
}

#[tokio::test]
async fn fields_that_are_missing_malformed_or_contradict_each_other_are_invalid() {
    let node = TestNode::start().await;
    let emit = |emit: Emit| Command::Emit(emit);
    let target = |target: Target| Command::Emit(emit_to(target, "message", "x"));
    let text = |text: String| vec![text];
    let timeout = |seconds, nanos| {
        let timeout = Some(prost_types::Duration { seconds, nanos });
        Command::Emit(Emit { expect_replies: Some(ExpectReplies { timeout }), ..valid() })
    };
    let said = |change: fn(&mut Content)| {
        let mut emit = valid();
        change(emit.content.as_mut().unwrap());
        Command::Emit(emit)
    };
    let many = |count: u32| (0..count).map(|number| (format!("k{number:02}"), String::new())).collect();
    let long: BTreeMap<_, _> = [("key".to_owned(), "x".repeat(1022))].into();
    let headers = |headers: BTreeMap<String, String>| {
        let content = Content { headers, ..content("message", "x") };
        Command::Emit(Emit { content: Some(content), ..valid() })
    };
    let names = |count: usize| vec!["x".to_owned(); count];
    let join = |rooms| {
        Command::Join(Join { namespace: "chat".to_owned(), rooms, presence: false, ..Default::default() })
    };
    let part = |rooms| Command::Part(Part { namespace: "chat".to_owned(), rooms });
    let general = || text("general".to_owned());
    let commands = vec![
        ("delivery out of range", emit(Emit { delivery: 99, ..valid() })),
        ("delivery below its range", emit(Emit { delivery: -1, ..valid() })),
        ("no content", emit(Emit { content: None, ..valid() })),
        ("timeout of zero", timeout(0, 0)),
        ("negative timeout", timeout(-1, 0)),
        ("negative nanoseconds", timeout(1, -1)),
        ("timeout of an age", timeout(i64::MAX, 0)),
        ("timeout of a minute and a bit", timeout(60, 1)),
        ("two thousand million nanoseconds", timeout(1, 2_000_000_000)),
        ("17 headers", headers(many(17))),
        ("1025 bytes of headers", headers(long)),
        ("an empty key", headers([(String::new(), "x".to_owned())].into())),
        ("a line break in a header", headers([("k".to_owned(), "a\r\nb".to_owned())].into())),
        ("a long content type", said(|content| content.content_type = "x".repeat(129))),
        ("a content type with a line break", said(|content| content.content_type = "a\nb".to_owned())),
        ("no rooms to join", join(Vec::new())),
        ("65 rooms to join", join(names(65))),
        ("no rooms to part", part(Vec::new())),
        ("65 rooms to part", part(names(65))),
        ("65 rooms as target", target(Target { rooms: names(65), ..Target::default() })),
        ("257 users as target", target(Target { users: names(257), ..Target::default() })),
        ("no session id", target(Target { sessions: text("x".to_owned()), ..Target::default() })),
        ("everyone and a room", target(Target { everyone: true, rooms: general(), ..Target::default() })),
        ("any and all", target(Target { any_of: "x".to_owned(), everyone: true, ..Target::default() })),
        (
            "65 rooms left out",
            target(Target { everyone: true, except_rooms: names(65), ..Target::default() }),
        ),
    ];
    refuses(&node, commands, RefusalCode::Invalid).await;
}

/// Each kind of bad name, wherever a name goes. Names that only look odd are legal, and reach nobody else.
#[tokio::test]
async fn names_that_deceive_or_are_reserved_are_refused_wherever_they_stand() {
    let node = TestNode::start().await;
    let long = "x".repeat(129);
    let names = [
        "",
        &long,
        "$SYS.x",
        "_INBOX.x",
        " a",
        "a ",
        "a\r\nb",
        "a\0b",
        "a\u{202e}b",
        "a\u{200d}b",
        "\u{feff}a",
        "e\u{301}",
        "a\u{2028}b",
    ];
    let mut commands = Vec::new();
    for name in names {
        let own = || name.to_owned();
        let list = || vec![own()];
        let join = |namespace: &str, rooms| {
            Command::Join(Join {
                namespace: namespace.to_owned(),
                rooms,
                presence: false,
                ..Default::default()
            })
        };
        commands.extend([
            (name, Command::Enter(Enter { namespace: own() })),
            (name, Command::Leave(Leave { namespace: own() })),
            (name, join("chat", list())),
            (name, join("chat", vec!["good".to_owned(), own()])),
            (name, join(name, vec!["good".to_owned()])),
            (name, Command::Part(Part { namespace: "chat".to_owned(), rooms: list() })),
            (name, Command::Emit(Emit { namespace: own(), ..valid() })),
            (name, Command::Emit(emit_to(rooms(&["general"]), name, "x"))),
            (name, Command::Emit(emit_to(rooms(&["general", name]), "message", "x"))),
            (name, Command::Emit(emit_to(Target { users: list(), ..Target::default() }, "message", "x"))),
        ]);
        if !name.is_empty() {
            let any = Target { any_of: own(), ..Target::default() };
            commands.push((name, Command::Emit(emit_to(any, "message", "x"))));
        }
    }
    commands.push(("65 bytes", Command::Emit(emit_to(rooms(&["general"]), &"x".repeat(65), "x"))));
    refuses(&node, commands, RefusalCode::NameInvalid).await;
    assert_eq!(node.members("good").await, 0, "nothing was joined by halves");
}

#[tokio::test]
async fn names_that_only_look_odd_are_rooms_of_their_own() {
    let node = TestNode::with(|config| config.limits.node.rooms_created_per_minute = 10_000).await;
    let names = ["*", ">", "a.>", "..", "a b", "a.b", "a", "A", "é", "日本", "👋", "#", "/", "\\", "%00"];
    let mut bob = node.attach("bob").await;
    bob.join("chat", &names).await;
    let mut eve = node.member("eve", "general").await;
    let mut ann = node.attach("ann").await;
    ann.enter("chat").await.unwrap();
    for name in names {
        reached(&ann.emit(name, "message", name).await, 1);
        let event = bob.expect_event("message").await;
        assert_eq!(event.rooms, [name]);
    }
    bob.expect_nothing().await;
    eve.expect_nothing().await;
}

#[tokio::test]
async fn a_join_of_the_greeting_that_is_wrong_is_refused_alone() {
    let node = TestNode::start().await;
    let join = |room: &str| Join {
        namespace: "chat".to_owned(),
        rooms: vec![room.to_owned()],
        presence: false,
        ..Default::default()
    };
    let joins = vec![join("one"), join("$two"), join("three")];
    let mut ann = Talker::open_with(&node, Shape::Attach, Hello { joins, ..hello() }).await.unwrap();
    assert_eq!(ann.expect_joined().await.rooms[0].room, "one");
    assert_eq!(ann.expect_refused(0).await.code(), RefusalCode::NameInvalid);
    assert_eq!(ann.expect_joined().await.rooms[0].room, "three");
}

#[tokio::test]
async fn a_ref_that_does_not_rise_is_refused_and_has_no_effect() {
    let node = TestNode::start().await;
    for shape in BOTH {
        let mut bob = node.member("bob", "general").await;
        let mut ann = Talker::greet(&node, shape, "ann").await;
        ann.say(10, Command::Enter(Enter { namespace: "chat".to_owned() })).await;
        ann.answer(10).await;
        let before = node.refusals(RefusalCode::RefReused).await;
        let [words, room] = other();
        let again = [(20, valid()), (20, valid()), (15, valid()), (20, words), (20, room)];
        ann.say_all(again.map(|(reference, emit)| numbered(reference, emit)).into()).await;
        let first = ann.answer(20).await;
        assert!(matches!(first, Frame::Accepted(_)));
        assert_eq!(ann.answer(20).await, first, "it is answered as it was the first time");
        assert_eq!(ann.expect_refused(15).await.code(), RefusalCode::RefReused);
        for _ in other() {
            assert_eq!(ann.expect_refused(20).await.code(), RefusalCode::RefReused);
        }
        bob.expect_event("message").await;
        bob.expect_nothing().await;
        assert_eq!(node.refusals(RefusalCode::RefReused).await, before + 3);
        ann.say_all(vec![numbered(u32::MAX, valid())]).await;
        assert!(matches!(ann.answer(u32::MAX).await, Frame::Accepted(_)));
        // 0 asks for no answer and may come again and again.
        ann.say_all(vec![numbered(0, valid()), numbered(0, valid())]).await;
        for _ in 0..3 {
            bob.expect_event("message").await;
        }
    }
}

#[tokio::test]
async fn an_empty_target_is_refused_wherever_it_stands() {
    let node = TestNode::start().await;
    let commands = vec![
        ("no target", Command::Emit(Emit { target: None, ..valid() })),
        ("an empty target", Command::Emit(emit_to(Target::default(), "message", "x"))),
        (
            "exceptions alone",
            Command::Emit(emit_to(
                Target { except_rooms: vec!["x".to_owned()], include_sender: true, ..Target::default() },
                "message",
                "x",
            )),
        ),
    ];
    refuses(&node, commands, RefusalCode::TargetEmpty).await;
}

#[tokio::test]
async fn durations_of_a_call_are_checked_too() {
    let node = TestNode::start().await;
    let bob = node.member("bob", "general").await;
    for (seconds, nanos) in [(0, 0), (-1, 0), (0, -1), (61, 0), (i64::MIN, i32::MIN), (0, 2_000_000_000)] {
        let request = CallRequest {
            namespace: "chat".to_owned(),
            callee: Some(Callee::Session(bob.id())),
            content: Some(content("question", "?")),
            timeout: Some(prost_types::Duration { seconds, nanos }),
        };
        let status = node.messaging().await.call(request).await.unwrap_err();
        assert_status(&status, Code::InvalidArgument, "INVALID");
    }
    assert_eq!(node.refusals(RefusalCode::Invalid).await, 6);
}
