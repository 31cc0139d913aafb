//! Keyed state of rooms: the last value of each key, compare-and-set, expiry; told to members who ask for it as a
//! snapshot and then change by change.

use std::{collections::BTreeMap, time::Duration};

use rialto_proto::v1::{
    Durability, GetStateRequest, GetStateResponse, Join, RefusalCode, SetState, SetStateRequest,
    StateChanges, StateEntry, StateSet, client_frame::Command, server_frame::Frame, set_state, state_entry,
};
use rialto_server::auth::Right;
use rialto_tests::{
    access::{AN_HOUR, demand_tokens, grant, token},
    histories::{folder, join, wish},
    node::{TestNode, is_alone},
    reason,
    talker::{Shape, Talker, duration},
};
use tonic::{Code, Request, Status};

fn value(key: &str, text: &str) -> SetState {
    SetState {
        namespace: "chat".to_owned(),
        room: "board".to_owned(),
        key: key.to_owned(),
        body: Some(set_state::Body::Text(text.to_owned())),
        ..SetState::default()
    }
}

fn gone(key: &str) -> SetState {
    SetState { body: None, ..value(key, "") }
}

async fn set(node: &TestNode, set: SetState) -> Result<StateSet, Status> {
    let response = node.rooms().await.set_state(SetStateRequest { set: Some(set) }).await?;
    Ok(response.into_inner().set.expect("an answer"))
}

async fn get(node: &TestNode, namespace: &str) -> GetStateResponse {
    let request = GetStateRequest {
        namespace: namespace.to_owned(),
        room: "board".to_owned(),
        ..GetStateRequest::default()
    };
    node.rooms().await.get_state(request).await.expect("it may").into_inner()
}

fn text(entry: &StateEntry) -> Option<String> {
    match &entry.body {
        Some(state_entry::Body::Text(text)) => Some(text.clone()),
        Some(other) => panic!("{other:?}"),
        None => None,
    }
}

