//! Several nodes over one real nats-server, that keep what rooms keep together.

use std::path::Path;

use rialto_server::base::config::Config;

use crate::{nats::NatsServer, node::TestNode};

/// Nodes, and the NATS between them.
#[derive(Debug)]
pub struct Cluster {
    /// The server.
    pub nats: NatsServer,
    /// The nodes.
    pub nodes: Vec<TestNode>,
}

impl Cluster {
    /// So many nodes, whose namespace `chat` has a durable history, and `memory` one in memory.
    pub async fn start(count: usize) -> Self {
        let nats = NatsServer::start().await;
        let mut cluster = Self { nats, nodes: Vec::new() };
        for _ in 0..count {
            cluster.add().await;
        }
        cluster
    }

    /// One more node.
    pub async fn add(&mut self) {
        let node = Self::node(&self.nats, |_| ()).await;
        self.nodes.push(node);
    }

    /// A node of the cluster over a NATS, with a changed configuration.
    pub async fn node(nats: &NatsServer, change: impl FnOnce(&mut Config)) -> TestNode {
        TestNode::keeping_with(Path::new(""), |config| {
            config.cluster.nats = nats.url();
            config.cluster.monitors = nats.monitor();
            change(config);
        })
        .await
    }
}
