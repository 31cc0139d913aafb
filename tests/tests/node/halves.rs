//! A session in two halves, as browsers hold it: everything that `Attach` gives, each push once and in order, and
//! nothing left behind when the lower half is gone.

use std::time::Duration;

use rialto_proto::v1::{
    ClientFrame, CloseCode, Emit, Enter, Hello, Join, ListenRequest, ListenResponse, Ping, PushRequest,
    PushResponse, RefusalCode, ServerFrame, Target, client_frame::Command, reply_item, server_frame::Frame,
};
use rialto_tests::{
    asking::numbered,
    eventually,
    inspect::assert_status,
    node::{TestNode, end_with_streams, reached},
    talker::{Shape, Talker, emit_to, rooms, text},
    web::WebCall,
    within,
};
use tonic::{Code, Status};

const LONG: Duration = Duration::from_secs(60);

fn push_request(talker: &Talker, first_seq: u32, frames: Vec<ClientFrame>) -> PushRequest {
    PushRequest {
        session_id: talker.id(),
        session_secret: talker.welcome.session_secret.clone(),
        first_seq,
        frames,
    }
}

async fn push(node: &TestNode, request: PushRequest) -> Result<u32, Status> {
    let pushed = within("a push", node.messaging().await.push(request)).await;
    pushed.map(|response| response.into_inner().accepted_seq)
}

fn said(number: u32) -> ClientFrame {
    numbered(number, emit_to(rooms(&["general"]), "message", &number.to_string()))
}

