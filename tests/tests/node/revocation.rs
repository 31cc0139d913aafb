//! Revocation: whose word is not taken any more, from the answer on and on all nodes.

use std::time::{Duration, SystemTime};

use rialto_proto::v1::{
    ClientFrame, CloseCode, Durability, RefusalCode, RevokeRequest, Revoked, client_frame::Command,
    revoked::What,
};
use rialto_server::{
    auth::Right,
    base::{clock, config::Config},
};
use rialto_tests::{
    access::{AN_HOUR, accept_key, demand_tokens, grant, token, token_made_at},
    admin::{Admin, session, token_id, user},
    node::TestNode,
    reason,
    talker::{Shape, Talker, emit_to, rooms},
};
use tonic::{Code, Status};

const BOTH: [Shape; 2] = [Shape::Attach, Shape::ListenAndPush];

/// A node that demands tokens, and the key of somebody who may do everything.
async fn guarded(change: impl FnOnce(&mut Config)) -> (TestNode, String) {
    let mut key = String::new();
    let node = TestNode::with(|config| {
        demand_tokens(config);
        key = accept_key(config, "operator", vec![grant("*", &["*"], &Right::ALL)]);
        change(config);
    })
    .await;
    (node, key)
}

/// A token of somebody who may do everything in `chat`, made so many seconds ago.
fn made_ago(seconds: u64, user: &str, id: &str) -> String {
    let made = clock::wall() - Duration::from_secs(seconds);
    token_made_at(made, (user, id), vec![grant("chat", &["*"], &Right::ALL)])
}

/// One that is made after everything that has been until now.
fn made_anew(user: &str, id: &str) -> String {
    let made = clock::wall() + Duration::from_secs(2);
    token_made_at(made, (user, id), vec![grant("chat", &["*"], &Right::ALL)])
}

async fn greet(node: &TestNode, shape: Shape, token: &str) -> Result<Talker, Status> {
    Talker::greet_with(node, shape, token).await
}

async fn member(node: &TestNode, shape: Shape, token: &str) -> Talker {
    let mut talker = greet(node, shape, token).await.expect("the token is accepted");
    talker.join("chat", &["red"]).await;
    talker
}

async fn is_refused(node: &TestNode, token: &str) {
    for shape in BOTH {
        let refused = greet(node, shape, token).await.err().expect("it is revoked");
        assert_eq!((refused.code(), reason(&refused)), (Code::Unauthenticated, "UNAUTHENTICATED".to_owned()));
    }
}

async fn expect_revoked(talker: &mut Talker) {
    let close = talker.expect_close().await;
    assert_eq!(close.code(), CloseCode::Unauthenticated);
    assert_eq!(talker.end().await.expect_err("it is told as a status as well").code(), Code::Unauthenticated);
}

#[tokio::test]
async fn all_sessions_of_a_revoked_user_end_and_none_begins_without_a_newer_token() {
    let (node, key) = guarded(|_| ()).await;
    let old = made_ago(60, "ann", "old");
    let mut sessions = Vec::new();
    for shape in BOTH.into_iter().cycle().take(6) {
        sessions.push(member(&node, shape, &old).await);
    }
    let mut bob = member(&node, Shape::Attach, &made_ago(60, "bob", "bobs")).await;
    let revoked = Admin::of(&node, &key).await.revoke(user("ann")).await.unwrap();
    assert_eq!((revoked.sessions_ended, revoked.nodes_missing), (6, Vec::new()));
    for talker in &mut sessions {
        expect_revoked(talker).await;
    }
    is_refused(&node, &old).await;
    is_refused(&node, &token("ann", AN_HOUR, vec![grant("chat", &["*"], &Right::ALL)])).await;
    bob.emit("red", "said", "x").await;
    assert_eq!(node.operator_with(&key).await.member_count("red").await, 1);

    let mut ann = member(&node, Shape::Attach, &made_anew("ann", "new")).await;
    bob.emit("red", "said", "welcome back").await;
    assert_eq!(ann.expect_text("said").await, "welcome back");
}

