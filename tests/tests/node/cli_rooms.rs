//! What rooms keep, as scripts see it: history, presence and keyed state from real processes, with exit codes.

use rialto_server::auth::Right;
use rialto_tests::{
    access::{accept_key, demand_tokens, grant},
    histories::{folder, history, of, publish, publish_many},
    node::TestNode,
    program::{Ended, Running, run},
};
use serde_json::{Value, json};

/// A command about a room, against this node, in the namespace `chat`.
async fn ask(node: &TestNode, line: &str) -> Ended {
    let url = node.url();
    run(&[&words(line), ["--server", &url, "--namespace", "chat"].as_slice()].concat()).await
}

/// The same, left running.
fn start(node: &TestNode, line: &str) -> Running {
    let url = node.url();
    Running::start(&[&words(line), ["--server", &url, "--namespace", "chat"].as_slice()].concat())
}

fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

/// What a command that succeeded printed, line by line.
fn lines(ended: &Ended) -> Vec<Value> {
    assert_eq!(ended.code, 0, "{ended:?}");
    ended.out.lines().map(|line| line.parse().unwrap()).collect()
}

fn strings(lines: &[Value], field: &str) -> Vec<String> {
    lines.iter().map(|line| line[field].as_str().unwrap_or_default().to_owned()).collect()
}

