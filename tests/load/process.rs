//! A server process: started on loopback, looked at through `/proc`, ended by its id when it is dropped. Knows nothing
//! of what the process speaks.

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;
use tokio::time::Instant;

use crate::Failure;

const START_TIMEOUT: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// `CLK_TCK`: Linux counts CPU time for user space in hundredths of a second.
const TICK: Duration = Duration::from_millis(10);

/// A running server.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    address: SocketAddr,
    /// Its configuration and log; gone when it is.
    _folder: TempDir,
}

/// Memory of a process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// Resident set, in KiB.
    pub(crate) rss: u64,
    /// The same, with shared pages counted in part.
    pub(crate) pss: u64,
}

impl Process {
    /// Starts `command`, which may use `folder`, and waits until something listens on `address`.
    pub(crate) fn start(mut command: Command, address: SocketAddr, folder: TempDir) -> Result<Self, Failure> {
        let log = folder.path().join("output.log");
        let out = fs::File::create(&log)?;
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command.spawn().map_err(|error| format!("{name} does not start: {error}"))?;
        let mut process = Self { child, address, _folder: folder };
        let deadline = Instant::now() + START_TIMEOUT;
        while TcpStream::connect(address).is_err() {
            if let Some(status) = process.child.try_wait()? {
                return Err(format!("{name} ended: {status}\n{}", fs::read_to_string(&log)?).into());
            }
            if Instant::now() > deadline {
                return Err(format!("{name} does not listen on {address}").into());
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(process)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its id.
    #[cfg(feature = "peers")]
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// CPU time used so far, in user space and in the kernel.
    pub(crate) fn cpu(&self) -> Result<Duration, Failure> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let (_, fields) = stat.rsplit_once(") ").ok_or("/proc/…/stat has no name")?;
        let ticks = |index: usize| -> Result<u32, Failure> {
            Ok(fields.split(' ').nth(index).ok_or("/proc/…/stat is short")?.parse()?)
        };
        Ok(TICK * (ticks(11)? + ticks(12)?))
    }

    /// Memory used now.
    pub(crate) fn memory(&self) -> Result<Memory, Failure> {
        let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.child.id()))?;
        let field = |name: &str| -> Result<u64, Failure> {
            let line = rollup.lines().find(|line| line.starts_with(name)).ok_or("smaps_rollup is short")?;
            Ok(line.split_whitespace().nth(1).ok_or("smaps_rollup is malformed")?.parse()?)
        };
        Ok(Memory { rss: field("Rss:")?, pss: field("Pss:")? })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to end and the wait returns at once.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// An address on loopback where nothing listens now.
pub(crate) fn free_address() -> Result<SocketAddr, Failure> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
