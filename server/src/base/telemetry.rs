//! Where log lines go, and how users' text gets into them: through [`Quoted`] only, so that nobody who may choose a
//! name can write lines of his own, colours or a megabyte. Payloads and tokens are never logged. `cli/serve.rs` starts
//! it, once.

use std::{
    fmt::{self, Write},
    io::IsTerminal,
};

use tracing_subscriber::{
    EnvFilter, Layer, filter::ParseError, layer::SubscriberExt, registry::Registry, util::SubscriberInitExt,
    util::TryInitError,
};

use super::config::{LogConfig, LogFormat};

/// Bytes that a field from a user takes in a log line.
const QUOTED_BYTES_MAX: usize = 256;

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The level is not understood.
    #[error("log.level {level:?} is not understood: {error}")]
    Level {
        /// What was given.
        level: String,
        /// What is wrong with it.
        error: ParseError,
    },
    /// It runs already.
    #[error("{0}")]
    Running(#[from] TryInitError),
}

/// Holds when `level` can be a log level.
pub fn check_level(level: &str) -> Result<EnvFilter, TelemetryError> {
    EnvFilter::builder()
        .parse(level)
        .map_err(|error| TelemetryError::Level { level: level.to_owned(), error })
}

/// Starts writing log lines to standard error, for the whole process.
pub fn init(config: &LogConfig) -> Result<(), TelemetryError> {
    let filter = check_level(&config.level)?;
    let colour =
        std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let layer = match config.format {
        LogFormat::Human => lines.with_ansi(colour).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_ansi(false).boxed(),
    };
    Registry::default().with(filter).with(layer).try_init()?;
    Ok(())
}

/// Text from a user for a log line: control, bidi and other unprintable characters, quotes and backslashes are
/// escaped, and what exceeds 256 bytes is replaced by `…`.
#[derive(Debug, Clone, Copy)]
pub struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut room = QUOTED_BYTES_MAX;
        for c in self.0.chars() {
            let escaped = c.escape_debug();
            let bytes: usize = escaped.clone().map(char::len_utf8).sum();
            if bytes > room {
                return f.write_char('…');
            }
            room -= bytes;
            write!(f, "{escaped}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_cannot_write_lines_or_colours_or_turn_the_text_around() {
        let text = Quoted("a\nERROR forged\r\x1b[31m\0\u{202e}\u{200b}\"\\é日").to_string();
        assert_eq!(text, "a\\nERROR forged\\r\\u{1b}[31m\\0\\u{202e}\\u{200b}\\\"\\\\é日");
    }

    #[test]
    fn users_cannot_fill_the_log() {
        assert_eq!(Quoted(&"x".repeat(256)).to_string(), "x".repeat(256));
        assert_eq!(Quoted(&"x".repeat(257)).to_string(), format!("{}…", "x".repeat(256)));
        for text in ["\u{202e}", "é", "\0"] {
            assert!(Quoted(&text.repeat(100_000)).to_string().len() <= 256 + '…'.len_utf8());
        }
    }

    #[test]
    fn a_level_that_is_not_understood_is_refused() {
        for level in ["info", "off", "info,rialto_server::grpc=debug", "WARN"] {
            check_level(level).unwrap();
        }
        let error = check_level("rialto_server=loud").expect_err("not a level");
        assert!(error.to_string().contains("rialto_server=loud"), "{error}");
    }
}
