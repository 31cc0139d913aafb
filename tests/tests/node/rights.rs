//! Who may do what, with real tokens and keys over real sockets: allowed and forbidden, and what a refusal gives away.

use rialto_proto::v1::{
    AttachRequest, ClientFrame, Hello, ListenRequest, NamespaceSettings, PublishRequest, RefusalCode, Target,
    Then, client_frame::Command, server_frame::Frame,
};
use rialto_server::auth::Right;
use rialto_tests::{
    access::{AN_HOUR, accept_key, demand_tokens, forged_token, grant, token},
    node::{TestNode, reached},
    reason,
    talker::{Shape, Talker, content, emit_to, everyone, rooms, sessions, users},
    within,
};
use tonic::{Code, Request};

const BOTH: [Shape; 2] = [Shape::Attach, Shape::ListenAndPush];

async fn greet(node: &TestNode, shape: Shape, token: &str) -> Talker {
    Talker::greet_with(node, shape, token).await.expect("the token is accepted")
}

/// Entering needs any grant for the namespace; a namespace of others is answered like one that is not there.
#[tokio::test]
async fn a_namespace_of_others_cannot_be_entered_or_told_from_an_unknown_one() {
    let node = TestNode::with(demand_tokens).await;
    for shape in BOTH {
        let mut ann = greet(&node, shape, &token("ann", AN_HOUR, vec![grant("chat", &[], &[])])).await;
        ann.enter("chat").await.unwrap();
        let exists = ann.enter("default").await.unwrap_err();
        let unknown = ann.enter("nowhere").await.unwrap_err();
        assert_eq!(exists.code(), RefusalCode::Forbidden);
        assert_eq!(exists, unknown);
        let exists = ann.try_join("default", &["red"], false).await.unwrap_err();
        let unknown = ann.try_join("nowhere", &["red"], false).await.unwrap_err();
        assert_eq!(exists.code(), RefusalCode::Forbidden);
        assert_eq!(exists, unknown);
        assert_eq!(ann.try_join("chat", &["red"], false).await.unwrap_err().code(), RefusalCode::Forbidden);
    }
}

/// Joining needs the right in each room; a room with members and one without are answered alike.
#[tokio::test]
async fn a_forbidden_room_cannot_be_told_from_an_unknown_one() {
    let node = TestNode::with(demand_tokens).await;
    let insider = token("eve", AN_HOUR, vec![grant("*", &["*"], &Right::ALL)]);
    let mut eve = greet(&node, Shape::Attach, &insider).await;
    eve.join("chat", &["secret"]).await;
    for shape in BOTH {
        let may = vec![grant("chat", &["team-*", "inbox-{user}"], &[Right::Join, Right::Emit])];
        let mut ann = greet(&node, shape, &token("ann", AN_HOUR, may)).await;
        ann.join("chat", &["team-red", "inbox-ann"]).await;

        let known = ann.try_join("chat", &["secret"], false).await.unwrap_err();
        let unknown = ann.try_join("chat", &["deserted"], false).await.unwrap_err();
        assert_eq!(known.code(), RefusalCode::Forbidden);
        assert_eq!(known, unknown);
        assert!(ann.try_join("chat", &["inbox-bob"], false).await.is_err());

        let known = ann.try_emit(emit_to(rooms(&["secret"]), "move", "1")).await.unwrap_err();
        let unknown = ann.try_emit(emit_to(rooms(&["deserted"]), "move", "1")).await.unwrap_err();
        assert_eq!(known.code(), RefusalCode::Forbidden);
        assert_eq!(known, unknown);

        let mut operator = node.operator_with(&token("ann", AN_HOUR, vec![])).await;
        let known = operator.try_member_count("chat", "secret").await.unwrap_err();
        let unknown = operator.try_member_count("chat", "deserted").await.unwrap_err();
        let nowhere = operator.try_member_count("nowhere", "deserted").await.unwrap_err();
        for status in [&unknown, &nowhere] {
            assert_eq!(
                (status.code(), status.message(), status.details()),
                (known.code(), known.message(), known.details())
            );
        }
        assert_eq!((known.code(), reason(&known).as_str()), (Code::PermissionDenied, "FORBIDDEN"));
    }
    eve.expect_nothing().await;
}

