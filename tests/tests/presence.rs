//! Who else is there: the members in `Joined`, and `Presence` frames for those who asked.

use std::collections::BTreeMap;

use rialto_proto::v1::{Hello, Join, Member, Then, server_frame::Frame};
use rialto_tests::{
    node::{TestNode, end_with_streams},
    over_both_shapes, over_both_shapes_with,
    talker::{Shape, Talker, everyone, users},
};

fn names(members: &[Member]) -> Vec<&str> {
    let mut names: Vec<&str> =
        members.iter().map(|member| member.who.as_ref().expect("a name").user.as_str()).collect();
    names.sort_unstable();
    names
}

async fn greet(node: &TestNode, shape: Shape, user: &str) -> Talker {
    let attributes = BTreeMap::from([("name".to_owned(), user.to_uppercase())]);
    let hello = Hello { user: user.to_owned(), attributes, ..Hello::default() };
    Talker::open_with(node, shape, hello).await.expect("the node greets")
}

/// Whoever asks is told the members, itself among them; whoever does not is told their number only.
#[tokio::test]
async fn a_join_with_presence_names_the_members() {
    over_both_shapes(async |node, shape| {
        let mut ann = greet(node, shape, "ann").await;
        ann.join("chat", &["red"]).await;
        let mut bob = greet(node, shape, "bob").await;
        let plain = bob.join("chat", &["red"]).await;
        assert_eq!((plain.rooms[0].member_count, plain.rooms[0].members.len()), (2, 0));
        let mut eve = greet(node, shape, "eve").await;
        let joined = eve.try_join("chat", &["red", "blue"], true).await.unwrap();
        assert_eq!(names(&joined.rooms[0].members), ["ann", "bob", "eve"]);
        assert_eq!(names(&joined.rooms[1].members), ["eve"]);
        assert_eq!((joined.rooms[0].member_count, joined.rooms[1].member_count), (3, 1));
        assert!(
            joined.rooms[0].members.iter().all(|member| {
                member.attributes["name"] == member.who.as_ref().unwrap().user.to_uppercase()
            })
        );
        let again = eve.try_join("chat", &["red"], true).await.unwrap();
        assert_eq!((again.rooms[0].member_count, again.rooms[0].members.len()), (3, 3));
        eve.expect_nothing().await;
    })
    .await;
}

/// Those who asked are told of everyone who comes and goes, in whatever way; those who did not are told nothing.
#[tokio::test]
async fn members_who_asked_are_told_who_comes_and_goes() {
    over_both_shapes_with(end_with_streams, async |node, shape| {
        let mut operator = node.operator().await;
        let mut watching = greet(node, shape, "ann").await;
        watching.try_join("chat", &["red"], true).await.unwrap();
        let mut other = greet(node, shape, "eve").await;
        other.join("chat", &["red"]).await;
        assert_eq!(names(&watching.expect_presence("red").await.joined), ["eve"]);

        for way in ["part", "leave", "bye", "drop", "kick", "operator parts"] {
            let mut bob = greet(node, shape, "bob").await;
            let id = bob.id();
            bob.join("chat", &["red", "blue"]).await;
            let came = watching.expect_presence("red").await;
            assert_eq!((came.namespace.as_str(), came.member_count, came.left.len()), ("chat", 3, 0));
            assert_eq!(names(&came.joined), ["bob"]);
            assert_eq!(came.joined[0].attributes["name"], "BOB");
            match way {
                "part" => drop(bob.part("chat", &["red"]).await),
                "leave" => drop(bob.leave("chat").await),
                "bye" => drop(bob.bye().await),
                "kick" => drop(operator.disconnect(users(&["bob"]), "", Then::StayAway).await.unwrap()),
                "operator parts" => drop(operator.part(users(&["bob"]), &["red"]).await.unwrap()),
                _ => {}
            }
            drop(bob);
            let went = watching.expect_presence("red").await;
            assert_eq!((went.member_count, went.joined.len(), went.left.len()), (2, 0, 1), "{way}");
            assert_eq!((went.left[0].user.as_str(), &went.left[0].session), ("bob", &id));
        }
        watching.expect_nothing().await;
        other.expect_nothing().await;
    })
    .await;
}

/// Whoever parts is told nothing more, and is not told of its own coming and going.
#[tokio::test]
async fn presence_ends_with_membership() {
    over_both_shapes(async |node, shape| {
        let mut ann = greet(node, shape, "ann").await;
        let mut bob = greet(node, shape, "bob").await;
        ann.try_join("chat", &["red"], true).await.unwrap();
        ann.part("chat", &["red"]).await;
        bob.join("chat", &["red"]).await;
        ann.expect_nothing().await;
        ann.join("chat", &["red"]).await;
        bob.part("chat", &["red"]).await;
        ann.expect_nothing().await;
    })
    .await;
}

/// A later join may ask for what the first one did not, and does not take back what the first one asked for.
#[tokio::test]
async fn presence_may_be_asked_for_later_and_is_not_lost_by_joining_again() {
    over_both_shapes(async |node, shape| {
        let mut ann = greet(node, shape, "ann").await;
        ann.join("chat", &["red"]).await;
        let joined = ann.try_join("chat", &["red"], true).await.unwrap();
        assert_eq!(names(&joined.rooms[0].members), ["ann"]);
        ann.join("chat", &["red"]).await;
        let mut bob = greet(node, shape, "bob").await;
        bob.join("chat", &["red"]).await;
        assert_eq!(names(&ann.expect_presence("red").await.joined), ["bob"]);
    })
    .await;
}

