//! Every interleaving of those who fill an outbox with the one who reads it: no wake-up is lost, nothing that waits is
//! lost, order is kept, and nothing comes after the close. The outbox is here once more, with the mutex of this module instead of
//! that of its own.

#![allow(clippy::panic, clippy::unwrap_used, reason = "this is test code")]

use std::{future::poll_fn, time::Duration};

use loom::{future::block_on, sync::Arc, thread};
use prost::Message;
use rialto_proto::v1::{AttachResponse, CloseCode, Event, Ping, server_frame::Frame as Body};

use self::outbox::{Bounds, Lost, Next, Outbox, Put};
use super::{owed, put, queue, replay};
use crate::{
    base::{clock, config::BehindPolicy, refusal::Closing},
    wire::{Burst, Class, Frame},
};

#[path = "outbox.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    clippy::duplicate_mod,
    reason = "loom sees only what is locked by its own mutex"
)]
mod outbox;

/// loom's mutex with the face of parking_lot's.
#[derive(Debug, Default)]
struct Mutex<T>(loom::sync::Mutex<T>);

impl<T> Mutex<T> {
    fn new(value: T) -> Self {
        Self(loom::sync::Mutex::new(value))
    }

    fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
        self.0.lock().unwrap()
    }
}

const BOUNDS: Bounds = Bounds { frames: 2, bytes: 1_000 };
const HELD: replay::ReplayBounds =
    replay::ReplayBounds { frames: 10, bytes: 10_000, age: Duration::from_secs(60) };

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

fn outbox() -> Arc<Outbox> {
    Arc::new(Outbox::new(BOUNDS, HELD))
}

fn decoded(burst: &Burst) -> AttachResponse {
    AttachResponse::decode(burst.encode_to_vec().as_slice()).unwrap()
}

fn word(frame: rialto_proto::v1::ServerFrame) -> String {
    match frame.frame {
        Some(Body::Event(event)) => event.event_id,
        Some(Body::Missed(missed)) => format!("{} missed", missed.count),
        Some(Body::Close(_)) => "close".to_owned(),
        Some(Body::Ping(_)) => "greeting".to_owned(),
        other => panic!("{other:?}"),
    }
}

/// What a stream has read.
#[derive(Debug, Default)]
struct Read {
    words: Vec<String>,
    /// The last number that was read.
    seq: u32,
    /// It was ended while the session goes on; with a last frame or without.
    cut: Option<bool>,
}

/// Reads as `stream`, which has read up to `seq`, until its end or until it has read `wanted`. A lost wake-up would be a
/// deadlock, which loom finds.
fn read_as(outbox: &Outbox, stream: u32, seq: u32, wanted: usize) -> Read {
    let now = clock::now();
    let mut read = Read { seq, ..Read::default() };
    block_on(async {
        while read.words.len() < wanted {
            match poll_fn(|context| outbox.poll_next(stream, now, context)).await {
                Next::Burst(burst) => {
                    let AttachResponse { first_seq, frames } = decoded(&burst);
                    if first_seq != 0 {
                        assert_eq!(first_seq, read.seq + 1);
                        read.seq += frames.len() as u32;
                    }
                    read.words.extend(frames.into_iter().map(word));
                }
                Next::Cut(last) => {
                    read.cut = Some(last.is_some());
                    return;
                }
                Next::End => return,
                Next::Read(owed) => panic!("{owed:?} was never put in"),
            }
        }
    });
    outbox.check();
    read
}

/// Reads to the end.
fn read(outbox: &Outbox) -> Vec<String> {
    let read = read_as(outbox, 0, 0, usize::MAX);
    assert_eq!(read.cut, None);
    read.words
}

#[test]
fn everything_that_a_producer_puts_in_is_read_in_order() {
    explore(|| {
        let outbox = outbox();
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
        let outbox = outbox();
        let producers = ["1", "2"].map(|id| {
            let outbox = Arc::clone(&outbox);
            thread::spawn(move || outbox.put(&event(id), BehindPolicy::Close))
        });
        let read = read_as(&outbox, 0, 0, 2);
        assert!(read.words == ["1", "2"] || read.words == ["2", "1"], "{read:?}");
        for producer in producers {
            assert!(matches!(producer.join().unwrap(), Put::Waits { displaced: 0, .. }));
        }
        outbox.check();
    });
}

