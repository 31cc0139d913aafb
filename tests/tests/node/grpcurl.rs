//! Tools that people have at hand, against a real node: grpcurl and `buf curl` look inside through reflection (v1 and
//! v1alpha), open a session fed from standard input, publish, and ask for health. Nothing of ours is on their side.

#![allow(clippy::panic, clippy::unwrap_used, reason = "this is test code")]

use std::process::Stdio;

use rialto_tests::{
    histories::{folder, publish_many},
    node::{TestNode, is_alone},
    tools::tool,
    within,
};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::Command,
};

const ATTACH: &str = "rialto.v1.MessagingService/Attach";
const PUBLISH: &str = "rialto.v1.MessagingService/Publish";
const HELLO: &str = r#"{"frames":[{"ref":1,"hello":{"user":"ann"}}]}"#;
const JOIN: &str = r#"{"frames":[{"ref":2,"join":{"namespace":"chat","rooms":["general"]}}]}"#;
const EMIT: &str = r#"{"frames":[{"ref":3,"emit":{"namespace":"chat","target":{"rooms":["general"],"include_sender":true},"content":{"event":"message","text":"hi"}}}]}"#;
const BYE: &str = r#"{"frames":[{"ref":4,"bye":{}}]}"#;
const PUBLICATION: &str = r#"{"namespace":"chat","target":{"rooms":["general"]},"content":{"event":"message","text":"from outside"}}"#;

