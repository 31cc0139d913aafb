//! A session outlives its stream: what was missed comes in order and once, and what was taken is not carried out again.

use std::{collections::BTreeMap, time::Duration};

use rialto_proto::v1::{Content, Emit, Event, Hello, Join, RefusalCode, content, server_frame::Frame};
use rialto_tests::{
    asking::{asking, numbered},
    inspect::assert_status,
    node::TestNode,
    over_both_shapes,
    talker::{Shape, Talker, emit_to, rooms, text},
};
use tonic::Code;

const BOTH: [Shape; 2] = [Shape::Attach, Shape::ListenAndPush];
const LONG: Duration = Duration::from_secs(60);

fn joining(room: &str) -> Join {
    Join { namespace: "chat".to_owned(), rooms: vec![room.to_owned()], ..Join::default() }
}

/// A member of `general` whose greeting brought it there: its first two frames are `Welcome` and `Joined`.
async fn member(node: &TestNode, shape: Shape, user: &str) -> Talker {
    let attributes = BTreeMap::from([("name".to_owned(), user.to_uppercase())]);
    let hello =
        Hello { user: user.to_owned(), attributes, joins: vec![joining("general")], ..Hello::default() };
    let mut member = Talker::open_with(node, shape, hello).await.expect("the node greets");
    member.expect_joined().await;
    member
}

/// Somebody who says what is counted.
async fn speaker(node: &TestNode) -> Talker {
    let mut bob = node.attach("bob").await;
    bob.enter("chat").await.unwrap();
    bob
}

async fn count(speaker: &mut Talker, numbers: std::ops::RangeInclusive<u32>) {
    for number in numbers {
        speaker.emit("general", "count", &number.to_string()).await;
    }
}

async fn expect_count(talker: &mut Talker, numbers: std::ops::RangeInclusive<u32>) {
    for number in numbers {
        assert_eq!(talker.expect_text("count").await, number.to_string());
    }
}

fn said(text: &str) -> Emit {
    emit_to(rooms(&["general"]), "said", text)
}

/// Assertion 50: a stream that is lost and taken up within the window: same id, same rooms, same attributes; what was
/// missed comes in order and each once.
#[tokio::test]
async fn a_session_goes_on_where_its_stream_was_lost() {
    for before in BOTH {
        for after in BOTH {
            let node = TestNode::start().await;
            let mut bob = speaker(&node).await;
            let mut ann = member(&node, before, "ann").await;
            count(&mut bob, 1..=3).await;
            expect_count(&mut ann, 1..=2).await;
            let was = node.session(&ann.id()).await.unwrap();

            let lost = ann.lose(after);
            node.misses(&lost).await;
            assert_eq!(node.metric("rialto_sessions_away").await, 1);
            count(&mut bob, 4..=6).await;
            let mut ann = lost.resume(&node).await;

            expect_count(&mut ann, 3..=6).await;
            ann.expect_nothing().await;
            let is = node.session(&ann.id()).await.unwrap();
            assert_eq!((is.member, is.memberships, is.since), (was.member, was.memberships, was.since));
            assert_eq!(node.metric("rialto_sessions_away").await, 0);
            assert_eq!(node.metric("rialto_sessions_resumed_total").await, 1);

            count(&mut bob, 7..=7).await;
            expect_count(&mut ann, 7..=7).await;
            ann.emit("general", "back", "").await;
            ann.part("chat", &["general"]).await;
        }
    }
}

/// Assertion 51: the same when nothing of the stream was ever received, not even its greeting.
#[tokio::test]
async fn a_client_that_has_received_nothing_gets_everything() {
    over_both_shapes(async |node, shape| {
        let mut bob = speaker(node).await;
        let ann = member(node, shape, "ann").await;
        count(&mut bob, 1..=3).await;
        let (id, lost) = (ann.id(), ann.lose(shape).after(0));

        let mut ann = lost.resume(node).await;
        let Frame::Welcome(first) = ann.expect_notice().await else { panic!("its greeting comes first") };
        assert_eq!((first.session_id, first.resumed), (id, false));
        ann.expect_joined().await;
        expect_count(&mut ann, 1..=3).await;
        ann.expect_nothing().await;
    })
    .await;
}

/// Assertion 51: a client may go on after any frame that it has seen, and nothing that came after it is altered.
#[tokio::test]
async fn a_client_goes_on_after_any_number() {
    over_both_shapes(async |node, shape| {
        let mut bob = speaker(node).await;
        let mut ann = member(node, shape, "ann").await;
        count(&mut bob, 1..=10).await;
        expect_count(&mut ann, 1..=10).await;
        let lost = ann.lose(shape);
        // `Welcome` and `Joined` are 1 and 2.
        assert_eq!(lost.seq(), 12);
        for seq in 2..=12 {
            let mut ann = lost.clone().after(seq).resume(node).await;
            expect_count(&mut ann, seq - 1..=10).await;
        }
        // It has said that it knows those before.
        let status = lost.clone().after(5).try_resume(node).await.err().unwrap();
        assert_status(&status, Code::OutOfRange, "POSITION_GONE");
    })
    .await;
}

