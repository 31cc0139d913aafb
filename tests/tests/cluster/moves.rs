//! A client that comes to another node than that of its session finds its session there: nothing is lost, nothing comes twice, and
//! nobody else notices.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures_util::future::join_all;
use rialto_proto::v1::{
    CallRequest, CloseCode, Reply, RoomEventKind, ServerFrame, Target, Then, call_request::Callee,
    client_frame::Command, reply, reply_item, server_frame::Frame,
};
use rialto_tests::{
    asking::{asking, numbered},
    cluster::Cluster,
    eventually,
    inspect::assert_status,
    node::TestNode,
    operator::Watcher,
    talker::{Shape, Talker, content, emit_in, emit_to, rooms, sessions, text},
    within,
};
use tonic::Code;

const BOTH: [Shape; 2] = [Shape::Attach, Shape::ListenAndPush];
const LONG: Duration = Duration::from_secs(20);

/// Three nodes that know each other.
async fn three() -> Cluster {
    let cluster = Cluster::start(3).await;
    for node in &cluster.nodes {
        eventually("the other nodes", async || node.metric("rialto_nodes").await == 2).await;
    }
    cluster
}

/// A member of `red` in a namespace that keeps a history, and in one that keeps none.
async fn member(node: &TestNode, shape: Shape, user: &str) -> Talker {
    let mut member = node.greet(shape, user).await;
    member.join("chat", &["red"]).await;
    member.join("default", &["red"]).await;
    member
}

/// Says numbers into both rooms and to a session until it is told to end. Returns the last number.
async fn speak(mut speaker: Talker, to: &str, ends: &Cell<bool>) -> u32 {
    let mut number = 0;
    while !ends.get() {
        number += 1;
        let targets = [
            ("chat", rooms(&["red"])),
            ("default", rooms(&["red"])),
            ("default", sessions(&[to.to_owned()])),
        ];
        for (namespace, target) in targets {
            let kind = if target.rooms.is_empty() { "alone" } else { "all" };
            speaker
                .try_emit(emit_in(namespace, target, kind, &number.to_string()))
                .await
                .expect("it is taken");
        }
    }
    number
}

/// What was heard of each sender, in each namespace, of each kind.
#[derive(Debug, Default)]
struct Heard(BTreeMap<(String, String, String), Vec<u32>>);

impl Heard {
    fn note(&mut self, frame: ServerFrame) {
        let Some(Frame::Event(event)) = frame.frame else { panic!("only events, not {frame:?}") };
        let (number, sender) = (text(&event).parse().unwrap(), event.sender.unwrap().user);
        let kind = (sender, event.namespace, event.content.unwrap().event);
        self.0.entry(kind).or_default().push(number);
    }

    fn count(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }
}

#[tokio::test]
async fn a_session_that_goes_from_node_to_node_gets_everything_once_and_in_order() {
    const MOVES: usize = 24;
    let cluster = three().await;
    for shape in BOTH {
        let mut ann = member(&cluster.nodes[0], shape, "ann").await;
        let (id, ends) = (ann.id(), Cell::new(false));
        let mut speakers = Vec::new();
        for (user, node) in ["bob", "cid", "dan"].into_iter().zip(&cluster.nodes) {
            let mut speaker = node.attach(user).await;
            speaker.enter("chat").await.unwrap();
            speaker.enter("default").await.unwrap();
            speakers.push(speak(speaker, &id, &ends));
        }
        let (mut heard, before) = (Heard::default(), moved(&cluster).await);
        let moving = async {
            for at in 1..=MOVES {
                for _ in 0..at * 7 % 60 {
                    heard.note(ann.next().await.expect("it goes on"));
                }
                ann = ann.lose_and_resume(&cluster.nodes[at % 3], shape).await;
            }
            ends.set(true);
            ann
        };
        let (said, mut ann) = tokio::join!(join_all(speakers), moving);
        let expected: usize = said.iter().map(|last| *last as usize * 3).sum();
        while heard.count() < expected {
            heard.note(ann.next().await.expect("it goes on"));
        }
        ann.expect_nothing().await;
        for ((user, namespace, kind), numbers) in &heard.0 {
            let at = ["bob", "cid", "dan"].iter().position(|name| name == user).unwrap();
            let all: Vec<u32> = (1..=said[at]).collect();
            assert_eq!(numbers, &all, "of {user} in {namespace}, {kind}");
        }
        assert_eq!((ann.id(), heard.0.len()), (id, 9));
        assert_eq!(moved(&cluster).await - before, MOVES as u64);
        ann.bye().await;
    }
}

