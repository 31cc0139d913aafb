//! The receivers in Rust: the client of Rialto, and async-nats. Which of them is said by the first argument, where the server is
//! by the second; what goes over standard input and output is in `tests/receivers/README.md`.

mod tally;

use std::error::Error;

use futures_util::StreamExt;
use rialto_client::Session;
use tokio::runtime::Runtime;

use crate::tally::{Tally, say, told_to_end};

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let runtime = Runtime::new()?;
    let ended = runtime.block_on(receive());
    // What has failed is said at once, and not when the thread that reads standard input has come to its end.
    runtime.shutdown_background();
    ended
}

async fn receive() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [system, url] = arguments.as_slice() else { return Err("a system and an address are wanted".into()) };
    match system.as_str() {
        "rialto" => rialto(url).await,
        "nats" => nats(url).await,
        other => Err(format!("no system is called {other}").into()),
    }
}

/// A stream of the events of a room.
async fn rialto(url: &str) -> Result<(), Failure> {
    let session = Session::connect(url).user("receiver").await?;
    let room = session.namespace("bench").room("bench-room");
    let mut events = room.on("e");
    room.join().await?;
    say("READY");
    let mut tally = Tally::default();
    let counting = async {
        while let Some(event) = events.next().await {
            tally.count(event.text().unwrap_or_default())?;
        }
        Err("the session is over".into())
    };
    until_told_to_end(counting).await?;
    tally.say_all();
    Ok(())
}

/// A subscription, which is a stream.
async fn nats(url: &str) -> Result<(), Failure> {
    let client = async_nats::connect(url).await?;
    let mut messages = client.subscribe("bench-room").await?;
    client.flush().await?;
    say("READY");
    let mut tally = Tally::default();
    let counting = async {
        while let Some(message) = messages.next().await {
            tally.count(std::str::from_utf8(&message.payload)?)?;
        }
        Err("the subscription is over".into())
    };
    until_told_to_end(counting).await?;
    tally.say_all();
    Ok(())
}

async fn until_told_to_end(counting: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::select! {
        ended = counting => ended,
        ended = told_to_end() => ended,
    }
}
