//! What is said, checked: event names, payload sizes, headers, attributes, durations.

use std::{collections::BTreeMap, time::Duration};

use rialto_proto::v1::{Content, RefusalCode, content::Body, reply};

use crate::base::{
    ids::check_name,
    limits::{
        CONTENT_TYPE_BYTES_MAX, EVENT_NAME_BYTES_MAX, KEY_BYTES_MAX, REPLY_ERROR_BYTES_MAX,
        REPLY_TIMEOUT_DEFAULT, REPLY_TIMEOUT_MAX, SessionLimits,
    },
    refusal::{Refusal, Retry},
};

/// Checks all but the size of the payload, which is the namespace's to bound (see [`payload`]).
pub fn content(content: Option<Content>, limits: &SessionLimits) -> Result<Content, Refusal> {
    let content = content.ok_or_else(|| Refusal::invalid("content", "is missing"))?;
    check_name(&content.event, EVENT_NAME_BYTES_MAX)
        .map_err(|error| Refusal::name("content.event", error))?;
    content_type("content.content_type", &content.content_type)?;
    pairs("content.headers", &content.headers, limits)?;
    if !content.key.is_empty() {
        check_name(&content.key, KEY_BYTES_MAX).map_err(|error| Refusal::name("content.key", error))?;
    }
    Ok(content)
}

/// Bytes of a content's payload.
pub fn content_bytes(content: &Content) -> usize {
    match &content.body {
        Some(Body::Text(text)) => text.len(),
        Some(Body::Binary(binary)) => binary.len(),
        None => 0,
    }
}

/// Bytes of a reply's payload.
pub fn reply_bytes(body: Option<&reply::Body>) -> usize {
    match body {
        Some(reply::Body::Text(text)) => text.len(),
        Some(reply::Body::Binary(binary)) => binary.len(),
        Some(reply::Body::Error(error)) => error.len(),
        None => 0,
    }
}

/// Refuses a payload of more than `bytes_max` bytes.
pub fn payload(bytes: usize, bytes_max: u32) -> Result<(), Refusal> {
    if bytes <= bytes_max as usize {
        return Ok(());
    }
    let reason = format!("the payload has {bytes} bytes, at most {bytes_max} are allowed");
    let refusal = Refusal::new(RefusalCode::PayloadTooLarge, reason);
    Err(Refusal { limit: "payload_bytes_max", retry: Retry::AfterChange, ..refusal })
}

/// Checks a media type: visible ASCII, bounded.
pub fn content_type(field: &'static str, text: &str) -> Result<(), Refusal> {
    if text.len() > CONTENT_TYPE_BYTES_MAX {
        return Err(Refusal::invalid(field, format_args!("is longer than {CONTENT_TYPE_BYTES_MAX} bytes")));
    }
    if text.bytes().any(|byte| !(b' '..=b'~').contains(&byte)) {
        return Err(Refusal::invalid(field, "holds a character that is not visible ASCII"));
    }
    Ok(())
}

/// Checks the error text of a reply.
pub fn reply_error(text: &str) -> Result<(), Refusal> {
    if text.len() > REPLY_ERROR_BYTES_MAX {
        return Err(Refusal::invalid("error", format_args!("is longer than {REPLY_ERROR_BYTES_MAX} bytes")));
    }
    Ok(())
}

/// Checks headers or attributes: count, bytes, and keys without control characters.
pub fn pairs(
    field: &'static str,
    pairs: &BTreeMap<String, String>,
    limits: &SessionLimits,
) -> Result<(), Refusal> {
    if pairs.len() > limits.headers_max as usize {
        return Err(Refusal::invalid(field, format_args!("has more than {} keys", limits.headers_max)));
    }
    let bytes: usize = pairs.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes > limits.headers_bytes_max as usize {
        return Err(Refusal::invalid(
            field,
            format_args!("has more than {} bytes", limits.headers_bytes_max),
        ));
    }
    let texts = pairs.iter().flat_map(|(key, value)| [key, value]);
    if pairs.contains_key("") || texts.flat_map(|text| text.chars()).any(char::is_control) {
        return Err(Refusal::invalid(field, "holds an empty key or a control character"));
    }
    Ok(())
}

/// Reads a timeout for replies: positive, at most 60 s, 5 s when it is absent.
pub fn reply_timeout(timeout: Option<prost_types::Duration>) -> Result<Duration, Refusal> {
    let Some(timeout) = timeout else {
        return Ok(REPLY_TIMEOUT_DEFAULT);
    };
    let timeout = duration("timeout", timeout)?;
    if timeout.is_zero() || timeout > REPLY_TIMEOUT_MAX {
        let max = REPLY_TIMEOUT_MAX.as_secs();
        return Err(Refusal::invalid("timeout", format_args!("is not between 0 and {max} s")));
    }
    Ok(timeout)
}

/// Reads a duration: not negative, its nanoseconds below one second.
pub fn duration(field: &'static str, duration: prost_types::Duration) -> Result<Duration, Refusal> {
    let seconds = u64::try_from(duration.seconds);
    let nanos = u32::try_from(duration.nanos).ok().filter(|nanos| *nanos < 1_000_000_000);
    match (seconds, nanos) {
        (Ok(seconds), Some(nanos)) => Ok(Duration::new(seconds, nanos)),
        _ => Err(Refusal::invalid(field, "is negative or malformed")),
    }
}
