//! Sessions without a stream, as others see them: members still, for as long as their window, and no longer than the
//! node lives; what waits for them is bounded.

use std::{collections::BTreeMap, time::Duration};

use rialto_proto::v1::{
    CallRequest, CloseCode, Hello, Member, RefusalCode, ServerFrame, Target, call_request::Callee,
    reply_item, server_frame::Frame,
};
use rialto_server::base::config::{BehindPolicy, Config};
use rialto_tests::{
    asking::asking,
    eventually,
    inspect::assert_status,
    node::{TestNode, is_alone, reached},
    over_both_shapes, reason,
    resuming::Lost,
    talker::{Shape, Talker, content, duration, emit_to, rooms},
    within,
};
use tonic::Code;

const BOTH: [Shape; 2] = [Shape::Attach, Shape::ListenAndPush];
const LONG: Duration = Duration::from_secs(60);

async fn late(node: &TestNode, lost: &Lost) {
    let status = lost.try_resume(node).await.err().expect("it is over");
    assert_status(&status, Code::FailedPrecondition, "RESUME_LATE");
}

/// Who is in a room of `chat`, and whether they are away.
async fn seen(node: &TestNode, room: &str) -> BTreeMap<String, bool> {
    let members = node.operator().await.members(room, 100, "").await.unwrap().members;
    members.into_iter().map(|member| (name(&member), member.away)).collect()
}

fn name(member: &Member) -> String {
    member.who.as_ref().expect("a name").user.clone()
}

/// The answer to a question.
fn text(body: &str) -> Option<reply_item::Body> {
    Some(reply_item::Body::Text(body.to_owned()))
}

/// Members see who is away and who is back; whoever is away is a member until its window is over.
#[tokio::test]
async fn who_is_away_is_a_member_and_others_see_that_it_is_away() {
    over_both_shapes(async |node, shape| {
        let mut bob = node.attach("bob").await;
        bob.try_join("chat", &["red"], true).await.unwrap();
        let mut eve = node.member("eve", "red").await;
        bob.expect_presence("red").await;
        let attributes = BTreeMap::from([("name".to_owned(), "ANN".to_owned())]);
        let hello = Hello { user: "ann".to_owned(), attributes: attributes.clone(), ..Hello::default() };
        let mut ann = Talker::open_with(node, shape, hello).await.unwrap();
        ann.join("chat", &["red", "blue"]).await;
        assert!(!bob.expect_presence("red").await.joined[0].away);

        let lost = ann.lose(shape);
        let went = bob.expect_presence("red").await;
        assert_eq!((went.member_count, went.joined.len(), went.left.len()), (3, 1, 0));
        assert_eq!((name(&went.joined[0]).as_str(), went.joined[0].away), ("ann", true));
        assert_eq!(went.joined[0].attributes, attributes);
        let away = [("ann", true), ("bob", false), ("eve", false)];
        assert_eq!(seen(node, "red").await, away.map(|(name, away)| (name.to_owned(), away)).into());
        let joined = bob.try_join("chat", &["blue"], true).await.unwrap();
        let members = &joined.rooms[0].members;
        assert!(members.iter().all(|member| member.away == (name(member) == "ann")), "{members:?}");

        let mut ann = lost.resume(node).await;
        for room in ["blue", "red"] {
            let back = bob.first_that(
                |frame| matches!(&frame.frame, Some(Frame::Presence(presence)) if presence.room == room),
            );
            let Some(Frame::Presence(back)) = back.await.frame else { unreachable!() };
            assert_eq!((back.joined.len(), back.left.len()), (1, 0));
            assert!(!back.joined[0].away);
        }
        assert!(!seen(node, "red").await["ann"]);
        ann.expect_nothing().await;
        bob.expect_nothing().await;
        eve.expect_nothing().await;
    })
    .await;
}

#[tokio::test]
async fn who_does_not_come_back_leaves_its_rooms_when_its_window_is_over() {
    for shape in BOTH {
        let node =
            TestNode::with(|config| config.limits.session.resume_window = Duration::from_millis(100)).await;
        let mut bob = node.attach("bob").await;
        bob.try_join("chat", &["red"], true).await.unwrap();
        let mut ann = node.greet(shape, "ann").await;
        ann.join("chat", &["red"]).await;
        bob.expect_presence("red").await;
        let lost = ann.lose(shape);
        assert!(bob.expect_presence("red").await.joined[0].away);
        let left = bob.expect_presence("red").await;
        assert_eq!((left.member_count, left.left.len()), (1, 1));
        assert_eq!(left.left[0].session, lost.id());
        late(&node, &lost).await;
        assert_eq!(node.metric("rialto_sessions").await, 1);
        assert_eq!(node.metric("rialto_sessions_away").await, 0);
    }
}

