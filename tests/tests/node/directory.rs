//! The directory over real sockets: lists in pages, counts, and operations on members with what these are told.

use std::collections::BTreeMap;

use rialto_proto::v1::{
    ClientInfo, CloseCode, Hello, Target, Then, client_frame::Command, server_frame::Frame,
};
use rialto_server::base::config::NamespaceConfig;
use rialto_tests::{
    node::{TestNode, reached},
    operator::ids,
    over_both_shapes, reason,
    talker::{Shape, Talker, everyone, rooms, sessions, users},
};
use tonic::Code;

/// Namespaces are listed by name, in pages without gap or repetition.
#[tokio::test]
async fn namespaces_are_listed_in_pages_by_name() {
    let node = TestNode::with(|config| {
        config.namespaces = ["d", "b", "a", "é", "c"].map(NamespaceConfig::named).to_vec();
    })
    .await;
    let mut operator = node.operator().await;
    let (mut names, mut token, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = operator.namespaces(2, &token).await.unwrap();
        assert_eq!(page.total_count, 5);
        names.extend(page.namespaces.into_iter().map(|namespace| namespace.namespace));
        pages += 1;
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!((names.join(" ").as_str(), pages), ("a b c d é", 3));
    assert_eq!(operator.namespaces(5, "").await.unwrap().next_page_token, "", "a full last page is the last");
    assert!(operator.namespaces(0, "zzz").await.unwrap().namespaces.len() == 1, "é comes after z");
}

/// Rooms are listed by name, with their counts, in pages; a prefix narrows the list and its count.
#[tokio::test]
async fn rooms_are_listed_in_pages_by_name_with_their_counts() {
    let node = TestNode::start().await;
    let mut operator = node.operator().await;
    let mut ann = node.attach("ann").await;
    let names: Vec<String> = (10..35).map(|number| format!("room {number}")).collect();
    ann.join("chat", &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    ann.join("default", &["room 99"]).await;
    let mut bob = node.attach("bob").await;
    bob.join("chat", &["other", "room 10"]).await;

    let mut listed = Vec::new();
    let mut token = String::new();
    loop {
        let page = operator.rooms("room ", 10, &token).await.unwrap();
        assert_eq!(page.total_count, 25);
        assert!(page.rooms.len() <= 10);
        listed.extend(page.rooms);
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(listed.iter().map(|room| room.room.as_str()).collect::<Vec<_>>(), names);
    assert!(listed.iter().all(|room| room.namespace == "chat"));
    assert_eq!(listed.iter().map(|room| room.member_count).sum::<u32>(), 26);
    assert_eq!(operator.rooms("", 0, "").await.unwrap().total_count, 26);
    assert_eq!(operator.rooms("nothing", 0, "").await.unwrap().total_count, 0);
    let chat = operator.namespace("chat").await.unwrap();
    assert_eq!((chat.session_count, chat.room_count), (2, 26));
}

/// A room without members has a count of zero: it is not an error to ask.
#[tokio::test]
async fn a_room_without_members_has_a_count_of_zero() {
    let node = TestNode::start().await;
    let mut operator = node.operator().await;
    assert_eq!(operator.member_count("deserted").await, 0);
    assert_eq!(operator.try_member_count("chat", "$bad").await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(operator.try_member_count("nowhere", "red").await.unwrap_err().code(), Code::NotFound);
}

/// Members of a room, or everyone in the namespace, are listed by session id in pages.
#[tokio::test]
async fn members_are_listed_in_pages_by_session() {
    let node = TestNode::start().await;
    let mut operator = node.operator().await;
    let mut talkers = Vec::new();
    for number in 0..7 {
        let shape = if number % 2 == 0 { Shape::Attach } else { Shape::ListenAndPush };
        let mut talker = node.greet(shape, &format!("user {number}")).await;
        if number < 5 {
            talker.join("chat", &["red"]).await;
        } else {
            talker.enter("chat").await.unwrap();
        }
        talkers.push(talker);
    }
    for (room, count) in [("red", 5), ("", 7)] {
        let mut expected: Vec<String> = talkers.iter().take(count).map(Talker::id).collect();
        expected.sort_unstable();
        let (mut listed, mut token) = (Vec::new(), String::new());
        loop {
            let page = operator.members(room, 2, &token).await.unwrap();
            assert_eq!(page.total_count as usize, count);
            listed.extend(ids(&page.members));
            token = page.next_page_token;
            if token.is_empty() {
                break;
            }
        }
        assert_eq!(listed, expected);
    }
    let none = operator.members("deserted", 0, "").await.unwrap();
    assert_eq!((none.members.len(), none.total_count), (0, 0));
}

/// Pages are bounded, and a page token that nobody was given leads nowhere but to a page.
#[tokio::test]
async fn pages_are_bounded() {
    let node = TestNode::start().await;
    let mut operator = node.operator().await;
    let _ann = node.member("ann", "red").await;
    for status in [
        operator.namespaces(1001, "").await.unwrap_err(),
        operator.rooms("", 1001, "").await.unwrap_err(),
        operator.members("red", u32::MAX, "").await.unwrap_err(),
    ] {
        assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, "INVALID"));
    }
    assert_eq!(operator.namespaces(1000, "").await.unwrap().namespaces.len(), 2);
    assert_eq!(operator.rooms("", 0, "\u{10ffff}").await.unwrap().rooms.len(), 0);
    assert_eq!(operator.members("red", 0, "not an id").await.unwrap().total_count, 1);
}

/// A session is shown with everything that its greeting said and where it is.
#[tokio::test]
async fn a_session_is_shown_with_its_rooms_and_its_program() {
    over_both_shapes(async |node, shape| {
        let client = ClientInfo { name: "test".to_owned(), version: "1.2".to_owned() };
        let attributes = BTreeMap::from([("name".to_owned(), "Ann".to_owned())]);
        let hello = Hello {
            user: "ann".to_owned(),
            attributes: attributes.clone(),
            client: Some(client.clone()),
            ..Hello::default()
        };
        let mut ann = Talker::open_with(node, shape, hello).await.unwrap();
        ann.join("chat", &["red", "blue"]).await;
        ann.enter("default").await.unwrap();
        let mut operator = node.operator().await;
        let session = operator.session(&ann.id()).await.unwrap();
        let member = session.member.unwrap();
        assert_eq!(member.who.unwrap().user, "ann");
        assert_eq!(member.attributes, attributes);
        assert_eq!(session.client, Some(client));
        assert_eq!(session.node, ann.welcome.node);
        assert!(session.since.is_some());
        let places =
            session.memberships.iter().map(|place| (place.namespace.as_str(), place.rooms.join(" ")));
        assert_eq!(places.collect::<Vec<_>>(), [("chat", "blue red".to_owned()), ("default", String::new())]);
        for id in ["", "nonsense", "00000000-0000000000000"] {
            let status = operator.session(id).await.unwrap_err();
            assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "NOT_FOUND"));
        }
    })
    .await;
}

