//! An event on its way into a history, and what became of it.

use std::sync::Arc;

use rialto_proto::v1::{Accepted, Event, content::Body};
use sha2::{Digest, Sha256};

use super::Router;
use crate::{
    base::{
        clock,
        config::{HistoryKind, NamespaceSettings},
        ids::{RoomName, SessionId},
        refusal::Refusal,
    },
    hub::{Emission, FanOut, What},
    wire::{Class, target::Target},
};

/// Hears what became of an event.
pub(super) type Done = Box<dyn FnOnce(&Router, Result<Taken, Refusal>) + Send>;

/// An event that was taken.
pub(super) struct Taken {
    pub(super) accepted: Accepted,
    pub(super) fan_out: FanOut,
}

/// An event on its way into a history.
#[derive(Clone)]
pub(super) struct Keeping {
    pub(super) namespace: String,
    pub(super) settings: Arc<NamespaceSettings>,
    pub(super) target: Target,
    /// The histories that it belongs in.
    pub(super) rooms: Vec<RoomName>,
    /// The session that has sent it, if one has.
    pub(super) sender: Option<SessionId>,
    pub(super) user: String,
    pub(super) event: Event,
    pub(super) class: Class,
    pub(super) idempotency_key: String,
}

impl Keeping {
    /// Whether who owns the part next knows whether it was kept: it reads the keys of events with the events.
    pub(super) fn is_repeatable(&self) -> bool {
        let durable = self.rooms.is_empty() || self.settings.history == HistoryKind::Durable;
        durable && !self.idempotency_key.is_empty()
    }

    /// It on its way through the hub.
    pub(super) fn emission<'a>(&'a self, what: What<'a>, charged: bool) -> Emission<'a> {
        Emission {
            namespace: &self.namespace,
            settings: &self.settings,
            target: &self.target,
            sender: self.sender.map(|session| session.key),
            what,
            charged,
            now: clock::now(),
        }
    }

    /// A digest of what it says.
    pub(super) fn digest(&self) -> [u8; 16] {
        let mut digest = Sha256::new();
        for room in self.target.rooms() {
            digest.update(room.as_str());
            digest.update([0]);
        }
        if let Some(content) = &self.event.content {
            for part in [&content.event, &content.key, &content.content_type] {
                digest.update(part);
                digest.update([0]);
            }
            match &content.body {
                Some(Body::Text(text)) => digest.update(text),
                Some(Body::Binary(binary)) => digest.update(binary),
                None => {}
            }
        }
        let mut first = [0; 16];
        first.copy_from_slice(&digest.finalize()[..16]);
        first
    }
}
