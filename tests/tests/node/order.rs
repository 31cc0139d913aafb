//! Messages of one session arrive in the order in which they were sent, both ways, in both shapes of a session.

use rialto_proto::v1::{ClientFrame, Ping, Target, client_frame::Command, server_frame::Frame};
use rialto_tests::{
    asking::numbered,
    node::TestNode,
    talker::{Shape, Talker, emit_to, rooms},
};

const BOTH: [Shape; 2] = [Shape::Attach, Shape::ListenAndPush];

async fn node() -> TestNode {
    TestNode::with(|config| config.namespaces[0].settings.room_emits_per_second = 0).await
}

/// Assertion 46: events of one session reach each receiver in the order sent, and so do the answers their sender.
#[tokio::test]
async fn events_and_answers_come_in_the_order_of_the_commands() {
    let node = node().await;
    for from in BOTH {
        for to in BOTH {
            let mut sender = Talker::greet(&node, from, "ann").await;
            sender.say(1, Command::Enter(rialto_proto::v1::Enter { namespace: "chat".to_owned() })).await;
            sender.answer(1).await;
            let mut receiver = Talker::greet(&node, to, "bob").await;
            receiver.join("chat", &["general"]).await;
            // Messages of 1, 2, 3 … frames.
            let (mut next, mut size) = (2_u32, 1_u32);
            while next < 1_000 {
                let frames = next..next + size;
                let emit = |number: u32| {
                    numbered(number, emit_to(rooms(&["general"]), "count", &number.to_string()))
                };
                sender.say_all(frames.clone().map(emit).collect()).await;
                for number in frames {
                    assert_eq!(receiver.expect_text("count").await, number.to_string());
                    let answer = sender.next().await.unwrap();
                    assert_eq!(answer.r#ref, number);
                    assert!(matches!(answer.frame, Some(Frame::Accepted(_))));
                }
                (next, size) = (next + size, size % 50 + 1);
            }
        }
    }
}

/// Assertion 46: commands of different kinds keep their order too, refusals among them.
#[tokio::test]
async fn answers_of_all_kinds_come_in_the_order_of_the_commands() {
    let node = node().await;
    for shape in BOTH {
        let mut ann = Talker::greet(&node, shape, "ann").await;
        ann.enter("chat").await.unwrap();
        let command = |number: u32| match number % 3 {
            0 => Command::Ping(Ping {}),
            1 => Command::Emit(emit_to(rooms(&["nobody"]), "count", "")),
            _ => Command::Emit(emit_to(Target::default(), "count", "")),
        };
        let frame = |number| ClientFrame { r#ref: number, command: Some(command(number)) };
        ann.say_all((10..210).map(frame).collect()).await;
        for number in 10..210 {
            let answer = ann.next().await.unwrap();
            assert_eq!(answer.r#ref, number);
            match (number % 3, answer.frame.unwrap()) {
                (0, Frame::Pong(_)) | (1, Frame::Accepted(_)) | (2, Frame::Refused(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

/// Assertion 46: events to a room, to a session, to a user and to everyone keep their order among each other.
#[tokio::test]
async fn events_that_reach_a_session_by_different_ways_keep_their_order() {
    let node = node().await;
    let mut bob = node.member("bob", "general").await;
    let mut ann = node.attach("ann").await;
    ann.enter("chat").await.unwrap();
    let target = |number: u32| match number % 4 {
        0 => rooms(&["general"]),
        1 => Target { sessions: vec![bob.id()], ..Target::default() },
        2 => Target { users: vec!["bob".to_owned()], ..Target::default() },
        _ => Target { everyone: true, ..Target::default() },
    };
    let emit = |number: u32| numbered(number, emit_to(target(number), "count", &number.to_string()));
    ann.say_all((10..210).map(emit).collect()).await;
    for number in 10..210 {
        assert_eq!(bob.expect_text("count").await, number.to_string());
    }
}
