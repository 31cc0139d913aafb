//! Several servers of one kind, with what carries messages between them: nats-server for Rialto, Redis for Socket.IO.

use std::{net::SocketAddr, process::Command};

use crate::{
    Failure,
    process::{Process, free_address},
    server::{Kind, tool},
    traffic::Monitor,
};

/// Servers that run.
pub(crate) struct Site {
    /// The servers. They go before what is between them.
    pub(crate) nodes: Vec<Process>,
    /// What is between several.
    pub(crate) broker: Option<Process>,
    /// Where that tells what went through it, if it does.
    pub(crate) monitor: Option<Monitor>,
}

impl Site {
    /// Starts so many, all fresh. One alone has nothing beside it.
    pub(crate) fn start(kind: Kind, count: usize) -> Result<Self, Failure> {
        let monitor = (count > 1 && kind != Kind::SocketIo).then(free_address).transpose()?.map(Monitor);
        let broker = (count > 1).then(|| broker(monitor)).transpose()?;
        let between = broker.as_ref().map(Process::address);
        let nodes = (0..count).map(|_| kind.start_beside(between)).collect::<Result<_, _>>()?;
        Ok(Self { nodes, broker, monitor })
    }

    /// Where clients connect, in order.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(Process::address).collect()
    }

    /// All processes: the servers, then what is between them.
    pub(crate) fn processes(&self) -> Vec<&Process> {
        self.nodes.iter().chain(&self.broker).collect()
    }
}

/// NATS if it is to have a monitor, else Redis: in memory, as much as they can be.
fn broker(monitor: Option<Monitor>) -> Result<Process, Failure> {
    let (address, folder) = (free_address()?, tempfile::tempdir()?);
    let port = address.port().to_string();
    let command = match monitor {
        Some(Monitor(monitor)) => {
            let mut nats = Command::new(tool("bin/nats-server")?);
            nats.args(["--addr", "127.0.0.1", "--port", &port, "--http_port", &monitor.port().to_string()]);
            nats.arg("--jetstream").arg("--store_dir").arg(folder.path());
            nats
        }
        None => {
            let mut redis = Command::new("redis-server");
            redis.args(["--bind", "127.0.0.1", "--port", &port, "--save", "", "--appendonly", "no"]);
            redis.arg("--dir").arg(folder.path());
            redis
        }
    };
    Process::start(command, address, folder)
}
