//! What rooms keep: offsets, durability, order, idempotency keys, pages; through sessions, publishing and `RoomService`.

use std::{collections::BTreeMap, path::Path};

use rialto_proto::v1::{
    Durability, Emit, GetHistoryRequest, PublishBatchRequest, PublishRequest, RefusalCode, RoomPosition,
    client_frame::Command, get_history_request::Start, publish_outcome::Outcome,
};
use rialto_server::base::clock;
use rialto_tests::{
    histories::{folder, history, of, publish, publish_many, request, texts},
    node::{TestNode, is_alone},
    reason,
    talker::{emit_in, emit_to, rooms, sessions, text},
};
use tokio::task::yield_now;
use tonic::Code;

#[tokio::test]
async fn what_was_accepted_is_there_after_a_restart_and_offsets_go_on() {
    let folder = folder();
    let node = TestNode::keeping(folder.path()).await;
    let first = publish(&node, "chat", "general", "one").await;
    assert_eq!((first.offset, first.durability()), (Some(1), Durability::Fsync));
    let memory = publish(&node, "memory", "general", "gone").await;
    // Nodes that take things over from each other keep nothing in memory alone.
    let durability = if is_alone() { Durability::Memory } else { Durability::Fsync };
    assert_eq!((memory.offset, memory.durability()), (Some(1), durability));
    node.stop().await;

    let node = TestNode::keeping(folder.path()).await;
    let second = publish(&node, "chat", "general", "two").await;
    assert_eq!((second.offset, &second.epoch), (Some(2), &first.epoch));
    let kept = history(&node, of("chat", "general")).await.unwrap();
    assert_eq!(texts(&kept.events), ["one", "two"]);
    assert_eq!((kept.first_offset, kept.next_offset), (1, 3));
    assert_eq!(kept.events[0].event_id, first.event_id);

    let again = publish(&node, "memory", "general", "anew").await;
    assert_eq!(again.offset, Some(if is_alone() { 1 } else { 2 }));
    assert_eq!(again.epoch == memory.epoch, !is_alone());
}

/// Assertion 48, and one total order for all members, whoever sends.
#[tokio::test]
async fn all_members_see_one_order_whoever_sends() {
    let folder = folder();
    let node = TestNode::keeping(folder.path()).await;
    for namespace in ["chat", "memory"] {
        let mut members = Vec::new();
        for number in 0..4 {
            let mut member = node.attach(&format!("m{number}")).await;
            member.join(namespace, &["general"]).await;
            members.push(member);
        }
        let senders = (0..4).map(|sender| {
            let node = &node;
            async move {
                let mut talker = node.attach(&format!("s{sender}")).await;
                talker.enter(namespace).await.expect("it may");
                for number in 0..50 {
                    let emit =
                        emit_in(namespace, rooms(&["general"]), "message", &format!("{sender}.{number}"));
                    talker.ask(Command::Emit(emit)).await;
                }
                talker
            }
        });
        let _senders = futures_util::future::join_all(senders).await;
        let mut orders = Vec::new();
        for member in &mut members {
            let mut order = Vec::new();
            for offset in 1..=200 {
                let event = member.expect_event("message").await;
                assert_eq!(event.offset, Some(offset));
                order.push(text(&event));
            }
            orders.push(order);
        }
        assert!(orders.windows(2).all(|pair| pair[0] == pair[1]));
        for sender in 0..4 {
            let of_one = orders[0].iter().filter(|text| text.starts_with(&format!("{sender}.")));
            let expected: Vec<String> = (0..50).map(|number| format!("{sender}.{number}")).collect();
            assert_eq!(of_one.cloned().collect::<Vec<_>>(), expected);
        }
    }
}

