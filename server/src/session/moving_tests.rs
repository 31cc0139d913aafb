//! What a session takes along and what has gathered for it at the new node become one: nothing twice, nothing lost in silence,
//! whatever came to one of them, to both, or did not fit.

#![allow(clippy::panic, clippy::unwrap_used, reason = "this is test code")]

use std::{
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use proptest::prelude::*;
use prost::Message;
use rialto_proto::v1::{AttachResponse, CloseCode, Member, Sender, StateChanges};

use super::*;
use crate::{
    auth::Identity,
    base::{clock, config::BehindPolicy, ids::SessionId, limits::SessionLimits},
    session::{
        outbox::Next,
        owed::{Rest, StateAfter},
    },
    wire::{Class, frame::Parts},
};

const FRAMES: u32 = 8;

fn limits() -> SessionLimits {
    SessionLimits { outbox_frames_max: FRAMES, replay_frames_max: FRAMES, ..SessionLimits::default() }
}

fn session() -> Session {
    let (limits, id) = (limits(), SessionId::random(NodeId::random()));
    Session::new(id, Identity::open(None), Arc::new(Outbox::of(&limits)), &limits)
}

/// A session at the node that it leaves, and at the one to which it goes.
fn moving() -> (Session, Session) {
    let old = session();
    let new = session().arriving(&old.secret()).unwrap();
    (old, new)
}

fn event(number: u32) -> Event {
    Event {
        namespace: "chat".into(),
        rooms: vec!["red".into()],
        event_id: number.to_string(),
        sender: Some(Sender { session: "speaker".into(), user: String::new() }),
        ..Event::default()
    }
}

fn kept(offset: u64) -> Event {
    Event { offset: Some(offset), epoch: "e".into(), event_id: format!("kept {offset}"), ..event(0) }
}

fn put(session: &Session, event: Event) {
    session.outbox.put(&Frame::event(event, Class::Reliable), BehindPolicy::Drop);
}

/// Everything that waits, taken as a stream would.
fn read(session: &Session) -> Vec<ServerFrame> {
    let mut context = Context::from_waker(Waker::noop());
    let mut frames = Vec::new();
    let stream = session.outbox.stream();
    while let Poll::Ready(Next::Burst(burst)) = session.outbox.poll_next(stream, clock::now(), &mut context) {
        frames.extend(AttachResponse::decode(burst.encode_to_vec().as_slice()).unwrap().frames);
    }
    frames
}

fn ids(frames: &[ServerFrame]) -> Vec<String> {
    let ids = frames.iter().filter_map(|frame| match &frame.frame {
        Some(Body::Event(event)) => Some(event.event_id.clone()),
        _ => None,
    });
    ids.collect()
}

fn missed(frames: &[ServerFrame]) -> u32 {
    let counts = frames.iter().map(|frame| match &frame.frame {
        Some(Body::Missed(missed)) => missed.count,
        _ => 0,
    });
    counts.sum()
}

/// Goes from the one to the other, as it is told.
fn go(old: &Session, new: &Session, reached: &Reached) -> Vec<String> {
    let Stage::Leaving(number, _) = old.stage() else { panic!("it was not asked for") };
    assert!(old.go(number, NodeId::random()));
    new.unpack(old.pack().unwrap(), reached, Vec::new()).unwrap()
}

fn leave(session: &Session, seq: u32) {
    session.leave(Some(seq), 7, clock::now()).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_event_comes_once_and_in_order_or_is_told_as_missed(
        sent in 0..12_u32,
        before in 0..12_u32,
        during in 0..24_u32,
        early in 0..24_u32,
        after in 0..12_u32,
        lost in (0..24_u32, 0..4_u32),
    ) {
        let (old, new) = moving();
        let until = sent + before + during;
        (1..=sent).for_each(|number| put(&old, event(number)));
        let first = read(&old);
        (sent + 1..=sent + before).for_each(|number| put(&old, event(number)));
        leave(&old, first.len() as u32);
        // The new node begins to gather somewhere after that and before the old one ends; then the old one may lose something.
        let begins = sent + before + 1 + early.min(during);
        let lost = begins + lost.0..begins + lost.0 + lost.1;
        let heard = (sent + before + 1..=until).filter(|number| !lost.contains(number));
        heard.for_each(|number| put(&old, event(number)));
        (begins..=until + after).for_each(|number| put(&new, event(number)));
        go(&old, &new, &Reached::new());
        new.resume(first.len() as u32, &mut None, |_, _| Frame::missed(Default::default())).unwrap();
        let mut all = first;
        all.extend(read(&new));
        let ids: Vec<u32> = ids(&all).iter().map(|id| id.parse().unwrap()).collect();
        prop_assert!(ids.is_sorted_by(|left, right| left < right), "{ids:?}");
        prop_assert_eq!(ids.len() as u32 + missed(&all), until + after);
        new.outbox.check();
    }
}

#[test]
fn what_rooms_keep_is_known_by_its_offset() {
    let (old, new) = moving();
    leave(&old, 0);
    put(&old, kept(4));
    [4, 5, 6].into_iter().for_each(|offset| put(&new, kept(offset)));
    let owed = |from, to| {
        Owed::Events(Stretch { namespace: "chat".into(), room: "red".into(), epoch: "e".into(), from, to })
    };
    new.outbox.owe(owed(3, 9));
    new.outbox.owe(owed(2, 5));
    // The old node had told its client of everything up to 5; of that 5 was read from a history.
    let reached = Reached::from([(("chat".to_owned(), "red".to_owned()), ("e".to_owned(), 5))]);
    go(&old, &new, &reached);
    new.resume(0, &mut None, |_, _| Frame::missed(Default::default())).unwrap();
    assert_eq!(ids(&read(&new)), ["kept 4", "kept 6"]);
    let mut context = Context::from_waker(Waker::noop());
    let next = new.outbox.poll_next(new.outbox.stream(), clock::now(), &mut context);
    assert!(matches!(next, Poll::Ready(Next::Read(next)) if next == owed(6, 9)));
}

#[test]
fn changes_of_a_state_that_will_be_read_are_not_told_behind_it() {
    let (old, new) = moving();
    let change = |room: &str| {
        let (namespace, room) = ("chat".to_owned(), room.to_owned());
        let changes = StateChanges { namespace, room, ..StateChanges::default() };
        Frame::answer(0, Body::StateChanges(changes))
    };
    let after = |room: &str| StateAfter {
        namespace: "chat".into(),
        room: room.into(),
        epoch: "e".into(),
        revision: 1,
        known: 1,
    };
    old.outbox.owe(Owed::State(after("red")));
    leave(&old, 0);
    [change("red"), change("blue")].iter().for_each(|change| {
        new.outbox.put_state(change, after("green"));
    });
    go(&old, &new, &Reached::new());
    new.resume(0, &mut None, |_, _| Frame::missed(Default::default())).unwrap();
    assert!(read(&new).iter().all(|frame| !matches!(&frame.frame, Some(Body::StateChanges(_)))));
    // By then it is what it is, with all changes that had come before.
    new.outbox.settle(&Owed::State(after("red")), Vec::new(), Rest::Nothing);
    let told = read(&new).into_iter().filter_map(|frame| match frame.frame {
        Some(Body::StateChanges(changes)) => Some(changes.room),
        _ => None,
    });
    assert_eq!(told.collect::<Vec<_>>(), ["blue"]);
}

#[test]
fn notices_that_came_to_both_are_told_once_and_others_each() {
    let (old, new) = moving();
    let came = |who: &str, member_count| {
        let who = Some(Sender { session: who.to_owned(), user: String::new() });
        let joined = vec![Member { who, ..Member::default() }];
        let presence = Presence {
            namespace: "chat".into(),
            room: "red".into(),
            joined,
            member_count,
            ..Presence::default()
        };
        Frame::presence(presence, Class::Answer)
    };
    let state = |room: &str| {
        Frame::answer(0, Body::StateChanges(StateChanges { room: room.into(), ..StateChanges::default() }))
    };
    old.outbox.answer(came("ann", 1));
    leave(&old, 0);
    for frame in [came("bob", 2), state("red")] {
        old.outbox.answer(frame);
    }
    // The same are counted otherwise here; what came before it was asked for is not what comes now.
    for frame in [
        came("bob", 3),
        came("ann", 3),
        state("red"),
        state("blue"),
        Frame::answer(9, Body::Pong(Default::default())),
    ] {
        new.outbox.answer(frame);
    }
    go(&old, &new, &Reached::new());
    new.resume(0, &mut None, |_, _| Frame::missed(Default::default())).unwrap();
    let frames = read(&new);
    let told = frames.iter().filter_map(|frame| match &frame.frame {
        Some(Body::Presence(presence)) => Some(presence.joined[0].who.clone().unwrap().session),
        Some(Body::StateChanges(changes)) => Some(changes.room.clone()),
        Some(Body::Pong(_)) => Some("pong".to_owned()),
        _ => None,
    });
    assert_eq!(told.collect::<Vec<_>>(), ["ann", "bob", "red", "ann", "blue", "pong"]);
}

#[test]
fn a_question_that_came_to_both_is_asked_where_it_came_first() {
    let (old, new) = moving();
    leave(&old, 0);
    let question = |number: u32| Event { reply_token: format!("token {number}"), ..event(number) };
    put(&old, question(1));
    [1, 2].into_iter().for_each(|number| put(&new, question(number)));
    assert_eq!(go(&old, &new, &Reached::new()), ["token 1"]);
}

#[test]
fn a_session_on_its_way_is_taken_up_nowhere_and_the_last_who_has_asked_gets_it() {
    let (old, new) = moving();
    assert_eq!(new.resume(0, &mut None, |_, _| panic!("it is not here")).unwrap_err(), Lost::Ended);
    assert_eq!(new.leave(None, 1, clock::now()).unwrap_err(), Lost::Ended);
    assert_eq!(old.leave(Some(5), 1, clock::now()).unwrap_err(), Lost::Ahead);
    assert_eq!(old.stage(), Stage::Here);
    old.leave(Some(0), 1, clock::now()).unwrap();
    old.leave(Some(0), 2, clock::now()).unwrap();
    assert!(!old.go(1, NodeId::random()));
    assert_eq!(old.take_pushed(1, vec![()], |()| panic!("it is taken elsewhere")), 0);
    assert!(old.go(2, NodeId::random()));
    assert_eq!(old.resume(0, &mut None, |_, _| panic!("it is gone")).unwrap_err(), Lost::Ended);
    assert!(new.knows(&old.secret()));
    // Its client comes back before it was fetched: then nobody gets it.
    let other = session();
    other.leave(Some(0), 3, clock::now()).unwrap();
    other.resume(0, &mut None, |_, _| Frame::missed(Default::default())).unwrap();
    assert!(!other.go(3, NodeId::random()));
    // What is dropped from then on is told, and named for nobody.
    assert!(matches!(other.outbox.state.lock().queue.dropped, Dropped::Told));
}

#[test]
fn a_session_that_was_closed_meanwhile_does_not_move() {
    let (old, new) = moving();
    leave(&old, 0);
    old.close(&crate::base::refusal::Closing::new(CloseCode::Disconnected, "away"));
    assert!(old.go(7, NodeId::random()) && old.pack().is_none());
    new.close(&crate::base::refusal::Closing::new(CloseCode::Disconnected, "away"));
    assert!(new.unpack(Luggage::default(), &Reached::new(), Vec::new()).is_none());
}

#[test]
fn who_follows_its_stream_elsewhere_is_not_away() {
    let old = session();
    leave(&old, 0);
    assert!(!old.outbox.attached() && !old.outbox.away());
    let away = session();
    assert!(away.outbox.detach(0) && away.outbox.away());
    away.leave(None, 1, clock::now()).unwrap();
    assert!(away.outbox.away());
}

#[test]
fn what_was_sent_and_answered_is_the_same_after_the_move() {
    let (old, new) = moving();
    (1..=3).for_each(|number| put(&old, event(number)));
    assert_eq!(read(&old).len(), 3);
    assert!(old.take_ref(4));
    old.note_taken(4, 44);
    old.note_answer(&Frame::answer(4, Body::Pong(Default::default())));
    leave(&old, 1);
    go(&old, &new, &Reached::new());
    let mut greeted = 0;
    new.resume(1, &mut None, |last_ref, _| {
        greeted = last_ref;
        Frame::missed(Default::default())
    })
    .unwrap();
    assert_eq!((greeted, ids(&read(&new))), (4, vec!["2".to_owned(), "3".to_owned()]));
    assert!(matches!(new.recall(4, 44), crate::session::answers::Recall::Answered(_)));
}

#[test]
fn a_frame_that_is_not_what_it_says_is_none() {
    let whole =
        Frame::gathered(&[1, 2].map(|number| Frame::event(event(number), Class::Reliable))).into_parts();
    assert_eq!(Frame::of_parts(whole.clone()).unwrap().each().len(), 2);
    let record = whole.record.clone();
    for wrong in [
        Parts { count: 1, ..whole.clone() },
        Parts { count: 3, ..whole.clone() },
        Parts { count: 0, record: Bytes::new(), ..whole.clone() },
        Parts { record: record.slice(..record.len() - 1), ..whole.clone() },
        Parts { record: Bytes::from_static(b"\x08\x01\x08\x02"), ..whole },
    ] {
        assert!(Frame::of_parts(wrong).is_none());
    }
}

/// How long a stretch of time is said to be does not matter: what is held is held on.
#[test]
fn what_is_held_keeps_its_age() {
    let now = clock::now();
    let parts = vec![(Bytes::from_static(b"x"), 1, now - Duration::from_secs(5))];
    let replay = Replay::of_parts(9, parts);
    assert_eq!((replay.last_seq(), replay.held()), (9, (1, 1)));
    assert_eq!(replay.parts().map(|(_, _, at)| now - at).collect::<Vec<_>>(), [Duration::from_secs(5)]);
}