#[tokio::test]
async fn a_revoked_token_is_refused_and_others_of_its_user_are_not() {
    let (node, key) = guarded(|_| ()).await;
    let (lost, kept) = (made_ago(60, "ann", "lost"), made_ago(60, "ann", "kept"));
    let mut thief = member(&node, Shape::Attach, &lost).await;
    let mut ann = member(&node, Shape::ListenAndPush, &kept).await;
    let revoked = Admin::of(&node, &key).await.revoke(token_id("lost")).await.unwrap();
    assert_eq!(revoked.sessions_ended, 1);
    expect_revoked(&mut thief).await;
    is_refused(&node, &lost).await;
    assert_eq!(ann.refresh(&lost).await.unwrap_err().code(), RefusalCode::Unauthenticated);
    ann.refresh(&made_ago(1, "ann", "next")).await.unwrap();
    ann.emit("red", "said", "still here").await;
    drop(greet(&node, Shape::Attach, &kept).await.expect("it is not the one that was lost"));
}

#[tokio::test]
async fn a_revoked_session_is_over_and_its_user_may_come_anew() {
    let (node, key) = guarded(|_| ()).await;
    let token = made_ago(60, "ann", "one");
    let mut first = member(&node, Shape::Attach, &token).await;
    let away = member(&node, Shape::Attach, &token).await.lose(Shape::Attach);
    let mut admin = Admin::of(&node, &key).await;
    assert_eq!(admin.revoke(session(away.id())).await.unwrap().sessions_ended, 1);
    let refused = away.clone().with_token(&token).try_resume(&node).await.err().expect("it is over");
    assert_eq!(reason(&refused), "RESUME_LATE");
    first.emit("red", "said", "still here").await;
    drop(member(&node, Shape::Attach, &token).await);
    assert_eq!(admin.revoke(session(away.id())).await.unwrap().sessions_ended, 0);
}

#[tokio::test]
async fn a_session_that_is_away_is_not_given_back_to_a_revoked_user() {
    let (node, key) = guarded(|_| ()).await;
    let old = made_ago(60, "ann", "old");
    let away = member(&node, Shape::Attach, &old).await.lose(Shape::Attach);
    Admin::of(&node, &key).await.revoke(user("ann")).await.unwrap();
    let refused = away.clone().with_token(&old).try_resume(&node).await.err().expect("the token is revoked");
    assert_eq!(refused.code(), Code::Unauthenticated);
    let refused =
        away.with_token(&made_anew("ann", "new")).try_resume(&node).await.err().expect("it is over");
    assert_eq!(reason(&refused), "RESUME_LATE");
}

#[tokio::test]
async fn nothing_is_heard_by_or_from_the_revoked_after_the_answer() {
    let (node, key) = guarded(|_| ()).await;
    let mut bob = member(&node, Shape::Attach, &made_ago(60, "bob", "bobs")).await;
    let mut admin = Admin::of(&node, &key).await;
    for number in 0..20 {
        let id = format!("token {number}");
        let mut ann = member(&node, Shape::Attach, &made_ago(60, "ann", &id)).await;
        let before = emit_to(rooms(&["red"]), "before", "x");
        let frames = (0..200).map(|_| ClientFrame { r#ref: 0, command: Some(Command::Emit(before.clone())) });
        let (_, revoked) = tokio::join!(ann.try_say(frames.collect()), admin.revoke(token_id(&id)));
        let revoked = revoked.unwrap();
        assert_eq!(revoked.sessions_ended, 1);
        let heard = bob.events_until_now().await;
        bob.emit("red", "said", &format!("too late {number}")).await;
        assert!(bob.events_until_now().await.is_empty(), "something came after {} events", heard.len());
        while let Some(frame) = ann.next().await {
            assert!(!format!("{frame:?}").contains("too late"), "{frame:?}");
        }
    }
}

#[tokio::test]
async fn who_watches_rooms_watches_no_longer_than_the_token_holds() {
    let (node, key) = guarded(|_| ()).await;
    let may = || vec![grant("chat", &["*"], &[Right::Presence])];
    let mut watching = node.operator_with(&made_ago(60, "ann", "old")).await;
    let mut revoked = watching.watch("chat", "").await.unwrap();
    let mut short = node.operator_with(&token("bob", Duration::from_millis(1), may())).await;
    let mut expired = short.watch("chat", "").await.unwrap();
    let status = expired.next().await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unauthenticated, "the token has expired"));
    Admin::of(&node, &key).await.revoke(user("ann")).await.unwrap();
    let status = revoked.next().await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unauthenticated, "the credentials were revoked"));
}

