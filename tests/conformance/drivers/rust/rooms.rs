//! Namespaces and rooms: being there, saying, hearing, asking, answering.

use std::{future::IntoFuture, rc::Rc};

use rialto_client::{Body, Emission, Events, JoinOptions, Position, Session};
use serde_json::{Map, Value, json};

use crate::{
    Outcome,
    command::Command,
    content::{accepted, event, payload, target, tell_payload},
    failure::Failure,
    people::{People, Reader},
    report::tell,
};

pub(crate) async fn carry_out(people: &Rc<People>, command: &Command) -> Outcome {
    match command.verb.as_str() {
        "let_go" => people.reader(command)?.go.notify_one(),
        "reply" => reply(people, command).await?,
        "listen" => listen(people, command)?,
        "room" => return Ok(room(&people.session(command)?, command)),
        "join" => return join(&people.session(command)?, command).await,
        "emit" => {
            let taken = emission(&people.session(command)?, command).into_future().await?;
            return Ok(accepted(&taken));
        }
        "ask" => return ask(&people.session(command)?, command).await,
        "part" => {
            let session = people.session(command)?;
            let room = session.namespace(command.text("namespace")).room(command.text("room"));
            return Ok(json!({"parted": room.part().await?}));
        }
        "enter" => people.session(command)?.namespace(command.text("namespace")).enter().await?,
        _ => {
            people.session(command)?.namespace(command.text("namespace")).leave().await?;
        }
    }
    Ok(Value::Null)
}

async fn join(session: &Session, command: &Command) -> Outcome {
    let room = session.namespace(command.text("namespace")).room(command.text("room"));
    let mut options = JoinOptions::default()
        .newest(command.count("newest").unwrap_or_default())
        .presence(command.flag("presence"))
        .state(command.flag("state"))
        .delta(command.flag("delta"));
    if command.arguments.contains_key("recover") {
        let after = command.of(&command.table("recover"));
        let (epoch, offset) = (after.text("epoch").to_owned(), after.number("offset").unwrap_or_default());
        options = options.recover(Position { room: room.name().to_owned(), epoch, offset });
    }
    let state = room.join_with(options).await?;
    Ok(json!({"epoch": state.epoch, "offset": state.offset, "members": state.member_count}))
}

fn room(session: &Session, command: &Command) -> Value {
    let room = session.namespace(command.text("namespace")).room(command.text("room"));
    let status = format!("{:?}", room.status()).to_lowercase();
    match room.position() {
        Some(at) => json!({"status": status, "epoch": at.epoch, "offset": at.offset}),
        None => json!({"status": status}),
    }
}

fn emission(session: &Session, command: &Command) -> Emission {
    let namespace = session.namespace(command.text("namespace"));
    let mut emission = namespace.emit_to(&target(command), command.text("event"), payload(command));
    for (key, value) in command.texts_by_key("headers") {
        emission = emission.header(key, value);
    }
    if let Some(key) = command.given("key") {
        emission = emission.key(key);
    }
    if let Some(key) = command.given("idempotency_key") {
        emission = emission.idempotency_key(key);
    }
    if let Some(within) = command.span("deadline_ms") {
        emission = emission.deadline(within);
    }
    match command.text("delivery") {
        "volatile" => emission.volatile(),
        "latest" => emission.latest(),
        _ => emission,
    }
}

async fn ask(session: &Session, command: &Command) -> Outcome {
    let timeout = command.span("timeout_ms").unwrap_or_default();
    let answers = emission(session, command).expect_replies(timeout).await?.all().await?;
    let replies = answers.replies.iter().map(|reply| {
        let mut told = Map::from_iter([("user".to_owned(), reply.user.clone().into())]);
        match &reply.outcome {
            Ok(body) => tell_payload(&mut told, body, &reply.content_type),
            Err(error) => {
                told.insert("error".to_owned(), error.clone().into());
            }
        }
        Value::Object(told)
    });
    let missing: Vec<&String> = answers.summary.missing.iter().map(|missing| &missing.user).collect();
    Ok(json!({
        "replies": replies.collect::<Vec<_>>(),
        "answered": answers.summary.answered,
        "missing": missing,
        "timed_out": answers.summary.timed_out,
    }))
}

fn listen(people: &Rc<People>, command: &Command) -> Result<(), Failure> {
    let namespace = people.session(command)?.namespace(command.text("namespace"));
    let (room, name) = (command.text("room"), command.text("event"));
    let events = match (room, name) {
        ("", "") => namespace.events(),
        ("", name) => namespace.on(name),
        (room, "") => namespace.room(room).events(),
        (room, name) => namespace.room(room).on(name),
    };
    let reader = Rc::new(Reader::default());
    people.streams.borrow_mut().insert(command.text("as").to_owned(), reader.clone());
    tokio::task::spawn_local(read(command.clone(), events, reader));
    Ok(())
}

async fn read(command: Command, mut events: Events, reader: Rc<Reader>) {
    let name = command.text("as").to_owned();
    if command.flag("hold") {
        reader.go.notified().await;
    }
    while let Some(heard) = events.next().await {
        tell(&name, "event", event(&heard));
        let answered = match (command.given("reply"), command.given("reply_error")) {
            (Some(text), _) if heard.wants_reply() => heard.reply(text).await,
            (_, Some(error)) if heard.wants_reply() => heard.reply_error(error).await,
            _ => Ok(()),
        };
        if let Err(error) = answered {
            eprintln!("{name} cannot answer: {error}");
        }
        *reader.last.borrow_mut() = Some(heard);
    }
    tell(&name, "ended", true.into());
}

async fn reply(people: &Rc<People>, command: &Command) -> Result<(), Failure> {
    let last = people.reader(command)?.last.borrow().clone();
    let last = last.ok_or_else(|| Failure::other("nothing was heard"))?;
    match command.given("error") {
        Some(error) => last.reply_error(error).await?,
        None => last.reply(payload(command)).await?,
    }
    Ok(())
}

/// What one receiver has answered to a call.
pub(crate) fn answer(reply: &rialto_client::Reply) -> Value {
    let mut told = Map::new();
    let body = reply.outcome.clone().unwrap_or_else(Body::Text);
    tell_payload(&mut told, &body, &reply.content_type);
    Value::Object(told)
}
