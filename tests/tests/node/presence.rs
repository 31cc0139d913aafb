//! Who else is there: the members in `Joined`, and `Presence` frames for those who asked.

use std::collections::BTreeMap;

use rialto_proto::v1::{
    GetPresenceRequest, GetPresenceResponse, Hello, Join, Member, PresenceBy, Then, server_frame::Frame,
};
use rialto_server::auth::Right;
use rialto_tests::{
    access::{AN_HOUR, demand_tokens, grant, token},
    node::{TestNode, end_with_streams, is_alone, settled},
    over_both_shapes, over_both_shapes_with, reason,
    talker::{Shape, Talker, everyone, users},
    within,
};
use tokio::time::Instant;
use tonic::{Code, Request};

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

/// Large rooms count their members and do not name them; when they are small again, all of them are named again.
#[tokio::test]
async fn a_room_of_more_than_256_members_is_counted_and_named_again_when_it_has_shrunk() {
    let node = large().await;
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
    // Where members are counted, a user counts once on each node.
    assert!(if is_alone() { presence.user_count == 3 } else { presence.user_count >= 3 });

    drop(crowd.pop());
    for member in [&mut watching, &mut bob] {
        let mut presence = member.expect_presence("red").await;
        while !is_alone() && presence.joined.is_empty() {
            // Other nodes name theirs a second later.
            presence = member.expect_presence("red").await;
        }
        assert_eq!((presence.member_count, presence.joined.len(), presence.left.len()), (256, 256, 0));
        assert!(names(&presence.joined).starts_with(&["ann", "bob", "crowd"]));
    }
    drop(crowd.pop());
    let presence = watching.expect_presence("red").await;
    assert_eq!((presence.member_count, presence.joined.len(), presence.left.len()), (255, 0, 1));
}

/// Whoever comes and goes, a large room tells its number at most once a second, and the last one in any case.
#[tokio::test]
async fn a_large_room_tells_its_number_once_a_second_and_always_the_last_one() {
    let node = large().await;
    let _crowd = crowd(&node, 256).await;
    let mut watching = greet(&node, Shape::Attach, "ann").await;
    watching.try_join("chat", &["red"], true).await.unwrap();
    let mut bob = greet(&node, Shape::Attach, "bob").await;

    let begin = Instant::now();
    for _ in 0..20 {
        bob.join("chat", &["red"]).await;
        bob.part("chat", &["red"]).await;
    }
    bob.join("chat", &["red"]).await;
    let mut told = vec![watching.expect_presence("red").await];
    // Other nodes tell their numbers once a second as well.
    assert!(!is_alone() || told[0].member_count == 258, "the first change is told at once");
    // 257 is what it was, and what is told last whenever a second ends between a part and a join.
    bob.part("chat", &["red"]).await;
    drop(bob);
    let mut eve = greet(&node, Shape::Attach, "eve").await;
    eve.join("chat", &["red", "blue"]).await;
    let mut dora = greet(&node, Shape::Attach, "dora").await;
    dora.join("chat", &["red"]).await;
    while told.last().is_none_or(|last| last.member_count != 259) {
        told.push(watching.expect_presence("red").await);
    }
    let seconds = begin.elapsed().as_secs() as usize;
    assert!(told.len() <= seconds + 2, "{} numbers were told in {seconds} s", told.len());
    assert!(told.iter().all(|presence| presence.joined.is_empty() && presence.left.is_empty()));
    watching.expect_nothing().await;
}

/// Nothing changes in a number by new attributes, or by being away.
#[tokio::test]
async fn attributes_of_the_members_of_a_large_room_are_told_to_nobody() {
    let node = large().await;
    let _crowd = crowd(&node, 256).await;
    let mut watching = greet(&node, Shape::Attach, "ann").await;
    watching.try_join("chat", &["red"], true).await.unwrap();
    let mut operator = node.operator().await;

    assert_eq!(operator.describe(users(&["ann"]), &[("mood", "good")], &[]).await.unwrap(), (1, 0));

    watching.expect_nothing().await;
}

async fn ask(node: &TestNode, request: GetPresenceRequest) -> GetPresenceResponse {
    within("who is there", node.rooms().await.get_presence(request)).await.unwrap().into_inner()
}

fn about(room: &str, by: PresenceBy) -> GetPresenceRequest {
    let (namespace, room) = ("chat".to_owned(), room.to_owned());
    GetPresenceRequest { namespace, room, by: by.into(), ..Default::default() }
}

/// Three sessions of ann, one of bob, one without a user.
async fn five_sessions(node: &TestNode) -> Vec<Talker> {
    let mut members = Vec::new();
    for user in ["ann", "bob", "ann", "", "ann"] {
        let mut member = greet(node, Shape::Attach, user).await;
        member.join("chat", &["red"]).await;
        members.push(member);
    }
    members
}

