//! A real nats-server in a process of its own, on ports of its own, and a program that speaks to it in its plain language.

use std::{net::SocketAddr, path::Path, process::Stdio, time::Duration};

use rustix::fs::statvfs;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::{Child, Command},
    time::{Instant, interval},
};

use crate::{PATIENCE, tools::tool, within};

/// A folder in memory is quicker, and outlives a server that is killed as one on a disk does.
const SHARED_MEMORY: &str = "/dev/shm";
/// With less room there a server would take fewer streams than tests make.
const ROOM_MIN: u64 = 4 << 30;

/// A nats-server. Killed when it is dropped.
#[derive(Debug)]
pub struct NatsServer {
    child: Child,
    folder: TempDir,
    address: SocketAddr,
    monitor: SocketAddr,
}

impl NatsServer {
    /// A server that keeps streams, and syncs before it acknowledges.
    pub async fn start() -> Self {
        let folder = scratch();
        Self::keeping(folder.path().join("store").as_path(), folder).await
    }

    /// The same that keeps its streams under `data`, and finds there what an earlier one has kept.
    pub async fn kept_in(data: &Path) -> Self {
        if data.as_os_str().is_empty() {
            return Self::start().await;
        }
        Self::keeping(&data.join("nats"), scratch()).await
    }

    async fn keeping(store: &Path, folder: TempDir) -> Self {
        let store = store.display().to_string();
        Self::within(&format!("jetstream {{ sync_interval: always, store_dir: {store:?} }}"), folder).await
    }

    /// A server that keeps streams and has this configuration beside. Files stand beside it by their names.
    pub async fn guarded(configuration: &str, files: &[(&str, &str)]) -> Self {
        let folder = scratch();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).expect("a file");
        }
        let store = folder.path().join("store").display().to_string();
        Self::within(&format!("jetstream {{ store_dir: {store:?} }}\n{configuration}"), folder).await
    }

    /// A server with this configuration beside its ports and its folder.
    pub async fn configured(configuration: &str) -> Self {
        Self::within(configuration, scratch()).await
    }

    async fn within(configuration: &str, folder: TempDir) -> Self {
        std::fs::write(folder.path().join("nats.conf"), configuration).expect("a file");
        let child = spawn(folder.path(), -1, -1);
        let ports = ports(folder.path()).await;
        let address = |kind: &str| {
            let url = ports[kind][0].as_str().unwrap_or_else(|| panic!("no {kind} in {ports}"));
            let address = url.rsplit("//").next().unwrap_or_default();
            address.parse().unwrap_or_else(|_| panic!("{url} is no address"))
        };
        let (address, monitor) = (address("nats"), address("monitoring"));
        let server = Self { child, folder, address, monitor };
        server.ready().await;
        server
    }

    /// Kills it in the middle of whatever it does.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("it can be killed");
    }

    /// Starts it again after it was killed, where it was and with what it has kept.
    pub async fn again(&mut self) {
        self.child =
            spawn(self.folder.path(), i32::from(self.address.port()), i32::from(self.monitor.port()));
        self.ready().await;
    }

    /// Takes away everything that it has kept. To be called while it does not run.
    pub fn forget(&self) {
        std::fs::remove_dir_all(self.folder.path().join("store")).expect("it has kept something");
    }

    async fn ready(&self) {
        let mut ticks = interval(Duration::from_millis(5));
        let listening = async {
            while TcpStream::connect(self.monitor).await.is_err() {
                ticks.tick().await;
            }
        };
        within("nats-server", listening).await;
        while self.look("/healthz").await["status"] != "ok" {
            ticks.tick().await;
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same as a URL.
    pub fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// Where it tells about itself, as a URL.
    pub fn monitor(&self) -> String {
        format!("http://{}", self.monitor)
    }

    /// What it has refused because it was not permitted.
    pub fn violations(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.folder.path().join("nats.log")).expect("it logs");
        log.lines().filter(|line| line.contains("Violation")).map(str::to_owned).collect()
    }

    /// What nodes listen to now, each subject once for each node that does.
    pub async fn listened(&self) -> Vec<String> {
        let connections = self.look("/connz?subs=1").await;
        let connections = connections["connections"].as_array().cloned().unwrap_or_default();
        let nodes = connections.iter().filter(|connection| connection["name"] == "rialto");
        let subjects =
            nodes.flat_map(|node| node["subscriptions_list"].as_array().cloned().unwrap_or_default());
        let mut subjects: Vec<String> =
            subjects.filter_map(|subject| subject.as_str().map(str::to_owned)).collect();
        subjects.sort();
        subjects
    }

    /// What the server tells about itself.
    async fn look(&self, path: &str) -> serde_json::Value {
        within("the monitor of nats-server", async {
            let mut stream = TcpStream::connect(self.monitor).await.expect("it listens");
            let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
            stream.write_all(request.as_bytes()).await.expect("it reads");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.expect("it answers with text");
            let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
            serde_json::from_str(body).unwrap_or_else(|error| panic!("{body:?} is no JSON: {error}"))
        })
        .await
    }
}

