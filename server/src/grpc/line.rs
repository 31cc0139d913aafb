//! The connection under a session: where it comes from, and how it is ended for a client that reads nothing.

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::edge::Connection;
use crate::session::Cut;

/// The share of one session in its connection.
#[derive(Debug, Clone)]
pub(super) struct Line {
    connection: Connection,
    live: Arc<AtomicBool>,
}

impl Line {
    /// A line for a session that is not open yet.
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, live: Arc::new(AtomicBool::new(false)) }
    }

    /// Whom the connection counts for: an IPv4 address, or the /64 network that an IPv6 host has to itself.
    pub(super) fn address(&self) -> IpAddr {
        match self.connection.peer().ip() {
            IpAddr::V6(address) if !address.is_loopback() => {
                let network = u128::from(address) >> 64 << 64;
                Ipv6Addr::from(network).into()
            }
            address => address,
        }
    }

    /// The session is open.
    pub(super) fn opened(&self) {
        if !self.live.swap(true, Ordering::Relaxed) {
            self.connection.session_opened();
        }
    }

    /// The session is over.
    pub(super) fn closed(&self) {
        if self.live.swap(false, Ordering::Relaxed) {
            self.connection.session_closed();
        }
    }

    /// Lets no more requests come over the connection, so that the next one may go to another node.
    pub(super) fn leave(&self) {
        self.connection.leave();
    }

    /// Ends the connection, unless other sessions live on it: theirs is not the fault.
    pub(super) fn cut(&self) -> Cut {
        let line = self.clone();
        Box::new(move || {
            line.closed();
            if line.connection.sessions() == 0 {
                line.connection.cut();
            }
        })
    }
}
