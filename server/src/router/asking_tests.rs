//! What is asked of owners, while parts go from one node to another.

use proptest::prelude::*;

use super::*;
use crate::{
    base::{
        clock,
        config::{HistoryKind, NamespaceSettings},
    },
    wire::{
        Class,
        target::{Target, Who},
    },
};

fn asked(id: u64, what: Ask) -> Asked {
    let until = clock::now() + Duration::from_secs(id);
    Asked { until, again: until, ..Asked::new(id, what, clock::now(), Box::new(|_, _| ())) }
}

fn read(id: u64) -> Asked {
    asked(id, Ask::Heads("n".into(), Vec::new()))
}

fn write(id: u64) -> Asked {
    let set = rialto_proto::v1::SetState {
        namespace: "n".into(),
        room: "a".into(),
        key: "k".into(),
        ..Default::default()
    };
    asked(id, Ask::Set(Box::new(SetState::parse(set).unwrap()), v1::Sender::default()))
}

fn event(id: u64, idempotency_key: &str, history: HistoryKind) -> Asked {
    let settings = Arc::new(NamespaceSettings { history, ..NamespaceSettings::default() });
    asked(
        id,
        Ask::Keep(Box::new(Keeping {
            namespace: "n".into(),
            settings,
            target: Target::of(Who::Everyone),
            rooms: vec!["a".parse().unwrap()],
            sender: None,
            user: "u".into(),
            event: v1::Event::default(),
            class: Class::Reliable,
            idempotency_key: idempotency_key.into(),
        })),
    )
}

/// Sends all that may be sent to an owner; which that was.
fn send(queue: &mut Queue, node: NodeId) -> Vec<u64> {
    let mut sent = Vec::new();
    assert!(queue.begin());
    while let Some(asked) = queue.next(At::There(node)) {
        sent.push(asked.id);
        queue.sent(node, asked);
        assert!(!queue.begin(), "one at a time");
    }
    sent
}

#[test]
fn nothing_goes_to_a_new_owner_before_the_old_one_has_answered() {
    let (mut queue, old, new) = (Queue::default(), NodeId::random(), NodeId::random());
    (1..=3).for_each(|id| assert!(queue.push(write(id)).is_ok()));
    assert_eq!(send(&mut queue, old), [1, 2, 3]);
    assert!(queue.push(write(4)).is_ok());
    assert!(send(&mut queue, new).is_empty());
    assert!(queue.answered(new, 1).is_none(), "it was not asked");
    for id in 1..=3 {
        assert_eq!(queue.answered(old, id).map(|asked| asked.id), Some(id));
    }
    assert!(queue.answered(old, 3).is_none(), "it has answered");
    assert_eq!(send(&mut queue, new), [4]);
}

#[test]
fn a_former_owner_is_known_as_long_as_it_has_something_to_answer() {
    let (mut queue, old, new) = (Queue::default(), NodeId::random(), NodeId::random());
    assert!(queue.push(write(1)).is_ok());
    assert_eq!(send(&mut queue, old), [1]);
    assert_eq!(queue.former(At::There(old)), None, "it is the owner");
    assert_eq!(queue.former(At::Nowhere), None, "nobody else is");
    assert_eq!([queue.former(At::There(new)), queue.former(At::Here)], [Some(old); 2]);
    assert!(queue.answered(old, 1).is_some());
    assert_eq!(queue.former(At::There(new)), None);
}

