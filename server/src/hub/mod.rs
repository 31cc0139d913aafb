//! Floor 3: who is where on this node, and local fan-out. The hub holds sessions, namespaces and rooms; it knows
//! nothing of streams, rights or other nodes. What must follow from a change (sessions that fell behind) comes back as
//! a value and is the router's to do.

mod address;
mod census;
mod changed;
mod counting;
mod delta;
mod emit;
mod everybody;
mod fan_out;
mod gathered;
mod member;
mod membership;
mod moving;
mod namespaces;
mod others;
mod outward;
mod presence;
mod room;
mod sessions;
mod shard;
mod watch;
mod window;

#[cfg(test)]
mod model;
#[cfg(test)]
mod outward_model;

use std::{net::IpAddr, sync::Arc};

pub use census::Page;
pub use changed::{Changed, Due};
pub use emit::{Emission, Held, What, names};
pub use fan_out::FanOut;
pub use member::{Wishes, info};
pub use membership::{Found, Joining, Told, not_entered};
pub use namespaces::{Namespace, Namespaces, unknown};
pub use outward::{Met, Outward};
pub use sessions::{Sessions, is_on_its_way, on_its_way};
pub use watch::{RoomEvent, Watches, Watching};

use crate::{
    base::{clock::Instant, limits::Limits, metrics::Metrics, refusal::Refusal},
    session::Session,
};
use gathered::Gathered;
use shard::Shards;

/// Who is where on this node.
#[derive(Debug)]
pub struct Hub {
    /// The namespaces.
    pub namespaces: Arc<Namespaces>,
    /// The sessions.
    pub sessions: Sessions,
    /// Who watches rooms.
    pub watches: Watches,
    shards: Shards,
    gathered: Gathered,
    limits: Limits,
    metrics: Arc<Metrics>,
    /// Who takes what other nodes are to be told, where there are other nodes.
    outward: Option<Arc<dyn Outward>>,
}

impl Hub {
    /// A hub with nobody in it.
    pub fn new(limits: &Limits, namespaces: Arc<Namespaces>, metrics: Arc<Metrics>) -> Self {
        Self {
            namespaces,
            sessions: Sessions::new(limits.node.clone()),
            watches: Watches::default(),
            shards: Shards::new(),
            gathered: Gathered::new(),
            limits: limits.clone(),
            metrics,
            outward: None,
        }
    }

    /// The same with other nodes, that are told who is where here.
    pub fn telling(self, outward: Option<Arc<dyn Outward>>) -> Self {
        Self { outward, ..self }
    }

    /// Adds a session that came from `from`, unless its user or its address has too many.
    pub fn open(&self, session: &Arc<Session>, from: Option<IpAddr>, now: Instant) -> Result<(), Refusal> {
        self.sessions.add(session, from, now)
    }
}