fn ping(reference: u32) -> ClientFrame {
    ClientFrame { r#ref: reference, command: Some(Command::Ping(Ping {})) }
}

#[tokio::test]
async fn everything_that_one_stream_gives_comes_in_two_halves_too() {
    let node = TestNode::start().await;
    let mut bob = node.member("bob", "general").await;
    let mut web = node.listen("web").await;
    assert!(web.welcome.ping_interval.is_some_and(|interval| interval.seconds == 15));

    let joined = web.try_join("chat", &["general"], true).await.unwrap();
    assert_eq!(joined.rooms[0].member_count, 2);
    assert_eq!(joined.rooms[0].members.len(), 2);
    let accepted = web.emit("general", "message", "hi").await;
    reached(&accepted, 1);
    assert_eq!(bob.expect_text("message").await, "hi");
    bob.emit("general", "message", "hi yourself").await;
    assert_eq!(web.expect_text("message").await, "hi yourself");

    let question = emit_to(rooms(&["general"]), "question", "?");
    let (asked, _) = web.ask_for_replies(question.clone(), LONG).await;
    let event = bob.expect_event("question").await;
    bob.reply(&event, "yes").await;
    assert_eq!(web.expect_reply(asked).await.body, Some(reply_item::Body::Text("yes".to_owned())));
    assert_eq!(web.expect_done(asked).await.answered, 1);
    let (asked, _) = bob.ask_for_replies(question, LONG).await;
    let event = web.expect_event("question").await;
    web.reply(&event, "no").await;
    assert_eq!(bob.expect_reply(asked).await.body, Some(reply_item::Body::Text("no".to_owned())));
    bob.expect_done(asked).await;

    bob.part("chat", &["general"]).await;
    let frame = web.next().await.and_then(|frame| frame.frame);
    assert!(matches!(frame, Some(Frame::Presence(presence)) if presence.left[0].session == bob.id()));
    assert_eq!(web.part("chat", &["general"]).await.rooms, ["general"]);
    assert_eq!(node.members("general").await, 0);

    web.say(0, Command::Bye(rialto_proto::v1::Bye {})).await;
    assert_eq!(web.expect_close().await.code(), CloseCode::Bye);
    assert!(web.end().await.is_ok());
}

/// Assertion 46, in two halves: the frames of a push, and pushes one after the other, are carried out in order.
#[tokio::test]
async fn pushes_are_carried_out_in_the_order_of_their_numbers() {
    let node = TestNode::start().await;
    let mut bob = node.member("bob", "general").await;
    let mut web = node.listen("web").await;
    web.enter("chat").await.unwrap();
    // The enter was the push with number 1.
    for (first, count) in [(2, 3), (5, 1), (6, 40)] {
        let frames = (first..first + count).map(said).collect();
        assert_eq!(push(&node, push_request(&web, first, frames)).await.unwrap(), first + count - 1);
    }
    for number in 2..46 {
        assert_eq!(bob.expect_text("message").await, number.to_string());
        assert!(matches!(web.answer(number).await, Frame::Accepted(_)));
    }
}

#[tokio::test]
async fn a_push_that_comes_again_is_carried_out_once() {
    let node = TestNode::start().await;
    let mut bob = node.member("bob", "general").await;
    let mut web = node.listen("web").await;
    web.enter("chat").await.unwrap();

    let first = push_request(&web, 2, vec![said(2), said(3)]);
    assert_eq!(push(&node, first.clone()).await.unwrap(), 3);
    assert_eq!(push(&node, first).await.unwrap(), 3, "the same again");
    let overlapping = push_request(&web, 3, vec![said(3), said(4)]);
    assert_eq!(push(&node, overlapping).await.unwrap(), 4, "half of it again");
    assert_eq!(push(&node, push_request(&web, 1, Vec::new())).await.unwrap(), 4, "nothing at all");

    for number in 2..5 {
        assert_eq!(bob.expect_text("message").await, number.to_string());
        assert!(matches!(web.next().await, Some(ServerFrame { r#ref, .. }) if r#ref == number));
    }
    bob.expect_nothing().await;
}

#[tokio::test]
async fn a_push_beyond_a_gap_is_not_taken_and_says_where_to_go_on() {
    let node = TestNode::start().await;
    let mut bob = node.member("bob", "general").await;
    let mut web = node.listen("web").await;
    web.enter("chat").await.unwrap();

    assert_eq!(push(&node, push_request(&web, 3, vec![said(3)])).await.unwrap(), 1);
    assert_eq!(push(&node, push_request(&web, u32::MAX, vec![said(9), said(10)])).await.unwrap(), 1);
    bob.expect_nothing().await;
    assert_eq!(push(&node, push_request(&web, 2, vec![said(2), said(3)])).await.unwrap(), 3);

    assert_eq!(bob.expect_text("message").await, "2");
    assert_eq!(bob.expect_text("message").await, "3");
    let status = push(&node, push_request(&web, 0, vec![said(4)])).await.unwrap_err();
    assert_status(&status, Code::InvalidArgument, "INVALID");
}

#[tokio::test]
async fn pushes_at_the_same_time_carry_out_each_frame_once_and_in_order() {
    let node = TestNode::start().await;
    let mut bob = node.member("bob", "general").await;
    let mut web = node.listen("web").await;
    web.enter("chat").await.unwrap();
    for round in 0..20 {
        let first = 2 + round * 4;
        let request = push_request(&web, first, (first..first + 4).map(said).collect());
        let (one, two, three) = tokio::join!(
            push(&node, request.clone()),
            push(&node, request.clone()),
            push(&node, request.clone())
        );
        assert_eq!([one.unwrap(), two.unwrap(), three.unwrap()], [first + 3; 3]);
    }
    for number in 2..82 {
        assert_eq!(bob.expect_text("message").await, number.to_string());
    }
    bob.expect_nothing().await;
}

#[tokio::test]
async fn a_push_with_another_secret_or_of_no_session_is_refused_alike() {
    let node = TestNode::start().await;
    let mut bob = node.member("bob", "general").await;
    let eve = node.listen("eve").await;
    let web = node.listen("web").await;
    let right = push_request(&web, 1, vec![said(1)]);
    let wrong = |id: String, secret: &str| PushRequest {
        session_id: id,
        session_secret: secret.to_owned(),
        ..right.clone()
    };
    let before = node.refusals(RefusalCode::SessionUnknown).await;
    let secret = &web.welcome.session_secret;
    let requests = [
        wrong(web.id(), &eve.welcome.session_secret),
        wrong(web.id(), ""),
        wrong(web.id(), &secret[1..]),
        wrong(web.id(), &format!("0{secret}")),
        wrong(web.id(), &"0".repeat(secret.len())),
        wrong("00000000-0000000000000".to_owned(), secret),
        wrong(String::new(), secret),
        wrong(eve.id(), secret),
    ];
    let mut messages = Vec::new();
    for request in requests {
        let status = push(&node, request).await.unwrap_err();
        assert_status(&status, Code::PermissionDenied, "SESSION_UNKNOWN");
        messages.push(status.message().to_owned());
    }
    messages.dedup();
    assert_eq!(messages.len(), 1, "what is wrong is not told: {messages:?}");
    assert_eq!(node.refusals(RefusalCode::SessionUnknown).await, before + 8);
    bob.expect_nothing().await;
    assert_eq!(push(&node, right).await.unwrap(), 1);
}

/// One secret in eight begins with a zero, which is not to be left out all the same.
#[tokio::test]
async fn a_secret_without_its_leading_zero_is_another_one() {
    let node = TestNode::start().await;
    for number in 0..200 {
        let web = node.listen(&format!("web {number}")).await;
        let Some(session_secret) = web.welcome.session_secret.strip_prefix('0') else { continue };
        let request = push_request(&web, 1, vec![ping(1)]);
        let request = PushRequest { session_secret: session_secret.to_owned(), ..request };
        let status = push(&node, request).await.unwrap_err();
        assert_status(&status, Code::PermissionDenied, "SESSION_UNKNOWN");
        return;
    }
    panic!("no secret begins with a zero");
}

#[tokio::test]
async fn a_push_after_the_end_of_the_session_is_refused() {
    let node = TestNode::start().await;
    let mut web = node.listen("web").await;
    web.join("chat", &["general"]).await;
    web.say(0, Command::Bye(rialto_proto::v1::Bye {})).await;
    web.expect_close().await;

    let status = push(&node, push_request(&web, 3, vec![said(3)])).await.unwrap_err();
    assert_status(&status, Code::PermissionDenied, "SESSION_UNKNOWN");
}

#[tokio::test]
async fn a_lower_half_that_goes_takes_the_session_with_it() {
    let node = TestNode::with(end_with_streams).await;
    let mut bob = node.attach("bob").await;
    bob.try_join("chat", &["general"], true).await.unwrap();
    let mut web = node.listen("web").await;
    web.join("chat", &["general"]).await;
    bob.next().await;
    let (id, again) = (web.id(), push_request(&web, 2, vec![said(2)]));

    drop(web);

    let frame = bob.next().await.and_then(|frame| frame.frame);
    assert!(matches!(frame, Some(Frame::Presence(presence)) if presence.left[0].session == id));
    node.forgets(&id).await;
    assert_eq!(node.members("general").await, 1);
    let status = push(&node, again).await.unwrap_err();
    assert_status(&status, Code::PermissionDenied, "SESSION_UNKNOWN");
    let open = "rialto_sessions";
    eventually("one session", async || node.metric(open).await == 1).await;
}

#[tokio::test]
async fn a_lower_half_with_nothing_to_say_pings() {
    let node = TestNode::with(|config| config.limits.session.ping_interval = Duration::from_millis(50)).await;
    let mut web = node.listen("web").await;
    for _ in 0..3 {
        let frame = web.next().await.unwrap();
        assert!(matches!(frame, ServerFrame { r#ref: 0, frame: Some(Frame::Ping(_)) }), "{frame:?}");
    }
    // On one stream both ways the transport watches the connection.
    let mut ann = node.attach("ann").await;
    assert_eq!(ann.welcome.ping_interval, Some(prost_types::Duration::default()));
    web.next().await;
    web.next().await;
    ann.expect_nothing().await;
}

#[tokio::test]
async fn a_browser_that_does_not_read_its_answers_is_told_to_push_later() {
    let node = TestNode::with(|config| {
        config.limits.session.outbox_frames_max = 16;
        config.limits.node.rooms_created_per_minute = 10_000;
    })
    .await;
    let channel = node.narrow_channel().await;
    let hello = Hello { user: "web".to_owned(), ..Hello::default() };
    let mut web = Talker::open_with_over(channel, Shape::ListenAndPush, hello).await.unwrap();

    // Large answers: the library below the test takes few small ones that nobody reads, and hangs up.
    let rooms: Vec<String> = (0..64).map(|room| format!("{room:0100}")).collect();
    let join = |reference| {
        let join = Join {
            namespace: "chat".to_owned(),
            rooms: rooms.clone(),
            presence: false,
            ..Default::default()
        };
        ClientFrame { r#ref: reference, command: Some(Command::Join(join)) }
    };
    let mut taken = 0;
    let status = within("a refusal", async {
        loop {
            let frames = (taken + 1..=taken + 50).map(join).collect();
            match push(&node, push_request(&web, taken + 1, frames)).await {
                Ok(accepted) => {
                    assert!(accepted > taken, "what is taken is told");
                    taken = accepted;
                }
                Err(status) => return status,
            }
        }
    })
    .await;
    assert_status(&status, Code::ResourceExhausted, "RATE_LIMITED");
    let details = tonic_types::StatusExt::get_error_details(&status);
    assert!(details.retry_info().and_then(|info| info.retry_delay).is_some_and(|delay| !delay.is_zero()));
    assert!(node.session(&web.id()).await.unwrap().outbox_frames <= 32);

    // Everything that was taken is answered once it reads, and then it goes on.
    for reference in 1..=taken {
        assert!(matches!(web.next().await, Some(ServerFrame { r#ref, .. }) if r#ref == reference));
    }
    assert_eq!(push(&node, push_request(&web, taken + 1, vec![ping(taken + 1)])).await.unwrap(), taken + 1);
}

#[tokio::test]
async fn a_push_of_more_than_256_frames_is_refused_whole() {
    let node = TestNode::start().await;
    let web = node.listen("web").await;
    let status = push(&node, push_request(&web, 1, (1..=257).map(ping).collect())).await.unwrap_err();
    assert_status(&status, Code::InvalidArgument, "INVALID");
    assert_eq!(push(&node, push_request(&web, 1, (1..=256).map(ping).collect())).await.unwrap(), 256);
}

#[tokio::test]
async fn a_listen_without_a_hello_is_refused() {
    let node = TestNode::start().await;
    let request = ListenRequest { hello: None };
    let status = node.messaging().await.listen(request).await.unwrap_err();
    assert_status(&status, Code::InvalidArgument, "INVALID");
}

#[tokio::test]
async fn a_second_hello_by_push_ends_the_session() {
    let node = TestNode::start().await;
    let mut web = node.listen("web").await;
    let frame = ClientFrame { r#ref: 1, command: Some(Command::Hello(Hello::default())) };
    push(&node, push_request(&web, 1, vec![frame])).await.unwrap();
    assert_eq!(web.expect_close().await.code(), CloseCode::Protocol);
    assert_status(&web.end().await.unwrap_err(), Code::FailedPrecondition, "PROTOCOL");
}

/// The whole of it as bytes on a socket: HTTP/1.1, chunks, length-prefixed messages, trailers in the body.
#[tokio::test]
async fn a_browser_on_http_1_holds_a_session() {
    let node = TestNode::with(end_with_streams).await;
    let mut bob = node.member("bob", "general").await;
    let hello = Hello { user: "web".to_owned(), ..Hello::default() };
    let listen = "/rialto.v1.MessagingService/Listen";
    let mut down = WebCall::make(&node, listen, &ListenRequest { hello: Some(hello) }).await;
    assert!(down.head.contains("content-type: application/grpc-web+proto"), "{}", down.head);

    let response: ListenResponse = down.message().await;
    assert_eq!(response.first_seq, 1);
    let Some(Frame::Welcome(welcome)) = response.frames[0].frame.clone() else { panic!("{response:?}") };
    let enter = Command::Enter(Enter { namespace: "chat".to_owned() });
    let everyone = Target { everyone: true, include_sender: true, ..Target::default() };
    let emit: Emit = emit_to(everyone, "message", "to all, me too");
    let request = PushRequest {
        session_id: welcome.session_id.clone(),
        session_secret: welcome.session_secret,
        first_seq: 1,
        frames: vec![ClientFrame { r#ref: 1, command: Some(enter) }, numbered(2, emit)],
    };
    let mut up = WebCall::make(&node, "/rialto.v1.MessagingService/Push", &request).await;
    assert_eq!(up.message::<PushResponse>().await.accepted_seq, 2);
    assert_eq!(up.status().await, "0");
    assert_eq!(bob.expect_text("message").await, "to all, me too");

    // Read as it comes: Entered, the event, Accepted; the stream stays open.
    let mut frames = Vec::new();
    while frames.len() < 3 {
        let response: ListenResponse = down.message().await;
        assert_eq!(response.first_seq as usize, frames.len() + 2);
        frames.extend(response.frames.into_iter().filter_map(|frame| frame.frame));
    }
    let [Frame::Entered(_), Frame::Event(event), Frame::Accepted(_)] = frames.as_slice() else {
        panic!("{frames:?}")
    };
    assert_eq!(text(event), "to all, me too");

    bob.emit("general", "nobody", "there").await;
    drop(down);
    node.forgets(&welcome.session_id).await;
}
