//! What an upload is called: by clients, and where it is stored.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::base::text::{read_base32, write_base32};

/// Digits of an id: 128 bits.
const ID_DIGITS: u32 = 26;
/// Digits of the time in a stored name: enough until the year 10889.
const TIME_DIGITS: usize = 12;
/// Digits behind that.
const DIGEST_DIGITS: usize = 32;

/// What clients call an upload: when it was begun, and 64 random bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UploadId(u128);

impl UploadId {
    /// A new one.
    pub fn new(ms: u64, chance: u64) -> Self {
        Self(u128::from(ms) << 64 | u128::from(chance))
    }

    /// Reads one.
    pub fn parse(text: &str) -> Option<Self> {
        read_base32(text).filter(|_| text.len() == ID_DIGITS as usize).map(Self)
    }

    /// When it was begun, in milliseconds since 1970.
    pub fn began_ms(self) -> u64 {
        u64::try_from(self.0 >> 64).unwrap_or(u64::MAX)
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_base32(f, self.0, ID_DIGITS)
    }
}

/// Where an upload is stored: its part, when it was begun, and a digest of its queue and its id. So it is found from its own queue
/// alone, and who sees what is stored cannot name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UploadKey {
    /// The part that its queue falls into.
    pub part: u32,
    name: String,
}

impl UploadKey {
    /// That of an upload for a queue.
    pub fn of(part: u32, namespace: &str, queue: &str, id: UploadId) -> Self {
        // Names hold no control characters.
        let digest = Sha256::digest(format!("{namespace}\0{queue}\0{id}"));
        let mut name = format!("{:0TIME_DIGITS$x}-", id.began_ms());
        for byte in &digest[..DIGEST_DIGITS / 2] {
            name.push_str(&format!("{byte:02x}"));
        }
        Self { part, name }
    }

    /// Reads a stored name; `None` for any other text.
    pub fn parse(part: u32, name: &str) -> Option<Self> {
        let (time, digest) = name.split_once('-')?;
        let hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let right = time.len() == TIME_DIGITS && digest.len() == DIGEST_DIGITS && hex(time) && hex(digest);
        right.then(|| Self { part, name: name.to_owned() })
    }

    /// Its name: lower-case hexadecimal digits and a `-`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When it was begun, in milliseconds since 1970.
    pub fn began_ms(&self) -> u64 {
        u64::from_str_radix(&self.name[..TIME_DIGITS], 16).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_says_when_it_was_begun_and_is_read_as_it_was_written() {
        let id = UploadId::new(1_764_000_000_000, u64::MAX);
        assert_eq!(id.began_ms(), 1_764_000_000_000);
        assert_eq!(UploadId::parse(&id.to_string()), Some(id));
        for other in ["", "0", "../../../etc/passwd", &"0".repeat(25), &"0".repeat(27)] {
            assert_eq!(UploadId::parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_key_is_that_of_one_queue_and_is_read_as_it_was_written() {
        let id = UploadId::new(1_764_000_000_000, 7);
        let key = UploadKey::of(3, "chat", "imports", id);
        assert_eq!(UploadKey::parse(3, key.name()), Some(key.clone()));
        assert_eq!(key.began_ms(), id.began_ms());
        assert_ne!(key, UploadKey::of(3, "chat", "exports", id));
        assert_ne!(key, UploadKey::of(3, "chati", "mports", id));
        for other in ["", "lock", "..", &key.name()[1..], &key.name().to_uppercase()] {
            assert_eq!(UploadKey::parse(3, other), None, "{other}");
        }
    }
}