/// Each right is one of its own: joining does not allow emitting, nor emitting joining, nor either seeing who is there.
#[tokio::test]
async fn each_right_allows_one_thing() {
    let node = TestNode::with(demand_tokens).await;
    let outcome = async |rights: &[Right]| {
        let may = vec![grant("chat", &["red"], rights)];
        let mut ann = greet(&node, Shape::Attach, &token("ann", AN_HOUR, may)).await;
        ann.enter("chat").await.unwrap();
        let call = Target { any_of: "red".to_owned(), ..Target::default() };
        [
            ann.try_join("chat", &["red"], false).await.is_ok(),
            ann.try_join("chat", &["red"], true).await.is_ok(),
            ann.try_emit(emit_to(rooms(&["red"]), "move", "1")).await.is_ok(),
            ann.try_emit(emit_to(call, "move", "1")).await.is_ok(),
        ]
    };
    assert_eq!(outcome(&[]).await, [false, false, false, false]);
    assert_eq!(outcome(&[Right::Join]).await, [true, false, false, false]);
    assert_eq!(outcome(&[Right::Presence]).await, [false, false, false, false]);
    assert_eq!(outcome(&[Right::Join, Right::Presence]).await, [true, true, false, false]);
    assert_eq!(outcome(&[Right::Emit]).await, [false, false, true, false]);
    assert_eq!(outcome(&[Right::Call]).await, [false, false, false, true]);
    assert_eq!(outcome(&[Right::Admin]).await, [false, false, false, false]);
}

/// Rights in rooms do not reach beyond them: everyone, users and sessions need the right over the whole namespace.
#[tokio::test]
async fn a_right_in_rooms_does_not_reach_everyone() {
    let node = TestNode::with(demand_tokens).await;
    let all = token("bob", AN_HOUR, vec![grant("*", &["*"], &Right::ALL)]);
    let mut bob = greet(&node, Shape::Attach, &all).await;
    bob.join("chat", &["red", "secret"]).await;
    let may = vec![grant("chat", &["re*"], &[Right::Join, Right::Emit])];
    let mut ann = greet(&node, Shape::Attach, &token("ann", AN_HOUR, may)).await;
    ann.join("chat", &["red"]).await;
    let with_session = Target { sessions: vec![bob.id()], ..rooms(&["red"]) };
    for target in
        [everyone(), users(&["bob"]), sessions(&[bob.id()]), with_session, rooms(&["red", "secret"])]
    {
        let refused = ann.try_emit(emit_to(target, "move", "1")).await.unwrap_err();
        assert_eq!(refused.code(), RefusalCode::Forbidden);
    }
    bob.expect_nothing().await;
    ann.try_emit(emit_to(rooms(&["red"]), "move", "2")).await.unwrap();
    assert_eq!(bob.expect_text("move").await, "2");
    bob.try_emit(emit_to(users(&["ann"]), "move", "3")).await.unwrap();
    assert_eq!(ann.expect_text("move").await, "3");
}

/// The directory shows what `presence` allows and changes what `admin` allows, and nothing else.
#[tokio::test]
async fn reading_the_directory_needs_presence_and_changing_needs_admin() {
    let node = TestNode::with(demand_tokens).await;
    let member = token("ann", AN_HOUR, vec![grant("chat", &["*"], &[Right::Join, Right::Emit])]);
    let mut ann = greet(&node, Shape::Attach, &member).await;
    ann.join("chat", &["red"]).await;
    for (right, reads, changes) in
        [(Right::Emit, false, false), (Right::Presence, true, false), (Right::Admin, true, true)]
    {
        let may = token("op", AN_HOUR, vec![grant("chat", &["*"], &[right])]);
        let mut operator = node.operator_with(&may).await;
        let read = [
            operator.namespace("chat").await.map(drop),
            operator.rooms("", 0, "").await.map(drop),
            operator.members("red", 0, "").await.map(drop),
            operator.try_member_count("chat", "red").await.map(drop),
            operator.watch("chat", "").await.map(drop),
        ];
        let changed = [
            operator.update("chat", NamespaceSettings::default()).await.map(drop),
            operator.create("chat", NamespaceSettings::default()).await.map(drop),
            operator.join(users(&["nobody"]), &["blue"]).await.map(drop),
            operator.part(users(&["nobody"]), &["blue"]).await.map(drop),
            operator.describe(users(&["nobody"]), &[], &[]).await.map(drop),
            operator.disconnect(users(&["nobody"]), "", Then::StayAway).await.map(drop),
            operator.delete("chat").await.map(drop),
        ];
        let denied = |result: &Result<(), tonic::Status>| {
            result.as_ref().is_err_and(|status| status.code() == Code::PermissionDenied)
        };
        assert!(
            read.iter().all(|result| result.is_ok() == reads && denied(result) != reads),
            "{right:?}: {read:?}"
        );
        assert!(changed.iter().all(|result| denied(result) != changes), "{right:?}: {changed:?}");
        assert_eq!(operator.session(&ann.id()).await.is_ok(), reads);
        // Nothing of this is allowed in a namespace of others.
        assert_eq!(operator.namespace("default").await.unwrap_err().code(), Code::PermissionDenied);
    }
    let mut operator =
        node.operator_with(&token("op", AN_HOUR, vec![grant("chat", &["re*"], &[Right::Presence])])).await;
    assert_eq!(operator.try_member_count("chat", "red").await.unwrap(), 1);
    assert_eq!(operator.rooms("", 0, "").await.unwrap_err().code(), Code::PermissionDenied);
    assert_eq!(operator.try_member_count("chat", "blue").await.unwrap_err().code(), Code::PermissionDenied);
    ann.expect_nothing().await;
}

