//! What runs on the machines of a [`Lan`]: a nats-server of several, or a node. Each is started, killed, halted and started
//! again where it was; what it complains is in a file.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::{Child, Command},
    time::{interval, timeout},
};

use super::{Lan, Machine};
use crate::{eventually, program::Running, tools::tool, within};

const CLIENTS: u16 = 4222;
const ROUTES: u16 = 6222;
const MONITOR: u16 = 8222;
const NODE: u16 = 7400;
/// A nats-server is well again within this time, or never.
const WELL_WITHIN: Duration = Duration::from_secs(90);
/// Where a server tells of streams and their leaders.
pub(super) const STREAMS: &str = "/jsz?streams=1&config=1";
/// What does not answer in this time does not answer.
const ANSWER_MAX: Duration = Duration::from_secs(1);

/// A nats-server.
#[derive(Debug)]
pub struct Server {
    machine: Machine,
    command: Vec<String>,
    child: Child,
}

/// A node.
#[derive(Debug)]
pub struct Node {
    machine: Machine,
    wrapper: Vec<String>,
    configuration: PathBuf,
    running: Option<Running>,
}

impl Server {
    /// Starts one of several; its streams are in `folder`.
    pub fn start(lan: &Lan, machine: Machine, all: &[Machine], folder: &Path) -> Self {
        let address = machine.address();
        let routes: Vec<String> =
            all.iter().map(|one| format!("nats://{}:{ROUTES}", one.address())).collect();
        let (store, file) =
            (folder.join(format!("store{}", machine.0)), folder.join(format!("nats{}.conf", machine.0)));
        // What is in deploy/cluster.
        let configuration = format!(
            "server_name: nats-{}\nlisten: {address}:{CLIENTS}\nhttp: {address}:{MONITOR}\n\
             jetstream {{ store_dir: {store:?}, sync_interval: always }}\n\
             cluster {{ name: rialto, listen: {address}:{ROUTES}, routes: [{}], ping_interval: 1s, ping_max: 2 }}\n",
            machine.0,
            routes.join(", ")
        );
        std::fs::write(&file, configuration).expect("a file");
        let mut command = lan.on(machine, &folder.join(format!("nats{}.log", machine.0)));
        let program = tool("bin/nats-server").display().to_string();
        command.extend([program, "--config".to_owned(), file.display().to_string()]);
        let child = spawn(&command);
        Self { machine, command, child }
    }

    /// Kills it in the middle of whatever it does.
    pub async fn kill(&mut self) {
        within("the end of nats-server", self.child.kill()).await.expect("it can be killed");
    }

    /// Has it hand over what it leads, as nats-server does for who replaces it (`--signal ldm`), and end when another one says that
    /// it leads nothing.
    pub async fn replace(&mut self, other: &Self) {
        self.signal("-USR2").await;
        eventually("a nats-server that leads nothing", async || {
            let told = other.look(STREAMS).await;
            leaders(&told).next().is_some() && leaders(&told).all(|(_, leader)| leader != self.machine)
        })
        .await;
        self.signal("-TERM").await;
        within("the end of nats-server", self.child.wait()).await.expect("it ends");
    }

    /// Starts it again with what it has kept.
    pub fn again(&mut self) {
        self.child = spawn(&self.command);
    }

    /// Sends it a signal, by its name as `kill` takes it.
    pub async fn signal(&self, name: &str) {
        let id = self.child.id().expect("it runs").to_string();
        let sent = within("kill", Command::new("kill").args([name, &id]).status()).await;
        assert!(sent.expect("kill starts").success());
    }

    /// Waits until it says that it is well. After a cut it may take long until it is current again, in which we have no part.
    pub async fn well(&self) {
        let mut ticks = interval(Duration::from_millis(20));
        let well = async {
            while self.look("/healthz").await["status"] != "ok" {
                ticks.tick().await;
            }
        };
        assert!(timeout(WELL_WITHIN, well).await.is_ok(), "nats-{} is not well", self.machine.0);
    }

