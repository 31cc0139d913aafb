//! The rules that a configuration must keep beyond its shape, each with a sentence that says what to do. Pure: looks
//! at values only, not at files or addresses. What `auth/` makes of `[auth]` is checked there.

use std::{collections::HashSet, net::IpAddr, time::Duration};

use http::Uri;

use super::{Config, ConfigError, HistoryKind, NamespaceSettings};
use crate::base::{
    limits::{
        ConnectionLimits, Limits, MESSAGE_OVERHEAD_BYTES, NodeLimits, OUTBOX_BYTES_FLOOR,
        PAYLOAD_BYTES_CEILING, SessionLimits, TOKEN_BYTES_MAX,
    },
    partition::PARTITIONS,
    pattern::Pattern,
};

/// HTTP/2's largest window, RFC 9113 §6.9.1.
const WINDOW_BYTES_CEILING: u32 = (1 << 31) - 1;
/// HTTP/2's window before any setting, RFC 9113 §6.9.2; smaller ones would only take effect late.
const WINDOW_BYTES_FLOOR: u32 = (1 << 16) - 1;
/// A stop that takes longer is killed by every supervisor.
const STOP_MAX: Duration = Duration::from_mins(10);
/// A timeout of a day is none.
const TIMEOUT_MAX: Duration = Duration::from_hours(24);
/// People feel more.
const DELIVERY_WINDOW_MAX: Duration = Duration::from_secs(1);
/// The longest time that a session is held without a stream: it counts as a member all the while.
const RESUME_WINDOW_MAX: Duration = Duration::from_hours(1);
/// Most events in the history of one room, and most keys in its state: each has a place in memory.
const HISTORY_EVENTS_CEILING: u32 = 1_000_000;
/// Less is not enough for a job to be put in.
const UPLOADS_KEPT_MIN: Duration = Duration::from_secs(1);
/// Nobody comes back later.
const UPLOADS_KEPT_MAX: Duration = Duration::from_hours(24 * 30);
/// It stands in every subject.
const CLUSTER_NAME_BYTES_MAX: usize = 32;
/// The longest time that a history may keep an event.
const HISTORY_AGE_MAX: Duration = Duration::from_hours(24 * 366 * 10);

/// Whether others than this machine can reach `address`.
pub fn is_public(address: IpAddr) -> bool {
    !address.to_canonical().is_loopback()
}

impl Config {
    /// Holds when a node may start with this configuration. `Authenticator::new` checks `[auth]` further.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.check_exposure()?;
        self.limits.check()?;
        self.check_namespaces()?;
        self.check_origins()?;
        self.check_cluster()?;
        at_most("stop.drain", self.stop.drain, STOP_MAX)?;
        at_most("stop.flush", self.stop.flush, STOP_MAX)?;
        Ok(())
    }

    fn check_exposure(&self) -> Result<(), ConfigError> {
        if is_public(self.listen.ip()) && self.auth.is_open() && !self.insecure {
            return Err(ConfigError::invalid(
                "listen",
                format_args!(
                    "is {}, which others can reach, but nothing is authenticated: configure [auth], listen on 127.0.0.1, \
                     or say --insecure if everybody who reaches it may do everything",
                    self.listen
                ),
            ));
        }
        Ok(())
    }

    fn check_namespaces(&self) -> Result<(), ConfigError> {
        let mut seen = HashSet::new();
        for namespace in &self.namespaces {
            let name = &namespace.name;
            let key = format!("namespace {name:?}");
            name.parse::<Pattern>().map_err(|error| ConfigError::invalid(&*key, error))?;
            if !seen.insert(name.as_str()) {
                return Err(ConfigError::invalid(key, "is there twice"));
            }
            let nowhere = self.data.as_os_str().is_empty() && self.cluster.nats.is_empty();
            if namespace.settings.history == HistoryKind::Durable && nowhere {
                return Err(ConfigError::invalid(key, "has a durable history, but `data` is empty"));
            }
            namespace.settings.check(&self.limits).map_err(|error| match error {
                ConfigError::Invalid { key: setting, what } => {
                    ConfigError::invalid(format!("{key}: {setting}"), what)
                }
                other => other,
            })?;
        }
        Ok(())
    }

    fn check_cluster(&self) -> Result<(), ConfigError> {
        let name = &self.cluster.name;
        let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        if !plain || name.is_empty() || name.len() > CLUSTER_NAME_BYTES_MAX {
            let what = format_args!(
                "is {name:?}: write 1 to {CLUSTER_NAME_BYTES_MAX} lower-case letters and digits"
            );
            return Err(ConfigError::invalid("cluster.name", what));
        }
        let parts = self.cluster.parts;
        if parts == 0 || parts > PARTITIONS {
            let what = format_args!("is {parts}: write 1 to {PARTITIONS}");
            return Err(ConfigError::invalid("cluster.parts", what));
        }
        if ![1, 3, 5].contains(&self.cluster.replicas) {
            let what = format_args!("is {}: write 1, 3 or 5", self.cluster.replicas);
            return Err(ConfigError::invalid("cluster.replicas", what));
        }
        let given = |key: &str| self.cluster.files().any(|(named, _)| named == key);
        if given("cluster.credentials") && given("cluster.nkey") {
            return Err(ConfigError::invalid("cluster.nkey", "goes not together with cluster.credentials"));
        }
        if given("cluster.tls_certificate") != given("cluster.tls_key") {
            return Err(ConfigError::invalid(
                "cluster.tls_key",
                "goes together with cluster.tls_certificate",
            ));
        }
        Ok(())
    }

    fn check_origins(&self) -> Result<(), ConfigError> {
        for origin in &self.web.origins {
            if !is_origin(origin) {
                return Err(ConfigError::invalid(
                    format!("web.origins: {origin:?}"),
                    "is no origin: write it as browsers send it, like https://app.example.com or http://localhost:5173",
                ));
            }
        }
        Ok(())
    }
}

