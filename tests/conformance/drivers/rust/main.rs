//! The driver of the Rust client: commands come as lines of JSON, answers and reports go out as such. What the lines mean is in
//! `tests/conformance/README.md`. This file reads them and finds who carries them out.

mod command;
mod content;
mod failure;
mod jobs;
mod keeping;
mod people;
mod plain;
mod report;
mod rooms;
mod sessions;
mod workers;

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    task::{AbortHandle, JoinSet, LocalSet},
};

use crate::{command::Command, failure::Failure, people::People};

/// What a command comes to.
type Outcome = Result<Value, Failure>;

/// One thread: what is begun first takes its first step first, so emits keep the order of their lines.
#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    LocalSet::new().run_until(read()).await
}

async fn read() -> std::io::Result<()> {
    let people = Rc::new(People::default());
    let under_way: Rc<RefCell<BTreeMap<u64, AbortHandle>>> = Rc::default();
    let mut tasks = JoinSet::new();
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let Some(command) = Command::read(&line) else {
            eprintln!("no command: {line}");
            continue;
        };
        if command.verb == "cancel" {
            let other = command.number("command").unwrap_or_default();
            if let Some(handle) = under_way.borrow_mut().remove(&other) {
                handle.abort();
                report::answer(other, Err(Failure::cancelled()));
            }
            report::answer(command.id, Ok(Value::Null));
            continue;
        }
        while tasks.try_join_next().is_some() {}
        let (id, people, ended) = (command.id, people.clone(), under_way.clone());
        let handle = tasks.spawn_local(async move {
            let outcome = carry_out(&people, &command).await;
            ended.borrow_mut().remove(&command.id);
            report::answer(command.id, outcome);
        });
        under_way.borrow_mut().insert(id, handle);
    }
    Ok(())
}

async fn carry_out(people: &Rc<People>, command: &Command) -> Outcome {
    let verb = command.verb.as_str();
    match verb {
        "connect" | "close" | "session" | "ping" | "refresh" | "retry_now" | "clear_buffer" => {
            sessions::carry_out(people, command).await
        }
        "enter" | "leave" | "join" | "part" | "room" | "listen" | "let_go" | "reply" | "emit" | "ask" => {
            rooms::carry_out(people, command).await
        }
        "history" | "presence" | "who" | "watch_presence" | "get_state" | "all_state" | "set_state"
        | "remove_state" | "watch_state" => keeping::carry_out(people, command).await,
        "call" | "client" | "publish" | "publish_batch" | "rooms" | "disconnect" => {
            plain::carry_out(people, command).await
        }
        "work" | "stop_work" | "finish" | "progress" | "checkpoint" | "read_payload" => {
            workers::carry_out(people, command).await
        }
        _ => jobs::carry_out(people, command).await,
    }
}