/// How often a session has gone to another node.
async fn moved(cluster: &Cluster) -> u64 {
    let moved = cluster.nodes.iter().map(|node| node.metric("rialto_sessions_moved_total"));
    join_all(moved).await.into_iter().sum()
}

/// A member on each node who wants to know who is there beside it and one more, and a watcher on each node.
async fn witnesses(cluster: &Cluster) -> (Vec<Talker>, Vec<Watcher>) {
    let (mut others, mut watchers) = (Vec::new(), Vec::new());
    for (user, node) in ["bob", "cid", "dan"].into_iter().zip(&cluster.nodes) {
        let mut other = node.attach(user).await;
        let joined = other.try_join("default", &["red"], true).await.unwrap();
        assert_eq!(joined.rooms[0].member_count as usize, others.len() + 2);
        others.push(other);
    }
    for (at, other) in others.iter_mut().enumerate() {
        for _ in at + 1..3 {
            other.expect_presence("red").await;
        }
    }
    for node in &cluster.nodes {
        watchers.push(node.operator().await.watch("default", "red").await.unwrap());
    }
    (others, watchers)
}

#[tokio::test]
async fn nobody_notices_that_a_session_has_gone_to_another_node() {
    let cluster = three().await;
    let mut ann = member(&cluster.nodes[0], Shape::Attach, "ann").await;
    let (mut others, mut watchers) = witnesses(&cluster).await;
    for at in 1..=6 {
        // The old stream is there: it goes on without having been away.
        let old = ann.remember(Shape::Attach);
        let new = old.resume(&cluster.nodes[at % 3]).await;
        assert_eq!(ann.expect_close().await.code(), CloseCode::Replaced);
        ann = new;
        for other in &mut others {
            other.expect_nothing().await;
        }
        for node in &cluster.nodes {
            let mut operator = node.operator().await;
            assert_eq!(operator.try_member_count("default", "red").await.unwrap(), 4);
            assert_eq!(operator.session(&ann.id()).await.unwrap().node, ann.welcome.node);
        }
    }
    // Whoever comes later is told of it once, wherever it is.
    for node in &cluster.nodes {
        let mut eve = node.attach("eve").await;
        let sees_each_once = async || {
            let joined = eve.try_join("default", &["red"], true).await.unwrap();
            let members = joined.rooms[0].members.iter();
            let named: BTreeSet<_> = members.map(|member| member.who.clone().unwrap().session).collect();
            let count = joined.rooms[0].member_count;
            eve.part("default", &["red"]).await;
            assert!(named.contains(&ann.id()) && named.len() == count as usize);
            count == 5
        };
        // It may not have heard yet that the one before has gone.
        eventually("everybody", sees_each_once).await;
        eve.bye().await;
    }
    ann.bye().await;
    for (other, watcher) in others.iter_mut().zip(&mut watchers) {
        let says = |frame: &ServerFrame| matches!(&frame.frame, Some(Frame::Presence(presence)) if presence.left.iter().any(|who| who.user == "ann"));
        other.first_that(says).await;
        // Of all the moves nothing was told: only who came late came and went, and then it went.
        loop {
            let event = watcher.next().await.unwrap();
            let who = event.who.clone().unwrap().user;
            if who == "ann" {
                assert_eq!(event.kind(), RoomEventKind::Left);
                break;
            }
            assert_eq!(who, "eve");
        }
    }
    for node in &cluster.nodes {
        assert_eq!(node.operator().await.try_member_count("default", "red").await.unwrap(), 3);
    }
}