/// Whether `text` is an origin exactly as browsers send it: lower case, no path, no default port, no wildcard.
fn is_origin(text: &str) -> bool {
    let Ok(uri) = text.parse::<Uri>() else {
        return false;
    };
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return false;
    };
    let port_default = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return false,
    };
    let plain = !text.contains(['*', '@']) && !authority.host().is_empty();
    plain
        && authority.port_u16() != Some(port_default)
        && text == format!("{scheme}://{authority}").to_ascii_lowercase()
}

impl NamespaceSettings {
    /// Holds when a namespace may have these settings on a node with these limits. Keys of errors are bare.
    pub fn check(&self, limits: &Limits) -> Result<(), ConfigError> {
        within("payload_bytes_max", self.payload_bytes_max, 1, PAYLOAD_BYTES_CEILING)?;
        within("rooms_max", self.rooms_max, 1, u32::MAX)?;
        at_most("delivery_window", self.delivery_window, DELIVERY_WINDOW_MAX)?;
        within("history_events_max", self.history_events_max, 1, HISTORY_EVENTS_CEILING)?;
        within("state_keys_max", self.state_keys_max, 0, HISTORY_EVENTS_CEILING)?;
        if self.history_bytes_max == 0 {
            return Err(ConfigError::invalid("history_bytes_max", "is 0"));
        }
        if self.history_age_max.is_zero() {
            return Err(ConfigError::invalid("history_age_max", "is 0"));
        }
        at_most("history_age_max", self.history_age_max, HISTORY_AGE_MAX)?;
        let event_bytes = self.payload_bytes_max as usize + MESSAGE_OVERHEAD_BYTES;
        if event_bytes > limits.session.outbox_bytes_max as usize {
            return Err(ConfigError::invalid(
                "payload_bytes_max",
                format_args!(
                    "is {}, but an event of this size does not fit limits.session.outbox_bytes_max, which is {} and \
                     must be at least {event_bytes}",
                    self.payload_bytes_max, limits.session.outbox_bytes_max
                ),
            ));
        }
        Ok(())
    }
}

impl Limits {
    fn check(&self) -> Result<(), ConfigError> {
        self.session.check()?;
        self.connection.check()?;
        self.node.check()
    }
}

