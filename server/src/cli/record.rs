//! How results look, to people and to programs. The field names of the JSON objects are stable: scripts rely on them.
//!
//! | type | fields |
//! |---|---|
//! | `event` | `namespace`, `rooms`, `event`, `text` or `base64`, `content_type`, `headers`, `event_id`, `sender{session,user}`, `sent_at`, `wants_reply`, `offset` and `epoch` (only from a room with history) |
//! | `accepted` | `event_id`, `recipients`, `offset` (only in rooms with history), `durability` |
//! | `reply` | `session`, `user`, `text` or `base64` or `error`, `content_type` |
//! | `summary` | `answered`, `missing_count`, `missing[]{session,user,left}`, `timed_out`, `nodes_missing[]` |
//! | `room` | `namespace`, `room`, `member_count` |
//! | `room_event` | `namespace`, `room`, `kind`, `session`, `user`, `member_count`, `missed_count` |
//! | `member` | `session`, `user`, `attributes`, `away` |
//! | `user` | `user`, `session_count`, `away` |
//! | `counts` | `namespace`, `room`, `member_count`, `user_count` |
//! | `state` | `namespace`, `room`, `key`, `text` or `base64` (neither when it was removed), `content_type`, `revision`, `by{session,user}`, `set_at`, `expires_at`, `removed` |
//! | `state_set` | `namespace`, `room`, `key`, `revision`, `epoch`, `durability` |

use base64::{Engine, engine::general_purpose::STANDARD};
use rialto_client::{
    Accepted, Body, Event, Member, PresenceCounts, PresentUser, Reply, StateEntry, StateSet, Summary, v1,
};
use serde_json::{Map, Value, json};

use super::output::{Output, Tone, counted, harmless};

/// A payload under the key that says how it is written.
pub(super) fn written(fields: &mut Value, body: &Body) {
    let (key, value) = match body {
        Body::Nothing => ("base64", String::new()),
        Body::Text(text) => ("text", text.clone()),
        Body::Binary(bytes) => ("base64", STANDARD.encode(bytes)),
    };
    fields[key] = Value::String(value);
}

/// A payload in a line for people.
pub(super) fn shown(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => harmless(text).into_owned(),
        Err(_) => format!("({} bytes)", bytes.len()),
    }
}

/// An event as JSON.
pub(super) fn event_json(event: &Event) -> Value {
    let headers: Map<String, Value> =
        event.headers().map(|(key, value)| (key.to_owned(), Value::from(value))).collect();
    let mut fields = json!({
        "type": "event",
        "namespace": event.namespace(),
        "rooms": event.rooms(),
        "event": event.name(),
        "content_type": event.content_type(),
        "headers": headers,
        "event_id": event.id(),
        "sender": { "session": event.sender(), "user": event.user() },
        "sent_at": event.sent_at().map(|at| humantime::format_rfc3339_millis(at).to_string()),
        "wants_reply": event.wants_reply(),
    });
    let body = match (event.is_text(), event.text()) {
        (true, Some(text)) => Body::Text(text.to_owned()),
        _ => Body::Binary(event.bytes().to_vec().into()),
    };
    written(&mut fields, &body);
    if let Some(offset) = event.offset() {
        fields["offset"] = offset.into();
        fields["epoch"] = event.epoch().into();
    }
    fields
}

/// An event for people: when, where, what, who, and the payload.
pub(super) fn event_line(event: &Event, output: &Output) -> String {
    let at = event.sent_at().map(|at| humantime::format_rfc3339_seconds(at).to_string());
    let place = match event.rooms() {
        [] => event.namespace().to_owned(),
        rooms => format!("{}/{}", event.namespace(), rooms.join("+")),
    };
    let who = [event.user(), event.sender(), "-"].into_iter().find(|name| !name.is_empty());
    format!(
        "{} {} {} {}: {}",
        output.tinted(at.as_deref().unwrap_or("-"), Tone::Faint),
        output.tinted(&place, Tone::Faint),
        harmless(event.name()),
        output.tinted(who.unwrap_or("-"), Tone::Strong),
        shown(event.bytes()),
    )
}