/// Assertion 23: a join by an operator says how many sessions it changed; those are told, others are not.
#[tokio::test]
async fn an_operators_join_counts_and_tells_those_whom_it_changed() {
    over_both_shapes(async |node, shape| {
        let mut operator = node.operator().await;
        let mut ann = node.greet(shape, "ann").await;
        ann.join("chat", &["red", "blue"]).await;
        let mut bob = node.greet(shape, "bob").await;
        bob.join("chat", &["red"]).await;
        let mut eve = node.greet(shape, "eve").await;
        eve.join("default", &["red"]).await;

        assert_eq!(operator.join(rooms(&["red"]), &["blue"]).await.unwrap(), (1, 0));
        let Frame::Joined(joined) = bob.expect_notice().await else { panic!("bob is told") };
        assert_eq!((joined.namespace.as_str(), joined.rooms.len()), ("chat", 1));
        assert_eq!((joined.rooms[0].room.as_str(), joined.rooms[0].member_count), ("blue", 2));
        ann.expect_nothing().await;
        assert_eq!(operator.join(everyone(), &["green", "blue"]).await.unwrap(), (2, 0));
        assert_eq!(operator.join(everyone(), &["green", "blue"]).await.unwrap(), (0, 0));
        assert_eq!(operator.join(users(&["nobody"]), &["green"]).await.unwrap(), (0, 0));
        assert_eq!(operator.join(sessions(&[eve.id()]), &["green"]).await.unwrap(), (0, 0));
        assert_eq!(operator.member_count("green").await, 2);
        for member in [&mut ann, &mut bob] {
            let Frame::Joined(joined) = member.expect_notice().await else { panic!("both are told once") };
            assert_eq!(joined.rooms.len(), 2);
            member.expect_nothing().await;
        }
        eve.expect_nothing().await;
    })
    .await;
}

