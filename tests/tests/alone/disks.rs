//! Disks that are full, that fail, and that do not give back what was written: durable events are refused or kept, never
//! half, and what needs no disk goes on.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use rand::{RngExt, rngs::StdRng};
use rialto_proto::v1::{
    Accepted, GetHistoryRequest, PublishRequest, get_history_request::Start,
    messaging_service_client::MessagingServiceClient, room_service_client::RoomServiceClient,
};
use rialto_server::{
    base::config::{Config, HistoryKind},
    node::Node,
};
use rialto_tests::{
    inspect::assert_status,
    node::TestNode,
    program::Running,
    reason,
    reliability::{Missing, Mounted, Seed, pass_over},
    talker::{content, rooms, text},
    within,
};
use tokio::time::{Instant, interval};
use tonic::{Code, Status, transport::Channel};

/// Bytes of the small disk.
const SMALL: u64 = 64 << 20;
/// Bytes that somebody else has on it.
const OTHERS: usize = 28 << 20;
/// Bytes of one event.
const LARGE: usize = 60_000;
/// Within so long a node takes events again once there is space.
const AGAIN_MAX: Duration = Duration::from_secs(10);
/// Places that are damaged.
const DAMAGES: usize = 200;

/// Somebody who publishes and reads.
struct Publisher {
    messaging: MessagingServiceClient<Channel>,
    rooms: RoomServiceClient<Channel>,
    /// What was acknowledged: the offset, and what was said.
    acknowledged: Vec<(u64, String)>,
    said: u64,
}

impl Publisher {
    async fn of(address: SocketAddr) -> Self {
        let url = format!("http://{address}");
        let messaging = within("a connection", MessagingServiceClient::connect(url.clone())).await.unwrap();
        let rooms = within("a connection", RoomServiceClient::connect(url)).await.unwrap();
        Self { messaging, rooms, acknowledged: Vec::new(), said: 0 }
    }

    /// The same over another node.
    async fn over(self, address: SocketAddr) -> Self {
        Self { acknowledged: self.acknowledged, said: self.said, ..Self::of(address).await }
    }

    async fn publish(&mut self, namespace: &str, text: &str) -> Result<Accepted, Status> {
        let request = PublishRequest {
            namespace: namespace.to_owned(),
            target: Some(rooms(&["room"])),
            content: Some(content("message", text)),
            ..PublishRequest::default()
        };
        let published = within("an answer", self.messaging.publish(request)).await;
        published.map(|published| published.into_inner().accepted.unwrap())
    }

    /// Publishes something of so many bytes that is kept on disk, and notes it when it is acknowledged.
    async fn keep(&mut self, bytes: usize) -> Result<(), Status> {
        self.said += 1;
        let text = format!("{:>bytes$}", self.said);
        let accepted = self.publish("chat", &text).await?;
        self.acknowledged.push((accepted.offset.unwrap(), text));
        Ok(())
    }

    /// Fails unless everything that was acknowledged is there.
    async fn assert_all_is_there(&mut self, when: &str) {
        let there = self.read().await.unwrap_or_else(|status| panic!("{when}: {status:?}"));
        for (offset, said) in &self.acknowledged {
            let found = there.iter().find(|(at, _)| at == offset);
            let found = found.unwrap_or_else(|| panic!("{when}: {offset} was acknowledged and is gone"));
            assert!(found.1 == *said, "{when}: {offset} is not what was said");
        }
    }

    async fn read(&mut self) -> Result<Vec<(u64, String)>, Status> {
        let mut request = GetHistoryRequest {
            namespace: "chat".to_owned(),
            room: "room".to_owned(),
            start: Some(Start::FromOffset(0)),
            page_size: Some(300),
            ..GetHistoryRequest::default()
        };
        let mut events = Vec::new();
        loop {
            let page = within("a page", self.rooms.get_history(request.clone())).await?.into_inner();
            events.extend(page.events.iter().map(|event| (event.offset.unwrap(), text(event))));
            if page.next_page_token.is_empty() {
                return Ok(events);
            }
            request.page_token = page.next_page_token;
        }
    }
}

