//! Reading deltas as a client does: the last payload of each thing is kept, and a delta is made whole with the end of it.
//! What cannot be read fails the test.

use std::collections::HashMap;

use flate2::{Decompress, FlushDecompress, Status};
use rialto_proto::v1::{Event, Join, content::Body};

use crate::histories::wish;

/// How much of an earlier payload is the dictionary.
const DICTIONARY_BYTES: usize = 32 << 10;

/// Namespace, rooms, event name and key.
type Thing = (String, Vec<String>, String, String);

/// What a client keeps of what it has got.
#[derive(Debug, Default)]
pub struct Reader {
    /// The identity and the payload of the last event of each thing.
    bases: HashMap<Thing, (String, Vec<u8>)>,
    /// How many payloads came as deltas.
    pub deltas: usize,
}

/// Raw DEFLATE with a preset dictionary, read.
pub fn inflate(data: &[u8], base: &[u8]) -> Vec<u8> {
    let mut inflater = Decompress::new(false);
    let dictionary = &base[base.len().saturating_sub(DICTIONARY_BYTES)..];
    inflater.set_dictionary(dictionary).expect("a dictionary");
    let mut payload = Vec::with_capacity(1 << 20);
    let status = inflater.decompress_vec(data, &mut payload, FlushDecompress::Finish).expect("raw DEFLATE");
    assert_eq!(status, Status::StreamEnd, "the delta is complete");
    payload
}

impl Reader {
    /// The payload of an event, whole.
    pub fn read(&mut self, event: &Event) -> Vec<u8> {
        let content = event.content.as_ref().expect("content");
        let thing =
            (event.namespace.clone(), event.rooms.clone(), content.event.clone(), content.key.clone());
        let payload = match &event.delta {
            None => match &content.body {
                Some(Body::Text(text)) => text.clone().into_bytes(),
                Some(Body::Binary(binary)) => binary.to_vec(),
                None => Vec::new(),
            },
            Some(delta) => {
                assert_eq!(content.body, None, "a delta comes in place of the payload");
                let (id, base) = self.bases.get(&thing).expect("a delta needs something before it");
                assert_eq!(*id, delta.base_event_id, "the delta is to another payload than the last one");
                self.deltas += 1;
                inflate(&delta.data, base)
            }
        };
        self.bases.insert(thing, (event.event_id.clone(), payload.clone()));
        payload
    }

    /// The same for text.
    pub fn text(&mut self, event: &Event) -> String {
        assert!(event.delta.as_ref().is_none_or(|delta| delta.text));
        String::from_utf8(self.read(event)).expect("UTF-8")
    }
}

/// A wish to be in a room and to take deltas.
pub fn taking_deltas(namespace: &str, room: &str) -> Join {
    Join { delta: true, ..wish(namespace, room) }
}

/// A dashboard of some 2 KB as JSON, with the value of each of its 40 gauges.
pub fn dashboard(values: &[u32; 40]) -> String {
    let gauge = |(number, value): (usize, &u32)| {
        format!(r#"{{"id":"gauge-{number:02}","value":{value},"unit":"ms"}}"#)
    };
    let gauges: Vec<_> = values.iter().enumerate().map(gauge).collect();
    format!(r#"{{"title":"Latency","gauges":[{}]}}"#, gauges.join(","))
}
