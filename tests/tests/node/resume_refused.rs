//! Who may take up a session: whoever has its secret, is its user and has credentials that hold now; one stream at a
//! time; and in time.

use std::{collections::BTreeSet, time::Duration};

use futures_util::future::join_all;
use rialto_proto::v1::{CloseCode, Hello, Join, ServerFrame, Then, server_frame::Frame};
use rialto_server::auth::Right;
use rialto_tests::{
    access::{AN_HOUR, demand_tokens, ended_token, forged_token, grant, token},
    asking::numbered,
    inspect::assert_status,
    node::{TestNode, end_with_streams, reached},
    over_both_shapes, over_both_shapes_with,
    resuming::Lost,
    talker::{Shape, Talker, emit_to, rooms, users},
};
use tonic::Code;

const BOTH: [Shape; 2] = [Shape::Attach, Shape::ListenAndPush];

fn joining(room: &str) -> Join {
    Join { namespace: "chat".to_owned(), rooms: vec![room.to_owned()], ..Join::default() }
}

async fn refused(node: &TestNode, lost: &Lost, code: Code, reason: &str) {
    let status = lost.try_resume(node).await.err().expect("it is refused");
    assert_status(&status, code, reason);
}

/// Says something to a room from outside, and returns how many heard of it.
/// Tells a room something; so many sessions are to hear it.
async fn tell(node: &TestNode, (room, sessions): (&str, u32), text: &str) {
    let mut bob = node.attach("bob").await;
    bob.enter("chat").await.unwrap();
    let accepted = bob.emit(room, "told", text).await;
    bob.bye().await;
    reached(&accepted, sessions);
}

#[tokio::test]
async fn whoever_has_not_the_secret_or_is_somebody_else_is_refused_and_the_session_goes_on() {
    over_both_shapes(async |node, shape| {
        let mut ann = node.greet(shape, "ann").await;
        ann.join("chat", &["general"]).await;
        let other = node.greet(shape, "ann").await;
        let lost = ann.lose(shape);
        tell(node, ("general", 1), "missed").await;

        let mut unlike = lost.hello.resume.clone().unwrap().session_secret;
        let last = unlike.pop().unwrap();
        unlike.push(if last == '0' { '1' } else { '0' });
        let theirs = other.welcome.session_secret.clone();
        for secret in [String::new(), "0".repeat(26), unlike, theirs] {
            let lost = lost.clone().with(|resume| resume.session_secret = secret.clone());
            refused(node, &lost, Code::PermissionDenied, "SESSION_UNKNOWN").await;
            // Not even when it would be content with a new one.
            let lost = lost.with(|resume| resume.afresh = true);
            refused(node, &lost, Code::PermissionDenied, "SESSION_UNKNOWN").await;
        }
        for user in ["bob", ""] {
            let mut lost = lost.clone();
            lost.hello.user = user.to_owned();
            refused(node, &lost, Code::PermissionDenied, "SESSION_UNKNOWN").await;
        }
        let mut ann = lost.resume(node).await;
        assert_eq!(ann.expect_text("told").await, "missed");
    })
    .await;
}

#[tokio::test]
async fn a_session_that_the_node_does_not_know_is_over() {
    over_both_shapes(async |node, shape| {
        let lost = node.greet(shape, "ann").await.lose(shape);
        for id in [String::new(), "nonsense".to_owned(), lost.id().replace(|_| true, "0")] {
            let lost = lost.clone().with(|resume| resume.session_id = id.clone());
            refused(node, &lost, Code::FailedPrecondition, "RESUME_LATE").await;
        }
        lost.resume(node).await.expect_nothing().await;
    })
    .await;
}

/// Assertion 52: after the window the session is over, and that is told.
#[tokio::test]
async fn after_the_window_it_is_too_late() {
    for shape in BOTH {
        let window = Duration::from_millis(50);
        let node = TestNode::with(|config| config.limits.session.resume_window = window).await;
        let mut ann = node.greet(shape, "ann").await;
        assert_eq!(Duration::try_from(ann.welcome.resume_window.unwrap()).unwrap(), window);
        ann.join("chat", &["general"]).await;
        let lost = ann.lose(shape);
        node.forgets(lost.id()).await;
        refused(&node, &lost, Code::FailedPrecondition, "RESUME_LATE").await;
        assert_eq!(node.members("general").await, 0);
        assert_eq!(node.metric("rialto_sessions_away").await, 0);
        assert_eq!(node.metric("rialto_sessions_closed_total{code=\"SESSION_LOST\"}").await, 1);
    }
}

