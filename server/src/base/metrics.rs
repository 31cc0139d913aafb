//! Every metric: name, labels, meaning. Labels come from closed sets only, never from users' text.

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// Label of what was refused or closed: the name of a code.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CodeLabel {
    /// Name of the refusal or close code, as in the proto without its prefix.
    pub code: &'static str,
}

/// Label of why something was dropped.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CauseLabel {
    /// One of a closed set of words.
    pub cause: &'static str,
}

/// Label of where a job is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct StateLabel {
    /// Name of the state, as in the proto without its prefix.
    pub state: &'static str,
}

macro_rules! metrics {
    ($($(#[doc = $doc:literal])* $field:ident: $kind:ty = $name:literal,)*) => {
        /// The node's metrics. Cheap to count; read by [`Metrics::exposition`].
        #[derive(Debug)]
        pub struct Metrics {
            registry: Registry,
            $($(#[doc = $doc])* pub $field: $kind,)*
        }

        impl Default for Metrics {
            fn default() -> Self {
                let mut registry = Registry::with_prefix("rialto");
                $(
                    let $field = <$kind>::default();
                    registry.register($name, concat!($($doc),*).trim().trim_end_matches('.'), $field.clone());
                )*
                Self { registry, $($field,)* }
            }
        }
    };
}

metrics! {
    /// Connections that are open.
    connections: Gauge = "connections",
    /// Connections that were accepted.
    connections_accepted: Counter = "connections_accepted",
    /// Connections that the edge turned away or cut, by cause.
    connections_cut: Family<CauseLabel, Counter> = "connections_cut",
    /// Requests that the edge turned away before a service saw them, by cause.
    requests_refused: Family<CauseLabel, Counter> = "requests_refused",
    /// Calls that ended in a panic of the server.
    panics: Counter = "panics",
    /// Sessions that are open.
    sessions: Gauge = "sessions",
    /// Sessions that were opened.
    sessions_opened: Counter = "sessions_opened",
    /// Sessions that ended, by close code.
    sessions_closed: Family<CodeLabel, Counter> = "sessions_closed",
    /// Sessions that are away: their streams are lost and may come back.
    sessions_away: Gauge = "sessions_away",
    /// Sessions that were taken up by another stream.
    sessions_resumed: Counter = "sessions_resumed",
    /// Sessions that went to another node, with their clients.
    sessions_moved: Counter = "sessions_moved",
    /// Streams that were ended because their receiver fell behind.
    sessions_behind: Counter = "sessions_behind",
    /// Rooms that have members.
    rooms: Gauge = "rooms",
    /// Namespaces that exist.
    namespaces: Gauge = "namespaces",
    /// Events that were taken.
    events: Counter = "events",
    /// Events that were put in an outbox, once for each receiver.
    deliveries: Counter = "deliveries",
    /// Events that were not put in an outbox or taken out again, by cause.
    drops: Family<CauseLabel, Counter> = "drops",
    /// Commands and unary calls that were refused, by refusal code.
    refusals: Family<CodeLabel, Counter> = "refusals",
    /// Emits and calls that wait for replies.
    replies_outstanding: Gauge = "replies_outstanding",
    /// Room watches that are open.
    watches: Gauge = "watches",
    /// Jobs that are kept, by state.
    jobs: Family<StateLabel, Gauge> = "jobs",
    /// Jobs that were put into queues.
    jobs_enqueued: Counter = "jobs_enqueued",
    /// Jobs that have ended or are dead, by state.
    jobs_ended: Family<StateLabel, Counter> = "jobs_ended",
    /// Workers whose streams are open.
    workers: Gauge = "workers",
    /// Revocations that are in force.
    revocations: Gauge = "revocations",
    /// Other nodes that are known.
    nodes: Gauge = "nodes",
    /// Times that members were told that something from other nodes may be missing.
    bridge_gaps: Counter = "bridge_gaps",
    /// Partitions of rooms that this node listens to as a whole.
    partitions_heard: Gauge = "partitions_heard",
    /// Parts of the rooms that this node keeps, of several nodes.
    parts_owned: Gauge = "parts_owned",
    /// Times that the log of a part was found to end before what it had acknowledged.
    rolled_back: Counter = "histories_rolled_back",
}

impl Metrics {
    /// All metrics in the OpenMetrics text format.
    pub fn exposition(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