fn numbers(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

#[tokio::test]
async fn the_history_of_a_room_is_printed_from_any_place_the_oldest_event_first() {
    let folder = folder();
    let node = TestNode::keeping(folder.path()).await;
    publish_many(&node, "chat", "general", 0..120).await;

    let default = lines(&ask(&node, "history general --json").await);
    assert_eq!(strings(&default, "text"), numbers(70..120), "the newest 50");
    assert_eq!((&default[0]["offset"], &default[49]["offset"]), (&71.into(), &120.into()));
    let three = lines(&ask(&node, "history general --newest 3 --json").await);
    assert_eq!(strings(&three, "text"), numbers(117..120));
    let before = lines(&ask(&node, "history general --newest 3 --to 10 --json").await);
    assert_eq!(strings(&before, "text"), numbers(7..10));
    let all = lines(&ask(&node, "history general --from 0 --json").await);
    assert_eq!(strings(&all, "text"), numbers(0..120), "over several pages");
    let part = lines(&ask(&node, "history general --from 5 --to 9 --json").await);
    assert_eq!(strings(&part, "text"), numbers(4..9));
    assert_eq!(lines(&ask(&node, "history general --since 1h --json").await).len(), 120);
    assert_eq!(lines(&ask(&node, "history general --since 2999-01-01T00:00:00Z --json").await).len(), 0);

    let people = ask(&node, "history general --newest 1").await;
    assert!(people.out.starts_with("    120 ") && people.out.ends_with("message -: 119\n"), "{people:?}");
}

#[tokio::test]
async fn a_place_that_a_history_does_not_have_is_refused_and_a_room_without_one_has_nothing() {
    let folder = folder();
    let node = TestNode::keeping(folder.path()).await;
    publish(&node, "chat", "general", "hi").await;

    let gone = ask(&node, "history general --from 7").await;
    assert_eq!((gone.code, gone.out.as_str()), (1, ""), "{gone:?}");
    let other = ask(&node, "history general --from 1 --epoch another").await;
    assert_eq!((other.code, other.out.as_str()), (1, ""), "{other:?}");
    let epoch = history(&node, of("chat", "general")).await.unwrap().epoch;
    let same = ask(&node, &format!("history general --from 1 --epoch {epoch} --json")).await;
    assert_eq!(strings(&lines(&same), "epoch"), [epoch]);
    let nothing = ask(&node, "history empty").await;
    assert_eq!((nothing.code, nothing.out.as_str()), (0, ""));
    assert!(nothing.err.contains("no such events are kept in chat/empty"), "{}", nothing.err);
}

#[tokio::test]
async fn a_listener_begins_with_the_newest_events_on_demand() {
    let folder = folder();
    let node = TestNode::keeping(folder.path()).await;
    publish_many(&node, "chat", "general", 0..9).await;
    let mut listener = start(&node, "listen --room general --newest 2 --count 3 --json");
    listener.complaint().await.expect("it says that it has joined");

    publish(&node, "chat", "general", "new").await;

    for (text, offset) in [("7", 8), ("8", 9), ("new", 10)] {
        let event = listener.json().await;
        assert_eq!((&event["text"], &event["offset"]), (&text.into(), &offset.into()));
    }
    assert_eq!(listener.code().await, 0);
}

#[tokio::test]
async fn presence_is_listed_by_session_and_by_user_and_counted() {
    let node = TestNode::start().await;
    let (ann, bob) = (node.member("ann", "general").await, node.member("bob", "general").await);
    let _again = node.member("ann", "general").await;

    let sessions = lines(&ask(&node, "presence general --json").await);
    let mut users = strings(&sessions, "user");
    users.sort();
    assert_eq!(users, ["ann", "ann", "bob"]);
    assert!(strings(&sessions, "session").contains(&bob.id()), "{sessions:?}");
    assert_eq!(sessions[0]["away"], false);
    let users = lines(&ask(&node, "presence general --by user --json").await);
    assert_eq!(strings(&users, "user"), ["ann", "bob"]);
    assert_eq!((&users[0]["session_count"], &users[1]["session_count"]), (&2.into(), &1.into()));
    let counts = lines(&ask(&node, "presence general --counts --json").await);
    assert_eq!((&counts[0]["member_count"], &counts[0]["user_count"]), (&3.into(), &2.into()));

    assert_eq!(ask(&node, "presence general --counts").await.out, "3 members, 2 users\n");
    assert_eq!(ask(&node, "presence general --by user").await.out, "ann  2 sessions\nbob  1 session\n");
    assert_eq!(ask(&node, "presence empty").await.out, "");
    drop(ann);
}

#[tokio::test]
async fn a_key_is_set_printed_and_removed() {
    let folder = folder();
    let node = TestNode::keeping(folder.path()).await;

    assert_eq!(ask(&node, "state set general topic tea").await.out, "revision 1\n");
    let got = ask(&node, "state get general topic").await;
    assert_eq!((got.code, got.out.as_str()), (0, "tea\n"), "a value is printed as it is");
    let set = lines(&ask(&node, "state set general colour red --expires-in 1h --json").await);
    assert_eq!((&set[0]["revision"], &set[0]["durability"]), (&2.into(), &"FSYNC".into()), "{set:?}");
    let all = lines(&ask(&node, "state get general --json").await);
    assert_eq!(strings(&all, "key"), ["colour", "topic"]);
    assert_eq!(strings(&all, "text"), ["red", "tea"]);
    assert!(all[0]["expires_at"].is_string() && all[1]["expires_at"].is_null(), "{all:?}");
    assert_eq!(ask(&node, "state get general").await.out, "colour 2: red\ntopic 1: tea\n");

    assert_eq!(ask(&node, "state remove general topic").await.out, "revision 3\n");
    let absent = ask(&node, "state get general topic").await;
    assert_eq!((absent.code, absent.out.as_str()), (1, ""));
    assert!(absent.err.contains("there is no key topic in chat/general"), "{}", absent.err);
}

#[tokio::test]
async fn a_condition_that_does_not_hold_has_an_exit_code_of_its_own() {
    let folder = folder();
    let node = TestNode::keeping(folder.path()).await;
    assert_eq!(ask(&node, "state set general leader ann --if-absent").await.code, 0);

    for late in [
        "state set general leader bob --if-absent",
        "state set general leader bob --if-revision 7",
        "state remove general leader --if-revision 7",
    ] {
        let late = ask(&node, late).await;
        assert_eq!((late.code, late.out.as_str()), (5, ""), "{late:?}");
    }
    assert_eq!(ask(&node, "state get general leader").await.out, "ann\n");
    assert_eq!(ask(&node, "state set general leader bob --if-revision 1").await.out, "revision 2\n");
}

#[tokio::test]
async fn a_value_that_is_no_text_is_set_from_a_file_and_printed_as_it_is() {
    let node = TestNode::start().await;
    let folder = folder();
    let file = folder.path().join("value");
    std::fs::write(&file, [0, 255, 1, 254]).unwrap();

    let set = format!("state set general blob --content-type image/x --file {}", file.display());
    assert_eq!(ask(&node, &set).await.code, 0);

    let got = lines(&ask(&node, "state get general blob --json").await);
    assert_eq!((&got[0]["base64"], &got[0]["content_type"]), (&"AP8B/g==".into(), &"image/x".into()));
}

#[tokio::test]
async fn a_watch_prints_the_state_as_it_is_and_then_as_it_changes() {
    let node = TestNode::start().await;
    ask(&node, "state set general topic tea").await;
    let mut watch = start(&node, "state watch general --json --count 2");
    let found = watch.json().await;
    assert_eq!(
        (&found["key"], &found["text"], &found["removed"]),
        (&"topic".into(), &"tea".into(), &false.into())
    );

    ask(&node, "state set general colour red").await;
    let set = watch.json().await;
    assert_eq!((&set["key"], &set["revision"]), (&"colour".into(), &2.into()));
    ask(&node, "state remove general topic").await;
    let removed = watch.json().await;
    assert_eq!(
        (&removed["key"], &removed["removed"], removed.get("text")),
        (&"topic".into(), &true.into(), None)
    );
    assert_eq!(watch.code().await, 0, "it ends after --count changes");
}

#[tokio::test]
async fn a_watch_of_one_key_of_a_room_without_any_waits_for_it() {
    let node = TestNode::start().await;
    let mut watch = start(&node, "state watch general topic");
    assert_eq!(watch.complaint().await.unwrap(), "watching chat/general (0 keys)");

    ask(&node, "state set general other x").await;
    ask(&node, "state set general topic tea").await;

    assert_eq!(watch.line().await.unwrap(), "topic 2: tea");
    assert_eq!(watch.interrupt().await, 0, "Ctrl-C ends it well");
}

#[tokio::test]
async fn who_may_not_look_is_told_so_with_one_sentence() {
    let mut key = String::new();
    let node = TestNode::with(|config| {
        demand_tokens(config);
        key = accept_key(config, "robot", Vec::new());
    })
    .await;
    for line in ["history general", "presence general", "state get general", "state set general k v"] {
        let refused = ask(&node, &format!("{line} --token {key}")).await;
        assert_eq!((refused.code, refused.out.as_str()), (1, ""), "{refused:?}");
        assert_eq!(refused.err.lines().count(), 1, "{refused:?}");
    }
    let nowhere = run(&["history", "general", "--server", "http://127.0.0.1:1"]).await;
    assert_eq!(nowhere.code, 3, "{nowhere:?}");
}

#[tokio::test]
async fn whoever_is_revoked_is_listed_until_that_is_taken_back() {
    let mut key = String::new();
    let node = TestNode::with(|config| {
        demand_tokens(config);
        key = accept_key(config, "operator", vec![grant("*", &["*"], &Right::ALL)]);
    })
    .await;
    let ask = async |line: &str| {
        let url = node.url();
        run(&[&words(line), ["--server", &url, "--token", &key].as_slice()].concat()).await
    };
    let revoked = lines(&ask("access revoke --user ann --keep 1h --reason stolen --json").await);
    let durability = revoked[0]["durability"].as_str().unwrap().to_owned();
    assert!(["memory", "fsync"].contains(&durability.as_str()), "{durability}");
    assert_eq!((&revoked[0]["sessions_ended"], &revoked[0]["nodes_missing"]), (&json!(0), &json!([])));
    let said = ask("access revoke --token-id lost").await;
    assert_eq!((said.code, said.out.as_str()), (0, "revoked; 0 sessions ended\n"));

    let listed = lines(&ask("access list --json").await);
    let names = |field| strings(&listed, field);
    assert_eq!((names("kind"), names("name")), (owned(&["token", "user"]), owned(&["lost", "ann"])));
    assert_eq!(names("reason"), owned(&["", "stolen"]));
    let shown = ask("access list").await.out;
    assert!(
        shown
            .lines()
            .nth(1)
            .is_some_and(|line| line.starts_with("user ann  since ") && line.ends_with("  stolen")),
        "{shown}"
    );

    assert_eq!(ask("access reinstate --user ann").await.out, "taken back\n");
    let again = ask("access reinstate --user ann").await;
    assert_eq!((again.code, again.err.contains("that was not revoked")), (1, true), "{again:?}");
    assert_eq!(lines(&ask("access list --json").await).len(), 1);
    let forever = ask("access revoke --user ann --keep 11y").await;
    assert_eq!((forever.code, forever.err.contains("more than ten years")), (1, true), "{forever:?}");
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
