//! Asking a room: every member answers, and the asker learns who did not.

use std::time::Duration;

use rialto_client::{Error, Session};

const SERVER: &str = "http://127.0.0.1:7400";

/// A member that answers one question.
async fn member(name: &str, answer: &str) -> Result<(), Error> {
    let session = Session::connect(SERVER).user(name).await?;
    let room = session.namespace("chat").room("lunch");
    let mut polls = room.on("poll");
    room.join().await?;
    if let Some(question) = polls.next().await {
        question.reply(answer).await?;
    }
    session.close().await;
    Ok(())
}

/// The one who asks.
#[allow(clippy::print_stdout, reason = "an example")]
async fn asker() -> Result<(), Error> {
    let session = Session::connect(SERVER).user("ann").await?;
    let room = session.namespace("chat").room("lunch");
    let mut presence = room.presence().changes()?;
    let mut members =
        room.join_with(rialto_client::JoinOptions::default().presence(true)).await?.member_count;
    while members < 3 {
        members = presence.next().await.map_or(3, |change| change.member_count);
    }
    let answers = room.emit_with_replies("poll", "pizza?", Duration::from_secs(2)).await?.all().await?;
    for reply in &answers.replies {
        println!("{}: {}", reply.user, reply.text().unwrap_or("(no text)"));
    }
    println!("{} did not answer", answers.summary.missing_count);
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tokio::try_join!(member("bob", "yes"), member("eve", "no"), asker())?;
    Ok(())
}
