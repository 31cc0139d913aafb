//! Every interleaving of those who fill an outbox with the one who reads it: no wake-up is lost, nothing that waits is
//! lost, order is kept, and nothing comes after the close. `cargo test -p rialto-server --features loom --lib
//! outbox_loom`; other tests do not run under that feature.

#![allow(clippy::panic, clippy::unwrap_used, reason = "this is test code")]

use std::future::poll_fn;

use loom::{future::block_on, sync::Arc, thread};
use prost::Message;
use rialto_proto::v1::{AttachResponse, Event};

use super::*;
use crate::base::refusal::Closing;

const BOUNDS: Bounds = Bounds { frames: 2, bytes: 1_000 };

/// Up to three preemptions by choice: without a bound three threads take minutes. Waiting and ending are not counted.
fn explore(story: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(story);
}

fn event(id: &str) -> Frame {
    Frame::event(Event { event_id: id.to_owned(), ..Event::default() }, Class::Reliable)
}

fn close(outbox: &Outbox) {
    let closing = Closing::new(CloseCode::Bye, "bye");
    outbox.close(closing.code, Frame::close(&closing));
}

/// Reads to the end. A lost wake-up would be a deadlock, which loom finds.
fn read(outbox: &Outbox) -> Vec<String> {
    let mut read = Vec::new();
    block_on(async {
        while let Some(burst) = poll_fn(|context| outbox.poll_burst(context)).await {
            let response = AttachResponse::decode(burst.encode_to_vec().as_slice()).unwrap();
            assert_eq!(response.first_seq as usize, read.len() + 1);
            read.extend(response.frames.into_iter().map(|frame| match frame.frame {
                Some(Body::Event(event)) => event.event_id,
                Some(Body::Missed(missed)) => format!("{} missed", missed.count),
                Some(Body::Close(_)) => "close".to_owned(),
                other => panic!("{other:?}"),
            }));
        }
    });
    outbox.check();
    read
}

#[test]
fn everything_that_a_producer_puts_in_is_read_in_order() {
    explore(|| {
        let outbox = Arc::new(Outbox::new(BOUNDS));
        let producer = {
            let outbox = Arc::clone(&outbox);
            thread::spawn(move || {
                outbox.put(&event("1"), BehindPolicy::Close);
                outbox.put(&event("2"), BehindPolicy::Close);
                close(&outbox);
            })
        };
        assert_eq!(read(&outbox), ["1", "2", "close"]);
        producer.join().unwrap();
    });
}

#[test]
fn two_producers_lose_nothing_of_each_other() {
    explore(|| {
        let outbox = Arc::new(Outbox::new(BOUNDS));
        let producers = ["1", "2"].map(|id| {
            let outbox = Arc::clone(&outbox);
            thread::spawn(move || outbox.put(&event(id), BehindPolicy::Close))
        });
        let mut seen = Vec::new();
        block_on(async {
            while seen.len() < 2 {
                let burst = poll_fn(|context| outbox.poll_burst(context)).await.unwrap();
                let response = AttachResponse::decode(burst.encode_to_vec().as_slice()).unwrap();
                seen.extend(response.frames);
            }
        });
        for producer in producers {
            assert!(matches!(producer.join().unwrap(), Put::Waits { displaced: 0, .. }));
        }
        outbox.check();
    });
}

#[test]
fn what_waits_at_the_close_is_read_and_nothing_after_it() {
    explore(|| {
        let outbox = Arc::new(Outbox::new(BOUNDS));
        let producer = {
            let outbox = Arc::clone(&outbox);
            thread::spawn(move || outbox.put(&event("1"), BehindPolicy::Close))
        };
        let closer = {
            let outbox = Arc::clone(&outbox);
            thread::spawn(move || close(&outbox))
        };
        let read = read(&outbox);
        closer.join().unwrap();
        match producer.join().unwrap() {
            Put::Waits { .. } => assert_eq!(read, ["1", "close"]),
            Put::Closed => assert_eq!(read, ["close"]),
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn an_event_that_is_dropped_is_told_of_even_to_a_reader_that_sleeps() {
    explore(|| {
        let outbox = Arc::new(Outbox::new(BOUNDS));
        let producer = {
            let outbox = Arc::clone(&outbox);
            let large = event(&"x".repeat(1_001));
            thread::spawn(move || outbox.put(&large, BehindPolicy::Drop))
        };
        block_on(async {
            let burst = poll_fn(|context| outbox.poll_burst(context)).await.unwrap();
            let response = AttachResponse::decode(burst.encode_to_vec().as_slice()).unwrap();
            assert!(matches!(response.frames[0].frame, Some(Body::Missed(_))));
        });
        assert_eq!(producer.join().unwrap(), Put::Dropped);
    });
}
