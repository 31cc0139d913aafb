//! The outbox against a naive model of it: a list that is searched and summed up anew at each step. Random steps, and
//! after each of them the same answer, the same wake-ups and a consistent outbox; what is read must be the same frames
//! in the same order. The steps are in [`bench`], what must come of them in [`oracle`].

#![allow(clippy::panic, clippy::unwrap_used, reason = "this is test code")]

mod bench;
mod holes;
mod oracle;
mod reader;

use std::{
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use proptest::prelude::*;
use prost::Message;
use rialto_proto::v1::{
    AttachResponse, CloseCode, Content, Event, Missed, Ping, ServerFrame, content::Body as Payload,
    server_frame::Frame as Body,
};

use super::{
    outbox::{Bounds, Next, Outbox, Put},
    owed::{Owed, Rest, StateAfter, Stretch},
    replay::ReplayBounds,
};
use crate::{
    base::{clock, config::BehindPolicy},
    wire::{Burst, Class, Frame},
};
use bench::{Pair, Step, step};
use reader::{Story, chance};

const BOUNDS: Bounds = Bounds { frames: 12, bytes: 1_200 };
const HELD: ReplayBounds = ReplayBounds { frames: 20, bytes: 2_000, age: Duration::from_secs(100) };
const NOTHING_HELD: ReplayBounds = ReplayBounds { frames: 0, bytes: 0, age: Duration::ZERO };

/// A frame that waits, with the words by which it is recognised when it is read.
#[derive(Debug, Clone)]
struct Waiting {
    frame: Frame,
    words: Vec<String>,
}

/// What is read from a history at once, at most.
const PAGE: Bounds = Bounds { frames: 3, bytes: 3 * 1_500 };

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_outbox_does_what_its_model_does(held in any::<bool>(), steps in prop::collection::vec(step(), 1..150)) {
        let mut pair = Pair::new(if held { HELD } else { NOTHING_HELD });
        for step in steps {
            pair.step(step);
        }
        pair.read_all();
        pair.step(Step::Close);
        pair.read_all();
    }

    /// Whatever is dropped, displaced, owed, sent and lost: without volatile and `latest` events nothing vanishes
    /// unsaid, nothing comes twice, and everything comes in order.
    #[test]
    fn what_is_put_in_is_read_once_or_told_as_missed(chances in prop::collection::vec(chance(), 1..150)) {
        let mut story = Story::new();
        for chance in chances {
            story.take(chance);
        }
        story.finish();
    }
}

fn event(id: &str, room: u8, name: u8, bytes: usize) -> Event {
    let content = Content {
        event: format!("e{name}"),
        body: Some(Payload::Text("x".repeat(bytes))),
        ..Content::default()
    };
    Event {
        rooms: vec![format!("r{room}")],
        content: Some(content),
        event_id: id.to_owned(),
        ..Event::default()
    }
}

/// The same, kept in the history of its room.
fn kept(event: Event, offset: u64) -> Event {
    Event { offset: Some(offset), epoch: "e".to_owned(), ..event }
}

fn stretch(room: u8, from: u64, to: u64) -> Stretch {
    Stretch { namespace: "".into(), room: format!("r{room}").into(), epoch: "e".to_owned(), from, to }
}

fn decoded(burst: &Burst) -> AttachResponse {
    AttachResponse::decode(burst.encode_to_vec().as_slice()).unwrap()
}

/// The words of a burst, and its first sequence number.
fn words(burst: &Burst) -> (u32, Vec<String>) {
    let AttachResponse { first_seq, frames } = decoded(burst);
    (first_seq, frames.into_iter().map(word).collect())
}

fn word(frame: ServerFrame) -> String {
    match frame.frame.unwrap() {
        Body::Event(event) => event.event_id,
        Body::Missed(missed) => missed_word(&missed),
        Body::Welcome(welcome) => welcome.node,
        Body::Ping(_) => "ping".to_owned(),
        Body::Close(_) => "close".to_owned(),
        other => panic!("{other:?}"),
    }
}

