//! The Rust client against a real node: what an application written with it sees.

use std::{
    future::IntoFuture,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rialto_client::{
    Arrival, Callee, Client, Error, JoinOptions, Publication, RefusalCode, Report, Retry, Session, Status,
    Target, Token,
};
use rialto_proto::v1::Then;
use rialto_server::auth::Right;
use rialto_tests::{
    access::{AN_HOUR, demand_tokens, grant, token},
    node::{TestNode, is_alone},
    within,
};

async fn session(url: &str, user: &str) -> Session {
    within("a session", Session::connect(url).user(user).into_future()).await.expect("the node greets")
}

#[tokio::test]
async fn what_one_member_emits_another_one_hears() {
    let node = TestNode::start().await;
    let (ann, bob) = (session(&node.url(), "ann").await, session(&node.url(), "bob").await);
    let (here, there) = (ann.namespace("chat").room("general"), bob.namespace("chat").room("general"));
    let mut heard = there.events();
    there.join().await.unwrap();
    assert_eq!(here.join().await.unwrap().member_count, 2);

    let accepted = here.emit("message", "hi").header("mood", "good").await.unwrap();

    assert!(accepted.recipients == 1 || !is_alone() && accepted.recipients == 0);
    let event = within("the event", heard.next()).await.unwrap();
    assert_eq!((event.name(), event.text(), event.user()), ("message", Some("hi"), "ann"));
    assert_eq!((event.header("mood"), event.id()), (Some("good"), accepted.event_id.as_str()));
    assert_eq!(event.sender(), ann.id());
}

#[tokio::test]
async fn a_question_to_a_room_gathers_answers_and_says_who_did_not_answer() {
    let node = TestNode::start().await;
    let ann = session(&node.url(), "ann").await;
    let mut members = Vec::new();
    for user in ["bob", "eve"] {
        let member = session(&node.url(), user).await;
        let room = member.namespace("chat").room("lunch");
        let questions = room.on("poll");
        room.join().await.unwrap();
        members.push((member, questions));
    }
    let room = ann.namespace("chat").room("lunch");
    room.join().await.unwrap();

    let mut replies = room.emit_with_replies("poll", "pizza?", Duration::from_secs(20)).await.unwrap();
    let question = within("the question", members[0].1.next()).await.unwrap();
    question.reply("yes").await.unwrap();
    let reply = within("a reply", replies.next()).await.unwrap().unwrap();
    assert_eq!((reply.user.as_str(), reply.text()), ("bob", Some("yes")));
    within("the question", members[1].1.next()).await.unwrap();
    members.remove(1).0.close().await;

    let answers = within("the end", replies.all()).await.unwrap();
    assert_eq!((answers.summary.answered, answers.summary.missing_count), (1, 1));
    assert!(answers.summary.missing[0].left, "who leaves is not waited for");
}

#[tokio::test]
async fn a_call_has_its_answer_or_a_typed_error() {
    let node = TestNode::start().await;
    let (ann, bob) = (session(&node.url(), "ann").await, session(&node.url(), "bob").await);
    let prices = bob.namespace("chat").room("prices");
    // A question to the session itself belongs to no room.
    let mut asked = bob.namespace("chat").on("price");
    prices.join().await.unwrap();
    ann.namespace("chat").enter().await.unwrap();
    let chat = ann.namespace("chat");
    let call = |callee| chat.call(callee, "price", "apples", Duration::from_secs(20));

    let answer = async {
        let question = asked.next().await.unwrap();
        question.reply("42").await.unwrap();
        let question = asked.next().await.unwrap();
        question.reply_error("sold out").await.unwrap();
    };
    let ask = async {
        let found = call(Callee::any_of("prices")).await.unwrap();
        let failed = call(Callee::session(bob.id())).await.unwrap_err();
        (found, failed)
    };
    let ((), (found, failed)) = within("two calls", async { tokio::join!(answer, ask) }).await;
    assert_eq!(found.text(), Some("42"));
    assert!(matches!(failed, Error::Refused(refusal) if refusal.code == RefusalCode::RecipientFailed
        && refusal.reason.contains("sold out")));

    let nobody = within("a call", call(Callee::any_of("empty"))).await.unwrap_err();
    assert!(matches!(nobody, Error::Refused(refusal) if refusal.code == RefusalCode::NoRecipient));
}

#[tokio::test]
async fn presence_tells_who_comes_and_goes() {
    let node = TestNode::start().await;
    let ann = session(&node.url(), "ann").await;
    let room = ann.namespace("chat").room("general");
    let mut changes = room.presence().changes().unwrap();
    let joined = room.join_with(JoinOptions::default().presence(true)).await.unwrap();
    assert_eq!(joined.members.len(), 1);

    let bob = session(&node.url(), "bob").await;
    bob.namespace("chat").room("general").join().await.unwrap();
    let came = within("a change", changes.next()).await.unwrap();
    assert_eq!((came.member_count, came.joined.len(), came.left.len()), (2, 1, 0));
    bob.close().await;
    let went = within("a change", changes.next()).await.unwrap();
    assert_eq!((went.member_count, went.joined.len(), went.left.len()), (1, 0, 1));
}

#[tokio::test]
async fn a_session_comes_back_to_a_restarted_node_is_in_its_rooms_and_says_what_happened() {
    let node = TestNode::start().await;
    let (url, address) = (node.url(), node.address());
    let ann = session(&url, "ann").await;
    let before = ann.id();
    let room = ann.namespace("chat").room("general");
    let (mut heard, mut reports, mut status) = (room.events(), ann.reports(), ann.status());
    room.join().await.unwrap();

    node.stop().await;
    let waits = |status: &Status| matches!(status, Status::Waiting { .. } | Status::Connecting);
    within("the loss of the connection", status.wait_for(waits)).await.unwrap();
    let node = TestNode::with(|config| config.listen = address).await;
    within("the return", status.wait_for(|status| matches!(status, Status::Attached { .. }))).await.unwrap();

    let (lost, now, resumed) = loop {
        let report = within("a report", reports.next()).await.unwrap();
        if let Report::Reconnected { before, now, resumed, .. } = report {
            break (before, now, resumed);
        }
    };
    assert_eq!((lost, now, resumed), (before, ann.id(), false));
    let client = Client::builder(&url).build().unwrap();
    rialto_tests::eventually("the room has its member again", async || {
        let publication = Publication::new("chat", &Target::room("general"), "message", "welcome back");
        client.publish(publication).await.unwrap().recipients == 1
    })
    .await;
    assert_eq!(within("an event", heard.next()).await.unwrap().text(), Some("welcome back"));
    node.stop().await;
}

#[tokio::test]
async fn what_is_said_while_the_node_is_away_arrives_when_it_is_back() {
    let node = TestNode::start().await;
    let (url, address) = (node.url(), node.address());
    let ann = session(&url, "ann").await;
    let room = ann.namespace("chat").room("general");
    room.join().await.unwrap();
    let mut status = ann.status();
    node.stop().await;
    let waits = |status: &Status| matches!(status, Status::Waiting { .. } | Status::Connecting);
    within("the loss of the connection", status.wait_for(waits)).await.unwrap();

    let emission = room.emit("message", "still there?").deadline(Duration::from_secs(20));
    let back = async { TestNode::with(|config| config.listen = address).await };
    let (accepted, node) = within("the emit", async { tokio::join!(emission.into_future(), back) }).await;

    assert_eq!(accepted.unwrap().recipients, 0);
    node.stop().await;
}

#[tokio::test]
async fn who_is_told_to_stay_away_does_not_come_back() {
    let node = TestNode::start().await;
    let ann = session(&node.url(), "ann").await;
    ann.namespace("chat").room("general").join().await.unwrap();
    let mut status = ann.status();

    let directory = Client::builder(node.url()).build().unwrap().directory();
    let gone = directory
        .disconnect_members("chat", &Target::room("general"), "house rules", Then::StayAway)
        .await
        .unwrap();

    assert_eq!((gone.sessions_changed, gone.nodes_missing), (1, vec![]));
    let ended =
        within("the end", status.wait_for(|status| matches!(status, Status::Closed(_)))).await.unwrap();
    let Status::Closed(closing) = ended.clone() else { unreachable!() };
    assert_eq!((closing.reason.as_str(), &*closing.code_name()), ("house rules", "DISCONNECTED"));
}

#[tokio::test]
async fn who_is_sent_away_for_a_moment_comes_back_as_another_session() {
    let node = TestNode::start().await;
    let ann = session(&node.url(), "ann").await;
    let room = ann.namespace("chat").room("general");
    let mut heard = room.events();
    room.join().await.unwrap();
    let (before, mut status) = (ann.id(), ann.status());

    let directory = Client::builder(node.url()).build().unwrap().directory();
    let target = Target::room("general");
    let gone = directory.disconnect_members("chat", &target, "", Then::Reconnect).await.unwrap();
    assert_eq!(gone.sessions_changed, 1);

    let afresh = |status: &Status| matches!(status, Status::Attached { arrival: Arrival::Afresh, .. });
    within("the return", status.wait_for(afresh)).await.expect("the session lives");
    assert_ne!(ann.id(), before);
    let bob = session(&node.url(), "bob").await;
    let there = bob.namespace("chat").room("general");
    there.join().await.unwrap();
    rialto_tests::eventually("ann is in the room again", async || {
        there.presence().counts().await.unwrap().members == 2
    })
    .await;
    there.emit("message", "welcome back").await.unwrap();
    assert_eq!(within("an event", heard.next()).await.unwrap().text(), Some("welcome back"));
}

#[tokio::test]
async fn a_session_that_its_application_closes_is_closed_by_this_side() {
    let node = TestNode::start().await;
    let ann = session(&node.url(), "ann").await;
    let (status, room) = (ann.status(), ann.namespace("chat").room("general"));
    within("the end", ann.close()).await;
    let Status::Closed(closing) = status.borrow().clone() else { panic!("it is not over") };
    assert_eq!(closing.code_name(), "CLOSED");
    let Err(Error::Closed(closing)) = room.join().await else { panic!("it takes commands") };
    assert_eq!(closing.code_name(), "CLOSED");
}

#[tokio::test]
async fn a_session_whose_greeting_is_refused_says_by_which_code() {
    let node = TestNode::start().await;
    let mut wrong = Session::connect(node.url()).wait_for_server();
    for number in 0..100 {
        wrong = wrong.attribute(number.to_string(), "x");
    }
    let refused = within("the refusal", wrong.into_future()).await.expect_err("too many attributes");
    assert!(matches!(&refused, Error::Refused(refusal) if refusal.retry == Retry::Never), "{refused:?}");
    assert!(!refused.may_have_happened() && !refused.passes());
}

/// More than the server takes at once: they wait their turn on this side, and none is refused.
#[tokio::test]
async fn many_emits_leave_no_faster_than_the_server_takes_them() {
    let node = TestNode::with(|config| {
        config.limits.session.emits_per_second = 100;
        config.limits.session.emits_burst = 20;
    })
    .await;
    let ann = session(&node.url(), "ann").await;
    let Status::Attached { limits, arrival, .. } = ann.status().borrow().clone() else { panic!("not there") };
    assert_eq!((limits.emits_burst, arrival), (20, Arrival::First));
    let room = ann.namespace("chat").room("general");
    room.join().await.unwrap();
    let emits = (0..60).map(|number: u32| room.emit("message", number.to_string()).into_future());
    let outcomes = within("all answers", futures_util::future::join_all(emits)).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
}

#[tokio::test]
async fn what_makes_no_sense_is_not_sent() {
    let node = TestNode::start().await;
    let ann = session(&node.url(), "ann").await;
    let room = ann.namespace("chat").room("general");
    let both = room.emit("message", "").volatile().latest();
    assert!(matches!(both.into_future().await, Err(Error::Invalid(_))));
    let both = room.emit("message", "").latest().volatile();
    assert!(matches!(both.post().await, Err(Error::Invalid(_))));
    assert!(matches!(room.history().from_offset(1).before(9).page().await, Err(Error::Invalid(_))));
    let client = Client::new(node.url()).unwrap();
    let both = Publication::new("chat", &Target::room("general"), "message", "").volatile().latest();
    assert!(matches!(client.publish(both).await, Err(Error::Invalid(_))));
}

#[tokio::test]
async fn a_client_asks_its_callback_for_each_call() {
    let node = TestNode::with(demand_tokens).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let asks = Arc::clone(&asked);
    let client = Client::builder(node.url()).token_from(move || {
        let number = asks.fetch_add(1, Ordering::SeqCst);
        async move {
            match number {
                0 => Err("no token today".into()),
                _ => Ok(Token::new(token("ann", AN_HOUR, vec![grant("*", &["*"], &Right::ALL)]))),
            }
        }
    });
    let client = client.build().unwrap();
    let room = || client.presence("chat", "general");
    assert!(within("a call", room().counts()).await.unwrap_err().unavailable());
    for _ in 0..2 {
        assert_eq!(within("a call", room().counts()).await.unwrap().members, 0);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 3);
}