#[tokio::test(flavor = "multi_thread")]
async fn grpcurl_lists_and_describes_what_there_is() {
    let node = TestNode::start().await;
    let services = grpcurl(&node, &["list"], "").await.unwrap();
    for service in [
        "rialto.v1.MessagingService",
        "rialto.v1.DirectoryService",
        "rialto.v1.RoomService",
        "grpc.health.v1.Health",
    ] {
        assert!(services.lines().any(|line| line == service), "{service} is not in:\n{services}");
    }
    let attach = grpcurl(&node, &["describe", "rialto.v1.MessagingService.Attach"], "").await.unwrap();
    assert!(attach.contains(
        "rpc Attach ( stream .rialto.v1.AttachRequest ) returns ( stream .rialto.v1.AttachResponse"
    ));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn grpcurl_holds_a_session_that_is_fed_from_standard_input() {
    let node = TestNode::start().await;
    let said = [HELLO, JOIN, EMIT, BYE].join("\n");
    let output = grpcurl(&node, &["-d", "@", "", ATTACH], &said).await.unwrap();
    expect_session(&output);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_grpcurl_publishes_reaches_a_session_of_grpcurl() {
    let node = TestNode::start().await;
    let mut session = Command::new(tool("bin/grpcurl"))
        .args(["-plaintext", "-d", "@", &node.address().to_string(), ATTACH])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut input = session.stdin.take().unwrap();
    let mut output = BufReader::new(session.stdout.take().unwrap()).lines();
    input.write_all(format!("{HELLO}\n{JOIN}\n").as_bytes()).await.unwrap();
    until(&mut output, "\"joined\"").await;

    let published: Value =
        serde_json::from_str(&grpcurl(&node, &["-d", PUBLICATION, "", PUBLISH], "").await.unwrap()).unwrap();
    let here = published["accepted"]["recipientsHere"].as_u64().unwrap_or_default();
    assert!(here == 1 || !is_alone() && here == 0, "{published}");
    until(&mut output, "from outside").await;

    input.write_all(BYE.as_bytes()).await.unwrap();
    until(&mut output, "CLOSE_CODE_BYE").await;
    drop(input);
    let status = within("the end of grpcurl", session.wait()).await.unwrap();
    assert!(status.success(), "{status}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn grpcurl_reads_what_a_room_keeps() {
    let folder = folder();
    let node = TestNode::keeping(folder.path()).await;
    publish_many(&node, "chat", "general", 0..3).await;
    let ask = async |method: &str, request: &str| {
        let path = format!("rialto.v1.RoomService/{method}");
        let answer = grpcurl(&node, &["-d", request, "", &path], "").await.unwrap();
        serde_json::from_str::<Value>(&answer).unwrap()
    };

    let page = ask("GetHistory", r#"{"namespace":"chat","room":"general","pageSize":2}"#).await;
    let said: Vec<_> = page["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| (&event["offset"], &event["content"]["text"]))
        .collect();
    assert_eq!(said, [(&"2".into(), &"1".into()), (&"3".into(), &"2".into())]);
    assert_eq!((&page["firstOffset"], &page["nextOffset"]), (&"1".into(), &"4".into()));
    let token = page["nextPageToken"].as_str().unwrap();
    let older = format!(r#"{{"namespace":"chat","room":"general","pageSize":2,"pageToken":"{token}"}}"#);
    let older = ask("GetHistory", &older).await;
    assert_eq!(older["events"][0]["content"]["text"], "0");
    assert!(older.get("nextPageToken").is_none(), "{older}");

    let set = r#"{"set":{"namespace":"chat","room":"general","key":"topic","text":"tea"}}"#;
    assert_eq!(ask("SetState", set).await["set"]["revision"], "1");
    let state = ask("GetState", r#"{"namespace":"chat","room":"general"}"#).await;
    assert_eq!((&state["entries"][0]["key"], &state["entries"][0]["text"]), (&"topic".into(), &"tea".into()));
    let _ann = node.member("ann", "general").await;
    let presence = ask("GetPresence", r#"{"namespace":"chat","room":"general","countsOnly":true}"#).await;
    assert_eq!((&presence["memberCount"], &presence["userCount"]), (&1.into(), &1.into()));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn grpcurl_hears_that_the_node_is_well() {
    let node = TestNode::start().await;
    let health = grpcurl(&node, &["", "grpc.health.v1.Health/Check"], "").await.unwrap();
    assert!(health.contains("SERVING"), "{health}");
    let request = r#"{"service":"rialto.v1.MessagingService"}"#;
    let health = grpcurl(&node, &["-d", request, "", "grpc.health.v1.Health/Check"], "").await.unwrap();
    assert!(health.contains("\"SERVING\""), "{health}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn grpcurl_shows_the_code_of_a_refusal() {
    let node = TestNode::start().await;
    let request = r#"{"namespace":"chat","target":{},"content":{"event":"message"}}"#;
    let refusal = grpcurl(&node, &["-d", request, "", PUBLISH], "").await.unwrap_err();
    assert!(refusal.contains("Code: InvalidArgument"), "{refusal}");
    assert!(refusal.contains("TARGET_EMPTY") && refusal.contains("rialto"), "{refusal}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn buf_curl_looks_inside_through_both_versions_of_reflection() {
    let node = TestNode::start().await;
    for version in ["grpc-v1", "grpc-v1alpha"] {
        let methods =
            buf_curl(&node, "", &["--reflect-protocol", version, "--list-methods"], "").await.unwrap();
        assert!(methods.lines().any(|line| line == ATTACH), "{version}:\n{methods}");
        let path = format!("/{PUBLISH}");
        let flags = ["--reflect-protocol", version, "--data", PUBLICATION];
        let published = buf_curl(&node, &path, &flags, "").await.unwrap();
        let published: Value = serde_json::from_str(&published).unwrap();
        assert!(published["accepted"]["eventId"].is_string(), "{version}: {published}");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn buf_curl_holds_a_session_that_is_fed_from_standard_input() {
    let node = TestNode::start().await;
    let said = [HELLO, JOIN, EMIT, BYE].join("\n");
    let output = buf_curl(&node, &format!("/{ATTACH}"), &["--data", "@-"], &said).await.unwrap();
    expect_session(&output);
    node.stop().await;
}

/// The answers to [`HELLO`], [`JOIN`], [`EMIT`] and [`BYE`], however they were put together to messages.
fn expect_session(output: &str) {
    let responses = serde_json::Deserializer::from_str(output).into_iter::<Value>();
    let frames: Vec<Value> = responses
        .flat_map(|response| response.unwrap()["frames"].as_array().cloned().unwrap_or_default())
        .collect();
    let find = |kind: &str| {
        let frame = frames.iter().find(|frame| frame.get(kind).is_some());
        frame.unwrap_or_else(|| panic!("no {kind} in\n{output}"))
    };
    assert_eq!(find("welcome")["welcome"]["user"], "ann");
    assert_eq!(find("joined")["ref"], 2);
    assert_eq!(find("event")["event"]["content"]["text"], "hi");
    assert_eq!(find("accepted")["ref"], 3);
    assert_eq!(find("accepted")["accepted"]["recipientsHere"], 1);
    let last = frames.last().unwrap();
    assert_eq!(last["close"]["code"], "CLOSE_CODE_BYE", "{output}");
}

/// Runs grpcurl; an empty argument stands for the node's address, which is put last when there is none. What it printed,
/// or what it complained about.
async fn grpcurl(node: &TestNode, arguments: &[&str], input: &str) -> Result<String, String> {
    let address = node.address().to_string();
    let mut command = Command::new(tool("bin/grpcurl"));
    command.arg("-plaintext");
    if arguments.contains(&"") {
        command.args(arguments.iter().map(|argument| if argument.is_empty() { &address } else { *argument }));
    } else {
        command.arg(&address).args(arguments);
    }
    run(command, input).await
}

async fn buf_curl(node: &TestNode, path: &str, flags: &[&str], input: &str) -> Result<String, String> {
    let mut command = Command::new(tool("bin/buf"));
    command.args(["curl", "--protocol", "grpc", "--http2-prior-knowledge"]).args(flags);
    command.arg(format!("http://{}{path}", node.address()));
    run(command, input).await
}

async fn run(mut command: Command, input: &str) -> Result<String, String> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).await.unwrap();
    drop(stdin);
    let output = within("the end of the program", child.wait_with_output()).await.unwrap();
    let (out, complaint) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    if output.status.success() { Ok(out) } else { Err(complaint) }
}

async fn until<R: tokio::io::AsyncBufRead + Unpin>(lines: &mut tokio::io::Lines<R>, text: &str) {
    let find = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.contains(text) {
                return;
            }
        }
        panic!("the output ended without {text}");
    };
    within(text, find).await;
}
