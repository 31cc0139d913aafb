//! A node that stops: everybody is told, each with a moment of its own; what was accepted is delivered; nothing new is
//! taken; and it ends in its time, whatever its clients do.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use prost::Message;
use rialto_proto::v1::{
    CallRequest, CloseCode, Hello, ListenRequest, PublishRequest, RefusalCode, ServerFrame, Then,
    call_request::Callee, server_frame::Frame,
};
use rialto_tests::{
    asking::numbered,
    inspect::assert_status,
    node::TestNode,
    raw::{Wire, flag, frame, kind, message},
    talker::{Shape, Talker, content, emit_to, rooms},
    untyped::unary,
};
use tokio::time::Instant;
use tonic::{Code, Status, transport::Channel};

async fn node(drain: Duration, flush: Duration) -> TestNode {
    TestNode::with(|config| {
        config.stop.drain = drain;
        config.stop.flush = flush;
        config.namespaces[0].settings.room_emits_per_second = 0;
    })
    .await
}

/// The notice that the node will stop, which must be the next frame. Returns the delay.
async fn expect_drain(talker: &mut Talker, within: Duration) -> Duration {
    match talker.next().await.and_then(|frame| frame.frame) {
        Some(Frame::Drain(drain)) => {
            assert_eq!(Duration::try_from(drain.reconnect_within.unwrap()).unwrap(), within);
            let delay = Duration::try_from(drain.delay.unwrap()).unwrap();
            assert!(delay < within);
            delay
        }
        other => panic!("expected drain, not {other:?}"),
    }
}

fn assert_draining(status: &Status) {
    assert_status(status, Code::Unavailable, "DRAINING");
    let details = tonic_types::StatusExt::get_error_details(status);
    assert!(details.retry_info().unwrap().retry_delay.is_some_and(|delay| !delay.is_zero()));
}

/// What `grpc.health.v1` says: the number of a serving status.
async fn health(channel: Channel) -> i32 {
    /// The answer of a health check.
    #[derive(Clone, PartialEq, prost::Message)]
    struct Check {
        /// 1 is serving, 2 is not serving.
        #[prost(int32, tag = "1")]
        status: i32,
    }
    let check = unary::<Check>(channel, "/grpc.health.v1.Health/Check", Bytes::new()).await;
    check.unwrap().status
}

/// Assertion 64: clients are told to move, each in its own moment; who goes in time is waited for and no longer.
#[tokio::test]
async fn everybody_is_told_to_move_each_in_its_own_moment() {
    let drain = Duration::from_secs(60);
    let node = node(drain, Duration::from_secs(5)).await;
    let mut talkers = Vec::new();
    for number in 0..20 {
        let user = format!("user {number}");
        talkers.push(if number % 2 == 0 { node.attach(&user).await } else { node.listen(&user).await });
    }
    let started = Instant::now();
    let (_, delays) = tokio::join!(node.stop(), async {
        let mut delays = BTreeSet::new();
        for mut talker in talkers {
            delays.insert(expect_drain(&mut talker, drain).await);
        }
        delays
    });
    assert!(delays.len() > 15, "the delays differ: {delays:?}");
    let spread = *delays.last().unwrap() - *delays.first().unwrap();
    assert!(spread > drain / 4, "they are spread: {delays:?}");
    assert!(started.elapsed() < drain / 2, "it did not wait once all had gone");
}

/// Assertion 64: those that stay are closed with a code that says what to do.
#[tokio::test]
async fn those_that_stay_are_closed() {
    let drain = Duration::from_millis(100);
    let node = node(drain, Duration::from_secs(5)).await;
    let mut talkers = vec![node.attach("ann").await, node.listen("bob").await];
    tokio::join!(node.stop(), async {
        for talker in &mut talkers {
            expect_drain(talker, drain).await;
            let close = talker.expect_close().await;
            assert_eq!((close.code(), close.then()), (CloseCode::Draining, Then::Resume));
            assert_status(&talker.end().await.unwrap_err(), Code::Unavailable, "DRAINING");
        }
    });
}

