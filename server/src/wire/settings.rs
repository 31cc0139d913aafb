//! The settings of a namespace between proto and configuration.

use rialto_proto::v1;

use super::content;
use crate::base::{
    config::{BehindPolicy, HistoryKind, NamespaceSettings},
    limits::Limits,
    refusal::Refusal,
};

/// Applies a change to settings; absent fields stay. What comes out is within `limits`.
pub fn apply(
    settings: &NamespaceSettings,
    change: v1::NamespaceSettings,
    limits: &Limits,
) -> Result<NamespaceSettings, Refusal> {
    let window = change.delivery_window.map(|window| content::duration("settings.delivery_window", window));
    let age = change.history_age_max.map(|age| content::duration("settings.history_age_max", age));
    let changed = NamespaceSettings {
        falling_behind: change.falling_behind.map_or(Ok(settings.falling_behind), policy_of)?,
        emit_requires_member: change.emit_requires_member.unwrap_or(settings.emit_requires_member),
        payload_bytes_max: change.payload_bytes_max.unwrap_or(settings.payload_bytes_max),
        rooms_max: change.rooms_max.unwrap_or(settings.rooms_max),
        room_emits_per_second: change.room_emits_per_second.unwrap_or(settings.room_emits_per_second),
        delivery_window: window.transpose()?.unwrap_or(settings.delivery_window),
        history: change.history.map_or(Ok(settings.history), history_of)?,
        history_events_max: change.history_events_max.unwrap_or(settings.history_events_max),
        history_bytes_max: change.history_bytes_max.unwrap_or(settings.history_bytes_max),
        history_age_max: age.transpose()?.unwrap_or(settings.history_age_max),
        state_keys_max: change.state_keys_max.unwrap_or(settings.state_keys_max),
        keys_shared: change.keys_shared.unwrap_or(settings.keys_shared),
        nats_in: change.nats_in.unwrap_or(settings.nats_in),
        nats_out: change.nats_out.unwrap_or(settings.nats_out),
    };
    changed
        .check(limits)
        .map_err(|error| Refusal::invalid("settings", format_args!("are wrong: {error}")))?;
    Ok(changed)
}

/// Settings as the API shows them: complete.
pub fn shown(settings: &NamespaceSettings) -> v1::NamespaceSettings {
    v1::NamespaceSettings {
        falling_behind: Some(v1::FallingBehind::from(settings.falling_behind).into()),
        emit_requires_member: Some(settings.emit_requires_member),
        payload_bytes_max: Some(settings.payload_bytes_max),
        rooms_max: Some(settings.rooms_max),
        room_emits_per_second: Some(settings.room_emits_per_second),
        delivery_window: prost_types::Duration::try_from(settings.delivery_window).ok(),
        history: Some(v1::History::from(settings.history).into()),
        history_events_max: Some(settings.history_events_max),
        history_bytes_max: Some(settings.history_bytes_max),
        history_age_max: prost_types::Duration::try_from(settings.history_age_max).ok(),
        state_keys_max: Some(settings.state_keys_max),
        keys_shared: Some(settings.keys_shared),
        nats_in: Some(settings.nats_in),
        nats_out: Some(settings.nats_out),
    }
}

fn history_of(kind: i32) -> Result<HistoryKind, Refusal> {
    match v1::History::try_from(kind) {
        Ok(v1::History::Unspecified | v1::History::Off) => Ok(HistoryKind::Off),
        Ok(v1::History::Memory) => Ok(HistoryKind::Memory),
        Ok(v1::History::Durable) => Ok(HistoryKind::Durable),
        Err(_) => Err(Refusal::invalid("settings.history", "is not a known value")),
    }
}

fn policy_of(policy: i32) -> Result<BehindPolicy, Refusal> {
    match v1::FallingBehind::try_from(policy) {
        Ok(v1::FallingBehind::Unspecified | v1::FallingBehind::Close) => Ok(BehindPolicy::Close),
        Ok(v1::FallingBehind::Drop) => Ok(BehindPolicy::Drop),
        Ok(v1::FallingBehind::Latest) => Ok(BehindPolicy::Latest),
        Err(_) => Err(Refusal::invalid("settings.falling_behind", "is not a known value")),
    }
}
