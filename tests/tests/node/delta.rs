//! Deltas: who has asked for them gets an event as the difference to the one before it, whenever it has got that one, and
//! in full whenever that is not sure. Other languages read the same bytes by what is built into them.

use std::{collections::BTreeMap, fs, process::Command as Program, time::Duration};

use rialto_proto::v1::{
    Content, Emit, Event, ExpectReplies, client_frame::Command, content::Body, server_frame::Frame,
};
use rialto_server::wire::delta;
use rialto_tests::{
    deltas::{Reader, dashboard, inflate, taking_deltas},
    histories::{after, folder, history, join, of, only},
    node::{TestNode, count, is_alone},
    talker::{Shape, Talker, duration, emit_in, emit_to, rooms, text},
    tools::{repository, tool},
};
use serde_json::{Value, json};

/// A member of `general` that takes deltas.
async fn taker(node: &TestNode, namespace: &str, user: &str) -> (Talker, Reader) {
    let mut talker = node.attach(user).await;
    join(&mut talker, taking_deltas(namespace, "general")).await;
    (talker, Reader::default())
}

/// Somebody who says things without being a member.
async fn speaker(node: &TestNode) -> Talker {
    let mut speaker = node.attach("speaker").await;
    speaker.enter("chat").await.unwrap();
    speaker
}

/// The value of a dashboard after so many changes.
fn value(changes: u32) -> String {
    let mut values = [100; 40];
    (0..changes).for_each(|change| values[change as usize * 7 % 40] = 1000 + change);
    dashboard(&values)
}

fn keyed(key: &str, text: &str) -> Emit {
    let mut emit = emit_to(rooms(&["general"]), "board", text);
    emit.content.as_mut().unwrap().key = key.to_owned();
    emit
}

async fn next(talker: &mut Talker) -> Event {
    talker.expect_event("board").await
}

#[tokio::test]
async fn a_value_that_changes_little_comes_as_a_delta_to_those_who_asked_only() {
    let node = TestNode::start().await;
    let (mut ann, mut reader) = taker(&node, "chat", "ann").await;
    let mut bob = node.member("bob", "general").await;
    let mut speaker = speaker(&node).await;
    for change in 0..10 {
        speaker.emit("general", "board", &value(change)).await;
        let told = next(&mut ann).await;
        assert_eq!(told.delta.is_some(), change > 0, "the first one is whole");
        assert!(told.delta.as_ref().is_none_or(|delta| delta.data.len() < 100), "a small change is small");
        assert_eq!(reader.text(&told), value(change));
        let whole = next(&mut bob).await;
        assert_eq!((whole.delta.is_none(), text(&whole)), (true, value(change)));
        assert_eq!((whole.event_id, whole.sent_at), (told.event_id, told.sent_at));
    }
}

#[tokio::test]
async fn values_under_several_keys_follow_each_other_by_key() {
    let node = TestNode::start().await;
    let (mut ann, mut reader) = taker(&node, "chat", "ann").await;
    let mut speaker = speaker(&node).await;
    for round in 0..5 {
        for (number, key) in (0..).zip(["", "north", "south"]) {
            let value = value(10 * number + round);
            speaker.try_emit(keyed(key, &value)).await.unwrap();
            let told = next(&mut ann).await;
            assert_eq!((told.delta.is_some(), reader.text(&told)), (round > 0, value));
        }
    }
}

#[tokio::test]
async fn who_joins_in_the_middle_or_again_gets_a_whole_value_first() {
    let node = TestNode::start().await;
    let (mut ann, mut first) = taker(&node, "chat", "ann").await;
    let mut speaker = speaker(&node).await;
    for change in 0..3 {
        speaker.emit("general", "board", &value(change)).await;
        first.read(&next(&mut ann).await);
    }
    let (mut bob, mut second) = taker(&node, "chat", "bob").await;
    join(&mut ann, taking_deltas("chat", "general")).await;
    for change in 3..6 {
        speaker.emit("general", "board", &value(change)).await;
        for (talker, reader) in [(&mut ann, &mut first), (&mut bob, &mut second)] {
            let told = next(talker).await;
            assert_eq!((told.delta.is_some(), reader.text(&told)), (change > 3, value(change)));
        }
    }
}

#[tokio::test]
async fn a_sender_that_does_not_hear_itself_gets_what_follows_its_own_value_whole() {
    let node = TestNode::start().await;
    let (mut ann, mut of_ann) = taker(&node, "chat", "ann").await;
    let (mut bob, mut of_bob) = taker(&node, "chat", "bob").await;
    ann.emit("general", "board", &value(0)).await;
    of_bob.read(&next(&mut bob).await);

    for (change, delta) in [(1, false), (2, true)] {
        bob.try_emit(Emit { target: Some(rooms(&["general"])), ..keyed("", &value(change)) }).await.unwrap();
        let told = next(&mut ann).await;
        assert_eq!((told.delta.is_some(), of_ann.text(&told)), (delta, value(change)));
    }
    ann.emit("general", "board", &value(3)).await;
    let told = next(&mut bob).await;
    assert_eq!((told.delta.is_none(), of_bob.text(&told)), (true, value(3)));

    let mut target = rooms(&["general"]);
    target.include_sender = true;
    for change in 4..6 {
        ann.try_emit(emit_to(target.clone(), "board", &value(change))).await.unwrap();
        let reference = ann.next().await.and_then(|frame| frame.frame);
        let Some(Frame::Event(told)) = reference else { panic!("its own event, not {reference:?}") };
        assert_eq!((told.delta.is_some(), of_ann.text(&told)), (change > 4, value(change)));
    }
}