/// Assertion 23: those who are at a limit are counted apart, and join none of the rooms.
#[tokio::test]
async fn an_operators_join_counts_those_whom_a_limit_keeps_out() {
    let node = TestNode::with(|config| config.limits.session.rooms_max = 2).await;
    let mut operator = node.operator().await;
    let mut ann = node.member("ann", "red").await;
    let mut bob = node.attach("bob").await;
    bob.join("chat", &["red", "blue"]).await;
    assert_eq!(operator.join(everyone(), &["green"]).await.unwrap(), (1, 1));
    assert_eq!(operator.join(everyone(), &["pink", "gold"]).await.unwrap(), (0, 2));
    assert_eq!(operator.rooms("", 0, "").await.unwrap().total_count, 3);
    assert!(matches!(ann.expect_notice().await, Frame::Joined(_)));
    ann.expect_nothing().await;
    bob.expect_nothing().await;
}

/// Assertion 23: a part by an operator counts those who were in one of the rooms, and tells them which.
#[tokio::test]
async fn an_operators_part_counts_and_tells_those_whom_it_changed() {
    over_both_shapes(async |node, shape| {
        let mut operator = node.operator().await;
        let mut ann = node.greet(shape, "ann").await;
        ann.join("chat", &["red", "blue"]).await;
        let mut bob = node.greet(shape, "bob").await;
        bob.join("chat", &["green"]).await;
        assert_eq!(operator.part(everyone(), &["blue", "pink"]).await.unwrap(), 1);
        assert_eq!(operator.part(everyone(), &["blue", "pink"]).await.unwrap(), 0);
        let Frame::Parted(parted) = ann.expect_notice().await else { panic!("ann is told") };
        assert_eq!((parted.namespace.as_str(), parted.rooms), ("chat", vec!["blue".to_owned()]));
        bob.expect_nothing().await;
        reached(&bob.emit("blue", "move", "1").await, 0);
        ann.expect_nothing().await;
    })
    .await;
}

/// Assertion 23: a disconnect counts, tells why and what to do next, and leaves the others alone.
#[tokio::test]
async fn an_operators_disconnect_counts_and_says_why() {
    over_both_shapes(async |node, shape| {
        let mut operator = node.operator().await;
        for (then, told) in [
            (Then::Unspecified, Then::StayAway),
            (Then::StayAway, Then::StayAway),
            (Then::Reconnect, Then::Reconnect),
            (Then::Resume, Then::Resume),
        ] {
            let mut ann = node.greet(shape, "ann").await;
            ann.join("chat", &["red"]).await;
            let mut bob = node.greet(shape, "bob").await;
            bob.join("chat", &["blue"]).await;
            assert_eq!(operator.disconnect(rooms(&["red"]), "too loud", then).await.unwrap(), 1);
            assert_eq!(operator.disconnect(rooms(&["red"]), "too loud", then).await.unwrap(), 0);
            let close = ann.expect_close().await;
            assert_eq!(
                (close.code(), close.then(), close.reason.as_str()),
                (CloseCode::Disconnected, told, "too loud")
            );
            assert!(ann.next().await.is_none(), "close is the last frame");
            bob.expect_nothing().await;
            bob.bye().await;
        }
    })
    .await;
}