/// Assertion 64: while it drains, sessions go on; what was accepted until the end is delivered before the close.
#[tokio::test]
async fn what_was_accepted_is_delivered_before_the_close() {
    const COUNT: u32 = 150;
    let drain = Duration::from_millis(500);
    let node = node(drain, Duration::from_secs(10)).await;
    // Its windows are full before the node stops: what it is sent waits in the node.
    let mut slow = node.narrow_member("slow", &["general"]).await;
    let mut ann = node.attach("ann").await;
    ann.enter("chat").await.unwrap();
    let say = |number: u32| {
        numbered(
            100 + number,
            emit_to(rooms(&["general"]), "count", &format!("{number} {}", "x".repeat(1_500))),
        )
    };
    ann.say_all((0..COUNT).map(say).collect()).await;
    for number in 0..COUNT {
        assert!(
            matches!(ann.answer(100 + number).await, Frame::Accepted(accepted) if accepted.recipients_here == 1)
        );
    }

    tokio::join!(node.stop(), async {
        expect_drain(&mut ann, drain).await;
        let last = emit_to(rooms(&["general"]), "count", "while it drains");
        ann.say_all(vec![numbered(1_000, last)]).await;
        assert!(matches!(ann.answer(1_000).await, Frame::Accepted(_)), "sessions go on");
        assert_eq!(ann.expect_close().await.code(), CloseCode::Draining);
        // Only now does it read.
        let mut received = 0;
        loop {
            match slow.next().await.unwrap() {
                ServerFrame { frame: Some(Frame::Event(event)), .. } => {
                    let text = rialto_tests::talker::text(&event);
                    let expected = if received < COUNT { received.to_string() } else { "while".to_owned() };
                    assert_eq!(text.split(' ').next(), Some(expected.as_str()));
                    received += 1;
                }
                ServerFrame { frame: Some(Frame::Drain(_)), .. } => {}
                ServerFrame { frame: Some(Frame::Close(close)), .. } => {
                    assert_eq!(close.code(), CloseCode::Draining);
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(received, COUNT + 1, "nothing that was accepted is lost");
        assert_status(&slow.end().await.unwrap_err(), Code::Unavailable, "DRAINING");
    });
}

#[tokio::test]
async fn a_node_that_drains_says_so_and_takes_nothing_new() {
    let drain = Duration::from_secs(60);
    let node = node(drain, Duration::from_secs(5)).await;
    let address = node.address();
    let (channel, mut stub) = (node.channel().await, node.messaging().await);
    assert_eq!(health(channel.clone()).await, 1);
    let mut ann = node.attach("ann").await;
    ann.enter("chat").await.unwrap();
    let hello = || Hello { user: "bob".to_owned(), ..Hello::default() };
    let shapes = [(Shape::Attach, node.channel().await), (Shape::ListenAndPush, node.channel().await)];
    // Opened before, greeted after.
    let mut late = Talker::open_over(channel.clone()).await;

    tokio::join!(node.stop(), async {
        expect_drain(&mut ann, drain).await;
        assert_eq!(health(channel.clone()).await, 2);
        for (shape, over) in shapes {
            let opened = Talker::open_with_over(over, shape, hello()).await;
            assert_draining(&opened.map(drop).unwrap_err());
        }
        let publish = PublishRequest {
            namespace: "chat".to_owned(),
            target: Some(rooms(&["general"])),
            content: Some(content("message", "x")),
            delivery: 0,
            ..Default::default()
        };
        assert_draining(&stub.publish(publish.clone()).await.unwrap_err());
        let entries = vec![publish];
        let batch = rialto_proto::v1::PublishBatchRequest { entries };
        assert_draining(&stub.publish_batch(batch).await.unwrap_err());
        let call = CallRequest {
            namespace: "chat".to_owned(),
            callee: Some(Callee::Session(ann.id())),
            content: Some(content("message", "x")),
            timeout: None,
        };
        assert_draining(&stub.call(call).await.unwrap_err());
        late.say(0, rialto_proto::v1::client_frame::Command::Hello(hello())).await;
        assert_draining(&late.end().await.unwrap_err());
        assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody new can connect");

        // Who is there goes on, until it goes.
        ann.enter("default").await.unwrap();
        ann.emit("general", "message", "the last one").await;
        drop((ann, late, stub, channel));
    });
}

/// A balancer keeps a connection where it is: over that a client would come to the same node again and again.
#[tokio::test]
async fn whoever_comes_to_a_node_that_stops_is_sent_away_from_the_connection() {
    let node = node(Duration::from_secs(60), Duration::from_secs(5)).await;
    let ann = node.attach("ann").await;
    let mut wire = Wire::http2(node.address()).await;
    wire.next(kind::SETTINGS).await.expect("the node answers");

    tokio::join!(node.stop(), async {
        let mut ann = ann;
        assert!(matches!(ann.next().await.unwrap().frame, Some(Frame::Drain(_))));
        wire.open(1, "/rialto.v1.MessagingService/Listen").await;
        let request = ListenRequest { hello: Some(Hello { user: "bob".to_owned(), ..Hello::default() }) };
        let body = message(&request.encode_to_vec());
        wire.send(&frame(kind::DATA, flag::END_STREAM, 1, &body)).await.unwrap();
        wire.next(kind::GOAWAY).await.expect("while others are still there");
        ann.enter("chat").await.unwrap();
        drop((ann, wire));
    });
}

#[tokio::test]
async fn a_question_that_is_open_when_the_node_stops_ends() {
    let node = node(Duration::from_millis(100), Duration::from_secs(5)).await;
    let mut bob = node.member("bob", "general").await;
    let mut stub = node.messaging().await;
    let call = CallRequest {
        namespace: "chat".to_owned(),
        callee: Some(Callee::Session(bob.id())),
        content: Some(content("question", "?")),
        timeout: Some(rialto_tests::talker::duration(Duration::from_secs(60))),
    };
    let asking = async {
        let status = stub.call(call).await.unwrap_err();
        assert_status(&status, Code::Aborted, "RECIPIENT_LEFT");
    };
    tokio::join!(asking, async {
        bob.expect_event("question").await;
        node.stop().await;
    });
}

/// Assertion 64: with 200 sessions, some of which read nothing, the node ends within its deadlines.
#[tokio::test]
async fn a_node_with_two_hundred_sessions_ends_within_its_deadlines() {
    let (drain, flush) = (Duration::from_millis(300), Duration::from_secs(1));
    let node = node(drain, flush).await;
    let mut talkers = Vec::new();
    for number in 0..200 {
        let user = format!("user {number}");
        talkers.push(match number % 20 {
            0 => node.narrow_member(&user, &["general"]).await,
            1..10 => node.listen(&user).await,
            _ => node.member(&user, "general").await,
        });
    }
    assert_eq!(node.metric("rialto_sessions").await, 200);
    let mut ann = node.attach("ann").await;
    ann.enter("chat").await.unwrap();
    for _ in 0..30 {
        ann.try_emit(emit_to(rooms(&["general"]), "fill", &"x".repeat(8 << 10))).await.unwrap();
    }
    let before = node.refusals(RefusalCode::Internal).await;
    assert_eq!(before, 0);

    // Nobody reads; nobody leaves.
    let started = Instant::now();
    node.stop().await;
    // Two seconds are for tasks to end, and as much again is for a busy machine.
    let most = drain + flush + Duration::from_secs(4);
    assert!(started.elapsed() < most, "{:?}", started.elapsed());
    for mut talker in talkers {
        assert!(talker.end().await.is_err(), "every stream has ended");
    }
}
