//! Secrets of token keys: given in the configuration or in a file, which mounts of orchestrators are. Reads the file
//! once, at the start, and never says what is in it.

use std::{io::Read, path::Path};

use crate::base::config::{ConfigError, Secret};

/// Shortest secret in bytes: HMAC with SHA-256 is as strong as its key up to here (RFC 7518 §3.2).
pub const SECRET_BYTES_MIN: usize = 32;
const SECRET_BYTES_MAX: usize = 1024;

/// The bytes of a secret, from `secret` or from `file`; exactly one must be given. One line break at the end of the
/// file does not count, because editors write it.
pub fn read_secret(secret: Option<&Secret>, file: Option<&Path>) -> Result<Vec<u8>, ConfigError> {
    let bytes = match (secret, file) {
        (Some(secret), None) => secret.expose().as_bytes().to_vec(),
        (None, Some(path)) => read_file(path)?,
        _ => {
            return Err(ConfigError::invalid("auth.token.key", "needs either `secret` or `secret_file`"));
        }
    };
    if (SECRET_BYTES_MIN..=SECRET_BYTES_MAX).contains(&bytes.len()) {
        return Ok(bytes);
    }
    Err(ConfigError::invalid(
        "auth.token.key",
        format_args!(
            "has a secret of {} bytes, but must have {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX}",
            bytes.len()
        ),
    ))
}

fn read_file(path: &Path) -> Result<Vec<u8>, ConfigError> {
    let unreadable = |error| ConfigError::Unreadable { path: path.display().to_string(), error };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let limit = SECRET_BYTES_MAX as u64 + 3;
    file.take(limit).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    Ok(bytes)
}
