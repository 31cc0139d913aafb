//! What rooms keep: histories, presence, keyed state; of a session or of a client without one.

use std::{future::IntoFuture, rc::Rc, time::Duration};

use rialto_client::{History, PageOf, Presence, State};
use serde_json::{Map, Value, json};

use crate::{
    Outcome,
    command::Command,
    content::{event, payload, tell_payload},
    failure::Failure,
    people::People,
    report::tell,
};

pub(crate) async fn carry_out(people: &Rc<People>, command: &Command) -> Outcome {
    match command.verb.as_str() {
        "history" => history(people, command).await,
        "presence" => presence(&of_presence(people, command)?, command.text("of")).await,
        "who" => who(&of_presence(people, command)?),
        "watch_presence" => watch_presence(people, command),
        "watch_state" => watch_state(people, command),
        "get_state" => get(&of_state(people, command)?, command).await,
        "all_state" => all(&of_state(people, command)?).await,
        _ => set(&of_state(people, command)?, command).await,
    }
}

/// Where it is about, from a session or from a client.
macro_rules! of_room {
    ($people:expr, $command:expr, $what:ident) => {{
        let (namespace, room) = ($command.text("namespace"), $command.text("room"));
        match $people.session($command) {
            Ok(session) => Ok::<_, Failure>(session.namespace(namespace).room(room).$what()),
            Err(_) => Ok($people.client($command)?.$what(namespace, room)),
        }
    }};
}

fn of_presence(people: &Rc<People>, command: &Command) -> Result<Presence, Failure> {
    of_room!(people, command, presence)
}

fn of_state(people: &Rc<People>, command: &Command) -> Result<State, Failure> {
    of_room!(people, command, state)
}

fn of_history(people: &Rc<People>, command: &Command) -> Result<History, Failure> {
    of_room!(people, command, history)
}

async fn history(people: &Rc<People>, command: &Command) -> Outcome {
    let mut history = of_history(people, command)?;
    if let Some(offset) = command.number("from") {
        history = history.from_offset(offset);
    }
    if let Some(offset) = command.number("before") {
        history = history.before(offset);
    }
    if let Some(since) = command.span("since_ms") {
        history = history.since(std::time::UNIX_EPOCH + since);
    }
    if let Some(size) = command.count("page_size") {
        history = history.page_size(size);
    }
    if let Some(newest) = command.count("newest") {
        let events = history.newest(newest).await?;
        return Ok(json!({"events": events.iter().map(event).collect::<Vec<_>>()}));
    }
    let (mut events, mut count, mut pages) = (Vec::new(), 0, history.pages());
    while let Some(page) = pages.next().await {
        events.extend(page?.events.iter().map(event));
        count += 1;
    }
    Ok(json!({"events": events, "pages": count}))
}

async fn presence(presence: &Presence, of: &str) -> Outcome {
    if of == "counts" {
        let counts = presence.counts().await?;
        return Ok(json!({"sessions": counts.members, "users": counts.users}));
    }
    let (mut items, mut page) = (Vec::new(), PageOf::default());
    loop {
        let (more, next): (Vec<Value>, String) = if of == "users" {
            let users = presence.users(page).await?;
            (users.items.into_iter().map(|user| user.user.into()).collect(), users.next)
        } else {
            let members = presence.members(page).await?;
            let told = members.items.into_iter().map(|member| {
                json!({
                    "session": member.session, "user": member.user,
                    "attributes": member.attributes, "away": member.away,
                })
            });
            (told.collect(), members.next)
        };
        items.extend(more);
        if next.is_empty() {
            return Ok(json!({of: items}));
        }
        page = PageOf { size: 0, token: next };
    }
}

fn who(presence: &Presence) -> Outcome {
    let present = presence.current()?.unwrap_or_default();
    let mut users: Vec<&String> = present.members.values().map(|member| &member.user).collect();
    users.sort();
    Ok(json!({"users": users, "count": present.counts.members, "complete": present.complete}))
}

fn watch_presence(people: &Rc<People>, command: &Command) -> Outcome {
    let (mut changes, name) = (of_presence(people, command)?.changes()?, command.text("as").to_owned());
    tokio::task::spawn_local(async move {
        while let Some(change) = changes.next().await {
            let (away, here): (Vec<_>, Vec<_>) = change.joined.iter().partition(|member| member.away);
            let users = |members: Vec<&rialto_client::Member>| -> Vec<String> {
                members.into_iter().map(|member| member.user.clone()).collect()
            };
            let left: Vec<&String> = change.left.iter().map(|left| &left.user).collect();
            let what = json!({
                "joined": users(here), "away": users(away), "left": left, "count": change.member_count,
            });
            tell(&name, "presence", what);
        }
        tell(&name, "ended", true.into());
    });
    Ok(Value::Null)
}

fn watch_state(people: &Rc<People>, command: &Command) -> Outcome {
    let (mut watch, name) = (of_state(people, command)?.watch()?, command.text("as").to_owned());
    tokio::task::spawn_local(async move {
        while let Some(change) = watch.next().await {
            let entry = |entry: &rialto_client::StateEntry| {
                let text = entry.value.as_ref().and_then(|value| value.text().map(str::to_owned));
                (entry.key.clone(), Value::from(text))
            };
            let entries: Map<String, Value> = change.entries.iter().map(entry).collect();
            tell(&name, "state", json!({"entries": entries, "whole": change.whole}));
        }
        tell(&name, "ended", true.into());
    });
    Ok(Value::Null)
}

async fn get(state: &State, command: &Command) -> Outcome {
    let Some(entry) = state.get(command.text("key")).await? else {
        return Ok(json!({"found": false}));
    };
    let mut told = Map::new();
    told.insert("found".to_owned(), true.into());
    told.insert("revision".to_owned(), entry.revision.into());
    if let Some(value) = &entry.value {
        tell_payload(&mut told, value.body(), value.content_type());
    }
    Ok(Value::Object(told))
}

async fn all(state: &State) -> Outcome {
    let (mut entries, mut page) = (Map::new(), PageOf::default());
    loop {
        let found = state.page(page).await?;
        for entry in found.entries {
            let text = entry.value.as_ref().and_then(|value| value.text().map(str::to_owned));
            entries.insert(entry.key, Value::from(text));
        }
        if found.next.is_empty() {
            return Ok(json!({"entries": entries}));
        }
        page = PageOf { size: 0, token: found.next };
    }
}

async fn set(state: &State, command: &Command) -> Outcome {
    let key = command.text("key");
    let mut set = match command.verb.as_str() {
        "remove_state" => state.remove(key),
        _ => state.set(key, payload(command)),
    };
    if let Some(revision) = command.number("if_revision") {
        set = set.if_revision(revision);
    }
    if command.flag("if_absent") {
        set = set.if_absent();
    }
    if let Some(milliseconds) = command.number("expires_in_ms") {
        set = set.expires_in(Duration::from_millis(milliseconds));
    }
    let done = set.into_future().await?;
    Ok(json!({"revision": done.revision}))
}
