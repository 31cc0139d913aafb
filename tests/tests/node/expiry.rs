//! What becomes of a session whose token ends, and how a refresh prolongs it, or does not.

use std::time::Duration;

use futures_util::future::join_all;
use rialto_proto::v1::{CloseCode, RefusalCode, Then};
use rialto_server::auth::Right;
use rialto_tests::{
    access::{AN_HOUR, demand_tokens, forged_token, grant, token},
    node::TestNode,
    reason,
    talker::{Shape, Talker, emit_to, rooms},
};
use tonic::Code;

const BOTH: [Shape; 2] = [Shape::Attach, Shape::ListenAndPush];
/// Short enough to wait for its end, long enough to be used before it on a loaded machine.
const BRIEF: Duration = Duration::from_secs(2);

async fn greet(node: &TestNode, shape: Shape, token: &str) -> Talker {
    Talker::greet_with(node, shape, token).await.expect("the token is accepted")
}

/// Assertion 35: an expired token ends a live session, with a code that says to come back with a new one.
#[tokio::test]
async fn a_session_ends_with_its_token() {
    let node = TestNode::with(demand_tokens).await;
    let all = || vec![grant("*", &["*"], &Right::ALL)];
    let brief = token("ann", BRIEF, all());
    join_all(BOTH.map(async |shape| {
        let mut ann = greet(&node, shape, &brief).await;
        ann.join("chat", &["red"]).await;
        let close = ann.expect_close().await;
        assert_eq!((close.code(), close.then()), (CloseCode::TokenExpired, Then::Reconnect));
        let status = ann.end().await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, "TOKEN_EXPIRED"));
    }))
    .await;
    let mut operator = node.operator_with(&token("op", AN_HOUR, all())).await;
    assert_eq!(operator.member_count("red").await, 0);
    let again = Talker::greet_with(&node, Shape::Attach, &brief).await.err().unwrap();
    assert_eq!(again.code(), Code::Unauthenticated);
}

/// Assertion 35: a refresh in time prolongs the session.
#[tokio::test]
async fn a_refreshed_session_outlives_its_first_token() {
    let node = TestNode::with(demand_tokens).await;
    let all = || vec![grant("*", &["*"], &Right::ALL)];
    let brief = token("ann", BRIEF, all());
    join_all(BOTH.map(async |shape| {
        let mut kept = greet(&node, shape, &brief).await;
        let mut left = greet(&node, shape, &brief).await;
        kept.join("chat", &["red"]).await;
        let refreshed = kept.refresh(&token("ann", AN_HOUR, all())).await.unwrap();
        let seconds = refreshed.expires_in.unwrap().seconds;
        assert!((3500..=3601).contains(&seconds), "{seconds} s");
        // The one that was not refreshed shows when the first token has ended.
        assert_eq!(left.expect_close().await.code(), CloseCode::TokenExpired);
        kept.expect_nothing().await;
        kept.part("chat", &["red"]).await;
    }))
    .await;
}

/// Assertion 35: a token of somebody else, a forged or an ended one does not refresh; the session goes on as it was.
#[tokio::test]
async fn a_token_of_another_user_does_not_refresh_a_session() {
    let node = TestNode::with(demand_tokens).await;
    let all = || vec![grant("*", &["*"], &Right::ALL)];
    for shape in BOTH {
        let may = vec![grant("chat", &["red"], &[Right::Join])];
        let mut ann = greet(&node, shape, &token("ann", AN_HOUR, may)).await;
        for token in [token("bob", AN_HOUR, all()), forged_token("ann", all()), String::new()] {
            let refused = ann.refresh(&token).await.unwrap_err();
            assert_eq!(refused.code(), RefusalCode::Unauthenticated);
        }
        ann.join("chat", &["red"]).await;
        let refused = ann.try_emit(emit_to(rooms(&["red"]), "move", "1")).await.unwrap_err();
        assert_eq!(refused.code(), RefusalCode::Forbidden, "no right came with a token that was refused");
    }
}

/// Assertion 35: a refresh that is refused does not prolong anything.
#[tokio::test]
async fn a_refused_refresh_does_not_prolong_a_session() {
    let node = TestNode::with(demand_tokens).await;
    let all = || vec![grant("*", &["*"], &Right::ALL)];
    let mut ann = greet(&node, Shape::Attach, &token("ann", BRIEF, all())).await;
    ann.refresh(&token("bob", AN_HOUR, all())).await.unwrap_err();
    assert_eq!(ann.expect_close().await.code(), CloseCode::TokenExpired);
}

/// Assertion 35: the rights of the new token hold for the next command, those of the old one no longer.
#[tokio::test]
async fn a_refresh_puts_the_new_rights_in_force() {
    let node = TestNode::with(demand_tokens).await;
    for shape in BOTH {
        let with = |rights: &[Right]| token("ann", AN_HOUR, vec![grant("chat", &["*"], rights)]);
        let mut ann = greet(&node, shape, &with(&[Right::Join, Right::Emit])).await;
        ann.join("chat", &["red"]).await;
        ann.emit("red", "move", "1").await;
        ann.refresh(&with(&[Right::Join])).await.unwrap();
        let refused = ann.try_emit(emit_to(rooms(&["red"]), "move", "2")).await.unwrap_err();
        assert_eq!(refused.code(), RefusalCode::Forbidden);
        ann.refresh(&with(&[Right::Emit])).await.unwrap();
        ann.emit("red", "move", "3").await;
    }
}

/// A brief token in a refresh shortens the session just as a long one prolongs it.
#[tokio::test]
async fn a_brief_token_in_a_refresh_shortens_the_session() {
    let node = TestNode::with(demand_tokens).await;
    let all = || vec![grant("*", &["*"], &Right::ALL)];
    let mut ann = greet(&node, Shape::Attach, &token("ann", AN_HOUR, all())).await;
    ann.refresh(&token("ann", BRIEF, all())).await.unwrap();
    assert_eq!(ann.expect_close().await.code(), CloseCode::TokenExpired);
}