/// A list of namespaces names only those that the asker may see: not on the page, not as its token, not in the count.
#[tokio::test]
async fn a_list_of_namespaces_gives_away_nothing_of_others() {
    let node = TestNode::with(demand_tokens).await;
    let all = token("root", AN_HOUR, vec![grant("*", &["*"], &[Right::Admin])]);
    let mut root = node.operator_with(&all).await;
    for name in ["acme-1", "acme-2", "beta-1", "beta-2"] {
        root.create(name, NamespaceSettings::default()).await.unwrap();
    }
    let names = |page: &rialto_proto::v1::ListNamespacesResponse| -> Vec<String> {
        page.namespaces.iter().map(|namespace| namespace.namespace.clone()).collect()
    };
    let may = token("beta", AN_HOUR, vec![grant("beta-*", &["*"], &[Right::Presence])]);
    let mut beta = node.operator_with(&may).await;
    let first = beta.namespaces(1, "").await.unwrap();
    assert_eq!(names(&first), ["beta-1"]);
    assert_eq!((first.total_count, first.next_page_token.as_str()), (2, "beta-1"));
    let second = beta.namespaces(1, &first.next_page_token).await.unwrap();
    assert_eq!((names(&second), second.next_page_token.as_str()), (vec!["beta-2".to_owned()], ""));
    let mut nobody = node.operator_with(&token("nobody", AN_HOUR, vec![])).await;
    let nothing = nobody.namespaces(1, "").await.unwrap();
    assert_eq!(nothing, rialto_proto::v1::ListNamespacesResponse::default());
}

/// A session shows only those of its namespaces that the asker may see.
#[tokio::test]
async fn a_session_is_shown_without_the_namespaces_of_others() {
    let node = TestNode::with(demand_tokens).await;
    let all = token("ann", AN_HOUR, vec![grant("*", &["*"], &Right::ALL)]);
    let mut ann = greet(&node, Shape::Attach, &all).await;
    let asks = |namespace: &str| token("op", AN_HOUR, vec![grant(namespace, &["*"], &[Right::Presence])]);
    let mut chat_operator = node.operator_with(&asks("chat")).await;
    assert_eq!(chat_operator.session(&ann.id()).await.unwrap_err().code(), Code::NotFound);
    ann.join("chat", &["red"]).await;
    ann.join("default", &["red"]).await;
    let shown = chat_operator.session(&ann.id()).await.unwrap();
    let namespaces: Vec<_> = shown.memberships.iter().map(|place| place.namespace.as_str()).collect();
    assert_eq!(namespaces, ["chat"]);
    let mut other = node.operator_with(&asks("other")).await;
    let hidden = other.session(&ann.id()).await.unwrap_err();
    let unknown = other.session("00000000-0000000000000").await.unwrap_err();
    assert_eq!((hidden.code(), hidden.message()), (unknown.code(), unknown.message()));
}