#[tokio::test]
async fn without_a_window_a_session_ends_with_its_stream() {
    over_both_shapes_with(end_with_streams, async |node, shape| {
        let lost = node.greet(shape, "ann").await.lose(shape);
        node.forgets(lost.id()).await;
        refused(node, &lost, Code::FailedPrecondition, "RESUME_LATE").await;
    })
    .await;
}

/// Who asks for it gets a new session in place of one that is over, and then the joins of the greeting are carried out.
#[tokio::test]
async fn a_client_that_begins_afresh_gets_a_new_session_and_its_joins() {
    over_both_shapes(async |node, shape| {
        let mut ann = node.greet(shape, "ann").await;
        ann.join("chat", &["general"]).await;
        let mut lost = ann.lose(shape).with(|resume| resume.afresh = true);
        lost.hello.joins = vec![joining("other"), joining("more")];

        // It goes on, so nothing is joined.
        let ann = lost.resume(node).await;
        let held = |session: rialto_proto::v1::Session| session.memberships[0].rooms.clone();
        assert_eq!(held(node.session(&ann.id()).await.unwrap()), ["general"]);

        // It cannot go on after that number: the old one is over at once, though its stream is not lost.
        let beyond = lost.clone().after(1_000);
        let mut new = beyond.try_resume(node).await.unwrap();
        assert!(!new.welcome.resumed && new.welcome.session_id != lost.id());
        assert_eq!((new.welcome.last_ref, new.welcome.pushed_seq), (0, 0));
        for room in ["other", "more"] {
            assert_eq!(new.expect_joined().await.rooms[0].room, room);
        }
        assert_eq!(held(node.session(&new.id()).await.unwrap()), ["more", "other"]);
        let mut ann = ann;
        let close = ann.expect_close().await;
        assert_eq!((close.code(), close.then()), (CloseCode::SessionLost, Then::Reconnect));
        node.forgets(lost.id()).await;

        let mut newer = lost.try_resume(node).await.unwrap();
        assert!(!newer.welcome.resumed && newer.welcome.session_id != lost.id());
        newer.expect_joined().await;
        assert_eq!(node.members("other").await, 2);
    })
    .await;
}

/// Assertions 53 and 54: who comes back is asked for credentials as if it were new, and gets nothing without them.
#[tokio::test]
async fn who_comes_back_without_valid_credentials_gets_nothing() {
    for shape in BOTH {
        let node = TestNode::with(demand_tokens).await;
        let all = || vec![grant("*", &["*"], &Right::ALL)];
        let mut ann = Talker::greet_with(&node, shape, &token("ann", AN_HOUR, all())).await.unwrap();
        ann.join("chat", &["general"]).await;
        let mut bob = Talker::greet_with(&node, Shape::Attach, &token("bob", AN_HOUR, all())).await.unwrap();
        bob.enter("chat").await.unwrap();
        bob.emit("general", "told", "missed").await;

        let lost = ann.lose(shape);
        for bad in [ended_token("ann", all()), forged_token("ann", all()), String::new()] {
            refused(&node, &lost.clone().with_token(&bad), Code::Unauthenticated, "UNAUTHENTICATED").await;
        }
        let theirs = lost.clone().with_token(&token("bob", AN_HOUR, all()));
        refused(&node, &theirs, Code::PermissionDenied, "SESSION_UNKNOWN").await;

        let mut ann = lost.with_token(&token("ann", AN_HOUR, all())).resume(&node).await;
        assert_eq!(ann.expect_text("told").await, "missed");
        ann.expect_nothing().await;
    }
}

