//! What rooms keep, on several nodes: one order for all members wherever they are, and nothing lost when a node or NATS goes.

use rialto_proto::v1::{Durability, Recovery, client_frame::Command};
use rialto_tests::{
    cluster::Cluster,
    histories::{after, history, join, of, only, publish, texts},
    talker::{Talker, emit_in, rooms, text},
};

/// Says so many texts to a room, one after the other without waiting, and waits for all answers.
async fn say(talker: &mut Talker, room: &str, texts: impl Iterator<Item = String>) {
    let mut asked = Vec::new();
    for text in texts {
        let emit = emit_in("chat", rooms(&[room]), "message", &text);
        asked.push(talker.ask(Command::Emit(emit)).await);
    }
    for reference in asked {
        talker.answer(reference).await;
    }
}

#[tokio::test]
async fn members_of_all_nodes_see_one_order_whoever_sends() {
    let cluster = Cluster::start(3).await;
    let mut members = Vec::new();
    for node in &cluster.nodes {
        let mut member = node.attach("member").await;
        member.join("chat", &["one", "two", "three"]).await;
        members.push(member);
    }
    let senders = cluster.nodes.iter().enumerate().map(|(number, node)| async move {
        let mut talker = node.attach(&format!("s{number}")).await;
        talker.enter("chat").await.expect("it may");
        for room in ["one", "two", "three"] {
            say(&mut talker, room, (0..30).map(|text| format!("{number}.{text}"))).await;
        }
    });
    futures_util::future::join_all(senders).await;
    let mut seen = Vec::new();
    for member in &mut members {
        let mut rooms: std::collections::BTreeMap<String, Vec<(u64, String)>> = Default::default();
        for _ in 0..270 {
            let event = member.expect_event("message").await;
            let place = (event.offset.expect("it is kept"), text(&event));
            rooms.entry(event.rooms[0].clone()).or_default().push(place);
        }
        member.expect_nothing().await;
        for events in rooms.values() {
            assert!(events.iter().map(|(offset, _)| *offset).eq(1..=90), "{events:?}");
            for sender in ["0.", "1.", "2."] {
                let own: Vec<_> = events.iter().filter(|(_, text)| text.starts_with(sender)).collect();
                let said = (0..30).map(|text| format!("{sender}{text}"));
                assert!(own.iter().map(|(_, text)| text.clone()).eq(said), "{own:?}");
            }
        }
        seen.push(rooms);
    }
    assert!(seen[0] == seen[1] && seen[1] == seen[2]);
}

#[tokio::test]
async fn a_history_is_read_and_recovered_on_every_node() {
    let cluster = Cluster::start(3).await;
    for number in 0..10 {
        let node = &cluster.nodes[number % 3];
        let accepted = publish(node, "chat", "general", &number.to_string()).await;
        assert_eq!((accepted.offset, accepted.durability()), (Some(number as u64 + 1), Durability::Fsync));
    }
    for node in &cluster.nodes {
        let kept = history(node, of("chat", "general")).await.unwrap();
        assert_eq!(kept.events.len(), 10);
        let mut reader = node.attach("reader").await;
        let state = only(join(&mut reader, after("chat", "general", &kept.epoch, 4)).await);
        assert_eq!((state.recovery(), state.offset), (Recovery::Whole, Some(10)));
        for offset in 5..=10 {
            assert_eq!(reader.expect_event("message").await.offset, Some(offset));
        }
        reader.expect_nothing().await;
    }
}

#[tokio::test]
async fn whatever_node_stops_what_was_accepted_is_there_and_offsets_go_on() {
    let mut cluster = Cluster::start(3).await;
    let mut said = Vec::new();
    for round in 0..4 {
        for number in 0..20 {
            let node = &cluster.nodes[number % cluster.nodes.len()];
            let text = format!("{round}.{number}");
            let accepted = publish(node, "chat", &format!("room{}", number % 5), &text).await;
            assert_eq!(accepted.offset, Some(round * 4 + number as u64 / 5 + 1));
            said.push(text);
        }
        cluster.nodes.remove(0).stop().await;
        cluster.add().await;
    }
    for room in 0..5 {
        let kept = history(&cluster.nodes[0], of("chat", &format!("room{room}"))).await.unwrap();
        let expected: Vec<String> =
            said.iter().enumerate().filter(|(at, _)| at % 5 == room).map(|(_, text)| text.clone()).collect();
        assert_eq!(texts(&kept.events), expected);
    }
}
