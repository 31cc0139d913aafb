//! Replies to events: one and many, in time and late, from those who were asked and from others.

use std::{collections::BTreeSet, time::Duration};

use rialto_proto::v1::{
    Emit, ExpectReplies, RefusalCode, Target, client_frame::Command, reply, reply_item, server_frame::Frame,
};
use rialto_tests::{
    PATIENCE,
    asking::{asking, numbered},
    eventually,
    node::{TestNode, end_with_streams, is_alone, reached, settled},
    talker::{emit_to, rooms, text},
};
use tokio::time::Instant;

/// Longer than any test waits: an answer before that is not the timeout's.
const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(50);

fn question() -> Emit {
    emit_to(rooms(&["general"]), "question", "?")
}

fn said(body: &str) -> Option<reply_item::Body> {
    Some(reply_item::Body::Text(body.to_owned()))
}

/// Assertion 36: the answer of a receiver goes to the one who asked, to nobody else, and once.
#[tokio::test]
async fn a_reply_returns_to_the_asker_only_and_once() {
    let node = TestNode::start().await;
    let mut bob = node.member("bob", "general").await;
    let mut ann = node.member("ann", "general").await;
    let mut eve = node.attach("eve").await;
    eve.enter("chat").await.unwrap();

    let (asked, accepted) = ann.ask_for_replies(question(), LONG).await;
    reached(&accepted, 1);
    let event = bob.expect_event("question").await;
    assert!(!event.reply_token.is_empty());
    bob.reply(&event, "yes").await;

    let item = ann.expect_reply(asked).await;
    assert_eq!(item.body, said("yes"));
    assert_eq!(item.from.unwrap().session, bob.id());
    let done = ann.expect_done(asked).await;
    assert_eq!((done.answered, done.missing_count, done.timed_out), (1, 0, false));

    bob.reply(&event, "yes, once more").await;
    assert_eq!(bob.expect_refused(0).await.code(), RefusalCode::ReplyUnknown);
    ann.expect_nothing().await;
    eve.expect_nothing().await;
}

/// Assertion 37: without an answer in time the wait ends as timed out; a late answer is refused and goes nowhere.
#[tokio::test]
async fn a_wait_without_an_answer_ends_in_time_and_a_late_answer_is_refused() {
    let node = TestNode::start().await;
    let mut bob = node.member("bob", "general").await;
    let mut ann = node.member("ann", "general").await;

    let (asked, _) = ann.ask_for_replies(question(), SHORT).await;
    let done = ann.expect_done(asked).await;
    assert!(done.timed_out);
    assert_eq!((done.answered, done.missing_count), (0, 1));
    assert_eq!(done.missing[0].from.as_ref().unwrap().session, bob.id());
    assert!(!done.missing[0].left);

    let event = bob.expect_event("question").await;
    bob.reply(&event, "sorry, late").await;
    assert_eq!(bob.expect_refused(0).await.code(), RefusalCode::ReplyUnknown);
    ann.expect_nothing().await;
}

/// Assertion 38: a receiver that says good-bye before it answers is reported at once.
#[tokio::test]
async fn a_receiver_that_says_bye_is_reported_at_once() {
    let node = TestNode::start().await;
    let mut bob = node.member("bob", "general").await;
    let mut ann = node.member("ann", "general").await;

    let (asked, _) = ann.ask_for_replies(question(), LONG).await;
    let id = bob.id();
    bob.bye().await;

    let done = ann.expect_done(asked).await;
    assert!(!done.timed_out);
    assert_eq!((done.answered, done.missing_count), (0, 1));
    assert_eq!(done.missing[0].from.as_ref().unwrap().session, id);
    assert!(done.missing[0].left);
}

/// Assertion 38: so is one whose connection breaks, over either shape of a session.
#[tokio::test]
async fn a_receiver_whose_connection_breaks_is_reported_at_once() {
    let node = TestNode::with(end_with_streams).await;
    let bob = node.member("bob", "general").await;
    let mut eve = node.listen("eve").await;
    eve.join("chat", &["general"]).await;
    let mut ann = node.member("ann", "general").await;

    let (asked, accepted) = ann.ask_for_replies(question(), LONG).await;
    reached(&accepted, 2);
    drop(bob);
    drop(eve);

    let done = ann.expect_done(asked).await;
    assert_eq!((done.answered, done.missing_count, done.timed_out), (0, 2, false));
    assert!(done.missing.iter().all(|missing| missing.left));
}