/// Assertion 54: what the new token does not allow any more ends with the resumption, and that is told.
#[tokio::test]
async fn a_room_that_may_not_be_joined_any_more_is_parted() {
    for shape in BOTH {
        let node = TestNode::with(demand_tokens).await;
        let all = || vec![grant("*", &["*"], &Right::ALL)];
        let mut ann = Talker::greet_with(&node, shape, &token("ann", AN_HOUR, all())).await.unwrap();
        ann.join("chat", &["blue", "red", "rose"]).await;
        ann.join("default", &["red"]).await;
        let mut bob = Talker::greet_with(&node, Shape::Attach, &token("bob", AN_HOUR, all())).await.unwrap();
        bob.enter("chat").await.unwrap();

        let lost = ann.lose(shape);
        let less = vec![grant("chat", &["blue"], &[Right::Join, Right::Emit])];
        let mut ann = lost.with_token(&token("ann", AN_HOUR, less)).resume(&node).await;
        let Frame::Parted(mut parted) = ann.expect_notice().await else { panic!("rooms are parted") };
        parted.rooms.sort_unstable();
        assert_eq!(
            (parted.namespace.as_str(), parted.rooms),
            ("chat", vec!["red".to_owned(), "rose".to_owned()])
        );
        let Frame::Parted(parted) = ann.expect_notice().await else { panic!("rooms are parted") };
        assert_eq!((parted.namespace.as_str(), parted.rooms), ("default", vec!["red".to_owned()]));
        let Frame::Left(left) = ann.expect_notice().await else { panic!("the namespace is left") };
        assert_eq!(left.namespace, "default");

        reached(&bob.emit("red", "told", "").await, 0);
        reached(&bob.emit("blue", "told", "").await, 1);
        ann.expect_event("told").await;
        ann.emit("blue", "fine", "").await;
        ann.try_emit(emit_to(rooms(&["red"]), "not fine", "")).await.unwrap_err();
    }
}

/// The token with which a session came back is the one that counts from then on.
#[tokio::test]
async fn the_token_of_the_resumption_is_in_force() {
    let brief = Duration::from_secs(2);
    let node = TestNode::with(demand_tokens).await;
    let all = || vec![grant("*", &["*"], &Right::ALL)];
    join_all(BOTH.map(async |shape| {
        let greet = async |lifetime| {
            Talker::greet_with(&node, shape, &token("ann", lifetime, all())).await.expect("it holds")
        };
        let (prolonged, shortened) = (greet(brief).await.lose(shape), greet(AN_HOUR).await.lose(shape));
        let mut prolonged = prolonged.with_token(&token("ann", AN_HOUR, all())).resume(&node).await;
        let mut shortened = shortened.with_token(&token("ann", brief, all())).resume(&node).await;
        assert_eq!(shortened.expect_close().await.code(), CloseCode::TokenExpired);
        prolonged.expect_nothing().await;
    }))
    .await;
}

/// Assertion 55: two streams of one session: the newer one goes on, and the older one is told.
#[tokio::test]
async fn a_newer_stream_replaces_the_older_one_which_is_told() {
    for before in BOTH {
        for after in BOTH {
            let node = TestNode::start().await;
            let mut old = node.greet(before, "ann").await;
            old.join("chat", &["general"]).await;
            let mut new = old.remember(after).resume(&node).await;
            let close = old.expect_close().await;
            assert_eq!((close.code(), close.then()), (CloseCode::Replaced, Then::StayAway));
            assert_status(&old.end().await.unwrap_err(), Code::Aborted, "REPLACED");
            drop(old);
            tell(&node, ("general", 1), "new").await;
            assert_eq!(new.expect_text("told").await, "new");
            assert_eq!(node.metric("rialto_sessions").await, 1);
            assert_eq!(node.metric("rialto_sessions_away").await, 0);
            new.bye().await;
        }
    }
}