#[tokio::test]
async fn a_question_is_answered_after_who_was_asked_has_gone_to_another_node() {
    let cluster = three().await;
    for shape in BOTH {
        let mut ann = member(&cluster.nodes[0], shape, "ann").await;
        let mut asker = cluster.nodes[1].attach("bob").await;
        asker.enter("default").await.unwrap();
        let question = emit_in("default", rooms(&["red"]), "question", "?");
        let (asked, _) = asker.ask_for_replies(question, LONG).await;
        let event = ann.expect_event("question").await;
        // Twice, so that the node where it is answered is not the one that it has come from.
        ann = ann.lose_and_resume(&cluster.nodes[1], shape).await;
        ann = ann.lose_and_resume(&cluster.nodes[2], shape).await;
        ann.reply(&event, "late").await;
        let item = asker.expect_reply(asked).await;
        assert_eq!(item.body, Some(reply_item::Body::Text("late".to_owned())));
        let done = asker.expect_done(asked).await;
        assert_eq!((done.answered, done.missing_count, done.nodes_missing.len()), (1, 0, 0));

        // An answer is taken once.
        let again = Reply {
            reply_token: event.reply_token.clone(),
            body: Some(reply::Body::Text("again".to_owned())),
            content_type: String::new(),
        };
        let reference = ann.ask(Command::Reply(again)).await;
        assert!(matches!(ann.answer(reference).await, Frame::Refused(_)));
        ann.bye().await;
        asker.bye().await;
    }
}

#[tokio::test]
async fn answers_come_to_where_the_session_that_has_asked_is_now() {
    let cluster = three().await;
    for shape in BOTH {
        let mut bob = member(&cluster.nodes[1], Shape::Attach, "bob").await;
        let mut cid = member(&cluster.nodes[2], Shape::Attach, "cid").await;
        let mut ann = member(&cluster.nodes[0], shape, "ann").await;
        let question = emit_in("default", rooms(&["red"]), "question", "?");
        let (asked, _) = ann.ask_for_replies(question, LONG).await;
        let (at_bob, at_cid) = (bob.expect_event("question").await, cid.expect_event("question").await);
        ann = ann.lose_and_resume(&cluster.nodes[1], shape).await;
        bob.reply(&at_bob, "one").await;
        assert_eq!(ann.expect_reply(asked).await.from.unwrap().user, "bob");
        ann = ann.lose_and_resume(&cluster.nodes[2], shape).await;
        cid.reply(&at_cid, "two").await;
        assert_eq!(ann.expect_reply(asked).await.from.unwrap().user, "cid");
        let done = ann.expect_done(asked).await;
        assert_eq!((done.answered, done.missing_count, done.timed_out), (2, 0, false));
        ann.bye().await;
        bob.bye().await;
        cid.bye().await;
    }
}

#[tokio::test]
async fn who_has_asked_is_told_when_the_node_with_its_question_is_gone() {
    let mut cluster = three().await;
    let _bob = member(&cluster.nodes[1], Shape::Attach, "bob").await;
    let mut ann = member(&cluster.nodes[2], Shape::Attach, "ann").await;
    let node = ann.welcome.node.clone();
    let question = emit_in("default", rooms(&["red"]), "question", "?");
    let (asked, _) = ann.ask_for_replies(question, LONG).await;
    let mut ann = ann.lose_and_resume(&cluster.nodes[0], Shape::Attach).await;
    cluster.nodes.pop().unwrap().stop().await;
    assert_eq!(ann.expect_done(asked).await.nodes_missing, [node]);
}

#[tokio::test]
async fn a_session_is_reached_wherever_it_is() {
    let cluster = three().await;
    let mut ann = member(&cluster.nodes[0], Shape::ListenAndPush, "ann").await;
    let mut bob = member(&cluster.nodes[1], Shape::Attach, "bob").await;
    for (at, node) in [1, 2, 0, 2].into_iter().map(|at| (at, &cluster.nodes[at])) {
        ann = ann.lose_and_resume(node, Shape::ListenAndPush).await;
        for from in &cluster.nodes {
            let mut eve = from.attach("eve").await;
            eve.enter("default").await.unwrap();
            eve.try_emit(emit_in("default", sessions(&[ann.id()]), "told", &at.to_string())).await.unwrap();
            assert_eq!(ann.expect_text("told").await, at.to_string());
            eve.bye().await;

            let call = CallRequest {
                namespace: "default".to_owned(),
                callee: Some(Callee::Session(ann.id())),
                content: Some(content("question", "?")),
                ..CallRequest::default()
            };
            let mut stub = from.messaging().await;
            let answers = async {
                let event = ann.expect_event("question").await;
                ann.reply(&event, "here").await;
            };
            let (called, ()) = tokio::join!(within("an answer", stub.call(call)), answers);
            let reply = called.unwrap().into_inner().reply.unwrap();
            assert_eq!(reply.body, Some(reply_item::Body::Text("here".to_owned())));
        }
        // It speaks to itself and to somebody elsewhere.
        let both = Target { include_sender: true, ..sessions(&[bob.id(), ann.id()]) };
        bob.try_emit(emit_in("default", both, "both", "")).await.unwrap();
        bob.expect_event("both").await;
        ann.expect_event("both").await;
        // What is pushed may come to any node.
        let mut half = ann.lose(Shape::ListenAndPush);
        for from in &cluster.nodes {
            half.push(from, vec![numbered(0, emit_in("default", rooms(&["red"]), "pushed", ""))])
                .await
                .unwrap();
            bob.expect_event("pushed").await;
        }
        ann = half.resume(node).await;
    }
}

