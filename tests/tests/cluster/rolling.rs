//! Nodes of a cluster are replaced one after the other, as for a new version: clients take their sessions along to other nodes,
//! those who are away find theirs there, and nobody sees an error.

use std::{cell::Cell, future::IntoFuture, time::Duration};

use futures_util::future::join_all;
use rialto_client::{Events, Report, Session};
use rialto_tests::{
    cluster::Cluster,
    eventually,
    node::TestNode,
    proxied::begin,
    proxy::Proxy,
    resuming::Lost,
    talker::{Shape, Talker},
    within,
};
use tokio::time::{MissedTickBehavior, interval};

const USERS: [&str; 6] = ["ann", "bob", "cid", "dan", "eve", "fay"];
/// Namespaces that keep a history, and none.
const NAMESPACES: [&str; 2] = ["chat", "default"];
/// The pause between what each says: one hears so little of the five others that a session may be on its way between nodes for a
/// second before the 1,024 frames that are held for it are full.
const PACE: Duration = Duration::from_millis(10);

/// A cluster whose nodes give clients some time to leave.
async fn three() -> Cluster {
    let mut cluster = Cluster { nats: rialto_tests::nats::NatsServer::start().await, nodes: Vec::new() };
    for _ in 0..3 {
        add(&mut cluster).await;
    }
    cluster
}

/// One more node, which all know.
async fn add(cluster: &mut Cluster) {
    let node = Cluster::node(&cluster.nats, |config| config.stop.drain = Duration::from_secs(3)).await;
    cluster.nodes.push(node);
    let others = cluster.nodes.len() as u64 - 1;
    for node in &cluster.nodes {
        eventually("the other nodes", async || node.metric("rialto_nodes").await == others).await;
    }
}

/// A session through the proxy, in a room of each namespace, and what it hears there.
async fn member(proxy: &Proxy, user: &str) -> (Session, Vec<Events>) {
    // What is heard is looked at in the end.
    let session = Session::connect(proxy.url()).user(user).events_waiting(100_000);
    let session = within("a session", session.into_future()).await.expect("the node greets");
    let mut heard = Vec::new();
    for namespace in NAMESPACES {
        let room = session.namespace(namespace).room("red");
        heard.push(room.events());
        room.join().await.unwrap();
    }
    (session, heard)
}

/// Says numbers in both namespaces, at its pace, until it is told to end. Returns how many.
async fn speak(session: &Session, ends: &Cell<bool>) -> u32 {
    let mut number = 0;
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !ends.get() {
        pace.tick().await;
        for namespace in NAMESPACES {
            let emission = session.namespace(namespace).room("red").emit("said", number.to_string());
            within("an answer", emission.into_future()).await.expect("it is taken");
        }
        number += 1;
    }
    number
}

/// What comes until each of the others has said all of it, in its order.
async fn hear(events: &mut Events, own: usize, said: &[u32]) {
    let mut next = [0; USERS.len()];
    let all = |next: &[u32]| (0..USERS.len()).all(|at| at == own || next[at] == said[at]);
    while !all(&next) {
        let event = within("an event", events.next()).await.expect("the session lives");
        let sender = USERS.iter().position(|user| *user == event.user()).unwrap();
        assert_eq!(event.text(), Some(next[sender].to_string().as_str()), "{event:?}");
        next[sender] += 1;
    }
}

/// Somebody in the room `blue` who has just lost the stream.
async fn lose(node: &TestNode) -> Lost {
    let mut gus = node.attach("gus").await;
    gus.join("default", &["blue"]).await;
    let lost = gus.lose(Shape::Attach);
    node.misses(&lost).await;
    lost
}

#[tokio::test]
async fn all_nodes_are_replaced_while_everybody_speaks_and_nobody_sees_an_error() {
    let mut cluster = three().await;
    let mut proxies = Vec::new();
    for (at, _) in USERS.iter().enumerate() {
        proxies.push(Proxy::start(cluster.nodes[at % 3].address()).await.unwrap());
    }
    let members = join_all(proxies.iter().zip(USERS).map(|(proxy, user)| member(proxy, user))).await;
    let (sessions, mut heard): (Vec<_>, Vec<_>) = members.into_iter().unzip();
    let mut reports: Vec<_> = sessions.iter().map(Session::reports).collect();
    let ids: Vec<String> = sessions.iter().map(Session::id).collect();
    let mut lost = lose(&cluster.nodes[0]).await;

    let ends = Cell::new(false);
    let replacing = async {
        for _ in 0..3 {
            add(&mut cluster).await;
            let old = cluster.nodes.remove(0);
            proxies.iter().zip(cluster.nodes.iter().cycle()).for_each(|(proxy, node)| {
                proxy.forward_to(node.address());
            });
            within("its end", begin(old.stop())).await.unwrap();
            // Who is away has been handed over; this one says something to it, and it comes back to another node.
            let mut hal = cluster.nodes[1].attach("hal").await;
            hal.enter("default").await.unwrap();
            hal.try_emit(rialto_tests::talker::emit_in(
                "default",
                rialto_tests::talker::rooms(&["blue"]),
                "said",
                "x",
            ))
            .await
            .unwrap();
            let mut gus: Talker = lost.resume(&cluster.nodes[2]).await;
            assert_eq!(gus.expect_text("said").await, "x");
            gus = gus.lose_and_resume(&cluster.nodes[0], Shape::Attach).await;
            lost = gus.lose(Shape::Attach);
            cluster.nodes[0].misses(&lost).await;
        }
        ends.set(true);
    };
    let (said, ()) = tokio::join!(join_all(sessions.iter().map(|session| speak(session, &ends))), replacing);
    assert!(said.iter().all(|said| *said > 10), "{said:?}");
    assert_eq!(ids, sessions.iter().map(Session::id).collect::<Vec<_>>());
    for reports in &mut reports {
        let mut moves = 0;
        while let Ok(report) = tokio::time::timeout(Duration::ZERO, reports.next()).await {
            match report.expect("the session lives") {
                Report::Draining => {}
                Report::Reconnected { resumed: true, .. } => moves += 1,
                other => panic!("{other:?}"),
            }
        }
        assert!(moves >= 1, "each was on a node that was replaced");
    }
    for (own, heard) in heard.iter_mut().enumerate() {
        for events in heard {
            hear(events, own, &said).await;
        }
    }
}
