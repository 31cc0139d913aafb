//! What programs say and hear that speak NATS and not Rialto: subjects that people can write, headers, and a payload. Pure.
//!
//! * `rl.<cluster>.in.<namespace>.<room>`: what is published there is said in the room
//! * `rl.<cluster>.out.<namespace>.<room>`: what is said in the room is published there
//!
//! A name stands in a subject as it is, but for what means something there: every byte other than `A`–`Z`, `a`–`z`, `0`–`9`, `-` and
//! `_` is `=` and two digits in hexadecimal, as in quoted-printable (RFC 2045 §6.7). So `my room` is `my=20room`.

use bytes::Bytes;
use rialto_proto::v1::{Content, Event, PublishRequest, Sender, Target, content::Body};

/// The name of the event, where a program names none.
const EVENT_DEFAULT: &str = "message";
/// The name of the event.
pub(super) const EVENT: &str = "Rialto-Event";
/// Which of several things the event is about.
const KEY: &str = "Rialto-Key";
/// The identity of the event.
const EVENT_ID: &str = "Rialto-Event-Id";
/// The session that has sent it.
const SESSION: &str = "Rialto-Session";
/// The user who has sent it.
const USER: &str = "Rialto-User";
/// Which life of the history the offset counts in.
const EPOCH: &str = "Rialto-Epoch";
/// The position in the history of the room.
const OFFSET: &str = "Rialto-Offset";
/// The media type of the payload.
pub(super) const CONTENT_TYPE: &str = "Content-Type";
/// What JetStream knows a message by that comes again; here an idempotency key.
const MESSAGE_ID: &str = "Nats-Msg-Id";
/// How headers begin that mean something here. Others are the event's own.
pub(super) const OURS: &str = "rialto-";
/// How headers begin that mean something to NATS.
pub(super) const OF_NATS: &str = "nats-";

/// A message of a program, or to one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plain {
    /// The subject.
    pub subject: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// What is said.
    pub payload: Bytes,
    /// Where an answer is waited for.
    pub answer_to: Option<String>,
}

/// The subject of everything that programs publish into rooms.
pub fn all_in(cluster: &str) -> String {
    format!("rl.{cluster}.in.*.*")
}

/// The subject at which programs hear what is said in a room.
pub fn out(cluster: &str, namespace: &str, room: &str) -> String {
    format!("rl.{cluster}.out.{}.{}", word(namespace), word(room))
}

/// A name as one word of a subject.
pub(super) fn word(name: &str) -> String {
    let mut word = String::with_capacity(name.len());
    for byte in name.bytes() {
        if is_plain(byte) {
            word.push(char::from(byte));
        } else {
            word.push_str(&format!("={byte:02X}"));
        }
    }
    word
}