pub(super) fn durability(durability: v1::Durability) -> &'static str {
    let name = durability.as_str_name();
    name.strip_prefix("DURABILITY_").unwrap_or(name)
}

/// What the server says about an emit.
pub(super) fn accepted_json(accepted: &Accepted) -> Value {
    let mut fields = json!({
        "type": "accepted",
        "event_id": accepted.event_id,
        "recipients": accepted.recipients,
        "durability": durability(accepted.durability),
    });
    if let Some(offset) = accepted.offset {
        fields["offset"] = offset.into();
    }
    fields
}

/// The same for people.
pub(super) fn accepted_line(accepted: &Accepted, output: &Output) -> String {
    let recipients = counted(accepted.recipients, "recipient");
    format!("accepted {} {recipients}", output.tinted(&accepted.event_id, Tone::Faint))
}

/// An answer as JSON.
pub(super) fn reply_json(reply: &Reply) -> Value {
    let mut fields = json!({
        "type": "reply",
        "session": reply.session,
        "user": reply.user,
        "content_type": reply.content_type,
    });
    match &reply.outcome {
        Ok(body) => written(&mut fields, body),
        Err(error) => fields["error"] = Value::from(error.as_str()),
    }
    fields
}

/// The same for people.
pub(super) fn reply_line(reply: &Reply, output: &Output) -> String {
    let who = if reply.user.is_empty() { &reply.session } else { &reply.user };
    let answer = match &reply.outcome {
        Ok(body) => shown(body.as_bytes()),
        Err(error) => format!("failed: {}", harmless(error)),
    };
    format!("{}: {answer}", output.tinted(who, Tone::Strong))
}

/// Who has not answered.
pub(super) fn summary_json(summary: &Summary) -> Value {
    let missing: Vec<Value> = summary
        .missing
        .iter()
        .map(|missing| json!({ "session": missing.session, "user": missing.user, "left": missing.left }))
        .collect();
    json!({
        "type": "summary",
        "answered": summary.answered,
        "missing_count": summary.missing_count,
        "missing": missing,
        "timed_out": summary.timed_out,
        "nodes_missing": summary.nodes_missing,
    })
}

/// A room.
pub(super) fn room_json(room: &v1::Room) -> Value {
    json!({
        "type": "room",
        "namespace": room.namespace,
        "room": room.room,
        "member_count": room.member_count,
    })
}

/// Something that happened in a namespace.
pub(super) fn room_event_json(namespace: &str, event: &v1::WatchRoomsResponse) -> Value {
    let who = event.who.clone().unwrap_or_default();
    json!({
        "type": "room_event",
        "namespace": namespace,
        "room": event.room,
        "kind": kind(event),
        "session": who.session,
        "user": who.user,
        "member_count": event.member_count,
        "missed_count": event.missed_count,
    })
}

/// The same for people.
pub(super) fn room_event_line(event: &v1::WatchRoomsResponse, output: &Output) -> String {
    let who = event.who.clone().unwrap_or_default();
    let name = if who.user.is_empty() { who.session } else { who.user };
    let room = output.tinted(&event.room, Tone::Strong);
    match event.kind() {
        v1::RoomEventKind::Missed => format!("missed {}", counted(event.missed_count, "change")),
        v1::RoomEventKind::Joined | v1::RoomEventKind::Left => {
            let members = counted(event.member_count, "member");
            format!("{room} {} {} ({members})", kind(event), harmless(&name))
        }
        _ => format!("{room} {}", kind(event)),
    }
}

/// `joined`, `left` and so on.
fn kind(event: &v1::WatchRoomsResponse) -> String {
    let name = event.kind().as_str_name();
    name.strip_prefix("ROOM_EVENT_KIND_").unwrap_or(name).to_lowercase()
}

