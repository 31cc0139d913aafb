//! What is said between nodes as bytes, and back. What comes from another node is checked here once, like what comes from a
//! client: whoever can publish to our subjects could have said it.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use rialto_proto::node::{Envelope, Fanout, FanoutClass, envelope::What};

use super::{order::Said, subjects::Place};
use crate::{
    base::ids::{NamespaceName, NodeId, RoomName},
    wire::{
        Class, Frame,
        target::{Target, Who},
    },
};

/// An event from another node.
#[derive(Debug)]
pub struct Heard {
    /// Where it was heard.
    pub place: Place,
    /// Who said it.
    pub origin: NodeId,
    /// The how manieth of all that this node has said.
    pub seq: u64,
    /// `seq` of what this node has said before at the same place; 0 when that is not known.
    pub previous: u64,
    /// At how many places it was said.
    pub copies: u32,
    /// The namespace.
    pub namespace: String,
    /// Whom it is for.
    pub target: Target,
    /// The event.
    pub frame: Frame,
}

impl Said for Heard {
    fn origin(&self) -> NodeId {
        self.origin
    }

    fn seq(&self) -> u64 {
        self.seq
    }
}

/// Why a message between nodes is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a message from another node is malformed: {0}")]
pub struct Malformed(pub String);

impl Heard {
    /// Reads a message that was heard at a place.
    pub fn parse(place: Place, message: Bytes) -> Result<Self, Malformed> {
        let malformed = |what: &str| Malformed(what.to_owned());
        let envelope = Envelope::decode(message).map_err(|error| Malformed(error.to_string()))?;
        let Some(What::Fanout(fanout)) = envelope.what else { return Err(malformed("it says nothing")) };
        let class = match fanout.class() {
            FanoutClass::Reliable => Class::Reliable,
            FanoutClass::Volatile => Class::Volatile,
            FanoutClass::Latest => Class::Latest,
            FanoutClass::Unspecified => return Err(malformed("it has no class")),
        };
        let namespace =
            NamespaceName::try_from(fanout.namespace).map_err(|error| Malformed(error.to_string()))?;
        let target = Target::try_from(fanout.target).map_err(|refusal| Malformed(refusal.to_string()))?;
        let frame = Frame::heard(fanout.record, class, namespace.as_str());
        let frame = frame.ok_or_else(|| malformed("it holds no event of its namespace"))?;
        if !belongs(&place, namespace.as_str(), &target) {
            return Err(malformed("it is for another place than where it was heard"));
        }
        Ok(Self {
            place,
            origin: envelope.node.parse().map_err(|_| malformed("its node is none"))?,
            seq: envelope.seq,
            previous: envelope.previous,
            copies: envelope.copies,
            namespace: namespace.into_string(),
            target,
            frame,
        })
    }
}

/// Whether what is for `target` may be said at a place: what is said elsewhere reaches nobody by that.
fn belongs(place: &Place, namespace: &str, target: &Target) -> bool {
    places(namespace, target).contains(place)
}

/// Where an event must be said so that everybody hears it, wherever they are.
pub(super) fn places(namespace: &str, target: &Target) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    let named: Arc<str> = namespace.into();
    match &target.who {
        Who::Everyone => places.push(Place::Namespace(named)),
        // Whoever has a member takes it itself.
        Who::AnyOf(_) => {}
        Who::Union { rooms, sessions, users } => {
            let room =
                |room: &RoomName| Place::Room { namespace: Arc::clone(&named), room: room.as_str().into() };
            places.extend(rooms.iter().map(room));
            if !users.is_empty() {
                places.push(Place::Namespace(Arc::clone(&named)));
            }
            for session in sessions {
                let node = Place::Node(session.node);
                if !places.contains(&node) {
                    places.push(node);
                }
            }
        }
    }
    places
}

/// An event for other nodes, but for its numbers.
pub(super) fn fanout(namespace: &str, target: &Target, frame: &Frame) -> Fanout {
    let class = match frame.class() {
        Class::Volatile => FanoutClass::Volatile,
        Class::Latest => FanoutClass::Latest,
        Class::Reliable | Class::Answer => FanoutClass::Reliable,
    };
    Fanout {
        namespace: namespace.to_owned(),
        target: Some(target.into()),
        class: class.into(),
        record: frame.record().clone(),
    }
}

/// The bytes of what this node says, the `seq`th.
pub(super) fn message(node: NodeId, (seq, previous): (u64, u64), copies: usize, fanout: Fanout) -> Bytes {
    let copies = u32::try_from(copies).unwrap_or(u32::MAX);
    let envelope =
        Envelope { node: node.to_string(), seq, previous, copies, what: Some(What::Fanout(fanout)) };
    envelope.encode_to_vec().into()
}

#[cfg(test)]
mod tests {
    use rialto_proto::v1::{Content, Event};

    use super::*;
    use crate::wire::target::Who;

    fn said() -> (Target, Frame) {
        let target = Target::of(Who::Union {
            rooms: vec!["general".parse().unwrap(), "*".parse().unwrap()],
            sessions: Vec::new(),
            users: vec!["ann".parse().unwrap()],
        });
        let content = Content { event: "message".into(), ..Content::default() };
        let event = Event { namespace: "chat".into(), content: Some(content), ..Event::default() };
        (target, Frame::event(event, Class::Latest))
    }

    #[test]
    fn an_event_is_read_as_it_was_said() {
        let (node, (target, frame)) = (NodeId::random(), said());
        let bytes = message(node, (7, 3), 2, fanout("chat", &target, &frame));
        let heard = Heard::parse(Place::room("chat", "general"), bytes).unwrap();
        assert_eq!((heard.origin, heard.seq, heard.previous, heard.copies), (node, 7, 3, 2));
        assert_eq!((heard.namespace.as_str(), heard.target), ("chat", target));
        assert_eq!(heard.frame.record(), frame.record());
        assert_eq!((heard.frame.class(), heard.frame.topic()), (frame.class(), frame.topic()));
    }

    #[test]
    fn what_is_not_an_event_is_refused_whatever_it_is() {
        let (node, (target, frame)) = (NodeId::random(), said());
        let whole = fanout("chat", &target, &frame);
        let wrong = [
            Fanout { namespace: "$SYS".into(), ..whole.clone() },
            Fanout { target: None, ..whole.clone() },
            Fanout { class: 9, ..whole.clone() },
            Fanout { record: Bytes::from_static(b"\x12"), ..whole.clone() },
            Fanout { record: Bytes::new(), ..whole.clone() },
            Fanout {
                record: Frame::refused(1, &crate::base::refusal::Refusal::draining()).into_record(),
                ..whole
            },
        ];
        for fanout in wrong {
            let bytes = message(node, (1, 0), 1, fanout.clone());
            assert!(Heard::parse(Place::room("chat", "general"), bytes).is_err(), "{fanout:?}");
        }
        for bytes in [&b""[..], b"\xff", b"hello"] {
            assert!(Heard::parse(Place::room("chat", "general"), Bytes::from_static(bytes)).is_err());
        }
    }
}