/// An API key is somebody too: in a greeting, in metadata, with its grants and no others.
#[tokio::test]
async fn a_key_of_a_service_opens_sessions_and_publishes() {
    let mut key = String::new();
    let node = TestNode::with(|config| {
        demand_tokens(config);
        key = accept_key(config, "billing", vec![grant("chat", &["bills"], &[Right::Emit, Right::Join])]);
    })
    .await;
    for shape in BOTH {
        let mut service = greet(&node, shape, &key).await;
        assert_eq!(service.welcome.user, "billing");
        service.join("chat", &["bills"]).await;
        assert!(service.try_join("chat", &["red"], false).await.is_err());
        let mut stub = node.messaging().await;
        let publish = |room: &str, authorization: Option<String>| {
            let mut request = Request::new(PublishRequest {
                namespace: "chat".to_owned(),
                target: Some(rooms(&[room])),
                content: Some(content("paid", "1")),
                ..PublishRequest::default()
            });
            if let Some(authorization) = authorization {
                request.metadata_mut().insert("authorization", authorization.parse().unwrap());
            }
            request
        };
        let bearer = || Some(format!("Bearer {key}"));
        let taken = within("a publish", stub.publish(publish("bills", bearer()))).await.unwrap();
        reached(&taken.into_inner().accepted.unwrap(), 1);
        let event = service.expect_event("paid").await;
        let sender = event.sender.unwrap();
        assert_eq!((sender.user.as_str(), sender.session.as_str()), ("billing", ""));
        for (room, authorization, code) in [
            ("red", bearer(), Code::PermissionDenied),
            ("bills", None, Code::Unauthenticated),
            ("bills", Some("Bearer rk_00000000000000000000000000".to_owned()), Code::Unauthenticated),
            ("bills", Some(format!("Basic {key}")), Code::Unauthenticated),
        ] {
            let status = within("a publish", stub.publish(publish(room, authorization))).await.unwrap_err();
            assert_eq!(status.code(), code);
        }
        service.expect_nothing().await;
        service.bye().await;
    }
}

/// A session's token may come in the metadata of its call; one in the greeting goes before it.
#[tokio::test]
async fn a_token_in_metadata_greets_as_one_in_the_greeting_does() {
    let node = TestNode::with(demand_tokens).await;
    let mut stub = node.messaging().await;
    let bearing = |in_hello: String, scheme: &str| {
        let hello = Hello { token: in_hello, ..Hello::default() };
        let mut request = Request::new(ListenRequest { hello: Some(hello) });
        let bearer = format!("{scheme} {}", token("ann", AN_HOUR, vec![]));
        request.metadata_mut().insert("authorization", bearer.parse().unwrap());
        request
    };
    for (in_hello, scheme, user) in [
        (String::new(), "Bearer", "ann"),
        (String::new(), "bearer", "ann"),
        (token("bob", AN_HOUR, vec![]), "Bearer", "bob"),
    ] {
        let mut frames = stub.listen(bearing(in_hello, scheme)).await.unwrap().into_inner();
        let response = within("welcome", frames.message()).await.unwrap().unwrap();
        assert!(matches!(&response.frames[0].frame, Some(Frame::Welcome(welcome)) if welcome.user == user));
    }
    for (in_hello, scheme) in [(forged_token("ann", vec![]), "Bearer"), (String::new(), "Basic")] {
        let status = stub.listen(bearing(in_hello, scheme)).await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated);
    }

    let hello = ClientFrame { r#ref: 0, command: Some(Command::Hello(Hello::default())) };
    let mut request = Request::new(tokio_stream::once(AttachRequest { frames: vec![hello] }));
    let bearer = format!("Bearer {}", token("ann", AN_HOUR, vec![]));
    request.metadata_mut().insert("authorization", bearer.parse().unwrap());
    let mut frames = stub.attach(request).await.unwrap().into_inner();
    let response = within("welcome", frames.message()).await.unwrap().unwrap();
    assert!(matches!(&response.frames[0].frame, Some(Frame::Welcome(welcome)) if welcome.user == "ann"));
}

/// A node that demands credentials takes none that are forged, and no unary call without.
#[tokio::test]
async fn forged_and_missing_credentials_are_refused_everywhere() {
    let node = TestNode::with(demand_tokens).await;
    let forged = forged_token("ann", vec![grant("*", &["*"], &Right::ALL)]);
    for shape in BOTH {
        for token in ["", forged.as_str()] {
            let status = Talker::greet_with(&node, shape, token).await.err().unwrap();
            assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, "UNAUTHENTICATED"));
        }
    }
    for mut operator in [node.operator().await, node.operator_with(&forged).await] {
        assert_eq!(operator.namespaces(0, "").await.unwrap_err().code(), Code::Unauthenticated);
        assert_eq!(operator.watch("chat", "").await.unwrap_err().code(), Code::Unauthenticated);
    }
}

/// Where nothing is authenticated the name is believed and a refresh changes nothing.
#[tokio::test]
async fn an_open_node_believes_names_and_refreshes_anything() {
    let node = TestNode::start().await;
    for shape in BOTH {
        let mut ann = node.greet(shape, "ann").await;
        assert_eq!(ann.welcome.user, "ann");
        assert_eq!(ann.refresh("whatever").await.unwrap().expires_in, None);
        let reference = ann.ask(Command::Ping(rialto_proto::v1::Ping {})).await;
        assert!(matches!(ann.answer(reference).await, Frame::Pong(_)));
    }
}
