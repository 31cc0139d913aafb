//! A payload as the difference to an earlier one: raw DEFLATE with the end of the earlier payload as preset dictionary,
//! which decoders everywhere can read. Pure, and called by the hub, which knows what a receiver has got.

use std::cell::RefCell;

use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress};
use rialto_proto::v1::{Delta, Event, content::Body};

use super::{Class, Frame};

/// How far back DEFLATE can look: more of an earlier payload is of no use.
pub const DICTIONARY_BYTES_MAX: usize = 32 << 10;
/// Shorter payloads gain nothing.
const PAYLOAD_BYTES_MIN: usize = 64;
/// Longer payloads are not worth the time.
const PAYLOAD_BYTES_MAX: usize = 256 << 10;
/// A delta saves at least this part of the frame; for less no receiver should have to inflate.
const SAVED_SHARE: usize = 8;
/// Measured with 2 KB of JSON: higher ones take longer and save nothing, as the dictionary does the work.
const LEVEL: u32 = 3;

thread_local! {
    // Some 260 KiB that are not worth being made anew for each event. Reset before each use.
    static COMPRESS: RefCell<Compress> = RefCell::new(Compress::new(Compression::new(LEVEL), false));
}

/// An event and its payload.
#[derive(Debug)]
pub struct Whole {
    /// The event without its payload.
    event: Event,
    payload: Bytes,
    text: bool,
    bytes: usize,
}

impl Whole {
    /// The event in `frame`, if it is one and has a payload that deltas may be made of.
    pub fn of(frame: &Frame) -> Option<Self> {
        let mut event = frame.events().pop().filter(|_| frame.count() == 1)?;
        let body = event.content.as_mut()?.body.take();
        let (payload, text) = match body {
            Some(Body::Text(text)) => (Bytes::from(text), true),
            Some(Body::Binary(binary)) => (binary, false),
            None => (Bytes::new(), false),
        };
        Some(Self { event, payload, text, bytes: frame.bytes() })
    }

    /// Name and key: events of one room that have both in common follow each other.
    pub fn thing(&self) -> (&str, &str) {
        self.event.content.as_ref().map(|content| (&*content.event, &*content.key)).unwrap_or_default()
    }

    /// The identity of the event.
    pub fn id(&self) -> &str {
        &self.event.event_id
    }

    /// Whether the event is for exactly one room.
    pub fn is_for_one_room(&self) -> bool {
        self.event.rooms.len() == 1
    }

    /// What a delta from this event is made with, if it may be made.
    pub fn dictionary(&self) -> Option<Bytes> {
        let fits = (PAYLOAD_BYTES_MIN..=PAYLOAD_BYTES_MAX).contains(&self.payload.len());
        // Copied: a slice would hold the whole event.
        (fits && self.event.reply_token.is_empty()).then(|| Bytes::copy_from_slice(end(&self.payload)))
    }

    /// The event as the difference to an earlier one with this identity and dictionary, if that is worth it.
    pub fn delta(&self, base_event_id: &str, dictionary: &[u8]) -> Option<Frame> {
        let most = self.payload.len().saturating_sub(self.bytes / SAVED_SHARE);
        let data = deflate(&self.payload, dictionary, most)?;
        let delta = Delta { base_event_id: base_event_id.to_owned(), data: data.into(), text: self.text };
        let frame = Frame::event(Event { delta: Some(delta), ..self.event.clone() }, Class::Reliable);
        (frame.bytes() + self.bytes / SAVED_SHARE <= self.bytes).then_some(frame)
    }
}

/// The part of a payload that a delta to it is made with.
pub fn end(payload: &[u8]) -> &[u8] {
    &payload[payload.len().saturating_sub(DICTIONARY_BYTES_MAX)..]
}

/// Raw DEFLATE of `payload` with a preset dictionary, if it takes at most `most` bytes.
pub fn deflate(payload: &[u8], dictionary: &[u8], most: usize) -> Option<Vec<u8>> {
    COMPRESS.with_borrow_mut(|compress| {
        compress.reset();
        compress.set_dictionary(dictionary).ok()?;
        // It has come to its end where there is room left over.
        let mut data = Vec::with_capacity(most + 1);
        compress.compress_vec(payload, &mut data, FlushCompress::Finish).ok()?;
        (data.len() < data.capacity() && data.len() <= most).then_some(data)
    })
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng, rngs::StdRng};
    use rialto_proto::v1::Content;

    use super::*;

    fn frame(text: &str, reply_token: &str) -> Frame {
        let content =
            Content { event: "move".into(), body: Some(Body::Text(text.into())), ..Content::default() };
        let event = Event {
            namespace: "chat".into(),
            rooms: vec!["general".into()],
            content: Some(content),
            event_id: "2nv4f0sm1m83r3kzt0001".into(),
            reply_token: reply_token.into(),
            offset: Some(7),
            epoch: "e".into(),
            ..Event::default()
        };
        Frame::event(event, Class::Reliable)
    }

    #[test]
    fn a_delta_is_the_same_event_without_its_payload() {
        let (before, after) = ("abcdefgh".repeat(40), "abcdefgh".repeat(41));
        let base = Whole::of(&frame(&before, "")).unwrap();
        let full = frame(&after, "");
        let delta = Whole::of(&full).unwrap().delta(base.id(), &base.dictionary().unwrap()).unwrap();

        assert!(delta.bytes() < full.bytes() / 2 && delta.is_kept() && delta.is_based() && !full.is_based());
        let (mut said, mut whole) = (delta.events().remove(0), full.events().remove(0));
        let difference = said.delta.take().unwrap();
        assert!(difference.text && difference.base_event_id == base.id());
        whole.content.as_mut().unwrap().body = None;
        assert_eq!(said, whole);
    }

    #[test]
    fn what_is_short_or_very_long_or_waits_for_replies_is_no_base() {
        for (length, token, usable) in [
            (63, "", false),
            (64, "", true),
            (256 << 10, "", true),
            ((256 << 10) + 1, "", false),
            (64, "t", false),
        ] {
            let whole = Whole::of(&frame(&"a".repeat(length), token)).unwrap();
            assert_eq!(whole.dictionary().is_some(), usable, "{length} bytes, token {token:?}");
        }
    }

    #[test]
    fn no_delta_is_made_that_saves_little() {
        let letters = |seed: u64| {
            let letters = StdRng::seed_from_u64(seed).random_iter::<u8>();
            letters.take(100).map(|letter| char::from(b'!' + letter % 94)).collect::<String>()
        };
        let (before, after) = (letters(0), letters(1));
        assert!(Whole::of(&frame(&after, "")).unwrap().delta("base", before.as_bytes()).is_none());
        assert!(Whole::of(&frame(&after, "")).unwrap().delta("base", after.as_bytes()).is_some());
    }
}
