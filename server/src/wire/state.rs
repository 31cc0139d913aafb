//! A change of a room's keyed state, checked: names, sizes, times.

use std::time::Duration;

use rialto_proto::v1::{self, set_state::Body};

use super::{content, target};
use crate::base::{
    ids::{NamespaceName, RoomName, check_name},
    limits::KEY_BYTES_MAX,
    refusal::Refusal,
};

/// Shortest time that a value may hold.
const EXPIRES_IN_MIN: Duration = Duration::from_secs(1);
/// Longest time that a value may hold; more is as good as never.
const EXPIRES_IN_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

/// A key to set or to take away.
#[derive(Debug, Clone, PartialEq)]
pub struct SetState {
    /// Where.
    pub namespace: NamespaceName,
    /// In which room.
    pub room: RoomName,
    /// Which key.
    pub key: String,
    /// Its value; `None` takes it away. The size is the namespace's to bound.
    pub body: Option<Body>,
    /// Media type of the value.
    pub content_type: String,
    /// The revision that it must have; 0 for none.
    pub expected_revision: Option<u64>,
    /// How long it holds.
    pub expires_in: Option<Duration>,
}

impl SetState {
    /// Checks a change.
    pub fn parse(set: v1::SetState) -> Result<Self, Refusal> {
        check_name(&set.key, KEY_BYTES_MAX).map_err(|error| Refusal::name("key", error))?;
        content::content_type("content_type", &set.content_type)?;
        let expires_in = set.expires_in.map(|time| content::duration("expires_in", time)).transpose()?;
        if expires_in.is_some_and(|time| !(EXPIRES_IN_MIN..=EXPIRES_IN_MAX).contains(&time)) {
            return Err(Refusal::invalid("expires_in", "is not between 1 s and 366 days"));
        }
        Ok(Self {
            namespace: target::namespace(set.namespace)?,
            room: target::room("room", set.room)?,
            key: set.key,
            body: set.body,
            content_type: set.content_type,
            expected_revision: set.expected_revision,
            expires_in,
        })
    }

    /// Bytes of the value.
    pub fn bytes(&self) -> usize {
        match &self.body {
            Some(Body::Text(text)) => text.len(),
            Some(Body::Binary(binary)) => binary.len(),
            None => 0,
        }
    }
}

impl From<&SetState> for v1::SetState {
    fn from(set: &SetState) -> Self {
        Self {
            namespace: set.namespace.as_str().to_owned(),
            room: set.room.as_str().to_owned(),
            key: set.key.clone(),
            body: set.body.clone(),
            content_type: set.content_type.clone(),
            expected_revision: set.expected_revision,
            expires_in: set.expires_in.and_then(|time| time.try_into().ok()),
        }
    }
}
