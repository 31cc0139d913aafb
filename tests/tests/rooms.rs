//! Who hears what: targets, unions, exceptions.

use rialto_proto::v1::Target;
use rialto_tests::{
    node::TestNode,
    talker::{emit_to, rooms},
};

/// Assertion 3: a target of several rooms is their union; a member of two gets one copy.
#[tokio::test]
async fn a_member_of_two_target_rooms_hears_an_event_once() {
    let node = TestNode::start().await;
    let mut ann = node.attach("ann").await;
    ann.join("chat", &["red", "blue"]).await;
    let mut bob = node.member("bob", "blue").await;
    let mut eve = node.member("eve", "green").await;

    let accepted = bob.try_emit(emit_to(rooms(&["red", "blue"]), "move", "1")).await.unwrap();

    assert_eq!(accepted.recipients_here, 1);
    assert_eq!(ann.expect_text("move").await, "1");
    ann.expect_nothing().await;
    bob.expect_nothing().await;
    eve.expect_nothing().await;
}

/// Assertion 7: an empty target is refused, never everyone.
#[tokio::test]
async fn an_empty_target_reaches_nobody_and_is_refused() {
    let node = TestNode::start().await;
    let mut ann = node.member("ann", "general").await;
    let mut bob = node.member("bob", "general").await;

    let refused = bob.try_emit(emit_to(Target::default(), "move", "1")).await.unwrap_err();

    assert_eq!(refused.code(), rialto_proto::v1::RefusalCode::TargetEmpty);
    ann.expect_nothing().await;
}
