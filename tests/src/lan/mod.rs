//! Machines of their own on one machine: network namespaces, each with an address, on one switch that is a namespace too. What
//! one of them sends to another one can be cut, in either direction, as a firewall does it: packets are gone, and nobody is
//! told. Nothing of it is seen from outside: the test itself is on one of the machines. Needs root, `ip` and `nft`. Everything
//! is taken down when its owner is dropped, in a test that panics too; names have the test's process in them.

mod clients;
mod cluster;
mod gauge;
mod labour;
mod processes;
mod trouble;

use std::{
    fs::File,
    net::{IpAddr, Ipv4Addr},
    panic::resume_unwind,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::runtime;

pub use self::{
    cluster::{Fault, LAN_CLIENTS, NODES, Together},
    trouble::{GAP_MAX, GHOSTS_MAX, Measured, Trouble},
};
use crate::reliability::{Missing, run};

/// Where `ip` has the namespaces that it knows by name.
const NAMESPACES: &str = "/run/netns";
/// What is between all machines.
const SWITCH: &str = "switch";
/// Threads of a test on a machine.
const THREADS: usize = 2;

/// A machine of a [`Lan`], by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Machine(pub u8);

/// Machines on one switch.
#[derive(Debug)]
pub struct Lan {
    /// The beginning of the names of all its namespaces.
    name: String,
    /// What was made, to be taken away.
    made: Vec<String>,
    machines: u8,
}

impl Lan {
    /// So many machines that reach each other.
    pub fn make(machines: u8) -> Result<Self, Missing> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("rialto-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let mut lan = Self { name, made: Vec::new(), machines };
        let switch = lan.namespace(SWITCH)?;
        ip(&["-n", &switch, "link", "add", "br0", "type", "bridge"])?;
        ip(&["-n", &switch, "link", "set", "br0", "up"])?;
        for machine in (0..machines).map(Machine) {
            lan.plug_in(&switch, machine)?;
        }
        Ok(lan)
    }

    fn namespace(&mut self, of: &str) -> Result<String, Missing> {
        let name = format!("{}-{of}", self.name);
        ip(&["netns", "add", &name])?;
        self.made.push(name.clone());
        Ok(name)
    }

    fn plug_in(&mut self, switch: &str, machine: Machine) -> Result<(), Missing> {
        let own = self.namespace(&machine.0.to_string())?;
        let (port, address) = (format!("port{}", machine.0), format!("{}/24", machine.address()));
        let wire =
            ["link", "add", "eth0", "netns", &own, "type", "veth", "peer", "name", &port, "netns", switch];
        ip(&wire)?;
        ip(&["-n", switch, "link", "set", &port, "master", "br0", "up"])?;
        ip(&["-n", &own, "address", "add", &address, "dev", "eth0"])?;
        ip(&["-n", &own, "link", "set", "eth0", "up"])?;
        ip(&["-n", &own, "link", "set", "lo", "up"])?;
        self.firewall(machine, "add table inet cut")?;
        self.firewall(
            machine,
            "add chain inet cut input { type filter hook input priority 0; policy accept; }",
        )
    }

    fn of(&self, machine: Machine) -> String {
        format!("{}-{}", self.name, machine.0)
    }

    fn firewall(&self, machine: Machine, rule: &str) -> Result<(), Missing> {
        run("ip", &["netns", "exec", &self.of(machine), "nft", rule]).map(drop)
    }

    /// Nothing that `from` sends reaches `to` any more, also over connections that are there.
    pub fn cut(&self, from: Machine, to: Machine) {
        let rule = format!("add rule inet cut input ip saddr {} drop", from.address());
        self.firewall(to, &rule).unwrap_or_else(|Missing(why)| panic!("{why}"));
    }

    /// All that is sent arrives.
    pub fn heal(&self) {
        for machine in (0..self.machines).map(Machine) {
            self.firewall(machine, "flush chain inet cut input")
                .unwrap_or_else(|Missing(why)| panic!("{why}"));
        }
    }

    /// What a command line begins with whose program is to run on a machine, and whose complaints are to be in a file.
    pub fn on(&self, machine: Machine, complaints: &Path) -> Vec<String> {
        let complaints = complaints.display().to_string();
        let namespace = self.of(machine);
        // `ip` becomes the shell, and the shell the program: a signal to the one that was started is one to it.
        let exec = r#"exec "$@" 2>>"$0""#;
        ["ip", "netns", "exec", &namespace, "sh", "-c", exec, &complaints].map(str::to_owned).into()
    }

    /// Runs a test on a machine: all its connections begin there, and end there.
    pub fn inside<T: Send>(&self, machine: Machine, test: impl AsyncFnOnce() -> T + Send) -> T {
        let place = Path::new(NAMESPACES).join(self.of(machine));
        let enter = move || enter(&place);
        // A thread of its own: whoever has called stays where it is.
        let ended = std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                enter();
                let mut threads = runtime::Builder::new_multi_thread();
                let threads = threads.worker_threads(THREADS).enable_all().on_thread_start(enter.clone());
                threads.build().expect("threads").block_on(test())
            });
            thread.join()
        });
        ended.unwrap_or_else(|panic| resume_unwind(panic))
    }
}

impl Machine {
    /// Its address.
    pub fn address(self) -> IpAddr {
        Ipv4Addr::new(10, 77, 0, self.0 + 1).into()
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        for name in self.made.drain(..) {
            if let Err(Missing(why)) = ip(&["netns", "delete", &name]) {
                eprintln!("{why}");
            }
        }
    }
}

fn ip(arguments: &[&str]) -> Result<(), Missing> {
    run("ip", arguments).map(drop)
}

/// This thread is in a network namespace from now on.
fn enter(place: &PathBuf) {
    let file = File::open(place).unwrap_or_else(|error| panic!("{}: {error}", place.display()));
    let entered =
        move_into_link_name_space(std::os::fd::AsFd::as_fd(&file), Some(LinkNameSpaceType::Network));
    entered.unwrap_or_else(|error| panic!("{}: {error}", place.display()));
}
