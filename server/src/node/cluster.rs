//! The way to the other nodes, and what is kept together with them, found before anybody is served.

use std::sync::Arc;

use rialto_proto::v1::Durability;

use super::monitor;
use crate::{
    base::{
        config::{ClusterConfig, Config},
        ids::NodeId,
        limits::{MEMBERS_BYTES_MAX, MESSAGE_OVERHEAD_BYTES},
        tasks::Tasks,
    },
    bridge::{Bridge, Ends, LinkError, NatsLink},
    hub::Namespaces,
    log::{ClaimError, jetstream::Streams},
    owners::{NatsBucket, Register, RegisterError, SharedMap},
    router::{owning::Estate, revoking::Keeper},
    uploads::{StreamUploads, UploadError, Uploads},
};

/// Beside an event a message between nodes has its target, which may name many.
const TARGET_BYTES: usize = 16 << 10;

/// Why a node does not take part in a cluster.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// NATS is not reached, or not by this.
    #[error("{0}")]
    Link(#[from] LinkError),
    /// What rooms keep has no place.
    #[error("{0}; is JetStream on?")]
    Streams(#[from] ClaimError),
    /// Uploads have no place.
    #[error("{0}; is JetStream on?")]
    Uploads(#[from] UploadError),
    /// Nothing is known of the servers.
    #[error("{0}")]
    Monitor(String),
    /// Nothing can be agreed on.
    #[error("what all nodes agree on: {0}")]
    Register(#[from] RegisterError),
}

/// What a node has of its cluster.
pub(super) struct Cluster {
    pub(super) bridge: Bridge,
    pub(super) ends: Ends,
    pub(super) estate: Estate,
    pub(super) namespace_register: SharedMap,
    pub(super) revocations: Keeper,
    pub(super) uploads: Arc<dyn Uploads>,
}

/// Connects to NATS, where the configuration names one.
pub(super) async fn open(
    config: &Config,
    namespaces: &Arc<Namespaces>,
    tasks: &Tasks,
) -> Result<Option<Cluster>, ClusterError> {
    let cluster = &config.cluster;
    if cluster.nats.is_empty() {
        return Ok(None);
    }
    let payload = config.namespaces.iter().map(|namespace| namespace.settings.payload_bytes_max).max();
    let message_bytes_max = payload.unwrap_or_default() as usize + MESSAGE_OVERHEAD_BYTES + TARGET_BYTES;
    let message_bytes_max = message_bytes_max.max(MEMBERS_BYTES_MAX + MESSAGE_OVERHEAD_BYTES);
    let link = NatsLink::connect(cluster, message_bytes_max).await?;
    // Without that, what is not permitted is only not answered.
    tokio::select! {
        opened = open_over(&link, config, namespaces, tasks) => {
            let Together { estate, namespace_register, revocations, uploads } = opened?;
            let rooms_max = cluster.rooms_heard_max as usize;
            let (bridge, ends) = Bridge::new(NodeId::random(), (&cluster.name, rooms_max), Arc::new(link));
            Ok(Some(Cluster { bridge, ends, estate, namespace_register, revocations, uploads }))
        }
        error = link.refused() => Err(error.into()),
    }
}

/// What is kept together.
struct Together {
    estate: Estate,
    namespace_register: SharedMap,
    revocations: Keeper,
    uploads: Arc<dyn Uploads>,
}

/// Opens that, over a connection.
async fn open_over(
    link: &NatsLink,
    config: &Config,
    namespaces: &Arc<Namespaces>,
    tasks: &Tasks,
) -> Result<Together, ClusterError> {
    let cluster = &config.cluster;
    let (client, replicas) = (link.client(), cluster.replicas as usize);
    let durability = durability(cluster, tasks).await?;
    let logs = Arc::new(Streams::new(client.clone(), &cluster.name, replicas, durability).await?);
    let bucket = |name| NatsBucket::open(client.clone(), &cluster.name, name, replicas);
    let register = Register::open(Arc::new(bucket("owners").await?), cluster.parts).await?;
    let namespace_register = SharedMap::new(Arc::new(bucket("namespaces").await?));
    let revocations = SharedMap::new(Arc::new(bucket("revocations").await?));
    let revocations = Keeper::Together(revocations, durability);
    let uploads_bytes_max = config.limits.node.uploads_bytes_max;
    let uploads = StreamUploads::open(client.clone(), &cluster.name, replicas, uploads_bytes_max).await?;
    let of = Arc::clone(namespaces);
    let estate = Estate { register, logs, settings: Arc::new(move |name| of.settings(name)) };
    Ok(Together { estate, namespace_register, revocations, uploads: Arc::new(uploads) })
}

/// What an acknowledgement of JetStream is worth.
async fn durability(cluster: &ClusterConfig, tasks: &Tasks) -> Result<Durability, ClusterError> {
    if cluster.monitors.is_empty() {
        return Ok(Durability::Stored);
    }
    let synced = monitor::all_sync(&cluster.monitors, tasks).await.map_err(ClusterError::Monitor)?;
    Ok(match (synced, cluster.replicas) {
        (false, _) => Durability::Stored,
        (true, 1) => Durability::Fsync,
        (true, _) => Durability::Replicated,
    })
}
