//! Payloads, targets, events and answers between JSON and the client.

use data_encoding::BASE64;
use rialto_client::{Accepted, Body, Event, Payload, Target, v1::Durability};
use serde_json::{Map, Value, json};

use crate::command::Command;

/// The payload of a command.
pub(crate) fn payload(command: &Command) -> Payload {
    let payload = if let Some(text) = command.given("text") {
        Payload::from(text)
    } else if let Some(base64) = command.given("base64") {
        Payload::from(BASE64.decode(base64.as_bytes()).unwrap_or_default())
    } else if let Some(json) = command.arguments.get("json") {
        Payload::json(json).unwrap_or_default()
    } else {
        Payload::default()
    };
    match command.given("content_type") {
        Some(content_type) => payload.of_type(content_type),
        None => payload,
    }
}

/// Adds a payload to what is told.
pub(crate) fn tell_payload(told: &mut Map<String, Value>, body: &Body, content_type: &str) {
    match body {
        Body::Nothing => None,
        Body::Text(text) => told.insert("text".to_owned(), text.clone().into()),
        Body::Binary(bytes) if bytes.is_empty() => None,
        Body::Binary(bytes) => told.insert("base64".to_owned(), BASE64.encode(bytes).into()),
    };
    if !content_type.is_empty() {
        told.insert("content_type".to_owned(), content_type.into());
    }
}

/// The target of a command: its own, or its room.
pub(crate) fn target(command: &Command) -> Target {
    let mut target = match command.arguments.get("target").and_then(Value::as_object) {
        Some(table) => wide(&command.of(table)),
        None => Target::room(command.text("room")),
    };
    for room in command.texts("except_rooms") {
        target = target.except_room(room);
    }
    for session in command.texts("except_sessions") {
        target = target.except_session(session);
    }
    if command.flag("include_sender") {
        target = target.include_sender();
    }
    if command.flag("local") { target.local() } else { target }
}

fn wide(table: &Command) -> Target {
    if table.flag("everyone") {
        return Target::everyone();
    }
    if let Some(room) = table.given("any_of") {
        return Target::any_of(room);
    }
    let mut target = Target::rooms(table.texts("rooms"));
    for user in table.texts("users") {
        target = target.and_user(user);
    }
    for session in table.texts("sessions") {
        target = target.and_session(session);
    }
    target
}

/// An event as it is told.
pub(crate) fn event(event: &Event) -> Value {
    let mut told = Map::new();
    let mut put = |key: &str, value: Value| told.insert(key.to_owned(), value);
    put("name", event.name().into());
    put("namespace", event.namespace().into());
    put("rooms", event.rooms().into());
    put("user", event.user().into());
    put("session", event.sender().into());
    put("id", event.id().into());
    put("key", event.key().into());
    put("offset", event.offset().into());
    put("epoch", event.epoch().into());
    put("asks", event.wants_reply().into());
    let headers = event.headers().map(|(key, value)| (key.to_owned(), Value::from(value)));
    put("headers", Value::Object(headers.collect()));
    let body = match event.text() {
        Some(text) if event.is_text() => Body::Text(text.to_owned()),
        _ => Body::Binary(event.bytes().to_vec().into()),
    };
    tell_payload(&mut told, &body, event.content_type());
    Value::Object(told)
}

/// What the server said about an event that it took.
pub(crate) fn accepted(accepted: &Accepted) -> Value {
    json!({
        "event_id": accepted.event_id,
        "recipients": accepted.recipients,
        "offset": accepted.offset,
        "epoch": accepted.epoch,
        "duplicate": accepted.duplicate,
        "durability": durability(accepted.durability),
    })
}

/// The word for a durability.
pub(crate) fn durability(durability: Durability) -> String {
    let name = durability.as_str_name();
    name.strip_prefix("DURABILITY_").unwrap_or(name).to_ascii_lowercase()
}
