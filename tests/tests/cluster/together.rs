//! Several nodes over a real nats-server: who is reached wherever they are, in which order, and what is told when NATS is away.

use std::{net::SocketAddr, path::PathBuf};

use prost::Message;
use rialto_proto::{
    node::{Envelope, Fanout, FanoutClass, envelope::What},
    v1::{
        AttachResponse, ClientFrame, Content, Delivery, Emit, Event, Missed, PublishRequest, RefusalCode,
        ServerFrame, Target, client_frame::Command, server_frame::Frame,
    },
};
use rialto_server::{
    base::config::{Config, NamespaceConfig},
    bridge::Place,
    node::Node,
};
use rialto_tests::{
    eventually,
    histories::request,
    nats::{NatsServer, Stranger},
    node::TestNode,
    proxy::Proxy,
    talker::{Talker, emit_to, everyone, rooms, sessions, text, users},
};

async fn node(url: &str) -> TestNode {
    TestNode::with(|config| config.cluster.nats = url.to_owned()).await
}

/// Two nodes over one NATS.
async fn two() -> (NatsServer, TestNode, TestNode) {
    let nats = NatsServer::start().await;
    let (here, there) = (node(&nats.url()).await, node(&nats.url()).await);
    (nats, here, there)
}

fn texts(events: &[Event]) -> Vec<String> {
    events.iter().map(text).collect()
}

/// Waits for so many events, and nothing else may come.
async fn events(talker: &mut Talker, count: usize) -> Vec<Event> {
    let mut events = Vec::new();
    for _ in 0..count {
        match talker.next().await.and_then(|frame| frame.frame) {
            Some(Frame::Event(event)) => events.push(event),
            other => panic!("expected event {} of {count}, not {other:?}", events.len() + 1),
        }
    }
    events
}

/// Assertion 11: members on all nodes, once.
#[tokio::test]
async fn an_event_reaches_the_members_of_its_room_on_every_node_once() {
    let (_nats, here, there) = two().await;
    let mut bob = here.member("bob", "general").await;
    let (mut ann, mut cid) = (there.member("ann", "general").await, here.member("cid", "general").await);
    bob.emit("general", "message", "1").await;
    bob.emit("general", "message", "2").await;
    for member in [&mut ann, &mut cid] {
        assert_eq!(texts(&events(member, 2).await), ["1", "2"]);
        member.expect_nothing().await;
    }
    ann.emit("general", "message", "3").await;
    for member in [&mut bob, &mut cid] {
        assert_eq!(texts(&events(member, 1).await), ["3"]);
    }
    ann.expect_nothing().await;
}

/// Assertions 3 and 14, over nodes.
#[tokio::test]
async fn whoever_is_covered_in_several_ways_hears_an_event_once_wherever_it_is() {
    let (_nats, here, there) = two().await;
    let mut bob = here.member("bob", "one").await;
    let mut ann = there.member("ann", "one").await;
    ann.join("chat", &["two", "three"]).await;
    let mut cid = there.member("cid", "elsewhere").await;

    let union =
        Target { users: vec!["ann".into()], sessions: vec![ann.id()], ..rooms(&["one", "two", "three"]) };
    bob.try_emit(emit_to(union, "message", "union")).await.unwrap();
    bob.try_emit(emit_to(sessions(&[cid.id()]), "message", "session")).await.unwrap();
    bob.try_emit(emit_to(users(&["cid"]), "message", "user")).await.unwrap();
    bob.try_emit(emit_to(everyone(), "message", "everyone")).await.unwrap();
    let except = Target { except_rooms: vec!["two".into()], ..rooms(&["one", "elsewhere"]) };
    bob.try_emit(emit_to(except, "message", "except")).await.unwrap();
    bob.try_emit(emit_to(everyone(), "message", "end")).await.unwrap();
    assert_eq!(texts(&events(&mut ann, 3).await), ["union", "everyone", "end"]);
    assert_eq!(texts(&events(&mut cid, 5).await), ["session", "user", "everyone", "except", "end"]);
    bob.expect_nothing().await;
}

