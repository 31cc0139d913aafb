//! The words that tests say most: targets, contents, events. Values only; [`crate::talker`] says them.

use std::time::Duration;

use rialto_proto::v1::{Content, Emit, Event, Target, content};

/// An event with a text for a target in `chat`.
pub fn emit_to(target: Target, event: &str, text: &str) -> Emit {
    emit_in("chat", target, event, text)
}

/// An event with a text for a target in any namespace.
pub fn emit_in(namespace: &str, target: Target, event: &str, text: &str) -> Emit {
    Emit {
        namespace: namespace.to_owned(),
        target: Some(target),
        content: Some(content(event, text)),
        ..Emit::default()
    }
}

/// An event's content.
pub fn content(event: &str, text: &str) -> Content {
    Content {
        event: event.to_owned(),
        body: Some(content::Body::Text(text.to_owned())),
        ..Content::default()
    }
}

/// A target of rooms.
pub fn rooms(names: &[&str]) -> Target {
    Target { rooms: names.iter().map(|name| (*name).to_owned()).collect(), ..Target::default() }
}

/// A target of sessions.
pub fn sessions(ids: &[String]) -> Target {
    Target { sessions: ids.to_vec(), ..Target::default() }
}

/// A target of users.
pub fn users(names: &[&str]) -> Target {
    Target { users: names.iter().map(|name| (*name).to_owned()).collect(), ..Target::default() }
}

/// Everyone in the namespace.
pub fn everyone() -> Target {
    Target { everyone: true, ..Target::default() }
}

/// The text of an event.
pub fn text(event: &Event) -> String {
    match event.content.as_ref().and_then(|content| content.body.as_ref()) {
        Some(content::Body::Text(text)) => text.clone(),
        other => panic!("expected text, not {other:?}"),
    }
}

/// A duration for requests.
pub fn duration(duration: Duration) -> prost_types::Duration {
    prost_types::Duration::try_from(duration).expect("a short duration")
}
