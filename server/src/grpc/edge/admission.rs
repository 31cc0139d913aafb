//! Who may connect: a bound on all connections, bounds per address, and the register of those that are open, through
//! which all of them are told to leave or cut. It opens and closes no socket. Called by the accept loop in `serve`.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::connection::Connection;
use crate::base::{
    clock::{self, Instant},
    limits::ConnectionLimits,
    metrics::Metrics,
};

/// Descriptors that are not for connections: files, links to other nodes, listeners.
const DESCRIPTORS_KEPT: u64 = 512;
/// Connections when the system does not tell its bound.
const CONNECTIONS_FALLBACK: u64 = 10_000;
/// Addresses that are remembered at once. Open ones are bounded by the connections, others live for one [`SECOND`].
const ADDRESSES_MAX: usize = 1 << 16;
const SECOND: Duration = Duration::from_secs(1);

/// Whom bounds per address take for one: an IPv4 address, or an IPv6 /64, which is what one subscriber has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Block {
    V4([u8; 4]),
    V6([u8; 8]),
}

impl Block {
    fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
        }
    }
}

/// What one address has.
#[derive(Debug)]
struct Account {
    open: u32,
    second: Instant,
    fresh: u32,
}

#[derive(Debug, Default)]
struct Register {
    accounts: HashMap<Block, Account>,
    open: HashMap<u64, Connection>,
    next: u64,
}

/// The gate of a node's listener.
#[derive(Debug)]
pub(super) struct Admission {
    limits: ConnectionLimits,
    metrics: Arc<Metrics>,
    slots: Arc<Semaphore>,
    register: Mutex<Register>,
    emptied: Notify,
}

/// Why a connection was turned away. A label of `connections_cut`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turned {
    /// The address has too many connections.
    Address,
    /// The address connects too often.
    Rate,
    /// Too many addresses are remembered.
    Memory,
}

impl Turned {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Rate => "rate",
            Self::Memory => "addresses",
        }
    }
}

impl Admission {
    /// An empty gate.
    pub(super) fn new(limits: ConnectionLimits, metrics: Arc<Metrics>) -> Self {
        let slots = Semaphore::new(connections_max(limits.connections_max));
        Self { limits, metrics, slots: Arc::new(slots), register: Mutex::default(), emptied: Notify::new() }
    }

    /// Waits until one more connection may be open. `None` never happens, the semaphore is never closed.
    pub(super) async fn slot(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.slots).acquire_owned().await.ok()
    }

    /// Enters a connection from `peer`, or says why not.
    pub(super) fn admit(
        self: &Arc<Self>,
        peer: SocketAddr,
        tls: bool,
        slot: OwnedSemaphorePermit,
    ) -> Result<Ticket, Turned> {
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let counted = self.limits.loopback_counted || !peer.ip().is_loopback();
        let block = counted.then(|| Block::of(peer.ip()));
        let connection = Connection::new(peer, tls);
        let mut register = self.register.lock();
        if let Some(block) = block {
            register.charge(block, &self.limits, clock::now())?;
        }
        let id = register.next;
        register.next += 1;
        register.open.insert(id, connection.clone());
        drop(register);
        self.metrics.connections_accepted.inc();
        self.metrics.connections.inc();
        Ok(Ticket { connection, admission: Arc::clone(self), id, block, _slot: slot })
    }

    /// Does `order` to every connection that is open.
    pub(super) fn all(&self, order: impl Fn(&Connection)) {
        // Orders wake tasks, so they are given without the lock.
        let open: Vec<Connection> = self.register.lock().open.values().cloned().collect();
        open.iter().for_each(order);
    }

    /// Waits until no connection is open.
    pub(super) async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.register.lock().open.is_empty() {
                return;
            }
            emptied.await;
        }
    }
}

impl Register {
    fn charge(&mut self, block: Block, limits: &ConnectionLimits, now: Instant) -> Result<(), Turned> {
        if self.accounts.len() >= ADDRESSES_MAX && !self.accounts.contains_key(&block) {
            self.accounts.retain(|_, account| account.open > 0 || now < account.second + SECOND);
            if self.accounts.len() >= ADDRESSES_MAX {
                return Err(Turned::Memory);
            }
        }
        let account = self.accounts.entry(block).or_insert(Account { open: 0, second: now, fresh: 0 });
        if now >= account.second + SECOND {
            account.second = now;
            account.fresh = 0;
        }
        if reached(account.fresh, limits.new_per_address_per_second) {
            return Err(Turned::Rate);
        }
        account.fresh += 1;
        if reached(account.open, limits.connections_per_address_max) {
            return Err(Turned::Address);
        }
        account.open += 1;
        Ok(())
    }

    fn leave(&mut self, id: u64, block: Option<Block>, now: Instant) {
        self.open.remove(&id);
        let Some(block) = block else { return };
        if let Some(account) = self.accounts.get_mut(&block) {
            account.open = account.open.saturating_sub(1);
            if account.open == 0 && now >= account.second + SECOND {
                self.accounts.remove(&block);
            }
        }
    }
}

fn reached(count: u32, max: u32) -> bool {
    max != 0 && count >= max
}

