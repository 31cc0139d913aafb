//! Compression: taken from every client, given to those who ask for it.

use prost::Message;
use rialto_proto::v1::{AttachRequest, Bye, ClientFrame, Hello, client_frame::Command};
use rialto_tests::{
    node::TestNode,
    raw::{Answer, Call, message},
};

const ATTACH: &str = "/rialto.v1.MessagingService/Attach";

/// A session that says hello and bye, from a client that reads gzip.
async fn session(node: &TestNode, metadata: &[(&'static str, &str)]) -> Answer {
    let commands = [Command::Hello(Hello::default()), Command::Bye(Bye {})];
    let frames = commands.map(|command| ClientFrame { r#ref: 0, command: Some(command) }).to_vec();
    let body = message(&AttachRequest { frames }.encode_to_vec());
    let mut call = Call::new(ATTACH, body).with("grpc-accept-encoding", "gzip");
    for (name, value) in metadata {
        call = call.with(name, value);
    }
    call.make(node.address()).await
}

#[tokio::test]
async fn a_stream_is_compressed_when_its_client_asks_for_it() {
    let node = TestNode::start().await;

    let answer = session(&node, &[("rialto-compress", "1")]).await;

    assert_eq!(answer.headers.get("grpc-encoding").map(|name| name.as_bytes()), Some(b"gzip".as_slice()));
    assert_eq!(answer.body.first(), Some(&1), "the first message carries the compressed flag");
    assert_eq!(answer.status(), 0);
}

#[tokio::test]
async fn a_stream_is_not_compressed_by_being_able_to() {
    let node = TestNode::start().await;

    let answer = session(&node, &[]).await;

    assert_eq!(answer.body.first(), Some(&0), "the first message is plain");
    assert_eq!(answer.status(), 0);
}
