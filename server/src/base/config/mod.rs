//! What an operator may set: defaults, then the TOML file, then `RIALTO_*` variables, then flags. This file holds the
//! shape and the defaults, `check.rs` the rules, `config.default.toml` what an operator reads. Nothing here acts on a
//! setting. Whoever starts a node calls [`Config::check`] first.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use rialto_proto::v1::{FallingBehind, History};
use serde::{Deserialize, Serialize};

use super::limits::Limits;

mod auth;
mod check;
pub mod duration;
mod source;

pub use auth::{ApiKeyConfig, AuthConfig, GrantConfig, Secret, TokenAlgorithm, TokenConfig, TokenKeyConfig};
pub use check::is_public;
pub use source::{ConfigError, DEFAULT_TOML};

/// The whole configuration of a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the node listens.
    pub listen: SocketAddr,
    /// Where durable data lives; empty: nowhere, and no namespace may have a durable history.
    pub data: PathBuf,
    /// Permits a public address without authentication.
    pub insecure: bool,
    /// Bounds.
    pub limits: Limits,
    /// Namespaces that exist from the start, and patterns of those that may come.
    #[serde(rename = "namespace")]
    pub namespaces: Vec<NamespaceConfig>,
    /// Who may do what.
    pub auth: AuthConfig,
    /// Encryption of connections.
    pub tls: Option<TlsConfig>,
    /// Pages and browsers.
    pub web: WebConfig,
    /// Stopping.
    pub stop: StopConfig,
    /// What the node writes about itself.
    pub log: LogConfig,
    /// The other nodes.
    pub cluster: ClusterConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7400)),
            data: PathBuf::from("./rialto-data"),
            insecure: false,
            limits: Limits::default(),
            namespaces: vec![NamespaceConfig::durable("chat"), NamespaceConfig::named("default")],
            auth: AuthConfig::default(),
            tls: None,
            web: WebConfig::default(),
            stop: StopConfig::default(),
            log: LogConfig::default(),
            cluster: ClusterConfig::default(),
        }
    }
}

/// The other nodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClusterConfig {
    /// Addresses of NATS, separated by commas; empty: there are no other nodes.
    pub nats: String,
    /// Which of several clusters on the same NATS: lower-case letters and digits.
    pub name: String,
    /// Into how many parts all rooms fall, each of which is kept by one node at a time. Cannot be changed once a cluster has
    /// begun.
    pub parts: u32,
    /// Rooms that a node listens to one by one; beyond, it listens to whole partitions, each of which is 1/256 of all rooms.
    pub rooms_heard_max: u32,
    /// On how many servers of NATS is stored what rooms keep: 1, 3 or 5.
    pub replicas: u32,
    /// Addresses of the monitors of all servers of NATS, separated by commas: they tell whether what is stored is synced.
    pub monitors: String,
    /// File with a JWT and the seed of its key, as `nsc` writes it (`.creds`); empty: none.
    pub credentials: PathBuf,
    /// File with the seed of an nkey; empty: none.
    pub nkey: PathBuf,
    /// PEM file with the authorities that the certificates of NATS are signed by; empty: those of the system.
    pub tls_ca: PathBuf,
    /// PEM file with the certificate by which the node proves who it is; empty: none.
    pub tls_certificate: PathBuf,
    /// PEM file with its key.
    pub tls_key: PathBuf,
}

impl Default for ClusterConfig {
    fn default() -> Self {
        Self {
            nats: String::new(),
            name: "main".to_owned(),
            parts: 8,
            rooms_heard_max: 100_000,
            replicas: 1,
            monitors: String::new(),
            credentials: PathBuf::new(),
            nkey: PathBuf::new(),
            tls_ca: PathBuf::new(),
            tls_certificate: PathBuf::new(),
            tls_key: PathBuf::new(),
        }
    }
}

impl ClusterConfig {
    /// All files that it names, each with its key.
    pub fn files(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let files = [
            ("cluster.credentials", &self.credentials),
            ("cluster.nkey", &self.nkey),
            ("cluster.tls_ca", &self.tls_ca),
            ("cluster.tls_certificate", &self.tls_certificate),
            ("cluster.tls_key", &self.tls_key),
        ];
        files
            .map(|(key, path)| (key, path.as_path()))
            .into_iter()
            .filter(|(_, path)| !path.as_os_str().is_empty())
    }
}

/// A namespace, or with `*` at the end of its name a pattern that admits namespaces when they are first entered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamespaceConfig {
    /// Name, or the beginning of a name and `*`.
    pub name: String,
    /// What holds in it.
    #[serde(flatten)]
    pub settings: NamespaceSettings,
}