/// What does not go to all members of one room is whole, and so is what follows it.
#[tokio::test]
async fn questions_and_exceptions_are_whole_and_no_base() {
    let node = TestNode::start().await;
    let (mut ann, mut reader) = taker(&node, "chat", "ann").await;
    let mut speaker = speaker(&node).await;
    let question = ExpectReplies { timeout: Some(duration(Duration::from_secs(5))) };
    let mut excepting = keyed("", &value(5));
    excepting.target.as_mut().unwrap().except_sessions = vec![speaker.id()];
    let asked = Emit { expect_replies: Some(question), ..keyed("", &value(2)) };
    let said = [
        (keyed("", &value(0)), false),
        (keyed("", &value(1)), true),
        (asked, false),
        (keyed("", &value(3)), false),
        (keyed("", &value(4)), true),
        (excepting, false),
        (keyed("", &value(6)), false),
    ];
    for (emit, delta) in said {
        let Some(Content { body: Some(Body::Text(text)), .. }) = emit.content.clone() else { unreachable!() };
        speaker.ask(Command::Emit(emit)).await;
        let told = next(&mut ann).await;
        assert_eq!((told.delta.is_some(), reader.text(&told)), (delta, text));
    }
}

/// A session that goes on has got all that was sent to it, so deltas go on as well.
#[tokio::test]
async fn deltas_go_on_after_a_lost_stream() {
    let node = TestNode::start().await;
    let (mut ann, mut reader) = taker(&node, "chat", "ann").await;
    let mut speaker = speaker(&node).await;
    for change in 0..2 {
        speaker.emit("general", "board", &value(change)).await;
    }
    reader.read(&next(&mut ann).await);
    let lost = ann.lose(Shape::ListenAndPush);
    speaker.emit("general", "board", &value(2)).await;

    let mut ann = lost.resume(&node).await;
    speaker.emit("general", "board", &value(3)).await;

    for change in 1..4 {
        let told = next(&mut ann).await;
        // At another node deltas begin anew.
        let goes_on = is_alone() || change < 3;
        assert!(told.delta.is_some() || !goes_on);
        assert_eq!(reader.text(&told), value(change));
    }
}

/// What is kept is whole; what is live may be a delta, and says its place all the same.
#[tokio::test]
async fn histories_and_what_is_recovered_are_whole() {
    let folder = folder();
    let node = TestNode::keeping(folder.path()).await;
    for namespace in ["chat", "memory"] {
        let (mut ann, mut reader) = taker(&node, namespace, "ann").await;
        let mut speaker = node.attach("speaker").await;
        speaker.enter(namespace).await.unwrap();
        for change in 0..4 {
            let emit = emit_in(namespace, rooms(&["general"]), "board", &value(change));
            speaker.try_emit(emit).await.unwrap();
            let told = next(&mut ann).await;
            assert_eq!((told.delta.is_some(), told.offset), (change > 0, Some(u64::from(change) + 1)));
            assert!(!told.epoch.is_empty());
            assert_eq!(reader.text(&told), value(change));
        }
        let kept = history(&node, of(namespace, "general")).await.unwrap();
        assert!(kept.events.iter().all(|event| event.delta.is_none()));

        let mut bob = node.attach("bob").await;
        let mut reader = Reader::default();
        let epoch = &kept.events[0].epoch;
        let wanted = rialto_proto::v1::Join { delta: true, ..after(namespace, "general", epoch, 1) };
        only(join(&mut bob, wanted).await);
        for change in 4..6 {
            let emit = emit_in(namespace, rooms(&["general"]), "board", &value(change));
            speaker.try_emit(emit).await.unwrap();
        }
        for change in 1..6 {
            let told = next(&mut bob).await;
            assert_eq!((told.delta.is_some(), reader.text(&told)), (change == 5, value(change)));
        }
    }
}

