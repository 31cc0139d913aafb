//! Positions by examples, and against a model that remembers everything.

use super::*;

const CHAT: &str = "chat";

fn join(recover: &[(&str, u64)], newest: u32) -> v1::Join {
    let recover = recover.iter().map(|(room, offset)| at(room, *offset)).collect();
    v1::Join { namespace: CHAT.into(), recover, newest, ..v1::Join::default() }
}

fn at(room: &str, offset: u64) -> v1::RoomPosition {
    v1::RoomPosition { room: room.into(), epoch: "e".into(), offset }
}

fn state(room: &str, offset: u64, recovery: v1::Recovery) -> v1::RoomState {
    v1::RoomState {
        room: room.into(),
        epoch: "e".into(),
        offset: Some(offset),
        first_offset: Some(1),
        recovery: recovery.into(),
        ..v1::RoomState::default()
    }
}

fn joined(rooms: Vec<v1::RoomState>) -> v1::Joined {
    v1::Joined { namespace: CHAT.into(), rooms }
}

fn in_room(offset: u64) -> Positions {
    let mut positions = Positions::default();
    positions.joined(&join(&[], 0), &joined(vec![state("a", offset, v1::Recovery::Unspecified)]));
    positions
}

fn event(room: &str, offset: u64) -> v1::Event {
    v1::Event {
        namespace: CHAT.into(),
        rooms: vec![room.into()],
        offset: Some(offset),
        epoch: "e".into(),
        ..v1::Event::default()
    }
}

fn event_in_both(a: u64, b: u64) -> v1::Event {
    v1::Event {
        namespace: CHAT.into(),
        rooms: vec!["a".into(), "b".into()],
        positions: vec![at("a", a), at("b", b)],
        ..v1::Event::default()
    }
}

fn emit(include_sender: bool) -> v1::Emit {
    let target = v1::Target { rooms: vec!["a".into()], include_sender, ..v1::Target::default() };
    v1::Emit { namespace: CHAT.into(), target: Some(target), ..v1::Emit::default() }
}

fn accepted(offset: u64) -> v1::Accepted {
    v1::Accepted { offset: Some(offset), epoch: "e".into(), ..v1::Accepted::default() }
}

fn offset(positions: &Positions, room: &str) -> Option<u64> {
    positions.of(CHAT, room).map(|at| at.offset)
}

#[test]
fn a_room_without_history_has_no_position() {
    let mut positions = in_room(3);
    let bare = v1::RoomState { room: "a".into(), ..v1::RoomState::default() };
    positions.joined(&join(&[], 0), &joined(vec![bare]));
    assert_eq!(offset(&positions, "a"), None);
    assert!(positions.is_new(&event("a", 1)) && positions.is_new(&event("a", 1)));
}

#[test]
fn an_event_is_new_once() {
    let mut positions = in_room(3);
    let news: Vec<bool> = [3, 4, 4, 6, 5, 7].map(|number| positions.is_new(&event("a", number))).into();
    assert_eq!(news, [false, true, false, true, false, true]);
    assert_eq!(offset(&positions, "a"), Some(7));
}

#[test]
fn what_was_asked_for_as_newest_is_still_to_come() {
    for (first, newest, expected) in [(1, 10, 90), (95, 10, 94), (1, 200, 0), (1, 0, 100)] {
        let mut positions = Positions::default();
        let state = v1::RoomState { first_offset: Some(first), ..state("a", 100, v1::Recovery::Unspecified) };
        positions.joined(&join(&[], newest), &joined(vec![state]));
        assert_eq!(offset(&positions, "a"), Some(expected), "newest {newest} from {first}");
    }
}

#[test]
fn what_is_recovered_is_still_to_come_and_what_is_lost_is_not_taken_for_had() {
    for recovery in [v1::Recovery::Whole, v1::Recovery::Partial, v1::Recovery::Lost] {
        let mut positions = in_room(5);
        positions.joined(&join(&[("a", 5)], 3), &joined(vec![state("a", 9, recovery)]));
        assert_eq!(offset(&positions, "a"), Some(5), "{recovery:?}");
    }
}