/// A place in the register. The place is free again when the ticket is dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    connection: Connection,
    admission: Arc<Admission>,
    id: u64,
    block: Option<Block>,
    _slot: OwnedSemaphorePermit,
}

impl Ticket {
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.admission.metrics.connections.dec();
        let mut register = self.admission.register.lock();
        register.leave(self.id, self.block, clock::now());
        if register.open.is_empty() {
            self.admission.emptied.notify_waiters();
        }
    }
}

/// How many connections may be open: what is configured, but never more than the process may have descriptors. A
/// quarter of them is always used, so that a small bound works too.
fn connections_max(configured: u32) -> usize {
    let descriptors = descriptors_max();
    let most = descriptors.saturating_sub(DESCRIPTORS_KEPT).max(descriptors / 4).max(1);
    let max = match configured {
        0 => most,
        configured => most.min(u64::from(configured)),
    };
    usize::try_from(max).map_or(Semaphore::MAX_PERMITS, |max| max.min(Semaphore::MAX_PERMITS))
}

/// The bound on descriptors, after asking for all that the system gives without being asked twice.
fn descriptors_max() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: maximum, maximum };
    let effective = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => maximum,
        Err(_) => current,
    };
    effective.or(current).unwrap_or(CONNECTIONS_FALLBACK + DESCRIPTORS_KEPT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(limits: ConnectionLimits) -> Arc<Admission> {
        Arc::new(Admission::new(limits, Arc::default()))
    }

    async fn knock(gate: &Arc<Admission>, peer: &str) -> Result<Ticket, Turned> {
        let slot = gate.slot().await.unwrap();
        gate.admit(SocketAddr::new(peer.parse().unwrap(), 4000), false, slot)
    }

    fn limits() -> ConnectionLimits {
        ConnectionLimits {
            connections_per_address_max: 2,
            new_per_address_per_second: 0,
            ..ConnectionLimits::default()
        }
    }

    #[tokio::test]
    async fn an_address_has_so_many_connections_and_no_more() {
        let gate = gate(limits());
        let first = knock(&gate, "192.0.2.1").await.unwrap();
        let _second = knock(&gate, "::ffff:192.0.2.1").await.unwrap();
        assert_eq!(knock(&gate, "192.0.2.1").await.unwrap_err(), Turned::Address);
        knock(&gate, "192.0.2.2").await.unwrap();
        drop(first);
        knock(&gate, "192.0.2.1").await.unwrap();
    }

    #[tokio::test]
    async fn a_subscriber_of_ipv6_is_one_address() {
        let gate = gate(limits());
        let _first = knock(&gate, "2001:db8:0:1::1").await.unwrap();
        let _second = knock(&gate, "2001:db8:0:1:ffff::2").await.unwrap();
        assert_eq!(knock(&gate, "2001:db8:0:1::3").await.unwrap_err(), Turned::Address);
        knock(&gate, "2001:db8:0:2::1").await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_connects_only_so_often() {
        let gate = gate(ConnectionLimits { new_per_address_per_second: 3, ..ConnectionLimits::default() });
        for _ in 0..3 {
            knock(&gate, "192.0.2.1").await.unwrap();
        }
        assert_eq!(knock(&gate, "192.0.2.1").await.unwrap_err(), Turned::Rate);
        tokio::time::advance(SECOND).await;
        knock(&gate, "192.0.2.1").await.unwrap();
    }

    #[tokio::test]
    async fn loopback_is_counted_only_when_asked_for() {
        let uncounted = gate(limits());
        let mut open = Vec::new();
        for _ in 0..5 {
            open.push(knock(&uncounted, "127.0.0.1").await.unwrap());
        }
        let counted = gate(ConnectionLimits { loopback_counted: true, ..limits() });
        open.push(knock(&counted, "127.0.0.1").await.unwrap());
        open.push(knock(&counted, "127.0.0.1").await.unwrap());
        assert_eq!(knock(&counted, "127.0.0.1").await.unwrap_err(), Turned::Address);
    }

    #[tokio::test(start_paused = true)]
    async fn memory_of_addresses_is_bounded_and_comes_back() {
        let gate = gate(limits());
        for n in 0..ADDRESSES_MAX as u32 {
            let peer = IpAddr::from((n + (10 << 24)).to_be_bytes()).to_string();
            knock(&gate, &peer).await.unwrap();
        }
        assert_eq!(knock(&gate, "192.0.2.1").await.unwrap_err(), Turned::Memory);
        tokio::time::advance(SECOND).await;
        knock(&gate, "192.0.2.1").await.unwrap();
        assert!(gate.register.lock().accounts.len() < 2);
    }

    #[tokio::test]
    async fn everything_is_given_back() {
        let gate = gate(limits());
        let ticket = knock(&gate, "192.0.2.1").await.unwrap();
        assert_eq!(gate.metrics.connections.get(), 1);
        drop(ticket);
        gate.emptied().await;
        assert_eq!(gate.metrics.connections.get(), 0);
    }

    #[test]
    fn there_is_always_room_for_a_connection() {
        assert!(connections_max(0) >= 1);
        assert_eq!(connections_max(1), 1);
    }
}