#[tokio::test]
async fn what_is_taken_back_is_accepted_again_on_all_nodes() {
    let (node, key) = guarded(|_| ()).await;
    let mut admin = Admin::of(&node, &key).await;
    for _ in 0..3 {
        let token = made_ago(60, "ann", "one");
        for what in [user("ann"), token_id("one")] {
            admin.revoke(what.clone()).await.unwrap();
            is_refused(&node, &token).await;
            let taken_back = admin.reinstate(what.clone()).await.unwrap();
            assert!(taken_back.was_revoked && taken_back.nodes_missing.is_empty());
            for shape in BOTH.into_iter().cycle().take(4) {
                drop(greet(&node, shape, &token).await.expect("it is accepted again"));
            }
            assert!(!admin.reinstate(what).await.unwrap().was_revoked);
        }
    }
}

#[tokio::test]
async fn what_is_revoked_is_revoked_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let start = || guarded(|config| folder.path().clone_into(&mut config.data));
    let tokens = [made_ago(60, "ann", "a"), made_ago(60, "bob", "b"), made_ago(60, "cid", "c")];
    let (node, key) = start().await;
    let mut admin = Admin::of(&node, &key).await;
    let revoked = admin.revoke(user("ann")).await.unwrap();
    assert_eq!(revoked.durability(), Durability::Fsync);
    admin.revoke(token_id("b")).await.unwrap();
    admin.revoke(token_id("c")).await.unwrap();
    admin.reinstate(token_id("c")).await.unwrap();
    let listed = admin.revocations(10, "").await.unwrap();
    node.stop().await;

    let (node, key) = start().await;
    is_refused(&node, &tokens[0]).await;
    is_refused(&node, &tokens[1]).await;
    drop(greet(&node, Shape::Attach, &tokens[2]).await.expect("it was taken back"));
    assert_eq!(Admin::of(&node, &key).await.revocations(10, "").await.unwrap(), listed);
    node.stop().await;
}

#[tokio::test]
async fn only_whoever_may_act_in_all_namespaces_revokes() {
    let (node, _) = guarded(|_| ()).await;
    for grants in [
        vec![],
        vec![grant("chat", &["*"], &Right::ALL)],
        vec![grant("*", &["red"], &Right::ALL)],
        vec![grant("*", &["*"], &[Right::Join, Right::Emit, Right::Presence])],
    ] {
        let mut admin = Admin::of(&node, &token("ann", AN_HOUR, grants)).await;
        assert_eq!(admin.revoke(user("bob")).await.unwrap_err().code(), Code::PermissionDenied);
        assert_eq!(admin.reinstate(user("bob")).await.unwrap_err().code(), Code::PermissionDenied);
        assert_eq!(admin.revocations(1, "").await.unwrap_err().code(), Code::PermissionDenied);
    }
    let nobody = Admin::of(&node, "").await.revoke(user("bob")).await;
    assert_eq!(nobody.unwrap_err().code(), Code::Unauthenticated);
}

