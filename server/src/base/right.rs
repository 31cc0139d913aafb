//! The words for what an identity may do. Only the words: who may do what is decided in `auth/rights.rs`. They stand
//! here because the configuration and tokens name them too.

use serde::{Deserialize, Serialize};

/// Something that an identity may do in a room, in a queue, or in a namespace as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Right {
    /// Become a member of a room and receive its events.
    Join,
    /// Send events to a room; for the namespace as a whole: to everyone, to users and to sessions.
    Emit,
    /// Ask one member of a room and get its answer.
    Call,
    /// Read past events of a room.
    History,
    /// See who is in a room; for the namespace as a whole: list and count its rooms and sessions.
    Presence,
    /// Put jobs into a queue.
    Enqueue,
    /// Take jobs from a queue and settle them.
    Work,
    /// Make others join, part or disconnect, change settings. Does not include the other rights.
    Admin,
}

impl Right {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Join,
        Self::Emit,
        Self::Call,
        Self::History,
        Self::Presence,
        Self::Enqueue,
        Self::Work,
        Self::Admin,
    ];

    /// The word for it in tokens and in the configuration.
    pub fn word(self) -> &'static str {
        match self {
            Self::Join => "join",
            Self::Emit => "emit",
            Self::Call => "call",
            Self::History => "history",
            Self::Presence => "presence",
            Self::Enqueue => "enqueue",
            Self::Work => "work",
            Self::Admin => "admin",
        }
    }
}

/// A word that names no right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is no right; rights are join, emit, call, history, presence, enqueue, work and admin")]
pub struct UnknownRight;

impl std::str::FromStr for Right {
    type Err = UnknownRight;

    fn from_str(word: &str) -> Result<Self, UnknownRight> {
        let named = |right: &Self| right.word() == word;
        Self::ALL.into_iter().find(named).ok_or(UnknownRight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_right_has_one_word_everywhere() {
        for right in Right::ALL {
            assert_eq!(right.word().parse(), Ok(right));
            let json = serde_json::to_value(right).unwrap();
            assert_eq!(json, right.word());
            assert!(UnknownRight.to_string().contains(right.word()));
        }
        assert_eq!("cal".parse::<Right>(), Err(UnknownRight));
    }
}