/// A folder that goes with the server.
fn scratch() -> TempDir {
    let room = statvfs(SHARED_MEMORY).map_or(0, |shared| shared.f_bavail * shared.f_frsize);
    let folder = if room < ROOM_MIN { tempfile::tempdir() } else { tempfile::tempdir_in(SHARED_MEMORY) };
    folder.expect("a folder")
}

fn spawn(folder: &Path, port: i32, monitor: i32) -> Child {
    Command::new(tool("bin/nats-server"))
        .args(["--addr", "127.0.0.1", "--port", &port.to_string(), "--http_port", &monitor.to_string()])
        .arg("--ports_file_dir")
        .arg(folder)
        .arg("--log")
        .arg(folder.join("nats.log"))
        .arg("--config")
        .arg(folder.join("nats.conf"))
        .kill_on_drop(true)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("nats-server starts")
}

async fn ports(folder: &Path) -> serde_json::Value {
    let mut ticks = interval(Duration::from_millis(5));
    let end = Instant::now() + PATIENCE;
    loop {
        ticks.tick().await;
        let log = || std::fs::read_to_string(folder.join("nats.log")).unwrap_or_default();
        assert!(Instant::now() < end, "nats-server does not start: {}", log());
        let files = std::fs::read_dir(folder).expect("the folder is there").flatten();
        let file =
            files.map(|entry| entry.path()).find(|path| path.extension().is_some_and(|end| end == "ports"));
        let text = file.and_then(|path| std::fs::read_to_string(path).ok());
        if let Some(ports) = text.and_then(|text| serde_json::from_str(&text).ok()) {
            return ports;
        }
    }
}

/// A program that is connected and knows nothing of Rialto.
#[derive(Debug)]
pub struct Stranger {
    stream: BufReader<TcpStream>,
}

impl Stranger {
    /// Connects.
    pub async fn connect(server: &NatsServer) -> Self {
        let stream = within("a connection", TcpStream::connect(server.address())).await.expect("it listens");
        let mut stranger = Self { stream: BufReader::new(stream) };
        stranger.say("CONNECT {\"verbose\":false}\r\n".as_bytes()).await;
        stranger.settle().await;
        stranger
    }

    /// Publishes, and waits until the server has it.
    pub async fn publish(&mut self, subject: &str, message: &[u8]) {
        self.say(format!("PUB {subject} {}\r\n", message.len()).as_bytes()).await;
        self.say(message).await;
        self.say(b"\r\n").await;
        self.settle().await;
    }

    async fn say(&mut self, bytes: &[u8]) {
        within("room for a message", self.stream.write_all(bytes)).await.expect("it reads");
    }

    /// Waits until the server has read everything.
    async fn settle(&mut self) {
        self.say(b"PING\r\n").await;
        let mut line = String::new();
        while line != "PONG\r\n" {
            line.clear();
            within("an answer", self.stream.read_line(&mut line)).await.expect("it answers");
            assert!(!line.is_empty() && !line.starts_with("-ERR"), "{line:?}");
        }
    }
}
