//! Payloads that come as differences: the last payload of each run of events, and what a difference to it makes. Makes
//! the payload that was sent, or says that it cannot; never another one. Pure; used by `intake.rs`.

use std::collections::{BTreeMap, HashMap};

use flate2::{Decompress, FlushDecompress, Status};
use rialto_proto::v1::{self, content::Body};

/// As much of the end of a payload is the dictionary of the next one; the rest is not needed.
const DICTIONARY_BYTES: usize = 32 << 10;
/// Runs of events whose last payload is kept, and the bytes of all of them; those used longest ago go first.
const RUNS_MAX: usize = 4096;
const BYTES_MAX: usize = 16 << 20;
/// No server takes a larger payload.
const PAYLOAD_BYTES_MAX: usize = 1 << 20;

/// Why a payload could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unmade {
    /// The payload that it is the difference to is not here.
    #[error("the payload it builds on is not here")]
    NoBase,
    /// What came is no difference to it.
    #[error("it does not fit the payload it builds on")]
    Broken,
    /// It is text and not UTF-8.
    #[error("it is not UTF-8")]
    NotText,
}

/// Events that follow each other: same namespace, rooms, name and key.
type Run = (String, Vec<String>, String, String);

/// The last payload of each run.
#[derive(Debug, Default)]
pub(crate) struct Deltas {
    runs: HashMap<Run, Base>,
    /// Runs by when they were used.
    used: BTreeMap<u64, Run>,
    clock: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Base {
    event_id: String,
    dictionary: Vec<u8>,
    used: u64,
}

fn run(event: &v1::Event) -> Run {
    let (name, key) = event
        .content
        .as_ref()
        .map(|content| (content.event.clone(), content.key.clone()))
        .unwrap_or_default();
    (event.namespace.clone(), event.rooms.clone(), name, key)
}

fn payload(event: &v1::Event) -> &[u8] {
    match event.content.as_ref().and_then(|content| content.body.as_ref()) {
        Some(Body::Text(text)) => text.as_bytes(),
        Some(Body::Binary(bytes)) => bytes,
        None => &[],
    }
}

impl Deltas {
    /// A new session: the server no longer knows what this client has.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Gives `event` its payload, and remembers it for the next one.
    pub(crate) fn restore(&mut self, event: &mut v1::Event) -> Result<(), Unmade> {
        if let Some(delta) = event.delta.take() {
            let base = self.runs.get(&run(event)).filter(|base| base.event_id == delta.base_event_id);
            let bytes = inflate(&base.ok_or(Unmade::NoBase)?.dictionary, &delta.data)?;
            event.content.get_or_insert_default().body = Some(match delta.text {
                true => Body::Text(String::from_utf8(bytes).map_err(|_| Unmade::NotText)?),
                false => Body::Binary(bytes.into()),
            });
        }
        self.remember(event);
        Ok(())
    }

    fn remember(&mut self, event: &v1::Event) {
        let (run, payload) = (run(event), payload(event));
        self.remove(&run);
        let dictionary = payload[payload.len().saturating_sub(DICTIONARY_BYTES)..].to_vec();
        self.clock += 1;
        self.bytes += dictionary.len();
        self.used.insert(self.clock, run.clone());
        self.runs.insert(run, Base { event_id: event.event_id.clone(), dictionary, used: self.clock });
        while self.runs.len() > RUNS_MAX || self.bytes > BYTES_MAX {
            let Some((_, oldest)) = self.used.first_key_value() else { break };
            let oldest = oldest.clone();
            self.remove(&oldest);
        }
    }

    fn remove(&mut self, run: &Run) {
        if let Some(base) = self.runs.remove(run) {
            self.used.remove(&base.used);
            self.bytes -= base.dictionary.len();
        }
    }
}

/// Raw DEFLATE with a preset dictionary, bounded.
fn inflate(dictionary: &[u8], data: &[u8]) -> Result<Vec<u8>, Unmade> {
    let mut inflate = Decompress::new(false);
    if !dictionary.is_empty() {
        inflate.set_dictionary(dictionary).map_err(|_| Unmade::Broken)?;
    }
    let mut bytes = Vec::with_capacity(dictionary.len().max(256));
    loop {
        let read = usize::try_from(inflate.total_in()).unwrap_or(usize::MAX);
        let rest = data.get(read..).unwrap_or_default();
        match inflate.decompress_vec(rest, &mut bytes, FlushDecompress::Finish) {
            Ok(Status::StreamEnd) if bytes.len() <= PAYLOAD_BYTES_MAX => return Ok(bytes),
            // More room is needed, and given.
            Ok(Status::Ok | Status::BufError)
                if bytes.len() == bytes.capacity() && bytes.len() <= PAYLOAD_BYTES_MAX =>
            {
                bytes.reserve(bytes.len().max(256));
            }
            _ => return Err(Unmade::Broken),
        }
    }
}

#[cfg(test)]
mod tests {
    use flate2::{Compress, Compression, FlushCompress};

