//! A service and its caller. Any member of the room `thumbnails` may take a call; run more of them to share the work.

use std::time::Duration;

use rialto_client::{Callee, Client, Error, Session};

const SERVER: &str = "http://127.0.0.1:7400";

/// Answers each call with the length of what it was given.
async fn serve(session: Session) -> Result<(), Error> {
    let room = session.namespace("default").room("thumbnails");
    let mut calls = room.namespace().on("measure");
    room.join().await?;
    while let Some(call) = calls.next().await {
        match call.text() {
            Some(text) => call.reply(text.len().to_string()).await?,
            None => call.reply_error("only text is measured").await?,
        }
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
#[allow(clippy::print_stdout, reason = "an example")]
async fn main() -> Result<(), Error> {
    let session = Session::connect(SERVER).user("worker").await?;
    session.namespace("default").room("thumbnails").join().await?;
    let caller = async {
        let client = Client::new(SERVER)?;
        let callee = Callee::any_of("thumbnails");
        let reply = client.call("default", callee, "measure", "four").timeout(Duration::from_secs(5)).await?;
        println!("answer: {}", reply.text().unwrap_or("(no text)"));
        Ok::<(), Error>(())
    };
    tokio::select! {
        served = serve(session.clone()) => served?,
        called = caller => called?,
    }
    session.close().await;
    Ok(())
}