#[tokio::test]
async fn what_makes_no_sense_is_not_revoked() {
    let (node, key) = guarded(|_| ()).await;
    let mut admin = Admin::of(&node, &key).await;
    let keep = |seconds, nanos| Some(prost_types::Duration { seconds, nanos });
    let bob = || Some(Revoked { what: Some(user("bob")) });
    let requests = [
        RevokeRequest::default(),
        RevokeRequest { revoked: Some(Revoked { what: None }), ..Default::default() },
        RevokeRequest { revoked: Some(Revoked { what: Some(user("a\nb")) }), ..Default::default() },
        RevokeRequest { revoked: Some(Revoked { what: Some(token_id("")) }), ..Default::default() },
        RevokeRequest {
            revoked: Some(Revoked { what: Some(token_id(&"x".repeat(129))) }),
            ..Default::default()
        },
        RevokeRequest { revoked: Some(Revoked { what: Some(session("none")) }), ..Default::default() },
        RevokeRequest { revoked: bob(), reason: "x".repeat(257), ..Default::default() },
        RevokeRequest { revoked: bob(), keep: keep(0, 0), ..Default::default() },
        RevokeRequest { revoked: bob(), keep: keep(-1, 0), ..Default::default() },
        RevokeRequest { revoked: bob(), keep: keep(i64::MAX, 0), ..Default::default() },
        RevokeRequest { revoked: bob(), keep: keep(1, 2_000_000_000), ..Default::default() },
    ];
    for request in requests {
        let refused = admin.revoke_as(request.clone()).await.expect_err("it makes no sense");
        assert_eq!(refused.code(), Code::InvalidArgument, "{request:?}: {refused:?}");
    }
    assert_eq!(admin.revocations(1, "").await.unwrap().total_count, 0);
}

#[tokio::test]
async fn a_full_table_takes_no_more_and_forgets_nothing() {
    let (node, key) = guarded(|config| config.limits.node.revocations_max = 2).await;
    let mut admin = Admin::of(&node, &key).await;
    admin.revoke(token_id("one")).await.unwrap();
    admin.revoke(token_id("two")).await.unwrap();
    let refused = admin.revoke(token_id("three")).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused)), (Code::ResourceExhausted, "LIMIT_REACHED".to_owned()));
    admin.revoke(token_id("two")).await.expect("it is there already");
    is_refused(&node, &made_ago(60, "ann", "one")).await;
    admin.reinstate(token_id("one")).await.unwrap();
    admin.revoke(token_id("three")).await.unwrap();
}

#[tokio::test]
async fn revocations_are_listed_page_by_page_the_newest_first_until_they_are_over() {
    let (node, key) = guarded(|_| ()).await;
    let mut admin = Admin::of(&node, &key).await;
    let names = ["ann", "bob", "cid", "dan", "eve"];
    for name in names {
        admin
            .revoke_as(RevokeRequest {
                revoked: Some(Revoked { what: Some(user(name)) }),
                reason: format!("{name} has gone"),
                ..Default::default()
            })
            .await
            .unwrap();
    }
    let over = RevokeRequest {
        revoked: Some(Revoked { what: Some(user("fay")) }),
        keep: Some(prost_types::Duration { seconds: 0, nanos: 1 }),
        ..Default::default()
    };
    admin.revoke_as(over).await.unwrap();
    let (mut found, mut page_token) = (Vec::new(), String::new());
    loop {
        let page = admin.revocations(2, &page_token).await.unwrap();
        assert_eq!(page.total_count, 5);
        for revocation in page.revocations {
            let Some(What::User(name)) = revocation.revoked.unwrap().what else { panic!("a user") };
            assert_eq!(revocation.reason, format!("{name} has gone"));
            let until = SystemTime::try_from(revocation.kept_until.unwrap()).unwrap();
            let at = SystemTime::try_from(revocation.revoked_at.unwrap()).unwrap();
            assert_eq!(until.duration_since(at).unwrap(), Duration::from_secs(30 * 24 * 3600));
            found.push(name);
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(found, names.iter().rev().copied().collect::<Vec<_>>());
    drop(greet(&node, Shape::Attach, &made_ago(60, "fay", "fays")).await.expect("that is over"));
}
