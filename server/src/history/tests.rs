//! What histories promise, each promise by itself.

#![allow(clippy::panic, clippy::unwrap_used, reason = "this is test code")]

use rialto_proto::v1::{Durability, RefusalCode};

use super::{
    rig::{Rig, RigLog, Stored, sender, settings},
    *,
};
use crate::base::config::HistoryKind;

fn staged(outcome: Outcome) -> Staged {
    let Outcome::Staged(staged) = outcome else { panic!("{outcome:?}") };
    staged
}

#[test]
fn an_event_is_read_when_it_was_published_and_not_before() {
    let mut rig = Rig::durable();
    let event = staged(rig.stage(&["a"], 10, None).unwrap());
    assert_eq!(event.accepted.offset, Some(1));
    assert_eq!(event.accepted.durability(), Durability::Fsync);
    assert_eq!(rig.histories.head("n", "a"), None);
    rig.log.sync(1);
    rig.histories.publish(&event);
    let head = rig.histories.head("n", "a").unwrap();
    assert_eq!((head.first_offset, head.last_offset), (1, 1));
    assert_eq!(head.epoch.to_string(), event.accepted.epoch);
    assert_eq!(rig.ids("a"), ["event-1"]);
}

#[test]
fn an_event_to_several_rooms_has_a_place_in_each() {
    let mut rig = Rig::durable();
    rig.say("b");
    let event = staged(rig.stage(&["a", "b", "a"], 10, None).unwrap());
    let offsets: Vec<_> = event.accepted.positions.iter().map(|at| (at.room.as_str(), at.offset)).collect();
    assert_eq!(offsets, [("a", 1), ("b", 2)]);
    assert_eq!(event.accepted.offset, None);
    let inside = event.frame.events().remove(0);
    assert_eq!(inside.positions, event.accepted.positions);
}

#[test]
fn what_is_durable_is_there_and_shown_after_a_crash_and_what_is_not_is_not() {
    let mut rig = Rig::durable();
    let first = rig.say("a");
    staged(rig.stage(&["a"], 10, None).unwrap());
    rig.log.sync(1);
    staged(rig.stage(&["a"], 10, None).unwrap());
    rig.crash();
    assert_eq!(rig.ids("a"), ["event-1", "event-2"]);
    let next = rig.say("a");
    assert_eq!((next.accepted.offset, &next.accepted.epoch), (Some(3), &first.accepted.epoch));
}

#[test]
fn the_sender_that_does_not_hear_itself_is_known_after_a_crash() {
    let mut rig = Rig::durable();
    for _ in 0..3 {
        rig.say("a");
    }
    for _ in 0..2 {
        let page = rig.histories.read(("n", "a"), None, 1..=3, (9, 9_999)).unwrap();
        let excluded: Vec<_> = page.events.iter().map(|kept| kept.excluded).collect();
        assert_eq!(excluded, [None, None, Some(sender())]);
        rig.crash();
    }
}

#[test]
fn a_reader_is_told_what_is_gone_and_goes_on_after_it() {
    let mut rig = Rig::new(
        NamespaceSettings { history_events_max: 3, ..settings(HistoryKind::Memory) },
        Tuning::default(),
    );
    for _ in 0..5 {
        rig.say("a");
    }
    let page = rig.histories.read(("n", "a"), None, 2..=4, (9, 9_999)).unwrap();
    assert_eq!(page.gone, Some(2..=2));
    assert_eq!(page.events.iter().map(|kept| kept.offset).collect::<Vec<_>>(), [3, 4]);
    assert_eq!(page.next_offset(2), 5);
    let beyond = rig.histories.read(("n", "a"), None, 7..=9, (9, 9_999));
    assert!(matches!(beyond, Err(ReadError::Ahead(head)) if head.last_offset == 5), "{beyond:?}");
    let nothing = rig.histories.read(("n", "a"), None, 6..=9, (9, 9_999)).unwrap();
    assert!(nothing.events.is_empty() && nothing.gone.is_none());
    let other = rig.histories.read(("n", "a"), Some("0000000000000"), 1..=1, (9, 9_999));
    assert!(matches!(other, Err(ReadError::OtherEpoch(_))), "{other:?}");
}

#[test]
fn pages_end_at_their_bounds_and_say_that_there_is_more() {
    let mut rig = Rig::durable();
    for _ in 0..5 {
        rig.say("a");
    }
    let forward = rig.histories.read(("n", "a"), None, 1..=9, (2, 9_999)).unwrap();
    assert_eq!((forward.events.len(), forward.more, forward.next_offset(1)), (2, true, 3));
    let small = rig.histories.read(("n", "a"), None, 1..=9, (9, 1)).unwrap();
    assert_eq!((small.events.len(), small.more), (1, true));
    let newest = rig.histories.read_back(("n", "a"), None, None, (2, 9_999)).unwrap();
    assert_eq!(newest.events.iter().map(|kept| kept.offset).collect::<Vec<_>>(), [4, 5]);
    let before = rig.histories.read_back(("n", "a"), None, Some(4), (9, 9_999)).unwrap();
    assert_eq!((before.events.len(), before.more), (3, false));
}

