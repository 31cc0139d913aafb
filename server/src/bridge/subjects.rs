//! Places as NATS subjects. Users' names never stand in a subject raw: `*`, `>` and `.` mean something there. A name is one
//! token: `n` and its UTF-8 bytes in base32hex (RFC 4648 §7, lower case, without padding), which can be read back; of a longer
//! one `h` and the beginning of its SHA-256, and the name itself stands in the envelope. Pure.
//!
//! * `rl.<cluster>.room.<partition>.<namespace>.<room>`
//! * `rl.<cluster>.ns.<namespace>`: everyone in a namespace, and its users
//! * `rl.<cluster>.node.<node>`
//! * `rl.<cluster>.home.<node>`: sessions that began with a node, wherever they are now
//! * `rl.<cluster>.nodes`: all nodes

use std::sync::Arc;

use data_encoding::BASE32_DNSSEC;
use sha2::{Digest, Sha256};

use crate::base::{ids::NodeId, partition::partition};

/// Longer names are told by their hash: a subject should not be longer than about 256 bytes.
const NAME_BYTES_MAX: usize = 60;
/// Bytes of a hash that stand for a name: two names that agree in them are not to be found.
const HASH_BYTES: usize = 20;
/// Where something can be said to other nodes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// The members of a room.
    Room {
        /// Its namespace.
        namespace: Arc<str>,
        /// Its name.
        room: Arc<str>,
    },
    /// Everyone in a namespace.
    Namespace(Arc<str>),
    /// One node.
    Node(NodeId),
    /// The sessions that began with a node.
    Home(NodeId),
    /// All nodes.
    Cluster,
}

impl Place {
    /// A room.
    pub fn room(namespace: &str, room: &str) -> Self {
        Self::Room { namespace: namespace.into(), room: room.into() }
    }

    /// The partition of a room.
    pub fn partition(&self) -> Option<u32> {
        match self {
            Self::Room { namespace, room } => Some(partition(namespace, room)),
            _ => None,
        }
    }

    /// The subject of this place in a cluster.
    pub fn subject(&self, cluster: &str) -> String {
        match self {
            Self::Room { namespace, room } => {
                let partition = partition(namespace, room);
                format!("rl.{cluster}.room.{partition:03}.{}.{}", token(namespace), token(room))
            }
            Self::Namespace(namespace) => format!("rl.{cluster}.ns.{}", token(namespace)),
            Self::Node(node) => format!("rl.{cluster}.node.{node}"),
            Self::Home(node) => format!("rl.{cluster}.home.{node}"),
            Self::Cluster => format!("rl.{cluster}.nodes"),
        }
    }
}

/// The subject of all rooms of a partition.
pub fn all_of(cluster: &str, partition: u32) -> String {
    format!("rl.{cluster}.room.{partition:03}.*.*")
}

/// Whether what is said at a subject is heard at another one, in which `*` may stand for any token.
#[cfg(feature = "simulation")]
pub(super) fn covers(listening: &str, subject: &str) -> bool {
    let tokens = |subject: &str| subject.split('.').count();
    let mut pairs = listening.split('.').zip(subject.split('.'));
    tokens(listening) == tokens(subject) && pairs.all(|(wanted, token)| wanted == "*" || wanted == token)
}

/// A name as one token of a subject.
pub fn token(name: &str) -> String {
    if name.len() <= NAME_BYTES_MAX {
        return format!("n{}", BASE32_DNSSEC.encode(name.as_bytes()));
    }
    format!("h{}", BASE32_DNSSEC.encode(&Sha256::digest(name)[..HASH_BYTES]))
}

/// The name that a token is; `None` for the hash of one and for what no name was made to.
pub fn name(token: &str) -> Option<String> {
    let bytes = BASE32_DNSSEC.decode(token.strip_prefix('n')?.as_bytes()).ok()?;
    let name = String::from_utf8(bytes).ok()?;
    (self::token(&name) == token).then_some(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_token(text: &str) -> bool {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_name_is_read_back_from_its_token(text in ".{1,15}") {
            prop_assert!(is_token(&token(&text)));
            prop_assert_eq!(name(&token(&text)), Some(text));
        }

        #[test]
        fn distinct_names_have_distinct_subjects(one in ".{0,130}", other in ".{0,130}") {
            prop_assert!(is_token(&token(&one)) && token(&one).len() <= 97);
            prop_assert_eq!(one == other, token(&one) == token(&other));
        }

        #[test]
        fn what_no_name_was_made_to_is_none(text in "[ -~]{0,40}") {
            prop_assert!(name(&text).is_none_or(|name| token(&name) == text));
        }
    }

    #[test]
    fn names_that_mean_something_to_nats_are_tokens() {
        for text in ["*", ">", "a.b", "..", "$SYS.x", "_INBOX", " ", "\0", "дом", &"é".repeat(64)] {
            let subject = Place::room("chat", text).subject("main");
            assert!(subject.split('.').all(is_token), "{text:?}: {subject}");
            assert_eq!(subject.split('.').count(), 6);
        }
        assert_eq!(Place::room("chat", "general").subject("main"), "rl.main.room.101.ncdk62t0.nctimspbic5m0");
    }

    #[test]
    fn places_of_different_kinds_have_different_subjects() {
        let node = NodeId::random();
        let places = [
            Place::Namespace("a".into()),
            Place::room("a", "a"),
            Place::Node(node),
            Place::Home(node),
            Place::Cluster,
        ];
        let mut subjects: Vec<String> = places.iter().map(|place| place.subject("main")).collect();
        subjects.sort();
        subjects.dedup();
        assert_eq!(subjects.len(), places.len());
    }
}
