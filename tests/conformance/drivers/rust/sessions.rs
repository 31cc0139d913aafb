//! Sessions: how they begin and end, and what they tell about themselves.

use std::{
    future::IntoFuture,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rialto_client::{
    Connecting, OfflineBuffer, Overflow, Report, Reports, Session, Status, Token, TokenError,
};
use serde_json::{Value, json};

use crate::{
    Outcome,
    command::Command,
    failure::{Failure, refused},
    people::People,
    report::tell,
};

pub(crate) async fn carry_out(people: &Rc<People>, command: &Command) -> Outcome {
    if command.verb == "connect" {
        return connect(people, command).await;
    }
    let session = people.session(command)?;
    match command.verb.as_str() {
        "close" => {
            drop(session);
            let last = people.sessions.borrow_mut().remove(&command.by);
            if let Some(session) = last {
                session.close().await;
            }
        }
        "ping" => session.ping().await?,
        "refresh" => session.refresh(command.text("token")).await?,
        "retry_now" => session.retry_now(),
        "clear_buffer" => return Ok(json!({"count": session.clear_offline_buffer()})),
        _ => {
            let status = word(&session.status().borrow());
            return Ok(json!({"session": session.id(), "status": status}));
        }
    }
    Ok(Value::Null)
}

async fn connect(people: &Rc<People>, command: &Command) -> Outcome {
    let session = connecting(command).into_future().await?;
    let status = session.status();
    let (id, user) = match &*status.borrow() {
        Status::Attached { session, user, .. } => (session.clone(), user.clone()),
        _ => Default::default(),
    };
    watch(&command.by, &session);
    people.sessions.borrow_mut().insert(command.by.clone(), session);
    Ok(json!({"session": id, "user": user}))
}

fn connecting(command: &Command) -> Connecting {
    let mut connecting = Session::connect(command.text("url"));
    if let Some(user) = command.given("user") {
        connecting = connecting.user(user);
    }
    if let Some(token) = command.given("token") {
        connecting = connecting.token(token);
    }
    if command.arguments.contains_key("tokens") {
        connecting = tokens(connecting, command);
    }
    for (key, value) in command.texts_by_key("attributes") {
        connecting = connecting.attribute(key, value);
    }
    if let Some(within) = command.span("deadline_ms") {
        connecting = connecting.deadline(within);
    }
    if let Some(within) = command.span("connect_timeout_ms") {
        connecting = connecting.connect_timeout(within);
    }
    if let Some(events) = command.number("events_waiting").and_then(|events| usize::try_from(events).ok()) {
        connecting = connecting.events_waiting(events);
    }
    if command.arguments.contains_key("offline") {
        connecting = connecting.offline_buffer(offline(&command.of(&command.table("offline"))));
    }
    if command.flag("wait") { connecting.wait_for_server() } else { connecting }
}

fn offline(table: &Command) -> OfflineBuffer {
    let default = OfflineBuffer::default();
    let number = |key: &str| table.number(key).and_then(|number| usize::try_from(number).ok());
    OfflineBuffer {
        count_max: number("count").unwrap_or(default.count_max),
        bytes_max: number("bytes").unwrap_or(default.bytes_max),
        age_max: table.span("age_ms"),
        overflow: match table.text("overflow") {
            "drop-oldest" => Overflow::DropOldest,
            _ => Overflow::Refuse,
        },
    }
}

/// A callback that gives out one answer after the other, the last one for ever.
fn tokens(connecting: Connecting, command: &Command) -> Connecting {
    let (answers, by) = (Arc::new(command.list("tokens")), command.by.clone());
    let next = Arc::new(AtomicUsize::new(0));
    connecting.token_from(move || {
        let asked = next.fetch_add(1, Ordering::Relaxed);
        tell(&by, "token_asked", (asked + 1).into());
        let answer = answers.get(asked.min(answers.len().saturating_sub(1))).cloned();
        async move { token(&answer.unwrap_or_default()) }
    })
}

fn token(answer: &Value) -> Result<Token, TokenError> {
    if let Some(text) = answer.as_str() {
        return Ok(Token::new(text));
    }
    let text = answer.get("text").and_then(Value::as_str).ok_or("no token today")?;
    let lasts = answer.get("expires_in_ms").and_then(Value::as_u64).map(Duration::from_millis);
    let token = Token::new(text);
    Ok(match lasts {
        Some(lasts) => token.expires_in(lasts),
        None => token,
    })
}

fn word(status: &Status) -> &'static str {
    match status {
        Status::Connecting => "connecting",
        Status::Attached { .. } => "attached",
        Status::Waiting { .. } => "waiting",
        Status::Closed(_) => "closed",
        _ => "unknown",
    }
}

/// Tells what becomes of a session, until it is over.
fn watch(by: &str, session: &Session) {
    let (mut status, reports) = (session.status(), session.reports());
    status.mark_unchanged();
    let by = by.to_owned();
    tokio::task::spawn_local(tell_reports(by.clone(), reports));
    tokio::task::spawn_local(async move {
        while status.changed().await.is_ok() {
            let now = status.borrow_and_update().clone();
            tell(&by, "status", word(&now).into());
            if let Status::Closed(closing) = now {
                tell(&by, "closed", json!({"code": closing.code_name()}));
                return;
            }
        }
    });
}

async fn tell_reports(by: String, mut reports: Reports) {
    while let Some(report) = reports.next().await {
        let (kind, what) = match report {
            Report::Reconnected { resumed, .. } => ("reconnected", json!({"resumed": resumed})),
            Report::Missed(missed) => (
                "missed",
                json!({
                    "namespace": missed.namespace, "rooms": missed.rooms, "count": missed.count,
                    "from_offset": missed.from_offset, "to_offset": missed.to_offset,
                }),
            ),
            Report::RejoinRefused { namespace, room, refusal } => {
                let Failure(refusal) = Failure(refused(&refusal));
                ("rejoin_refused", json!({"namespace": namespace, "room": room, "code": refusal["code"]}))
            }
            Report::Joined { namespace, rooms } => {
                ("joined", json!({"namespace": namespace, "rooms": rooms}))
            }
            Report::Parted { namespace, rooms } => {
                ("parted", json!({"namespace": namespace, "rooms": rooms}))
            }
            Report::Draining => ("draining", true.into()),
            Report::TokenUnavailable(_) => ("token_unavailable", true.into()),
            Report::Refused(refusal) => ("refused", json!({"code": refusal.code_name()})),
            Report::Unsent(count) => ("unsent", json!({"count": count})),
            _ => continue,
        };
        tell(&by, kind, what);
    }
}
