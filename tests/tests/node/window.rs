//! The delivery window of busy rooms: nothing is lost, doubled, or out of order by being gathered.

use std::time::Duration;

use rialto_proto::v1::{ClientFrame, Target, client_frame::Command, server_frame::Frame};
use rialto_server::base::config::Config;
use rialto_tests::{
    histories::folder,
    node::{TestNode, count, reached},
    talker::{Talker, emit_in, emit_to, rooms},
};

/// Long enough that nothing in these tests is handed out because it is over, unless the test waits for that.
const WINDOW: Duration = Duration::from_secs(1);

fn gathering(config: &mut Config) {
    config.namespaces.iter_mut().for_each(|namespace| namespace.settings.delivery_window = WINDOW);
}

/// A node, and a room that is large enough to gather; the first of its members is returned by itself.
async fn busy_room() -> (TestNode, Talker, Vec<Talker>) {
    let node = TestNode::with(gathering).await;
    let (first, others) = crowd(&node, "chat").await;
    (node, first, others)
}

/// As many members as it takes wherever they are, and the first of them by itself.
async fn crowd(node: &TestNode, namespace: &str) -> (Talker, Vec<Talker>) {
    let mut members = Vec::new();
    for number in 0..64 * count() {
        let mut member = node.attach(&format!("user-{number}")).await;
        member.join(namespace, &["general"]).await;
        members.push(member);
    }
    (members.remove(0), members)
}

fn emits(texts: &[&str]) -> Vec<ClientFrame> {
    let emit = |text: &&str| Command::Emit(emit_to(rooms(&["general"]), "move", text));
    texts.iter().map(|text| ClientFrame { r#ref: 0, command: Some(emit(text)) }).collect()
}

#[tokio::test]
async fn what_a_busy_room_gathers_reaches_every_other_member_once_and_in_order() {
    let (_node, mut ann, mut others) = busy_room().await;

    ann.say_all(emits(&["1", "2", "3", "4"])).await;

    for member in &mut others {
        for text in ["1", "2", "3", "4"] {
            assert_eq!(member.expect_text("move").await, text);
        }
    }
    ann.expect_nothing().await;
}

#[tokio::test]
async fn each_of_two_senders_in_one_window_hears_only_the_other() {
    let (_node, mut ann, mut others) = busy_room().await;
    let mut bob = others.remove(0);
    ann.emit("general", "move", "ann 1").await;
    assert_eq!(bob.expect_text("move").await, "ann 1");

    bob.emit("general", "move", "bob 1").await;
    ann.emit("general", "move", "ann 2").await;
    bob.emit("general", "move", "bob 2").await;

    assert_eq!(ann.expect_text("move").await, "bob 1");
    assert_eq!(ann.expect_text("move").await, "bob 2");
    assert_eq!(bob.expect_text("move").await, "ann 2");
    for text in ["ann 1", "bob 1", "ann 2", "bob 2"] {
        assert_eq!(others[0].expect_text("move").await, text);
    }
}

/// Assertion 47, on one node: a direct message sent after a broadcast never overtakes it.
#[tokio::test]
async fn a_direct_event_does_not_overtake_what_its_sender_has_said_in_a_busy_room() {
    let (_node, mut ann, mut others) = busy_room().await;
    let direct = Target { sessions: vec![others[0].id()], ..Target::default() };

    ann.say_all(emits(&["1", "2"])).await;
    ann.try_emit(emit_to(direct, "whisper", "3")).await.unwrap();

    assert_eq!(others[0].expect_text("move").await, "1");
    assert_eq!(others[0].expect_text("move").await, "2");
    assert_eq!(others[0].expect_text("whisper").await, "3");
}

#[tokio::test]
async fn nothing_overtakes_what_its_sender_has_said_in_a_busy_room_that_keeps_it() {
    let folder = folder();
    let node = TestNode::keeping_with(folder.path(), gathering).await;
    for namespace in ["chat", "memory"] {
        let (mut ann, mut others) = crowd(&node, namespace).await;
        others[0].join(namespace, &["side"]).await;
        let emit = |room, event, text| emit_in(namespace, rooms(&[room]), event, text);
        let whisper = Target { sessions: vec![others[0].id()], ..Target::default() };
        let said = [
            emit("general", "move", "1"),
            emit("general", "move", "2"),
            emit("side", "aside", "3"),
            emit("general", "move", "4"),
            emit("general", "move", "5"),
            emit_in(namespace, whisper, "whisper", "6"),
        ];

        ann.say_all(
            said.into_iter()
                .map(|emit| ClientFrame { r#ref: 0, command: Some(Command::Emit(emit)) })
                .collect(),
        )
        .await;

        let heard =
            [("move", "1"), ("move", "2"), ("aside", "3"), ("move", "4"), ("move", "5"), ("whisper", "6")];
        for (event, text) in heard {
            assert_eq!(others[0].expect_text(event).await, text);
        }
    }
}

#[tokio::test]
async fn an_event_to_another_room_does_not_overtake_what_its_sender_has_said_in_a_busy_one() {
    let (_node, mut ann, mut others) = busy_room().await;
    others[0].join("chat", &["side"]).await;

    ann.say_all(emits(&["1", "2"])).await;
    ann.emit("side", "aside", "3").await;

    assert_eq!(others[0].expect_text("move").await, "1");
    assert_eq!(others[0].expect_text("move").await, "2");
    assert_eq!(others[0].expect_text("aside").await, "3");
}

#[tokio::test]
async fn an_event_counts_its_own_receivers_and_not_those_of_what_was_gathered_before() {
    let (_node, mut ann, others) = busy_room().await;
    let direct = Target { sessions: vec![others[0].id()], ..Target::default() };

    ann.say_all(emits(&["1", "2"])).await;
    reached(&ann.try_emit(emit_to(direct, "whisper", "3")).await.unwrap(), 1);
    ann.say_all(emits(&["4", "5"])).await;
    reached(&ann.emit("deserted", "whisper", "6").await, 0);
}

#[tokio::test]
async fn a_member_who_parts_hears_before_that_what_was_gathered_and_nothing_after() {
    let (_node, mut ann, mut others) = busy_room().await;
    let mut bob = others.remove(0);
    ann.say_all(emits(&["1", "2"])).await;
    ann.expect_nothing().await;

    assert_eq!(bob.part("chat", &["general"]).await.rooms, ["general"]);
    ann.emit("general", "move", "3").await;

    assert_eq!(bob.expect_text("move").await, "1");
    assert_eq!(bob.expect_text("move").await, "2");
    bob.expect_nothing().await;
}

#[tokio::test]
async fn a_member_who_joins_a_busy_room_hears_nothing_from_before() {
    let (node, mut ann, _others) = busy_room().await;
    ann.say_all(emits(&["1", "2"])).await;
    ann.expect_nothing().await;

    let mut eve = node.attach("eve").await;
    eve.join("chat", &["general"]).await;
    ann.emit("general", "move", "3").await;

    let frame = eve.first_that(|frame| matches!(frame.frame, Some(Frame::Event(_)))).await;
    let Some(Frame::Event(event)) = frame.frame else { unreachable!() };
    assert_eq!(rialto_tests::talker::text(&event), "3");
}
