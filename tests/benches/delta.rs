//! What deltas save and cost: a dashboard of 2 KB of JSON, and payloads of other sizes, in which a little changes from
//! one event to the next. Prints one line a case: `cargo bench -p rialto-tests --bench delta`.

use std::{hint::black_box, time::Duration};

use rialto_proto::v1::{Content, Event, content::Body};
use rialto_server::{
    base::clock,
    wire::{Class, Frame, delta::Whole},
};
use rialto_tests::deltas::{dashboard, inflate};

const EVENTS: u32 = 20_000;

fn main() {
    for changes in [1, 4, 40] {
        let mut values = [100; 40];
        let mut next = 0;
        measure(&format!("dashboard, {changes} of 40 values change"), EVENTS, || {
            for _ in 0..changes {
                next += 1;
                values[next as usize * 7 % 40] = 1_000 + next * 37 % 9_000;
            }
            dashboard(&values)
        });
    }
    for length in [200, 16_000, 32_000, 64_000, 250_000] {
        let mut text: String =
            (0..length).map(|at: u32| letter(at.wrapping_mul(2_654_435_761) >> 13)).collect();
        let mut next: u32 = 0;
        measure(&format!("{length} letters, 1 of them changes"), EVENTS.min(20_000_000 / length), || {
            next += 1;
            let at = (next * 7_919 % length) as usize;
            text.replace_range(at..=at, &letter(next).to_string());
            text.clone()
        });
    }
}

fn letter(number: u32) -> char {
    char::from(b'a' + (number % 26) as u8)
}

fn frame(number: u32, text: String) -> Frame {
    let content = Content {
        event: "board".into(),
        body: Some(Body::Text(text)),
        content_type: "application/json".into(),
        ..Content::default()
    };
    let event = Event {
        namespace: "chat".into(),
        rooms: vec!["general".into()],
        content: Some(content),
        event_id: format!("2nv4f0sm1m83r3kz{number:05}"),
        ..Event::default()
    };
    Frame::event(event, Class::Reliable)
}

/// What the hub does once per event in a room with members that take deltas.
fn measure(what: &str, events: u32, mut payload: impl FnMut() -> String) {
    let frames: Vec<(Frame, String)> = (0..events)
        .map(|number| {
            let text = payload();
            (frame(number, text.clone()), text)
        })
        .collect();
    let mut base: Option<(String, bytes::Bytes, usize)> = None;
    let (mut took, mut inflating) = (Duration::ZERO, Duration::ZERO);
    let (mut full, mut sent, mut deltas) = (0, 0, 0);
    for (at, (frame, text)) in frames.iter().enumerate() {
        let begin = clock::now();
        let whole = Whole::of(frame).expect("an event");
        let delta = base.as_ref().and_then(|(id, dictionary, _)| whole.delta(id, dictionary));
        let dictionary = whole.dictionary().expect("a base");
        took += begin.elapsed();
        full += frame.bytes();
        sent += delta.as_ref().unwrap_or(frame).bytes();
        if let (Some(delta), Some((_, _, before))) = (&delta, &base) {
            deltas += 1;
            let data = delta.events().remove(0).delta.expect("a delta").data;
            let begin = clock::now();
            let read = black_box(inflate(&data, frames[*before].1.as_bytes()));
            inflating += begin.elapsed();
            assert!(read == text.as_bytes());
        }
        base = Some((whole.id().to_owned(), dictionary, at));
    }
    let each = |sum: usize| sum / events as usize;
    println!(
        "{what}: {} bytes a frame in full, {} as sent, {deltas} of {events} as deltas; {:.1} µs to make, {:.1} µs to read",
        each(full),
        each(sent),
        took.as_secs_f64() * 1e6 / f64::from(events),
        inflating.as_secs_f64() * 1e6 / f64::from(deltas.max(1)),
    );
}