fn large_histories(config: &mut Config) {
    for namespace in &mut config.namespaces {
        namespace.settings.history_bytes_max = 1 << 30;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_what_is_durable_and_nothing_else_until_there_is_space() {
    let disk = match Mounted::small(SMALL) {
        Ok(disk) => disk,
        Err(missing) => return pass_over("a disk that is full", &missing),
    };
    let others = disk.path().join("others");
    std::fs::write(&others, vec![1; OTHERS]).unwrap();
    let data = disk.path().join("data");
    let node = TestNode::keeping_with(&data, large_histories).await;
    let mut publisher = Publisher::of(node.address()).await;

    let refused = loop {
        match publisher.keep(LARGE).await {
            Ok(()) => {}
            Err(status) if reason(&status) == "RATE_LIMITED" => {}
            Err(status) => break status,
        }
    };
    assert_status(&refused, Code::ResourceExhausted, "STORAGE_FULL");
    let before = publisher.acknowledged.len();
    assert!(before > 100, "inconclusive: only {before} events fit");
    publisher.publish("memory", "goes on").await.expect("what is kept in memory goes on");
    publisher.publish("default", "goes on").await.expect("what is not kept goes on");
    publisher.assert_all_is_there("while the disk is full").await;
    assert_status(&publisher.keep(LARGE).await.unwrap_err(), Code::ResourceExhausted, "STORAGE_FULL");

    std::fs::remove_file(&others).unwrap();
    let (began, mut ticks) = (Instant::now(), interval(Duration::from_millis(10)));
    while let Err(status) = publisher.keep(LARGE).await {
        assert_status(&status, Code::ResourceExhausted, "STORAGE_FULL");
        assert!(began.elapsed() < AGAIN_MAX, "there is space, and it is not taken: {status:?}");
        ticks.tick().await;
    }
    println!("disks: full after {before} events, takes them again after {:?}", began.elapsed());
    for _ in 0..20 {
        publisher.keep(1_000).await.expect("there is space");
    }
    publisher.assert_all_is_there("after there was space").await;
    // Nobody is connected when it stops.
    let Publisher { acknowledged, said, .. } = publisher;
    node.stop().await;
    let node = TestNode::keeping_with(&data, large_histories).await;
    let mut publisher = Publisher { acknowledged, said, ..Publisher::of(node.address()).await };
    publisher.assert_all_is_there("after a restart").await;
    publisher.keep(1_000).await.expect("it goes on");
    drop(publisher);
    node.stop().await;
}

const CONFIGURATION: &str = r#"
listen = "127.0.0.1:0"
[log]
level = "error"
[[namespace]]
name = "chat"
history = "durable"
[[namespace]]
name = "memory"
history = "memory"
"#;

/// The arguments of a node on `folder`.
fn arguments(folder: &Path) -> [String; 4] {
    let file = folder.join("rialto.toml");
    std::fs::write(&file, CONFIGURATION).unwrap();
    let path = |path: PathBuf| path.to_str().unwrap().to_owned();
    ["--config".into(), path(file), "--data".into(), path(folder.join("data"))]
}

#[tokio::test]
async fn after_a_sync_that_failed_nothing_is_acknowledged_until_a_restart() {
    if std::process::Command::new("strace").arg("--version").output().is_err() {
        return pass_over("a sync that fails", &Missing("strace is not installed".into()));
    }
    let mut rng = Seed::of("disks").rng(1);
    for round in 0..3 {
        let folder = tempfile::tempdir().unwrap();
        let arguments = arguments(folder.path());
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        // Later than what is synced before a node is ready.
        let inject = format!("inject=fdatasync:error=EIO:when={}", rng.random_range(30..90));
        let strace = ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", &inject];
        let started = Running::start_under(&strace, &[&["serve"], arguments.as_slice()].concat());
        let (node, address) = started.listening().await.unwrap();
        let mut publisher = Publisher::of(address).await;
        let failed = loop {
            assert!(publisher.said < 200, "round {round}: no sync has failed");
            if let Err(status) = publisher.keep(100).await {
                break status;
            }
        };
        assert_status(&failed, Code::Unavailable, "STORAGE_FAILED");
        assert!(!publisher.acknowledged.is_empty(), "inconclusive: the first sync has failed");
        // The next sync would succeed, and what it says is worth nothing.
        for _ in 0..20 {
            assert_status(&publisher.keep(100).await.unwrap_err(), Code::Unavailable, "STORAGE_FAILED");
        }
        publisher.publish("memory", "goes on").await.expect("what is kept in memory goes on");
        publisher.assert_all_is_there("after a sync that failed").await;
        node.kill().await;

        let (node, address) = Running::serve(&arguments).await.unwrap();
        let mut publisher = publisher.over(address).await;
        publisher.assert_all_is_there("after a restart").await;
        publisher.keep(100).await.expect("it takes events again");
        println!("disks: round {round}: {} events were acknowledged", publisher.acknowledged.len());
        node.kill().await;
    }
}

/// A node on `data`, or why not.
async fn open(data: &Path) -> Result<Node, String> {
    let mut config = Config { listen: SocketAddr::from(([127, 0, 0, 1], 0)), ..Config::default() };
    data.clone_into(&mut config.data);
    assert_eq!(config.namespaces[0].settings.history, HistoryKind::Durable);
    Node::start(config).await.map_err(|error| error.to_string())
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        write(&to.join(entry.file_name()), &std::fs::read(entry.path()).unwrap());
    }
}

/// Bytes up to the last sector that is not blank.
fn written(bytes: &[u8]) -> usize {
    const BLANK: [u8; 512] = [0; 512];
    let sectors = bytes.chunks(BLANK.len()).rposition(|sector| *sector != BLANK[..sector.len()]);
    sectors.map_or(0, |last| bytes.len().min((last + 1) * BLANK.len()))
}

/// Writes a file, with a hole for the zeros at its end.
fn write(path: &Path, bytes: &[u8]) {
    std::fs::write(path, &bytes[..written(bytes)]).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(bytes.len() as u64).unwrap();
}

/// Changes a bit of one of the files in `folder`, or cuts it, and says what it did.
fn damage(folder: &Path, rng: &mut StdRng) -> (String, String) {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "lock")
        .collect();
    names.sort();
    let name = names[rng.random_range(..names.len())].clone();
    let mut bytes = std::fs::read(folder.join(&name)).unwrap();
    let end = if rng.random_ratio(3, 4) { written(&bytes).max(1) } else { bytes.len() };
    let at = rng.random_range(..end);
    let what = if rng.random_ratio(2, 3) {
        let bit = rng.random_range(0..8);
        bytes[at] ^= 1 << bit;
        format!("bit {bit} of byte {at} changed")
    } else {
        bytes.truncate(at);
        format!("cut at {at}")
    };
    write(&folder.join(&name), &bytes);
    (name, what)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_file_is_refused_by_name_and_byte_or_does_no_harm() {
    let (mut rng, folder) = (Seed::of("disks").rng(2), tempfile::tempdir().unwrap());
    let (data, killed) = (folder.path().join("data"), folder.path().join("killed"));
    let node = open(&data).await.unwrap();
    let mut publisher = Publisher::of(node.address()).await;
    for n in 0..150 {
        publisher.keep(1 + n * 20).await.unwrap();
    }
    // As a kill leaves it, and as an end in order leaves it.
    copy(&data.join("history"), &killed.join("history"));
    let Publisher { acknowledged, said, .. } = publisher;
    node.stop().await;

    let (mut refused, mut harmless) = (0, 0);
    for number in 0..DAMAGES {
        let from = if number % 2 == 0 { &data } else { &killed };
        let to = tempfile::tempdir().unwrap();
        let history = to.path().join("history");
        copy(&from.join("history"), &history);
        let (name, what) = damage(&history, &mut rng);
        let when = format!("{name}, {what}, {}", if number % 2 == 0 { "closed" } else { "killed" });
        match open(to.path()).await {
            Err(why) => {
                refused += 1;
                assert!(why.contains(&name) && why.contains("byte"), "{when}: {why}");
            }
            Ok(node) => {
                harmless += 1;
                let mut publisher = Publisher {
                    acknowledged: acknowledged.clone(),
                    said,
                    ..Publisher::of(node.address()).await
                };
                publisher.assert_all_is_there(&when).await;
                drop(publisher);
                node.stop().await;
            }
        }
    }
    println!("disks: of {DAMAGES} damages {refused} were refused, {harmless} did no harm");
    assert!(refused > DAMAGES / 4, "{refused}");
}

#[tokio::test]
async fn a_node_that_cannot_take_up_what_is_stored_says_in_which_file_and_where() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = arguments(folder.path());
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (node, address) = Running::serve(&arguments).await.unwrap();
    Publisher::of(address).await.keep(5_000).await.unwrap();
    node.kill().await;
    let history = folder.path().join("data/history");
    let manifest = std::fs::read(history.join("manifest")).unwrap();
    std::fs::write(history.join("manifest"), &manifest[..100]).unwrap();
    let why = Running::serve(&arguments).await.map(drop).unwrap_err();
    assert!(why.contains("manifest") && why.contains("byte 100"), "{why}");
    std::fs::write(history.join("manifest"), manifest).unwrap();
    let (node, address) = Running::serve(&arguments).await.expect("nothing was changed");
    Publisher::of(address).await.keep(5_000).await.unwrap();
    assert_eq!(node.interrupt().await, 0);
}