/// Assertion 38: a receiver that only parts the room is still there and may still answer.
#[tokio::test]
async fn a_receiver_that_parts_the_room_may_still_answer() {
    let node = TestNode::start().await;
    let mut bob = node.member("bob", "general").await;
    let mut ann = node.member("ann", "general").await;

    let (asked, _) = ann.ask_for_replies(question(), LONG).await;
    let event = bob.expect_event("question").await;
    bob.part("chat", &["general"]).await;
    bob.reply(&event, "yes").await;

    assert_eq!(ann.expect_reply(asked).await.body, said("yes"));
    assert_eq!(ann.expect_done(asked).await.answered, 1);
}

/// Assertion 39: a set answers with one entry per member.
#[tokio::test]
async fn every_member_of_a_set_answers_for_itself() {
    let node = TestNode::start().await;
    let mut ann = node.member("ann", "general").await;
    let mut members = Vec::new();
    for user in ["bob", "eve", "dan", "kim", "lee"] {
        members.push(node.member(user, "general").await);
    }

    let (asked, accepted) = ann.ask_for_replies(question(), LONG).await;
    reached(&accepted, 5);
    let mut expected = BTreeSet::new();
    for member in &mut members {
        let event = member.expect_event("question").await;
        let words = format!("I am {}", member.id());
        member.reply(&event, &words).await;
        expected.insert((member.id(), words));
    }
    let mut heard = BTreeSet::new();
    for _ in 0..5 {
        let item = ann.expect_reply(asked).await;
        let Some(reply_item::Body::Text(words)) = item.body else { panic!("no text") };
        heard.insert((item.from.unwrap().session, words));
    }
    assert_eq!(heard, expected);
    let done = ann.expect_done(asked).await;
    assert_eq!((done.answered, done.missing_count, done.timed_out), (5, 0, false));
}

/// Assertion 39: a set of nobody is done at once, whatever the timeout.
#[tokio::test]
async fn a_question_to_nobody_is_done_at_once() {
    let node = TestNode::start().await;
    let mut ann = node.member("ann", "general").await;
    for target in [
        rooms(&["general"]),
        rooms(&["nowhere"]),
        Target { any_of: "nowhere".to_owned(), ..Target::default() },
        Target { everyone: true, ..Target::default() },
    ] {
        let (asked, accepted) = ann.ask_for_replies(emit_to(target, "question", "?"), LONG).await;
        reached(&accepted, 0);
        let done = ann.expect_done(asked).await;
        assert_eq!((done.answered, done.missing_count, done.timed_out), (0, 0, false));
    }
    assert_eq!(node.metric("rialto_replies_outstanding").await, 0);
}

/// Assertion 40: each entry names who answered; a partial result lists who did not, and why.
#[tokio::test]
async fn a_partial_result_names_who_answered_who_left_and_who_was_silent() {
    let node = TestNode::start().await;
    let mut ann = node.member("ann", "general").await;
    let mut bob = node.member("bob", "general").await;
    let eve = node.member("eve", "general").await;
    let mut dan = node.member("dan", "general").await;

    let (asked, accepted) = ann.ask_for_replies(question(), Duration::from_secs(2)).await;
    reached(&accepted, 3);
    let event = bob.expect_event("question").await;
    bob.reply(&event, "yes").await;
    let left = dan.id();
    dan.bye().await;

    let from = ann.expect_reply(asked).await.from.unwrap();
    assert_eq!((from.session, from.user.as_str()), (bob.id(), "bob"));
    let done = ann.expect_done(asked).await;
    assert_eq!((done.answered, done.missing_count, done.timed_out), (1, 2, true));
    let missing = |left: bool| {
        let missing = done.missing.iter().filter(move |missing| missing.left == left);
        missing.map(|missing| missing.from.clone().unwrap().session).collect::<Vec<_>>()
    };
    assert_eq!(missing(true), [left]);
    assert_eq!(missing(false), [eve.id()]);
}