/// Assertion 47, with a room whose events wait for the disk.
#[tokio::test]
async fn a_direct_event_does_not_overtake_one_that_waits_for_the_disk_and_answers_keep_their_order() {
    let folder = folder();
    let node = TestNode::keeping(folder.path()).await;
    let mut receiver = node.member("bob", "general").await;
    let mut sender = node.member("ann", "other").await;
    let direct = |number: u32| emit_to(sessions(&[receiver.id()]), "direct", &number.to_string());
    let frames: Vec<_> = (0..50_u32)
        .flat_map(|number| {
            let room = emit_to(rooms(&["general"]), "room", &number.to_string());
            [Command::Emit(room), Command::Emit(direct(number)), Command::Ping(Default::default())]
        })
        .zip(101..)
        .map(|(command, number)| rialto_proto::v1::ClientFrame { r#ref: number, command: Some(command) })
        .collect();
    sender.say_all(frames).await;
    for number in 0..50 {
        assert_eq!(receiver.expect_text("room").await, number.to_string());
        assert_eq!(receiver.expect_text("direct").await, number.to_string());
    }
    for number in 101..=250 {
        assert_eq!(sender.next().await.unwrap().r#ref, number);
    }
}

/// Assertion 58: the same key is one event, whoever repeats it and whenever.
#[tokio::test]
async fn an_event_with_the_same_key_takes_effect_once_and_is_answered_as_it_was() {
    let folder = folder();
    let node = TestNode::keeping(folder.path()).await;
    for namespace in ["chat", "memory", "default"] {
        let mut member = node.attach("bob").await;
        member.join(namespace, &["general"]).await;
        let keyed = |text: &str| Emit {
            idempotency_key: "k1".to_owned(),
            ..emit_in(namespace, rooms(&["general"]), "message", text)
        };
        let mut sender = node.attach("ann").await;
        sender.enter(namespace).await.expect("it may");
        let first = sender.try_emit(keyed("once")).await.unwrap();
        assert!(!first.duplicate);
        let again = sender.try_emit(keyed("once")).await.unwrap();
        assert!(again.duplicate);
        assert_eq!((&again.event_id, again.offset), (&first.event_id, first.offset));
        let other = sender.try_emit(keyed("something else")).await.unwrap_err();
        assert_eq!(other.code(), RefusalCode::RefReused);
        // Another user's key is another key.
        let mut third = node.attach("cid").await;
        third.enter(namespace).await.expect("it may");
        assert!(!third.try_emit(keyed("mine")).await.unwrap().duplicate);
        assert_eq!(member.expect_text("message").await, "once");
        assert_eq!(member.expect_text("message").await, "mine");
        member.expect_nothing().await;
    }
}

#[tokio::test]
async fn a_key_is_known_after_a_restart_where_its_event_is_durable() {
    let folder = folder();
    let request = || PublishRequest { idempotency_key: "k".to_owned(), ..request("chat", "general", "once") };
    let node = TestNode::keeping(folder.path()).await;
    let first = node.messaging().await.publish(request()).await.unwrap().into_inner().accepted.unwrap();
    node.stop().await;
    let node = TestNode::keeping(folder.path()).await;
    let again = node.messaging().await.publish(request()).await.unwrap().into_inner().accepted.unwrap();
    assert!(again.duplicate);
    assert_eq!((again.event_id, again.offset), (first.event_id, first.offset));
    assert_eq!(history(&node, of("chat", "general")).await.unwrap().events.len(), 1);
}

#[tokio::test]
async fn two_repeats_at_once_are_one_event() {
    let folder = folder();
    let node = TestNode::keeping(folder.path()).await;
    let publish = || async {
        let request =
            PublishRequest { idempotency_key: "k".to_owned(), ..request("chat", "general", "once") };
        node.messaging().await.publish(request).await.unwrap().into_inner().accepted.unwrap()
    };
    let answers = futures_util::future::join_all((0..8).map(|_| publish())).await;
    assert_eq!(answers.iter().filter(|accepted| !accepted.duplicate).count(), 1);
    assert!(answers.iter().all(|accepted| accepted.event_id == answers[0].event_id));
    assert_eq!(history(&node, of("chat", "general")).await.unwrap().events.len(), 1);
}

#[tokio::test]
async fn history_is_read_in_pages_both_ways_from_an_offset_from_a_time_and_from_the_newest() {
    let folder = folder();
    let node = TestNode::keeping(folder.path()).await;
    for namespace in ["chat", "memory"] {
        publish_many(&node, namespace, "general", 0..60).await;
        // What comes next comes in another millisecond.
        let taken_ms = clock::unix_ms(clock::wall());
        while clock::unix_ms(clock::wall()) == taken_ms {
            yield_now().await;
        }
        publish_many(&node, namespace, "general", 60..120).await;
        let forward = GetHistoryRequest {
            start: Some(Start::FromOffset(0)),
            page_size: Some(50),
            ..of(namespace, "general")
        };
        assert_eq!(walk(&node, forward.clone()).await, [(1, 50), (51, 100), (101, 120)]);
        let part =
            GetHistoryRequest { start: Some(Start::FromOffset(10)), to_offset: Some(20), ..forward.clone() };
        assert_eq!(walk(&node, part).await, [(10, 20)]);
        let backward = GetHistoryRequest { start: None, ..forward.clone() };
        assert_eq!(walk(&node, backward).await, [(71, 120), (21, 70), (1, 20)]);
        let before = GetHistoryRequest { start: Some(Start::BeforeOffset(61)), ..forward.clone() };
        assert_eq!(walk(&node, before).await, [(11, 60), (1, 10)]);
        let all = history(&node, of(namespace, "general")).await.unwrap();
        let since = all.events.last().unwrap().sent_at.unwrap();
        let since = GetHistoryRequest { start: Some(Start::Since(since)), ..forward };
        let pages = walk(&node, since).await;
        assert_eq!(pages.last().unwrap().1, 120);
        assert!(pages[0].0 > 60, "what was taken before that time is not there");
    }
}

/// First and last offset of every page; tokens lead from one to the next.
async fn walk(node: &TestNode, mut request: GetHistoryRequest) -> Vec<(u64, u64)> {
    let mut pages = Vec::new();
    loop {
        let page = history(node, request.clone()).await.unwrap();
        let offsets: Vec<u64> = page.events.iter().filter_map(|event| event.offset).collect();
        assert!(offsets.windows(2).all(|pair| pair[1] == pair[0] + 1));
        pages.push((offsets[0], offsets[offsets.len() - 1]));
        if page.next_page_token.is_empty() {
            return pages;
        }
        request.page_token = page.next_page_token;
    }
}

#[tokio::test]
async fn a_history_that_cannot_be_given_is_refused_with_the_reason() {
    let folder = folder();
    let few = |config: &mut rialto_server::base::config::Config| {
        config.namespaces.iter_mut().for_each(|namespace| namespace.settings.history_events_max = 10);
    };
    let node = TestNode::keeping_with(folder.path(), few).await;
    publish_many(&node, "chat", "general", 0..30).await;
    let from = |offset| GetHistoryRequest { start: Some(Start::FromOffset(offset)), ..of("chat", "general") };
    let sized = |size| GetHistoryRequest { page_size: Some(size), ..of("chat", "general") };
    let cases = [
        ("before the first", from(5), Code::OutOfRange, "POSITION_GONE"),
        ("beyond the next", from(32), Code::OutOfRange, "POSITION_GONE"),
        (
            "another epoch",
            GetHistoryRequest { epoch: "x".into(), ..of("chat", "general") },
            Code::OutOfRange,
            "POSITION_GONE",
        ),
        (
            "an epoch of a room without history",
            GetHistoryRequest { epoch: "x".into(), ..of("chat", "empty") },
            Code::OutOfRange,
            "POSITION_GONE",
        ),
        ("a page of none", sized(0), Code::InvalidArgument, "INVALID"),
        ("a page of very many", sized(1_000_000), Code::InvalidArgument, "INVALID"),
        ("reversed", GetHistoryRequest { to_offset: Some(20), ..from(25) }, Code::InvalidArgument, "INVALID"),
        (
            "before nothing",
            GetHistoryRequest { start: Some(Start::BeforeOffset(0)), ..of("chat", "general") },
            Code::InvalidArgument,
            "INVALID",
        ),
        (
            "a token that is none",
            GetHistoryRequest { page_token: "x".into(), ..of("chat", "general") },
            Code::InvalidArgument,
            "INVALID",
        ),
        ("no such namespace", of("nowhere", "general"), Code::NotFound, "NAMESPACE_UNKNOWN"),
        ("no name", of("chat", ""), Code::InvalidArgument, "NAME_INVALID"),
        (
            "a time that is none",
            GetHistoryRequest {
                start: Some(Start::Since(prost_types::Timestamp { seconds: i64::MIN, nanos: -1 })),
                ..of("chat", "general")
            },
            Code::InvalidArgument,
            "INVALID",
        ),
    ];
    for (what, request, code, why) in cases {
        let status = history(&node, request).await.expect_err(what);
        assert_eq!((status.code(), reason(&status).as_str()), (code, why), "{what}: {status:?}");
    }
    assert!(history(&node, from(31)).await.unwrap().events.is_empty());
    let empty = history(&node, of("chat", "empty")).await.unwrap();
    assert_eq!((empty.events.len(), empty.epoch.as_str(), empty.next_offset), (0, "", 1));
}

/// What may be lost or replaced, what leaves somebody out and what asks for replies is said and not kept.
#[tokio::test]
async fn only_what_every_member_may_read_is_kept() {
    let folder = folder();
    let node = TestNode::keeping(folder.path()).await;
    let mut member = node.member("bob", "general").await;
    let mut sender = node.member("ann", "general").await;
    let room = || emit_to(rooms(&["general"]), "message", "x");
    let mut leaves_out = room();
    leaves_out.target.as_mut().unwrap().except_sessions = vec![sender.id()];
    let not_kept = [
        Emit { delivery: rialto_proto::v1::Delivery::Volatile.into(), ..room() },
        Emit { delivery: rialto_proto::v1::Delivery::Latest.into(), ..room() },
        leaves_out,
        Emit { expect_replies: Some(rialto_proto::v1::ExpectReplies::default()), ..room() },
        emit_to(rialto_tests::talker::everyone(), "message", "x"),
    ];
    for emit in not_kept {
        let accepted = sender.try_emit(emit).await.unwrap();
        assert_eq!((accepted.offset, accepted.durability()), (None, Durability::Memory));
        let event = member.expect_event("message").await;
        assert_eq!((event.offset, event.epoch.as_str()), (None, ""));
    }
    let accepted = sender.try_emit(room()).await.unwrap();
    assert_eq!((accepted.offset, accepted.durability()), (Some(1), Durability::Fsync));
    assert_eq!(member.expect_event("message").await.offset, Some(1));
}

#[tokio::test]
async fn an_event_for_several_rooms_has_its_place_in_each_and_is_heard_once() {
    let folder = folder();
    let node = TestNode::keeping(folder.path()).await;
    publish(&node, "chat", "b", "before").await;
    let mut member = node.attach("bob").await;
    member.join("chat", &["a", "b"]).await;
    let mut sender = node.member("ann", "c").await;
    let accepted = sender.try_emit(emit_to(rooms(&["a", "b"]), "message", "both")).await.unwrap();
    let offsets = |positions: &[RoomPosition]| -> BTreeMap<String, u64> {
        positions.iter().map(|position| (position.room.clone(), position.offset)).collect()
    };
    let expected = BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 2)]);
    assert_eq!((accepted.offset, offsets(&accepted.positions)), (None, expected.clone()));
    let event = member.expect_event("message").await;
    // Of several nodes each tells the places of the rooms that it keeps.
    let told = offsets(&event.positions);
    assert!(!told.is_empty() && told.iter().all(|(room, offset)| expected[room] == *offset), "{told:?}");
    assert!(told == expected || !is_alone());
    member.expect_nothing().await;
    for room in ["a", "b"] {
        let kept = history(&node, of("chat", room)).await.unwrap();
        assert_eq!(text(kept.events.last().unwrap()), "both");
    }
}

#[tokio::test]
async fn events_of_a_batch_are_written_together_and_answered_in_order() {
    let folder = folder();
    let node = TestNode::keeping(folder.path()).await;
    let entries = (0..200).map(|number| request("chat", "general", &number.to_string())).collect();
    let batch = PublishBatchRequest { entries };
    let outcomes = node.messaging().await.publish_batch(batch).await.unwrap().into_inner().outcomes;
    let offsets: Vec<Option<u64>> = outcomes
        .into_iter()
        .map(|outcome| match outcome.outcome {
            Some(Outcome::Accepted(accepted)) => accepted.offset,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(offsets, (1..=200).map(Some).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_second_node_on_the_same_folder_does_not_start() {
    let folder = folder();
    let _node = TestNode::keeping(folder.path()).await;
    let second = start_on(folder.path()).await;
    assert!(second.contains("in use") || second.contains("another"), "{second}");
}

async fn start_on(folder: &Path) -> String {
    let mut config = rialto_server::base::config::Config { data: folder.to_owned(), ..Default::default() };
    config.listen.set_port(0);
    match rialto_server::node::Node::start(config).await {
        Ok(_) => panic!("it started"),
        Err(error) => error.to_string(),
    }
}