    use super::*;

    fn event(id: &str, key: &str, text: &str) -> v1::Event {
        let content = v1::Content {
            event: "moved".into(),
            key: key.into(),
            body: Some(Body::Text(text.into())),
            ..v1::Content::default()
        };
        v1::Event {
            namespace: "chat".into(),
            rooms: vec!["a".into()],
            event_id: id.into(),
            content: Some(content),
            ..v1::Event::default()
        }
    }

    fn deflate(base: &str, text: &str) -> Vec<u8> {
        let mut deflate = Compress::new(Compression::default(), false);
        let base = base.as_bytes();
        deflate.set_dictionary(&base[base.len().saturating_sub(DICTIONARY_BYTES)..]).unwrap();
        let mut data = Vec::with_capacity(text.len() + 64);
        let status = deflate.compress_vec(text.as_bytes(), &mut data, FlushCompress::Finish).unwrap();
        assert_eq!(status, Status::StreamEnd);
        data
    }

    fn difference(id: &str, key: &str, base: (&str, &str), text: &str) -> v1::Event {
        let mut event = event(id, key, "");
        event.content.as_mut().unwrap().body = None;
        let data = deflate(base.1, text).into();
        event.delta = Some(v1::Delta { base_event_id: base.0.into(), data, text: true });
        event
    }

    /// Text that is larger than a dictionary and hard to compress without one.
    fn large() -> String {
        let mut state = 1_u64;
        std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(b'a' + u8::try_from(state >> 59).unwrap_or(0) % 26)
        })
        .take(3 * DICTIONARY_BYTES)
        .collect()
    }

    #[test]
    fn a_difference_becomes_the_payload_that_was_sent() {
        let mut deltas = Deltas::default();
        let first = large();
        let second = format!("{} and a change", &first[10..]);
        deltas.restore(&mut event("1", "k", &first)).unwrap();
        let mut changed = difference("2", "k", ("1", &first), &second);
        assert!(changed.delta.as_ref().unwrap().data.len() < second.len(), "the dictionary was of use");
        deltas.restore(&mut changed).unwrap();
        assert_eq!(payload(&changed), second.as_bytes());
        let mut third = difference("3", "k", ("2", &second), "short");
        deltas.restore(&mut third).unwrap();
        assert_eq!(payload(&third), b"short");
    }

    #[test]
    fn without_its_base_a_difference_is_nothing() {
        let mut deltas = Deltas::default();
        deltas.restore(&mut event("1", "k", "hello")).unwrap();
        for (id, key) in [("0", "k"), ("1", "other")] {
            let mut changed = difference("2", key, (id, "hello"), "hello you");
            assert_eq!(deltas.restore(&mut changed), Err(Unmade::NoBase));
        }
        deltas.forget();
        let mut changed = difference("2", "k", ("1", "hello"), "hello you");
        assert_eq!(deltas.restore(&mut changed), Err(Unmade::NoBase));
    }

    #[test]
    fn what_is_no_difference_is_turned_down() {
        let mut deltas = Deltas::default();
        let whole = deflate("hello", "hello you, how are you today?");
        for data in [&b""[..], b"\xff\xff\xff", &whole[..whole.len() - 3]] {
            deltas.restore(&mut event("1", "k", "hello")).unwrap();
            let mut changed = difference("2", "k", ("1", "hello"), "");
            changed.delta.as_mut().unwrap().data = data.to_vec().into();
            assert_eq!(deltas.restore(&mut changed), Err(Unmade::Broken), "{data:?}");
        }
    }

    #[test]
    fn a_small_difference_cannot_make_a_boundless_payload() {
        let bomb = "0".repeat(PAYLOAD_BYTES_MAX + 1);
        assert_eq!(inflate(b"", &deflate("", &bomb)), Err(Unmade::Broken));
        let largest = "0".repeat(PAYLOAD_BYTES_MAX);
        assert_eq!(inflate(b"", &deflate("", &largest)).unwrap().len(), PAYLOAD_BYTES_MAX);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut deltas = Deltas::default();
        let large = large();
        for number in 0..RUNS_MAX + 10 {
            let text = if number % 2 == 0 { large.as_str() } else { "small" };
            deltas.restore(&mut event("1", &number.to_string(), text)).unwrap();
            assert!(deltas.runs.len() <= RUNS_MAX && deltas.bytes <= BYTES_MAX);
            assert_eq!(deltas.used.len(), deltas.runs.len());
        }
        assert_eq!(deltas.bytes, deltas.runs.values().map(|base| base.dictionary.len()).sum::<usize>());
        let last = (RUNS_MAX + 9).to_string();
        deltas.restore(&mut difference("2", &last, ("1", "small"), "smaller")).unwrap();
    }
}
