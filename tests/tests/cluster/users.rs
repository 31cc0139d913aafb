//! How many sessions a user may have, over all nodes together.

use rialto_proto::v1::Hello;
use rialto_tests::{
    cluster::Cluster,
    eventually,
    nats::NatsServer,
    node::TestNode,
    reason,
    talker::{Shape, Talker},
};

/// So many nodes, on which a user may have so many sessions.
async fn nodes(count: usize, sessions: u32) -> (NatsServer, Vec<TestNode>) {
    let nats = NatsServer::start().await;
    let mut nodes = Vec::new();
    for _ in 0..count {
        let change = |config: &mut rialto_server::base::config::Config| {
            config.limits.node.sessions_per_user_max = sessions;
        };
        nodes.push(Cluster::node(&nats, change).await);
    }
    for node in &nodes {
        eventually("the others", async || node.metric("rialto_nodes").await == count as u64 - 1).await;
    }
    (nats, nodes)
}

async fn open(node: &TestNode, user: &str) -> Result<Talker, String> {
    let hello = Hello { user: user.to_owned(), ..Hello::default() };
    Talker::open_with(node, Shape::Attach, hello).await.map_err(|status| reason(&status))
}

#[tokio::test]
async fn a_user_has_no_more_sessions_over_all_nodes_than_on_one() {
    let (_nats, nodes) = nodes(3, 5).await;
    for order in [[0, 0, 0, 0, 0], [0, 1, 2, 0, 1], [2, 2, 1, 1, 1]] {
        let mut sessions = Vec::new();
        for node in order {
            sessions.push(open(&nodes[node], "ann").await.unwrap());
        }
        for node in &nodes {
            assert_eq!(open(node, "ann").await.err().as_deref(), Some("LIMIT_REACHED"));
        }
        open(&nodes[2], "bob").await.unwrap().bye().await;
        sessions.pop().unwrap().bye().await;
        sessions.push(open(&nodes[2], "ann").await.unwrap());
        assert_eq!(open(&nodes[1], "ann").await.err().as_deref(), Some("LIMIT_REACHED"));
        for mut session in sessions {
            session.bye().await;
        }
    }
}

#[tokio::test]
async fn many_who_come_at_once_are_not_more_than_may_be() {
    let (_nats, nodes) = nodes(3, 4).await;
    let all = futures_util::future::join_all((0..30).map(|number| open(&nodes[number % 3], "ann"))).await;
    let admitted: Vec<Talker> = all.into_iter().filter_map(Result::ok).collect();
    assert!((1..=4).contains(&admitted.len()), "{} were admitted", admitted.len());
    let mut more = Vec::new();
    while let Ok(session) = open(&nodes[more.len() % 3], "ann").await {
        more.push(session);
    }
    assert_eq!(admitted.len() + more.len(), 4);
}

#[tokio::test]
async fn one_that_is_away_gives_way_on_whatever_node_it_is_the_longest_one_first() {
    let (_nats, nodes) = nodes(3, 3).await;
    let mut lost = Vec::new();
    for node in [&nodes[1], &nodes[0]] {
        let one = node.attach("ann").await.lose(Shape::Attach);
        node.misses(&one).await;
        lost.push(one);
    }
    let mut present = vec![open(&nodes[2], "ann").await.unwrap()];
    for (one, node) in lost.iter().zip([&nodes[1], &nodes[0]]) {
        assert!(node.session(one.id()).await.is_some(), "there was a place");
        present.push(open(&nodes[2], "ann").await.unwrap());
        node.forgets(one.id()).await;
    }
    assert_eq!(open(&nodes[0], "ann").await.err().as_deref(), Some("LIMIT_REACHED"));
    for mut one in present {
        one.expect_nothing().await;
    }
}
