//! Flags that say what to send: the event's name and its payload, from the command line, a file or standard input.

use std::{
    fs::File,
    io::{self, Read},
};

use clap::{ArgGroup, Args};
use rialto_client::Payload;

use super::{connection::pair, failure::Failure};
use crate::base::limits::PAYLOAD_BYTES_CEILING;

/// What to send.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("payload").required(true).multiple(false).args(["data", "file"])))]
pub(super) struct MessageArgs {
    /// Name of the event
    #[arg(long, short, value_name = "EVENT")]
    pub(super) event: String,
    /// The payload, as text
    #[arg(long, short, value_name = "TEXT")]
    data: Option<String>,
    /// A file with the payload; `-` is standard input. Sent as text if it is UTF-8, as bytes otherwise
    #[arg(long, short, value_name = "FILE")]
    file: Option<String>,
    /// Send the payload as bytes even if it is text
    #[arg(long)]
    binary: bool,
    /// Media type of the payload
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// A header for the receivers; may be repeated
    #[arg(long = "header", value_name = "KEY=VALUE", value_parser = pair)]
    pub(super) headers: Vec<(String, String)>,
}

impl MessageArgs {
    /// Reads the payload.
    pub(super) fn payload(&self) -> Result<Payload, Failure> {
        let payload = payload(self.data.as_deref(), self.file.as_deref(), self.binary)?;
        Ok(payload.of_type(self.content_type.clone().unwrap_or_default()))
    }
}

/// A payload that was given as text, or stands in a file; `-` is standard input.
pub(super) fn payload(text: Option<&str>, file: Option<&str>, binary: bool) -> Result<Payload, Failure> {
    let bytes = match (text, file) {
        (Some(text), _) => text.as_bytes().to_vec(),
        (None, Some("-")) => read("standard input", io::stdin().lock())?,
        (None, Some(path)) => {
            let unreadable = |error| Failure::Usage(format!("cannot read {path}: {error}"));
            read(path, File::open(path).map_err(unreadable)?)?
        }
        (None, None) => Vec::new(),
    };
    Ok(match String::from_utf8(bytes) {
        Ok(text) if !binary => Payload::from(text),
        Ok(text) => Payload::from(text.into_bytes()),
        Err(error) => Payload::from(error.into_bytes()),
    })
}

/// Reads to the end, but no more than any server takes.
fn read(name: &str, source: impl Read) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let bound = u64::from(PAYLOAD_BYTES_CEILING);
    match source.take(bound + 1).read_to_end(&mut bytes) {
        Ok(_) if bytes.len() as u64 > bound => {
            Err(Failure::Usage(format!("{name} holds more than {bound} bytes, which no server takes")))
        }
        Ok(_) => Ok(bytes),
        Err(error) => Err(Failure::Usage(format!("cannot read {name}: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endless_source_is_not_read_for_ever() {
        assert!(matches!(read("zeros", io::repeat(0)), Err(Failure::Usage(_))));
        assert_eq!(read("text", &b"hi"[..]).unwrap(), b"hi");
    }
}
