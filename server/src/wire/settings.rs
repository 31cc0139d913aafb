//! The settings of a namespace between proto and configuration.

use rialto_proto::v1;

use super::content;
use crate::base::{
    config::{BehindPolicy, DELIVERY_WINDOW_MAX, NamespaceSettings},
    limits::PAYLOAD_BYTES_CEILING,
    refusal::Refusal,
};

/// Applies a change to settings; absent fields stay.
pub fn apply(settings: &mut NamespaceSettings, change: v1::NamespaceSettings) -> Result<(), Refusal> {
    if let Some(policy) = change.falling_behind {
        settings.falling_behind = policy_of(policy)?;
    }
    if let Some(required) = change.emit_requires_member {
        settings.emit_requires_member = required;
    }
    if let Some(bytes) = change.payload_bytes_max {
        if bytes == 0 || bytes > PAYLOAD_BYTES_CEILING {
            let what = format_args!("is not between 1 and {PAYLOAD_BYTES_CEILING}");
            return Err(Refusal::invalid("settings.payload_bytes_max", what));
        }
        settings.payload_bytes_max = bytes;
    }
    if let Some(rooms) = change.rooms_max {
        settings.rooms_max = rooms;
    }
    if let Some(emits) = change.room_emits_per_second {
        settings.room_emits_per_second = emits;
    }
    if let Some(window) = change.delivery_window {
        let window = content::duration("settings.delivery_window", window)?;
        if window > DELIVERY_WINDOW_MAX {
            return Err(Refusal::invalid("settings.delivery_window", "is longer than 1 s"));
        }
        settings.delivery_window = window;
    }
    Ok(())
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
    }
}

fn policy_of(policy: i32) -> Result<BehindPolicy, Refusal> {
    match v1::FallingBehind::try_from(policy) {
        Ok(v1::FallingBehind::Unspecified | v1::FallingBehind::Close) => Ok(BehindPolicy::Close),
        Ok(v1::FallingBehind::Drop) => Ok(BehindPolicy::Drop),
        Ok(v1::FallingBehind::Latest) => Ok(BehindPolicy::Latest),
        Err(_) => Err(Refusal::invalid(
            "settings.falling_behind",
            "is not a known value",
        )),
    }
}