#[test]
fn all_that_another_life_of_the_history_keeps_is_still_to_come() {
    let mut positions = in_room(50);
    let other = v1::RoomState { epoch: "f".into(), ..state("a", 3, v1::Recovery::Lost) };
    positions.joined(&join(&[("a", 50)], 0), &joined(vec![other]));
    let expected = v1::RoomPosition { room: "a".into(), epoch: "f".into(), offset: 0 };
    assert_eq!(positions.of(CHAT, "a"), Some(expected));
    assert!(positions.is_new(&v1::Event { epoch: "f".into(), ..event("a", 1) }));
}

#[test]
fn a_history_without_an_event_has_a_position_and_takes_its_epoch_from_the_first() {
    let empty = || {
        let mut positions = Positions::default();
        let empty = v1::RoomState {
            epoch: String::new(),
            first_offset: None,
            ..state("a", 0, v1::Recovery::Unspecified)
        };
        positions.joined(&join(&[], 0), &joined(vec![empty]));
        positions
    };
    let none = v1::RoomPosition { room: "a".into(), epoch: String::new(), offset: 0 };
    assert_eq!(empty().of(CHAT, "a"), Some(none.clone()));

    let mut heard = empty();
    assert!(heard.is_new(&event("a", 1)) && !heard.is_new(&event("a", 1)));
    assert_eq!(heard.of(CHAT, "a"), Some(at("a", 1)));

    let mut said = empty();
    said.accepted(&emit(false), &accepted(1));
    assert_eq!(said.of(CHAT, "a"), Some(at("a", 1)));

    let mut away = empty();
    away.ended("before".into());
    let asked = v1::Join { recover: vec![none], ..join(&[], 0) };
    away.joined(&asked, &joined(vec![state("a", 2, v1::Recovery::Whole)]));
    assert_eq!(away.of(CHAT, "a"), Some(at("a", 0)));
    let sender = v1::Sender { session: "before".into(), ..v1::Sender::default() };
    assert!(!away.is_new(&v1::Event { sender: Some(sender), ..event("a", 1) }), "it has said that itself");
    assert!(away.is_new(&event("a", 2)));
}

#[test]
fn joining_once_more_moves_nothing() {
    let mut positions = in_room(5);
    positions.joined(&join(&[], 50), &joined(vec![state("a", 9, v1::Recovery::Unspecified)]));
    assert_eq!(offset(&positions, "a"), Some(5));
}

#[test]
fn another_epoch_begins_anew() {
    let mut positions = in_room(50);
    let other = v1::Event { epoch: "f".into(), ..event("a", 1) };
    assert!(positions.is_new(&other));
    assert!(!positions.is_new(&other));
    let expected = v1::RoomPosition { room: "a".into(), epoch: "f".into(), offset: 1 };
    assert_eq!(positions.of(CHAT, "a"), Some(expected));
}

#[test]
fn an_own_emit_does_not_overtake_what_others_said_before() {
    let mut positions = in_room(5);
    positions.accepted(&emit(false), &accepted(8));
    assert_eq!(offset(&positions, "a"), Some(5));
    assert!(positions.is_new(&event("a", 6)) && positions.is_new(&event("a", 7)));
    assert_eq!(offset(&positions, "a"), Some(8));
    assert!(!positions.is_new(&event("a", 8)));
    positions.accepted(&emit(false), &accepted(9));
    assert_eq!(offset(&positions, "a"), Some(9));
}

#[test]
fn an_emit_that_comes_back_as_an_event_is_not_taken_for_had() {
    let mut positions = in_room(5);
    positions.accepted(&emit(true), &accepted(6));
    assert!(positions.is_new(&event("a", 6)));
    positions.accepted(&emit(false), &v1::Accepted { duplicate: true, ..accepted(7) });
    assert!(positions.is_new(&event("a", 7)));
}

#[test]
fn an_event_to_two_rooms_comes_once_and_hides_nothing_of_either() {
    let mut positions = in_room(5);
    positions.joined(&join(&[], 0), &joined(vec![state("b", 7, v1::Recovery::Unspecified)]));
    assert!(positions.is_new(&event_in_both(6, 9)));
    assert_eq!((offset(&positions, "a"), offset(&positions, "b")), (Some(6), Some(7)));
    assert!(positions.is_new(&event("b", 8)));
    assert!(!positions.is_new(&event_in_both(6, 9)));
    assert_eq!(offset(&positions, "b"), Some(9));
}

