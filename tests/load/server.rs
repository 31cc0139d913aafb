//! The servers that are compared: how each is started and which dialect its clients speak. All limits that would
//! refuse a load generator (many connections and a high rate from one address) are lifted; everything else is as
//! shipped.

use std::{
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    str::FromStr,
};

use crate::{
    Failure,
    process::{Process, free_address},
};

/// A server, or a way to run one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Rialto with this many milliseconds of room window.
    Rialto(u32),
    /// Rialto without a window that keeps less or more than usual.
    Keeping(Keeping),
    /// nats-server, core.
    Nats,
    /// Socket.IO on Node, WebSocket only.
    SocketIo,
}

/// What Rialto keeps of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Keeping {
    /// Not even what was sent and not confirmed: sessions end with their streams.
    Nothing,
    /// Histories in memory.
    Memory,
    /// Histories on disk, synced before an event is handed out.
    Durable,
}

impl Kind {
    /// What a run compares.
    pub(crate) fn all(full: bool) -> Vec<Self> {
        let windows: &[u32] = if full { &[0, 5, 20] } else { &[0, 5] };
        windows.iter().map(|window| Self::Rialto(*window)).chain([Self::Nats, Self::SocketIo]).collect()
    }

    /// Whether idle memory is measured for it; a window does not change it.
    pub(crate) fn counts_when_idle(self) -> bool {
        !matches!(self, Self::Rialto(1..) | Self::Keeping(_))
    }

