//! Clients without a session: publishing, calling, looking inside.

use std::{future::IntoFuture, rc::Rc, time::Duration};

use rialto_client::{Callee, Client, PageOf, Publication, Target, v1::Then};
use serde_json::{Value, json};

use crate::{
    Outcome,
    command::Command,
    content::{accepted, payload, target},
    failure::{Failure, refused},
    people::People,
    rooms::answer,
};

pub(crate) async fn carry_out(people: &Rc<People>, command: &Command) -> Outcome {
    match command.verb.as_str() {
        "client" => {
            let client = client(command)?;
            people.clients.borrow_mut().insert(command.by.clone(), client);
            Ok(Value::Null)
        }
        "call" => call(people, command).await,
        "publish" => {
            let taken = people.client(command)?.publish(publication(command)).await?;
            Ok(accepted(&taken))
        }
        "publish_batch" => publish_batch(&people.client(command)?, command).await,
        "rooms" => rooms(&people.client(command)?, command).await,
        _ => {
            let (target, directory) =
                (Target::user(command.text("user")), people.client(command)?.directory());
            let (namespace, reason) = (command.text("namespace"), command.text("reason"));
            let gone = directory.disconnect_members(namespace, &target, reason, Then::Unspecified).await?;
            Ok(json!({"count": gone.sessions_changed}))
        }
    }
}

fn client(command: &Command) -> Result<Client, Failure> {
    let mut builder = Client::builder(command.text("url"));
    if let Some(token) = command.given("token") {
        builder = builder.token(token);
    }
    if let Some(within) = command.span("deadline_ms") {
        builder = builder.deadline(within);
    }
    Ok(builder.build()?)
}

fn publication(command: &Command) -> Publication {
    let mut publication = Publication::new(
        command.text("namespace"),
        &target(command),
        command.text("event"),
        payload(command),
    );
    for (key, value) in command.texts_by_key("headers") {
        publication = publication.header(key, value);
    }
    if let Some(key) = command.given("key") {
        publication = publication.key(key);
    }
    if let Some(key) = command.given("idempotency_key") {
        publication = publication.idempotency_key(key);
    }
    match command.text("delivery") {
        "volatile" => publication.volatile(),
        "latest" => publication.latest(),
        _ => publication,
    }
}

async fn publish_batch(client: &Client, command: &Command) -> Outcome {
    let items = command.list("items");
    let items = items.iter().filter_map(Value::as_object).map(|item| publication(&command.of(item)));
    let outcomes = client.publish_batch(items).await?;
    let told = outcomes.iter().map(|outcome| match outcome {
        Ok(taken) => accepted(taken),
        Err(refusal) => json!({"refused": refused(refusal)["code"]}),
    });
    Ok(json!({"outcomes": told.collect::<Vec<_>>()}))
}

async fn call(people: &Rc<People>, command: &Command) -> Outcome {
    let callee = match command.given("session") {
        Some(session) => Callee::session(session),
        None => Callee::any_of(command.text("any_of")),
    };
    let timeout = command.span("timeout_ms").unwrap_or(Duration::from_secs(5));
    let (namespace, name) = (command.text("namespace"), command.text("event"));
    let reply = match people.session(command) {
        Ok(session) => session.namespace(namespace).call(callee, name, payload(command), timeout).await?,
        Err(_) => {
            let client = people.client(command)?;
            client.call(namespace, callee, name, payload(command)).timeout(timeout).into_future().await?
        }
    };
    Ok(answer(&reply))
}

async fn rooms(client: &Client, command: &Command) -> Outcome {
    let (mut rooms, mut page) = (Vec::new(), PageOf::default());
    loop {
        let found = client.directory().rooms(command.text("namespace"), command.text("prefix"), page).await?;
        rooms.extend(
            found.items.into_iter().map(|room| json!({"name": room.room, "members": room.member_count})),
        );
        if found.next.is_empty() {
            return Ok(json!({"rooms": rooms}));
        }
        page = PageOf { size: 0, token: found.next };
    }
}