/// An operator who makes a member join again does not take its presence away.
#[tokio::test]
async fn an_operators_join_leaves_presence_as_it_was() {
    let node = TestNode::start().await;
    let mut operator = node.operator().await;
    let mut ann = greet(&node, Shape::Attach, "ann").await;
    ann.try_join("chat", &["red"], true).await.unwrap();
    assert_eq!(operator.join(users(&["ann"]), &["red", "blue"]).await.unwrap(), (1, 0));
    assert!(matches!(ann.expect_notice().await, Frame::Joined(_)));
    let mut bob = greet(&node, Shape::Attach, "bob").await;
    bob.join("chat", &["red", "blue"]).await;
    assert_eq!(names(&ann.expect_presence("red").await.joined), ["bob"]);
    ann.expect_nothing().await;
}

/// A change of attributes is told as presence to those who asked.
#[tokio::test]
async fn a_change_of_attributes_is_told_to_those_who_asked() {
    over_both_shapes(async |node, shape| {
        let mut operator = node.operator().await;
        let mut ann = greet(node, shape, "ann").await;
        ann.try_join("chat", &["red"], true).await.unwrap();
        let mut bob = greet(node, shape, "bob").await;
        bob.join("chat", &["red"]).await;
        ann.expect_presence("red").await;
        assert_eq!(operator.describe(users(&["bob"]), &[("mood", "good")], &["name"]).await.unwrap(), (1, 0));
        let told = ann.expect_presence("red").await;
        assert_eq!((names(&told.joined), told.left.len(), told.member_count), (vec!["bob"], 0, 2));
        assert_eq!(told.joined[0].attributes, BTreeMap::from([("mood".to_owned(), "good".to_owned())]));
        operator.describe(everyone(), &[("mood", "good")], &[]).await.unwrap();
        let own = ann.expect_presence("red").await;
        assert_eq!(names(&own.joined), ["ann"], "a member is told of its own new attributes");
        ann.expect_nothing().await;
        bob.expect_nothing().await;

        let mut eve = greet(node, shape, "eve").await;
        let joined = eve.try_join("chat", &["red"], true).await.unwrap();
        assert!(
            joined.rooms[0].members.iter().filter(|member| member.attributes.contains_key("mood")).count()
                == 2
        );
    })
    .await;
}

/// Presence can be asked for with the greeting.
#[tokio::test]
async fn presence_can_be_asked_for_with_the_greeting() {
    over_both_shapes(async |node, shape| {
        let mut bob = greet(node, shape, "bob").await;
        bob.join("chat", &["red"]).await;
        let join = Join {
            namespace: "chat".to_owned(),
            rooms: vec!["red".to_owned()],
            presence: true,
            ..Default::default()
        };
        let hello = Hello { user: "ann".to_owned(), joins: vec![join], ..Hello::default() };
        let mut ann = Talker::open_with(node, shape, hello).await.unwrap();
        let Frame::Joined(joined) = ann.expect_notice().await else { panic!("joined with the greeting") };
        assert_eq!(names(&joined.rooms[0].members), ["ann", "bob"]);
        bob.part("chat", &["red"]).await;
        assert_eq!(ann.expect_presence("red").await.left[0].user, "bob");
    })
    .await;
}

/// Large rooms count their members and do not name them.
#[tokio::test]
async fn a_room_of_more_than_256_members_is_counted_and_not_named() {
    let node = TestNode::with(|config| {
        end_with_streams(config);
        config.limits.node.sessions_per_user_max = 1000;
    })
    .await;
    let mut watching = greet(&node, Shape::Attach, "ann").await;
    watching.try_join("chat", &["red"], true).await.unwrap();
    let mut crowd = crowd(&node, 255).await;
    for number in 2..=256 {
        let presence = watching.expect_presence("red").await;
        assert_eq!((presence.member_count, presence.joined.len()), (number, 1));
    }
    let mut bob = greet(&node, Shape::Attach, "bob").await;
    let joined = bob.try_join("chat", &["red"], true).await.unwrap();
    assert_eq!((joined.rooms[0].member_count, joined.rooms[0].members.len()), (257, 0));
    let presence = watching.expect_presence("red").await;
    assert_eq!((presence.member_count, presence.joined.len()), (257, 0));
    crowd.pop();
    let presence = watching.expect_presence("red").await;
    assert_eq!((presence.member_count, presence.left.len()), (256, 1));
}

/// So many members of the room `red`, over few connections.
async fn crowd(node: &TestNode, count: usize) -> Vec<Talker> {
    let mut crowd = Vec::with_capacity(count);
    for _ in 0..count {
        let mut talker = greet(node, Shape::Attach, "crowd").await;
        talker.join("chat", &["red"]).await;
        crowd.push(talker);
    }
    crowd
}

#[tokio::test]
async fn the_bound_of_members_named_holds_for_all_rooms_of_one_answer_together() {
    let node = TestNode::start().await;
    let mut members = Vec::new();
    for number in 0..150 {
        let mut member = node.attach(&format!("user-{number}")).await;
        member.join("chat", &["red", "blue"]).await;
        members.push(member);
    }
    let mut ann = node.attach("ann").await;

    let joined = ann.try_join("chat", &["red", "blue"], true).await.unwrap();

    let told: Vec<_> = joined.rooms.iter().map(|room| (room.member_count, room.members.len())).collect();
    assert_eq!(told, [(151, 151), (151, 0)]);
}
