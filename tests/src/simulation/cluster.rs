//! What several nodes have together: the network between them, what they agree on, and the logs of what their rooms keep.

use std::sync::Arc;

use rialto_server::{
    base::{ids::NodeId, tasks::Tasks},
    bridge::{
        Bridge, Ends,
        simulated::{Mischief, SimulatedNetwork},
    },
    history::SettingsOf,
    log::simulated::SimulatedLogs,
    owners::{Register, SharedMap, simulated::SimulatedBucket},
    router::owning::Estate,
};

use super::{node::SimulatedNode, scene::Scene};

/// The name of the cluster.
const NAME: &str = "main";

/// What one node has of it.
pub(super) struct Share {
    pub(super) bridge: Bridge,
    pub(super) ends: Ends,
    pub(super) estate: Estate,
    pub(super) namespaces: SharedMap,
    pub(super) revocations: SharedMap,
    /// The number of its link.
    pub(super) link: usize,
}

/// What nodes have together.
pub(super) struct Cluster {
    pub(super) network: SimulatedNetwork,
    pub(super) logs: SimulatedLogs,
    owners: SimulatedBucket,
    namespaces: SimulatedBucket,
    revocations: SimulatedBucket,
    parts: u32,
    rooms_max: usize,
    tasks: Tasks,
}

impl Cluster {
    /// A network to which no node is linked.
    pub(super) fn new(scene: &Scene) -> Self {
        let (network, tasks) = (SimulatedNetwork::default(), Tasks::default());
        network.misbehave(scene.mischief);
        let stopping = tasks.stopping().clone();
        let runs = network.clone();
        tasks.spawn("network", async move { stopping.run_until_cancelled(runs.run()).await });
        let (logs, owners, namespaces, revocations) = Default::default();
        let (parts, rooms_max) = (scene.config.cluster.parts, scene.config.cluster.rooms_heard_max as usize);
        Self { network, logs, owners, namespaces, revocations, parts, rooms_max, tasks }
    }

    /// What a node that begins has of it.
    pub(super) async fn share(&self, settings: SettingsOf) -> Result<Share, String> {
        let (link, number) = self.network.link();
        let (bridge, ends) = Bridge::new(NodeId::random(), (NAME, self.rooms_max), Arc::new(link));
        let way = self.network.way(number);
        let register = Register::open(self.owners.by(way.clone()), self.parts).await;
        let register = register.map_err(|error| error.to_string())?;
        let namespaces = SharedMap::new(self.namespaces.by(way.clone()));
        let revocations = SharedMap::new(self.revocations.by(way.clone()));
        let estate = Estate { register, logs: self.logs.by(way), settings };
        Ok(Share { bridge, ends, estate, namespaces, revocations, link: number })
    }

    /// Everybody reaches everybody, and nothing is lost.
    pub(super) fn heal<'a>(&self, nodes: impl Iterator<Item = &'a SimulatedNode>) {
        self.network.misbehave(Mischief::default());
        nodes.for_each(|node| self.network.join(node.link));
    }

    /// A node is gone.
    pub(super) fn lose(&self, node: &SimulatedNode) {
        self.network.end(node.link);
    }

    /// Ends it.
    pub(super) async fn end(self) {
        self.tasks.stopping().cancel();
        self.tasks.ended().await;
    }
}