/// Assertion 46, over nodes: whatever rooms they are for.
#[tokio::test]
async fn what_one_session_says_in_many_rooms_comes_in_its_order_on_another_node() {
    const ROOMS: usize = 40;
    const EVENTS: usize = 4_000;
    let (_nats, here, there) = two().await;
    let names: Vec<String> = (0..ROOMS).map(|number| format!("room {number}")).collect();
    let mut ann = there.attach("ann").await;
    ann.join("chat", &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let mut bob = here.attach("bob").await;
    bob.enter("chat").await.unwrap();
    let mut heard = Vec::new();
    for batch in (0..EVENTS).collect::<Vec<_>>().chunks(100) {
        let emit = |number: &usize| -> Emit {
            let target = match number % 10 {
                0 => users(&["ann"]),
                1 => rooms(&[&names[number % ROOMS], &names[(number + 1) % ROOMS]]),
                2 => sessions(&[ann.id()]),
                _ => rooms(&[&names[number * 7 % ROOMS]]),
            };
            emit_to(target, "message", &number.to_string())
        };
        let frame = |number| ClientFrame { r#ref: 0, command: Some(Command::Emit(emit(number))) };
        bob.say_all(batch.iter().map(frame).collect()).await;
        heard.extend(texts(&events(&mut ann, batch.len()).await));
    }
    assert_eq!(heard, (0..EVENTS).map(|number| number.to_string()).collect::<Vec<_>>());
}

/// Assertion 12.
#[tokio::test]
async fn a_node_hears_nothing_of_rooms_in_which_it_has_nobody() {
    let (nats, here, there) = two().await;
    let general = Place::room("chat", "general").subject("main");
    let listening = async || nats.listened().await.iter().filter(|subject| **subject == general).count();
    assert_eq!(listening().await, 0);
    let mut bob = here.member("bob", "general").await;
    assert_eq!(listening().await, 1, "before it was told that it has joined");
    let mut ann = there.member("ann", "general").await;
    assert_eq!(listening().await, 2);
    ann.part("chat", &["general"]).await;
    eventually("the end of listening", async || listening().await == 1).await;
    let third = node(&nats.url()).await;
    let mut cid = third.member("cid", "general").await;
    bob.emit("general", "message", "1").await;
    assert_eq!(texts(&events(&mut cid, 1).await), ["1"], "it has been everywhere");
    // Whoever comes back hears again.
    ann.join("chat", &["general"]).await;
    assert_eq!(listening().await, 3);
    bob.emit("general", "message", "2").await;
    assert_eq!(texts(&events(&mut ann, 1).await), ["2"]);
}

/// Assertion 10.
#[tokio::test]
async fn a_local_event_stays_on_its_node() {
    let (_nats, here, there) = two().await;
    let mut bob = here.member("bob", "general").await;
    let (mut ann, mut cid) = (there.member("ann", "general").await, here.member("cid", "general").await);
    let local = Target { local: true, ..rooms(&["general"]) };
    bob.try_emit(emit_to(local, "message", "local")).await.unwrap();
    bob.emit("general", "message", "all").await;
    assert_eq!(texts(&events(&mut cid, 2).await), ["local", "all"]);
    assert_eq!(texts(&events(&mut ann, 1).await), ["all"]);
    ann.expect_nothing().await;
}

#[tokio::test]
async fn an_operator_and_the_joins_of_a_greeting_are_heard_as_well() {
    let (_nats, here, there) = two().await;
    let mut bob = here.attach("bob").await;
    bob.enter("chat").await.unwrap();
    let mut ann = there.attach("ann").await;
    ann.enter("chat").await.unwrap();
    let joined = there.operator().await.join(everyone(), &["moved"]).await.unwrap();
    assert_eq!(joined, (2, 0));
    for member in [&mut ann, &mut bob] {
        assert!(matches!(member.expect_notice().await, Frame::Joined(_)));
    }
    bob.emit("moved", "message", "1").await;
    assert_eq!(texts(&events(&mut ann, 1).await), ["1"]);
}

fn missed(frame: Frame) -> Missed {
    match frame {
        Frame::Missed(missed) => missed,
        other => panic!("expected missed, not {other:?}"),
    }
}

#[tokio::test]
async fn when_nats_is_away_members_of_a_node_hear_each_other_and_what_may_be_missing_is_told() {
    let nats = NatsServer::start().await;
    let (mine, theirs) =
        (Proxy::start(nats.address()).await.unwrap(), Proxy::start(nats.address()).await.unwrap());
    let url = |proxy: &Proxy| format!("nats://{}", proxy.address());
    let (here, there) = (node(&url(&mine)).await, node(&url(&theirs)).await);
    let (mut bob, mut cid) = (here.member("bob", "general").await, here.member("cid", "general").await);
    let mut ann = there.member("ann", "general").await;

    mine.refuse_new();
    mine.reset_all();
    let away = async || match bob.try_join("chat", &[&format!("new {}", rand::random::<u32>())], false).await
    {
        Ok(_) => false,
        Err(refused) => {
            assert_eq!(refused.code(), RefusalCode::NodesUnreachable, "{refused:?}");
            assert!(refused.retry.is_some_and(|retry| retry.after.is_some()));
            true
        }
    };
    eventually("a refusal", away).await;
    let volatile = Emit {
        delivery: Delivery::Volatile.into(),
        ..emit_to(rooms(&["general"]), "message", "worth something only now")
    };
    bob.try_emit(volatile).await.unwrap();
    assert_eq!(texts(&events(&mut cid, 1).await), ["worth something only now"]);
    bob.emit("general", "message", "while it is away").await;
    assert_eq!(texts(&events(&mut cid, 1).await), ["while it is away"]);
    ann.expect_nothing().await;

    mine.heal();
    // In the room, and of what was said to users or to everyone.
    let mut notices = [missed(cid.expect_notice().await), missed(cid.expect_notice().await)];
    notices.sort_by_key(|missed| missed.rooms.len());
    assert!(notices.iter().all(|missed| missed.namespace == "chat" && missed.count == 0));
    assert_eq!([&notices[0].rooms[..], &notices[1].rooms[..]], [&[][..], &["general".to_owned()][..]]);
    // What was said meanwhile comes, or is told to be missing; what is new comes.
    bob.emit("general", "message", "new").await;
    let mut heard = Vec::new();
    loop {
        match ann.next().await.and_then(|frame| frame.frame) {
            Some(Frame::Event(event)) => heard.push(text(&event)),
            Some(Frame::Missed(missed)) => heard.push(format!("missed {:?}", missed.rooms)),
            other => panic!("{other:?}"),
        }
        if heard.last().is_some_and(|last| last == "new") {
            break;
        }
    }
    assert!(heard.len() == 2, "{heard:?}");
}

/// A message between nodes as another node would say it, in the room `general`.
fn envelope(node: &str, (seq, previous): (u64, u64), text: &str) -> Vec<u8> {
    let content = Content {
        event: "message".into(),
        body: Some(rialto_proto::v1::content::Body::Text(text.into())),
        ..Content::default()
    };
    let event = Event {
        namespace: "chat".into(),
        rooms: vec!["general".into()],
        content: Some(content),
        ..Event::default()
    };
    let frame = ServerFrame { r#ref: 0, frame: Some(Frame::Event(event)) };
    let record = AttachResponse { first_seq: 0, frames: vec![frame] }.encode_to_vec().into();
    let fanout = Fanout {
        namespace: "chat".into(),
        target: Some(rooms(&["general"])),
        class: FanoutClass::Reliable.into(),
        record,
        ..Fanout::default()
    };
    Envelope { node: node.into(), seq, previous, copies: 1, what: Some(What::Fanout(fanout)) }.encode_to_vec()
}

#[tokio::test]
async fn a_message_that_is_lost_between_nodes_is_told_and_what_is_none_does_no_harm() {
    let nats = NatsServer::start().await;
    let here = node(&nats.url()).await;
    let mut ann = here.member("ann", "general").await;
    let mut stranger = Stranger::connect(&nats).await;
    let subject = Place::room("chat", "general").subject("main");
    stranger.publish(&subject, &envelope("00000001", (5, 0), "first")).await;
    stranger.publish(&subject, b"hello").await;
    stranger.publish(&subject, b"").await;
    stranger
        .publish(&Place::room("chat", "other").subject("main"), &envelope("00000001", (6, 5), "elsewhere"))
        .await;
    stranger
        .publish(&Place::Namespace("chat".into()).subject("main"), &envelope("00000001", (7, 5), "misled"))
        .await;
    stranger.publish(&subject, &envelope("00000001", (9, 8), "after a gap")).await;
    stranger.publish(&subject, &envelope("00000001", (10, 9), "last")).await;
    assert_eq!(texts(&events(&mut ann, 1).await), ["first"]);
    let gap = missed(ann.expect_notice().await);
    assert_eq!(
        (gap.namespace.as_str(), gap.rooms.as_slice(), gap.count),
        ("chat", &["general".to_owned()][..], 0)
    );
    assert_eq!(texts(&events(&mut ann, 2).await), ["after a gap", "last"]);
    assert_eq!(here.metric("rialto_bridge_gaps_total").await, 1);
    ann.expect_nothing().await;
}

async fn start(url: &str, change: impl FnOnce(&mut Config)) -> String {
    let mut config =
        Config { listen: SocketAddr::from(([127, 0, 0, 1], 0)), data: PathBuf::new(), ..Config::default() };
    config.cluster.nats = url.to_owned();
    config.namespaces = vec![NamespaceConfig::named("chat")];
    change(&mut config);
    Node::start(config).await.expect_err("it does not start").to_string()
}

#[tokio::test]
async fn a_node_does_not_start_with_what_it_cannot_use_and_says_why() {
    let why = start("nats://127.0.0.1:1", |_| ()).await;
    assert!(why.contains("nats://127.0.0.1:1"), "{why}");
    let why = start("nats://ann:secret@127.0.0.1:1", |_| ()).await;
    assert!(!why.contains("secret"), "{why}");
    let why = start("nats://[", |_| ()).await;
    assert!(why.contains("is no list of addresses"), "{why}");
    let small = NatsServer::configured("max_payload: 65536").await;
    let why = start(&small.url(), |_| ()).await;
    assert!(why.contains("max_payload must be 540672 or more"), "{why}");
    let plain = NatsServer::configured("").await;
    let why = start(&plain.url(), |_| ()).await;
    assert!(why.contains("JetStream"), "{why}");
    let why = start(&plain.url(), |config| config.cluster.replicas = 2).await;
    assert!(why.contains("cluster.replicas"), "{why}");
    let nats = NatsServer::start().await;
    let first = node(&nats.url()).await;
    let why = start(&nats.url(), |config| config.cluster.parts = 3).await;
    assert!(why.contains("the cluster has 8 parts"), "{why}");
    first.stop().await;
    let why = start(&small.url(), |config| config.cluster.name = "a.b".into()).await;
    assert!(why.contains("cluster.name"), "{why}");
}

#[tokio::test]
async fn clusters_on_one_nats_do_not_hear_each_other() {
    let nats = NatsServer::start().await;
    let (here, beside) = (node(&nats.url()).await, node(&nats.url()).await);
    let there = TestNode::with(|config| {
        config.cluster.nats = nats.url();
        config.cluster.name = "other".into();
    })
    .await;
    let mut bob = here.member("bob", "general").await;
    let (mut ann, mut cid) = (there.member("ann", "general").await, beside.member("cid", "general").await);
    bob.emit("general", "message", "1").await;
    // It has come to where it is for.
    assert_eq!(texts(&events(&mut cid, 1).await), ["1"]);
    ann.expect_nothing().await;
}

/// Load balancers send nobody to a node from which nothing passes to the others; who is there stays.
#[tokio::test]
async fn a_node_is_not_ready_while_nothing_passes_to_the_others() {
    let mut nats = NatsServer::start().await;
    let here = node(&nats.url()).await;
    let ready = async || here.get("/readyz").await.0 == 200;
    let mut ann = here.attach("ann").await;
    assert!(ready().await);
    nats.kill().await;
    eventually("the node not to be ready", async || !ready().await).await;
    assert_eq!(here.get("/healthz").await.0, 200);
    ann.expect_nothing().await;
    nats.again().await;
    eventually("the node to be ready", ready).await;
}

/// Any one member: exactly one hears it, on whatever node it is.
#[tokio::test]
async fn an_event_for_any_one_member_finds_it_on_another_node() {
    let (_nats, here, there) = two().await;
    let mut workers = [there.member("one", "work").await, there.member("two", "work").await];
    let mut boss = here.attach("boss").await;
    boss.enter("chat").await.unwrap();
    let any = || Target { any_of: "work".to_owned(), ..Target::default() };
    for number in 0..10 {
        boss.try_emit(emit_to(any(), "task", &number.to_string())).await.unwrap();
    }
    let request = PublishRequest { target: Some(any()), ..request("chat", "work", "published") };
    here.messaging().await.publish(request).await.unwrap();
    // Nobody is there: nobody hears it, and that is no error.
    let nowhere = Target { any_of: "nowhere".to_owned(), ..Target::default() };
    boss.try_emit(emit_to(nowhere, "task", "lost")).await.unwrap();
    let mut heard = Vec::new();
    for worker in &mut workers {
        let events = worker.events_until_now().await;
        assert!(texts(&events).is_sorted(), "one hears them in the order in which they were sent");
        heard.extend(texts(&events));
    }
    heard.sort();
    assert_eq!(heard, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "published"]);
    boss.expect_nothing().await;
}