/// Assertion 43: ten thousand waits that time out leave nothing in the node, and nothing counted against the session.
#[tokio::test]
async fn ten_thousand_waits_that_time_out_leave_nothing() {
    const BATCH: u32 = 250;
    let node = TestNode::with(|config| config.namespaces[0].settings.room_emits_per_second = 0).await;
    let mut bob = node.member("bob", "general").await;
    let mut ann = node.member("ann", "general").await;

    for batch in 0..10_000 / BATCH {
        let first = 1_000 + batch * BATCH;
        let ask = |reference| numbered(reference, asking(question(), Duration::from_millis(1)));
        ann.say_all((first..first + BATCH).map(ask).collect()).await;
        let mut done = 0;
        while done < BATCH {
            match ann.next().await.unwrap().frame.unwrap() {
                Frame::RepliesDone(summary) => {
                    assert!(summary.timed_out);
                    done += 1;
                }
                Frame::Accepted(accepted) => reached(&accepted, 1),
                other => panic!("{other:?}"),
            }
        }
        for _ in 0..BATCH {
            bob.expect_event("question").await;
        }
    }

    let waits = async || node.metric("rialto_replies_outstanding").await;
    eventually("the end of all waits", async || waits().await == 0).await;
    let ask = |reference| numbered(reference, asking(question(), LONG));
    ann.say_all((20_000..20_256).map(ask).collect()).await;
    for reference in 20_000..20_256 {
        assert!(matches!(ann.answer(reference).await, Frame::Accepted(_)));
    }
    settled().await;
    // The node of who is asked waits as well.
    assert_eq!(waits().await, if is_alone() { 256 } else { 512 });
}

/// Assertion 44: a question without a timeout has one of five seconds, and none can be longer than a minute.
#[tokio::test]
async fn no_question_waits_for_ever() {
    let node = TestNode::start().await;
    let _bob = node.member("bob", "general").await;
    let mut ann = node.member("ann", "general").await;

    let started = Instant::now();
    let emit = Emit { expect_replies: Some(ExpectReplies { timeout: None }), ..question() };
    let asked = ann.ask(Command::Emit(emit)).await;
    assert!(matches!(ann.answer(asked).await, Frame::Accepted(_)));
    let refused = ann.try_emit(asking(question(), LONG + Duration::from_nanos(1))).await.unwrap_err();
    assert_eq!(refused.code(), RefusalCode::Invalid);

    assert!(ann.expect_done(asked).await.timed_out);
    let passed = started.elapsed();
    assert!(passed >= Duration::from_secs(5) && passed < PATIENCE, "{passed:?}");
}

#[tokio::test]
async fn a_receiver_may_answer_with_an_error() {
    let node = TestNode::start().await;
    let mut bob = node.member("bob", "general").await;
    let mut ann = node.member("ann", "general").await;

    let (asked, _) = ann.ask_for_replies(question(), LONG).await;
    let event = bob.expect_event("question").await;
    bob.reply_with(&event, reply::Body::Error("no such order".to_owned())).await;

    let item = ann.expect_reply(asked).await;
    assert_eq!(item.body, Some(reply_item::Body::Error("no such order".to_owned())));
    assert_eq!(ann.expect_done(asked).await.answered, 1);
}

#[tokio::test]
async fn the_answer_of_somebody_who_was_not_asked_is_refused() {
    let node = TestNode::start().await;
    let mut bob = node.member("bob", "general").await;
    let mut ann = node.member("ann", "general").await;
    let mut eve = node.listen("eve").await;
    eve.enter("chat").await.unwrap();

    let (asked, _) = ann.ask_for_replies(question(), LONG).await;
    let event = bob.expect_event("question").await;
    let before = node.refusals(RefusalCode::ReplyUnknown).await;
    let mut tokens = vec![event.reply_token.clone(), String::new(), "no token".to_owned(), "0".repeat(21)];
    tokens.push("é".repeat(11));
    for token in &tokens {
        let mut stolen = event.clone();
        stolen.reply_token.clone_from(token);
        eve.reply(&stolen, "I was not asked").await;
        assert_eq!(eve.expect_refused(0).await.code(), RefusalCode::ReplyUnknown, "{token}");
    }
    ann.expect_nothing().await;
    assert_eq!(node.refusals(RefusalCode::ReplyUnknown).await, before + tokens.len() as u64);

    bob.reply(&event, "I was").await;
    assert_eq!(ann.expect_reply(asked).await.body, said("I was"));
}