fn map(entries: &[StateEntry]) -> BTreeMap<String, String> {
    entries.iter().filter_map(|entry| Some((entry.key.clone(), text(entry)?))).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

async fn watcher(node: &TestNode, namespace: &str) -> Talker {
    let mut talker = node.attach("watcher").await;
    join(&mut talker, Join { state: true, ..wish(namespace, "board") }).await;
    talker
}

async fn expect_changes(talker: &mut Talker) -> StateChanges {
    match talker.expect_notice().await {
        Frame::StateChanges(changes) => changes,
        other => panic!("expected changes of state, not {other:?}"),
    }
}

#[tokio::test]
async fn a_key_has_its_last_value_through_a_restart_where_the_namespace_is_durable() {
    let folder = folder();
    let node = TestNode::keeping(folder.path()).await;
    let first = set(&node, value("topic", "one")).await.unwrap();
    assert_eq!((first.revision, first.durability()), (1, Durability::Fsync));
    set(&node, value("topic", "two")).await.unwrap();
    set(&node, value("colour", "red")).await.unwrap();
    assert_eq!(set(&node, gone("colour")).await.unwrap().revision, 4);
    let memory = SetState { namespace: "memory".to_owned(), ..value("topic", "x") };
    // Nodes that take things over from each other keep nothing in memory alone.
    let durability = if is_alone() { Durability::Memory } else { Durability::Fsync };
    assert_eq!(set(&node, memory).await.unwrap().durability(), durability);
    node.stop().await;

    let node = TestNode::keeping(folder.path()).await;
    let state = get(&node, "chat").await;
    assert_eq!(map(&state.entries), pairs(&[("topic", "two")]));
    assert_eq!((state.revision, state.epoch, state.total_count), (4, first.epoch, 1));
    assert_eq!(get(&node, "memory").await.entries.is_empty(), is_alone());
}

#[tokio::test]
async fn a_key_is_set_only_at_the_revision_that_is_expected() {
    let folder = folder();
    let node = TestNode::keeping(folder.path()).await;
    let expecting = |revision, text| SetState { expected_revision: Some(revision), ..value("lock", text) };
    assert_eq!(set(&node, expecting(0, "ann")).await.unwrap().revision, 1);
    let status = set(&node, expecting(0, "bob")).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Aborted, "CONFLICT"));
    assert_eq!(set(&node, expecting(1, "bob")).await.unwrap().revision, 2);

    let mut session = node.member("cid", "board").await;
    let reference = session.ask(Command::SetState(expecting(1, "cid"))).await;
    match session.answer(reference).await {
        Frame::Refused(refused) => {
            assert_eq!((refused.code(), refused.revision), (RefusalCode::Conflict, Some(2)));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(map(&get(&node, "chat").await.entries), pairs(&[("lock", "bob")]));
}

#[tokio::test]
async fn of_many_who_set_at_once_exactly_one_wins_each_revision() {
    let folder = folder();
    let node = TestNode::keeping(folder.path()).await;
    for expected in 0..5 {
        let attempts = (0..6).map(|who| {
            let set = SetState { expected_revision: Some(expected), ..value("lock", &who.to_string()) };
            self::set(&node, set)
        });
        let outcomes = futures_util::future::join_all(attempts).await;
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    }
}

/// A joiner gets all keys and then every change, in the order of revisions, and nothing else.
#[tokio::test]
async fn a_member_who_asks_gets_the_state_and_then_every_change() {
    let folder = folder();
    let node = TestNode::keeping(folder.path()).await;
    for namespace in ["chat", "memory", "default"] {
        let of = |set: SetState| SetState { namespace: namespace.to_owned(), ..set };
        set(&node, of(value("a", "1"))).await.unwrap();
        set(&node, of(value("b", "1"))).await.unwrap();
        set(&node, of(gone("b"))).await.unwrap();
        let mut talker = watcher(&node, namespace).await;
        let snapshot = expect_changes(&mut talker).await;
        assert!(snapshot.reset && snapshot.complete);
        assert_eq!(map(&snapshot.entries), pairs(&[("a", "1")]));

        set(&node, of(value("b", "2"))).await.unwrap();
        set(&node, of(gone("a"))).await.unwrap();
        let changed = expect_changes(&mut talker).await;
        assert!(!changed.reset && changed.complete);
        assert_eq!((map(&changed.entries), changed.entries[0].revision), (pairs(&[("b", "2")]), 4));
        let taken = expect_changes(&mut talker).await;
        assert_eq!((taken.entries[0].key.as_str(), text(&taken.entries[0])), ("a", None));
        talker.expect_nothing().await;
        // Nothing has changed: nobody is told.
        set(&node, of(gone("a"))).await.unwrap();
        talker.expect_nothing().await;
    }
}

#[tokio::test]
async fn a_session_that_sets_is_answered_and_hears_the_change_as_others_do() {
    let folder = folder();
    let node = TestNode::keeping(folder.path()).await;
    let mut talker = watcher(&node, "chat").await;
    assert!(expect_changes(&mut talker).await.entries.is_empty());
    let reference = talker.ask(Command::SetState(value("topic", "one"))).await;
    let changes = expect_changes(&mut talker).await;
    assert_eq!(changes.entries[0].by.as_ref().unwrap().session, talker.id());
    match talker.answer(reference).await {
        Frame::StateSet(set) => assert_eq!((set.revision, set.durability()), (1, Durability::Fsync)),
        other => panic!("{other:?}"),
    }
}

/// Whatever is missed on the way, the newest value of each key arrives.
#[tokio::test]
async fn a_slow_member_gets_the_newest_value_of_each_key_and_is_not_closed() {
    let folder = folder();
    let node = TestNode::keeping_with(folder.path(), |config| {
        config.limits.session.outbox_frames_max = 8;
    })
    .await;
    let mut slow = watcher(&node, "memory").await;
    for round in 0..40 {
        for key in 0..5 {
            // 12 MB in all: far more than the 2 MiB that the client's HTTP/2 takes in without being read.
            let text = format!("{round} {}", "x".repeat(60_000));
            let set = SetState { namespace: "memory".to_owned(), ..value(&format!("k{key}"), &text) };
            self::set(&node, set).await.unwrap();
        }
    }
    let mut known: BTreeMap<String, (u64, String)> = BTreeMap::new();
    let mut told = 0;
    while known.values().filter(|(_, text)| text.starts_with("39 ")).count() < 5 {
        for entry in expect_changes(&mut slow).await.entries {
            told += 1;
            let text = text(&entry).unwrap();
            let before = known.insert(entry.key, (entry.revision, text));
            assert!(before.is_none_or(|(revision, _)| revision < entry.revision));
        }
    }
    assert!(told < 200, "it was told each of {told} changes");
    slow.expect_nothing().await;
}

#[tokio::test]
async fn a_large_state_comes_in_pages() {
    let folder = folder();
    let node = TestNode::keeping(folder.path()).await;
    for key in 0..100 {
        let set =
            SetState { namespace: "memory".to_owned(), ..value(&format!("k{key:03}"), &"x".repeat(4_000)) };
        self::set(&node, set).await.unwrap();
    }
    let mut talker = watcher(&node, "memory").await;
    let (mut keys, mut frames) = (0, 0);
    loop {
        let changes = expect_changes(&mut talker).await;
        assert_eq!(changes.reset, frames == 0);
        keys += changes.entries.len();
        frames += 1;
        if changes.complete {
            break;
        }
    }
    assert_eq!(keys, 100);
    assert!(frames > 3, "400 KB came in {frames} frames");

    let mut request = GetStateRequest {
        namespace: "memory".to_owned(),
        room: "board".to_owned(),
        page_size: 30,
        ..GetStateRequest::default()
    };
    let mut named = Vec::new();
    loop {
        let page = node.rooms().await.get_state(request.clone()).await.unwrap().into_inner();
        assert_eq!(page.total_count, 100);
        named.extend(page.entries.into_iter().map(|entry| entry.key));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    let expected: Vec<String> = (0..100).map(|key| format!("k{key:03}")).collect();
    assert_eq!(named, expected);
    request =
        GetStateRequest { keys: vec!["k007".into(), "none".into()], page_token: String::new(), ..request };
    let two = node.rooms().await.get_state(request).await.unwrap().into_inner();
    assert_eq!(two.entries.len(), 1);
}

#[tokio::test]
async fn a_value_expires_and_members_are_told() {
    let folder = folder();
    let node = TestNode::keeping(folder.path()).await;
    let mut talker = watcher(&node, "chat").await;
    expect_changes(&mut talker).await;
    let expires_in = Some(duration(Duration::from_secs(1)));
    set(&node, SetState { expires_in, ..value("typing", "ann") }).await.unwrap();
    assert!(expect_changes(&mut talker).await.entries[0].expires_at.is_some());
    let expired = expect_changes(&mut talker).await;
    assert_eq!((expired.entries[0].key.as_str(), text(&expired.entries[0])), ("typing", None));
    assert!(get(&node, "chat").await.entries.is_empty());
}

/// What must not be set, and how it is answered.
fn wrong_changes() -> Vec<(&'static str, SetState, Code, &'static str)> {
    let expires = |seconds, nanos| Some(prost_types::Duration { seconds, nanos });
    vec![
        ("a third key", value("c", "1"), Code::ResourceExhausted, "LIMIT_REACHED"),
        ("a large value", value("a", &"x".repeat(65_537)), Code::ResourceExhausted, "PAYLOAD_TOO_LARGE"),
        ("no key", value("", "1"), Code::InvalidArgument, "NAME_INVALID"),
        ("a long key", value(&"x".repeat(129), "1"), Code::InvalidArgument, "NAME_INVALID"),
        (
            "no room",
            SetState { room: String::new(), ..value("a", "2") },
            Code::InvalidArgument,
            "NAME_INVALID",
        ),
        (
            "nowhere",
            SetState { namespace: "no".into(), ..value("a", "2") },
            Code::NotFound,
            "NAMESPACE_UNKNOWN",
        ),
        (
            "no time",
            SetState { expires_in: expires(0, 0), ..value("a", "2") },
            Code::InvalidArgument,
            "INVALID",
        ),
        (
            "negative",
            SetState { expires_in: expires(-1, 0), ..value("a", "2") },
            Code::InvalidArgument,
            "INVALID",
        ),
        (
            "nanos",
            SetState { expires_in: expires(2, 2_000_000_000), ..value("a", "2") },
            Code::InvalidArgument,
            "INVALID",
        ),
        (
            "ages",
            SetState { expires_in: expires(i64::MAX, 0), ..value("a", "2") },
            Code::InvalidArgument,
            "INVALID",
        ),
        (
            "a type",
            SetState { content_type: "\n".into(), ..value("a", "2") },
            Code::InvalidArgument,
            "INVALID",
        ),
    ]
}

#[tokio::test]
async fn what_is_wrong_or_beyond_a_bound_is_refused_and_changes_nothing() {
    let folder = folder();
    let node = TestNode::keeping_with(folder.path(), |config| {
        config.namespaces.iter_mut().for_each(|namespace| namespace.settings.state_keys_max = 2);
    })
    .await;
    set(&node, value("a", "1")).await.unwrap();
    set(&node, value("b", "1")).await.unwrap();
    for (what, wrong, code, why) in wrong_changes() {
        let status = set(&node, wrong).await.expect_err(what);
        assert_eq!((status.code(), reason(&status).as_str()), (code, why), "{what}: {status:?}");
    }
    let nothing = node.rooms().await.set_state(SetStateRequest { set: None }).await.unwrap_err();
    assert_eq!(nothing.code(), Code::InvalidArgument);
    let state = get(&node, "chat").await;
    assert_eq!((map(&state.entries), state.revision), (pairs(&[("a", "1"), ("b", "1")]), 2));
}

#[tokio::test]
async fn state_is_read_by_those_who_may_join_and_set_by_those_who_may_emit() {
    let folder = folder();
    let node = TestNode::keeping_with(folder.path(), demand_tokens).await;
    let reads = token("ann", AN_HOUR, vec![grant("chat", &["board"], &[Right::Join])]);
    let writes = token("bob", AN_HOUR, vec![grant("chat", &["board"], &[Right::Emit])]);
    let with = |token: &str| -> Box<dyn Fn(SetStateRequest) -> Request<SetStateRequest>> {
        let bearer = format!("Bearer {token}");
        Box::new(move |message| {
            let mut request = Request::new(message);
            request.metadata_mut().insert("authorization", bearer.parse().expect("ASCII"));
            request
        })
    };
    let message = || SetStateRequest { set: Some(value("topic", "x")) };
    let mut stub = node.rooms().await;
    let refused = stub.set_state(with(&reads)(message())).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    stub.set_state(with(&writes)(message())).await.unwrap();
    assert_eq!(stub.set_state(message()).await.unwrap_err().code(), Code::Unauthenticated);

    let mut reader = Talker::greet_with(&node, Shape::Attach, &reads).await.unwrap();
    join(&mut reader, Join { state: true, ..wish("chat", "board") }).await;
    assert_eq!(map(&expect_changes(&mut reader).await.entries), pairs(&[("topic", "x")]));
}