/// A busy room that keeps its events in memory hands out what it has gathered, to those with deltas and those without.
#[tokio::test]
async fn a_busy_room_gathers_deltas_too() {
    let folder = folder();
    let node = TestNode::keeping(folder.path()).await;
    for namespace in ["chat", "memory"] {
        let (mut ann, mut reader) = taker(&node, namespace, "ann").await;
        let mut crowd = Vec::new();
        for number in 0..70 * count() {
            let mut member = node.attach(&format!("crowd-{number}")).await;
            member.join(namespace, &["general"]).await;
            crowd.push(member);
        }
        let mut speaker = node.attach("speaker").await;
        speaker.enter(namespace).await.unwrap();
        let emits = (0..20).map(|change| rialto_proto::v1::ClientFrame {
            r#ref: 0,
            command: Some(Command::Emit(emit_in(namespace, rooms(&["general"]), "board", &value(change)))),
        });
        speaker.say_all(emits.collect()).await;
        for change in 0..20 {
            let told = next(&mut ann).await;
            assert_eq!((told.delta.is_some(), reader.text(&told)), (change > 0, value(change)));
            assert_eq!(text(&next(&mut crowd[0]).await), value(change));
        }
    }
}

/// Nothing is kept for nobody: who comes first gets no delta to what was said before, nor does who comes back alone.
#[tokio::test]
async fn a_room_in_which_nobody_takes_deltas_keeps_nothing_to_make_them_of() {
    let node = TestNode::start().await;
    let _bob = node.member("bob", "general").await;
    let mut speaker = speaker(&node).await;
    speaker.emit("general", "board", &value(0)).await;
    for change in [1, 2] {
        let (mut ann, _) = taker(&node, "chat", "ann").await;
        speaker.emit("general", "board", &value(change)).await;
        assert_eq!(next(&mut ann).await.delta, None);
        ann.part("chat", &["general"]).await;
    }
}

const VECTORS: &str = "tests/conformance/delta/vectors.json";

/// Pairs of payloads, by name.
fn pairs() -> BTreeMap<&'static str, (Vec<u8>, Vec<u8>)> {
    let binary = |seed: u32, length: u32| {
        (0..length)
            .map(|at| (at.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 24) as u8)
            .collect::<Vec<_>>()
    };
    let (mut long, mut changed) = (binary(0, 33_000), binary(1, 300));
    changed.extend(&long[20_000..]);
    long.extend(b"the end");
    BTreeMap::from([
        ("a dashboard", (value(0).into_bytes(), value(3).into_bytes())),
        (
            "a text in several scripts",
            ("Grüße 👋 ".repeat(20).into_bytes(), "Grüße 👍 ".repeat(21).into_bytes()),
        ),
        ("nothing in common", (binary(7, 200), "abc".repeat(40).into_bytes())),
        ("the same again", (value(1).into_bytes(), value(1).into_bytes())),
        ("the end of a long payload", (long, changed)),
    ])
}

/// Vectors as our own encoder makes them now.
fn vectors() -> Value {
    let list = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let vector = |(name, (base, payload)): (&str, (Vec<u8>, Vec<u8>))| {
        let data = delta::deflate(&payload, delta::end(&base), payload.len() + 64).expect("it fits");
        assert_eq!(inflate(&data, &base), payload, "{name}");
        json!({"name": name, "base": list(&base), "delta": list(&data), "payload": list(&payload)})
    };
    pairs().into_iter().map(vector).collect()
}

/// Lets a program read the vectors that are published and those that are made now.
fn read_by(program: impl Fn(&str) -> Program) {
    let folder = tempfile::tempdir().unwrap();
    let fresh = folder.path().join("vectors.json");
    fs::write(&fresh, serde_json::to_string_pretty(&vectors()).unwrap()).unwrap();
    for file in [&repository().join(VECTORS), &fresh] {
        let mut program = program(file.to_str().unwrap());
        let output = program.output().unwrap_or_else(|error| panic!("{program:?} does not start: {error}"));
        let said = String::from_utf8_lossy(&output.stdout);
        let wrong = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program:?}: {said}{wrong}");
        assert_eq!(said.trim(), format!("{} deltas were read", pairs().len()));
    }
}

#[test]
fn the_vectors_that_are_published_are_those_payloads() {
    let text = fs::read_to_string(repository().join(VECTORS)).unwrap();
    let published: Vec<Value> = serde_json::from_str(&text).unwrap();
    let fresh = vectors();
    // The bytes of a delta may differ by the processor; what it stands for does not.
    for (published, fresh) in published.iter().zip(fresh.as_array().unwrap()) {
        for field in ["name", "base", "payload"] {
            assert_eq!(published[field], fresh[field]);
        }
    }
    assert_eq!(published.len(), pairs().len());
}

#[test]
fn python_reads_deltas_with_what_is_built_in() {
    read_by(|vectors| {
        let mut program = Program::new(tool("python/bin/python"));
        program.arg(repository().join("tests/conformance/delta/read.py")).arg(vectors);
        program
    });
}

#[test]
fn javascript_reads_deltas_with_what_is_built_in() {
    read_by(|vectors| {
        let mut program = Program::new("node");
        program.arg(repository().join("tests/conformance/delta/read.cjs")).arg(vectors);
        program
    });
}

#[test]
fn go_reads_deltas_with_what_is_built_in() {
    read_by(|vectors| {
        let mut program = Program::new("go");
        program.arg("run").arg(repository().join("tests/conformance/delta/read.go")).arg(vectors);
        program
    });
}
