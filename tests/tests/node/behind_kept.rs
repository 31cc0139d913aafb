//! Receivers that do not read in rooms that keep what is said: nothing is lost to them, because they read it from there.

use rialto_proto::v1::{Emit, Event, Hello, Join, Missed, server_frame::Frame};
use rialto_server::base::config::Config;
use rialto_tests::{
    histories::folder,
    node::{TestNode, reached},
    talker::{Shape, Talker, emit_in, rooms, text},
};

/// Frames and bytes that an outbox holds in these tests.
const FRAMES: u32 = 32;
const BYTES: u32 = 128 << 10;
/// A payload of which 16 fill an outbox.
const LARGE: usize = 8 << 10;
/// More events than fit anywhere on the way to a stalled receiver.
const MANY: u64 = 120;
/// In memory and on disk.
const KEEPING: [&str; 2] = ["memory", "chat"];

fn small_outboxes(config: &mut Config) {
    config.limits.session.outbox_frames_max = FRAMES;
    config.limits.session.outbox_bytes_max = BYTES;
    config.limits.session.replay_frames_max = FRAMES;
}

fn emit(namespace: &str, number: u64, bytes: usize) -> Emit {
    emit_in(namespace, rooms(&["general"]), "move", &format!("{number:05}{}", "x".repeat(bytes)))
}

/// Emits the numbers as events of that size; each must reach one receiver.
async fn say(sender: &mut Talker, namespace: &str, numbers: std::ops::RangeInclusive<u64>, bytes: usize) {
    for number in numbers {
        let accepted = sender.try_emit(emit(namespace, number, bytes)).await.unwrap();
        reached(&accepted, 1);
        assert_eq!(accepted.offset, Some(number));
    }
}

async fn sender(node: &TestNode, namespace: &str) -> Talker {
    let mut ann = node.attach("ann").await;
    ann.enter(namespace).await.unwrap();
    ann
}

fn hello(namespace: &str) -> Hello {
    let join = Join { namespace: namespace.to_owned(), rooms: vec!["general".to_owned()], ..Join::default() };
    Hello { user: "bob".to_owned(), joins: vec![join], ..Hello::default() }
}

/// A member of `general` that takes little before it must read.
async fn narrow(node: &TestNode, namespace: &str) -> Talker {
    let opened = Talker::open_with_over(node.narrow_channel().await, Shape::Attach, hello(namespace)).await;
    let mut talker = opened.unwrap();
    talker.expect_joined().await;
    talker
}

fn number(event: &Event) -> u64 {
    assert_eq!(event.offset, Some(text(event)[..5].parse().unwrap()));
    event.offset.unwrap()
}

async fn expect(talker: &mut Talker, numbers: std::ops::RangeInclusive<u64>) {
    for expected in numbers {
        assert_eq!(number(&talker.expect_event("move").await), expected);
    }
}

#[tokio::test]
async fn a_receiver_that_does_not_read_is_not_cut_and_gets_everything_later() {
    let folder = folder();
    let node = TestNode::keeping_with(folder.path(), small_outboxes).await;
    for namespace in KEEPING {
        let mut stalled = narrow(&node, namespace).await;
        let mut ann = sender(&node, namespace).await;
        for part in 0..MANY / 10 {
            say(&mut ann, namespace, part * 10 + 1..=part * 10 + 10, LARGE).await;
            let waiting = node.session(&stalled.id()).await.unwrap();
            assert!(waiting.outbox_bytes <= BYTES && waiting.outbox_frames <= FRAMES, "{waiting:?}");
        }
        assert_eq!(node.metric("rialto_sessions_behind_total").await, 0);
        expect(&mut stalled, 1..=MANY).await;
        say(&mut ann, namespace, MANY + 1..=MANY + 1, 1).await;
        expect(&mut stalled, MANY + 1..=MANY + 1).await;
        stalled.expect_nothing().await;
    }
}

#[tokio::test]
async fn a_session_that_is_away_gets_everything_when_it_is_back() {
    let folder = folder();
    // What a client has not seen of 500 is held, once it has seen 120 of them.
    const HELD: u32 = 400;
    let node = TestNode::keeping_with(folder.path(), |config| {
        small_outboxes(config);
        config.limits.session.replay_frames_max = HELD;
    })
    .await;
    for namespace in KEEPING {
        for (turn, shape) in [Shape::Attach, Shape::ListenAndPush].into_iter().enumerate() {
            let said = turn as u64 * 600;
            let mut bob = Talker::open_with(&node, shape, hello(namespace)).await.unwrap();
            bob.expect_joined().await;
            let mut ann = sender(&node, namespace).await;
            let mut lost = bob.lose(shape);
            node.misses(&lost).await;
            say(&mut ann, namespace, said + 1..=said + 500, 1).await;
            let waiting = node.session(lost.id()).await.unwrap();
            assert!(waiting.outbox_frames <= HELD, "{} frames wait", waiting.outbox_frames);

            // It is lost again and again while it catches up.
            for part in 0..3 {
                let mut bob = lost.resume(&node).await;
                expect(&mut bob, said + part * 120 + 1..=said + part * 120 + 120).await;
                lost = bob.lose(shape);
            }
            say(&mut ann, namespace, said + 501..=said + 600, 1).await;
            let mut bob = lost.resume(&node).await;
            expect(&mut bob, said + 361..=said + 600).await;
            bob.expect_nothing().await;
            bob.bye().await;
        }
    }
}

#[tokio::test]
async fn what_the_history_does_not_reach_back_to_is_told_exactly() {
    let folder = folder();
    let node = TestNode::keeping_with(folder.path(), |config| {
        small_outboxes(config);
        config.namespaces.iter_mut().for_each(|namespace| namespace.settings.history_events_max = 20);
    })
    .await;
    for namespace in KEEPING {
        let mut bob = Talker::open_with(&node, Shape::Attach, hello(namespace)).await.unwrap();
        bob.expect_joined().await;
        let mut ann = sender(&node, namespace).await;
        let lost = bob.lose(Shape::Attach);
        node.misses(&lost).await;
        say(&mut ann, namespace, 1..=200, 1).await;

        let mut bob = lost.resume(&node).await;
        let mut next = 1;
        let mut holes = Vec::new();
        while next <= 200 {
            match bob.expect_notice().await {
                Frame::Event(event) => {
                    assert_eq!(number(&event), next);
                    next += 1;
                }
                Frame::Missed(missed) => {
                    next = hole(&missed, namespace, next);
                    holes.push(missed);
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(holes.len(), 1, "one hole, told once: {holes:?}");
        assert_eq!(next, 201);
        bob.expect_nothing().await;
    }
}

/// Checks that a hole begins at `next`, and returns where it is over.
fn hole(missed: &Missed, namespace: &str, next: u64) -> u64 {
    assert_eq!(
        (missed.namespace.as_str(), missed.rooms.as_slice()),
        (namespace, ["general".to_owned()].as_slice())
    );
    assert_eq!(missed.from_offset, Some(next));
    let to = missed.to_offset.unwrap();
    assert_eq!(u64::from(missed.count), to - next + 1);
    to + 1
}