#[test]
fn what_is_told_as_missed_does_not_come() {
    let mut positions = in_room(5);
    let missed = v1::Missed {
        namespace: CHAT.into(),
        rooms: vec!["a".into()],
        from_offset: Some(6),
        to_offset: Some(8),
        epoch: "e".into(),
        ..v1::Missed::default()
    };
    positions.missed(&missed);
    assert_eq!(offset(&positions, "a"), Some(8));
}

#[test]
fn what_a_former_session_said_is_not_heard_when_it_is_recovered() {
    let own = |number| {
        let sender = v1::Sender { session: "before".into(), ..v1::Sender::default() };
        v1::Event { sender: Some(sender), ..event("a", number) }
    };
    for (echoes, expected) in [(false, false), (true, true)] {
        let mut positions = in_room(5);
        positions.emits(&emit(echoes));
        positions.ended("before".into());
        positions.joined(&join(&[("a", 5)], 0), &joined(vec![state("a", 7, v1::Recovery::Whole)]));
        assert_eq!(positions.is_new(&own(6)), expected);
        assert!(positions.is_new(&event("a", 7)));
        assert!(positions.is_new(&own(8)), "it is not out of what is recovered");
    }
}

#[test]
fn a_room_that_was_parted_is_forgotten() {
    let mut positions = in_room(5);
    positions.parted(CHAT, &["a".into()]);
    assert_eq!(offset(&positions, "a"), None);
    let mut positions = in_room(5);
    positions.left(CHAT);
    assert_eq!(offset(&positions, "a"), None);
}

#[test]
fn marks_agree_with_a_set_of_numbers() {
    let mut position = Position::at("e", 0);
    let mut model = std::collections::BTreeSet::new();
    // Steps that share no divisor with the modulus visit every number out of turn.
    for step in 0..97_u64 {
        let offset = 1 + step * 31 % 97;
        position.mark(offset);
        model.insert(offset);
        let whole = (1..=97).take_while(|number| model.contains(number)).last().unwrap_or(0);
        assert_eq!(position.offset, whole);
        for number in 1..=97 {
            assert_eq!(position.has(number), model.contains(&number), "{number} after {offset}");
        }
    }
    assert!(position.had.is_empty());
}

#[test]
fn ranges_are_bounded() {
    let mut position = Position::at("e", 0);
    for step in 1..1000 {
        position.mark(step * 2);
        assert!(position.had.len() <= RANGES_MAX);
    }
    assert!(position.has(1998) && !position.has(1999));
    assert!(
        position.offset == 0 && !position.has(2),
        "what was forgotten may come again, and nothing is skipped"
    );
}

#[test]
fn the_position_of_a_room_that_was_left_is_still_told() {
    let mut positions = in_room(3);
    positions.is_new(&event("a", 4));
    positions.parted(CHAT, &["a".to_owned()]);
    assert_eq!((positions.of(CHAT, "a"), positions.last(CHAT, "a")), (None, Some(at("a", 4))));
    positions.joined(&join(&[("a", 2)], 0), &joined(vec![state("a", 9, v1::Recovery::Whole)]));
    assert_eq!(positions.last(CHAT, "a"), Some(at("a", 2)), "the application has asked for what came after");
    positions.left(CHAT);
    assert_eq!(positions.last(CHAT, "a"), Some(at("a", 2)));
}

#[test]
fn who_asks_to_recover_without_the_right_stays_where_it_was() {
    let mut positions = Positions::default();
    positions.joined(&join(&[("a", 5)], 0), &joined(vec![state("a", 9, v1::Recovery::Lost)]));
    assert_eq!(offset(&positions, "a"), Some(5));
}

#[test]
fn what_comes_out_of_a_history_is_past_and_what_comes_then_is_not() {
    let mut positions = Positions::default();
    positions.joined(&join(&[], 2), &joined(vec![state("a", 9, v1::Recovery::Unspecified)]));
    let past: Vec<bool> = (8..11).map(|offset| positions.is_past(&event("a", offset))).collect();
    assert_eq!(past, [true, true, false]);
    let mut positions = in_room(3);
    positions.joined(&join(&[("a", 3)], 0), &joined(vec![state("a", 5, v1::Recovery::Whole)]));
    assert!(positions.is_past(&event("a", 5)) && !positions.is_past(&event("a", 6)));
    assert!(!positions.is_past(&event("elsewhere", 1)));
}
