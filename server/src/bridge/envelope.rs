//! What is said between nodes as bytes, and back. What comes from another node is checked here once, like what comes from a
//! client: whoever can publish to our subjects could have said it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use prost::Message;
use rialto_proto::{
    node::{
        Answer, Envelope, Errand, ErrandDone, Fanout, FanoutClass, Members, Piece, Question, QuestionDone,
        Relay, Request, Response, RoomChange, RoomCounts, envelope::What,
    },
    v1,
};

use super::{order::Said, subjects::Place};
use crate::{
    base::{
        ids::{EventId, NamespaceName, NodeId, RoomName, SessionId},
        limits::REPLY_TIMEOUT_MAX,
    },
    wire::{
        Class, Frame,
        frame::Sent,
        target::{Target, Who},
    },
};

/// What another node has said.
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
    /// What.
    pub word: Word,
}

/// What can be said.
#[derive(Debug)]
pub enum Word {
    /// An event for receivers here.
    Event(Box<Carried>),
    /// The node is there, or leaves.
    Announce {
        /// It leaves.
        leaves: bool,
        /// It leaves, and has answered everything that it has done.
        all_answered: bool,
    },
    /// An event whose receivers here are asked.
    Question {
        /// The event.
        event: Box<Carried>,
        /// Under what it is asked.
        token: EventId,
        /// How long they have.
        timeout: Duration,
    },
    /// An answer to something that this node has asked.
    Answer {
        /// What.
        token: EventId,
        /// The answer.
        item: v1::ReplyItem,
    },
    /// No more answers will come from that node.
    Done {
        /// To what.
        token: EventId,
        /// Whose are missing.
        summary: v1::RepliesDone,
    },
    /// Nobody wants to know any more what was asked.
    GiveUp {
        /// What.
        token: EventId,
    },
    /// The keyed state of a room has changed.
    State(Box<Changed>),
    /// Who of that node is in a room.
    Members(Box<Members>),
    /// Somebody came to a room of that node or went from it, in a namespace that is watched here.
    RoomChange(Box<RoomChange>),
    /// How many members rooms of that node have.
    RoomCounts(Box<RoomCounts>),
    /// Something for the owner of a part. What is in it is checked by whoever carries it out.
    Request(Box<Request>),
    /// What an owner has answered.
    Response(Box<Response>),
    /// Something that this node is to do. What is in it is checked by whoever carries it out.
    Errand(Box<Errand>),
    /// What became of an errand.
    ErrandDone(Box<ErrandDone>),
    /// What a session is told that has moved here. What is in it is checked by whoever passes it on.
    Relay(Box<Relay>),
    /// A piece of something for whoever keeps a queue. What is in it is checked by whoever carries it out.
    JobCall(Piece),
    /// A piece of what becomes of that.
    JobAnswer(Piece),
    /// Nobody waits for it any more.
    CallGivenUp(u64),
}

/// A change in the keyed state of a room.
#[derive(Debug)]
pub struct Changed {
    /// The namespace.
    pub namespace: String,
    /// The room.
    pub room: String,
    /// Which life of the state.
    pub epoch: String,
    /// The key as it is now.
    pub entry: v1::StateEntry,
}

/// An event on its way between nodes.
#[derive(Debug)]
pub struct Carried {
    /// The namespace.
    pub namespace: String,
    /// Whom it is for.
    pub target: Target,
    /// The event.
    pub frame: Frame,
    /// Whose it is.
    pub sent: Sent,
    /// Where rooms keep it; one for each room.
    pub positions: Vec<v1::RoomPosition>,
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
pub struct Malformed(String);

fn malformed(what: impl ToString) -> Malformed {
    Malformed(what.to_string())
}

impl Heard {
    /// Reads a message that was heard at a place.
    pub fn parse(place: Place, message: Bytes) -> Result<Self, Malformed> {
        let envelope = Envelope::decode(message).map_err(malformed)?;
        let origin = envelope.node.parse().map_err(|_| malformed("its node is none"))?;
        let word = Word::parse(&place, envelope.what.ok_or_else(|| malformed("it says nothing"))?)?;
        let Envelope { seq, previous, copies, .. } = envelope;
        Ok(Self { place, origin, seq, previous, copies, word })
    }
}

impl Word {
    fn parse(place: &Place, what: What) -> Result<Self, Malformed> {
        let here = |is: bool| is.then_some(()).ok_or_else(|| malformed("it is not for where it was heard"));
        let to_node = matches!(place, Place::Node(_));
        Ok(match what {
            What::Fanout(fanout) => {
                let event = Carried::parse(fanout)?;
                here(places(&event.namespace, &event.target, |_| false).contains(place))?;
                Self::Event(Box::new(event))
            }
            What::Announce(announce) => {
                here(*place == Place::Cluster)?;
                Self::Announce { leaves: announce.leaves, all_answered: announce.all_answered }
            }
            What::StateChange(change) => {
                let namespace = NamespaceName::try_from(change.namespace).map_err(malformed)?.into_string();
                let room = RoomName::try_from(change.room).map_err(malformed)?.into_string();
                here(*place == Place::room(&namespace, &room))?;
                let entry = change.entry.ok_or_else(|| malformed("it has no key"))?;
                Self::State(Box::new(Changed { namespace, room, epoch: change.epoch, entry }))
            }
            What::Members(members) => {
                NamespaceName::try_from(members.namespace.clone()).map_err(malformed)?;
                RoomName::try_from(members.room.clone()).map_err(malformed)?;
                here(to_node || *place == Place::room(&members.namespace, &members.room))?;
                if members.joined.iter().any(|member| member.who.is_none()) {
                    return Err(malformed("a member has no name"));
                }
                Self::Members(Box::new(members))
            }
            what => {
                here(to_node)?;
                return Self::to_node(what);
            }
        })
    }

