//! Histories used by many at once: events come, are shown, read and cleaned away under each other. What must hold at each
//! moment is looked at from outside.

#![allow(clippy::panic, clippy::unwrap_used, reason = "this is test code")]

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use parking_lot::Mutex;

use super::{
    rig::{Rig, settings},
    *,
};
use crate::base::config::HistoryKind;

const ROOMS: [&str; 3] = ["a", "b", "c"];

fn small() -> Tuning {
    Tuning {
        cache_room_bytes: 300,
        clean_floor_bytes: 4_000,
        clean_step_bytes: 2_000,
        snapshot_every_bytes: 20_000,
        ..Tuning::default()
    }
}

fn read_whole(histories: &Histories, room: &str) -> usize {
    let mut from = 1;
    let mut read = 0;
    loop {
        let page = match histories.read(("n", room), None, from..=u64::MAX, (7, usize::MAX)) {
            Ok(page) => page,
            Err(ReadError::None) => return 0,
            Err(error) => panic!("{error}"),
        };
        let first = page.gone.as_ref().map_or(from, |gone| gone.end() + 1);
        for (kept, offset) in page.events.iter().zip(first..) {
            let event = kept.frame.events().remove(0);
            let named = |at: &rialto_proto::v1::RoomPosition| at.room == room && at.offset == offset;
            assert_eq!(kept.offset, offset, "a hole");
            assert!(event.offset == Some(offset) || event.positions.iter().any(named), "another event");
            read += 1;
        }
        from = page.next_offset(from);
        if !page.more {
            return read;
        }
    }
}

#[test]
fn readers_see_no_hole_while_others_write_and_the_log_is_cleaned() {
    let bounded = NamespaceSettings { history_events_max: 40, ..settings(HistoryKind::Durable) };
    let rig = Rig::new(bounded, small());
    let (log, histories) = (Arc::clone(&rig.log), rig.shared());
    let rig = Mutex::new(rig);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let writers: Vec<_> = (0..2)
            .map(|writer| {
                let (rig, log, histories) = (&rig, &log, &histories);
                scope.spawn(move || {
                    for turn in 0..400 {
                        let room = ROOMS[(turn + writer) % 3];
                        let rooms = if turn % 9 == 0 { vec![room, ROOMS[turn % 3]] } else { vec![room] };
                        let staged = rig.lock().stage(&rooms, turn % 50, None).unwrap();
                        let Outcome::Staged(staged) = staged else { panic!("seen before") };
                        log.sync(usize::MAX);
                        histories.publish(&staged);
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                histories.maintain().unwrap();
                thread::yield_now();
            }
        });
        for room in ["a", "b"] {
            let (done, histories) = (&done, &histories);
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    read_whole(histories, room);
                }
            });
        }
        for writer in writers {
            writer.join().unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    histories.check();
    while histories.maintain().unwrap().is_some() {
        log.sync(usize::MAX);
    }
    assert_eq!(ROOMS.map(|room| read_whole(&histories, room)), [40; 3]);
    assert!(log.bounds().0 > Position(0), "the log was never cut");
}

#[test]
fn the_log_does_not_grow_without_bound_and_nothing_is_lost_by_that() {
    let bounded = NamespaceSettings { history_events_max: 20, ..settings(HistoryKind::Durable) };
    let mut rig = Rig::new(bounded, small());
    // It is spoken to once, and stands in the oldest part of the log from then on.
    let quiet = rig.say("quiet");
    for turn in 0..2_000 {
        rig.say("busy");
        rig.histories.maintain().unwrap();
        rig.histories.check();
        assert!(rig.log.bytes() < 20_000, "{} bytes after {turn} events", rig.log.bytes());
        if turn % 250 == 249 {
            rig.crash();
        }
    }
    assert_eq!(rig.ids("quiet"), [quiet.accepted.event_id]);
    assert_eq!(rig.ids("busy").len(), 20);
}

#[test]
fn a_start_reads_only_what_came_after_the_snapshot() {
    let mut rig = Rig::durable();
    for _ in 0..100 {
        rig.say("a");
    }
    rig.histories.close().unwrap();
    rig.say("a");
    rig.crash();
    assert_eq!(rig.ids("a").len(), 101);
    assert!(rig.histories.books.appended.load(Ordering::Relaxed) < 500, "the whole log was read");
}

#[test]
fn the_newest_events_are_read_from_memory_also_after_a_start_once_somebody_has_asked() {
    let mut rig = Rig::durable();
    for _ in 0..60 {
        rig.say("a");
    }
    rig.crash();
    let newest = |rig: &Rig| {
        let page = rig.histories.read_back(("n", "a"), None, None, (50, usize::MAX)).unwrap();
        page.events.len()
    };
    assert_eq!(newest(&rig), 50);
    let read = rig.log.reads();
    assert_eq!((newest(&rig), rig.log.reads()), (50, read));
}
