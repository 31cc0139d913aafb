//! Receivers that do not read: what waits for them is bounded, they are told, and others do not notice. Their windows
//! are those with which HTTP/2 begins, so that what a stalled one costs is its outbox.

use std::{collections::BTreeMap, time::Duration};

use rialto_proto::v1::{
    CloseCode, Delivery, Emit, Event, RefusalCode, ServerFrame, Then, client_frame::Command,
    server_frame::Frame,
};
use rialto_server::base::config::{BehindPolicy, Config};
use rialto_tests::{
    asking::asking,
    eventually,
    node::{TestNode, end_with_streams, reached, settled},
    reason,
    talker::{Shape, Talker, emit_to, rooms, text},
};

/// Frames that an outbox holds in these tests.
const FRAMES: u32 = 32;
/// Bytes that an outbox holds in these tests.
const BYTES: u32 = 128 << 10;
/// A payload of which 16 fill an outbox, and 48 whatever HTTP/2 holds on the way and the outbox.
const LARGE: usize = 8 << 10;
/// More events than fit anywhere on the way to a stalled receiver.
const MANY: u32 = 120;

fn policy(policy: BehindPolicy) -> impl FnOnce(&mut Config) {
    move |config| {
        config.limits.session.outbox_frames_max = FRAMES;
        config.limits.session.outbox_bytes_max = BYTES;
        for namespace in &mut config.namespaces {
            namespace.settings.falling_behind = policy;
            namespace.settings.payload_bytes_max = 32 << 10;
            namespace.settings.room_emits_per_second = 0;
        }
    }
}

fn large(room: &str, event: &str, number: u32) -> Emit {
    emit_to(rooms(&[room]), event, &format!("{number:05}{}", "x".repeat(LARGE)))
}

fn number(event: &Event) -> u32 {
    text(event)[..5].parse().unwrap()
}

/// Checks that what waits for a session is within its bounds. Answers may take twice as much as events.
async fn within_bounds(node: &TestNode, id: &str) {
    if let Some(session) = node.session(id).await {
        assert!(session.outbox_bytes <= 2 * BYTES, "{} bytes wait", session.outbox_bytes);
        assert!(session.outbox_frames <= 2 * FRAMES, "{} frames wait", session.outbox_frames);
    }
}

/// Fills everything on the way to `stalled`, a member of `room`, until an event waits for it and goes on waiting.
async fn stall(node: &TestNode, sender: &mut Talker, room: &str, stalled: &Talker) {
    let id = stalled.id();
    let (mut before, mut steady) = (0, 0);
    eventually("frames that wait", async || {
        let waiting = node.session(&id).await.expect("it lives").outbox_frames;
        if waiting == 0 {
            sender.try_emit(large(room, "fill", 0)).await.unwrap();
        }
        // The stream may not have been looked at for a moment.
        let same = waiting > 0 && std::mem::replace(&mut before, waiting) == waiting;
        steady = if same { steady + 1 } else { 0 };
        steady > 20
    })
    .await;
}

/// Everything that is still to be read, up to `last`.
async fn rest(talker: &mut Talker, last: impl Fn(&Frame) -> bool) -> Vec<Frame> {
    let mut frames = Vec::new();
    loop {
        let Some(ServerFrame { frame: Some(frame), .. }) = talker.next().await else {
            panic!("the stream ended early")
        };
        let found = last(&frame);
        frames.push(frame);
        if found {
            return frames;
        }
    }
}

fn is_event(frame: &Frame, name: &str) -> bool {
    matches!(frame, Frame::Event(event) if event.content.as_ref().is_some_and(|content| content.event == name))
}

