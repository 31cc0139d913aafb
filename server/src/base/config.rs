//! What an operator may set: defaults, then the TOML file, then flags and `RIALTO_*` variables. A configuration that
//! has been built is valid.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use rialto_proto::v1::FallingBehind;
use serde::{Deserialize, Serialize};

use super::limits::Limits;

/// The whole configuration of a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the node listens.
    pub listen: SocketAddr,
    /// Where durable data lives.
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
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7400)),
            data: PathBuf::from("./rialto-data"),
            insecure: false,
            limits: Limits::default(),
            namespaces: vec![NamespaceConfig::named("chat"), NamespaceConfig::named("default")],
            auth: AuthConfig::default(),
            tls: None,
            web: WebConfig::default(),
            stop: StopConfig::default(),
        }
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
    /// A namespace with default settings.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            settings: NamespaceSettings::default(),
        }
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
        }
    }
}

/// What becomes of events for a receiver whose outbox is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BehindPolicy {
    /// The session is closed and told so.
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

/// Who may do what. Without keys of either kind nothing is authenticated and everything is allowed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthConfig {}

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
        Self {
            pages: true,
            origins: Vec::new(),
            inspection: true,
        }
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
        Self {
            drain: Duration::from_secs(2),
            flush: Duration::from_secs(5),
        }
    }
}

/// Durations in the configuration are written like `250ms`, `5s` or `2m`.
pub mod duration {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Writes a duration.
    pub fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(*value))
    }

    /// Reads a duration.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_duration(&text).map_err(|error| D::Error::custom(format_args!("{text:?}: {error}")))
    }
}
