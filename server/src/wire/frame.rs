//! A frame toward a client, encoded once whatever the number of receivers: the complete field record
//! (`tag, length, frame`) of `AttachResponse.frames`. A protobuf message is a sequence of field records, so a response
//! is its `first_seq` and then the records of everything that waits (see [`super::codec`]).

use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::{Buf, Bytes, BytesMut};
use prost::{Message, encoding};
use rialto_proto::v1::{
    self, Close, Event, Missed, Presence, Refused, RetryAdvice, ServerFrame, server_frame::Frame as Body,
};

use super::names;
use crate::base::{
    ids::SessionId,
    refusal::{Closing, Refusal, Retry},
};

/// Number of the field `frames` in `AttachResponse` and `ListenResponse`.
const FRAMES_FIELD: u32 = 2;
/// How that field begins: its number and the wire type of what has a length.
const FRAMES_TAG: u8 = (FRAMES_FIELD as u8) << 3 | 2;

/// What may happen to a frame on its way to a receiver that reads slowly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Answers and notices: never dropped.
    Answer,
    /// Events that wait; the policy of the namespace decides when the outbox is full.
    Reliable,
    /// Events that do not wait for a receiver that is behind.
    Volatile,
    /// Events of which only the newest of a topic waits.
    Latest,
}

/// One or more encoded frames that travel together. Cloning costs a reference count.
#[derive(Debug, Clone)]
pub struct Frame {
    record: Bytes,
    count: u32,
    reference: u32,
    class: Class,
    kept: bool,
    based: bool,
    notice: bool,
    topic: u64,
}

/// Whose an event is.
#[derive(Debug)]
pub struct Sent {
    /// Identity of the event.
    pub event_id: String,
    /// The session that has sent it, if one has.
    pub by: Option<SessionId>,
}

/// Everything that a frame is, for another node.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The encoded field records.
    pub record: Bytes,
    /// How many frames they are.
    pub count: u32,
    /// The command that it answers; 0 for none.
    pub reference: u32,
    /// What may happen to it.
    pub class: Class,
    /// The events in it are kept in a history.
    pub kept: bool,
    /// It can be read only by who has got what came before it.
    pub based: bool,
    /// It holds no events.
    pub notice: bool,
    /// Which events displace each other.
    pub topic: u64,
}

