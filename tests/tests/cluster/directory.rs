//! Operators and browsers on several nodes: whatever node is asked, everything is seen and reached, and a node that does not
//! answer is named.

use std::time::Duration;

use rialto_proto::v1::{
    ClientFrame, CreateNamespaceRequest, DeleteNamespaceRequest, GetPresenceRequest, JoinMembersRequest,
    ListMembersRequest, ListRoomsRequest, NamespaceSettings, PresenceBy, PushRequest, Then,
    UpdateNamespaceRequest,
};
use rialto_server::base::config::{Config, NamespaceConfig};
use rialto_tests::{
    asking::numbered,
    cluster::Cluster,
    eventually,
    nats::NatsServer,
    talker::{Shape, Talker, emit_to, everyone, rooms, text},
};

/// Three nodes with a member of `general` on each.
async fn three() -> (Cluster, Vec<Talker>) {
    let cluster = Cluster::start(3).await;
    let mut members = Vec::new();
    for (node, user) in cluster.nodes.iter().zip(["ann", "bob", "ann"]) {
        members.push(node.member(user, "general").await);
    }
    (cluster, members)
}

#[tokio::test]
async fn whatever_node_is_asked_members_and_rooms_of_all_are_listed_and_counted() {
    let (cluster, mut members) = three().await;
    members[0].join("chat", &["a", "c"]).await;
    members[2].join("chat", &["b", "c"]).await;
    for node in &cluster.nodes {
        let mut directory = node.directory().await;
        let (mut seen, mut token) = (Vec::new(), String::new());
        loop {
            let request = ListRoomsRequest {
                namespace: "chat".into(),
                page_size: 2,
                page_token: token,
                ..Default::default()
            };
            let page = directory.list_rooms(request).await.unwrap().into_inner();
            assert_eq!((page.total_count, page.nodes_missing.len()), (4, 0));
            seen.extend(page.rooms.into_iter().map(|room| (room.room, room.member_count)));
            token = page.next_page_token;
            if token.is_empty() {
                break;
            }
        }
        let expected = [("a", 1), ("b", 1), ("c", 2), ("general", 3)];
        assert_eq!(seen, expected.map(|(room, count)| (room.to_owned(), count)));
        let request =
            ListMembersRequest { namespace: "chat".into(), room: "general".into(), ..Default::default() };
        let page = directory.list_members(request).await.unwrap().into_inner();
        let ids: Vec<String> =
            page.members.into_iter().filter_map(|member| Some(member.who?.session)).collect();
        let mut expected: Vec<String> = members.iter().map(Talker::id).collect();
        expected.sort();
        assert_eq!((ids, page.total_count), (expected, 3));
        let request = GetPresenceRequest {
            namespace: "chat".into(),
            room: "general".into(),
            by: PresenceBy::User.into(),
            ..Default::default()
        };
        let page = node.rooms().await.get_presence(request).await.unwrap().into_inner();
        assert_eq!((page.member_count, page.user_count, page.users.len()), (3, 2, 2));
        for member in &members {
            assert!(node.session(&member.id()).await.is_some(), "it is shown wherever it is");
        }
    }
}

#[tokio::test]
async fn an_operator_reaches_the_members_of_all_nodes() {
    let (cluster, mut members) = three().await;
    let mut directory = cluster.nodes[0].directory().await;
    let request = JoinMembersRequest {
        namespace: "chat".into(),
        target: Some(rooms(&["general"])),
        rooms: vec!["hall".into()],
    };
    let reach = directory.join_members(request).await.unwrap().into_inner();
    assert_eq!((reach.sessions_changed, reach.nodes_missing.len()), (3, 0));
    for member in &mut members {
        assert_eq!(member.expect_joined().await.rooms[0].room, "hall");
    }
    members[0].emit("hall", "message", "all").await;
    for member in &mut members[1..] {
        assert_eq!(text(&member.expect_event("message").await), "all");
    }
    let mut operator = cluster.nodes[1].operator().await;
    assert_eq!(operator.disconnect(everyone(), "enough", Then::StayAway).await.unwrap(), 3);
    for member in &mut members {
        assert_eq!(member.expect_close().await.reason, "enough");
    }
}