/// What was seen is not held any longer, and cannot be asked for again.
#[tokio::test]
async fn what_was_seen_is_given_up() {
    over_both_shapes(async |node, shape| {
        let mut bob = speaker(node).await;
        let mut ann = member(node, shape, "ann").await;
        count(&mut bob, 1..=10).await;
        expect_count(&mut ann, 1..=10).await;
        ann.confirm(7).await;

        let lost = ann.lose(shape);
        let status = lost.clone().after(6).try_resume(node).await.err().unwrap();
        assert_status(&status, Code::OutOfRange, "POSITION_GONE");
        let mut ann = lost.after(7).resume(node).await;
        expect_count(&mut ann, 6..=10).await;
    })
    .await;
}

#[tokio::test]
async fn a_number_that_was_never_given_is_refused_and_the_session_goes_on() {
    over_both_shapes(async |node, shape| {
        let ann = member(node, shape, "ann").await;
        let lost = ann.lose(shape);
        for seq in [lost.seq() + 1, u32::MAX] {
            let status = lost.clone().after(seq).try_resume(node).await.err().unwrap();
            assert_status(&status, Code::OutOfRange, "POSITION_GONE");
        }
        lost.resume(node).await.expect_nothing().await;
    })
    .await;
}

/// What is held for a client that never says what it has seen is bounded.
#[tokio::test]
async fn only_so_many_frames_are_held_and_older_ones_are_gone() {
    for shape in BOTH {
        let node = TestNode::with(|config| config.limits.session.replay_frames_max = 20).await;
        let mut bob = speaker(&node).await;
        let mut ann = member(&node, shape, "ann").await;
        for number in 1..=50 {
            count(&mut bob, number..=number).await;
            expect_count(&mut ann, number..=number).await;
        }
        let lost = ann.lose(shape);
        assert_eq!(lost.seq(), 52);
        let status = lost.clone().after(52 - 21).try_resume(&node).await.err().unwrap();
        assert_status(&status, Code::OutOfRange, "POSITION_GONE");
        let mut ann = lost.after(52 - 20).resume(&node).await;
        expect_count(&mut ann, 31..=50).await;
        ann.expect_nothing().await;
    }
}

/// Assertion 57: what comes again is what would have come: every byte of the payload, the headers, the ids.
#[tokio::test]
async fn what_comes_again_is_the_same_in_every_byte() {
    over_both_shapes(async |node, shape| {
        let mut bob = speaker(node).await;
        let mut steady = member(node, Shape::Attach, "eve").await;
        let ann = member(node, shape, "ann").await;
        let binary = |bytes: Vec<u8>| Some(content::Body::Binary(bytes.into()));
        let bodies = [
            None,
            binary(Vec::new()),
            binary((0..=255).cycle().take(60_000).collect()),
            Some(content::Body::Text("ä\u{0}€😀\r\n".to_owned())),
        ];
        let headers = BTreeMap::from([("trace".to_owned(), "ü\"\\".to_owned())]);
        let count = bodies.len();
        for body in bodies {
            let content = Content {
                event: "odd".to_owned(),
                body,
                headers: headers.clone(),
                content_type: "application/x-odd".to_owned(),
                ..Content::default()
            };
            bob.try_emit(Emit { content: Some(content), ..said("") }).await.unwrap();
        }
        let mut expected: Vec<Event> = Vec::new();
        for _ in 0..count {
            expected.push(steady.expect_event("odd").await);
        }
        // Once as what was sent and lost, and once more.
        let lost = ann.lose(shape).after(2);
        for _ in 0..2 {
            let mut ann = lost.resume(node).await;
            for event in &expected {
                assert_eq!(ann.expect_event("odd").await, *event);
            }
        }
    })
    .await;
}

