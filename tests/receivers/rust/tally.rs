//! What every receiver in Rust says on its standard output.

use tokio::io::AsyncReadExt;

use crate::Failure;

const STEP: u64 = 256;
const PAYLOAD_BYTES: usize = 128;

/// Counts events, and says so after each 256th.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    received: u64,
}

impl Tally {
    pub(crate) fn count(&mut self, text: &str) -> Result<(), Failure> {
        if text.len() != PAYLOAD_BYTES {
            return Err(format!("a payload of {} bytes", text.len()).into());
        }
        self.received += 1;
        if self.received.is_multiple_of(STEP) {
            say(&self.received.to_string());
        }
        Ok(())
    }

    pub(crate) fn say_all(&self) {
        say(&format!("{{\"received\": {}}}", self.received));
    }
}

pub(crate) fn say(line: &str) {
    println!("{line}");
}

/// Waits for the end of the standard input.
pub(crate) async fn told_to_end() -> Result<(), Failure> {
    tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
    Ok(())
}