impl Frame {
    /// Encodes a frame that is for one session: an answer or a notice.
    pub fn answer(reference: u32, body: Body) -> Self {
        let frame = ServerFrame { r#ref: reference, frame: Some(body) };
        let record = record(&frame);
        Self {
            record,
            count: 1,
            reference,
            class: Class::Answer,
            kept: false,
            based: false,
            notice: true,
            topic: 0,
        }
    }

    /// Encodes an event.
    pub fn event(event: Event, class: Class) -> Self {
        let topic = topic(&event);
        let kept = event.offset.is_some() || !event.positions.is_empty();
        let based = event.delta.is_some();
        let frame = ServerFrame { r#ref: 0, frame: Some(Body::Event(event)) };
        Self { record: record(&frame), count: 1, reference: 0, class, kept, based, notice: false, topic }
    }

    /// An event that was encoded before and kept since. It displaces nothing.
    pub fn kept(record: Bytes) -> Self {
        Self {
            record,
            count: 1,
            reference: 0,
            class: Class::Reliable,
            kept: true,
            based: false,
            notice: false,
            topic: 0,
        }
    }

    /// One event in a namespace that another node has encoded, and whose it is; `None` when it is anything else, so that nothing but
    /// one event can get into what is sent.
    pub fn heard(record: Bytes, class: Class, namespace: &str) -> Option<(Self, Sent)> {
        let mut response = v1::AttachResponse::decode(record.clone()).ok()?;
        let [ServerFrame { r#ref: 0, frame: Some(Body::Event(event)) }] = response.frames.as_mut_slice()
        else {
            return None;
        };
        let alone = record[0] == FRAMES_TAG && skip(record.clone(), 1).is_empty();
        if !alone || event.namespace != namespace {
            return None;
        }
        let kept = event.offset.is_some() || !event.positions.is_empty();
        let (based, topic) = (event.delta.is_some(), topic(event));
        let sent = Sent { by: sender(event), event_id: std::mem::take(&mut event.event_id) };
        Some((Self { record, count: 1, reference: 0, class, kept, based, notice: false, topic }, sent))
    }

    /// The event that it is, if it is one.
    pub fn to_event(&self) -> Option<Event> {
        let response = v1::AttachResponse::decode(self.record.clone()).ok()?;
        response.frames.into_iter().find_map(|frame| match frame.frame {
            Some(Body::Event(event)) => Some(event),
            _ => None,
        })
    }

    /// Everything that it is.
    pub fn into_parts(self) -> Parts {
        let Self { record, count, reference, class, kept, based, notice, topic } = self;
        Parts { record, count, reference, class, kept, based, notice, topic }
    }

    /// The same of another node; `None` when it does not hold as many frames as it says.
    pub fn of_parts(parts: Parts) -> Option<Self> {
        let Parts { record, count, reference, class, kept, based, notice, topic } = parts;
        Self::holds(&record, count).then_some(Self {
            record,
            count,
            reference,
            class,
            kept,
            based,
            notice,
            topic,
        })
    }

    /// Whether `record` is so many frames and nothing else.
    pub fn holds(record: &Bytes, count: u32) -> bool {
        let frames = v1::AttachResponse::decode(record.clone());
        let as_many = frames.is_ok_and(|response| response.frames.len() == count as usize);
        let mut rest = record.clone();
        for _ in 0..count {
            if rest.first() != Some(&FRAMES_TAG) {
                return false;
            }
            rest = skip(rest, 1);
        }
        count > 0 && as_many && rest.is_empty()
    }

    /// Encodes a refusal of the command `reference`.
    pub fn refused(reference: u32, refusal: &Refusal) -> Self {
        Self::answer(reference, Body::Refused(refused(refusal)))
    }

    /// Encodes the last frame of a session.
    pub fn close(closing: &Closing) -> Self {
        let close = Close {
            code: closing.code.into(),
            reason: closing.reason.clone().into_owned(),
            then: closing.then.into(),
            after: prost_types::Duration::try_from(closing.after).ok(),
        };
        Self::answer(0, Body::Close(close))
    }

    /// Encodes the notice that `missed` events were dropped.
    pub fn missed(missed: Missed) -> Self {
        Self::answer(0, Body::Missed(missed))
    }

    /// Encodes the notice that members came or went. Of those that tell all there is to tell only the `latest` waits.
    pub fn presence(presence: Presence, class: Class) -> Self {
        let topic = hash(&(&presence.namespace, &presence.room, "presence"));
        Self { class, topic, ..Self::answer(0, Body::Presence(presence)) }
    }

    /// Joins frames of one class. The result displaces nothing, as it stands for several topics.
    pub fn gathered(frames: &[Frame]) -> Self {
        if let [frame] = frames {
            return frame.clone();
        }
        let mut bytes = BytesMut::with_capacity(frames.iter().map(Frame::bytes).sum());
        let mut count = 0;
        for frame in frames {
            bytes.extend_from_slice(&frame.record);
            count += frame.count;
        }
        let class = frames.first().map_or(Class::Answer, Frame::class);
        let kept = frames.iter().all(Frame::is_kept);
        let based = frames.iter().any(Frame::is_based);
        Self { record: bytes.freeze(), count, reference: 0, class, kept, based, notice: false, topic: 0 }
    }

    /// The encoded field records.
    pub fn record(&self) -> &Bytes {
        &self.record
    }

    /// The encoded field records, given away.
    pub fn into_record(self) -> Bytes {
        self.record
    }

    /// How many bytes it has.
    pub fn bytes(&self) -> usize {
        self.record.len()
    }

    /// How many frames it holds.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The command that it answers; 0 for none.
    pub fn reference(&self) -> u32 {
        self.reference
    }

    /// Whether the events in it are kept in a history, so that they can be had again.
    pub fn is_kept(&self) -> bool {
        self.kept
    }

    /// Whether it holds no events.
    pub fn is_notice(&self) -> bool {
        self.notice
    }

    /// Whether it can be read only by who has got what came before it.
    pub fn is_based(&self) -> bool {
        self.based
    }

    /// What may happen to it.
    pub fn class(&self) -> Class {
        self.class
    }

    /// A hash of namespace, rooms, event name and key: which events displace each other. 0 for other frames.
    pub fn topic(&self) -> u64 {
        self.topic
    }

    /// The frames in it one by one, and what each says.
    pub fn each(&self) -> Vec<(Self, ServerFrame)> {
        let Ok(response) = v1::AttachResponse::decode(self.record.clone()) else {
            return Vec::new();
        };
        let (mut rest, mut each) = (self.record.clone(), Vec::with_capacity(response.frames.len()));
        for said in response.frames {
            let behind = skip(rest.clone(), 1);
            let record = rest.slice(..rest.len() - behind.len());
            each.push((Self { record, count: 1, ..self.clone() }, said));
            rest = behind;
        }
        each
    }

    /// The events in it, decoded again. For the rare path on which they are dropped and must be accounted for.
    pub fn events(&self) -> Vec<Event> {
        let Ok(response) = v1::AttachResponse::decode(self.record.clone()) else {
            return Vec::new();
        };
        let bodies = response.frames.into_iter().filter_map(|frame| frame.frame);
        bodies.filter_map(|body| if let Body::Event(event) = body { Some(event) } else { None }).collect()
    }
}

/// `records` without the first `count` of them.
pub fn skip(mut records: Bytes, count: u32) -> Bytes {
    for _ in 0..count {
        // Our own encoding: what cannot be read is not there.
        if encoding::decode_varint(&mut records).is_err() {
            break;
        }
        let length = encoding::decode_varint(&mut records).unwrap_or_default();
        records.advance(usize::try_from(length).unwrap_or(usize::MAX).min(records.len()));
    }
    records
}

/// The field record of `frame`: tag, length and content.
fn record(frame: &ServerFrame) -> Bytes {
    let mut bytes = BytesMut::with_capacity(encoding::message::encoded_len(FRAMES_FIELD, frame));
    encoding::message::encode(FRAMES_FIELD, frame, &mut bytes);
    bytes.freeze()
}

/// The session that has sent an event, if one has.
pub fn sender(event: &Event) -> Option<SessionId> {
    event.sender.as_ref()?.session.parse().ok()
}

fn topic(event: &Event) -> u64 {
    let name = event.content.as_ref().map(|content| content.event.as_str());
    let key = event.content.as_ref().map(|content| content.key.as_str());
    hash(&(&event.namespace, &event.rooms, name, key))
}

/// Never 0, which is the topic of frames that displace nothing.
fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish() | 1
}

/// A refusal as clients see it.
pub fn refused(refusal: &Refusal) -> Refused {
    let (advice, after) = match refusal.retry {
        Retry::Never => (RetryAdvice::Never, None),
        Retry::After(after) => (RetryAdvice::Later, prost_types::Duration::try_from(after).ok()),
        Retry::AfterChange => (RetryAdvice::AfterChange, None),
    };
    Refused {
        code: refusal.code.into(),
        reason: refusal.reason.clone().into_owned(),
        retry: Some(v1::Retry { advice: advice.into(), after }),
        limit: refusal.limit.to_owned(),
        revision: refusal.revision,
    }
}

/// What another node has refused, as this one would have.
pub fn refusal(refused: Refused, field: &str) -> Refusal {
    let advice = refused.retry.unwrap_or_default();
    let after = advice.after.and_then(|after| after.try_into().ok()).unwrap_or_default();
    let retry = match advice.advice() {
        RetryAdvice::Later => Retry::After(after),
        RetryAdvice::AfterChange => Retry::AfterChange,
        RetryAdvice::Never | RetryAdvice::Unspecified => Retry::Never,
    };
    Refusal {
        code: refused.code(),
        limit: names::known(&refused.limit),
        field: names::known(field),
        revision: refused.revision,
        reason: refused.reason.into(),
        retry,
    }
}
