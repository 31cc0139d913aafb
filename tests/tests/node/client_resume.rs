//! The Rust client goes on where it was: connections break under it, and the application sees each event once and in
//! order, hears the answer to each emit, and is told what cannot be had. Real nodes, and a proxy that breaks things.

use std::{cell::Cell, future::IntoFuture, time::Duration};

use rialto_client::{Arrival, Event, Events, JoinOptions, Report, StateWatch, Status};
use rialto_tests::{
    proxied::{ProxiedNode, begin, lost, reconnected, report},
    proxy::Direction,
    within,
};

/// What the next events say.
async fn texts(events: &mut Events, count: usize) -> Vec<String> {
    let mut texts = Vec::new();
    while texts.len() < count {
        let event = within("an event", events.next()).await.expect("the session lives");
        texts.push(text(&event));
    }
    texts
}

fn text(event: &Event) -> String {
    event.text().expect("text").to_owned()
}

fn numbers(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

/// The next change of a state: its keys, with their values.
async fn changed(watch: &mut StateWatch) -> Vec<(String, Option<String>)> {
    let change = within("a change of state", watch.next()).await.expect("the session lives");
    let value = |entry: &rialto_client::StateEntry| {
        entry.value.as_ref().and_then(|value| value.text().map(str::to_owned))
    };
    change.entries.iter().map(|entry| (entry.key.clone(), value(entry))).collect()
}

#[tokio::test]
async fn after_a_reset_the_session_goes_on_with_everything_once_and_in_order() {
    let place = ProxiedNode::start().await;
    let ann = place.session("ann").await;
    let room = ann.namespace("chat").room("general");
    let (mut reports, mut status, mut heard) = (ann.reports(), ann.status(), room.events());
    room.join().await.unwrap();
    let id = ann.id();

    place.publish("chat", "general", 0..50).await;
    assert_eq!(texts(&mut heard, 50).await, numbers(0..50));
    place.part();
    lost(&mut status).await;
    place.publish("chat", "general", 50..120).await;
    place.proxy.heal();

    assert_eq!(texts(&mut heard, 70).await, numbers(50..120));
    assert!(reconnected(&mut reports).await, "the node has kept the session");
    assert_eq!(ann.id(), id);
    assert!(matches!(&*ann.status().borrow(), Status::Attached { arrival: Arrival::Resumed, .. }));
    place.publish("chat", "general", 120..121).await;
    assert_eq!(texts(&mut heard, 1).await, ["120"]);
}

/// Connections break after some more bytes of one direction, wherever that is in a frame, while both sides speak.
async fn breaks(direction: Direction) {
    let place = ProxiedNode::start().await;
    let (ann, bob) = (place.session("ann").await, place.beside("bob").await);
    let (here, there) = (ann.namespace("chat").room("general"), bob.namespace("chat").room("general"));
    let (mut heard, mut heard_there) = (here.events(), there.events());
    here.join().await.unwrap();
    there.join().await.unwrap();
    let mut reports = ann.reports();
    let broken = Cell::new(false);
    let breaking = async {
        for bytes in [700, 990, 1280] {
            place.proxy.next().reset_after(direction, bytes);
            place.proxy.reset_all();
            // This one breaks by itself, while something is under way.
            assert!(reconnected(&mut reports).await && reconnected(&mut reports).await, "{direction:?}");
        }
        broken.set(true);
    };
    let speaking = async {
        let mut number = 0_u32;
        while !broken.get() {
            let said = here.emit("message", number.to_string()).deadline(Duration::from_secs(20));
            let told = there.emit("message", number.to_string());
            let (said, told) = tokio::join!(said.into_future(), told.into_future());
            assert!(said.unwrap().offset.is_some() && told.is_ok(), "{direction:?}: {number}");
            number += 1;
        }
        number
    };
    let (count, ()) = within("all that is said", async { tokio::join!(speaking, breaking) }).await;

    let all = usize::try_from(count).unwrap();
    assert_eq!(texts(&mut heard, all).await, numbers(0..count), "{direction:?}: what bob said");
    assert_eq!(texts(&mut heard_there, all).await, numbers(0..count), "{direction:?}: what ann said");
    let kept = there.history().newest(count * 3).await.unwrap();
    assert_eq!(kept.len(), 2 * all, "{direction:?}: each took effect once");
}

#[tokio::test]
async fn a_stream_that_breaks_at_any_byte_loses_and_repeats_nothing() {
    tokio::join!(breaks(Direction::Down), breaks(Direction::Up));
}

#[tokio::test]
async fn two_streams_of_events_are_both_whole_after_a_reset() {
    let place = ProxiedNode::start().await;
    let ann = place.session("ann").await;
    let room = ann.namespace("chat").room("general");
    let mut status = ann.status();
    let (mut all, mut some) = (ann.events(), room.on("message"));
    room.join().await.unwrap();
    place.publish("chat", "general", 0..3).await;
    assert_eq!(texts(&mut all, 3).await, numbers(0..3));
    place.part();
    lost(&mut status).await;
    place.publish("chat", "general", 3..300).await;
    place.proxy.heal();
    let (all, some) = tokio::join!(texts(&mut all, 297), texts(&mut some, 300));
    assert_eq!((all, some), (numbers(3..300), numbers(0..300)));
}

#[tokio::test]
async fn a_node_that_is_restarted_has_lost_nothing_of_what_was_said_to_a_room() {
    let mut place = ProxiedNode::start().await;
    let ann = place.session("ann").await;
    let room = ann.namespace("chat").room("general");
    let (mut reports, mut heard) = (ann.reports(), room.events());
    room.join().await.unwrap();
    let before = ann.id();
    place.publish("chat", "general", 0..10).await;
    assert_eq!(texts(&mut heard, 10).await, numbers(0..10));

    for round in 1..3_u32 {
        place.part();
        place.publish("chat", "general", 200 * round - 190..200 * round).await;
        place.restart().await;
        place.publish("chat", "general", 200 * round..200 * round + 10).await;
        place.proxy.heal();
        let all = numbers(200 * round - 190..200 * round + 10);
        assert_eq!(texts(&mut heard, all.len()).await, all);
        assert!(!reconnected(&mut reports).await, "it is another session");
        let Report::Rejoined { rooms, .. } = report(&mut reports).await else { panic!("rejoined") };
        assert_eq!(
            (rooms[0].room.as_str(), rooms[0].recovery),
            ("general", rialto_client::v1::Recovery::Whole)
        );
    }
    assert_ne!(ann.id(), before);
    place.publish("chat", "general", 410..411).await;
    assert_eq!(texts(&mut heard, 1).await, ["410"]);
}

/// Assertions 58 and 59: what is said again takes effect once, and in order though many are under way.
#[tokio::test]
async fn emits_whose_answers_were_lost_with_the_node_take_effect_once_and_in_order() {
    let mut place = ProxiedNode::start().await;
    let ann = place.session("ann").await;
    let room = ann.namespace("chat").room("general");
    let mut heard = room.events();
    room.join().await.unwrap();
    let bob = place.beside("bob").await;
    let there = bob.namespace("chat").room("general");
    let mut taken = there.events();
    there.join().await.unwrap();

    // Answers stay on their way, so that everything is taken and nothing is known of it.
    place.proxy.all().half_open(Direction::Down);
    let mut answers = Vec::new();
    for number in 0..5_u32 {
        let emission = room.emit("message", number.to_string()).deadline(Duration::from_secs(20));
        answers.push(begin(emission.into_future()));
        assert_eq!(texts(&mut taken, 1).await, [number.to_string()]);
    }
    place.restart().await;
    for number in 5..10_u32 {
        let emission = room.emit("message", number.to_string()).deadline(Duration::from_secs(20));
        answers.push(begin(emission.into_future()));
        tokio::task::yield_now().await;
    }
    place.proxy.heal();

    for (number, answer) in (1_u64..).zip(answers) {
        let accepted = within("an answer", answer).await.unwrap().unwrap();
        assert_eq!((accepted.offset, accepted.duplicate), (Some(number), number <= 5), "{accepted:?}");
    }
    let kept = room.history().newest(100).await.unwrap();
    assert_eq!(kept.iter().map(text).collect::<Vec<_>>(), numbers(0..10));
    // What it said itself before the restart does not come back to it.
    place.publish("chat", "general", 77..78).await;
    assert_eq!(texts(&mut heard, 1).await, ["77"]);
}

#[tokio::test]
async fn a_room_without_history_says_that_something_may_be_missing() {
    let mut place = ProxiedNode::with(|config| {
        let off = rialto_server::base::config::HistoryKind::Off;
        config.namespaces.iter_mut().for_each(|namespace| namespace.settings.history = off);
    })
    .await;
    let ann = place.session("ann").await;
    let room = ann.namespace("chat").room("general");
    let (mut reports, mut heard) = (ann.reports(), room.events());
    room.join().await.unwrap();
    place.restart().await;
    place.proxy.heal();
    assert!(!reconnected(&mut reports).await);
    let Report::Missed(missed) = report(&mut reports).await else { panic!("missed") };
    assert_eq!(
        (missed.namespace.as_str(), missed.rooms.as_slice(), missed.count),
        ("chat", ["general".to_owned()].as_slice(), 0)
    );
    assert!(matches!(report(&mut reports).await, Report::Rejoined { .. }));
    place.publish("chat", "general", 0..1).await;
    assert_eq!(texts(&mut heard, 1).await, ["0"]);
}

#[tokio::test]
async fn what_a_history_keeps_no_more_is_told_exactly_and_the_rest_comes() {
    let mut place = ProxiedNode::with(|config| {
        config.namespaces.iter_mut().for_each(|namespace| namespace.settings.history_events_max = 10);
    })
    .await;
    let ann = place.session("ann").await;
    let room = ann.namespace("chat").room("general");
    let (mut reports, mut heard) = (ann.reports(), room.events());
    room.join().await.unwrap();
    place.publish("chat", "general", 0..5).await;
    assert_eq!(texts(&mut heard, 5).await, numbers(0..5));
    place.restart().await;
    place.publish("chat", "general", 5..30).await;
    place.proxy.heal();

    assert!(!reconnected(&mut reports).await);
    let mut missed = None;
    while missed.is_none() {
        if let Report::Missed(told) = report(&mut reports).await {
            missed = Some((told.from_offset, told.to_offset, told.count));
        }
    }
    assert_eq!(missed, Some((Some(6), Some(20), 15)));
    assert_eq!(texts(&mut heard, 10).await, numbers(20..30));
}

#[tokio::test]
async fn a_history_in_memory_that_is_gone_with_its_node_is_told_as_missed() {
    let mut place = ProxiedNode::start().await;
    let ann = place.session("ann").await;
    let room = ann.namespace("memory").room("general");
    let (mut reports, mut heard) = (ann.reports(), room.events());
    place.publish("memory", "general", 0..3).await;
    room.join().await.unwrap();
    place.restart().await;
    place.publish("memory", "general", 3..6).await;
    place.proxy.heal();

    assert!(!reconnected(&mut reports).await);
    let mut told = Vec::new();
    while told.len() < 2 {
        told.push(report(&mut reports).await);
    }
    let missed = told.iter().find_map(|report| match report {
        Report::Missed(missed) => Some(missed),
        _ => None,
    });
    let missed = missed.expect("it is told");
    assert_eq!((missed.from_offset, missed.to_offset), (Some(4), None), "{missed:?}");
    assert_eq!(texts(&mut heard, 3).await, numbers(3..6), "the present history comes");
}

#[tokio::test]
async fn whoever_joins_with_newest_begins_with_them_and_is_not_told_them_again() {
    let mut place = ProxiedNode::start().await;
    place.publish("chat", "general", 0..20).await;
    let ann = place.session("ann").await;
    let room = ann.namespace("chat").room("general");
    let mut heard = room.events();
    room.join_with(JoinOptions::default().newest(5)).await.unwrap();
    assert_eq!(texts(&mut heard, 5).await, numbers(15..20));
    place.restart().await;
    place.publish("chat", "general", 20..22).await;
    place.proxy.heal();
    assert_eq!(texts(&mut heard, 2).await, numbers(20..22));
}

#[tokio::test]
async fn keyed_state_is_watched_through_resets_and_restarts() {
    let mut place = ProxiedNode::start().await;
    let ann = place.session("ann").await;
    let room = ann.namespace("chat").room("general");
    let (state, mut status) = (room.state(), ann.status());
    let mut watch = state.watch().unwrap();
    let first = state.set("topic", "tea").if_absent().await.unwrap();
    room.join_with(JoinOptions::default().state(true)).await.unwrap();
    assert_eq!(changed(&mut watch).await, [("topic".to_owned(), Some("tea".to_owned()))]);
    state.set("gone", "soon").await.unwrap();
    assert_eq!(changed(&mut watch).await.len(), 1);

    place.part();
    lost(&mut status).await;
    let bob = place.beside("bob").await;
    let there = bob.namespace("chat").room("general").state();
    there.set("topic", "milk").if_revision(first.revision).await.unwrap();
    place.proxy.heal();
    assert_eq!(changed(&mut watch).await, [("topic".to_owned(), Some("milk".to_owned()))]);

    place.restart().await;
    let bob = place.beside("bob").await;
    let there = bob.namespace("chat").room("general").state();
    assert_eq!(there.get("topic").await.unwrap().unwrap().value.unwrap().text(), Some("milk"));
    there.remove("gone").await.unwrap();
    there.set("new", "one").await.unwrap();
    place.proxy.heal();
    let mut changes = changed(&mut watch).await;
    if changes.len() < 2 {
        changes.extend(changed(&mut watch).await);
    }
    assert_eq!(changes, [("gone".to_owned(), None), ("new".to_owned(), Some("one".to_owned()))]);
    assert_eq!(watch.entries().keys().collect::<Vec<_>>(), ["new", "topic"]);
    let conflict = state.set("topic", "late").if_revision(first.revision).await.unwrap_err();
    let refusal = conflict.refusal().expect("a refusal");
    assert_eq!((refusal.code_name(), refusal.revision), ("CONFLICT", Some(3)));
}

#[tokio::test]
async fn members_are_told_who_is_away_and_who_is_back() {
    let place = ProxiedNode::start().await;
    let (ann, bob) = (place.session("ann").await, place.beside("bob").await);
    let (here, there) = (ann.namespace("chat").room("general"), bob.namespace("chat").room("general"));
    let mut changes = there.presence().changes().unwrap();
    there.join_with(JoinOptions::default().presence(true)).await.unwrap();
    here.join().await.unwrap();
    let mut away = async |expected: bool| {
        let change = within("a change of presence", changes.next()).await.expect("the session lives");
        assert_eq!((change.joined.len(), change.joined[0].user.as_str()), (1, "ann"), "{change:?}");
        assert_eq!((change.joined[0].away, change.member_count), (expected, 2), "{change:?}");
    };
    away(false).await;
    place.part();
    away(true).await;
    let members = there.presence().members(rialto_client::PageOf::default()).await.unwrap();
    assert_eq!(members.items.iter().filter(|member| member.away).count(), 1);
    place.proxy.heal();
    away(false).await;
    let counts = there.presence().counts().await.unwrap();
    assert_eq!((counts.members, counts.users), (2, 2));
}

#[tokio::test]
async fn a_question_to_a_session_that_was_lost_is_not_answered_by_the_next_one() {
    let mut place = ProxiedNode::start().await;
    let (ann, bob) = (place.beside("ann").await, place.session("bob").await);
    let room = bob.namespace("chat").room("general");
    let (mut reports, mut asked) = (bob.reports(), room.events());
    room.join().await.unwrap();
    let there = ann.namespace("chat").room("general");
    there.join().await.unwrap();
    let question = there.emit_with_replies("lunch", "who comes along?", rialto_tests::PATIENCE);
    let replies = within("the question", question.into_future()).await.unwrap();
    let question = within("the question", asked.next()).await.expect("the session lives");
    assert!(question.wants_reply());
    drop((replies, ann));
    place.restart().await;
    place.proxy.heal();
    assert!(!reconnected(&mut reports).await, "it is another session");
    assert!(question.reply("late").await.unwrap_err().unavailable());
}