/// Assertion 62: a stalled reader is cut at the limit of its outbox; others are not affected; memory stays bounded. Its
/// session goes on, and it is told exactly what is missing.
#[tokio::test]
async fn a_receiver_that_does_not_read_is_cut_and_resumes_and_others_do_not_notice() {
    let node = TestNode::with(policy(BehindPolicy::Close)).await;
    let mut stalled = node.narrow_member("stalled", &["general", "other"]).await;
    let mut bob = node.member("bob", "general").await;
    let mut ann = node.member("ann", "general").await;
    let id = stalled.id();

    let mut fell = None;
    for number in 0..MANY {
        let accepted = ann.try_emit(large("general", "move", number)).await.unwrap();
        assert_eq!(self::number(&bob.expect_event("move").await), number);
        within_bounds(&node, &id).await;
        if fell.is_none() && node.dropped_behind().await > 0 {
            fell = Some(number);
        }
        reached(&accepted, if fell.is_some() { 1 } else { 2 });
    }
    let fell = fell.expect("the stalled one fell behind");
    assert_eq!((node.members("general").await, node.members("other").await), (3, 1), "it is a member still");
    assert_eq!(node.metric("rialto_sessions_behind_total").await, 1);
    assert_eq!(node.dropped_behind().await, u64::from(MANY - fell));

    // What was on the way is read in order and without a gap, then why the stream ended.
    let mut received = 0;
    let close = loop {
        match stalled.next().await.unwrap().frame.unwrap() {
            Frame::Event(event) => {
                assert_eq!(self::number(&event), received);
                received += 1;
            }
            Frame::Close(close) => break close,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((close.code(), close.then()), (CloseCode::FellBehind, Then::Resume));
    let status = stalled.end().await.unwrap_err();
    assert_eq!(reason(&status), "FELL_BEHIND");
    assert!(received < fell, "what waited still waits");

    // The rest follows where the stream ended, up to where something is missing, which is told.
    let mut back = stalled.lose_and_resume(&node, Shape::Attach).await;
    for expected in received..fell {
        assert_eq!(self::number(&back.expect_event("move").await), expected);
    }
    let Frame::Missed(missed) = back.expect_notice().await else { panic!("it is told what is missing") };
    assert_eq!(
        (missed.namespace.as_str(), missed.rooms.as_slice()),
        ("chat", ["general".to_owned()].as_slice())
    );
    assert_eq!(missed.count, MANY - fell);
    reached(&ann.try_emit(large("general", "later", 0)).await.unwrap(), 2);
    back.expect_event("later").await;
    assert_eq!(back.bye().await.code(), CloseCode::Bye);
}

#[tokio::test]
async fn a_receiver_that_does_not_read_is_closed_and_others_do_not_notice() {
    let node = TestNode::with(|config| {
        policy(BehindPolicy::Close)(config);
        end_with_streams(config);
    })
    .await;
    let mut stalled = node.narrow_member("stalled", &["general", "other"]).await;
    let mut bob = node.member("bob", "general").await;
    let mut ann = node.member("ann", "general").await;
    let id = stalled.id();

    let mut fell = None;
    for number in 0..MANY {
        let accepted = ann.try_emit(large("general", "move", number)).await.unwrap();
        assert_eq!(self::number(&bob.expect_event("move").await), number);
        within_bounds(&node, &id).await;
        settled().await;
        if fell.is_none() && node.metric("rialto_sessions_closed_total{code=\"FELL_BEHIND\"}").await > 0 {
            fell = Some(number);
        }
        reached(&accepted, if fell.is_some() { 1 } else { 2 });
    }
    let fell = fell.expect("the stalled one fell behind");
    // As soon as the sender has its answer, the session is in no room any more.
    assert_eq!(node.members("general").await, 2);
    assert_eq!(node.members("other").await, 0);
    assert!(node.session(&id).await.is_none());
    assert_eq!(node.metric("rialto_sessions_closed_total{code=\"FELL_BEHIND\"}").await, 1);

    // What waited is read in order and without a gap, then why it ended.
    for expected in 0..fell {
        assert_eq!(self::number(&stalled.expect_event("move").await), expected);
    }
    let close = stalled.expect_close().await;
    assert_eq!((close.code(), close.then()), (CloseCode::FellBehind, Then::Resume));
    let status = stalled.end().await.unwrap_err();
    assert_eq!(reason(&status), "FELL_BEHIND");
}

#[tokio::test]
async fn a_closed_receiver_that_does_not_even_read_that_is_cut_off() {
    let node = TestNode::with(|config| {
        policy(BehindPolicy::Close)(config);
        config.limits.session.close_timeout = Duration::from_millis(100);
    })
    .await;
    let mut stalled = node.narrow_member("stalled", &["general"]).await;
    let mut ann = node.attach("ann").await;
    ann.enter("chat").await.unwrap();
    for number in 0..MANY {
        ann.try_emit(large("general", "move", number)).await.unwrap();
    }
    let cut = "rialto_connections_cut_total{cause=\"ordered\"}";
    eventually("the cut of the connection", async || node.metric(cut).await == 1).await;

    let end = stalled.end().await.expect_err("the connection was cut");
    assert!(tonic_types::StatusExt::get_details_error_info(&end).is_none(), "{end:?}");
}

/// Assertion 62: with the policy `drop` events are dropped, and `Missed` says how many of which rooms.
#[tokio::test]
async fn dropped_events_are_counted_and_told_by_room() {
    let node = TestNode::with(policy(BehindPolicy::Drop)).await;
    let mut stalled = node.narrow_member("stalled", &["red", "blue"]).await;
    let mut bob = node.attach("bob").await;
    bob.join("chat", &["red", "blue"]).await;
    let mut ann = node.attach("ann").await;
    ann.enter("chat").await.unwrap();

    let (mut dropped, mut total) = (BTreeMap::<_, u32>::new(), 0);
    for number in 0..MANY {
        let room = if number % 3 == 0 { "red" } else { "blue" };
        let accepted = ann.try_emit(large(room, "move", number)).await.unwrap();
        assert_eq!(self::number(&bob.expect_event("move").await), number);
        within_bounds(&node, &stalled.id()).await;
        let now = node.dropped_behind().await;
        let is_dropped = std::mem::replace(&mut total, now) < now;
        *dropped.entry(vec![room.to_owned()]).or_default() += u32::from(is_dropped);
        reached(&accepted, if is_dropped { 1 } else { 2 });
    }
    dropped.retain(|_, count| *count > 0);
    assert_eq!(dropped.len(), 2);
    assert_eq!(dropped.values().sum::<u32>(), total as u32);
    assert_eq!(
        node.session(&stalled.id()).await.unwrap().memberships[0].rooms.len(),
        2,
        "it is a member still"
    );

    // It reads again: the events up to the gap, what is missing, and then what comes later.
    let mut received = 0;
    let mut missed = BTreeMap::<_, u32>::new();
    while received + missed.values().sum::<u32>() < MANY {
        match stalled.next().await.unwrap().frame.unwrap() {
            Frame::Event(event) => {
                assert_eq!(self::number(&event), received, "nothing is missing before it is said");
                received += 1;
            }
            Frame::Missed(told) => {
                assert_eq!(told.namespace, "chat");
                *missed.entry(told.rooms).or_default() += told.count;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(missed, dropped);
    ann.try_emit(large("red", "later", 1)).await.unwrap();
    stalled.expect_event("later").await;
}

#[tokio::test]
async fn with_the_policy_latest_the_newest_events_are_kept() {
    let node = TestNode::with(policy(BehindPolicy::Latest)).await;
    let mut stalled = node.narrow_member("stalled", &["general"]).await;
    let mut ann = node.attach("ann").await;
    ann.enter("chat").await.unwrap();
    for number in 0..MANY {
        let accepted = ann.try_emit(large("general", "move", number)).await.unwrap();
        reached(&accepted, 1);
        within_bounds(&node, &stalled.id()).await;
    }
    let (mut received, mut missed) = (Vec::new(), 0);
    while received.len() as u32 + missed < MANY {
        match stalled.next().await.unwrap().frame.unwrap() {
            Frame::Event(event) => received.push(number(&event)),
            Frame::Missed(told) => {
                assert_eq!(told.rooms, ["general"]);
                missed += told.count;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(missed > 0);
    assert!(received.is_sorted());
    assert_eq!(received.last(), Some(&(MANY - 1)));
    stalled.expect_nothing().await;
}

/// Assertion 49: what is volatile is dropped, not queued, when the receiver does not read; nobody is told.
#[tokio::test]
async fn volatile_events_do_not_wait_for_a_receiver_that_is_behind() {
    let node = TestNode::with(policy(BehindPolicy::Close)).await;
    let mut stalled = node.narrow_member("stalled", &["general"]).await;
    let mut bob = node.member("bob", "general").await;
    let mut ann = node.attach("ann").await;
    ann.enter("chat").await.unwrap();
    let volatile =
        |number| Emit { delivery: Delivery::Volatile.into(), ..large("general", "cursor", number) };

    for number in 0..MANY {
        ann.try_emit(volatile(number)).await.unwrap();
        assert_eq!(self::number(&bob.expect_event("cursor").await), number);
        let waiting = node.session(&stalled.id()).await.expect("nobody is closed for volatile events");
        assert!(waiting.outbox_bytes <= BYTES / 4, "{} bytes wait", waiting.outbox_bytes);
    }
    let reached = MANY - node.dropped_behind().await as u32;
    assert!(reached < MANY);

    ann.try_emit(large("general", "last", 0)).await.unwrap();
    let frames = rest(&mut stalled, |frame| is_event(frame, "last")).await;
    assert_eq!(frames.len() as u32, reached + 1);
    assert!(frames[..reached as usize].iter().all(|frame| is_event(frame, "cursor")));
}

#[tokio::test]
async fn volatile_events_make_room_before_anybody_is_closed() {
    let node = TestNode::with(policy(BehindPolicy::Close)).await;
    let mut stalled = node.narrow_member("stalled", &["general"]).await;
    let mut ann = node.attach("ann").await;
    ann.enter("chat").await.unwrap();
    stall(&node, &mut ann, "general", &stalled).await;
    let volatile = Emit { delivery: Delivery::Volatile.into(), ..large("general", "cursor", 0) };
    reached(&ann.try_emit(volatile).await.unwrap(), 1);

    // One large event fewer than an outbox holds by itself fits only when the volatile one goes.
    let mut kept = 0;
    while node.dropped_behind().await == 0 {
        reached(&ann.try_emit(large("general", "move", kept)).await.unwrap(), 1);
        kept += 1;
    }
    let frames = {
        ann.try_emit(emit_to(rooms(&["general"]), "last", "")).await.unwrap();
        rest(&mut stalled, |frame| is_event(frame, "last")).await
    };
    assert!(!frames.iter().any(|frame| is_event(frame, "cursor")));
    assert_eq!(frames.iter().filter(|frame| is_event(frame, "move")).count() as u32, kept);
}

#[tokio::test]
async fn of_latest_events_only_the_newest_waits() {
    let node = TestNode::with(policy(BehindPolicy::Close)).await;
    let mut stalled = node.narrow_member("stalled", &["general", "other"]).await;
    let mut ann = node.attach("ann").await;
    ann.enter("chat").await.unwrap();
    stall(&node, &mut ann, "general", &stalled).await;
    let before = node.session(&stalled.id()).await.unwrap().outbox_frames;

    let latest = |room: &str, event: &str, number: u32| Emit {
        delivery: Delivery::Latest.into(),
        ..emit_to(rooms(&[room]), event, &format!("{number:05}"))
    };
    for number in 0..500 {
        reached(&ann.try_emit(latest("general", "position", number)).await.unwrap(), 1);
    }
    ann.try_emit(latest("general", "speed", 7)).await.unwrap();
    ann.try_emit(latest("other", "position", 8)).await.unwrap();
    let waiting = node.session(&stalled.id()).await.expect("nobody is closed for it");
    assert_eq!(waiting.outbox_frames, before + 3, "one for each room and name");

    ann.try_emit(emit_to(rooms(&["general"]), "last", "")).await.unwrap();
    let frames = rest(&mut stalled, |frame| is_event(frame, "last")).await;
    let kept: Vec<_> = frames[frames.len() - 4..frames.len() - 1]
        .iter()
        .map(|frame| match frame {
            Frame::Event(event) => number(event),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(kept, [499, 7, 8]);
}

/// Assertion 38: a receiver that falls behind by the question itself counts as one that left.
#[tokio::test]
async fn a_receiver_that_a_question_does_not_reach_is_missing_at_once() {
    let node = TestNode::with(policy(BehindPolicy::Drop)).await;
    let stalled = node.narrow_member("stalled", &["general"]).await;
    let mut ann = node.attach("ann").await;
    ann.enter("chat").await.unwrap();
    let full = large("general", "move", 0);
    eventually("a full outbox", async || {
        ann.try_emit(full.clone()).await.unwrap();
        node.dropped_behind().await > 0
    })
    .await;

    let (asked, accepted) =
        ann.ask_for_replies(large("general", "question", 0), Duration::from_secs(60)).await;
    reached(&accepted, 0);
    let done = ann.expect_done(asked).await;
    assert_eq!((done.answered, done.missing_count, done.timed_out), (0, 1, false));
    assert_eq!(done.missing[0].from.as_ref().unwrap().session, stalled.id());
    assert!(done.missing[0].left);
}

/// A client that asks and does not read its answers is not read from: HTTP/2 stops it, and its outbox stays bounded.
#[tokio::test]
async fn a_client_that_does_not_read_its_answers_is_not_read_from() {
    let node = TestNode::with(policy(BehindPolicy::Close)).await;
    let mut greedy = node.narrow_member("greedy", &["general"]).await;
    let wrong = Emit { target: None, ..emit_to(rooms(&["general"]), "move", "") };
    let (mut reference, id) = (10, greedy.id());
    // Refusals are answers. The stream takes no more of them at some point.
    let blocked = async {
        loop {
            reference += 1;
            greedy.say(reference, Command::Emit(asking(wrong.clone(), Duration::from_secs(1)))).await;
        }
    };
    let refused = async {
        let mut before = u64::MAX;
        eventually("an end of the reading", async || {
            within_bounds(&node, &id).await;
            let refused = node.refusals(RefusalCode::TargetEmpty).await;
            std::mem::replace(&mut before, refused) == refused && refused > 0
        })
        .await;
    };
    tokio::select! {
        () = blocked => unreachable!(),
        () = refused => {}
    }
    let session = node.session(&greedy.id()).await.expect("it lives");
    assert!(session.outbox_frames <= FRAMES, "{} frames wait", session.outbox_frames);
}
