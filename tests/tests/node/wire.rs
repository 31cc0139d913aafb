//! Conformance of the wire: what the server's codec writes is read by the official decoders of Python, JavaScript and
//! Go as the message that it stands for, and the server reads what they write. The programs are in
//! `tests/conformance/wire`.

#![allow(clippy::panic, clippy::unwrap_used, reason = "this is test code")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use bytes::Bytes;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};
use rialto_proto::{
    DESCRIPTOR_SET,
    v1::{
        Accepted, AttachRequest, AttachResponse, ClientFrame, Close, Content, Emit, Event, ExpectReplies,
        Hello, Join, Joined, Limits, Member, Missed, Ping, Refused, Replies, RepliesDone, ReplyItem, Retry,
        RoomState, Sender, ServerFrame, Target, Welcome, client_frame::Command as Asked,
        content::Body as Payload, reply_item, server_frame::Frame as Said,
    },
};
use rialto_server::{
    base::limits::SessionLimits,
    wire::{Burst, Class, Frame, command},
};
use rialto_tests::tools::{path_with_tools, repository, tool};
use serde_json::Value;

#[test]
fn python_reads_what_the_codec_writes_and_the_other_way_round() {
    conforms(|folder| {
        let generated = folder.join("generated");
        fs::create_dir(&generated).unwrap();
        let python = tool("python/bin/python");
        let mut generate = Command::new(&python);
        generate.args(["-m", "grpc_tools.protoc", "--proto_path=proto"]).current_dir(repository());
        generate.arg(format!("--python_out={}", generated.display()));
        generate.args(protos());
        succeed(generate);
        let mut decode = Command::new(&python);
        decode.arg(repository().join("tests/conformance/wire/decode.py")).arg(generated).arg(folder);
        decode
    });
}

#[test]
fn javascript_reads_what_the_codec_writes_and_the_other_way_round() {
    conforms(|folder| {
        let generated = folder.join("generated");
        generate("buf.gen.js.yaml", &generated);
        let mut decode = Command::new("node");
        decode.arg(repository().join("tests/conformance/wire/decode.cjs")).arg(generated).arg(folder);
        decode.env("NODE_PATH", tool("node/node_modules"));
        decode
    });
}

#[test]
fn go_reads_what_the_codec_writes_and_the_other_way_round() {
    conforms(|folder| {
        let module = folder.join("module");
        generate("buf.gen.go.yaml", &module);
        for file in ["go.mod", "go.sum", "decode.go"] {
            fs::copy(repository().join("tests/conformance/wire/go").join(file), module.join(file)).unwrap();
        }
        let mut decode = Command::new("go");
        decode.args(["run", "."]).arg(folder).current_dir(module);
        decode
    });
}

/// Lets the program that `prepare` makes read all responses and write all requests, and compares.
fn conforms(prepare: impl Fn(&Path) -> Command) {
    let folder = tempfile::tempdir().unwrap();
    let (responses, requests) = (responses(), requests());
    for (name, (burst, _)) in &responses {
        fs::write(folder.path().join(format!("{name}.response.bin")), burst.encode_to_vec()).unwrap();
    }
    for (name, request) in &requests {
        let json = canonical(request, "rialto.v1.AttachRequest").to_string();
        fs::write(folder.path().join(format!("{name}.request.json")), json).unwrap();
    }

    succeed(prepare(folder.path()));

    for (name, (_, expected)) in &responses {
        let text = fs::read_to_string(folder.path().join(format!("{name}.response.json"))).unwrap();
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read, canonical(expected, "rialto.v1.AttachResponse"), "the response {name}");
    }
    for (name, expected) in &requests {
        let bytes = fs::read(folder.path().join(format!("{name}.request.bin"))).unwrap();
        let read = AttachRequest::decode(bytes.as_slice()).unwrap();
        assert_eq!(&read, expected, "the request {name}");
        for frame in read.frames {
            command::Command::parse(frame, &SessionLimits::default()).unwrap();
        }
    }
}

/// Bursts as the server makes them, and the messages that they stand for.
fn responses() -> BTreeMap<&'static str, (Burst, AttachResponse)> {
    let mut all = BTreeMap::new();
    let mut add = |name, burst: Burst, frames: Vec<ServerFrame>| {
        let first_seq = burst.first_seq();
        all.insert(name, (burst, AttachResponse { first_seq, frames }));
    };
    let (event, said_event) = event("message", Payload::Text("Grüße 👋".into()));
    add("one_event", Burst::one(1, event.record().clone()), vec![said_event.clone()]);
    add("nothing", Burst::default(), Vec::new());

    let answers: Vec<ServerFrame> =
        answers().into_iter().zip(0..).map(|(body, number)| said(number, body)).collect();
    let records =
        answers.iter().map(|frame| Frame::answer(frame.r#ref, frame.frame.clone().unwrap()).record().clone());
    add("all_kinds", Burst::many(u32::MAX - 100, records.collect()), answers);

    // Lengths around the places where their encoding grows by a byte.
    let sizes = [0, 1, 100, 126, 127, 128, 129, 16_000, 16_300, 16_383, 16_384, 16_385, 65_536];
    let (records, frames): (Vec<Bytes>, Vec<ServerFrame>) = sizes
        .iter()
        .map(|size| self::event("blob", Payload::Binary(Bytes::from(vec![0xff; *size]))))
        .map(|(frame, said)| (frame.record().clone(), said))
        .unzip();
    add("sizes", Burst::many(7, records), frames);

    let gathered = Frame::gathered(&vec![event; 300]);
    let ping = Frame::answer(9, Said::Ping(Ping {}));
    let mut frames = vec![said_event; 300];
    frames.push(said(9, Said::Ping(Ping {})));
    let records = vec![gathered.record().clone(), ping.record().clone()];
    add("a_gathered_room_and_an_answer", Burst::many(300, records), frames);
    all
}

fn said(reference: u32, body: Said) -> ServerFrame {
    ServerFrame { r#ref: reference, frame: Some(body) }
}

fn event(name: &str, body: Payload) -> (Frame, ServerFrame) {
    let content = Content {
        event: name.into(),
        body: Some(body),
        content_type: "text/plain; charset=utf-8".into(),
        headers: BTreeMap::from([("trace".into(), "1".into()), ("ß".into(), String::new())])
            .into_iter()
            .collect(),
        ..Default::default()
    };
    let event = Event {
        namespace: "chat".into(),
        rooms: vec!["general".into(), "日本語".into()],
        content: Some(content),
        event_id: "0123456789abcdefghjkm".into(),
        sender: Some(sender("ann")),
        sent_at: Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 5_000_000 }),
        reply_token: "t".into(),
        offset: Some(u64::MAX),
        epoch: "e".into(),
        ..Default::default()
    };
    (Frame::event(event.clone(), Class::Reliable), said(0, Said::Event(event)))
}