/// A reason that is too long is cut at a character, not refused.
#[tokio::test]
async fn a_long_reason_is_cut() {
    let node = TestNode::start().await;
    let mut ann = node.member("ann", "red").await;
    node.operator().await.disconnect(everyone(), &"é".repeat(200), Then::StayAway).await.unwrap();
    let reason = ann.expect_close().await.reason;
    assert!(reason.len() <= 256 && reason.chars().all(|c| c == 'é' || c == '…'), "{reason}");
}

/// Attributes are set and removed; who has them already is not counted, who would exceed the limit is counted apart.
#[tokio::test]
async fn an_operator_sets_and_removes_attributes() {
    let node = TestNode::start().await;
    let mut operator = node.operator().await;
    let ann = node.member("ann", "red").await;
    let mut bob = node.member("bob", "red").await;
    assert_eq!(operator.describe(everyone(), &[("mood", "good")], &[]).await.unwrap(), (2, 0));
    assert_eq!(operator.describe(everyone(), &[("mood", "good")], &["nothing"]).await.unwrap(), (0, 0));
    assert_eq!(operator.describe(users(&["ann"]), &[("hat", "red")], &["mood"]).await.unwrap(), (1, 0));
    let attributes = async |id: String| {
        let member = node.operator().await.session(&id).await.unwrap().member.unwrap();
        member.attributes.into_iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>()
    };
    assert_eq!(attributes(ann.id()).await, ["hat=red"]);
    assert_eq!(attributes(bob.id()).await, ["mood=good"]);

    let most = "x".repeat(1024 - "hat".len() - "red".len() - "long".len());
    assert_eq!(operator.describe(everyone(), &[("long", &most)], &[]).await.unwrap(), (1, 1));
    assert_eq!(attributes(ann.id()).await.len(), 2);
    assert_eq!(attributes(bob.id()).await, ["mood=good"], "nothing of it has happened");
    let too_long = "x".repeat(1025);
    let status = operator.describe(everyone(), &[("long", &too_long)], &[]).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    bob.expect_nothing().await;
}

/// Assertion 7: an operation on nobody in particular is refused: it never means everyone.
#[tokio::test]
async fn an_operation_with_an_empty_target_is_refused() {
    let node = TestNode::start().await;
    let mut operator = node.operator().await;
    let mut ann = node.member("ann", "red").await;
    let any_of = Target { any_of: "red".to_owned(), ..Target::default() };
    for (target, why) in [(Target::default(), "TARGET_EMPTY"), (any_of, "INVALID")] {
        for status in [
            operator.join(target.clone(), &["blue"]).await.unwrap_err(),
            operator.part(target.clone(), &["red"]).await.unwrap_err(),
            operator.disconnect(target.clone(), "", Then::StayAway).await.unwrap_err(),
            operator.describe(target.clone(), &[("a", "b")], &[]).await.unwrap_err(),
        ] {
            assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, why));
        }
    }
    assert_eq!(operator.join(everyone(), &[]).await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(operator.part(everyone(), &["$bad"]).await.unwrap_err().code(), Code::InvalidArgument);
    ann.expect_nothing().await;
}

/// Exceptions hold for operations as they do for events.
#[tokio::test]
async fn operations_respect_exceptions() {
    let node = TestNode::start().await;
    let mut operator = node.operator().await;
    let mut ann = node.member("ann", "red").await;
    let mut bob = node.attach("bob").await;
    bob.join("chat", &["red", "staff"]).await;
    let mut eve = node.member("eve", "red").await;
    let target =
        Target { except_rooms: vec!["staff".to_owned()], except_sessions: vec![ann.id()], ..everyone() };
    assert_eq!(operator.disconnect(target, "", Then::StayAway).await.unwrap(), 1);
    eve.expect_close().await;
    ann.expect_nothing().await;
    bob.expect_nothing().await;
    let reference = bob.ask(Command::Ping(rialto_proto::v1::Ping {})).await;
    assert!(matches!(bob.answer(reference).await, Frame::Pong(_)));
}
