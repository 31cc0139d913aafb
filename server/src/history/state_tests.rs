//! What keyed state promises, each promise by itself.

#![allow(clippy::panic, clippy::unwrap_used, reason = "this is test code")]

use rialto_proto::v1::{Durability, Sender, set_state};

use super::{
    rig::{Rig, settings},
    *,
};
use crate::{base::config::HistoryKind, wire::state::SetState};

fn change(key: &str, value: Option<&str>) -> SetState {
    SetState {
        namespace: "n".parse().unwrap(),
        room: "a".parse().unwrap(),
        key: key.to_owned(),
        body: value.map(|value| set_state::Body::Text(value.to_owned())),
        content_type: String::new(),
        expected_revision: None,
        expires_in: None,
    }
}

fn set(rig: &Rig, key: &str, value: Option<&str>) -> StagedState {
    let settings = rig.settings.lock().clone();
    let staged =
        rig.histories.stage_state(&settings, change(key, value), Sender::default(), rig.now).unwrap();
    rig.log.sync(usize::MAX);
    rig.histories.publish_state(&staged);
    staged
}

fn refused(rig: &Rig, set: SetState) -> Refusal {
    let settings = rig.settings.lock().clone();
    rig.histories.stage_state(&settings, set, Sender::default(), rig.now).unwrap_err()
}

/// Reads page by page; how many pages began anew, and the entries of all.
fn follow(rig: &Rig, mut cursor: Option<StateCursor>, bytes_max: usize) -> (usize, Vec<(String, bool)>) {
    let (mut resets, mut entries) = (0, Vec::new());
    for _ in 0..100 {
        let page = rig.histories.state_changes_since("n", "a", cursor.as_ref(), bytes_max);
        resets += usize::from(page.reset);
        entries.extend(page.entries.into_iter().map(|entry| (entry.key, entry.body.is_some())));
        if page.complete {
            return (resets, entries);
        }
        cursor = Some(page.next);
    }
    panic!("the pages never end");
}

fn few_tombstones() -> Rig {
    let tuning = Tuning {
        tombstones_max: 2,
        clean_floor_bytes: 0,
        clean_step_bytes: 500,
        snapshot_every_bytes: u64::MAX,
        ..Tuning::default()
    };
    Rig::new(settings(HistoryKind::Durable), tuning)
}

#[test]
fn a_value_is_set_only_when_the_key_has_the_expected_revision() {
    let rig = Rig::durable();
    let first = set(&rig, "k", Some("1"));
    assert_eq!((first.set.revision, first.set.durability()), (1, Durability::Fsync));
    let conflict = refused(&rig, SetState { expected_revision: Some(0), ..change("k", Some("2")) });
    assert_eq!((conflict.code, conflict.revision), (RefusalCode::Conflict, Some(1)));
    let conflict = refused(&rig, SetState { expected_revision: Some(1), ..change("l", Some("2")) });
    assert_eq!(conflict.revision, Some(0));
    // What was taken counts, though nobody has seen it.
    let settings = rig.settings.lock().clone();
    let set = SetState { expected_revision: Some(1), ..change("k", Some("2")) };
    rig.histories.stage_state(&settings, set.clone(), Sender::default(), rig.now).unwrap();
    assert_eq!(refused(&rig, set).revision, Some(2));
}

#[test]
fn the_state_of_a_room_is_bounded_in_bytes() {
    let tuning = Tuning { state_bytes_max: 20, ..Tuning::default() };
    let rig = Rig::new(settings(HistoryKind::Memory), tuning);
    set(&rig, "k", Some("0123456789"));
    assert_eq!(refused(&rig, change("l", Some("0123456789"))).limit, "state_bytes_max");
    set(&rig, "k", Some("012345678901234567"));
    let settings = NamespaceSettings { payload_bytes_max: 3, ..settings(HistoryKind::Memory) };
    let large = rig.histories.stage_state(&settings, change("k", Some("0123")), Sender::default(), rig.now);
    assert_eq!(large.unwrap_err().code, RefusalCode::PayloadTooLarge);
}

#[test]
fn a_reader_that_was_away_hears_what_was_taken_away() {
    let rig = few_tombstones();
    let first = set(&rig, "k", Some("1"));
    set(&rig, "l", Some("1"));
    set(&rig, "k", None);
    let cursor = StateCursor::after(first.set.epoch, 1);
    let expected = vec![("l".to_owned(), true), ("k".to_owned(), false)];
    assert_eq!(follow(&rig, Some(cursor), 1), (0, expected));
}

#[test]
fn a_reader_that_was_away_for_too_long_begins_anew_also_after_a_crash() {
    let mut rig = few_tombstones();
    let first = set(&rig, "k", Some("1"));
    let cursor = StateCursor::after(first.set.epoch, 1);
    set(&rig, "k", None);
    for key in ["l", "m"] {
        set(&rig, key, Some("1"));
        set(&rig, key, None);
    }
    set(&rig, "n", Some("1"));
    for _ in 0..2 {
        assert_eq!(follow(&rig, Some(cursor.clone()), 1), (1, vec![("n".to_owned(), true)]));
        rig.crash();
        // Until no record of the key is left.
        for _ in 0..60 {
            set(&rig, "n", Some("1"));
            rig.histories.maintain().unwrap();
            rig.log.sync(usize::MAX);
        }
        assert!(rig.log.bounds().0 > Position(500));
        rig.crash();
    }
}