#[test]
fn the_first_event_since_a_time_is_found() {
    let mut rig = Rig::durable();
    let start = rig.now;
    for _ in 0..3 {
        rig.say("a");
        rig.pass(1_000);
    }
    let at = |ms| rig.histories.offset_at("n", "a", start + Duration::from_millis(ms));
    assert_eq!([at(0), at(1), at(1_000), at(2_000), at(2_001)], [1, 2, 2, 3, 4].map(Some));
    assert_eq!(rig.histories.offset_at("n", "b", start), None);
}

#[test]
fn a_history_of_which_everything_is_too_old_is_forgotten_and_begins_a_new_life() {
    let mut rig = Rig::durable();
    let before = rig.say("a");
    rig.pass(8 * 24 * 3_600_000);
    rig.histories.sweep(rig.now);
    assert_eq!(rig.histories.head("n", "a"), None);
    rig.log.sync(usize::MAX);
    rig.now -= Duration::from_secs(8 * 24 * 3_600);
    rig.crash();
    assert_eq!(rig.histories.head("n", "a"), None, "what was forgotten comes back");
    let after = rig.say("a");
    assert_eq!(after.accepted.offset, Some(1));
    assert_ne!(after.accepted.epoch, before.accepted.epoch);
}

#[test]
fn a_full_disk_refuses_what_is_durable_and_takes_it_again_later() {
    let mut rig = Rig::durable();
    rig.log.set_full(true);
    let refusal = rig.stage(&["a"], 10, Some(("k", 1))).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::StorageFull);
    rig.log.set_full(false);
    let event = staged(rig.stage(&["a"], 10, Some(("k", 1))).unwrap());
    assert_eq!(event.accepted.offset, Some(1));
}

#[test]
fn a_namespace_keeps_a_bounded_number_of_rooms() {
    let mut rig =
        Rig::new(NamespaceSettings { rooms_max: 2, ..settings(HistoryKind::Memory) }, Tuning::default());
    rig.say("a");
    rig.say("b");
    assert_eq!(rig.stage(&["b", "c"], 1, None).unwrap_err().limit, "rooms_max");
    rig.say("b");
    rig.pass(8 * 24 * 3_600_000);
    rig.histories.sweep(rig.now);
    rig.say("c");
}

#[test]
fn an_event_that_comes_again_is_answered_as_before_also_after_a_crash() {
    let mut rig = Rig::durable();
    let event = staged(rig.stage(&["a"], 10, Some(("k", 1))).unwrap());
    let again = rig.stage(&["a"], 10, Some(("k", 1))).unwrap();
    assert!(
        matches!(again, Outcome::Seen(Seen::Pending(Some(at))) if Some(at) == event.position),
        "{again:?}"
    );
    rig.log.sync(usize::MAX);
    rig.histories.publish(&event);
    let accepted = rig.histories.answered(&event, 7);
    assert_eq!(accepted.recipients_here, 7);
    let named = Idempotency { user: "u", key: "k", digest: [1; 16] };
    let seen = rig.histories.seen_before("n", named);
    assert_eq!(seen, Some(Seen::Answered(v1_duplicate(accepted.clone()))));
    let other = Idempotency { digest: [2; 16], ..named };
    assert_eq!(rig.histories.seen_before("n", other), Some(Seen::Conflict));
    assert_eq!(rig.histories.seen_before("m", named), None);
    for _ in 0..2 {
        rig.crash();
        let told = rialto_proto::v1::Accepted { recipients_here: 0, ..v1_duplicate(accepted.clone()) };
        assert_eq!(rig.histories.seen_before("n", named), Some(Seen::Answered(told)));
        rig.histories.close().unwrap();
    }
    rig.pass(301_000);
    rig.histories.sweep(rig.now);
    assert_eq!(rig.histories.seen_before("n", named), None);
}

fn v1_duplicate(accepted: rialto_proto::v1::Accepted) -> rialto_proto::v1::Accepted {
    rialto_proto::v1::Accepted { duplicate: true, ..accepted }
}

#[test]
fn a_key_of_an_event_that_is_kept_nowhere_holds_and_can_be_given_back() {
    let mut rig = Rig::new(settings(HistoryKind::Off), Tuning::default());
    let event = staged(rig.stage(&["a"], 10, Some(("k", 1))).unwrap());
    assert!(!event.is_kept() && event.position.is_none());
    rig.histories.withdraw(&event);
    let event = staged(rig.stage(&["a"], 10, Some(("k", 1))).unwrap());
    rig.histories.publish(&event);
    rig.histories.withdraw(&event);
    let again = rig.stage(&["a"], 10, Some(("k", 1))).unwrap();
    assert!(matches!(again, Outcome::Seen(Seen::Answered(accepted)) if accepted.duplicate));
}

