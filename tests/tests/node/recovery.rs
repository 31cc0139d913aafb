//! What those get who come later or come back: the newest, everything after a position, or what is left of it; and those
//! who read too slowly.

use rialto_proto::v1::Recovery;
use rialto_tests::{
    histories::{
        after, expect_missed, folder, history, join, newest, of, only, publish, publish_many, request, wish,
    },
    node::TestNode,
    talker::{rooms, text},
    within,
};

async fn newest_then_new(node: &TestNode, namespace: &str) {
    publish_many(node, namespace, "general", 0..20).await;
    let mut late = node.attach("late").await;
    let state = only(join(&mut late, newest(namespace, "general", 5)).await);
    assert_eq!((state.first_offset, state.offset), (Some(1), Some(20)));
    publish_many(node, namespace, "general", 20..25).await;
    for number in 15..25 {
        let event = late.expect_event("message").await;
        assert_eq!((text(&event), event.offset), (number.to_string(), Some(number + 1)));
        assert_eq!(event.epoch, state.epoch);
    }
    late.expect_nothing().await;
}

#[tokio::test]
async fn who_joins_gets_the_newest_and_then_what_is_new() {
    let folder = folder();
    let node = TestNode::keeping(folder.path()).await;
    newest_then_new(&node, "chat").await;
    newest_then_new(&node, "memory").await;
}

/// Assertion 52: no hole and no overlap where the stored and the new meet, however much is being written.
async fn recover_while_others_write(namespace: &'static str) {
    let folder = folder();
    let many = |config: &mut rialto_server::base::config::Config| {
        config.namespaces.iter_mut().for_each(|namespace| namespace.settings.history_events_max = 10_000);
    };
    let node = TestNode::keeping_with(folder.path(), many).await;
    publish_many(&node, namespace, "general", 0..10).await;
    let epoch = history(&node, of(namespace, "general")).await.unwrap().epoch;
    let writer = publish_many(&node, namespace, "general", 10..1_500);
    let readers = async {
        let mut readers = Vec::new();
        for offset in [0, 1, 5, 10] {
            let mut reader = node.attach("reader").await;
            join(&mut reader, after(namespace, "general", &epoch, offset)).await;
            readers.push((offset, reader));
        }
        readers
    };
    let ((), readers) = tokio::join!(writer, readers);
    for (offset, mut reader) in readers {
        for expected in offset + 1..=1_500 {
            let event = reader.expect_event("message").await;
            assert_eq!(event.offset, Some(expected));
            assert_eq!(text(&event), (expected - 1).to_string());
        }
        reader.expect_nothing().await;
    }
}

#[tokio::test]
async fn a_durable_room_is_recovered_without_hole_or_overlap_while_others_write() {
    recover_while_others_write("chat").await;
}

#[tokio::test]
async fn a_memory_room_is_recovered_without_hole_or_overlap_while_others_write() {
    recover_while_others_write("memory").await;
}

/// Assertion 51: also who has seen nothing yet, in a room that has never had an event.
#[tokio::test]
async fn who_joined_before_the_first_event_recovers_it() {
    let folder = folder();
    let node = TestNode::keeping(folder.path()).await;
    let mut early = node.attach("early").await;
    let state = only(join(&mut early, wish("chat", "general")).await);
    assert_eq!((state.epoch.as_str(), state.offset), ("", Some(0)));
    publish(&node, "chat", "general", "first").await;

    let mut back = node.attach("back").await;
    let state = only(join(&mut back, after("chat", "general", "", 0)).await);
    assert_eq!(state.recovery(), Recovery::Whole);
    assert_eq!(back.expect_text("message").await, "first");
}

/// Assertion 56: a position that is not held any more is answered with what is missing and what there is.
#[tokio::test]
async fn what_is_not_kept_any_more_is_said_exactly_and_the_rest_comes() {
    let folder = folder();
    let few = |config: &mut rialto_server::base::config::Config| {
        config.namespaces.iter_mut().for_each(|namespace| namespace.settings.history_events_max = 10);
    };
    let node = TestNode::keeping_with(folder.path(), few).await;
    for namespace in ["chat", "memory"] {
        publish_many(&node, namespace, "general", 0..30).await;
        let epoch = history(&node, of(namespace, "general")).await.unwrap().epoch;
        let mut back = node.attach("back").await;
        let state = only(join(&mut back, after(namespace, "general", &epoch, 5)).await);
        assert_eq!((state.recovery(), state.first_offset), (Recovery::Partial, Some(21)));
        let missed = expect_missed(&mut back).await;
        assert_eq!((missed.from_offset, missed.to_offset, missed.count), (Some(6), Some(20), 15));
        assert_eq!((missed.epoch, missed.rooms), (epoch, vec!["general".to_owned()]));
        for number in 20..30 {
            assert_eq!(back.expect_text("message").await, number.to_string());
        }
        back.expect_nothing().await;
    }
}

#[tokio::test]
async fn a_history_of_another_life_is_said_to_be_lost_and_the_present_one_comes() {
    let folder = folder();
    let node = TestNode::keeping(folder.path()).await;
    publish(&node, "memory", "general", "here").await;
    let mut back = node.attach("back").await;
    let state = only(join(&mut back, after("memory", "general", "another", 7)).await);
    assert_eq!(state.recovery(), Recovery::Lost);
    let missed = expect_missed(&mut back).await;
    assert_eq!((missed.epoch.as_str(), missed.from_offset, missed.to_offset), ("another", Some(8), None));
    assert_eq!(back.expect_text("message").await, "here");
    back.expect_nothing().await;
}

/// A receiver that falls behind in a room with history is served from it, loses nothing and is not closed.
async fn served_from_history(namespace: &str) {
    let folder = folder();
    let node = TestNode::keeping(folder.path()).await;
    let mut slow = node.attach("slow").await;
    slow.join(namespace, &["general"]).await;
    let large = "x".repeat(20_000);
    let mut stub = node.messaging().await;
    for number in 0..150_u32 {
        let mut request = request(namespace, "general", &format!("{number} {large}"));
        request.target = Some(rooms(&["general"]));
        stub.publish(request).await.expect("nobody is held up");
    }
    // Read now, 3 MB of it through an outbox of 256 KiB.
    for number in 0..150_u32 {
        let event = slow.expect_event("message").await;
        assert_eq!(event.offset, Some(u64::from(number) + 1));
        assert!(text(&event).starts_with(&format!("{number} ")));
    }
    slow.expect_nothing().await;
}

#[tokio::test]
async fn a_slow_receiver_is_served_from_a_durable_history() {
    within("reading it all", served_from_history("chat")).await;
}

#[tokio::test]
async fn a_slow_receiver_is_served_from_a_memory_history() {
    within("reading it all", served_from_history("memory")).await;
}
