//! Questions and calls over several nodes: everybody whom they are for is asked, every answer comes back, and whoever is
//! missing is named, be it a session or a node.

use std::time::Duration;

use rialto_proto::v1::{
    CallRequest, CallResponse, RefusalCode, RepliesDone, Reply, Target, call_request::Callee,
    client_frame::Command, reply, reply_item,
};
use rialto_tests::{
    eventually,
    inspect::assert_status,
    nats::NatsServer,
    node::TestNode,
    proxy::Proxy,
    talker::{Talker, content, duration, emit_to, everyone, rooms, sessions, users},
    within,
};
use tonic::{Code, Status};

const LONG: Duration = Duration::from_secs(10);

async fn node(url: &str) -> TestNode {
    TestNode::with(|config| config.cluster.nats = url.to_owned()).await
}

/// Waits until a node knows so many others.
async fn knows(node: &TestNode, others: u64) {
    eventually("the other nodes", async || node.metric("rialto_nodes").await == others).await;
}

/// So many nodes over one NATS that know each other.
async fn nodes<const COUNT: usize>() -> (NatsServer, [TestNode; COUNT]) {
    let nats = NatsServer::start().await;
    let mut nodes = Vec::new();
    for _ in 0..COUNT {
        nodes.push(node(&nats.url()).await);
    }
    for node in &nodes {
        knows(node, COUNT as u64 - 1).await;
    }
    (nats, nodes.try_into().unwrap_or_else(|_| panic!("there are as many")))
}

async fn answer(talker: &mut Talker, text: &str) {
    let event = talker.expect_event("question").await;
    talker.reply(&event, text).await;
}

/// Who has answered what, and the end.
async fn replies(talker: &mut Talker, asked: u32, count: usize) -> (Vec<(String, String)>, RepliesDone) {
    let mut answers = Vec::new();
    for _ in 0..count {
        let item = talker.expect_reply(asked).await;
        let Some(reply_item::Body::Text(text)) = item.body else { panic!("expected text, not {item:?}") };
        answers.push((item.from.unwrap().user, text));
    }
    answers.sort();
    (answers, talker.expect_done(asked).await)
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(user, text)| ((*user).to_owned(), (*text).to_owned())).collect()
}

/// Assertions 39 to 41: one entry for each member, on every node, nodes without members too.
#[tokio::test]
async fn a_question_is_answered_by_members_on_every_node() {
    let (_nats, [here, there, elsewhere]) = nodes().await;
    let mut bob = here.member("bob", "general").await;
    let (mut ann, mut cid) = (there.member("ann", "general").await, here.member("cid", "general").await);
    let _nobody = elsewhere.member("dan", "other").await;
    for target in [rooms(&["general"]), rooms(&["general", "other room"])] {
        let (asked, accepted) = bob.ask_for_replies(emit_to(target, "question", "?"), LONG).await;
        assert_eq!(accepted.recipients_here, 1);
        answer(&mut ann, "there").await;
        answer(&mut cid, "here").await;
        let (answers, done) = replies(&mut bob, asked, 2).await;
        assert_eq!(answers, pairs(&[("ann", "there"), ("cid", "here")]));
        assert_eq!((done.answered, done.missing_count, done.timed_out), (2, 0, false));
        assert!(done.nodes_missing.is_empty());
    }
    for target in [users(&["ann"]), sessions(&[ann.id()])] {
        let (asked, _) = bob.ask_for_replies(emit_to(target, "question", "?"), LONG).await;
        answer(&mut ann, "alone").await;
        assert_eq!(replies(&mut bob, asked, 1).await.0, pairs(&[("ann", "alone")]));
    }
    let (asked, _) = bob.ask_for_replies(emit_to(rooms(&["nobody is here"]), "question", "?"), LONG).await;
    assert_eq!(bob.expect_done(asked).await, RepliesDone::default());
}

/// Assertions 37, 38 and 40, over nodes.
#[tokio::test]
async fn whoever_does_not_answer_on_another_node_is_named() {
    let (_nats, [here, there]) = nodes().await;
    let mut bob = here.attach("bob").await;
    bob.enter("chat").await.unwrap();
    let (mut ann, mut cid) = (there.member("ann", "general").await, there.member("cid", "general").await);
    let eve = there.member("eve", "general").await;
    let question = emit_to(everyone(), "question", "?");
    let (asked, _) = bob.ask_for_replies(question, Duration::from_secs(2)).await;
    answer(&mut ann, "yes").await;
    cid.expect_event("question").await;
    let left = cid.id();
    cid.bye().await;
    let (answers, done) = replies(&mut bob, asked, 1).await;
    assert_eq!(answers, pairs(&[("ann", "yes")]));
    assert_eq!((done.answered, done.missing_count, done.timed_out), (1, 2, true));
    let missing = |left: bool| {
        let missing = done.missing.iter().filter(move |missing| missing.left == left);
        missing.map(|missing| missing.from.clone().unwrap().session).collect::<Vec<_>>()
    };
    assert_eq!((missing(true), missing(false)), (vec![left], vec![eve.id()]));
}

