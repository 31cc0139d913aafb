//! Names and ids: a value of one of these types has been checked. Names come from users; ids are made here.

use std::{borrow::Borrow, fmt, str::FromStr};

use unicode_normalization::is_nfc;

use super::{
    clock,
    limits::{EVENT_NAME_BYTES_MAX, NAME_BYTES_MAX, USER_BYTES_MAX},
    text::{read_base32, write_base32},
};

/// Why a name is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// No bytes.
    #[error("is empty")]
    Empty,
    /// More bytes than allowed.
    #[error("is longer than {0} bytes")]
    TooLong(usize),
    /// Begins with `$` or `_`, which are kept for the system.
    #[error("begins with a reserved character")]
    Reserved,
    /// White space at either end.
    #[error("begins or ends with white space")]
    Space,
    /// Holds a control, bidi, zero-width or line-breaking character.
    #[error("holds a character that is not allowed")]
    Character,
    /// Not in Unicode's normal form C.
    #[error("is not in normal form C")]
    NotNormal,
}

/// Holds when `text` may be a name of at most `bytes_max` bytes: NFC UTF-8 without control, bidi, zero-width or
/// line-breaking characters, no white space at either end, not beginning with `$` or `_`.
pub fn check_name(text: &str, bytes_max: usize) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() > bytes_max {
        return Err(NameError::TooLong(bytes_max));
    }
    if text.starts_with(['$', '_']) {
        return Err(NameError::Reserved);
    }
    if text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace) {
        return Err(NameError::Space);
    }
    if text.chars().any(invisible) {
        return Err(NameError::Character);
    }
    if !text.is_ascii() && !is_nfc(text) {
        return Err(NameError::NotNormal);
    }
    Ok(())
}

/// Characters that a reader cannot see and that can make two names look alike: controls, line and paragraph
/// separators, the formatting characters of Unicode (general category Cf) and variation selectors.
fn invisible(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{8e2}' | '\u{115f}'
            | '\u{1160}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $bytes_max:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The name as an owned string, without a copy.
            pub fn into_string(self) -> String {
                self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                check_name(&text, $bytes_max).map(|()| Self(text))
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::try_from(text.to_owned())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// Name of a namespace.
    NamespaceName, NAME_BYTES_MAX);
name!(
    /// Name of a room.
    RoomName, NAME_BYTES_MAX);
name!(
    /// Name of an event.
    EventName, EVENT_NAME_BYTES_MAX);
name!(
    /// Name of a user: the subject of a token, or what a client calls itself where nothing is authenticated.
    UserName, USER_BYTES_MAX);

/// One life of a node: 40 random bits, new at each start. Text: 8 digits in base 32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(u64);

const NODE_BITS: u32 = 40;

impl NodeId {
    /// A new node.
    pub fn random() -> Self {
        Self(clock::random_u64() >> (64 - NODE_BITS))
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_base32(f, self.0.into(), 8)
    }
}

impl FromStr for NodeId {
    type Err = MalformedId;

    fn from_str(text: &str) -> Result<Self, MalformedId> {
        if text.len() != 8 {
            return Err(MalformedId);
        }
        let bits = read_base32(text).ok_or(MalformedId)?;
        u64::try_from(bits).map(Self).map_err(|_| MalformedId)
    }
}

/// A text that is no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not an id of this kind")]
pub struct MalformedId;

/// A session: its node and 64 random bits. Text: `<node>-<13 digits>`, known to others, not secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId {
    /// The node with which the session began. It may be with another one by now.
    pub node: NodeId,
    /// Which session of that node.
    pub key: u64,
}

impl SessionId {
    /// A new session of `node`.
    pub fn random(node: NodeId) -> Self {
        Self { node, key: clock::random_u64() }
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-", self.node)?;
        write_base32(f, self.key.into(), 13)
    }
}

impl FromStr for SessionId {
    type Err = MalformedId;

    fn from_str(text: &str) -> Result<Self, MalformedId> {
        let (node, key) = text.split_once('-').ok_or(MalformedId)?;
        if key.len() != 13 {
            return Err(MalformedId);
        }
        let bits = read_base32(key).ok_or(MalformedId)?;
        Ok(Self { node: node.parse()?, key: u64::try_from(bits).map_err(|_| MalformedId)? })
    }
}

/// Identity of an event: the node that took it and a number that only rises, also over the node's restarts.
/// Text: 8 + 13 digits; ids of one node sort by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId {
    /// The node that took the event.
    pub node: NodeId,
    /// Milliseconds since 1970 at the node's start in the upper 44 bits, counted up by one for each event.
    pub number: u64,
}

impl EventId {
    /// The first number of a node that starts at `unix_ms`.
    pub fn first_number(unix_ms: u64) -> u64 {
        unix_ms << 20
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.node)?;
        write_base32(f, self.number.into(), 13)
    }
}

impl FromStr for EventId {
    type Err = MalformedId;

    fn from_str(text: &str) -> Result<Self, MalformedId> {
        let (node, number) = text.split_at_checked(8).ok_or(MalformedId)?;
        if number.len() != 13 {
            return Err(MalformedId);
        }
        let bits = read_base32(number).ok_or(MalformedId)?;
        Ok(Self { node: node.parse()?, number: u64::try_from(bits).map_err(|_| MalformedId)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_people_use_are_names() {
        for text in ["general", "a.b", "*", ">", "a b", "..", "тест", "日本語", "x$y_", "é", "👋"] {
            assert_eq!(check_name(text, 128), Ok(()), "{text:?}");
        }
    }

    #[test]
    fn names_that_deceive_or_are_reserved_are_not() {
        let long = "x".repeat(129);
        for (text, error) in [
            ("", NameError::Empty),
            (long.as_str(), NameError::TooLong(128)),
            ("$SYS.x", NameError::Reserved),
            ("_INBOX.x", NameError::Reserved),
            (" a", NameError::Space),
            ("a\u{a0}", NameError::Space),
            ("a\r\nb", NameError::Character),
            ("a\0b", NameError::Character),
            ("a\u{202e}b", NameError::Character),
            ("a\u{200d}b", NameError::Character),
            ("e\u{301}", NameError::NotNormal),
        ] {
            assert_eq!(check_name(text, 128), Err(error), "{text:?}");
        }
    }

    #[test]
    fn ids_are_read_back_as_they_were_written() {
        let session = SessionId::random(NodeId::random());
        assert_eq!(session.to_string().parse(), Ok(session));
        assert_eq!(session.to_string().len(), 22);
        for text in [
            "",
            "-",
            "00000000-",
            "00000000-zzzzzzzzzzzzz",
            "0000000-0000000000000",
            "é0000000-0000000000000",
        ] {
            assert_eq!(text.parse::<SessionId>(), Err(MalformedId), "{text}");
        }
    }
}
