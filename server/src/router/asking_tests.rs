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
    let (again, patience) = (until, Duration::from_secs(2));
    Asked { id, what, until, again, patience, answered: Box::new(|_, _| ()) }
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
            rooms: Vec::new(),
            sender: None,
            excluded: None,
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

/// What was lost on its way would come behind what its sender has said later.
#[test]
fn what_an_owner_has_done_later_things_than_is_not_asked_of_the_next_one() {
    let keyed = |id| event(id, &id.to_string(), HistoryKind::Durable);
    let owner = NodeId::random();
    for leaves in [false, true] {
        let mut queue = Queue::default();
        assert!([keyed(1), read(2), keyed(3), keyed(4)].into_iter().all(|asked| queue.push(asked).is_ok()));
        assert_eq!(send(&mut queue, owner), [1, 2, 3, 4]);
        assert!(queue.answered(owner, 3).is_some());
        let unknown = if leaves { queue.left(owner) } else { queue.lost(owner) };
        assert_eq!(unknown.iter().map(|asked| asked.id).collect::<Vec<_>>(), [1]);
        assert_eq!(send(&mut queue, NodeId::random()), [2, 4]);
    }
}

#[test]
fn what_a_node_does_not_own_is_asked_again_in_its_order() {
    let (mut queue, old, new) = (Queue::default(), NodeId::random(), NodeId::random());
    (1..=3).for_each(|id| assert!(queue.push(write(id)).is_ok()));
    assert_eq!(send(&mut queue, old), [1, 2, 3]);
    assert!(queue.push(write(4)).is_ok());
    [2, 1, 3].into_iter().for_each(|id| queue.refused(old, id));
    assert!(send(&mut queue, old).is_empty(), "it has just said that it is not the owner");
    assert_eq!(send(&mut queue, new), [1, 2, 3, 4]);
}

#[test]
fn nothing_is_asked_again_before_all_that_was_sent_is_answered() {
    let (mut queue, node) = (Queue::default(), NodeId::random());
    (1..=3).for_each(|id| assert!(queue.push(write(id)).is_ok()));
    assert_eq!(send(&mut queue, node), [1, 2, 3]);
    [1, 2].into_iter().for_each(|id| queue.refused(node, id));
    assert!(queue.push(write(4)).is_ok());
    assert!(queue.tick(clock::now()).is_empty());
    assert!(send(&mut queue, node).is_empty(), "3 may be refused as well");
    queue.refused(node, 3);
    assert!(queue.tick(clock::now()).is_empty());
    assert_eq!(send(&mut queue, node), [1, 2, 3, 4]);
}

#[test]
fn who_has_refused_something_takes_nothing_that_was_sent_after_it() {
    let (mut turned, node, other) = (Turned::default(), NodeId::random(), NodeId::random());
    assert!(turned.takes((node, 1, 4), true));
    assert!(!turned.takes((node, 1, 5), false));
    assert!(!turned.takes((node, 1, 6), true), "5 comes before it");
    assert!(turned.takes((node, 2, 7), true) && turned.takes((other, 1, 7), true), "that is another queue");
    assert!(turned.takes((node, 1, 5), true) && turned.takes((node, 1, 6), true));
    assert!(!turned.takes((node, 1, 8), false));
    assert!(!turned.takes((node, 1, 9), true), "8 may have been given up");
    assert!(turned.takes((node, 1, 9), true), "it was");
    assert!(!turned.takes((node, 1, 10), false));
    turned.lose(node);
    assert!(turned.away.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whenever_a_node_becomes_the_owner_it_does_everything_once_and_in_order(
        steps in prop::collection::vec(0..6_u8, 1..120),
        count in 1..20_u64,
    ) {
        let (mut queue, node) = (Queue::default(), NodeId::random());
        let (mut turned, mut is_here, mut done) = (Turned::default(), false, Vec::new());
        let (mut there, mut back) = (VecDeque::new(), VecDeque::new());
        let mut asked = 1..=count;
        // In the end everything comes to rest.
        let rest = (0..count * 8).flat_map(|_| [0, 1, 2, 3, 4, 6]);
        for step in steps.into_iter().chain(rest) {
            match step {
                0 => asked.next().into_iter().for_each(|id| assert!(queue.push(write(id)).is_ok())),
                1 => there.extend(send(&mut queue, node)),
                2 => {
                    if let Some(id) = there.pop_front() {
                        let takes = turned.takes((node, 0, id), is_here);
                        done.extend(takes.then_some(id));
                        back.push_back((id, takes));
                    }
                }
                3 => match back.pop_front() {
                    Some((id, true)) => assert!(queue.answered(node, id).is_some()),
                    Some((id, false)) => queue.refused(node, id),
                    None => {}
                },
                4 => assert!(queue.tick(clock::now()).is_empty()),
                5 => is_here = !is_here,
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
