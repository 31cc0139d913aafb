//! Who a node is to NATS, who NATS is to it, and what it must be permitted.

use std::{
    fs,
    path::{Path, PathBuf},
};

use async_nats::ConnectOptions;
use data_encoding::BASE64URL_NOPAD;
use nkeys::KeyPair;
use rialto_client::{Client, NewJob};
use rialto_proto::v1::{
    CreateNamespaceRequest, DeleteNamespaceRequest, GetHistoryRequest, get_history_request::Start,
};
use rialto_server::{
    base::{
        clock,
        config::{ClusterConfig, Config, NamespaceConfig},
    },
    node::Node,
};
use rialto_tests::{nats::NatsServer, node::TestNode, within};
use serde_json::json;
use tempfile::TempDir;

const PERMISSIONS: &str = include_str!("../../../deploy/nats/permissions.conf");

/// A node by this configuration, whose namespace `chat` keeps its events.
async fn node(cluster: &ClusterConfig) -> TestNode {
    TestNode::with(|config| {
        config.cluster = cluster.clone();
        config.namespaces = vec![NamespaceConfig::durable("chat")];
        config.namespaces.iter_mut().for_each(|namespace| namespace.settings.nats_in = true);
    })
    .await
}

/// Why there is none.
async fn refused(cluster: ClusterConfig) -> String {
    let config = Config {
        listen: ([127, 0, 0, 1], 0).into(),
        data: PathBuf::new(),
        cluster,
        namespaces: vec![NamespaceConfig::durable("chat")],
        ..Config::default()
    };
    within("a refusal", Node::start(config)).await.expect_err("it does not start").to_string()
}

/// A file with this text.
fn file(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, text).expect("a file");
    path
}

/// An address with something before the host, under another scheme.
fn at(nats: &NatsServer, scheme: &str, user: &str) -> String {
    format!("{scheme}://{user}{}", nats.address())
}

/// Nodes over it hear each other and keep what is said.
async fn works(cluster: &ClusterConfig) {
    let nodes = [node(cluster).await, node(cluster).await];
    let mut ann = nodes[0].member("ann", "red").await;
    let mut bob = nodes[1].member("bob", "red").await;
    ann.emit("red", "message", "hello").await;
    assert_eq!(bob.expect_text("message").await, "hello");
}

#[tokio::test]
async fn a_name_and_a_password_or_a_token_may_stand_in_the_address() {
    let nats = NatsServer::guarded("authorization { user: rialto, password: \"s%cr@t\" }", &[]).await;
    works(&ClusterConfig { nats: at(&nats, "nats", "rialto:s%25cr%40t@"), ..ClusterConfig::default() }).await;
    for wrong in ["", "rialto:wrong@", "token@"] {
        let why = refused(ClusterConfig { nats: at(&nats, "nats", wrong), ..ClusterConfig::default() }).await;
        assert!(why.contains("authorization violation") && !why.contains("wrong"), "{why}");
    }
    let nats = NatsServer::guarded("authorization { token: secret }", &[]).await;
    works(&ClusterConfig { nats: at(&nats, "nats", "secret@"), ..ClusterConfig::default() }).await;
}

#[tokio::test]
async fn a_node_may_have_an_nkey() {
    let (folder, key) = (tempfile::tempdir().unwrap(), KeyPair::new_user());
    let users = format!("authorization {{ users: [ {{ nkey: {} }} ] }}", key.public_key());
    let nats = NatsServer::guarded(&users, &[]).await;
    let cluster = |nkey| ClusterConfig { nats: nats.url(), nkey, ..ClusterConfig::default() };
    works(&cluster(file(&folder, "seed", &format!("{}\n", key.seed().unwrap())))).await;
    let other = KeyPair::new_user().seed().unwrap();
    let why = refused(cluster(file(&folder, "other", &other))).await;
    assert!(why.contains("authorization violation"), "{why}");
    let why = refused(cluster(folder.path().join("missing"))).await;
    assert!(why.contains("cluster.nkey") && why.contains("missing"), "{why}");
}

/// A token of NATS: who is meant, signed by who says so.
fn token(subject: &KeyPair, issuer: &KeyPair, about: &serde_json::Value) -> String {
    let now = clock::unix_ms(clock::wall()) / 1000;
    let header = json!({"typ": "JWT", "alg": "ed25519-nkey"});
    let claims = json!({
        "jti": "1", "iat": now, "iss": issuer.public_key(), "sub": subject.public_key(),
        "name": "rialto", "nats": about,
    });
    let part = |value: &serde_json::Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let signed = format!("{}.{}", part(&header), part(&claims));
    format!("{signed}.{}", BASE64URL_NOPAD.encode(&issuer.sign(signed.as_bytes()).unwrap()))
}

