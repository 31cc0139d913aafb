//! Streams that are lost: a session that goes on, and one that is lost with its stream.

use std::future::IntoFuture;

use rialto_proto::v1::{self, client_frame::Command as Wire};

use super::{stage::*, *};
use crate::{
    event::Events,
    namespace::Namespace,
    room::JoinOptions,
    status::{Missed, MissedCause, Report},
};

/// Uses a stream until the server has played its part.
macro_rules! scene {
    ($opening:expr, $far:expr, $kept:expr, $server:expr) => {{
        let (ending, outcome) = tokio::join!(converse($opening, &mut $far, &mut $kept), $server);
        $kept.ended(&ending);
        outcome
    }};
}

async fn names(events: &mut Events, count: usize) -> Vec<String> {
    let mut names = Vec::new();
    while names.len() < count {
        names.push(events.next().await.unwrap().name().to_owned());
    }
    names
}

/// Joins a room with history at `offset`.
async fn join_at(chat: &Namespace, stage: &mut Stage, offset: u64) {
    let room = chat.room("general");
    let serve = async {
        let (number, _) = stage.hears().await;
        stage.says(number, joined_at("general", offset, v1::Recovery::Unspecified)).await;
    };
    tokio::join!(room.join(), serve).0.unwrap();
}

#[tokio::test]
async fn a_session_goes_on_after_the_last_frame_that_was_handed_on() {
    let (link, mut far) = attached();
    let mut kept = Kept::default();
    let mut events = chat(&link).events();
    let (mut stage, opening) = next_stage(&kept, new_session("one"));
    scene!(opening, far, kept, async {
        stage.says(0, event(1)).await;
        stage.says(0, event(2)).await;
        assert_eq!(names(&mut events, 2).await, ["1", "2"]);
        drop(stage);
    });
    let (mut stage, opening) = next_stage(&kept, same_session("one", 0));
    let resume =
        v1::Resume { session_id: "one".into(), session_secret: "secret".into(), seq: 3, afresh: true };
    assert_eq!(stage.greeting.resume, Some(resume));
    scene!(opening, far, kept, async {
        stage.says(0, event(3)).await;
        assert_eq!(names(&mut events, 1).await, ["3"]);
        drop(stage);
    });
    assert_eq!(kept.greeting().resume.unwrap().seq, 4);
}

#[tokio::test]
async fn frames_without_a_number_move_nothing() {
    let (link, mut far) = attached();
    let mut kept = Kept::default();
    let mut events = chat(&link).events();
    let (mut stage, opening) = next_stage(&kept, new_session("one"));
    scene!(opening, far, kept, async {
        stage.sends(0, 0, event(1)).await;
        stage.says(0, event(2)).await;
        assert_eq!(names(&mut events, 2).await, ["1", "2"]);
        drop(stage);
    });
    assert_eq!(kept.greeting().resume.unwrap().seq, 2);
}

#[tokio::test]
async fn a_session_that_goes_on_joins_nothing_again() {
    let (link, mut far) = attached();
    let mut kept = Kept::default();
    let (mut stage, opening) = next_stage(&kept, new_session("one"));
    scene!(opening, far, kept, async {
        join_at(&chat(&link), &mut stage, 7).await;
        drop(stage);
    });
    let (stage, opening) = next_stage(&kept, same_session("one", 1));
    assert_eq!(stage.greeting.joins.len(), 1, "for the case that it cannot go on");
    let said = scene!(opening, far, kept, stage.hears_out());
    assert_eq!(said, []);
}

