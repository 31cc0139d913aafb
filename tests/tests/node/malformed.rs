//! Messages that are no messages, as bytes on real streams: each ends its own stream with INVALID_ARGUMENT and nothing
//! else, and the node counts on.

use bytes::Bytes;
use prost::Message;
use rialto_proto::v1::{
    AttachRequest, AttachResponse, ClientFrame, Hello, PublishResponse, ServerFrame, client_frame::Command,
    server_frame::Frame,
};
use rialto_tests::{
    inspect::assert_status,
    node::TestNode,
    talker::{Shape, Talker},
    untyped::{ATTACH, stream, unary},
    within,
};
use tokio::sync::mpsc;
use tonic::{Code, Status, Streaming};

/// A field of the wire format: number, wire type 2, content.
fn field(number: u32, content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    prost::encoding::encode_varint(u64::from(number << 3 | 2), &mut bytes);
    prost::encoding::encode_varint(content.len() as u64, &mut bytes);
    bytes.extend(content);
    bytes
}

/// Bytes that no `AttachRequest` consists of, and what is wrong with them.
fn malformed() -> Vec<(&'static str, Vec<u8>)> {
    // frames = 1, join = 3, namespace = 1.
    let frame = |command: &[u8]| field(1, command);
    let mut groups = vec![0x7b; 5_000];
    groups.extend([0x7c; 5_000]);
    vec![
        ("a length beyond the end", vec![0x0a, 0x7f, 0x01]),
        ("a length that ends nowhere", vec![0x0a, 0xff, 0xff, 0xff, 0xff, 0xff]),
        ("an over-long varint", [vec![0x08], vec![0xff; 11]].concat()),
        ("field number 0", vec![0x00, 0x01]),
        ("wire type 7", vec![0x0f]),
        ("frames that are a number", vec![0x08, 0x01]),
        ("an end of a group that did not begin", vec![0x7c]),
        ("groups within groups", groups),
        ("a name that is not UTF-8", frame(&field(3, &field(1, &[0xff, 0xfe])))),
        ("half a surrogate pair", frame(&field(3, &field(1, &[0xed, 0xa0, 0x80])))),
        ("an over-long form of a slash", frame(&field(3, &field(1, &[0xc0, 0xaf])))),
        ("a command cut in half", frame(&field(3, &field(1, b"chat"))[..3])),
        ("noise", (0..200_u8).map(|byte| byte.wrapping_mul(151).wrapping_add(43)).collect()),
    ]
}

fn greeting() -> Bytes {
    let hello = Hello { user: "eve".to_owned(), ..Hello::default() };
    let frame = ClientFrame { r#ref: 0, command: Some(Command::Hello(hello)) };
    AttachRequest { frames: vec![frame] }.encode_to_vec().into()
}

/// A stream on `channel` that has been greeted, and the id of its session.
async fn greeted(
    channel: tonic::transport::Channel,
) -> (mpsc::Sender<Bytes>, Streaming<AttachResponse>, String) {
    let (sender, mut frames) = stream::<AttachResponse>(channel, ATTACH).await;
    sender.send(greeting()).await.unwrap();
    let response = within("a welcome", frames.message()).await.unwrap().unwrap();
    let Some(ServerFrame { frame: Some(Frame::Welcome(welcome)), .. }) = response.frames.into_iter().next()
    else {
        panic!("no welcome")
    };
    (sender, frames, welcome.session_id)
}

async fn end(mut frames: Streaming<AttachResponse>) -> Status {
    loop {
        match within("the end of the stream", frames.message()).await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it ended well"),
            Err(status) => return status,
        }
    }
}

/// Assertion 61: bytes that are no message end that session with INVALID_ARGUMENT; others on the same connection go on.
#[tokio::test]
async fn a_message_that_cannot_be_read_ends_its_session_and_no_other() {
    let node = TestNode::start().await;
    let mut bob = node.member("bob", "general").await;
    let channel = node.channel().await;
    let hello = Hello { user: "ann".to_owned(), ..Hello::default() };
    let mut ann = Talker::open_with_over(channel.clone(), Shape::Attach, hello).await.unwrap();
    ann.enter("chat").await.unwrap();
    for (number, (what, bytes)) in (1..).zip(malformed()) {
        let (sender, frames, id) = greeted(channel.clone()).await;
        sender.send(bytes.into()).await.unwrap();
        let status = end(frames).await;
        assert_eq!(status.code(), Code::InvalidArgument, "{what}: {status:?}");
        assert_status(&status, Code::InvalidArgument, "INVALID");
        node.forgets(&id).await;
        let closed = node.metric("rialto_sessions_closed_total{code=\"PROTOCOL\"}").await;
        assert_eq!(closed, number, "{what}");
        ann.emit("general", "message", what).await;
        assert_eq!(bob.expect_text("message").await, what);
    }
    assert_eq!(node.metric("rialto_panics_total").await, 0);
}