#[test]
fn who_begins_anew_comes_to_an_end_though_much_was_taken_away() {
    let rig = few_tombstones();
    for key in ["a", "b", "c", "d"] {
        set(&rig, key, Some("1"));
    }
    for _ in 0..5 {
        set(&rig, "x", Some("1"));
        set(&rig, "x", None);
    }
    for key in ["y", "z", "w"] {
        set(&rig, key, Some("1"));
        set(&rig, key, None);
    }
    let expected: Vec<_> = ["a", "b", "c", "d"].map(|key| (key.to_owned(), true)).into();
    assert_eq!(follow(&rig, None, 1), (1, expected));
}

#[test]
fn a_value_expires_also_after_a_crash() {
    let mut rig = Rig::durable();
    let settings = rig.settings.lock().clone();
    let set = SetState { expires_in: Some(Duration::from_secs(5)), ..change("k", Some("1")) };
    let staged = rig.histories.stage_state(&settings, set, Sender::default(), rig.now).unwrap();
    rig.log.sync(usize::MAX);
    rig.histories.publish_state(&staged);
    let due = rig.now + Duration::from_secs(5);
    rig.crash();
    let expired = rig.histories.expire_state(rig.now);
    assert!(expired.staged.is_empty() && expired.next == Some(due));
    rig.pass(5_000);
    let expired = rig.histories.expire_state(rig.now);
    assert_eq!((expired.staged.len(), expired.next), (1, None));
    rig.log.sync(usize::MAX);
    rig.histories.publish_state(&expired.staged[0]);
    let page = rig.histories.state_page(("n", "a"), &[], None, (9, 999));
    assert_eq!((page.total_count, page.revision), (0, 2));
}

#[test]
fn a_value_expires_when_the_one_before_it_would_have() {
    let mut rig = Rig::durable();
    let settings = rig.settings.lock().clone();
    let due = rig.now + Duration::from_secs(5);
    for (value, left) in [("1", 5), ("2", 3)] {
        let expires_in = Some(Duration::from_secs(left));
        let set = SetState { expires_in, ..change("k", Some(value)) };
        let staged = rig.histories.stage_state(&settings, set, Sender::default(), rig.now).unwrap();
        rig.log.sync(usize::MAX);
        rig.histories.publish_state(&staged);
        rig.pass(2_000);
    }
    assert_eq!(rig.histories.expire_state(rig.now).next, Some(due));
    rig.pass(1_000);
    assert_eq!(rig.histories.expire_state(rig.now).staged.len(), 1);
}

#[test]
fn a_state_without_keys_is_forgotten_and_begins_a_new_life() {
    let mut rig = Rig::durable();
    let first = set(&rig, "k", Some("1"));
    set(&rig, "k", None);
    rig.pass(3_700_000);
    rig.histories.sweep(rig.now);
    rig.log.sync(usize::MAX);
    rig.now -= Duration::from_secs(3_700);
    rig.crash();
    let page = rig.histories.state_page(("n", "a"), &[], None, (9, 999));
    assert_eq!(page.epoch, None, "what was forgotten comes back");
    let second = set(&rig, "k", Some("1"));
    assert_eq!(second.set.revision, 1);
    assert_ne!(second.set.epoch, first.set.epoch);
}

#[test]
fn pages_by_name_end_at_their_bounds() {
    let rig = Rig::new(settings(HistoryKind::Off), Tuning::default());
    for key in ["c", "a", "d", "b"] {
        set(&rig, key, Some("1"));
    }
    set(&rig, "d", None);
    let names = |page: &StateKeys| page.entries.iter().map(|entry| entry.key.clone()).collect::<Vec<_>>();
    let page = rig.histories.state_page(("n", "a"), &[], None, (2, 999));
    assert_eq!((names(&page), page.more, page.total_count), (vec!["a".to_owned(), "b".to_owned()], true, 3));
    let page = rig.histories.state_page(("n", "a"), &[], Some("b"), (2, 999));
    assert_eq!((names(&page), page.more), (vec!["c".to_owned()], false));
    let keys = ["d", "c", "x", "c"].map(str::to_owned);
    let page = rig.histories.state_page(("n", "a"), &keys, None, (9, 999));
    assert_eq!(names(&page), ["c"]);
    assert_eq!(set(&rig, "a", Some("2")).set.durability(), Durability::Memory);
}

#[test]
fn where_the_log_has_lost_something_the_state_is_another_one_with_the_same_keys() {
    for crashes in [false, true] {
        let mut rig = Rig::durable();
        set(&rig, "a", Some("1"));
        set(&rig, "b", Some("2"));
        let before = set(&rig, "b", None).set;
        rig.histories.begin_anew().unwrap();
        rig.log.sync(usize::MAX);
        if crashes {
            rig.crash();
        }
        let cursor = StateCursor::after(before.epoch.as_str(), before.revision);
        let (resets, entries) = follow(&rig, Some(cursor), usize::MAX);
        assert_eq!((resets, entries), (1, vec![("a".to_owned(), true)]));
        let next = set(&rig, "c", Some("3")).set;
        assert_ne!(next.epoch, before.epoch);
        assert_eq!(next.revision, before.revision + 1);
    }
}