#[tokio::test]
async fn what_an_operator_does_while_a_session_moves_holds_where_it_is() {
    let cluster = three().await;
    let mut ann = member(&cluster.nodes[0], Shape::Attach, "ann").await;
    let mut operator = cluster.nodes[2].operator().await;
    let id = ann.id();
    let target = || sessions(std::slice::from_ref(&id));
    let old = ann.remember(Shape::Attach);
    let (new, joined, parted) =
        tokio::join!(old.resume(&cluster.nodes[1]), operator.join(target(), &["blue"]), async {
            cluster.nodes[1].operator().await.part(target(), &["red"]).await
        },);
    joined.unwrap();
    parted.unwrap();
    ann.expect_close().await;
    ann = new;
    let session = operator.session(&ann.id()).await.unwrap();
    let chat = session.memberships.iter().find(|place| place.namespace == "chat").unwrap();
    assert_eq!(chat.rooms, ["blue"]);
    let mut bob = cluster.nodes[2].attach("bob").await;
    bob.enter("chat").await.unwrap();
    bob.emit("red", "said", "to nobody").await;
    bob.emit("blue", "said", "to ann").await;
    let said = |frame: &ServerFrame| matches!(&frame.frame, Some(Frame::Event(_)));
    let Some(Frame::Event(event)) = ann.first_that(said).await.frame else { unreachable!() };
    assert_eq!(text(&event), "to ann");

    // Who is disconnected while it moves is over.
    let old = ann.remember(Shape::Attach);
    operator.disconnect(target(), "away with you", Then::StayAway).await.unwrap();
    assert_status(
        &old.try_resume(&cluster.nodes[0]).await.err().unwrap(),
        Code::FailedPrecondition,
        "RESUME_LATE",
    );
}

/// Answers to commands that were taken before are remembered wherever the session is.
#[tokio::test]
async fn a_command_that_comes_again_at_another_node_is_not_carried_out_again() {
    let cluster = three().await;
    let mut bob = member(&cluster.nodes[2], Shape::Attach, "bob").await;
    let mut ann = member(&cluster.nodes[0], Shape::Attach, "ann").await;
    let emit = || numbered(100, emit_to(rooms(&["red"]), "said", "once"));
    ann.say_all(vec![emit()]).await;
    let first = ann.answer(100).await;
    let mut ann = ann.lose_and_resume(&cluster.nodes[1], Shape::Attach).await;
    assert_eq!(ann.welcome.last_ref, 100);
    ann.say_all(vec![emit()]).await;
    assert_eq!(ann.answer(100).await, first);
    assert_eq!(bob.expect_text("said").await, "once");
    bob.expect_nothing().await;
    // A question is not put again either.
    let question = || numbered(101, asking(emit_in("default", rooms(&["red"]), "question", "?"), LONG));
    ann.say_all(vec![question()]).await;
    ann.answer(101).await;
    let mut ann = ann.lose_and_resume(&cluster.nodes[2], Shape::Attach).await;
    ann.say_all(vec![question()]).await;
    ann.answer(101).await;
    let event = bob.expect_event("question").await;
    bob.expect_nothing().await;
    bob.reply(&event, "yes").await;
    ann.first_that(|frame| matches!(frame.frame, Some(Frame::RepliesDone(_)))).await;
}