#[test]
fn what_only_reads_is_asked_again_when_it_is_not_answered_and_what_changes_something_is_not() {
    let (mut queue, owner) = (Queue::default(), NodeId::random());
    assert!(queue.push(read(1)).is_ok() && queue.push(write(2)).is_ok() && queue.push(read(3)).is_ok());
    assert_eq!(send(&mut queue, owner), [1, 2, 3]);
    assert!(queue.answered(owner, 1).is_some());
    let mut number = 10;
    let mut next = || {
        number += 1;
        number
    };
    queue.ask_again(clock::now(), &mut next);
    assert!(send(&mut queue, owner).is_empty(), "it is not late yet");
    queue.ask_again(clock::now() + Duration::from_secs(10), &mut next);
    assert_eq!(send(&mut queue, owner), [11]);
    // The first answer may come all the same, and is one to nothing.
    assert!(queue.answered(owner, 3).is_none());
    let answered = queue.answered(owner, 11).expect("it was asked again");
    assert_eq!(answered.patience, Duration::from_secs(4));
    assert!(queue.answered(owner, 2).is_some());
}

fn place(turn: u64, number: u64) -> Place {
    Place { turn, number }
}

fn not_taken(turn: u64, taken: u64, is_here: bool) -> NotTaken {
    NotTaken { turn, taken, is_here }
}

#[test]
fn what_a_node_does_not_own_is_asked_of_the_next_one_in_its_order() {
    let (mut queue, old, new) = (Queue::default(), NodeId::random(), NodeId::random());
    (1..=3).for_each(|id| assert!(queue.push(write(id)).is_ok()));
    assert_eq!(send(&mut queue, old), [1, 2, 3]);
    assert!(queue.push(write(4)).is_ok());
    queue.refused(new, not_taken(1, 0, false));
    queue.refused(old, not_taken(1, 1, false));
    assert!(send(&mut queue, old).is_empty(), "it has just said that it is not the owner");
    assert!(send(&mut queue, new).is_empty(), "1 was carried out and is not answered");
    assert!(queue.answered(old, 1).is_some());
    assert_eq!(send(&mut queue, new), [2, 3, 4]);
    queue.refused(old, not_taken(1, 1, false));
    queue.refused(new, not_taken(1, 1, false));
    assert!(send(&mut queue, new).is_empty(), "both have spoken of a turn that is over");
}

#[test]
fn what_an_owner_has_missed_is_asked_again_with_all_that_came_after_it() {
    let (mut queue, owner) = (Queue::default(), NodeId::random());
    (1..=3).for_each(|id| assert!(queue.push(write(id)).is_ok()));
    assert_eq!(send(&mut queue, owner), [1, 2, 3]);
    queue.refused(owner, not_taken(1, 1, true));
    assert!(queue.push(write(4)).is_ok());
    assert_eq!(send(&mut queue, owner), [2, 3, 4]);
    assert!([1, 2, 3, 4].into_iter().all(|id| queue.answered(owner, id).is_some()));
}

#[test]
fn a_turn_is_carried_out_place_by_place_until_something_is_missing() {
    let (mut turns, node, other) = (Turns::default(), NodeId::random(), NodeId::random());
    let now = clock::now();
    let mut turn = |asker, at: (u64, u64), is_here| turns.turn(asker, place(at.0, at.1), is_here, now);
    assert_eq!(turn((node, 1), (1, 1), true), Turned::Take);
    assert_eq!(turn((node, 1), (1, 1), true), Turned::PassOver, "it has come twice");
    assert_eq!(turn((node, 1), (1, 3), true), Turned::Refuse(not_taken(1, 1, true)));
    assert_eq!(turn((node, 1), (1, 2), true), Turned::Refuse(not_taken(1, 1, true)), "it comes too late");
    assert_eq!(turn((node, 2), (1, 1), true), Turned::Take, "that is another part");
    assert_eq!(turn((other, 1), (1, 1), true), Turned::Take, "that is another node");
    assert_eq!(turn((node, 1), (2, 1), true), Turned::Take);
    assert_eq!(turn((node, 1), (1, 2), true), Turned::PassOver, "its turn is over");
    assert_eq!(turn((node, 1), (2, 2), false), Turned::Refuse(not_taken(2, 1, false)));
    assert_eq!(turn((node, 1), (2, 2), true), Turned::Refuse(not_taken(2, 1, true)), "it was refused");
    assert_eq!(turn((node, 1), (4, 2), true), Turned::Refuse(not_taken(4, 0, true)), "4.1 is missing");
}