#[tokio::test]
async fn a_node_may_have_credentials_as_nsc_writes_them() {
    let folder = tempfile::tempdir().unwrap();
    let (operator, account, user) = (KeyPair::new_operator(), KeyPair::new_account(), KeyPair::new_user());
    let of_operator = token(&operator, &operator, &json!({"type": "operator", "version": 2}));
    let limits = json!({
        "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1,
        "leaf": -1, "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1,
    });
    let of_account = token(&account, &operator, &json!({"type": "account", "version": 2, "limits": limits}));
    let system = KeyPair::new_account();
    let of_system = token(&system, &operator, &json!({"type": "account", "version": 2}));
    let about_user = json!({"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1});
    let of_user = token(&user, &account, &about_user);
    let configuration = format!(
        "operator: {of_operator}\nsystem_account: {1}\nresolver: MEMORY\n\
         resolver_preload: {{ {0}: {of_account}, {1}: {of_system} }}",
        account.public_key(),
        system.public_key()
    );
    let nats = NatsServer::guarded(&configuration, &[]).await;
    let credentials = format!(
        "-----BEGIN NATS USER JWT-----\n{of_user}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
        user.seed().unwrap()
    );
    let cluster = |credentials| ClusterConfig { nats: nats.url(), credentials, ..ClusterConfig::default() };
    works(&cluster(file(&folder, "rialto.creds", &credentials))).await;
    let why = refused(cluster(file(&folder, "empty.creds", ""))).await;
    assert!(why.contains("cluster.credentials"), "{why}");
}

/// A certificate that is its own authority, and its key.
fn certificate(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
    let pair = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
    fs::write(&certificate, pair.cert.pem()).unwrap();
    fs::write(&key, pair.signing_key.serialize_pem()).unwrap();
    (certificate, key)
}

#[tokio::test]
async fn nats_and_a_node_may_know_each_other_by_certificates() {
    let folder = tempfile::tempdir().unwrap();
    let (servers, servers_key) = certificate(folder.path(), "nats");
    let (own, own_key) = certificate(folder.path(), "node");
    let tls = format!(
        "tls {{ cert_file: {servers:?}, key_file: {servers_key:?}, ca_file: {own:?}, verify: true }}"
    );
    let nats = NatsServer::guarded(&tls, &[]).await;
    let whole = ClusterConfig {
        nats: at(&nats, "tls", ""),
        tls_ca: servers.clone(),
        tls_certificate: own.clone(),
        tls_key: own_key.clone(),
        ..ClusterConfig::default()
    };
    works(&whole).await;
    let unknown = ClusterConfig { tls_certificate: PathBuf::new(), tls_key: PathBuf::new(), ..whole.clone() };
    let stranger = ClusterConfig { tls_ca: own, ..whole };
    for wrong in [unknown, stranger] {
        let why = refused(wrong).await;
        assert!(why.contains("the other nodes are not reached"), "{why}");
    }
}

/// All that nodes do with NATS: they hear each other, keep events and state, make namespaces and take up what others kept.
#[tokio::test]
async fn the_permissions_that_are_shipped_are_enough() {
    let users = "authorization { users: [ { user: rialto, password: secret, include permissions.conf }, \
                 { user: program, password: secret, permissions { publish: [\"rl.main.in.chat.0\"], subscribe: [\"_INBOX.>\"] } } ] }";
    let nats = NatsServer::guarded(users, &[("permissions.conf", PERMISSIONS)]).await;
    let cluster = ClusterConfig { nats: at(&nats, "nats", "rialto:secret@"), ..ClusterConfig::default() };
    works(&cluster).await;
    let (first, second) = (node(&cluster).await, node(&cluster).await);
    let mut directory = first.directory().await;
    let create = CreateNamespaceRequest { namespace: "games".into(), ..Default::default() };
    directory.create_namespace(create).await.unwrap();
    directory.delete_namespace(DeleteNamespaceRequest { namespace: "games".into() }).await.unwrap();
    let mut ann = first.attach("ann").await;
    for room in 0..16 {
        ann.join("chat", &[&room.to_string()]).await;
        ann.emit(&room.to_string(), "message", "kept").await;
    }
    let program = ConnectOptions::with_user_and_password("program".into(), "secret".into());
    let program = program.connect(nats.url()).await.unwrap();
    let answer = within("an answer", program.request("rl.main.in.chat.0", "said".into())).await.unwrap();
    assert!(answer.payload.windows(8).any(|word| word == b"event_id"), "{answer:?}");
    let jobs = Client::new(first.url()).unwrap().jobs("chat", "mail");
    let upload = jobs.upload(&[1; 600_000][..], |_| ()).await.unwrap();
    jobs.enqueue(NewJob::uploaded(upload.clone())).await.unwrap();
    assert!(jobs.read(&upload, 0).next().await.unwrap().is_some());
    first.stop().await;
    for room in 0..16 {
        let request = GetHistoryRequest {
            namespace: "chat".into(),
            room: room.to_string(),
            start: Some(Start::FromOffset(1)),
            ..Default::default()
        };
        let page = within("a page", second.rooms().await.get_history(request)).await.unwrap().into_inner();
        assert_eq!(page.events.len(), 1 + usize::from(room == 0));
    }
    assert_eq!(nats.violations(), [""; 0]);
    let why = refused(ClusterConfig { name: "other".into(), ..cluster }).await;
    assert!(why.contains("Permissions Violation") && why.contains("other"), "{why}");
}