    /// Name and version, as the program tells it.
    pub(crate) fn version(self) -> Result<String, Failure> {
        let (command, what) = match self {
            Self::Rialto(_) | Self::Keeping(_) => {
                return Ok(concat!("rialto ", env!("CARGO_PKG_VERSION")).to_owned());
            }
            Self::Nats => (vec![tool("bin/nats-server")?, "--version".into()], "nats-server"),
            Self::SocketIo => {
                let print = "console.log('socket.io', require('socket.io/package.json').version, 'on node', process.version)";
                (vec!["node".into(), "-e".into(), print.into()], "node")
            }
        };
        let mut process = Command::new(&command[0]);
        process.args(&command[1..]).env("NODE_PATH", tools()?.join("node/node_modules"));
        let output = process.output().map_err(|error| format!("{what}: {error}"))?;
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// Starts a fresh one.
    pub(crate) fn start(self) -> Result<Process, Failure> {
        self.start_beside(None)
    }

    /// Starts a fresh one that is one of several, if there is a broker between them.
    pub(crate) fn start_beside(self, broker: Option<SocketAddr>) -> Result<Process, Failure> {
        let (address, folder) = (free_address()?, tempfile::tempdir()?);
        let mut command = match self {
            Self::Rialto(_) | Self::Keeping(_) => Command::new(program("rialto")?),
            Self::Nats => Command::new(tool("bin/nats-server")?),
            Self::SocketIo => Command::new("node"),
        };
        match self {
            Self::Rialto(_) | Self::Keeping(_) => {
                let config = folder.path().join("rialto.toml");
                std::fs::write(&config, configuration(self))?;
                command.arg("serve").arg("--listen").arg(address.to_string());
                command.arg("--config").arg(config).arg("--data").arg(folder.path().join("data"));
                command.args(broker.iter().flat_map(|nats| ["--nats".to_owned(), format!("nats://{nats}")]));
            }
            Self::Nats => {
                command.args(["--addr", "127.0.0.1", "--port"]).arg(address.port().to_string());
            }
            Self::SocketIo => {
                let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("load/socketio.cjs");
                command.arg(script).arg(address.port().to_string());
                command.args(broker.iter().map(|redis| format!("redis://{redis}")));
                // What several need beside Socket.IO itself is installed with the comparison.
                let packages = if broker.is_some() { "comparison" } else { "node" };
                command.env("NODE_PATH", tools()?.join(packages).join("node_modules"));
                command.env("NODE_ENV", "production");
            }
        }
        Process::start(command, address, folder)
    }
}

/// Rialto with its jobs in a folder that outlives it, or in NATS.
pub(crate) fn keeping_jobs(data: &Path, nats: Option<SocketAddr>) -> Result<Process, Failure> {
    let address = free_address()?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("rialto.toml");
    std::fs::write(&file, configuration(Kind::Rialto(0)))?;
    let mut command = Command::new(program("rialto")?);
    command.arg("serve").arg("--config").arg(file).arg("--data").arg(data);
    command.args(["--listen", &address.to_string()]);
    command.args(nats.iter().flat_map(|nats| ["--nats".to_owned(), format!("nats://{nats}")]));
    Process::start(command, address, folder)
}

/// NATS with a JetStream that syncs each write before it answers:
/// <https://docs.nats.io/reference/2.14/config/jetstream/sync_interval>.
pub(crate) fn syncing_nats(data: &Path) -> Result<Process, Failure> {
    let (address, folder) = (free_address()?, tempfile::tempdir()?);
    std::fs::create_dir_all(data)?;
    let file = folder.path().join("nats.conf");
    let config = format!(
        "host: 127.0.0.1\nport: {}\njetstream {{\n  store_dir: {:?}\n  sync_interval: always\n}}\n",
        address.port(),
        std::path::absolute(data)?.display().to_string(),
    );
    std::fs::write(&file, config)?;
    let mut command = Command::new(tool("bin/nats-server")?);
    command.arg("--config").arg(file);
    Process::start(command, address, folder)
}

/// Rialto's configuration for a load generator.
fn configuration(kind: Kind) -> String {
    let many = 1_000_000;
    let (window, history, held) = match kind {
        Kind::Rialto(window) => (window, "off", "2m"),
        Kind::Keeping(Keeping::Memory) => (0, "memory", "2m"),
        Kind::Keeping(Keeping::Durable) => (0, "durable", "2m"),
        _ => (0, "off", "0s"),
    };
    format!(
        "[[namespace]]\nname = \"bench\"\nroom_emits_per_second = 0\ndelivery_window = \"{window}ms\"\n\
         history = \"{history}\"\n[limits.session]\nemits_per_second = 0\nresume_window = \"{held}\"\n\
         [limits.connection]\nconnections_per_address_max = {many}\nnew_per_address_per_second = {many}\n\
         [limits.node]\nsessions_per_user_max = {many}\nsessions_per_address_max = {many}\n\
         hellos_per_second = {many}\nresumes_per_second = {many}\nrooms_created_per_minute = {many}\n"
    )
}

/// A program that cargo built, beside this one.
fn program(name: &str) -> Result<PathBuf, Failure> {
    let path = std::env::current_exe()?.with_file_name(name);
    if path.exists() {
        Ok(path)
    } else {
        Err(format!("{} is not built: run `make bench`", path.display()).into())
    }
}

fn tools() -> Result<PathBuf, Failure> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let path = root.parent().ok_or("the repository has no root")?.join(".tools");
    if path.exists() {
        Ok(path)
    } else {
        Err(".tools/ is missing: run `make bench`, which installs it".into())
    }
}

pub(crate) fn tool(name: &str) -> Result<PathBuf, Failure> {
    Ok(tools()?.join(name))
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rialto(0) => f.write_str("rialto"),
            Self::Rialto(window) => write!(f, "rialto-{window}ms"),
            Self::Keeping(Keeping::Nothing) => f.write_str("rialto-unheld"),
            Self::Keeping(Keeping::Memory) => f.write_str("rialto-memory"),
            Self::Keeping(Keeping::Durable) => f.write_str("rialto-durable"),
            Self::Nats => f.write_str("nats"),
            Self::SocketIo => f.write_str("socketio"),
        }
    }
}

impl FromStr for Kind {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        match text {
            "rialto" => Ok(Self::Rialto(0)),
            "rialto-unheld" => Ok(Self::Keeping(Keeping::Nothing)),
            "rialto-memory" => Ok(Self::Keeping(Keeping::Memory)),
            "rialto-durable" => Ok(Self::Keeping(Keeping::Durable)),
            "nats" => Ok(Self::Nats),
            "socketio" => Ok(Self::SocketIo),
            other => {
                let window = other.strip_prefix("rialto-").and_then(|rest| rest.strip_suffix("ms"));
                Ok(Self::Rialto(window.ok_or_else(|| format!("no target is called {other}"))?.parse()?))
            }
        }
    }
}