/// Assertion 58: what the node has taken is told, and not carried out again when it is said again.
#[tokio::test]
async fn a_command_that_was_taken_is_answered_again_and_not_carried_out_again() {
    over_both_shapes(async |node, shape| {
        let mut bob = member(node, Shape::Attach, "bob").await;
        let mut ann = member(node, shape, "ann").await;
        ann.say_all(vec![numbered(5, said("one")), numbered(6, said("two"))]).await;
        let answers = [ann.answer(5).await, ann.answer(6).await];
        assert_eq!([bob.expect_text("said").await, bob.expect_text("said").await], ["one", "two"]);

        let mut ann = ann.lose_and_resume(node, shape).await;
        assert_eq!(ann.welcome.last_ref, 6);
        assert_eq!(ann.welcome.pushed_seq, if shape == Shape::Attach { 0 } else { 2 });
        ann.say_all(vec![numbered(5, said("one")), numbered(6, said("two")), numbered(7, said("three"))])
            .await;
        assert_eq!([ann.answer(5).await, ann.answer(6).await], answers);
        assert!(matches!(ann.answer(7).await, Frame::Accepted(_)));
        assert_eq!(bob.expect_text("said").await, "three");
        bob.expect_nothing().await;

        // Another command under a number that was used is a fault, and not carried out either.
        let elsewhere = emit_to(rooms(&["elsewhere"]), "said", "two");
        ann.say_all(vec![numbered(6, said("too")), numbered(6, elsewhere)]).await;
        for _ in 0..2 {
            assert_eq!(ann.expect_refused(6).await.code(), RefusalCode::RefReused);
        }
        bob.expect_nothing().await;
    })
    .await;
}

/// Assertion 58: the same for a question: it is asked once, and its answers come once.
#[tokio::test]
async fn a_question_that_is_said_again_is_asked_once() {
    over_both_shapes(async |node, shape| {
        let mut bob = member(node, Shape::Attach, "bob").await;
        let mut ann = member(node, shape, "ann").await;
        let (asked, accepted) = ann.ask_for_replies(said("?"), LONG).await;
        let question = bob.expect_event("said").await;

        let mut ann = ann.lose_and_resume(node, shape).await;
        ann.say_all(vec![numbered(asked, asking(said("?"), LONG))]).await;
        assert_eq!(ann.answer(asked).await, Frame::Accepted(accepted));
        bob.expect_nothing().await;
        bob.reply(&question, "!").await;
        assert_eq!(ann.expect_reply(asked).await.from.unwrap().session, bob.id());
        assert_eq!(ann.expect_done(asked).await.answered, 1);
        ann.expect_nothing().await;
    })
    .await;
}

/// Assertion 58: frames of a push that had arrived though its answer was lost are passed over.
#[tokio::test]
async fn pushed_frames_that_had_arrived_are_not_taken_again() {
    let node = TestNode::start().await;
    let mut bob = member(&node, Shape::Attach, "bob").await;
    let mut ann = member(&node, Shape::ListenAndPush, "ann").await;
    let frames = |numbers: std::ops::RangeInclusive<u32>| {
        numbers.map(|number| numbered(0, said(&number.to_string()))).collect::<Vec<_>>()
    };
    ann.say_all(frames(1..=3)).await;
    let mut unaware = ann.lose(Shape::ListenAndPush).pushing_from(1);
    // Without refs, so that only the numbers of the push tell.
    assert_eq!(unaware.push(&node, frames(1..=5)).await.unwrap().accepted_seq, 5);
    for number in 1..=5 {
        assert_eq!(bob.expect_text("said").await, number.to_string());
    }
    bob.expect_nothing().await;
    assert_eq!(unaware.resume(&node).await.welcome.pushed_seq, 5);
}

/// The upper half goes on while the lower one is lost; its answers wait.
#[tokio::test]
async fn pushing_goes_on_while_listening_is_lost() {
    let node = TestNode::start().await;
    let mut bob = member(&node, Shape::Attach, "bob").await;
    let ann = member(&node, Shape::ListenAndPush, "ann").await;
    let mut lost = ann.lose(Shape::ListenAndPush);
    node.misses(&lost).await;
    for number in 1..=3 {
        lost.push(&node, vec![numbered(number, said(&number.to_string()))]).await.unwrap();
        assert_eq!(bob.expect_text("said").await, number.to_string());
    }
    let mut ann = lost.resume(&node).await;
    for number in 1..=3 {
        assert!(matches!(ann.answer(number).await, Frame::Accepted(_)));
    }
    ann.expect_nothing().await;
}

/// A client that is lost again before it has read what it had missed misses nothing.
#[tokio::test]
async fn a_stream_that_is_lost_while_it_catches_up_loses_nothing() {
    over_both_shapes(async |node, shape| {
        let mut bob = speaker(node).await;
        let mut lost = member(node, shape, "ann").await.lose(shape);
        for number in 1..=20 {
            count(&mut bob, number..=number).await;
            let mut ann = lost.resume(node).await;
            if number % 3 == 0 {
                expect_count(&mut ann, 1..=number).await;
                lost = ann.lose(shape).after(2);
            } else {
                drop(ann);
            }
        }
        let mut ann = lost.resume(node).await;
        let texts: Vec<String> = ann.events_until_now().await.iter().map(text).collect();
        assert_eq!(texts, (1..=20).map(|number| number.to_string()).collect::<Vec<_>>());
    })
    .await;
}