/// Assertion 55: of many that come back at once exactly one lives, and gets everything once.
#[tokio::test]
async fn of_many_that_come_back_at_once_exactly_one_lives() {
    over_both_shapes(async |node, shape| {
        let mut ann = node.greet(shape, "ann").await;
        ann.join("chat", &["general"]).await;
        let lost = ann.lose(shape);
        tell(node, ("general", 1), "missed").await;

        let streams = join_all((0..10).map(|_| lost.try_resume(node))).await;
        tell(node, ("general", 1), "new").await;
        let mut living = 0;
        for stream in streams {
            let mut stream = stream.expect("each of them is right");
            let mut told = Vec::new();
            loop {
                match stream.next().await {
                    Some(ServerFrame { frame: Some(Frame::Event(event)), .. }) => {
                        told.push(rialto_tests::talker::text(&event));
                    }
                    Some(ServerFrame { frame: Some(Frame::Close(close)), .. }) => {
                        assert_eq!(close.code(), CloseCode::Replaced);
                        assert!(told.is_empty() || told == ["missed"], "{told:?}");
                        break;
                    }
                    other => panic!("{other:?}"),
                }
                if told == ["missed", "new"] {
                    living += 1;
                    stream.expect_nothing().await;
                    break;
                }
            }
        }
        assert_eq!(living, 1);
        assert_eq!(node.metric("rialto_sessions").await, 1);
    })
    .await;
}

/// What the older stream says is not heard any more as soon as the newer one was welcomed: what its `Welcome` says was
/// taken is all that was taken.
#[tokio::test]
async fn nothing_of_the_older_stream_is_carried_out_after_the_welcome_of_the_newer_one() {
    let node = TestNode::start().await;
    let mut bob = node.member("bob", "general").await;
    for _ in 0..10 {
        let mut old = node.attach("ann").await;
        old.enter("chat").await.unwrap();
        let lost = old.remember(Shape::Attach);
        let emit = |number: u32| numbered(number, emit_to(rooms(&["general"]), "said", &number.to_string()));
        let flood = async {
            let mut number = 1;
            while old.try_say((number + 1..number + 20).map(emit).collect()).await {
                number += 19;
                tokio::task::yield_now().await;
            }
        };
        let resumed = async {
            // Some of it was taken.
            bob.expect_event("said").await;
            lost.resume(&node).await
        };
        let ((), mut new) = tokio::join!(flood, resumed);
        let taken = new.welcome.last_ref;
        new.say_all(vec![numbered(taken + 1, emit_to(rooms(&["general"]), "mark", ""))]).await;
        new.answer(taken + 1).await;
        for number in 3..=taken {
            assert_eq!(bob.expect_text("said").await, number.to_string());
        }
        bob.expect_event("mark").await;
        new.bye().await;
    }
}

/// A session that was ended is over at once, whether its stream was there or not.
#[tokio::test]
async fn who_was_disconnected_or_said_bye_cannot_come_back() {
    over_both_shapes(async |node, shape| {
        let mut ann = node.greet(shape, "ann").await;
        ann.join("chat", &["general"]).await;
        let lost = ann.remember(shape);
        ann.bye().await;
        refused(node, &lost, Code::FailedPrecondition, "RESUME_LATE").await;
        assert_eq!(node.members("general").await, 0);

        let mut ann = node.greet(shape, "ann").await;
        ann.join("chat", &["general"]).await;
        let lost = ann.lose(shape);
        node.misses(&lost).await;
        let mut operator = node.operator().await;
        assert_eq!(operator.disconnect(users(&["ann"]), "out", Then::StayAway).await.unwrap(), 1);
        assert_eq!(node.members("general").await, 0);
        refused(node, &lost, Code::FailedPrecondition, "RESUME_LATE").await;
        assert_eq!(node.metric("rialto_sessions_away").await, 0);
    })
    .await;
}

/// Taking up sessions has a rate of its own, so that many who come back do not keep new ones out, nor the other way.
#[tokio::test]
async fn coming_back_has_a_rate_of_its_own() {
    let node = TestNode::with(|config| config.limits.node.resumes_per_second = 2).await;
    let lost = node.attach("ann").await.lose(Shape::Attach);
    let mut users = BTreeSet::new();
    let limited = loop {
        match lost.try_resume(&node).await {
            Ok(_) => assert!(users.len() < 1_000),
            Err(status) => break status,
        }
        users.insert(node.attach(&format!("user {}", users.len())).await.id());
    };
    assert_status(&limited, Code::ResourceExhausted, "RATE_LIMITED");
    let hello = Hello { user: "new".to_owned(), ..Hello::default() };
    Talker::open_with(&node, Shape::Attach, hello).await.unwrap();
}
