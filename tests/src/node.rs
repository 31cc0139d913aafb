//! A real node in this process, on a port of its own.

use std::{
    cell::RefCell,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use rialto_proto::v1::{
    Accepted, directory_service_client::DirectoryServiceClient,
    messaging_service_client::MessagingServiceClient, room_service_client::RoomServiceClient,
};
use rialto_server::{
    base::config::{Config, HistoryKind, NamespaceConfig},
    node::Node,
    router::Router,
};
use tonic::transport::{Channel, Endpoint};

use crate::{
    nats::NatsServer,
    operator::Operator,
    talker::{Shape, Talker},
    within,
};

/// Whether a node is one, and not several that are one to whoever connects.
pub fn is_alone() -> bool {
    count() == 1
}

/// Expects that an event has reached so many sessions of the node that has taken it; of several nodes only so many at most.
#[track_caller]
pub fn reached(accepted: &Accepted, sessions: u32) {
    if is_alone() {
        assert_eq!(accepted.recipients_here, sessions);
    } else {
        assert!(accepted.recipients_here <= sessions, "{} of {sessions}", accepted.recipients_here);
    }
}

/// Sessions end with their streams, for tests about what follows from that.
pub fn end_with_streams(config: &mut Config) {
    config.limits.session.resume_window = Duration::ZERO;
}

/// A node under test; or several that are one to whoever connects, over a nats-server of their own, when `RIALTO_TEST_NODES`
/// says so: then each connection goes to the next one.
#[derive(Debug)]
pub struct TestNode {
    nodes: Vec<Node>,
    next: AtomicUsize,
    _together: Option<Together>,
    _nats: Option<NatsServer>,
}

thread_local! {
    /// Of all nodes of this test that are one with others.
    static ROUTERS: RefCell<Vec<Weak<Router>>> = const { RefCell::new(Vec::new()) };
}

/// Nodes that are one, as long as they are.
#[derive(Debug)]
struct Together(Vec<Weak<Router>>);

impl Together {
    fn of(nodes: &[Node]) -> Self {
        let routers: Vec<_> = nodes.iter().map(|node| Arc::downgrade(node.router())).collect();
        ROUTERS.with_borrow_mut(|all| all.extend(routers.clone()));
        Self(routers)
    }
}

impl Drop for Together {
    fn drop(&mut self) {
        ROUTERS.with_borrow_mut(|all| all.retain(|router| !self.0.iter().any(|own| own.ptr_eq(router))));
    }
}

/// Waits until all nodes that are one have heard what the others had to say by now. A single node has heard itself.
pub async fn settled() {
    let routers: Vec<_> = ROUTERS.with_borrow(|all| all.iter().filter_map(Weak::upgrade).collect());
    join_all(routers.iter().map(|router| router.hear_others())).await;
}

/// How many nodes are one.
pub fn count() -> usize {
    std::env::var("RIALTO_TEST_NODES").map_or(1, |count| count.parse().expect("a number"))
}

impl TestNode {
    /// A node with the default configuration but for the port, for rates that are in the way of most tests, and for the
    /// history of `chat`, which is off.
    pub async fn start() -> Self {
        Self::with(|_| ()).await
    }

    /// The same with a changed configuration.
    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config { listen: SocketAddr::from(([127, 0, 0, 1], 0)), ..Config::default() };
        config.limits.session.emits_per_second = 0;
        config.limits.node.hellos_per_second = 100_000;
        config.limits.node.rooms_created_per_minute = 1_000_000;
        config.namespaces.iter_mut().for_each(|namespace| namespace.settings.room_emits_per_second = 0);
        // What rooms keep has tests of its own, with a folder of its own.
        config.data = PathBuf::new();
        config.namespaces.iter_mut().for_each(|namespace| namespace.settings.history = HistoryKind::Off);
        config.stop.drain = Duration::from_millis(200);
        change(&mut config);
        let count = if config.cluster.nats.is_empty() { count() } else { 1 };
        let nats = if count > 1 { Some(NatsServer::kept_in(&config.data).await) } else { None };
        if let Some(nats) = &nats {
            config.cluster.nats = nats.url();
            config.cluster.monitors = nats.monitor();
        }
        let starting = join_all((0..count).map(|_| Node::start(config.clone()))).await;
        let nodes: Vec<Node> = starting.into_iter().map(|node| node.expect("the node starts")).collect();
        let together = nats.as_ref().map(|_| Together::of(&nodes));
        Self { nodes, next: AtomicUsize::new(0), _together: together, _nats: nats }
    }

    /// A node whose namespace `chat` has a durable history under `data`, and `memory` one in memory.
    pub async fn keeping(data: &Path) -> Self {
        Self::keeping_with(data, |_| ()).await
    }

    /// The same with a changed configuration.
    pub async fn keeping_with(data: &Path, change: impl FnOnce(&mut Config)) -> Self {
        Self::with(|config| {
            data.clone_into(&mut config.data);
            for namespace in &mut config.namespaces {
                if namespace.name == "chat" {
                    namespace.settings.history = HistoryKind::Durable;
                }
            }
            let mut memory = NamespaceConfig::named("memory");
            memory.settings.history = HistoryKind::Memory;
            memory.settings.room_emits_per_second = 0;
            config.namespaces.push(memory);
            change(config);
        })
        .await
    }

    /// Where it listens; of several nodes where the next one does.
    pub fn address(&self) -> SocketAddr {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        self.nodes[next % self.nodes.len()].address()
    }

    /// Where all of it listens.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(Node::address).collect()
    }

    /// The same as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// A connection of its own.
    pub async fn channel(&self) -> Channel {
        let endpoint = Endpoint::from_shared(self.url()).expect("a URL");
        within("a connection", endpoint.connect()).await.expect("the node accepts")
    }

    /// A stub for sessions and for sending without one.
    pub async fn messaging(&self) -> MessagingServiceClient<Channel> {
        MessagingServiceClient::new(self.channel().await)
    }

    /// A stub for looking inside.
    pub async fn directory(&self) -> DirectoryServiceClient<Channel> {
        DirectoryServiceClient::new(self.channel().await)
    }

    /// A stub for what rooms keep.
    pub async fn rooms(&self) -> RoomServiceClient<Channel> {
        RoomServiceClient::new(self.channel().await)
    }

    /// Somebody who looks inside and acts on what is there, without credentials.
    pub async fn operator(&self) -> Operator {
        Operator::new(self.directory().await, None)
    }

    /// The same with a token or an API key.
    pub async fn operator_with(&self, token: &str) -> Operator {
        Operator::new(self.directory().await, Some(token))
    }

    /// A session of `user` over `shape`, greeted.
    pub async fn greet(&self, shape: Shape, user: &str) -> Talker {
        Talker::greet(self, shape, user).await
    }

    /// A session of `user` over `Attach`, greeted.
    pub async fn attach(&self, user: &str) -> Talker {
        Talker::greet(self, Shape::Attach, user).await
    }

    /// A session of `user` over `Listen` and `Push`, greeted.
    pub async fn listen(&self, user: &str) -> Talker {
        Talker::greet(self, Shape::ListenAndPush, user).await
    }

    /// A session of `user` that has joined `room` of the namespace `chat`.
    pub async fn member(&self, user: &str, room: &str) -> Talker {
        let mut talker = self.attach(user).await;
        talker.join("chat", &[room]).await;
        talker
    }

    /// Stops it in its stages.
    pub async fn stop(self) {
        for node in self.nodes {
            within("the node's end", node.stop()).await;
        }
    }
}