#[tokio::test]
async fn sessions_of_one_user_count_once_and_sessions_without_a_user_each() {
    let node = TestNode::start().await;
    let mut members = five_sessions(&node).await;
    let mut eve = greet(&node, Shape::Attach, "").await;
    let joined = eve.try_join("chat", &["red"], true).await.unwrap();
    assert_eq!((joined.rooms[0].member_count, joined.rooms[0].user_count), (6, 4));

    for (gone, left, users) in [(4, 5, 4), (2, 4, 4), (0, 3, 3), (1, 2, 2)] {
        members[gone].part("chat", &["red"]).await;
        let presence = eve.expect_presence("red").await;
        assert_eq!((presence.member_count, presence.user_count), (left, users));
    }
    members[0].join("chat", &["red"]).await;
    let presence = eve.expect_presence("red").await;
    assert_eq!((presence.member_count, presence.user_count), (3, 3));
}

#[tokio::test]
async fn who_is_in_a_room_can_be_asked_by_session_page_by_page() {
    let node = TestNode::start().await;
    let members = five_sessions(&node).await;
    let mut request = GetPresenceRequest { page_size: 2, ..about("red", PresenceBy::Session) };
    let (mut found, mut sizes) = (Vec::new(), Vec::new());
    loop {
        let page = ask(&node, request.clone()).await;
        assert_eq!((page.member_count, page.user_count, page.users.len()), (5, 3, 0));
        sizes.push(page.members.len());
        found.extend(page.members);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(sizes, [2, 2, 1]);
    let mut ids: Vec<String> = members.iter().map(Talker::id).collect();
    let mut listed: Vec<String> =
        found.iter().map(|member| member.who.as_ref().unwrap().session.clone()).collect();
    assert!(found.iter().all(|member| !member.away && member.attributes.contains_key("name")));
    ids.sort_unstable();
    listed.sort_unstable();
    assert_eq!(listed, ids);
}

#[tokio::test]
async fn who_is_in_a_room_can_be_asked_by_user_page_by_page() {
    let node = TestNode::start().await;
    let _members = five_sessions(&node).await;
    let request = GetPresenceRequest { page_size: 1, ..about("red", PresenceBy::User) };

    let first = ask(&node, request.clone()).await;
    let second = ask(&node, GetPresenceRequest { page_token: first.next_page_token, ..request }).await;

    let users: Vec<_> = first.users.iter().chain(&second.users).collect();
    let told: Vec<_> = users.iter().map(|user| (user.user.as_str(), user.session_count, user.away)).collect();
    assert_eq!(told, [("ann", 3, false), ("bob", 1, false)]);
    assert_eq!((second.next_page_token.as_str(), first.members.len()), ("", 0));
}

#[tokio::test]
async fn the_counts_of_a_room_can_be_asked_for_alone_and_are_0_where_nobody_is() {
    let node = TestNode::start().await;
    let _members = five_sessions(&node).await;
    for by in [PresenceBy::Session, PresenceBy::User] {
        let counts = ask(&node, GetPresenceRequest { counts_only: true, ..about("red", by) }).await;
        assert_eq!(counts, GetPresenceResponse { member_count: 5, user_count: 3, ..Default::default() });
        let nobody = ask(&node, about("deserted", by)).await;
        assert_eq!(nobody, GetPresenceResponse::default());
    }
}

/// A room that may not be looked into is answered alike whether somebody is in it or not.
#[tokio::test]
async fn presence_needs_its_right_in_the_room() {
    let node = TestNode::with(demand_tokens).await;
    let may = vec![grant("chat", &["*"], &[Right::Join]), grant("chat", &["red"], &[Right::Presence])];
    let ann = token("ann", AN_HOUR, may);
    let mut member = Talker::greet_with(&node, Shape::Attach, &ann).await.unwrap();
    member.join("chat", &["blue"]).await;
    member.try_join("chat", &["red"], true).await.unwrap();
    assert!(member.try_join("chat", &["blue"], true).await.is_err());

    let asked = async |room: &str, token: Option<&str>| {
        let mut request = Request::new(about(room, PresenceBy::Session));
        let header = token.map(|token| format!("bearer {token}").parse().unwrap());
        header.map(|header| request.metadata_mut().insert("authorization", header));
        within("who is there", node.rooms().await.get_presence(request)).await
    };
    assert_eq!(asked("red", Some(&ann)).await.unwrap().into_inner().member_count, 1);
    let occupied = asked("blue", Some(&ann)).await.unwrap_err();
    let deserted = asked("green", Some(&ann)).await.unwrap_err();
    assert_eq!((occupied.code(), reason(&occupied)), (Code::PermissionDenied, "FORBIDDEN".to_owned()));
    assert_eq!(occupied.message(), deserted.message());
    assert_eq!(asked("red", None).await.unwrap_err().code(), Code::Unauthenticated);
}

/// A node for more members of one user than most have.
async fn large() -> TestNode {
    TestNode::with(|config| {
        end_with_streams(config);
        config.limits.node.sessions_per_user_max = 1000;
    })
    .await
}

/// So many members of the room `red`, over few connections.
async fn crowd(node: &TestNode, count: usize) -> Vec<Talker> {
    let mut crowd = Vec::with_capacity(count);
    for _ in 0..count {
        let join = Join { namespace: "chat".into(), rooms: vec!["red".into()], ..Join::default() };
        let hello = Hello { user: "crowd".into(), joins: vec![join], ..Hello::default() };
        let mut talker = Talker::open_with(node, Shape::Attach, hello).await.expect("the node greets");
        talker.expect_joined().await;
        crowd.push(talker);
    }
    settled().await;
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