    /// What is said to one node alone.
    fn to_node(what: What) -> Result<Self, Malformed> {
        Ok(match what {
            What::Question(Question { fanout, token, timeout_ms }) => {
                let event = Carried::parse(fanout.ok_or_else(|| malformed("it asks nothing"))?)?;
                let event = Box::new(event);
                let timeout = Duration::from_millis(timeout_ms.into()).min(REPLY_TIMEOUT_MAX);
                Self::Question { event, token: id(&token)?, timeout }
            }
            What::Answer(Answer { token, item }) => {
                let item = item.ok_or_else(|| malformed("it answers nothing"))?;
                Self::Answer { token: id(&token)?, item }
            }
            What::QuestionDone(QuestionDone { token, summary }) => {
                Self::Done { token: id(&token)?, summary: summary.unwrap_or_default() }
            }
            What::GiveUp(over) => Self::GiveUp { token: id(&over.token)? },
            What::RoomChange(change) => {
                RoomName::try_from(change.room.clone()).map_err(malformed)?;
                Self::RoomChange(Box::new(change))
            }
            What::RoomCounts(counts) => {
                for room in &counts.rooms {
                    RoomName::try_from(room.room.clone()).map_err(malformed)?;
                }
                Self::RoomCounts(Box::new(counts))
            }
            What::Request(request) => Self::Request(Box::new(request)),
            What::Response(response) => Self::Response(Box::new(response)),
            What::Errand(errand) => Self::Errand(Box::new(errand)),
            What::ErrandDone(done) => Self::ErrandDone(Box::new(done)),
            What::Relay(relay) => Self::Relay(Box::new(relay)),
            What::JobCall(piece) => Self::JobCall(piece),
            What::JobAnswer(piece) => Self::JobAnswer(piece),
            What::CallGivenUp(given_up) => Self::CallGivenUp(given_up.call),
            _ => return Err(malformed("it is not for one node")),
        })
    }
}

fn id(token: &str) -> Result<EventId, Malformed> {
    token.parse().map_err(|_| malformed("its token is none"))
}

impl Carried {
    /// An event as another node has said it, checked.
    pub fn parse(fanout: Fanout) -> Result<Self, Malformed> {
        let class = class_of(fanout.class()).ok_or_else(|| malformed("it has no class"))?;
        let namespace = NamespaceName::try_from(fanout.namespace).map_err(malformed)?;
        let target = Target::try_from(fanout.target).map_err(malformed)?;
        let frame = Frame::heard(fanout.record, class, namespace.as_str());
        let (frame, sent) = frame.ok_or_else(|| malformed("it holds no event of its namespace"))?;
        let positions = fanout.positions;
        if frame.is_kept() == positions.is_empty() {
            return Err(malformed("it does not say where it is kept"));
        }
        Ok(Self { namespace: namespace.into_string(), target, frame, sent, positions })
    }
}

/// Where an event must be said so that everybody hears it who is not here.
pub(super) fn places(namespace: &str, target: &Target, is_here: impl Fn(&SessionId) -> bool) -> Vec<Place> {
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
            for session in sessions.iter().filter(|session| !is_here(session)) {
                let home = Place::Home(session.node);
                if !places.contains(&home) {
                    places.push(home);
                }
            }
        }
    }
    places
}

/// A class as it is said.
pub fn fanout_class(class: Class) -> FanoutClass {
    match class {
        Class::Volatile => FanoutClass::Volatile,
        Class::Latest => FanoutClass::Latest,
        Class::Reliable | Class::Answer => FanoutClass::Reliable,
    }
}

/// A class as it was said, if it was.
pub fn class_of(class: FanoutClass) -> Option<Class> {
    match class {
        FanoutClass::Reliable => Some(Class::Reliable),
        FanoutClass::Volatile => Some(Class::Volatile),
        FanoutClass::Latest => Some(Class::Latest),
        FanoutClass::Unspecified => None,
    }
}

/// An event for other nodes, but for its numbers.
pub(super) fn fanout(namespace: &str, target: &Target, frame: &Frame) -> Fanout {
    Fanout {
        namespace: namespace.to_owned(),
        target: Some(target.into()),
        class: fanout_class(frame.class()).into(),
        record: frame.record().clone(),
        ..Fanout::default()
    }
}

/// The bytes of what this node says, the `seq`th.
pub(super) fn message(node: NodeId, (seq, previous): (u64, u64), copies: usize, what: What) -> Bytes {
    let copies = u32::try_from(copies).unwrap_or(u32::MAX);
    let envelope = Envelope { node: node.to_string(), seq, previous, copies, what: Some(what) };
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
        let bytes = message(node, (7, 3), 2, What::Fanout(fanout("chat", &target, &frame)));
        let heard = Heard::parse(Place::room("chat", "general"), bytes).unwrap();
        assert_eq!((heard.origin, heard.seq, heard.previous, heard.copies), (node, 7, 3, 2));
        let Word::Event(event) = heard.word else { panic!("{heard:?}") };
        assert_eq!((event.namespace.as_str(), event.target), ("chat", target));
        assert_eq!(event.frame.record(), frame.record());
        assert_eq!((event.frame.class(), event.frame.topic()), (frame.class(), frame.topic()));
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
            let bytes = message(node, (1, 0), 1, What::Fanout(fanout.clone()));
            assert!(Heard::parse(Place::room("chat", "general"), bytes).is_err(), "{fanout:?}");
        }
        for bytes in [&b""[..], b"\xff", b"hello"] {
            assert!(Heard::parse(Place::room("chat", "general"), Bytes::from_static(bytes)).is_err());
        }
    }
}