/// A node that was not heard for a while goes on in its turn, and what it has not heard the answer of is not done again.
#[test]
fn a_turn_is_known_as_long_as_somebody_may_wait_for_an_answer() {
    let (mut turns, node, now) = (Turns::default(), NodeId::random(), clock::now());
    assert_eq!(turns.turn((node, 1), place(1, 1), true, now), Turned::Take);
    turns.forget(now + ASKED_MAX);
    assert_eq!(turns.turn((node, 1), place(1, 3), true, now), Turned::Refuse(not_taken(1, 1, true)));
    turns.forget(now + ASKED_MAX + Duration::from_millis(1));
    assert!(turns.newest.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_lost_and_whenever_a_node_becomes_the_owner_it_does_everything_once_and_in_order(
        steps in prop::collection::vec(0..10_u8, 1..160),
        count in 1..20_u64,
    ) {
        let (mut queue, node) = (Queue::default(), NodeId::random());
        let (mut turns, mut is_here, mut done) = (Turns::default(), false, Vec::new());
        let (mut there, mut back) = (VecDeque::new(), VecDeque::new());
        let (mut asked, mut number, mut now) = (1..=count, count, clock::now());
        // In the end nothing is lost any more and everything comes to rest.
        let rest = (0..200 + count * 12).flat_map(|_| [10, 0, 1, 2, 3, 4]);
        for step in steps.into_iter().chain(rest) {
            match step {
                0 => asked.next().into_iter().for_each(|id| {
                    let (until, again) = (now + Duration::from_secs(1 << 20), now);
                    assert!(queue.push(Asked { until, again, ..write(id) }).is_ok());
                }),
                1 => {
                    assert!(queue.begin());
                    while let Some(asked) = queue.next(At::There(node)) {
                        let id = asked.id;
                        there.push_back((id, queue.sent(node, asked)));
                        assert!(!queue.begin());
                    }
                }
                2 => {
                    if let Some((id, place)) = there.pop_front() {
                        let turned = turns.turn((node, 0), place, is_here, now);
                        done.extend((turned == Turned::Take).then_some(id).filter(|id| *id <= count));
                        back.push_back((id, turned));
                    }
                }
                3 => match back.pop_front() {
                    Some((id, Turned::Take)) => drop(queue.answered(node, id)),
                    Some((_, Turned::Refuse(refused))) => queue.refused(node, refused),
                    Some((_, Turned::PassOver)) | None => {}
                },
                4 => {
                    now += Duration::from_secs(1);
                    queue.ask_again(now, || { number += 1; number });
                    let late = queue.tick(now);
                    assert!(late.iter().all(|asked| asked.id > count), "only what asks after something else");
                }
                5 => is_here = !is_here,
                6 | 7 => drop(there.pop_front()),
                8 => drop(back.pop_front()),
                // Something comes twice.
                9 => there.extend(there.front().copied()),
                _ => is_here = true,
            }
        }
        prop_assert_eq!(done, (1..=count).collect::<Vec<_>>());
    }
}

#[test]
fn of_a_node_that_is_gone_only_what_does_no_harm_is_asked_again() {
    let (mut queue, old, new) = (Queue::default(), NodeId::random(), NodeId::random());
    for asked in [write(1), read(2), write(3), read(4)] {
        assert!(queue.push(asked).is_ok());
    }
    assert_eq!(send(&mut queue, old), [1, 2, 3, 4]);
    assert!(queue.lost(new).is_empty());
    let unknown: Vec<u64> = queue.lost(old).into_iter().map(|asked| asked.id).collect();
    assert_eq!(unknown, [1, 3]);
    assert_eq!(send(&mut queue, new), [2, 4]);
}

#[test]
fn of_a_node_that_has_answered_all_that_it_did_everything_else_is_asked_again() {
    let (mut queue, old, new) = (Queue::default(), NodeId::random(), NodeId::random());
    for asked in [write(1), event(2, "", HistoryKind::Memory), read(3)] {
        assert!(queue.push(asked).is_ok());
    }
    assert_eq!(send(&mut queue, old), [1, 2, 3]);
    assert!(queue.answered(old, 1).is_some());
    queue.left(new);
    assert!(send(&mut queue, new).is_empty(), "it was not asked");
    queue.left(old);
    assert_eq!(send(&mut queue, new), [2, 3]);
}

#[test]
fn of_a_node_that_leaves_what_was_carried_out_and_is_not_answered_is_not_asked_again() {
    let (mut queue, old, new) = (Queue::default(), NodeId::random(), NodeId::random());
    let keyed = event(2, "k2", HistoryKind::Durable);
    assert!([write(1), keyed, write(3), write(4)].into_iter().all(|asked| queue.push(asked).is_ok()));
    assert_eq!(send(&mut queue, old), [1, 2, 3, 4]);
    assert!(queue.answered(old, 3).is_some());
    let unknown: Vec<u64> = queue.left(old).into_iter().map(|asked| asked.id).collect();
    assert_eq!(unknown, [1], "its answer was lost");
    assert_eq!(send(&mut queue, new), [2, 4]);
}

#[test]
fn what_changes_something_and_is_not_answered_is_asked_after() {
    let (mut queue, owner, mut number) = (Queue::default(), NodeId::random(), 10);
    assert!(queue.push(write(1)).is_ok());
    assert_eq!(send(&mut queue, owner), [1]);
    let mut ask_again = |queue: &mut Queue, after: u64| {
        queue.ask_again(clock::now() + Duration::from_millis(after), || {
            number += 1;
            number
        });
        send(queue, owner)
    };
    assert!(ask_again(&mut queue, 0).is_empty(), "it is not late yet");
    assert_eq!(ask_again(&mut queue, 1_500), [11]);
    assert!(ask_again(&mut queue, 1_900).is_empty(), "it was asked after");
    queue.refused(owner, not_taken(1, 0, true));
    assert_eq!(send(&mut queue, owner), [1, 11]);
    assert!(queue.answered(owner, 11).is_some());
    assert!(ask_again(&mut queue, 20_000).is_empty(), "it was carried out");
}

/// The next owner reads with the events of the one that is gone under which keys they were said. What was in memory is gone.
#[test]
fn an_event_with_a_key_is_asked_again_where_the_next_owner_knows_the_key() {
    let (mut queue, old, new) = (Queue::default(), NodeId::random(), NodeId::random());
    let (durable, memory) = (HistoryKind::Durable, HistoryKind::Memory);
    for asked in
        [event(1, "k1", durable), event(2, "", durable), event(3, "k3", memory), event(4, "k4", durable)]
    {
        assert!(queue.push(asked).is_ok());
    }
    assert_eq!(send(&mut queue, old), [1, 2, 3, 4]);
    let unknown: Vec<u64> = queue.lost(old).into_iter().map(|asked| asked.id).collect();
    assert_eq!(unknown, [2, 3]);
    assert_eq!(send(&mut queue, new), [1, 4]);
}

#[test]
fn nobody_waits_for_ever_and_only_so_many_wait() {
    let (mut queue, node) = (Queue::default(), NodeId::random());
    (1..=2).for_each(|id| assert!(queue.push(write(id)).is_ok()));
    assert_eq!(send(&mut queue, node), [1, 2]);
    (3..=4).for_each(|id| assert!(queue.push(write(id)).is_ok()));
    let late = queue.tick(clock::now() + std::time::Duration::from_millis(3_500));
    let late: Vec<u64> = late.into_iter().map(|asked| asked.id).collect();
    assert_eq!(late, [3, 1, 2]);
    assert!(!queue.is_empty());
    let mut taken = 1;
    while queue.push(read(100)).is_ok() {
        taken += 1;
    }
    assert_eq!(taken, WAITING_MAX);
}