/// Assertion 36, over nodes.
#[tokio::test]
async fn an_answer_counts_once_and_only_from_who_was_asked() {
    let (_nats, [here, there]) = nodes().await;
    let mut bob = here.member("bob", "general").await;
    let (mut ann, mut eve) = (there.member("ann", "general").await, there.member("eve", "elsewhere").await);
    let (asked, _) = bob.ask_for_replies(emit_to(rooms(&["general"]), "question", "?"), LONG).await;
    let event = ann.expect_event("question").await;
    let reply = |text: &str| {
        let body = Some(reply::Body::Text(text.to_owned()));
        Command::Reply(Reply { reply_token: event.reply_token.clone(), body, content_type: String::new() })
    };
    let forged = eve.ask(reply("forged")).await;
    assert_eq!(eve.expect_refused(forged).await.code(), RefusalCode::ReplyUnknown);
    ann.reply(&event, "first").await;
    let again = ann.ask(reply("second")).await;
    assert_eq!(ann.expect_refused(again).await.code(), RefusalCode::ReplyUnknown);
    assert_eq!(replies(&mut bob, asked, 1).await.0, pairs(&[("ann", "first")]));
    bob.expect_nothing().await;
}

async fn call(node: &TestNode, callee: Callee) -> Result<CallResponse, Status> {
    let request = CallRequest {
        namespace: "chat".to_owned(),
        callee: Some(callee),
        content: Some(content("question", "?")),
        timeout: Some(duration(LONG)),
    };
    let mut stub = node.messaging().await;
    within("an answer", stub.call(request)).await.map(tonic::Response::into_inner)
}

/// Who answers a call, when this one does.
async fn called(node: &TestNode, callee: Callee, talker: &mut Talker) -> String {
    let (response, ()) = tokio::join!(call(node, callee), answer(talker, "yes"));
    response.unwrap().reply.unwrap().from.unwrap().user
}

#[tokio::test]
async fn a_call_finds_its_callee_on_whatever_node_it_is() {
    let (_nats, [here, there, elsewhere]) = nodes().await;
    let mut ann = there.member("ann", "service").await;
    let (session, any) = (Callee::Session(ann.id()), Callee::AnyOf("service".into()));
    for node in [&here, &there, &elsewhere] {
        assert_eq!(called(node, session.clone(), &mut ann).await, "ann");
        assert_eq!(called(node, any.clone(), &mut ann).await, "ann");
    }
    // One member is asked and no more, and those of the same node first.
    let mut cid = here.member("cid", "service").await;
    for _ in 0..5 {
        assert_eq!(called(&here, any.clone(), &mut cid).await, "cid");
    }
    ann.expect_nothing().await;
    let nobody = call(&here, Callee::AnyOf("nobody is here".into())).await.unwrap_err();
    assert_status(&nobody, Code::Unavailable, "NO_RECIPIENT");
}

#[tokio::test]
async fn a_session_asks_any_one_member_wherever_it_is() {
    let (_nats, [here, there, _elsewhere]) = nodes().await;
    let mut bob = here.member("bob", "service").await;
    let any = || Target { any_of: "service".to_owned(), ..Target::default() };
    let (asked, _) = bob.ask_for_replies(emit_to(any(), "question", "?"), LONG).await;
    assert_eq!(bob.expect_done(asked).await, RepliesDone::default(), "only the one who asks is there");

    let mut ann = there.member("ann", "service").await;
    for _ in 0..3 {
        let (asked, accepted) = bob.ask_for_replies(emit_to(any(), "question", "?"), LONG).await;
        assert_eq!(accepted.recipients_here, 0);
        answer(&mut ann, "yes").await;
        let (answers, done) = replies(&mut bob, asked, 1).await;
        assert_eq!((answers, done.answered), (pairs(&[("ann", "yes")]), 1));
    }
    // Who goes meanwhile is told of, and what is asked next finds its place again.
    let (asked, _) = bob.ask_for_replies(emit_to(any(), "question", "?"), LONG).await;
    ann.expect_event("question").await;
    let left = ann.id();
    ann.bye().await;
    let done = bob.expect_done(asked).await;
    assert_eq!((done.missing_count, done.missing[0].from.clone().unwrap().session), (1, left));
    let mut cid = here.member("cid", "service").await;
    let (asked, _) = bob.ask_for_replies(emit_to(any(), "question", "?"), LONG).await;
    answer(&mut cid, "here").await;
    assert_eq!(replies(&mut bob, asked, 1).await.0, pairs(&[("cid", "here")]));
}

/// Assertion 42.
#[tokio::test]
async fn a_node_that_is_not_heard_any_more_holds_no_question_up_and_is_named() {
    let nats = NatsServer::start().await;
    let proxy = Proxy::start(nats.address()).await.unwrap();
    let (here, there) = (node(&nats.url()).await, node(&format!("nats://{}", proxy.address())).await);
    knows(&here, 1).await;
    let mut bob = here.member("bob", "general").await;
    let ann = there.member("ann", "general").await;
    proxy.black_hole();
    let question = emit_to(rooms(&["general"]), "question", "?");
    let (asked, _) = bob.ask_for_replies(question, Duration::from_secs(60)).await;
    let done = bob.expect_done(asked).await;
    let silent = ann.welcome.node.clone();
    assert_eq!((done.answered, done.timed_out, done.nodes_missing), (0, false, vec![silent]));
    assert_eq!(here.metric("rialto_nodes").await, 0);
}

#[tokio::test]
async fn a_node_that_stops_is_known_to_be_gone_at_once() {
    let (_nats, [here, there]) = nodes().await;
    there.stop().await;
    knows(&here, 0).await;
}
