//! What rooms keep, on several nodes: one order for all members wherever they are, and nothing lost when a node or NATS goes.

use rialto_proto::v1::{Accepted, Durability, Emit, Recovery, Target, client_frame::Command};
use rialto_server::base::config::Config;
use rialto_tests::{
    cluster::Cluster,
    histories::{after, history, join, of, only, publish, texts},
    nats::NatsServer,
    node::TestNode,
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

/// Assertion 58, over nodes: also of what no room keeps where that is wanted, and when nodes that have taken it are gone.
#[tokio::test]
async fn an_event_with_the_same_key_takes_effect_once_on_whatever_node_it_is_said_again() {
    let mut cluster = Cluster { nats: NatsServer::start().await, nodes: Vec::new() };
    for _ in 0..3 {
        let keys_shared = |config: &mut Config| {
            config.namespaces.iter_mut().for_each(|namespace| namespace.settings.keys_shared = true);
        };
        cluster.nodes.push(Cluster::node(&cluster.nats, keys_shared).await);
    }
    let mut member = cluster.nodes[2].attach("bob").await;
    let room = rooms(&["general"]);
    let nobody = format!("{}-0000000000000", &member.id()[..member.id().find('-').unwrap()]);
    let targets = [
        ("chat", room.clone()),
        ("memory", room.clone()),
        ("default", room.clone()),
        ("chat", Target { except_sessions: vec![nobody], ..room }),
        ("default", Target { users: vec!["bob".to_owned()], ..Target::default() }),
        ("default", Target { sessions: vec![member.id()], ..Target::default() }),
        ("default", Target { everyone: true, ..Target::default() }),
    ];
    for (namespace, _) in &targets {
        member.join(namespace, &["general"]).await;
    }
    let said: Vec<Emit> = (0..targets.len() * 4)
        .map(|number| {
            let ((namespace, target), key) = (&targets[number % targets.len()], number.to_string());
            Emit { idempotency_key: key.clone(), ..emit_in(namespace, target.clone(), "message", &key) }
        })
        .collect();
    let mut taken = Vec::new();
    for (number, emit) in said.iter().enumerate() {
        let at = number % 3;
        let accepted = say_to(&cluster.nodes[at], emit).await;
        assert_eq!((accepted.duplicate, accepted.recipients_here), (false, u32::from(at == 2)));
        assert_eq!(text(&member.expect_event("message").await), number.to_string());
        taken.push(accepted);
    }
    for _ in 0..2 {
        for (emit, first) in said.iter().zip(&taken) {
            for node in &cluster.nodes {
                let again = say_to(node, emit).await;
                assert_eq!((again.duplicate, &again.event_id), (true, &first.event_id));
                assert_eq!((again.offset, again.durability()), (first.offset, first.durability()));
            }
        }
        cluster.nodes.remove(0).stop().await;
    }
    member.expect_nothing().await;
}

/// Says something over a session of its own.
async fn say_to(node: &TestNode, emit: &Emit) -> Accepted {
    let mut talker = node.attach("ann").await;
    talker.enter(&emit.namespace).await.expect("it may");
    let accepted = talker.try_emit(emit.clone()).await.expect("it is taken");
    talker.bye().await;
    accepted
}