/// The name that a word is; `None` where it is no word. Digits of either case and bytes that need not be escaped are taken too.
fn name(word: &str) -> Option<String> {
    let (mut bytes, mut name) = (word.bytes(), Vec::with_capacity(word.len()));
    while let Some(byte) = bytes.next() {
        name.push(match byte {
            b'=' => hex(bytes.next()?)? << 4 | hex(bytes.next()?)?,
            byte if is_plain(byte) => byte,
            _ => return None,
        });
    }
    String::from_utf8(name).ok()
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// What a program asks for by a message: an event in one room. The rest is checked where every event is.
///
/// *Errors*: what of the message cannot be read, and why.
pub fn publish(plain: Plain) -> Result<PublishRequest, (&'static str, &'static str)> {
    let (namespace, room) = names(&plain.subject)?;
    let mut content = Content { event: EVENT_DEFAULT.to_owned(), ..Content::default() };
    let mut request = PublishRequest {
        namespace,
        target: Some(Target { rooms: vec![room], ..Target::default() }),
        ..PublishRequest::default()
    };
    for (name, value) in plain.headers {
        match name.to_ascii_lowercase().as_str() {
            "content-type" => content.content_type = value,
            "nats-msg-id" => request.idempotency_key = value,
            "rialto-event" => content.event = value,
            "rialto-key" => content.key = value,
            "rialto-delivery" => request.delivery = delivery(&value)?,
            ours if ours.starts_with(OURS) => {
                return Err(("headers", "hold a name that begins with Rialto- and means nothing"));
            }
            theirs if theirs.starts_with(OF_NATS) => {}
            _ => _ = content.headers.insert(name, value),
        }
    }
    content.body = Some(body(&content.content_type, plain.payload)?);
    request.content = Some(content);
    Ok(request)
}

/// A namespace, and a room or queue in it: the last words of a subject.
pub(super) fn names(subject: &str) -> Result<(String, String), (&'static str, &'static str)> {
    let mut words = subject.rsplit('.');
    match (words.next().and_then(name), words.next().and_then(name)) {
        (Some(last), Some(namespace)) => Ok((namespace, last)),
        _ => Err(("subject", "holds a name that is not written as one word")),
    }
}

/// Text where the media type says so, or where none is named and it is UTF-8.
pub(super) fn body(content_type: &str, payload: Bytes) -> Result<Body, (&'static str, &'static str)> {
    let media = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_text = media.starts_with("text/") || media == "application/json" || media.ends_with("+json");
    if !is_text && !media.is_empty() {
        return Ok(Body::Binary(payload));
    }
    match String::from_utf8(payload.to_vec()) {
        Ok(text) => Ok(Body::Text(text)),
        Err(_) if is_text => Err(("payload", "is not UTF-8, which its Content-Type says")),
        Err(_) => Ok(Body::Binary(payload)),
    }
}

fn delivery(word: &str) -> Result<i32, (&'static str, &'static str)> {
    let delivery = match word {
        "reliable" => rialto_proto::v1::Delivery::Reliable,
        "volatile" => rialto_proto::v1::Delivery::Volatile,
        "latest" => rialto_proto::v1::Delivery::Latest,
        _ => return Err(("Rialto-Delivery", "is not reliable, volatile or latest")),
    };
    Ok(delivery.into())
}

/// An event as programs hear it that listen to one of its rooms.
pub fn event(cluster: &str, event: &Event, room: &str) -> Plain {
    let content = event.content.clone().unwrap_or_default();
    let Sender { session, user, .. } = event.sender.clone().unwrap_or_default();
    let at = event.positions.iter().find(|at| at.room == room);
    let (epoch, offset) = match (at, event.offset) {
        (Some(at), _) => (at.epoch.clone(), at.offset.to_string()),
        (None, Some(offset)) => (event.epoch.clone(), offset.to_string()),
        (None, None) => Default::default(),
    };
    let ours = [
        (EVENT, content.event),
        (KEY, content.key),
        (CONTENT_TYPE, content.content_type),
        (EVENT_ID, event.event_id.clone()),
        (MESSAGE_ID, event.event_id.clone()),
        (SESSION, session),
        (USER, user),
        (EPOCH, epoch),
        (OFFSET, offset),
    ];
    let ours = ours.into_iter().filter(|(_, value)| !value.is_empty());
    let mut headers: Vec<_> = ours.map(|(name, value)| (name.to_owned(), value)).collect();
    // Nobody may seem to be another one, or to have been kept.
    let is_reserved = |name: &str| {
        let name = name.to_ascii_lowercase();
        name.starts_with(OURS) || name.starts_with(OF_NATS) || name == "content-type"
    };
    headers.extend(content.headers.into_iter().filter(|(name, _)| !is_reserved(name)));
    let payload = match content.body {
        Some(Body::Text(text)) => text.into(),
        Some(Body::Binary(binary)) => binary,
        None => Bytes::new(),
    };
    Plain { subject: out(cluster, &event.namespace, room), headers, payload, answer_to: None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_name_is_read_back_from_its_word(text in ".{1,40}") {
            let word = word(&text);
            prop_assert!(word.bytes().all(|byte| is_plain(byte) || byte == b'='));
            prop_assert_eq!(name(&word), Some(text));
        }

        #[test]
        fn whatever_a_program_writes_is_a_name_or_none(text in "[ -~é]{0,20}") {
            if let Some(name) = name(&text) {
                prop_assert_eq!(super::name(&word(&name)), Some(name));
            }
        }
    }

    fn message(headers: &[(&str, &str)], payload: &[u8]) -> Plain {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let (subject, payload) = ("rl.main.in.chat.my=20room".to_owned(), Bytes::copy_from_slice(payload));
        Plain { subject, headers: headers.collect(), payload, answer_to: None }
    }

    #[test]
    fn people_can_write_names() {
        assert_eq!(out("main", "chat", "general"), "rl.main.out.chat.general");
        assert_eq!(out("main", "a.b", "my room *"), "rl.main.out.a=2Eb.my=20room=20=2A");
        for none in ["a b", "=2", "=zz", "=", "é", "a.b", ">"] {
            assert_eq!(name(none), None, "{none}");
        }
        assert_eq!(name("=41=2e"), Some("A.".to_owned()));
    }

    #[test]
    fn headers_and_payload_are_an_event() {
        let headers = [
            ("Rialto-Event", "moved"),
            ("rialto-key", "player-7"),
            ("Rialto-Delivery", "latest"),
            ("Content-Type", "application/json; charset=utf-8"),
            ("Nats-Msg-Id", "order-1"),
            ("Nats-Expected-Stream", "x"),
            ("traceparent", "00-1"),
        ];
        let request = publish(message(&headers, b"{}")).unwrap();
        assert_eq!(request.namespace, "chat");
        assert_eq!(request.target.as_ref().unwrap().rooms, ["my room"]);
        assert_eq!(request.delivery(), rialto_proto::v1::Delivery::Latest);
        assert_eq!(request.idempotency_key, "order-1");
        let content = request.content.unwrap();
        assert_eq!((content.event.as_str(), content.key.as_str()), ("moved", "player-7"));
        assert_eq!(content.body, Some(Body::Text("{}".to_owned())));
        assert_eq!(
            content.headers.into_iter().collect::<Vec<_>>(),
            [("traceparent".to_owned(), "00-1".to_owned())]
        );
    }

    #[test]
    fn a_payload_is_text_where_that_is_certain() {
        let body = |media: &str, payload: &[u8]| {
            publish(message(&[("Content-Type", media)], payload)).map(|it| it.content.unwrap().body)
        };
        assert_eq!(body("", b"hello"), Ok(Some(Body::Text("hello".to_owned()))));
        assert_eq!(body("", b"\xff"), Ok(Some(Body::Binary(b"\xff".as_slice().into()))));
        assert_eq!(
            body("application/protobuf", b"hello"),
            Ok(Some(Body::Binary(b"hello".as_slice().into())))
        );
        assert!(body("text/plain", b"\xff").is_err());
        assert!(publish(message(&[("Rialto-Evnt", "x")], b"")).is_err());
        assert!(publish(message(&[("Rialto-Delivery", "fast")], b"")).is_err());
    }

    #[test]
    fn nobody_seems_to_be_another_one() {
        let headers = [("Rialto-User", "root"), ("nats-msg-id", "1"), ("content-type", "x"), ("mine", "1")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let content = Content { event: "m".into(), headers: headers.into(), ..Content::default() };
        let sender = Some(Sender { session: String::new(), user: "ann".into() });
        let said = Event { namespace: "chat".into(), content: Some(content), sender, ..Event::default() };
        let told = event("main", &said, "a");
        let users: Vec<_> =
            told.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("rialto-user")).collect();
        assert_eq!(users, [&("Rialto-User".to_owned(), "ann".to_owned())]);
        assert_eq!(told.headers.len(), 3, "{:?}", told.headers);
    }
}