/// Whoever comes back in time begins a new window with the next loss.
#[tokio::test]
async fn a_session_that_came_back_has_its_whole_window_again() {
    let node = TestNode::with(|config| config.limits.session.resume_window = Duration::from_secs(1)).await;
    let mut lost = node.member("ann", "red").await.lose(Shape::Attach);
    let started = tokio::time::Instant::now();
    while started.elapsed() < Duration::from_millis(1_500) {
        node.misses(&lost).await;
        lost = lost.resume(&node).await.lose(Shape::Attach);
    }
    let mut ann = lost.resume(&node).await;
    // Nothing of an earlier window is left to end it.
    eventually("the end of all windows", async || started.elapsed() > Duration::from_millis(2_700)).await;
    ann.expect_nothing().await;
    assert_eq!(node.metric("rialto_sessions_away").await, 0);
}

/// Who opens one session more than its user may have takes the place of one that is away, the longest one first.
#[tokio::test]
async fn at_the_limit_of_a_user_one_that_is_away_gives_way() {
    over_both_shapes_of(3, async |node, shape| {
        let lost: Vec<Lost> = {
            let mut lost = Vec::new();
            for _ in 0..2 {
                let one = node.greet(shape, "ann").await.lose(shape);
                node.misses(&one).await;
                lost.push(one);
            }
            lost
        };
        let mut present = vec![node.greet(shape, "ann").await];
        for one in &lost {
            assert!(node.session(one.id()).await.is_some(), "there was a place");
            present.push(node.greet(shape, "ann").await);
            late(node, one).await;
        }
        let hello = Hello { user: "ann".to_owned(), ..Hello::default() };
        let status = Talker::open_with(node, shape, hello).await.err().unwrap();
        assert_eq!(reason(&status), "LIMIT_REACHED");
        // Others do not make room for it.
        let other = node.greet(shape, "bob").await.lose(shape);
        node.misses(&other).await;
        let hello = Hello { user: "ann".to_owned(), ..Hello::default() };
        Talker::open_with(node, shape, hello).await.err().unwrap();
        other.resume(node).await;
        for mut one in present {
            one.expect_nothing().await;
        }
    })
    .await;
}

async fn over_both_shapes_of(sessions_per_user: u32, scenario: impl AsyncFn(&TestNode, Shape)) {
    let change = |config: &mut Config| config.limits.node.sessions_per_user_max = sessions_per_user;
    rialto_tests::over_both_shapes_with(change, scenario).await;
}

/// What waits for a session that is away is bounded like what is held for it; the rest is dropped, counted and told.
#[tokio::test]
async fn what_waits_for_who_is_away_is_bounded_and_the_rest_is_told() {
    const WAITING: u32 = 64;
    const SAID: u32 = 200;
    for policy in [BehindPolicy::Close, BehindPolicy::Drop] {
        let node = TestNode::with(|config| {
            config.limits.session.outbox_frames_max = 16;
            config.limits.session.replay_frames_max = WAITING;
            config.namespaces.iter_mut().for_each(|namespace| namespace.settings.falling_behind = policy);
        })
        .await;
        let mut bob = node.attach("bob").await;
        bob.enter("chat").await.unwrap();
        let lost = node.member("ann", "general").await.lose(Shape::Attach);
        node.misses(&lost).await;
        let mut reached = 0;
        for number in 0..SAID {
            reached += bob.emit("general", "said", &number.to_string()).await.recipients_here;
            let waiting = node.session(lost.id()).await.expect("it is not ended for that");
            assert!(waiting.outbox_frames <= WAITING, "{} frames wait", waiting.outbox_frames);
        }
        if is_alone() {
            assert_eq!(reached, WAITING);
        }
        assert_eq!(node.metric("rialto_drops_total{cause=\"behind\"}").await, u64::from(SAID - WAITING));
        assert_eq!(node.metric("rialto_sessions_behind_total").await, 0, "there was no stream to end");

        let mut ann = lost.resume(&node).await;
        for number in 0..WAITING {
            assert_eq!(ann.expect_text("said").await, number.to_string());
        }
        let Frame::Missed(missed) = ann.expect_notice().await else { panic!("the rest is told") };
        assert_eq!(
            (missed.rooms.as_slice(), missed.count),
            (["general".to_owned()].as_slice(), SAID - WAITING)
        );
        bob.emit("general", "said", "new").await;
        assert_eq!(ann.expect_text("said").await, "new");
        ann.expect_nothing().await;
    }
}