#[tokio::test]
async fn what_came_before_a_message_that_cannot_be_read_is_answered_and_the_close_says_why() {
    let node = TestNode::start().await;
    let (sender, mut frames, _) = greeted(node.channel().await).await;
    let ping = ClientFrame { r#ref: 7, command: Some(Command::Ping(rialto_proto::v1::Ping {})) };

    sender.send(AttachRequest { frames: vec![ping] }.encode_to_vec().into()).await.unwrap();
    sender.send(vec![0x0a, 0x7f, 0x01].into()).await.unwrap();

    let mut heard = Vec::new();
    let status = loop {
        match within("the end of the stream", frames.message()).await {
            Ok(Some(response)) => heard.extend(response.frames),
            Ok(None) => panic!("it ended well"),
            Err(status) => break status,
        }
    };
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(matches!(&heard[0], ServerFrame { r#ref: 7, frame: Some(Frame::Pong(_)) }), "{heard:?}");
    let Some(Frame::Close(close)) = &heard[1].frame else { panic!("no close: {heard:?}") };
    assert_eq!(close.code(), rialto_proto::v1::CloseCode::Protocol);
}

#[tokio::test]
async fn a_greeting_that_cannot_be_read_opens_no_session() {
    let node = TestNode::start().await;
    for (what, bytes) in malformed() {
        let (sender, frames) = stream::<AttachResponse>(node.channel().await, ATTACH).await;
        sender.send(bytes.into()).await.unwrap();
        let status = end(frames).await;
        assert_eq!(status.code(), Code::InvalidArgument, "{what}: {status:?}");
    }
    assert_eq!(node.metric("rialto_sessions_opened_total").await, 0);
    node.member("ann", "general").await;
}

#[tokio::test]
async fn calls_with_one_message_that_cannot_be_read_are_invalid_too() {
    let node = TestNode::start().await;
    let channel = node.channel().await;
    for method in ["Publish", "PublishBatch", "Call", "Push", "Listen"] {
        let path: &'static str = match method {
            "Publish" => "/rialto.v1.MessagingService/Publish",
            "PublishBatch" => "/rialto.v1.MessagingService/PublishBatch",
            "Call" => "/rialto.v1.MessagingService/Call",
            "Push" => "/rialto.v1.MessagingService/Push",
            _ => "/rialto.v1.MessagingService/Listen",
        };
        for bytes in [vec![0x0a, 0x7f, 0x01], field(1, &[0xff, 0xfe]), vec![0x0f]] {
            let answer = unary::<PublishResponse>(channel.clone(), path, bytes.into()).await;
            assert_status(&answer.unwrap_err(), Code::InvalidArgument, "INVALID");
        }
    }
    node.member("ann", "general").await;
}

/// Fields that this version does not know are passed over: clients may be newer than the node.
#[tokio::test]
async fn fields_that_are_not_known_are_passed_over() {
    let node = TestNode::start().await;
    let (sender, mut frames, _) = greeted(node.channel().await).await;
    // ref = 5, ping = 9, and field 999 in the request, the frame and the command.
    let ping = field(9, &field(999, b"new"));
    let frame = [vec![0x08, 5], ping, field(999, b"newer")].concat();
    let request = [field(1, &frame), field(999, b"newest")].concat();
    sender.send(request.into()).await.unwrap();
    let response = within("an answer", frames.message()).await.unwrap().unwrap();
    assert!(matches!(&response.frames[0], ServerFrame { r#ref: 5, frame: Some(Frame::Pong(_)) }));

    // A command that this version does not know is none.
    let frame = [vec![0x08, 6], field(500, b"")].concat();
    sender.send(field(1, &frame).into()).await.unwrap();
    let response = within("an answer", frames.message()).await.unwrap().unwrap();
    assert!(matches!(&response.frames[0], ServerFrame { r#ref: 6, frame: Some(Frame::Refused(_)) }));
}