    /// What it tells about itself; nothing when it does not answer.
    pub async fn look(&self, path: &str) -> serde_json::Value {
        let answer = get(self.monitor(), path).await;
        answer.and_then(|(_, body)| serde_json::from_str(&body).ok()).unwrap_or_default()
    }

    fn monitor(&self) -> SocketAddr {
        (self.machine.address(), MONITOR).into()
    }
}

/// Which server leads which stream, as one of them says.
pub(super) fn leaders(told: &serde_json::Value) -> impl Iterator<Item = (&str, Machine)> {
    let accounts = told["account_details"].as_array().into_iter().flatten();
    let streams = accounts.filter_map(|account| account["stream_detail"].as_array()).flatten();
    streams.filter_map(|stream| {
        let leader = stream["cluster"]["leader"].as_str()?.strip_prefix("nats-")?;
        Some((stream["name"].as_str()?, Machine(leader.parse().ok()?)))
    })
}

/// What nodes are told of servers: their addresses, and those of their monitors.
pub(super) fn addresses(servers: &[Machine]) -> (String, String) {
    let all = |scheme: &str, port: u16| {
        let all: Vec<String> =
            servers.iter().map(|one| format!("{scheme}://{}:{port}", one.address())).collect();
        all.join(",")
    };
    (all("nats", CLIENTS), all("http", MONITOR))
}

impl Node {
    /// Starts a node with this configuration, and waits until it listens.
    pub async fn start(lan: &Lan, machine: Machine, folder: &Path) -> Self {
        let wrapper = lan.on(machine, &folder.join(format!("node{}.log", machine.0)));
        let configuration = folder.join("rialto.toml");
        let mut node = Self { machine, wrapper, configuration, running: None };
        node.again().await;
        node
    }

    /// Starts it again, another node at the same place.
    pub async fn again(&mut self) {
        let wrapper: Vec<&str> = self.wrapper.iter().map(String::as_str).collect();
        let (configuration, listen) = (self.configuration.display().to_string(), self.address().to_string());
        let arguments = ["serve", "--insecure", "--config", &configuration, "--listen", &listen];
        let started = Running::start_under(&wrapper, &arguments).listening().await;
        let (running, _) =
            started.unwrap_or_else(|why| panic!("a node on {:?} does not start: {why}", self.machine));
        self.running = Some(running);
    }

    /// Kills it in the middle of whatever it does.
    pub async fn kill(&mut self) {
        if let Some(running) = self.running.take() {
            running.kill().await;
        }
    }

    /// Asks it to end, and gives its exit code.
    pub async fn stop(&mut self) -> i32 {
        match self.running.take() {
            Some(running) => running.interrupt().await,
            None => 0,
        }
    }

    /// Sends it a signal, by its name as `kill` takes it.
    pub async fn signal(&self, name: &str) {
        if let Some(running) = &self.running {
            running.signal(name).await;
        }
    }

    /// Whether it says that clients should be sent to it.
    pub async fn is_ready(&self) -> bool {
        get(self.address(), "/readyz").await.is_some_and(|(status, _)| status == 200)
    }

    /// How many parts of the rooms it says to keep.
    pub async fn parts(&self) -> u64 {
        let metrics = get(self.address(), "/metrics").await.map(|(_, body)| body).unwrap_or_default();
        let parts = metrics.lines().find_map(|line| line.strip_prefix("rialto_parts_owned "));
        parts.and_then(|parts| parts.parse().ok()).unwrap_or_default()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        address(self.machine)
    }

    /// The same as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }
}

fn address(machine: Machine) -> SocketAddr {
    (machine.address(), NODE).into()
}

fn spawn(command: &[String]) -> Child {
    let mut child = Command::new(&command[0]);
    child.args(&command[1..]).kill_on_drop(true);
    child
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("nats-server starts")
}

/// Asks something by HTTP; gives status and body.
async fn get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let asked = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
    };
    timeout(ANSWER_MAX, asked).await.ok().flatten()
}
