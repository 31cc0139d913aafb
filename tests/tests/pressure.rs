//! A sender that says much at once, all of it allowed, does not get those closed who read it.

use rialto_proto::v1::{ClientFrame, client_frame::Command};
use rialto_tests::{
    node::TestNode,
    talker::{emit_to, rooms},
};

/// Each event is near the largest payload; all of them together are four outboxes.
const EVENTS: usize = 16;
const BYTES: usize = 60 << 10;

fn burst() -> Vec<ClientFrame> {
    let emit =
        |number: usize| emit_to(rooms(&["general"]), "page", &format!("{number:02}{}", "x".repeat(BYTES)));
    (0..EVENTS).map(|number| ClientFrame { r#ref: 0, command: Some(Command::Emit(emit(number))) }).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_prompt_reader_gets_all_of_a_burst_of_several_outboxes() {
    let node = TestNode::start().await;
    for _ in 0..5 {
        let mut ann = node.member("ann", "general").await;
        let mut bob = node.member("bob", "general").await;

        // Two messages: one request may be 1 MiB and a little. They are read while they are said.
        let mut burst = burst();
        let rest = burst.split_off(EVENTS / 2);
        let say = async {
            ann.say_all(burst).await;
            ann.say_all(rest).await;
        };
        let read = async {
            for number in 0..EVENTS {
                assert_eq!(bob.expect_text("page").await[..2], format!("{number:02}"));
            }
        };
        tokio::join!(say, read);
    }
}