#[tokio::test]
async fn what_the_server_has_not_taken_is_sent_again_under_its_number() {
    let (link, mut far) = attached();
    let mut kept = Kept::default();
    let room = chat(&link).room("general");
    let (mut stage, opening) = next_stage(&kept, new_session("one"));
    let (first, second) = (room.emit("1", "").into_future(), room.emit("2", "").into_future());
    let (third, fourth) = (room.emit("3", "").into_future(), room.emit("4", "").into_future());
    let emits = async { tokio::join!(first, second, third, fourth) };
    let server = async {
        scene!(opening, far, kept, async {
            for _ in 0..4 {
                stage.hears().await;
            }
            stage.says(1, accepted("a")).await;
            drop(stage);
        });
        let (mut stage, opening) = next_stage(&kept, same_session("one", 2));
        scene!(opening, far, kept, async {
            let again = [stage.hears().await, stage.hears().await];
            assert_eq!(again.each_ref().map(|(number, wire)| (*number, emitted(wire))), [(3, "3"), (4, "4")]);
            for (number, id) in [(2, "b"), (3, "c"), (4, "d")] {
                stage.says(number, accepted(id)).await;
            }
            stage.says(0, event(0)).await;
            drop(stage);
        });
    };
    let ((first, second, third, fourth), ()) = tokio::join!(emits, server);
    let ids = [first, second, third, fourth].map(|accepted| accepted.unwrap().event_id);
    assert_eq!(ids, ["a", "b", "c", "d"]);
    kept.send(Command { wire: Wire::Ping(v1::Ping {}), awaiting: Awaiting::Rejoin });
    assert_eq!(kept.next_message(Instant::now())[0].r#ref, 5, "numbers go on rising");
}

#[tokio::test]
async fn what_a_lost_session_has_not_answered_is_sent_again_with_its_key_and_in_order() {
    let (link, mut far) = attached();
    let mut kept = Kept::default();
    let room = chat(&link).room("general");
    let (mut stage, opening) = next_stage(&kept, new_session("one"));
    let (first, second) = (room.emit("1", "").into_future(), room.emit("2", "").into_future());
    let emits = async { tokio::join!(first, second) };
    let key = |wire: &Wire| match wire {
        Wire::Emit(emit) => emit.idempotency_key.clone(),
        _ => String::new(),
    };
    let server = async {
        let before = scene!(opening, far, kept, async {
            let before = [stage.hears().await, stage.hears().await];
            drop(stage);
            before
        });
        room.emit("3", "").post().await.unwrap();
        let (mut stage, opening) = next_stage(&kept, new_session("two"));
        scene!(opening, far, kept, async {
            let again = [stage.hears().await, stage.hears().await];
            assert_eq!(again.each_ref().map(|(number, wire)| (*number, emitted(wire))), [(1, "1"), (2, "2")]);
            assert_eq!(
                again.each_ref().map(|(_, wire)| key(wire)),
                before.each_ref().map(|(_, wire)| key(wire))
            );
            assert!(key(&again[0].1).len() == 32 && key(&again[0].1) != key(&again[1].1));
            assert_eq!(emitted(&stage.hears().await.1), "3");
            stage.says(1, accepted("a")).await;
            stage.says(2, accepted("b")).await;
            stage.says(0, event(0)).await;
            drop(stage);
        });
    };
    let ((first, second), ()) = tokio::join!(emits, server);
    assert_eq!((first.unwrap().event_id, second.unwrap().event_id), ("a".into(), "b".into()));
}

#[tokio::test]
async fn what_could_take_effect_twice_has_an_unknown_outcome() {
    let (link, mut far) = attached();
    let mut kept = Kept::default();
    let state = chat(&link).room("general").state();
    let (mut stage, opening) = next_stage(&kept, new_session("one"));
    let set = state.set("key", "value").into_future();
    let server = async {
        scene!(opening, far, kept, async {
            stage.hears().await;
            drop(stage);
        });
        let (stage, opening) = next_stage(&kept, new_session("two"));
        let said = scene!(opening, far, kept, stage.hears_out());
        assert_eq!(said, []);
    };
    let (outcome, ()) = tokio::join!(set, server);
    assert_eq!(outcome, Err(Error::UnknownOutcome));
}

#[tokio::test]
async fn a_lost_session_recovers_what_it_has_not_handed_over_and_nothing_twice() {
    let (link, mut far) = attached();
    let mut kept = Kept::default();
    let mut events = chat(&link).events();
    let mut reports = link.audience().reports();
    let (mut stage, opening) = next_stage(&kept, new_session("one"));
    scene!(opening, far, kept, async {
        join_at(&chat(&link), &mut stage, 7).await;
        stage.says(0, event_at(8)).await;
        assert_eq!(names(&mut events, 1).await, ["8"]);
        drop(stage);
    });
    let (mut stage, opening) = next_stage(&kept, new_session("two"));
    let recover = vec![v1::RoomPosition { room: "general".into(), epoch: "e".into(), offset: 8 }];
    assert_eq!(stage.greeting.joins, [v1::Join { recover, ..join(&["general"]) }]);
    scene!(opening, far, kept, async {
        stage.says(0, joined_at("general", 10, v1::Recovery::Whole)).await;
        for offset in [8, 9, 10, 10, 11] {
            stage.says(0, event_at(offset)).await;
        }
        assert_eq!(names(&mut events, 3).await, ["9", "10", "11"]);
        drop(stage);
    });
    let Report::Rejoined { rooms, .. } = reports.recv().await.unwrap() else { panic!("not rejoined") };
    assert_eq!((rooms[0].recovery, rooms[0].offset), (v1::Recovery::Whole, Some(10)));
    assert!(reports.try_recv().is_err(), "nothing is missing");
}

#[tokio::test]
async fn a_room_without_history_may_have_missed_something_and_says_so() {
    let (link, mut far) = attached();
    let mut kept = Kept::default();
    let mut reports = link.audience().reports();
    kept.membership().done(&Wire::Join(join(&["general"])));
    let (mut stage, opening) = next_stage(&kept, new_session("one"));
    let missed = scene!(opening, far, kept, async {
        stage.says(0, joined(&["general"])).await;
        let missed = reports.recv().await.unwrap();
        drop(stage);
        missed
    });
    assert_eq!(missed, Report::Missed(Missed::unknown("chat", "general")));
}

#[tokio::test]
async fn newest_events_that_did_not_come_are_recovered() {
    let (link, mut far) = attached();
    let mut kept = Kept::default();
    let mut events = chat(&link).events();
    let (mut stage, opening) = next_stage(&kept, new_session("one"));
    scene!(opening, far, kept, async {
        let room = chat(&link).room("general");
        let serve = async {
            let (number, _) = stage.hears().await;
            stage.says(number, joined_at("general", 100, v1::Recovery::Unspecified)).await;
            stage.says(0, event_at(98)).await;
        };
        tokio::join!(room.join_with(JoinOptions::default().newest(3)), serve).0.unwrap();
        assert_eq!(names(&mut events, 1).await, ["98"]);
        drop(stage);
    });
    let recover = vec![v1::RoomPosition { room: "general".into(), epoch: "e".into(), offset: 98 }];
    assert_eq!(kept.greeting().joins, [v1::Join { recover, ..join(&["general"]) }]);
}

#[tokio::test]
async fn what_is_said_waits_for_the_joins_of_the_greeting() {
    let (link, mut far) = attached();
    let mut kept = Kept::default();
    kept.membership().done(&Wire::Join(join(&["general"])));
    chat(&link).room("general").emit("1", "").post().await.unwrap();
    let (mut stage, opening) = next_stage(&kept, new_session("one"));
    scene!(opening, far, kept, async {
        stage.says(0, event(0)).await;
        assert!(stage.up.try_recv().is_err());
        stage.says(0, joined(&["general"])).await;
        assert_eq!(emitted(&stage.hears().await.1), "1");
        drop(stage);
    });
}

#[tokio::test]
async fn more_rooms_than_a_greeting_carries_are_joined_after_it() {
    let (_link, mut far) = attached();
    let mut kept = Kept::default();
    for namespace in 0..18 {
        let join = v1::Join { namespace: format!("space {namespace}"), ..join(&["general"]) };
        kept.membership().done(&Wire::Join(join));
    }
    let (mut stage, opening) = next_stage(&kept, new_session("one"));
    assert_eq!(stage.greeting.joins.len(), 16);
    scene!(opening, far, kept, async {
        for join in std::mem::take(&mut stage.greeting.joins) {
            let state = v1::RoomState { room: "general".into(), ..v1::RoomState::default() };
            let joined = v1::Joined { namespace: join.namespace, rooms: vec![state] };
            stage.says(0, v1::server_frame::Frame::Joined(joined)).await;
        }
        let rest = [stage.hears().await, stage.hears().await];
        assert!(rest.iter().all(|(number, wire)| *number > 0 && matches!(wire, Wire::Join(_))));
        drop(stage);
    });
}

#[tokio::test(start_paused = true)]
async fn the_server_is_told_what_was_handed_on() {
    let (_link, mut far) = attached();
    let mut kept = Kept::default();
    let (mut stage, opening) = next_stage(&kept, new_session("one"));
    scene!(opening, far, kept, async {
        let began = Instant::now();
        for number in 0..64 {
            stage.says(0, event(number)).await;
        }
        assert_eq!(stage.hears().await, (0, Wire::Seen(v1::Seen { seq: 65 })));
        assert_eq!(began.elapsed(), Duration::ZERO);
        stage.says(0, event(64)).await;
        assert_eq!(stage.hears().await, (0, Wire::Seen(v1::Seen { seq: 66 })));
        assert_eq!(began.elapsed(), SEEN_AFTER);
        drop(stage);
    });
}

#[tokio::test(start_paused = true)]
async fn what_found_no_room_on_one_stream_is_handed_over_on_the_next() {
    let (link, mut far) = attached();
    let mut kept = Kept::default();
    let mut events = chat(&link).events();
    let (mut stage, opening) = next_stage(&kept, new_session("one"));
    let second = prost_types::Duration { seconds: 1, nanos: 0 };
    let drain = v1::Drain { delay: Some(second), reconnect_within: None };
    scene!(opening, far, kept, async {
        stage.says(0, v1::server_frame::Frame::Drain(drain)).await;
        for number in 0..5 {
            stage.says(0, event(number)).await;
        }
    });
    let seen = kept.greeting().resume.unwrap().seq;
    assert_eq!(seen, 7, "four in the queue, one parked, the welcome and the drain");
    let (mut stage, opening) = next_stage(&kept, same_session("one", 0));
    scene!(opening, far, kept, async {
        stage.says(0, event(5)).await;
        assert_eq!(names(&mut events, 6).await, ["0", "1", "2", "3", "4", "5"]);
        drop(stage);
    });
}

#[tokio::test]
async fn frames_that_come_twice_are_passed_over() {
    let (link, mut far) = attached();
    let mut kept = Kept::default();
    let mut events = chat(&link).events();
    let (mut stage, opening) = next_stage(&kept, new_session("one"));
    scene!(opening, far, kept, async {
        stage.says(0, event(1)).await;
        stage.says(0, event(2)).await;
        stage.sends(2, 0, event(1)).await;
        stage.sends(3, 0, event(2)).await;
        stage.says(0, event(3)).await;
        assert_eq!(names(&mut events, 3).await, ["1", "2", "3"]);
        drop(stage);
    });
    assert_eq!(kept.greeting().resume.unwrap().seq, 4);
}

#[tokio::test]
async fn an_event_that_cannot_be_made_whole_is_told_and_its_room_begins_anew_once() {
    let (link, mut far) = attached();
    let mut kept = Kept::default();
    let mut reports = link.audience().reports();
    kept.membership().done(&Wire::Join(v1::Join { delta: true, ..join(&["general"]) }));
    let (mut stage, opening) = next_stage(&kept, new_session("one"));
    let broken = |offset| {
        let v1::server_frame::Frame::Event(event) = event_at(offset) else { unreachable!() };
        v1::server_frame::Frame::Event(v1::Event { delta: Some(v1::Delta::default()), ..event })
    };
    let said = scene!(opening, far, kept, async {
        stage.says(0, joined(&["general"])).await;
        stage.says(0, broken(7)).await;
        stage.says(0, broken(8)).await;
        stage.says(0, event(9)).await;
        for offset in [7, 8] {
            let missed = loop {
                if let Report::Missed(missed) = reports.recv().await.unwrap()
                    && missed.cause != MissedCause::Afresh
                {
                    break missed;
                }
            };
            let span = (missed.from_offset, missed.to_offset, missed.count);
            assert_eq!((missed.cause, span), (MissedCause::Delta, (Some(offset), Some(offset), 1)));
        }
        stage.hears_out().await
    });
    let again = v1::Join { delta: true, ..join(&["general"]) };
    assert_eq!(said, [(1, Wire::Join(again))]);
}
