//! The mirror of rooms against what their owner has kept, whatever is lost, doubled or late on the way.

use proptest::prelude::*;

use super::*;
use crate::wire::{
    Class, Frame,
    frame::Sent,
    target::{Target, Who},
};

const EPOCH: &str = "00000000000000e1";

fn at(room: &str, epoch: &str, offset: u64) -> RoomPosition {
    RoomPosition { room: room.into(), epoch: epoch.into(), offset }
}

fn head(epoch: &str, first: u64, last: u64) -> Head {
    Head { epoch: epoch.into(), first_offset: first, last_offset: last, ..Head::default() }
}

fn event(offset: u64) -> Carried {
    let event = rialto_proto::v1::Event { namespace: "n".into(), offset: Some(offset), ..Default::default() };
    Carried {
        namespace: "n".into(),
        target: Target::of(Who::Everyone),
        frame: Frame::event(event, Class::Reliable),
        sent: Sent { event_id: String::new(), by: None },
        positions: vec![at("a", EPOCH, offset)],
    }
}

/// What a node hears of one room, and what it hands out.
struct Node {
    mirror: Mirror,
    handed_out: Vec<u64>,
    /// What is being read of the owner.
    reads: Option<Hole>,
}

impl Node {
    fn new() -> Self {
        let mut mirror = Mirror::default();
        assert_eq!(mirror.begin("n", "a", &head(EPOCH, 1, 0)), Missing::default());
        Self { mirror, handed_out: Vec::new(), reads: None }
    }

    fn hand_out(&mut self, offset: u64) {
        if self.mirror.advance("n", &[at("a", EPOCH, offset)]) {
            self.handed_out.push(offset);
        }
    }

    fn hear(&mut self, event: Carried) {
        let positions = event.positions.clone();
        match self.mirror.turn("n", &positions) {
            Turn::Next => self.hand_out(positions[0].offset),
            Turn::Again => {}
            Turn::Early(hole) => {
                if self.mirror.hold("n", &hole, event) == Wait::Begins {
                    assert_eq!(self.reads.replace(hole), None, "one thing is read at a time");
                }
            }
            Turn::OtherLife(at) => unreachable!("{at:?}"),
        }
    }

    /// What was asked of the owner has come.
    fn read(&mut self) {
        let Some(hole) = self.reads.take() else { return };
        (hole.from..=hole.to).for_each(|offset| self.hand_out(offset));
        let waited = self.mirror.repaired("n", &hole);
        waited.into_iter().for_each(|event| self.hear(event));
        if let Some(hole) = self.mirror.behind("n", "a") {
            assert_eq!(self.reads.replace(hole), None, "one thing is read at a time");
        }
    }

