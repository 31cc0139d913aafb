//! Revocation where sessions move and nodes are cut off.

use std::{path::Path, time::Duration};

use rialto_proto::v1::CloseCode;
use rialto_server::{
    auth::Right,
    base::{clock, config::AuthConfig},
};
use rialto_tests::{
    access::{accept_key, demand_tokens, grant, token_made_at},
    admin::{Admin, session, token_id, user},
    eventually,
    nats::NatsServer,
    node::TestNode,
    proxied::begin,
    proxy::Proxy,
    talker::{Shape, Talker},
    within,
};
use tokio::task::yield_now;
use tonic::Code;

/// Nodes that demand tokens, and the key of somebody who may do everything on them.
struct Guarded {
    nats: NatsServer,
    auth: AuthConfig,
    key: String,
}

impl Guarded {
    async fn begin() -> Self {
        let mut config = Default::default();
        demand_tokens(&mut config);
        let key = accept_key(&mut config, "operator", vec![grant("*", &["*"], &Right::ALL)]);
        Self { nats: NatsServer::start().await, auth: config.auth, key }
    }

    /// A node that reaches NATS at that address.
    async fn node(&self, nats: String) -> TestNode {
        TestNode::keeping_with(Path::new(""), |config| {
            config.auth = self.auth.clone();
            (config.cluster.nats, config.cluster.monitors) = (nats, self.nats.monitor());
        })
        .await
    }

    async fn nodes<const COUNT: usize>(&self) -> [TestNode; COUNT] {
        let mut nodes = Vec::new();
        for _ in 0..COUNT {
            nodes.push(self.node(self.nats.url()).await);
        }
        for node in &nodes {
            eventually("the other nodes", async || node.metric("rialto_nodes").await == COUNT as u64 - 1)
                .await;
        }
        nodes.try_into().expect("as many as were started")
    }

    async fn admin(&self, node: &TestNode) -> Admin {
        Admin::of(node, &self.key).await
    }
}

/// A token of somebody who may do everything in `chat`.
fn token(user: &str, id: &str) -> String {
    let made = clock::wall() - Duration::from_secs(60);
    token_made_at(made, (user, id), vec![grant("chat", &["*"], &Right::ALL)])
}

async fn member(node: &TestNode, token: &str) -> Talker {
    let mut talker = Talker::greet_with(node, Shape::Attach, token).await.expect("the token is accepted");
    talker.join("chat", &["red"]).await;
    talker
}

#[tokio::test]
async fn a_node_that_was_cut_off_is_named_and_follows_when_it_is_back() {
    let cluster = Guarded::begin().await;
    let proxy = Proxy::start(cluster.nats.address()).await.unwrap();
    let here = cluster.node(cluster.nats.url()).await;
    let cut_off = cluster.node(format!("nats://{}", proxy.address())).await;
    eventually("the other node", async || here.metric("rialto_nodes").await == 1).await;
    let (taken_back, kept) = (token("bob", "taken back"), token("ann", "kept"));
    cluster.admin(&here).await.revoke(token_id("taken back")).await.unwrap();
    let mut ann = member(&cut_off, &kept).await;
    let refused = Talker::greet_with(&cut_off, Shape::Attach, &taken_back).await;
    assert_eq!(refused.err().expect("it is revoked").code(), Code::Unauthenticated);

    proxy.black_hole();
    let revoked = cluster.admin(&here).await.revoke(user("ann")).await.unwrap();
    assert_eq!((revoked.sessions_ended, revoked.nodes_missing.len()), (0, 1));
    cluster.admin(&here).await.reinstate(token_id("taken back")).await.unwrap();

    proxy.heal();
    proxy.reset_all();
    assert_eq!(ann.expect_close().await.code(), CloseCode::Unauthenticated);
    eventually("what was taken back meanwhile", async || {
        Talker::greet_with(&cut_off, Shape::Attach, &taken_back).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_session_that_moves_while_it_is_revoked_ends_wherever_it_is() {
    let cluster = Guarded::begin().await;
    let nodes = cluster.nodes::<3>().await;
    let mut admin = cluster.admin(&nodes[2]).await;
    for number in 0..60 {
        let (from, to) = (&nodes[number % 2], &nodes[(number + 1) % 2]);
        let id = format!("token {number}");
        let token = token("ann", &id);
        let lost = member(from, &token).await.lose(Shape::Attach).with_token(&token);
        let what = if number % 3 == 0 { session(lost.id()) } else { token_id(&id) };
        // Begun a little later each time, so that it meets the session in each stage of its way.
        let revoking = async {
            for _ in 0..number * number {
                yield_now().await;
            }
            admin.revoke(what).await
        };
        let (resumed, revoked) = tokio::join!(lost.try_resume(to), revoking);
        assert!(revoked.unwrap().nodes_missing.is_empty());
        if let Ok(mut resumed) = resumed {
            assert_eq!(resumed.expect_close().await.code(), CloseCode::Unauthenticated);
        }
        for node in &nodes {
            let found = node.operator_with(&cluster.key).await.session(lost.id()).await;
            assert_eq!(found.expect_err("it has ended").code(), Code::NotFound);
        }
    }
}

#[tokio::test]
async fn a_session_that_another_node_has_adopted_is_revoked_by_the_token_that_it_began_with() {
    let cluster = Guarded::begin().await;
    let [old, heir] = cluster.nodes::<2>().await;
    let token = token("ann", "lost");
    let lost = member(&old, &token).await.lose(Shape::Attach).with_token(&token);
    eventually("an end of the stream", async || old.metric("rialto_sessions_away").await == 1).await;
    within("its end", begin(old.stop())).await.unwrap();
    assert_eq!(heir.metric("rialto_sessions_away").await, 1);
    let revoked = cluster.admin(&heir).await.revoke(token_id("lost")).await.unwrap();
    assert_eq!(revoked.sessions_ended, 1);
    assert_eq!(lost.try_resume(&heir).await.err().expect("it is revoked").code(), Code::Unauthenticated);
}
