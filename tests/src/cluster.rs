//! Several nodes over one real nats-server, that keep what rooms keep together.

use std::{net::SocketAddr, path::Path, time::Duration};

use rialto_server::base::config::Config;
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};

use crate::{nats::NatsServer, node::TestNode, program::Running};

/// A node of a cluster in a process of its own.
#[derive(Debug)]
pub struct Process {
    /// The process.
    pub running: Running,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Process {
    /// Starts a node with the default configuration.
    pub async fn start(nats: &NatsServer) -> Self {
        let (url, monitor) = (nats.url(), nats.monitor());
        let arguments = ["--listen", "127.0.0.1:0", "--nats", &url, "--nats-monitors", &monitor];
        let (running, address) = Running::serve(&arguments).await.expect("it starts");
        Self { running, address }
    }
}

/// A connection, when it is taken within a second.
pub async fn channel(address: SocketAddr) -> Option<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("a URL");
    timeout(Duration::from_secs(1), endpoint.connect()).await.ok()?.ok()
}

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