impl NamespaceConfig {
    /// A namespace whose rooms keep a durable history.
    pub fn durable(name: &str) -> Self {
        let settings = NamespaceSettings { history: HistoryKind::Durable, ..NamespaceSettings::default() };
        Self { name: name.to_owned(), settings }
    }

    /// A namespace with default settings.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), settings: NamespaceSettings::default() }
    }
}

/// What holds in a namespace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NamespaceSettings {
    /// What becomes of events for a receiver whose outbox is full.
    pub falling_behind: BehindPolicy,
    /// Only members of a room may emit to it.
    pub emit_requires_member: bool,
    /// Largest payload in bytes.
    pub payload_bytes_max: u32,
    /// Most rooms with members.
    pub rooms_max: u32,
    /// Events per second that one room takes; 0 is without bound.
    pub room_emits_per_second: u32,
    /// How long a busy room gathers events before it hands them to its members; 0 is off.
    #[serde(with = "duration")]
    pub delivery_window: Duration,
    /// Whether rooms keep a history, and where.
    pub history: HistoryKind,
    /// Events that the history of one room keeps.
    pub history_events_max: u32,
    /// Bytes that the history of one room keeps.
    pub history_bytes_max: u64,
    /// How long the history of a room keeps an event.
    #[serde(with = "duration")]
    pub history_age_max: Duration,
    /// Keys that the state of one room may have.
    pub state_keys_max: u32,
    /// Whether idempotency keys of events that no room keeps hold on all nodes.
    pub keys_shared: bool,
    /// Whether programs that speak NATS and not Rialto may publish into rooms.
    pub nats_in: bool,
    /// Whether such programs may hear what is said in rooms.
    pub nats_out: bool,
}

impl Default for NamespaceSettings {
    fn default() -> Self {
        Self {
            falling_behind: BehindPolicy::Close,
            emit_requires_member: false,
            payload_bytes_max: 64 << 10,
            rooms_max: 100_000,
            room_emits_per_second: 1_000,
            delivery_window: Duration::from_millis(5),
            history: HistoryKind::Off,
            history_events_max: 1_000,
            history_bytes_max: 4 << 20,
            history_age_max: Duration::from_secs(7 * 24 * 3600),
            state_keys_max: 1_000,
            keys_shared: false,
            nats_in: false,
            nats_out: false,
        }
    }
}

/// What becomes of events for a receiver whose outbox is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BehindPolicy {
    /// A kept event is read from its history later; for any other the stream ends, and the session goes on.
    Close,
    /// The event is dropped, counted and told.
    Drop,
    /// Only the newest of each event name is kept; what it displaces is counted and told.
    Latest,
}

impl From<BehindPolicy> for FallingBehind {
    fn from(policy: BehindPolicy) -> Self {
        match policy {
            BehindPolicy::Close => Self::Close,
            BehindPolicy::Drop => Self::Drop,
            BehindPolicy::Latest => Self::Latest,
        }
    }
}

/// Whether rooms keep a history, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HistoryKind {
    /// They keep none.
    Off,
    /// In memory: it is gone when the node ends.
    Memory,
    /// On disk, synced before an event is acknowledged or handed to anybody.
    Durable,
}

impl From<HistoryKind> for History {
    fn from(kind: HistoryKind) -> Self {
        match kind {
            HistoryKind::Off => Self::Off,
            HistoryKind::Memory => Self::Memory,
            HistoryKind::Durable => Self::Durable,
        }
    }
}

/// Encryption of connections.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// PEM file with the certificate chain.
    pub certificate: PathBuf,
    /// PEM file with the private key.
    pub key: PathBuf,
}

/// Pages and browsers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebConfig {
    /// Serve the chat.
    pub pages: bool,
    /// Origins beside the node's own whose pages may call it, for example `https://app.example.com`.
    pub origins: Vec<String>,
    /// Serve reflection, `/metrics` and the directory to this listener.
    pub inspection: bool,
}

impl Default for WebConfig {
    fn default() -> Self {
        Self { pages: true, origins: Vec::new(), inspection: true }
    }
}

/// Stopping, in stages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StopConfig {
    /// Time over which clients are told to come back elsewhere.
    #[serde(with = "duration")]
    pub drain: Duration,
    /// Time for flushing what waits in outboxes.
    #[serde(with = "duration")]
    pub flush: Duration,
}

impl Default for StopConfig {
    fn default() -> Self {
        Self { drain: Duration::from_secs(2), flush: Duration::from_secs(5) }
    }
}

/// What the node writes about itself, to standard error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// `error`, `warn`, `info`, `debug` or `trace`, also by module: `info,rialto_server::grpc=debug`.
    pub level: String,
    /// The shape of a line.
    pub format: LogFormat,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Human }
    }
}

/// The shape of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people, in colour on a terminal.
    Human,
    /// One JSON object a line.
    Json,
}