#[tokio::test]
async fn the_257th_question_without_an_end_is_refused_until_one_ends() {
    let node = TestNode::with(|config| config.namespaces[0].settings.room_emits_per_second = 0).await;
    let mut bob = node.member("bob", "general").await;
    let mut ann = node.member("ann", "general").await;

    let mut events = Vec::new();
    for _ in 0..256 {
        ann.ask_for_replies(question(), LONG).await;
        events.push(bob.expect_event("question").await);
    }
    let refused = ann.try_emit(asking(question(), LONG)).await.unwrap_err();
    assert_eq!(refused.code(), RefusalCode::LimitReached);
    assert_eq!(refused.limit, "replies_outstanding_max");
    bob.expect_nothing().await;
    ann.try_emit(question()).await.expect("what asks for no reply is not counted");
    bob.expect_event("question").await;

    bob.reply(&events[0], "one less").await;
    let frame = ann.first_that(|frame| matches!(frame.frame, Some(Frame::RepliesDone(_)))).await;
    assert_eq!(frame.r#ref, 2, "the first question ends first");
    assert!(ann.try_emit(asking(question(), LONG)).await.is_ok());
}

#[tokio::test]
async fn a_session_waits_for_so_many_answers_in_all_and_no_more() {
    let node = TestNode::with(|config| config.namespaces[0].settings.room_emits_per_second = 0).await;
    let mut room = Vec::new();
    for number in 0..65 {
        room.push(node.member(&format!("user-{number}"), "general").await);
    }
    let mut ann = node.member("ann", "general").await;

    // 252 questions to 65 sessions leave room for 4 of 16,384 answers.
    for _ in 0..252 {
        ann.ask_for_replies(question(), LONG).await;
    }
    let refused = ann.try_emit(asking(question(), LONG)).await.unwrap_err();

    assert_eq!(refused.code(), RefusalCode::LimitReached);
    assert_eq!(refused.limit, "replies_asked_max");
    for _ in 0..252 {
        room[0].expect_event("question").await;
    }
    room[0].expect_nothing().await;
}

#[tokio::test]
async fn a_question_without_a_number_is_refused() {
    let node = TestNode::start().await;
    let mut bob = node.member("bob", "general").await;
    let mut ann = node.member("ann", "general").await;

    ann.say(0, Command::Emit(asking(question(), LONG))).await;

    assert_eq!(ann.expect_refused(0).await.code(), RefusalCode::Invalid);
    bob.expect_nothing().await;
}

#[tokio::test]
async fn a_reply_beyond_the_payload_limit_is_refused_and_the_asker_lives_on() {
    let node = TestNode::start().await;
    let mut bob = node.member("bob", "general").await;
    let mut ann = node.member("ann", "general").await;

    let (asked, _) = ann.ask_for_replies(question(), LONG).await;
    let event = bob.expect_event("question").await;
    let max = ann.welcome.limits.as_ref().unwrap().payload_bytes_max as usize;
    for bytes in [max + 1, 600 << 10] {
        bob.reply_with(&event, reply::Body::Binary(vec![7; bytes].into())).await;
        let refused = bob.expect_refused(0).await;
        assert_eq!(refused.code(), RefusalCode::PayloadTooLarge);
        assert_eq!(refused.limit, "payload_bytes_max");
    }
    bob.reply_with(&event, reply::Body::Binary(vec![7; max].into())).await;

    let Some(reply_item::Body::Binary(binary)) = ann.expect_reply(asked).await.body else {
        panic!("no bytes")
    };
    assert_eq!(binary, vec![7; max]);
}

#[tokio::test]
async fn the_asker_hears_itself_only_when_it_wants_to() {
    let node = TestNode::start().await;
    let mut ann = node.member("ann", "general").await;
    let target = Target { include_sender: true, ..rooms(&["general"]) };

    let asked = ann.ask(Command::Emit(asking(emit_to(target, "question", "?"), LONG))).await;
    let event = ann.expect_event("question").await;
    assert_eq!(text(&event), "?");
    let Frame::Accepted(accepted) = ann.answer(asked).await else { panic!("not accepted") };
    reached(&accepted, 1);
    ann.reply(&event, "I say so myself").await;

    assert_eq!(ann.expect_reply(asked).await.body, said("I say so myself"));
    assert_eq!(ann.expect_done(asked).await.answered, 1);
}

/// Assertion 38, from the other side: who asked and has gone does not keep the wait alive.
#[tokio::test]
async fn the_waits_of_an_asker_that_has_gone_are_given_up() {
    let node = TestNode::with(end_with_streams).await;
    let mut bob = node.member("bob", "general").await;
    let mut ann = node.member("ann", "general").await;

    ann.ask_for_replies(question(), LONG).await;
    let event = bob.expect_event("question").await;
    drop(ann);

    eventually("the end of the wait", async || node.metric("rialto_replies_outstanding").await == 0).await;
    bob.reply(&event, "to nobody").await;
    assert_eq!(bob.expect_refused(0).await.code(), RefusalCode::ReplyUnknown);
}