    /// The owner says how far it is.
    fn mend(&mut self, last: u64) {
        if let Missing { hole: Some(hole), .. } = self.mirror.begin("n", "a", &head(EPOCH, 1, last)) {
            assert_eq!(self.reads.replace(hole), None, "one thing is read at a time");
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    /// So many events are kept; of each one copy is heard, or none, or two.
    Keep(Vec<u8>),
    /// What was heard a while ago is heard once more.
    Late(prop::sample::Index),
    Read,
    Mend,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::collection::vec(0..4_u8, 1..8).prop_map(Step::Keep),
        1 => any::<prop::sample::Index>().prop_map(Step::Late),
        2 => Just(Step::Read),
        1 => Just(Step::Mend),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn everything_is_handed_out_once_and_in_order_whatever_is_lost_doubled_or_late(
        steps in prop::collection::vec(step(), 0..60)
    ) {
        let (mut node, mut kept) = (Node::new(), 0);
        for step in steps {
            match step {
                Step::Keep(copies) => for copies in copies {
                    kept += 1;
                    (0..copies.min(2)).for_each(|_| node.hear(event(kept)));
                },
                Step::Late(offset) if kept > 0 => node.hear(event(1 + offset.index(kept as usize) as u64)),
                Step::Late(_) => {}
                Step::Read => node.read(),
                Step::Mend => node.mend(kept),
            }
            prop_assert!(node.handed_out.iter().copied().eq(1..=node.handed_out.len() as u64));
        }
        // The owner says once how far it is, whatever is being read just then.
        node.mend(kept);
        while node.reads.is_some() {
            node.read();
        }
        prop_assert_eq!(node.handed_out.len() as u64, kept);
    }
}

#[test]
fn who_begins_to_listen_has_missed_nothing_from_before() {
    let mut mirror = Mirror::default();
    assert_eq!(mirror.begin("n", "a", &head(EPOCH, 3, 7)), Missing::default());
    assert_eq!(mirror.turn("n", &[at("a", EPOCH, 8)]), Turn::Next);
    assert_eq!(mirror.turn("n", &[at("a", EPOCH, 7)]), Turn::Again);
    let stand = mirror.stand("n", "a").unwrap();
    assert_eq!((stand.first_offset, stand.last_offset), (3, 7));
    mirror.forget("n", "a");
    assert_eq!(mirror.stand("n", "a"), None);
}

#[test]
fn who_becomes_the_owner_reads_what_is_missing_though_somebody_waits_for_the_one_before() {
    let mut node = Node::new();
    (1..=25).for_each(|offset| node.hand_out(offset));
    let waiting = node.mirror.begin("n", "a", &head(EPOCH, 1, 46)).hole.unwrap();
    assert_eq!((waiting.from, waiting.to), (26, 46));

    assert_eq!(node.mirror.begin("n", "a", &head(EPOCH, 1, 59)).hole, None, "it is read already");
    let hole = node.mirror.behind_here("n", "a").unwrap();
    assert_eq!((hole.from, hole.to), (26, 59));
    (26..=30).for_each(|offset| node.hand_out(offset));

    // Whoever has waited gives up now: what was not handed out is told as missed, and is not handed out any more.
    assert_eq!(node.mirror.give_up("n", &waiting), Some((31, 46)));
    assert!(node.mirror.repaired("n", &waiting).is_empty());
    (31..=59).for_each(|offset| node.hand_out(offset));
    assert!(node.handed_out.iter().copied().eq((1..=30).chain(47..=59)), "{:?}", node.handed_out);
    assert_eq!(node.mirror.give_up("n", &waiting), None);
}

#[test]
fn a_node_is_behind_until_all_that_the_owner_has_told_of_is_handed_out() {
    let mut node = Node::new();
    (1..=25).for_each(|offset| node.hand_out(offset));
    assert!(!node.mirror.is_behind("n", "a") && !node.mirror.is_behind("n", "b"));
    assert!(node.mirror.begin("n", "a", &head(EPOCH, 1, 27)).hole.is_some());
    node.hand_out(26);
    assert!(node.mirror.is_behind("n", "a"));
    node.hand_out(27);
    assert!(!node.mirror.is_behind("n", "a"));
}

#[test]
fn another_life_is_noticed_and_what_was_before_it_is_told() {
    const OTHER: &str = "00000000000000e2";
    let mut mirror = Mirror::default();
    mirror.begin("n", "a", &head(EPOCH, 1, 7));
    // Its first event comes: nothing of it is missing.
    assert_eq!(mirror.turn("n", &[at("a", OTHER, 1)]), Turn::Next);
    // A later one does.
    let third = at("a", OTHER, 3);
    assert_eq!(mirror.turn("n", std::slice::from_ref(&third)), Turn::OtherLife(third.clone()));
    assert_eq!(mirror.end_life("n", &third), Some((EPOCH.to_owned(), 8)));
    let hole = Hole { room: "a".into(), epoch: OTHER.into(), from: 1, to: 2 };
    assert_eq!(mirror.turn("n", &[third]), Turn::Early(hole));

    let mut mirror = Mirror::default();
    mirror.begin("n", "a", &head(EPOCH, 1, 7));
    let missing = mirror.begin("n", "a", &head(OTHER, 2, 5));
    assert_eq!(missing.ended, Some((EPOCH.to_owned(), 8)));
    assert_eq!(missing.hole, Some(Hole { room: "a".into(), epoch: OTHER.into(), from: 2, to: 5 }));
}

#[test]
fn changes_of_a_state_come_one_after_the_other_or_what_is_missing_is_told() {
    let mut mirror = Mirror::default();
    let known = Head { state_epoch: EPOCH.into(), revision: 4, ..Head::default() };
    mirror.begin("n", "a", &known);
    assert_eq!(mirror.change("n", "a", (EPOCH, 5)), Change::Next);
    assert_eq!(mirror.change("n", "a", (EPOCH, 5)), Change::Again);
    let after = Change::After { epoch: EPOCH.into(), revision: 5 };
    assert_eq!(mirror.change("n", "a", (EPOCH, 8)), after);
    assert_eq!(mirror.change("n", "a", (EPOCH, 9)), Change::Next);
    assert_eq!(mirror.change("n", "a", ("other", 1)), Change::Next, "a state that begins");
    let missing =
        mirror.begin("n", "a", &Head { state_epoch: "other".into(), revision: 3, ..Head::default() });
    assert_eq!(missing.state, Some(("other".to_owned(), 1)));
}

#[test]
fn a_room_is_level_with_its_owner_when_everything_of_it_was_handed_out() {
    let mut mirror = Mirror::default();
    assert!(mirror.is_level("n", "a", &head(EPOCH, 1, 9)), "nobody here wants it");
    mirror.begin("n", "a", &Head { state_epoch: "s".into(), revision: 4, ..head(EPOCH, 1, 8) });
    let stands =
        |epoch: &str, last, revision| Head { state_epoch: "s".into(), revision, ..head(epoch, 1, last) };
    assert!(mirror.is_level("n", "a", &stands(EPOCH, 8, 4)));
    assert!(mirror.is_level("n", "a", &stands("", 0, 4)), "it keeps no events");
    for behind in [stands(EPOCH, 9, 4), stands("other", 1, 4), stands(EPOCH, 8, 5)] {
        assert!(!mirror.is_level("n", "a", &behind), "{behind:?}");
    }
    mirror.advance("n", &[at("a", EPOCH, 9)]);
    assert!(mirror.is_level("n", "a", &stands(EPOCH, 9, 4)));
}