/// Nobody waits for a receiver that is away: a sender is as fast as if there were none.
#[tokio::test]
async fn a_sender_does_not_pause_for_who_is_away() {
    let node = TestNode::with(|config| config.limits.session.replay_frames_max = 64).await;
    let lost = node.member("ann", "general").await.lose(Shape::Attach);
    node.misses(&lost).await;
    let mut bob = node.listen("bob").await;
    bob.enter("chat").await.unwrap();
    let emits = (0..200).map(|_| rialto_tests::asking::numbered(0, emit_to(rooms(&["general"]), "said", "")));
    // A sender that is to pause is told so by a push that is taken in part; this one is taken whole.
    bob.say_all(emits.collect()).await;
    bob.expect_nothing().await;
}

/// A session whose answers find no place any more while it is away is over.
#[tokio::test]
async fn who_pushes_without_ever_listening_is_held_back() {
    let node = TestNode::with(|config| {
        config.limits.session.outbox_frames_max = 16;
        config.limits.session.replay_frames_max = 32;
    })
    .await;
    let mut ann = node.listen("ann").await;
    ann.enter("chat").await.unwrap();
    let mut lost = ann.lose(Shape::ListenAndPush);
    node.misses(&lost).await;
    let ping = |number| rialto_proto::v1::ClientFrame {
        r#ref: number,
        command: Some(rialto_proto::v1::client_frame::Command::Ping(rialto_proto::v1::Ping {})),
    };
    let refused = within("a refusal", async {
        let mut number = 10;
        loop {
            number += 1;
            if let Err(status) = lost.push(&node, vec![ping(number)]).await {
                break status;
            }
            assert!(number < 100);
        }
    });
    assert_status(&refused.await, Code::ResourceExhausted, "RATE_LIMITED");
    assert!(node.session(lost.id()).await.unwrap().outbox_frames <= 64);
    let mut ann = lost.resume(&node).await;
    assert!(matches!(ann.next().await, Some(ServerFrame { r#ref: 11, frame: Some(Frame::Pong(_)) })));
}

/// A question waits for a receiver that is away, and is answered when it is back.
#[tokio::test]
async fn a_question_to_who_is_away_is_answered_when_it_is_back() {
    over_both_shapes(async |node, shape| {
        let mut ann = node.member("ann", "other").await;
        let mut bob = node.greet(shape, "bob").await;
        bob.join("chat", &["general"]).await;
        let lost = bob.lose(shape);
        node.misses(&lost).await;
        let (asked, accepted) =
            ann.ask_for_replies(emit_to(rooms(&["general"]), "question", "?"), LONG).await;
        reached(&accepted, 1);
        ann.expect_nothing().await;

        let mut bob = lost.resume(node).await;
        let question = bob.expect_event("question").await;
        bob.reply(&question, "yes").await;
        assert_eq!(ann.expect_reply(asked).await.body, text("yes"));
        assert_eq!(ann.expect_done(asked).await.answered, 1);
    })
    .await;
}

#[tokio::test]
async fn a_call_to_who_is_away_is_answered_when_it_is_back() {
    over_both_shapes(async |node, shape| {
        let mut bob = node.greet(shape, "bob").await;
        bob.enter("chat").await.unwrap();
        let lost = bob.lose(shape);
        node.misses(&lost).await;
        let request = CallRequest {
            namespace: "chat".to_owned(),
            callee: Some(Callee::Session(lost.id().to_owned())),
            content: Some(content("question", "?")),
            timeout: Some(duration(LONG)),
        };
        let mut stub = node.messaging().await;
        let (answer, ()) = tokio::join!(within("an answer", stub.call(request)), async {
            eventually("a call that waits", async || node.metric("rialto_replies_outstanding").await == 1)
                .await;
            let mut bob = lost.resume(node).await;
            let question = bob.expect_event("question").await;
            bob.reply(&question, "yes").await;
            bob.expect_nothing().await;
        });
        assert_eq!(answer.unwrap().into_inner().reply.unwrap().body, text("yes"));
    })
    .await;
}

/// A question to somebody who never comes back ends with the window.
#[tokio::test]
async fn a_question_to_who_never_comes_back_ends_with_its_window() {
    let node =
        TestNode::with(|config| config.limits.session.resume_window = Duration::from_millis(200)).await;
    let mut ann = node.attach("ann").await;
    ann.enter("chat").await.unwrap();
    let lost = node.member("bob", "general").await.lose(Shape::Attach);
    let (asked, accepted) = ann.ask_for_replies(emit_to(rooms(&["general"]), "question", "?"), LONG).await;
    reached(&accepted, 1);
    let done = ann.expect_done(asked).await;
    assert_eq!((done.answered, done.missing_count, done.timed_out), (0, 1, false));
    assert!(done.missing[0].left);
    late(&node, &lost).await;
}

/// An asker that is away gets its answers when it is back.
#[tokio::test]
async fn an_asker_that_is_away_gets_its_answers_when_it_is_back() {
    over_both_shapes(async |node, shape| {
        let mut bob = node.member("bob", "general").await;
        let mut eve = node.member("eve", "general").await;
        let mut ann = node.greet(shape, "ann").await;
        ann.enter("chat").await.unwrap();
        let (asked, _) = ann.ask_for_replies(emit_to(rooms(&["general"]), "question", "?"), LONG).await;
        let (of_bob, of_eve) = (bob.expect_event("question").await, eve.expect_event("question").await);
        let lost = ann.lose(shape);
        node.misses(&lost).await;
        bob.reply(&of_bob, "yes").await;
        bob.expect_nothing().await;

        let mut ann = lost.resume(node).await;
        assert_eq!(ann.expect_reply(asked).await.body, text("yes"));
        eve.reply(&of_eve, "no").await;
        assert_eq!(ann.expect_reply(asked).await.body, text("no"));
        assert_eq!(ann.expect_done(asked).await.answered, 2);
        ann.expect_nothing().await;
    })
    .await;
}

/// An asker that never comes back asks nothing any more.
#[tokio::test]
async fn the_questions_of_an_asker_that_never_comes_back_are_given_up() {
    let node =
        TestNode::with(|config| config.limits.session.resume_window = Duration::from_millis(100)).await;
    let mut bob = node.member("bob", "general").await;
    let mut ann = node.attach("ann").await;
    ann.enter("chat").await.unwrap();
    let question = asking(emit_to(rooms(&["general"]), "question", "?"), LONG);
    ann.try_emit(question).await.unwrap();
    let event = bob.expect_event("question").await;
    drop(ann);
    eventually("the end of the wait", async || node.metric("rialto_replies_outstanding").await == 0).await;
    bob.reply(&event, "to nobody").await;
    assert_eq!(bob.expect_refused(0).await.code(), RefusalCode::ReplyUnknown);
}

/// A node that stops does not wait for those who are away: they cannot come back to it.
#[tokio::test]
async fn a_node_that_stops_gives_up_who_is_away() {
    if !is_alone() {
        return;
    }
    let node = TestNode::with(|config| config.stop.drain = Duration::from_secs(600)).await;
    for shape in BOTH {
        let mut ann = node.greet(shape, "ann").await;
        ann.join("chat", &["general"]).await;
        let lost = ann.lose(shape);
        node.misses(&lost).await;
    }
    node.stop().await;
}

/// The same for those who lose their streams, or go, while it stops.
#[tokio::test]
async fn who_loses_its_stream_while_the_node_stops_is_not_waited_for() {
    if !is_alone() {
        return;
    }
    let node = TestNode::with(|config| config.stop.drain = Duration::from_secs(600)).await;
    let mut ann = node.attach("ann").await;
    let mut bob = node.listen("bob").await;
    let (lost, ()) = tokio::join!(
        async {
            let drain = |frame: Option<ServerFrame>| {
                matches!(frame, Some(ServerFrame { frame: Some(Frame::Drain(_)), .. }))
            };
            assert!(drain(ann.next().await) && drain(bob.next().await));
            assert_eq!(bob.bye().await.code(), CloseCode::Bye);
            ann.lose(Shape::Attach)
        },
        node.stop()
    );
    drop(lost);
}

/// Any one member is somebody who is there, as long as somebody is.
#[tokio::test]
async fn an_event_for_any_one_member_reaches_who_is_there_before_who_is_away() {
    let node = TestNode::start().await;
    for user in ["one", "two", "three"] {
        let lost = node.member(user, "work").await.lose(Shape::Attach);
        node.misses(&lost).await;
    }
    let mut here = node.member("here", "work").await;
    let mut boss = node.member("boss", "work").await;
    let target = || Target { any_of: "work".to_owned(), ..Target::default() };
    for _ in 0..20 {
        let accepted = boss.try_emit(emit_to(target(), "task", "1")).await.unwrap();
        reached(&accepted, 1);
    }
    assert_eq!(here.events_until_now().await.len(), 20);
}