fn missed_word(missed: &Missed) -> String {
    let range = missed.from_offset.zip(missed.to_offset);
    let range = range.map(|(from, to)| format!(", from {from} to {to}")).unwrap_or_default();
    format!("missed {} of {}{range}", missed.count, missed.rooms.join(" "))
}

/// What the stream `stream` is told now, in words.
fn told(outbox: &Outbox, stream: u32) -> Vec<String> {
    let mut told = Vec::new();
    while let Poll::Ready(Next::Burst(burst)) =
        outbox.poll_next(stream, clock::now(), &mut Context::from_waker(Waker::noop()))
    {
        told.extend(words(&burst).1);
    }
    told
}

#[test]
fn drops_for_very_many_targets_are_told_together() {
    let outbox = Outbox::new(Bounds { frames: 1, bytes: 10_000 }, NOTHING_HELD);
    for number in 0..300_u32 {
        let event = Event { rooms: vec![format!("r{number}")], ..Event::default() };
        outbox.put(&Frame::event(event, Class::Reliable), BehindPolicy::Drop);
        outbox.check();
    }
    let told = told(&outbox, 0);
    assert_eq!(told.len(), 1 + 128 + 1, "one event, 128 rooms by name, and the rest");
    assert!(told.contains(&format!("missed {} of ", 299 - 128)), "{told:?}");
}

#[test]
fn holes_are_told_exactly_and_where_they_are() {
    let outbox = Outbox::new(Bounds { frames: 10, bytes: 1_000 }, NOTHING_HELD);
    let mut offset = 0;
    let mut say = |bytes: usize| {
        offset += 1;
        let event = kept(event(&offset.to_string(), 0, 0, bytes), offset);
        outbox.put(&Frame::event(event, Class::Reliable), BehindPolicy::Drop);
        outbox.check();
    };
    [1, 1_000, 1_000, 1, 1_000, 1].into_iter().for_each(&mut say);
    let whole = ["1", "missed 2 of r0, from 2 to 3", "4", "missed 1 of r0, from 5 to 5", "6"];
    assert_eq!(told(&outbox, 0), whole);
    // One that is too large for an empty outbox is told of though nothing comes after it.
    say(1_001);
    assert_eq!(told(&outbox, 0), ["missed 1 of r0, from 7 to 7"]);
}

#[test]
fn what_is_displaced_is_told_before_what_has_taken_its_place() {
    let outbox = Outbox::new(Bounds { frames: 3, bytes: 10_000 }, NOTHING_HELD);
    for offset in 1..=100 {
        let event = kept(event(&offset.to_string(), 0, 0, 1), offset);
        let put = outbox.put(&Frame::event(event, Class::Reliable), BehindPolicy::Latest);
        assert!(matches!(put, Put::Waits { .. }), "the newest is always taken");
        outbox.check();
    }
    assert_eq!(told(&outbox, 0), ["missed 97 of r0, from 1 to 97", "98", "99", "100"]);
}

#[test]
fn what_is_displaced_is_told_in_its_order_whichever_was_displaced_first() {
    let outbox = Outbox::new(Bounds { frames: 3, bytes: 10_000 }, NOTHING_HELD);
    for (offset, topic) in [(1, 1), (2, 2), (3, 3), (4, 2), (5, 4)] {
        let event = kept(event(&offset.to_string(), 0, topic, 1), offset);
        outbox.put(&Frame::event(event, Class::Reliable), BehindPolicy::Latest);
        outbox.check();
    }
    assert_eq!(told(&outbox, 0), ["missed 2 of r0, from 1 to 2", "3", "4", "5"]);
}

