//! The way to the other nodes, found before anybody is served.

use std::sync::Arc;

use crate::{
    base::{config::Config, ids::NodeId, limits::MESSAGE_OVERHEAD_BYTES},
    bridge::{Bridge, Ends, LinkError, NatsLink},
};

/// Beside an event a message between nodes has its target, which may name many.
const TARGET_BYTES: usize = 16 << 10;

/// Connects to NATS, where the configuration names one.
pub(super) async fn open(config: &Config) -> Result<Option<(Bridge, Ends)>, LinkError> {
    let cluster = &config.cluster;
    if cluster.nats.is_empty() {
        return Ok(None);
    }
    let payload = config.namespaces.iter().map(|namespace| namespace.settings.payload_bytes_max).max();
    let message_bytes_max = payload.unwrap_or_default() as usize + MESSAGE_OVERHEAD_BYTES + TARGET_BYTES;
    let link = NatsLink::connect(&cluster.nats, &cluster.name, message_bytes_max).await?;
    Ok(Some(Bridge::new(NodeId::random(), &cluster.name, Arc::new(link))))
}
