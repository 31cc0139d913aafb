//! From a TOML text to a [`Config`], with errors that name the file, the line and the key. Errors never quote a line
//! of the file, because it may hold a secret.

use std::{fmt, io::Read, path::Path};

use super::Config;

/// The configuration as an operator reads it: every key with its meaning and default.
pub const DEFAULT_TOML: &str = include_str!("config.default.toml");

/// No sensible configuration is longer, in bytes.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Why a configuration is not usable. Each is a sentence for the operator.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("cannot read {path}: {error}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// The text is not TOML, or has a key that does not exist, or a value of the wrong kind.
    #[error("{origin}, line {line}: {what}")]
    Malformed {
        /// The file.
        origin: String,
        /// Where in it, from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// A value is out of bounds or contradicts another one.
    #[error("{key} {what}")]
    Invalid {
        /// Path of the key, as in `limits.session.rooms_max`.
        key: String,
        /// What is wrong with it, so that key and this are a sentence.
        what: String,
    },
}

impl ConfigError {
    /// `key` and `what` are a sentence.
    pub fn invalid(key: impl Into<String>, what: impl fmt::Display) -> Self {
        Self::Invalid { key: key.into(), what: what.to_string() }
    }
}

impl Config {
    /// Reads `text`; keys that are not there keep their defaults. `origin` names the text in errors.
    pub fn from_toml(text: &str, origin: &str) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| {
            let before = error.span().map_or(0, |span| span.start);
            let line = 1 + text.bytes().take(before).filter(|byte| *byte == b'\n').count();
            ConfigError::Malformed {
                origin: origin.to_owned(),
                line,
                what: error.message().replace('\n', ", "),
            }
        })
    }

    /// Reads the file at `path`.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let unreadable = |error| ConfigError::Unreadable { path: path.display().to_string(), error };
        let mut text = String::new();
        let file = std::fs::File::open(path).map_err(unreadable)?;
        file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(unreadable)?;
        Self::from_toml(&text, &path.display().to_string())
    }
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