#[test]
fn very_many_holes_at_several_places_are_told_by_their_number() {
    const HOLES: u64 = 5_000;
    let outbox = Outbox::new(Bounds { frames: 10, bytes: 100_000 }, NOTHING_HELD);
    for place in 0..4_u64 {
        outbox.answer(Frame::answer(0, Body::Ping(Ping::default())));
        for number in 1..=HOLES {
            let room = u8::try_from(number % 100).unwrap();
            // No two of one room follow each other.
            let event = kept(event("e", room, 0, 1), 2 * (place * HOLES + number));
            outbox.put(&Frame::event(event, Class::Reliable), BehindPolicy::Latest);
        }
        outbox.check();
    }
    let told = told(&outbox, 0);
    let missed: Vec<&String> = told.iter().filter(|word| word.starts_with("missed")).collect();
    let count = |word: &&String| word.split(' ').nth(1).unwrap().parse::<u64>().unwrap();
    assert!((8_000..8_300).contains(&missed.len()), "{}", missed.len());
    assert_eq!(missed.iter().map(count).sum::<u64>() + 6, 4 * HOLES);
}

#[test]
fn a_receiver_asks_its_senders_to_pause_so_often_and_again_after_it_has_read() {
    let outbox = Outbox::new(Bounds { frames: 100, bytes: 1 << 20 }, NOTHING_HELD);
    let event = || Frame::event(Default::default(), Class::Reliable);
    let pressed = |outbox: &Outbox| {
        let put = outbox.put(&event(), BehindPolicy::Close);
        matches!(put, Put::Waits { pressed: true, .. })
    };
    let asked = |outbox: &Outbox| (0..100).map(|_| pressed(outbox)).collect::<Vec<_>>();

    let first = asked(&outbox);
    assert!(!first[..50].contains(&true) && !first[50..70].contains(&false) && !first[70..].contains(&true));
    assert_eq!(told(&outbox, 0).len(), 100);
    assert_eq!(asked(&outbox), first);
}

#[test]
fn nobody_pauses_for_a_receiver_that_is_away() {
    let outbox = Outbox::new(BOUNDS, HELD);
    assert!(outbox.detach(0));
    for _ in 0..HELD.frames {
        let put = outbox.put(&Frame::event(Default::default(), Class::Reliable), BehindPolicy::Close);
        assert_eq!(put, Put::Waits { displaced: 0, pressed: false });
    }
}

#[test]
fn who_comes_back_to_more_than_usually_waits_is_not_behind() {
    let outbox = Outbox::new(BOUNDS, HELD);
    let say = |number: u32| {
        outbox.put(&Frame::event(event(&number.to_string(), 0, 0, 1), Class::Reliable), BehindPolicy::Close)
    };
    outbox.detach(0);
    assert!((0..BOUNDS.frames + 2).all(|number| matches!(say(number), Put::Waits { .. })));
    let stream = outbox.attach(0, || Frame::answer(0, Body::Ping(Default::default()))).unwrap();
    assert!(matches!(say(BOUNDS.frames + 2), Put::Waits { .. }), "it has not had a chance to read");
    assert_eq!(told(&outbox, stream).len() as u32, 1 + BOUNDS.frames + 3);

    assert!((0..BOUNDS.frames).all(|number| matches!(say(number), Put::Waits { .. })));
    assert_eq!(say(BOUNDS.frames), Put::Behind, "the bounds are the usual ones again");
}

/// A page of the history of a room.
fn page(room: u8, from: u64, to: u64) -> Vec<Frame> {
    (from..=to)
        .map(|offset| Frame::event(kept(event(&offset.to_string(), room, 0, 1), offset), Class::Reliable))
        .collect()
}