#[tokio::test]
async fn a_namespace_that_is_made_at_run_time_is_there_on_every_node_also_on_one_that_comes_later() {
    let mut cluster = Cluster::start(2).await;
    let mut directory = cluster.nodes[0].directory().await;
    let create = CreateNamespaceRequest { namespace: "games".into(), ..Default::default() };
    directory.create_namespace(create.clone()).await.unwrap();
    assert!(cluster.nodes[1].directory().await.create_namespace(create).await.is_err(), "it exists");
    let settings = Some(NamespaceSettings { rooms_max: Some(1), ..Default::default() });
    let update = UpdateNamespaceRequest { namespace: "games".into(), settings };
    cluster.nodes[1].directory().await.update_namespace(update).await.unwrap();
    cluster.add().await;
    for node in &cluster.nodes {
        let mut player = node.attach("player").await;
        player.join("games", &["one"]).await;
        let refused = player.try_join("games", &["two"], false).await.unwrap_err();
        assert_eq!(refused.limit, "namespace rooms_max");
    }
    let delete = DeleteNamespaceRequest { namespace: "games".into() };
    directory.delete_namespace(delete).await.unwrap();
    for node in &cluster.nodes {
        assert!(node.attach("player").await.enter("games").await.is_err());
    }
}

#[tokio::test]
async fn a_namespace_that_is_made_is_there_also_where_clients_have_made_as_many_as_there_may_be() {
    let nats = NatsServer::start().await;
    let full = |config: &mut Config| {
        config.namespaces.push(NamespaceConfig::named("tenant-*"));
        config.limits.node.namespaces_max = 1;
    };
    let (first, second) = (Cluster::node(&nats, full).await, Cluster::node(&nats, full).await);
    let mut player = first.attach("player").await;
    player.enter("tenant-a").await.unwrap();
    let create = CreateNamespaceRequest { namespace: "games".into(), ..Default::default() };
    second.directory().await.create_namespace(create).await.unwrap();
    player.enter("games").await.unwrap();
    let mut other = second.attach("other").await;
    other.enter("games").await.unwrap();
    // Everybody who has to leave it is counted, whichever way a node comes to know.
    let delete = DeleteNamespaceRequest { namespace: "games".into() };
    let left = second.directory().await.delete_namespace(delete).await.unwrap().into_inner();
    assert_eq!(left.sessions_changed, 2);
}

#[tokio::test]
async fn a_browser_may_push_to_any_node() {
    let cluster = Cluster::start(3).await;
    let mut web = cluster.nodes[0].greet(Shape::ListenAndPush, "web").await;
    web.join("chat", &["general"]).await;
    let mut ann = cluster.nodes[1].member("ann", "general").await;
    let frame = |number: u32| -> ClientFrame {
        numbered(number, emit_to(rooms(&["general"]), "message", &number.to_string()))
    };
    for (number, node) in (2..).zip([1, 2, 0, 2, 1]) {
        let request = PushRequest {
            session_id: web.id(),
            session_secret: web.welcome.session_secret.clone(),
            first_seq: number,
            frames: vec![frame(number)],
        };
        let pushed = cluster.nodes[node].messaging().await.push(request).await.unwrap().into_inner();
        assert_eq!(pushed.accepted_seq, number);
        assert_eq!(text(&ann.expect_event("message").await), number.to_string());
        web.answer(number).await;
    }
}

#[tokio::test]
async fn a_node_that_does_not_answer_is_named() {
    let (cluster, _members) = three().await;
    let request = ListRoomsRequest { namespace: "chat".into(), ..Default::default() };
    let mut directory = cluster.nodes[0].directory().await;
    let page = directory.list_rooms(request.clone()).await.unwrap().into_inner();
    assert_eq!(page.nodes_missing, Vec::<String>::new());
    // Somebody who says that it is there, and nothing else.
    let mut stranger = rialto_tests::nats::Stranger::connect(&cluster.nats).await;
    let announce = rialto_proto::node::Envelope {
        node: "00000001".into(),
        seq: 1,
        copies: 1,
        what: Some(rialto_proto::node::envelope::What::Announce(Default::default())),
        ..Default::default()
    };
    let subject = rialto_server::bridge::Place::Cluster.subject("main");
    stranger.publish(&subject, &prost::Message::encode_to_vec(&announce)).await;
    eventually("the node is known", async || cluster.nodes[0].metric("rialto_nodes").await == 3).await;
    let asked = tokio::time::timeout(Duration::from_secs(10), directory.list_rooms(request)).await;
    let page = asked.expect("it is not waited for").unwrap().into_inner();
    assert_eq!((page.nodes_missing, page.rooms.len()), (vec!["00000001".to_owned()], 1));
}
