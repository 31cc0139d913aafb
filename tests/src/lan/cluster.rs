//! Three nats-servers and three nodes, each on a machine of its own, and one more machine for whoever uses them; and what may
//! happen to them.

use std::{path::Path, time::Duration};

use rand::{RngExt, rngs::StdRng};
use tempfile::TempDir;
use tokio::time::{interval, timeout};

use super::{
    Lan, Machine,
    processes::{Node, STREAMS, Server, addresses, leaders},
};
use crate::{eventually, reliability::Missing};

/// Nodes, and as many servers.
pub const NODES: usize = 3;
/// Where whoever uses them is.
pub const LAN_CLIENTS: Machine = Machine(0);
/// A node that comes is given its share within this time, if it is due one.
const SHARED_WITHIN: Duration = Duration::from_secs(4);
/// The stream of the register of owners.
const REGISTER: &str = "KV_rialto_main_owners";

const CONFIGURATION: &str = r#"
data = ""
[log]
level = "info"
[[namespace]]
name = "chat"
history = "durable"
history_events_max = 100000
history_bytes_max = 67108864
room_emits_per_second = 0
[[namespace]]
name = "default"
room_emits_per_second = 0
[limits.session]
emits_per_second = 0
[limits.connection]
connections_per_address_max = 100000
new_per_address_per_second = 100000
[limits.node]
hellos_per_second = 10000
sessions_per_user_max = 1000
sessions_per_address_max = 1000
rooms_created_per_minute = 100000
[stop]
drain = "3s"
"#;

/// What may happen. The number is that of the node, of the server, or of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A node is killed.
    NodeKilled(usize),
    /// A server is killed.
    ServerKilled(usize),
    /// The server that leads what says who owns what is killed, whichever that is.
    LeaderKilled,
    /// Both are killed at the same moment, as when a machine goes that has both.
    BothKilled(usize),
    /// A node does nothing any more.
    NodeHalted(usize),
    /// A server does nothing any more.
    ServerHalted(usize),
    /// Nobody reaches a node, and it reaches nobody.
    NodeCutOff(usize),
    /// A node hears no server, and they hear it.
    NodeDeaf(usize),
    /// No server hears a node, and it hears them.
    NodeMute(usize),
    /// The server that leads what says who owns what does nothing any more.
    LeaderHalted,
    /// A server and the other servers do not reach each other. Nodes reach it.
    ServerCutOff(usize),
    /// A server does not hear the other servers.
    ServerDeaf(usize),
    /// The other servers do not hear a server.
    ServerMute(usize),
    /// A node and a server reach each other, and of the rest nobody.
    BothCutOff(usize),
    /// A node is stopped, and another one started in its place.
    NodeReplaced(usize),
    /// A server hands over what it leads, is stopped, and started again.
    ServerReplaced(usize),
}

impl Fault {
    /// The node that is none to be counted on as long as it lasts, if there is one.
    fn node(self) -> Option<usize> {
        match self {
            Self::NodeKilled(node)
            | Self::BothKilled(node)
            | Self::NodeHalted(node)
            | Self::NodeCutOff(node)
            | Self::NodeDeaf(node)
            | Self::NodeMute(node)
            | Self::NodeReplaced(node)
            | Self::BothCutOff(node) => Some(node),
            _ => None,
        }
    }

    /// The nodes that have to serve while it lasts.
    pub fn spares(self) -> Vec<usize> {
        (0..NODES).filter(|node| self.node() != Some(*node)).collect()
    }

    /// Whether nothing happens to servers.
    pub fn is_of_a_node(self) -> bool {
        self.node().is_some() && !matches!(self, Self::BothKilled(_) | Self::BothCutOff(_))
    }

    /// Whether something dies by it.
    pub fn kills(self) -> bool {
        matches!(self, Self::NodeKilled(_) | Self::ServerKilled(_) | Self::BothKilled(_) | Self::LeaderKilled)
    }
}

/// The cluster.
#[derive(Debug)]
pub struct Together {
    /// Servers.
    pub servers: Vec<Server>,
    /// Nodes.
    pub nodes: Vec<Node>,
    _folder: Folder,
}

/// Where all of them write.
#[derive(Debug)]
struct Folder(Option<TempDir>);

impl Together {
    /// The machines that they need.
    pub fn machines() -> Result<Lan, Missing> {
        Lan::make(1 + 2 * NODES as u8)
    }

    /// Starts all of it.
    pub async fn start(lan: &Lan) -> Self {
        let kept = Folder(Some(tempfile::tempdir().expect("a folder")));
        let folder = kept.path().to_owned();
        let all: Vec<Machine> = (0..NODES).map(server).collect();
        let servers: Vec<Server> =
            all.iter().map(|machine| Server::start(lan, *machine, &all, &folder)).collect();
        for server in &servers {
            server.well().await;
        }
        configure(&folder, &all);
        let mut nodes = Vec::new();
        for number in 0..NODES {
            nodes.push(Node::start(lan, node(number), &folder).await);
        }
        Self { servers, nodes, _folder: kept }
    }

