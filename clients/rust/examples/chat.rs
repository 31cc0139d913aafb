//! A chat in ten lines: joins a room, says hello, and prints what others say.

use rialto_client::{Error, Session};

#[tokio::main(flavor = "current_thread")]
#[allow(clippy::print_stdout, reason = "an example")]
async fn main() -> Result<(), Error> {
    let session = Session::connect("http://127.0.0.1:7400").user("ann").await?;
    let room = session.namespace("chat").room("general");
    let mut messages = room.on("message");
    room.join().await?;
    room.emit("message", "hello from Rust").await?;
    while let Some(message) = messages.next().await {
        println!("{}: {}", message.user(), message.text().unwrap_or("(binary)"));
    }
    Ok(())
}