fn sender(user: &str) -> Sender {
    Sender { session: format!("session-of-{user}"), user: user.into() }
}

/// What the server says beside events.
fn answers() -> Vec<Said> {
    let second = Some(prost_types::Duration { seconds: 1, nanos: 500_000_000 });
    let limits = Limits { payload_bytes_max: u32::MAX, rooms_max: 128, ..Limits::default() };
    let member = Member {
        who: Some(sender("ann")),
        attributes: [("name".into(), "Ann".into())].into(),
        ..Default::default()
    };
    let room =
        RoomState { room: "general".into(), member_count: 1, members: vec![member], ..Default::default() };
    let item = ReplyItem {
        from: Some(sender("bob")),
        body: Some(reply_item::Body::Binary(Bytes::from_static(&[0, 1, 2, 255]))),
        content_type: String::new(),
    };
    let retry = Retry { advice: 2, after: second };
    vec![
        Said::Welcome(Welcome {
            session_id: "s".into(),
            ping_interval: second,
            limits: Some(limits),
            ..Welcome::default()
        }),
        Said::Joined(Joined { namespace: "chat".into(), rooms: vec![room] }),
        Said::Accepted(Accepted {
            event_id: "e".into(),
            recipients_here: 3,
            offset: Some(0),
            durability: 1,
            ..Default::default()
        }),
        Said::Refused(Refused {
            code: 6,
            reason: "slow".into(),
            retry: Some(retry),
            limit: "emits".into(),
            ..Default::default()
        }),
        Said::Replies(Replies { items: vec![item] }),
        Said::RepliesDone(RepliesDone { answered: 1, timed_out: true, ..RepliesDone::default() }),
        Said::Missed(Missed {
            namespace: "chat".into(),
            count: 9,
            from_offset: Some(1),
            ..Missed::default()
        }),
        Said::Ping(Ping {}),
        Said::Close(Close { code: 101, reason: "behind".into(), then: 1, after: second }),
    ]
}

/// What clients say.
fn requests() -> BTreeMap<&'static str, AttachRequest> {
    let asked = |reference, command| ClientFrame { r#ref: reference, command: Some(command) };
    let join = Join {
        namespace: "chat".into(),
        rooms: vec!["general".into()],
        presence: true,
        ..Default::default()
    };
    let hello = Hello {
        user: "ann".into(),
        attributes: [("color".into(), "#fff".into())].into(),
        joins: vec![join.clone()],
        ..Hello::default()
    };
    let emit = |body| Emit {
        namespace: "chat".into(),
        target: Some(Target { rooms: vec!["general".into()], include_sender: true, ..Target::default() }),
        content: Some(Content { event: "message".into(), body: Some(body), ..Content::default() }),
        delivery: 2,
        expect_replies: None,
        ..Default::default()
    };
    let text = emit(Payload::Text("naïve 👋".into()));
    let mut binary = emit(Payload::Binary(Bytes::from(vec![0xff; 20_000])));
    binary.delivery = 0;
    let timeout = Some(prost_types::Duration { seconds: 2, nanos: 0 });
    binary.expect_replies = Some(ExpectReplies { timeout });
    let all = vec![
        asked(1, Asked::Hello(hello)),
        asked(2, Asked::Join(join)),
        asked(3, Asked::Emit(text)),
        asked(u32::MAX, Asked::Emit(binary)),
    ];
    BTreeMap::from([("all", AttachRequest { frames: all }), ("nothing", AttachRequest::default())])
}

/// The canonical JSON of a message.
fn canonical(message: &impl Message, name: &str) -> Value {
    let pool = DescriptorPool::decode(DESCRIPTOR_SET).unwrap();
    let descriptor: MessageDescriptor = pool.get_message_by_name(name).unwrap();
    let message = DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice()).unwrap();
    let options = SerializeOptions::new().use_proto_field_name(true);
    message.serialize_with_options(serde_json::value::Serializer, &options).unwrap()
}

fn generate(template: &str, out: &PathBuf) {
    let mut buf = Command::new(tool("bin/buf"));
    buf.arg("generate")
        .arg("--template")
        .arg(format!("tests/conformance/wire/{template}"))
        .arg("--output")
        .arg(out);
    buf.current_dir(repository()).env("PATH", path_with_tools());
    succeed(buf);
}

fn protos() -> Vec<String> {
    let folder = fs::read_dir(repository().join("proto/rialto/v1")).unwrap();
    folder.map(|entry| format!("rialto/v1/{}", entry.unwrap().file_name().to_string_lossy())).collect()
}

fn succeed(mut command: Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?} does not start: {error}; run `make test`"));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{text}{}", String::from_utf8_lossy(&output.stdout));
}