    /// Where nodes are.
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(Node::url).collect()
    }

    /// The server that leads what says who owns what. One by chance while there is none.
    pub(super) async fn leader(&self, rng: &mut StdRng) -> usize {
        let mut leader = None;
        for server in &self.servers {
            let told = server.look(STREAMS).await;
            let found = leaders(&told).find(|(stream, _)| *stream == REGISTER);
            leader = leader.or(found.map(|(_, Machine(number))| usize::from(number) - 1));
        }
        leader.unwrap_or_else(|| rng.random_range(..NODES))
    }

    /// Something happens.
    pub async fn begin(&mut self, lan: &Lan, fault: Fault) {
        match fault {
            Fault::NodeKilled(number) => self.nodes[number].kill().await,
            Fault::ServerKilled(number) => self.servers[number].kill().await,
            Fault::BothKilled(number) => {
                tokio::join!(self.servers[number].kill(), self.nodes[number].kill());
            }
            Fault::NodeHalted(number) => self.nodes[number].signal("-STOP").await,
            Fault::ServerHalted(number) => self.servers[number].signal("-STOP").await,
            Fault::NodeReplaced(number) => assert_eq!(self.nodes[number].stop().await, 0),
            Fault::ServerReplaced(number) => {
                let mut old = self.servers.remove(number);
                old.replace(&self.servers[0]).await;
                self.servers.insert(number, old);
            }
            Fault::LeaderKilled | Fault::LeaderHalted => panic!("it is not known which"),
            cut => cuts(cut).into_iter().for_each(|(from, to)| lan.cut(from, to)),
        }
    }

    /// It is over.
    pub async fn end(&mut self, lan: &Lan, fault: Fault) {
        match fault {
            Fault::NodeKilled(number) | Fault::NodeReplaced(number) => self.nodes[number].again().await,
            Fault::ServerKilled(number) | Fault::ServerReplaced(number) => self.servers[number].again(),
            Fault::BothKilled(number) => {
                // As a machine starts what it has, in whatever order.
                self.servers[number].again();
                self.nodes[number].again().await;
            }
            Fault::NodeHalted(number) => self.nodes[number].signal("-CONT").await,
            Fault::ServerHalted(number) => self.servers[number].signal("-CONT").await,
            _ => lan.heal(),
        }
    }

    /// Waits until every node keeps something, if that comes to be: by its name a node may be due nothing.
    pub(super) async fn shared_out(&self) {
        let all = async {
            let mut ticks = interval(Duration::from_millis(20));
            for node in &self.nodes {
                while node.parts().await == 0 {
                    ticks.tick().await;
                }
            }
        };
        if timeout(SHARED_WITHIN, all).await.is_err() {
            println!("a node keeps nothing");
        }
    }

    /// Waits until all of it says that it is well.
    pub async fn well(&self) {
        for server in &self.servers {
            server.well().await;
        }
        for node in &self.nodes {
            eventually("a node that is ready", async || node.is_ready().await).await;
        }
    }
}

impl Folder {
    fn path(&self) -> &Path {
        self.0.as_ref().map_or(Path::new(""), TempDir::path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Of a run that failed it can be seen what all of them complained.
        if std::thread::panicking()
            && let Some(folder) = self.0.take()
        {
            eprintln!("what nodes and servers have said is in {}", folder.keep().display());
        }
    }
}

fn server(number: usize) -> Machine {
    Machine(1 + number as u8)
}

fn node(number: usize) -> Machine {
    Machine((1 + NODES + number) as u8)
}

/// What a fault cuts: from where to where.
fn cuts(fault: Fault) -> Vec<(Machine, Machine)> {
    let servers = || (0..NODES).map(server);
    let others = |number: usize| servers().filter(move |other| *other != server(number));
    let both = |one: Machine, others: Vec<Machine>| {
        others.into_iter().flat_map(move |other| [(one, other), (other, one)]).collect::<Vec<_>>()
    };
    match fault {
        Fault::NodeCutOff(number) => both(node(number), servers().chain([LAN_CLIENTS]).collect()),
        Fault::NodeDeaf(number) => servers().map(|server| (server, node(number))).collect(),
        Fault::NodeMute(number) => servers().map(|server| (node(number), server)).collect(),
        Fault::ServerCutOff(number) => both(server(number), others(number).collect()),
        Fault::ServerDeaf(number) => others(number).map(|other| (other, server(number))).collect(),
        Fault::ServerMute(number) => others(number).map(|other| (server(number), other)).collect(),
        Fault::BothCutOff(number) => {
            let nodes = (0..NODES).map(node).filter(|other| *other != node(number));
            let mut cuts = both(node(number), others(number).chain([LAN_CLIENTS]).collect());
            cuts.extend(both(server(number), others(number).chain(nodes).collect()));
            cuts
        }
        _ => Vec::new(),
    }
}

/// What all nodes are told.
fn configure(folder: &Path, servers: &[Machine]) {
    let (nats, monitors) = addresses(servers);
    let cluster = format!("[cluster]\nnats = {nats:?}\nmonitors = {monitors:?}\nreplicas = {NODES}\n");
    std::fs::write(folder.join("rialto.toml"), format!("{CONFIGURATION}{cluster}")).expect("a file");
}