#[test]
fn what_is_owed_may_grow_while_it_is_read() {
    let outbox = Outbox::new(Bounds { frames: 1, bytes: 1_000 }, HELD);
    let put = |offset: u64| {
        let event = kept(event(&offset.to_string(), 0, 0, 1), offset);
        outbox.put(&Frame::event(event, Class::Reliable), BehindPolicy::Close)
    };
    assert!(matches!(put(1), Put::Waits { .. }));
    assert_eq!([put(2), put(3)], [Put::Lags; 2]);
    assert_eq!(told(&outbox, 0), ["1"]);
    let read = stretch(0, 2, 3);
    // The place in the outbox is free, but what is owed comes first.
    assert!(matches!(put(4), Put::Waits { .. }));
    assert_eq!(put(5), Put::Lags);
    outbox.settle(&Owed::Events(read.clone()), page(0, 2, 3), Rest::Nothing);
    outbox.check_beside(PAGE);
    assert_eq!(told(&outbox, 0), ["2", "3", "4"]);
    // It was settled, so a stream that was slower settles it in vain.
    outbox.settle(&Owed::Events(read), page(0, 2, 3), Rest::Nothing);
    assert_eq!(told(&outbox, 0), [""; 0]);
    assert_eq!(put(6), Put::Waits { displaced: 0, pressed: true });
    let grown = Owed::Events(stretch(0, 5, 5));
    outbox.settle(&grown, page(0, 5, 5), Rest::Nothing);
    assert_eq!(told(&outbox, 0), ["5", "6"]);
}

#[test]
fn a_change_that_comes_while_the_state_is_read_is_read_as_well() {
    let outbox = Outbox::new(Bounds { frames: 4, bytes: 1_000 }, HELD);
    let after = |revision| StateAfter {
        namespace: "".into(),
        room: "red".into(),
        epoch: "e".to_owned(),
        revision,
        known: revision,
    };
    let change = || Frame::answer(0, Body::StateChanges(Default::default()));
    outbox.owe(Owed::State(after(0)));
    let mut context = Context::from_waker(Waker::noop());
    let mut next = || outbox.poll_next(0, clock::now(), &mut context);
    assert!(matches!(next(), Poll::Ready(Next::Read(Owed::State(read))) if read == after(0)));
    // It has been read as far as the first of two changes, and what was read is still on its way.
    assert_eq!(
        [outbox.put_state(&change(), after(1)), outbox.put_state(&change(), after(2))],
        [Put::Lags; 2]
    );
    outbox.settle(&Owed::State(after(0)), vec![change()], Rest::Since(after(2)));
    assert!(matches!(next(), Poll::Ready(Next::Burst(_))));
    // It goes on from there: nothing is told twice.
    assert!(matches!(next(), Poll::Ready(Next::Read(Owed::State(read))) if read == after(2)));
    assert_eq!(outbox.put_state(&change(), after(3)), Put::Lags);
    outbox.settle(&Owed::State(after(2)), vec![change()], Rest::Since(after(4)));
    assert!(matches!(next(), Poll::Ready(Next::Burst(_))));
    assert!(matches!(next(), Poll::Pending));
}

#[test]
fn who_says_goodbye_is_told_what_it_is_owed_first_and_who_is_sent_away_is_not() {
    for (code, told) in [(CloseCode::Bye, true), (CloseCode::Disconnected, false)] {
        let outbox = Outbox::new(Bounds { frames: 4, bytes: 1_000 }, HELD);
        let after = StateAfter {
            namespace: "".into(),
            room: "red".into(),
            epoch: "e".to_owned(),
            revision: 0,
            known: 0,
        };
        let frame = || Frame::answer(0, Body::StateChanges(Default::default()));
        outbox.owe(Owed::State(after.clone()));
        outbox.answer(frame());
        outbox.close(code, frame());
        let mut context = Context::from_waker(Waker::noop());
        let mut next = || outbox.poll_next(0, clock::now(), &mut context);
        if told {
            assert!(matches!(next(), Poll::Ready(Next::Read(Owed::State(_)))));
            outbox.settle(&Owed::State(after), vec![frame()], Rest::Nothing);
            assert!(matches!(next(), Poll::Ready(Next::Burst(_))), "what was owed, and the answer behind it");
        }
        assert!(matches!(next(), Poll::Ready(Next::Burst(_))), "the last frame");
        assert!(matches!(next(), Poll::Ready(Next::End)));
    }
}