#[test]
fn the_oldest_keys_go_when_there_are_too_many() {
    let mut rig = Rig::new(settings(HistoryKind::Off), Tuning { keys_max: 2, ..Tuning::default() });
    for key in ["x", "y", "z"] {
        staged(rig.stage(&["a"], 1, Some((key, 1))).unwrap());
    }
    let seen =
        |key| rig.histories.seen_before("n", Idempotency { user: "u", key, digest: [1; 16] }).is_some();
    assert_eq!([seen("x"), seen("y"), seen("z")], [false, true, true]);
}

#[test]
fn offsets_that_were_given_in_memory_are_not_given_again_after_a_crash() {
    let mut rig = Rig::durable();
    let durable = rig.say("a");
    rig.keep(HistoryKind::Memory);
    let memory = staged(rig.stage(&["a"], 1, None).unwrap());
    assert_eq!(memory.accepted.epoch, durable.accepted.epoch);
    assert_eq!(memory.accepted.durability(), Durability::Memory);
    assert!(memory.position.is_some(), "the log must know first that it does not see everything");
    rig.log.sync(usize::MAX);
    rig.histories.publish(&memory);
    assert_eq!(rig.ids("a"), ["event-1", "event-2"]);
    assert_eq!(staged(rig.stage(&["a"], 1, None).unwrap()).position, None);
    rig.crash();
    assert_eq!(rig.ids("a"), ["event-1"], "what was kept is kept until it is too old");
    rig.keep(HistoryKind::Durable);
    let after = rig.say("a");
    assert_ne!(after.accepted.epoch, durable.accepted.epoch);
}

#[test]
fn a_history_that_has_missed_events_does_not_go_on() {
    let mut rig = Rig::durable();
    let before = rig.say("a");
    rig.keep(HistoryKind::Off);
    let missed = staged(rig.stage(&["a"], 1, None).unwrap());
    assert!(missed.accepted.offset.is_none() && missed.position.is_some());
    assert_eq!(rig.ids("a"), ["event-1"]);
    rig.keep(HistoryKind::Durable);
    let after = rig.say("a");
    assert_eq!(after.accepted.offset, Some(1));
    assert_ne!(after.accepted.epoch, before.accepted.epoch);
}

#[test]
fn that_a_history_went_on_in_memory_is_known_however_often_the_log_was_cleaned() {
    let bounded = NamespaceSettings { history_events_max: 5, ..settings(HistoryKind::Durable) };
    let tuning = Tuning {
        clean_floor_bytes: 0,
        clean_step_bytes: 500,
        snapshot_every_bytes: u64::MAX,
        ..Tuning::default()
    };
    let mut rig = Rig::new(bounded, tuning);
    let durable = rig.say("a");
    rig.keep(HistoryKind::Memory);
    rig.say("a");
    rig.keep(HistoryKind::Durable);
    for _ in 0..2 {
        for _ in 0..100 {
            rig.say("busy");
            rig.histories.maintain().unwrap();
        }
        assert!(rig.log.bounds().0 > Position(5_000));
        rig.crash();
    }
    assert_eq!(rig.ids("a"), ["event-1"]);
    assert_ne!(rig.say("a").accepted.epoch, durable.accepted.epoch);
}

#[test]
fn records_that_are_not_known_are_refused() {
    let log = RigLog::new(Stored::default());
    log.append_raw(&[0x7a, 1, 0]);
    let settings: SettingsOf = Arc::new(|_| None);
    let opened = Histories::open(Some(log), settings, SystemTime::UNIX_EPOCH, Tuning::default());
    assert_eq!(opened.err(), Some(OpenError::Unknown(Position(0))));
}

#[test]
fn what_is_durable_is_refused_without_a_log() {
    let open = || Histories::open(None, Arc::new(|_| None), SystemTime::UNIX_EPOCH, Tuning::default());
    let mut rig = Rig::durable();
    rig.histories = Arc::new(open().unwrap());
    assert_eq!(rig.stage(&["a"], 1, None).unwrap_err().code, RefusalCode::StorageFailed);
}

#[test]
fn where_the_log_has_lost_something_no_offset_is_given_again_also_after_a_crash() {
    for crashes in [false, true] {
        let mut rig = Rig::durable();
        let before = rig.say("a");
        rig.say("a");
        rig.histories.begin_anew().unwrap();
        rig.log.sync(usize::MAX);
        if crashes {
            rig.crash();
        }
        assert_eq!(rig.ids("a"), ["event-1", "event-2"], "what is left is read");
        let next = rig.say("a");
        assert_eq!(next.accepted.offset, Some(1));
        assert_ne!(next.accepted.epoch, before.accepted.epoch);
    }
}