#[test]
fn what_waits_at_the_close_is_read_and_nothing_after_it() {
    explore(|| {
        let outbox = outbox();
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
        let outbox = outbox();
        let producer = {
            let outbox = Arc::clone(&outbox);
            let large = event(&"x".repeat(1_001));
            thread::spawn(move || outbox.put(&large, BehindPolicy::Drop))
        };
        assert_eq!(read_as(&outbox, 0, 0, 1).words, ["1 missed"]);
        assert_eq!(producer.join().unwrap(), Put::Dropped);
    });
}

fn greeting() -> Frame {
    Frame::answer(0, Body::Ping(Ping {}))
}

/// The next stream goes on after what the one before has read, whatever it was just doing; the one before ends.
#[test]
fn a_stream_that_is_replaced_while_somebody_puts_loses_nothing_and_ends() {
    explore(|| {
        let outbox = outbox();
        let old = {
            let outbox = Arc::clone(&outbox);
            thread::spawn(move || read_as(&outbox, 0, 0, usize::MAX))
        };
        let producer = {
            let outbox = Arc::clone(&outbox);
            thread::spawn(move || {
                outbox.put(&event("1"), BehindPolicy::Close);
                outbox.put(&event("2"), BehindPolicy::Close);
            })
        };
        // The client has received nothing of what the stream before was sent.
        let stream = outbox.attach(0, greeting).unwrap();
        let new = read_as(&outbox, stream, 0, 3);
        assert_eq!(new.words, ["greeting", "1", "2"]);
        producer.join().unwrap();
        let old = old.join().unwrap();
        assert_eq!(old.cut, Some(false));
        assert_eq!(old.words, ["1", "2"][..old.words.len()]);
    });
}

/// A stream that comes in the moment in which the session is given up finds it whole, or learns that it is over.
#[test]
fn a_session_is_given_up_or_taken_up_and_never_both() {
    explore(|| {
        let outbox = outbox();
        outbox.put(&event("1"), BehindPolicy::Close);
        assert!(outbox.detach(0));
        let giver = {
            let outbox = Arc::clone(&outbox);
            thread::spawn(move || outbox.give_up())
        };
        let attached = outbox.attach(0, greeting);
        let given_up = giver.join().unwrap();
        match attached {
            Ok(stream) => {
                assert!(!given_up);
                assert_eq!(read_as(&outbox, stream, 0, 2).words, ["greeting", "1"]);
            }
            Err(lost) => assert_eq!((given_up, lost), (true, Lost::Ended)),
        }
        outbox.check();
    });
}

/// A stream that is gone late takes nothing from the one that has replaced it.
#[test]
fn a_stream_that_goes_after_it_was_replaced_does_not_take_the_session_with_it() {
    explore(|| {
        let outbox = outbox();
        let old = {
            let outbox = Arc::clone(&outbox);
            thread::spawn(move || outbox.detach(0))
        };
        let producer = {
            let outbox = Arc::clone(&outbox);
            thread::spawn(move || outbox.put(&event("1"), BehindPolicy::Close))
        };
        let stream = outbox.attach(0, greeting).unwrap();
        assert_eq!(read_as(&outbox, stream, 0, 2).words, ["greeting", "1"]);
        old.join().unwrap();
        assert!(matches!(producer.join().unwrap(), Put::Waits { .. }));
        assert!(outbox.attached());
    });
}

/// Who falls behind is ended with what it has been sent; what waited and what is missing come to the next stream.
#[test]
fn a_stream_that_falls_behind_ends_and_the_next_one_is_told_everything() {
    explore(|| {
        let outbox = outbox();
        let old = {
            let outbox = Arc::clone(&outbox);
            thread::spawn(move || read_as(&outbox, 0, 0, usize::MAX))
        };
        let put = |id: &str| {
            if outbox.put(&event(id), BehindPolicy::Close) == Put::Behind {
                outbox.suspend(greeting());
            }
        };
        ["1", "2", "3"].into_iter().for_each(put);
        // Whether it fell behind by itself or not: it ends here.
        outbox.suspend(greeting());
        let old = old.join().unwrap();
        assert_eq!(old.cut, Some(true));
        let stream = outbox.attach(old.seq, greeting).unwrap();
        let mut told = old.words;
        let rest = read_as(&outbox, stream, old.seq, 4 - told.len());
        told.extend(rest.words.into_iter().filter(|word| word != "greeting"));
        assert!(told == ["1", "2", "3"] || told == ["1", "2", "1 missed"], "{told:?}");
        outbox.check();
    });
}