impl SessionLimits {
    fn check(&self) -> Result<(), ConfigError> {
        let burst_min = u32::from(self.emits_per_second > 0);
        let headers_ceiling = MESSAGE_OVERHEAD_BYTES as u32 / 2;
        for (key, value, min, max) in [
            ("rooms_max", self.rooms_max, 1, 1 << 20),
            ("namespaces_max", self.namespaces_max, 1, 1 << 16),
            ("emits_burst", self.emits_burst, burst_min, u32::MAX),
            ("replies_outstanding_max", self.replies_outstanding_max, 1, 1 << 20),
            ("outbox_frames_max", self.outbox_frames_max, 8, 1 << 20),
            ("outbox_bytes_max", self.outbox_bytes_max, OUTBOX_BYTES_FLOOR, 1 << 30),
            ("replay_frames_max", self.replay_frames_max, 0, 1 << 20),
            ("replay_bytes_max", self.replay_bytes_max, 0, 1 << 30),
            ("headers_max", self.headers_max, 0, 256),
            ("headers_bytes_max", self.headers_bytes_max, 0, headers_ceiling),
        ] {
            within(&format!("limits.session.{key}"), value, min, max)?;
        }
        timeout("limits.session.hello_timeout", self.hello_timeout)?;
        timeout("limits.session.ping_interval", self.ping_interval)?;
        timeout("limits.session.close_timeout", self.close_timeout)?;
        at_most("limits.session.resume_window", self.resume_window, RESUME_WINDOW_MAX)
    }
}

impl ConnectionLimits {
    fn check(&self) -> Result<(), ConfigError> {
        let token_fits = TOKEN_BYTES_MAX as u32 + 1024;
        let (window_min, window_max) = (WINDOW_BYTES_FLOOR, WINDOW_BYTES_CEILING);
        for (key, value, min, max) in [
            ("connections_per_address_max", self.connections_per_address_max, 1, u32::MAX),
            ("new_per_address_per_second", self.new_per_address_per_second, 1, u32::MAX),
            ("streams_max", self.streams_max, 1, 1 << 20),
            ("header_list_bytes_max", self.header_list_bytes_max, token_fits, 1 << 20),
            ("header_fields_max", self.header_fields_max, 16, 1024),
            ("window_bytes", self.window_bytes, window_min, window_max),
            ("stream_window_bytes", self.stream_window_bytes, 1 << 14, window_max),
            ("stream_send_buffer_bytes", self.stream_send_buffer_bytes, 1 << 14, 1 << 24),
            ("pending_resets_max", self.pending_resets_max, 1, 1 << 16),
            ("local_error_resets_max", self.local_error_resets_max, 1, 1 << 16),
            ("control_frames_max", self.control_frames_max, 16, u32::MAX),
        ] {
            within(&format!("limits.connection.{key}"), value, min, max)?;
        }
        for (key, value) in [
            ("tls_timeout", self.tls_timeout),
            ("preface_timeout", self.preface_timeout),
            ("idle_timeout", self.idle_timeout),
            ("message_timeout", self.message_timeout),
            ("keepalive_interval", self.keepalive_interval),
            ("keepalive_timeout", self.keepalive_timeout),
        ] {
            timeout(&format!("limits.connection.{key}"), value)?;
        }
        Ok(())
    }
}

impl NodeLimits {
    fn check(&self) -> Result<(), ConfigError> {
        for (key, value) in [
            ("sessions_per_user_max", self.sessions_per_user_max),
            ("sessions_per_address_max", self.sessions_per_address_max),
            ("hellos_per_second", self.hellos_per_second),
            ("resumes_per_second", self.resumes_per_second),
            ("rooms_created_per_minute", self.rooms_created_per_minute),
        ] {
            within(&format!("limits.node.{key}"), value, 1, u32::MAX)?;
        }
        let key = "limits.node.uploads_kept";
        if self.uploads_kept < UPLOADS_KEPT_MIN {
            return Err(ConfigError::invalid(key, "is less than 1 s"));
        }
        at_most(key, self.uploads_kept, UPLOADS_KEPT_MAX)
    }
}

fn within(key: &str, value: u32, min: u32, max: u32) -> Result<(), ConfigError> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    let bound = if value < min {
        format!("is {value}, but must be at least {min}")
    } else {
        format!("is {value}, but must be at most {max}")
    };
    Err(ConfigError::invalid(key, bound))
}

fn timeout(key: &str, value: Duration) -> Result<(), ConfigError> {
    if value.is_zero() {
        return Err(ConfigError::invalid(key, "is 0, but must be longer"));
    }
    at_most(key, value, TIMEOUT_MAX)
}

fn at_most(key: &str, value: Duration, max: Duration) -> Result<(), ConfigError> {
    if value <= max {
        return Ok(());
    }
    let (value, max) = (humantime::format_duration(value), humantime::format_duration(max));
    Err(ConfigError::invalid(key, format_args!("is {value}, but must be at most {max}")))
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
