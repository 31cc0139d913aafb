//! A node with a folder behind a proxy, as clients see one whose network fails and that is restarted: the address stays,
//! and what is behind it changes. Used by the tests of client libraries.

use std::{
    fmt,
    future::{Future, IntoFuture},
};

use rialto_client::{Client, Publication, Report, Reports, Session, Status, Target};
use rialto_server::base::config::Config;
use tempfile::TempDir;
use tokio::{sync::watch, task::JoinHandle};

use crate::{histories::folder, node::TestNode, proxy::Proxy, within};

/// What a test changes in the configuration of each node that it starts.
type Change = Box<dyn Fn(&mut Config)>;

/// A node behind a proxy.
pub struct ProxiedNode {
    /// What is between the clients and the node.
    pub proxy: Proxy,
    node: Option<TestNode>,
    folder: TempDir,
    change: Change,
}

impl fmt::Debug for ProxiedNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxiedNode")
            .field("proxy", &self.proxy)
            .field("node", &self.node)
            .finish_non_exhaustive()
    }
}

impl ProxiedNode {
    /// A node whose namespace `chat` has a durable history, and `memory` one in memory.
    pub async fn start() -> Self {
        Self::with(|_| ()).await
    }

    /// The same with a changed configuration.
    pub async fn with(change: impl Fn(&mut Config) + 'static) -> Self {
        let folder = folder();
        let node = TestNode::keeping_with(folder.path(), &change).await;
        let proxy = Proxy::start(node.address()).await.expect("a free port");
        Self { proxy, node: Some(node), folder, change: Box::new(change) }
    }

    /// The node itself.
    pub fn node(&self) -> &TestNode {
        self.node.as_ref().expect("it runs")
    }

    /// Breaks every connection through the proxy, and lets none through until [`heal`](Proxy::heal).
    pub fn part(&self) {
        self.proxy.refuse_new();
        self.proxy.reset_all();
    }

    /// Parts everybody, and starts the node again on its folder. The proxy leads to it when it is healed.
    pub async fn restart(&mut self) {
        self.part();
        if let Some(node) = self.node.take() {
            node.stop().await;
        }
        let node = TestNode::keeping_with(self.folder.path(), &self.change).await;
        self.proxy.forward_to(node.address());
        self.node = Some(node);
    }

    /// Ends the node. The proxy, which leads nowhere then, keeps its address.
    pub fn into_proxy(self) -> Proxy {
        self.proxy
    }

    /// A session of `user` through the proxy.
    pub async fn session(&self, user: &str) -> Session {
        let session = Session::connect(self.proxy.url()).user(user);
        within("a session", session.into_future()).await.expect("the node greets")
    }

    /// A session of `user` that the proxy does not touch.
    pub async fn beside(&self, user: &str) -> Session {
        let session = Session::connect(self.node().url()).user(user);
        within("a session", session.into_future()).await.expect("the node greets")
    }

    /// Publishes numbers to a room, beside the proxy.
    pub async fn publish(&self, namespace: &str, room: &str, numbers: std::ops::Range<u32>) {
        let client = Client::new(self.node().url()).expect("a URL");
        let numbers: Vec<u32> = numbers.collect();
        for numbers in numbers.chunks(100) {
            let target = Target::room(room);
            let publication =
                |number: &u32| Publication::new(namespace, &target, "message", number.to_string());
            let outcomes = client.publish_batch(numbers.iter().map(publication)).await.expect("a batch");
            for outcome in outcomes {
                outcome.expect("it is taken");
            }
        }
    }
}

/// Begins something whose end is waited for later; it goes on meanwhile.
#[allow(clippy::disallowed_methods, reason = "a test ends what it begins")]
pub fn begin<F>(what: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(what)
}

/// Waits until the session has no connection.
pub async fn lost(status: &mut watch::Receiver<Status>) {
    let waits = |status: &Status| matches!(status, Status::Waiting { .. });
    within("the loss of the connection", status.wait_for(waits)).await.expect("the session lives");
}

/// The reports up to and with the next reconnect, which says whether the session was resumed.
pub async fn reconnected(reports: &mut Reports) -> bool {
    loop {
        if let Report::Reconnected { resumed, .. } = report(reports).await {
            return resumed;
        }
    }
}

/// The next report.
pub async fn report(reports: &mut Reports) -> Report {
    within("a report", reports.next()).await.expect("the session lives")
}