/// A member.
pub(super) fn member_json(member: &Member) -> Value {
    json!({
        "type": "member",
        "session": member.session,
        "user": member.user,
        "attributes": member.attributes,
        "away": member.away,
    })
}

/// The same for people.
pub(super) fn member_line(member: &Member, output: &Output) -> String {
    let user = if member.user.is_empty() { "-" } else { &member.user };
    let attributes: String =
        member.attributes.iter().map(|(key, value)| format!("  {key}={value}")).collect();
    let user = output.tinted(user, Tone::Strong);
    format!("{}  {user}{}{}", harmless(&member.session), harmless(&attributes), away(member.away))
}

fn away(away: bool) -> &'static str {
    if away { "  (away)" } else { "" }
}

/// A user in a room.
pub(super) fn user_json(user: &PresentUser) -> Value {
    json!({ "type": "user", "user": user.user, "session_count": user.sessions, "away": user.away })
}

/// The same for people.
pub(super) fn user_line(user: &PresentUser, output: &Output) -> String {
    let name = output.tinted(&user.user, Tone::Strong);
    format!("{name}  {}{}", counted(user.sessions, "session"), away(user.away))
}

/// How many are in a room.
pub(super) fn counts_json(namespace: &str, room: &str, counts: &PresenceCounts) -> Value {
    json!({
        "type": "counts",
        "namespace": namespace,
        "room": room,
        "member_count": counts.members,
        "user_count": counts.users,
    })
}

/// The same for people.
pub(super) fn counts_line(counts: &PresenceCounts) -> String {
    format!("{}, {}", counted(counts.members, "member"), counted(counts.users, "user"))
}

/// A key of a room's state, as it is or as it was removed.
pub(super) fn state_json(namespace: &str, room: &str, entry: &StateEntry) -> Value {
    let time =
        |at: Option<std::time::SystemTime>| at.map(|at| humantime::format_rfc3339_millis(at).to_string());
    let mut fields = json!({
        "type": "state",
        "namespace": namespace,
        "room": room,
        "key": entry.key,
        "content_type": entry.value.as_ref().map_or("", |value| value.content_type()),
        "revision": entry.revision,
        "by": { "session": entry.session, "user": entry.user },
        "set_at": time(entry.set_at),
        "expires_at": time(entry.expires_at),
        "removed": entry.value.is_none(),
    });
    if let Some(value) = &entry.value {
        written(&mut fields, value.body());
    }
    fields
}

/// The same for people: key, revision and value.
pub(super) fn state_line(entry: &StateEntry, output: &Output) -> String {
    let value = entry.value.as_ref().map_or_else(|| "(removed)".to_owned(), |value| shown(value.bytes()));
    let revision = output.tinted(&entry.revision.to_string(), Tone::Faint);
    format!("{} {revision}: {value}", output.tinted(&entry.key, Tone::Strong))
}

/// What the server says about a key that was set or removed.
pub(super) fn state_set_json(namespace: &str, room: &str, key: &str, set: &StateSet) -> Value {
    json!({
        "type": "state_set",
        "namespace": namespace,
        "room": room,
        "key": key,
        "revision": set.revision,
        "epoch": set.epoch,
        "durability": durability(set.durability),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_replies_are_those_that_scripts_know() {
        let mut reply = Reply {
            session: "s".into(),
            user: "u".into(),
            outcome: Ok(Body::Text("hi".into())),
            content_type: String::new(),
        };
        let head = r#"{"content_type":"","session":"s","#;
        assert_eq!(
            reply_json(&reply).to_string(),
            format!(r#"{head}"text":"hi","type":"reply","user":"u"}}"#)
        );
        reply.outcome = Ok(Body::Binary(vec![255].into()));
        assert_eq!(reply_json(&reply)["base64"], "/w==");
        reply.outcome = Err("no".into());
        assert_eq!(reply_json(&reply)["error"], "no");
    }
}
