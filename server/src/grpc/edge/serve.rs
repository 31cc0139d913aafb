//! The listener: accepts connections within their bounds and gives each one task (`drive`), with the settings of
//! TCP; those of HTTP are in `protocol`. It knows nothing of requests. Run by `node`, in a task of its own.
//!
//! *Stopping*: when `Tasks::draining` is cancelled the socket closes and nothing new is accepted. When `farewell` is
//! cancelled, which the node does after the sessions were closed, connections get GOAWAY and end with their last
//! stream. When `Tasks::stopping` is cancelled all that is left is cut. `Edge::serve` returns after the last connection.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
#[cfg(target_os = "linux")]
use socket2::SockRef;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    select,
    time::sleep,
};
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;

use super::{
    admission::Admission,
    drive::{Shared, drive},
    protocol::protocol,
};
use crate::base::{
    limits::ConnectionLimits,
    metrics::{CauseLabel, Metrics},
    tasks::Tasks,
};

/// How long sent bytes may stay unacknowledged before the kernel gives up.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes that the kernel holds for a connection before they are sent. Without this it takes up to 4 MiB (Linux 6) from
/// the outbox of a reader that has stopped, which would be noticed that much later.
const TCP_UNSENT_BYTES_MAX: u32 = 64 << 10;
/// Connections that wait to be accepted; the kernel takes the less of this and `net.core.somaxconn`. Of those that find no
/// place the first packet is lost, and their clients try again after 1, 3 and 7 s: with 128 places 10,000 clients
/// that came back at once took 8 s, most of which the node was idle (`rialto-load storm`).
const BACKLOG: u32 = 16 << 10;
/// Pauses after an accept that failed for want of resources: retrying at once would spin.
const BACK_OFF: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(1)];

/// Serves one listener.
#[derive(Debug)]
pub struct Edge {
    /// What a connection may do and hold.
    pub limits: ConnectionLimits,
    /// Encryption, from [`super::tls::load`].
    pub tls: Option<Arc<ServerConfig>>,
    /// Where connections are counted.
    pub metrics: Arc<Metrics>,
    /// Where connections run, and the signals to stop.
    pub tasks: Tasks,
    /// Cancelled when connections shall end with their streams.
    pub farewell: CancellationToken,
}

/// Listens on an address, so that very many may come at once.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Connections of the process before this one do not hold the address.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

impl Edge {
    /// Accepts connections and serves them with `app` until the node stops.
    pub async fn serve(self, listener: TcpListener, app: Router) {
        let admission = Arc::new(Admission::new(self.limits.clone(), Arc::clone(&self.metrics)));
        let shared = Arc::new(Shared {
            protocol: protocol(&self.limits, &self.tasks),
            limits: self.limits,
            tls: self.tls,
            metrics: self.metrics,
            app,
        });
        let signals = self.tasks.clone();
        select! {
            biased;
            () = signals.draining().cancelled() => {}
            () = signals.stopping().cancelled() => {}
            () = accept(&listener, &admission, &shared, &self.tasks) => {}
        }
        drop(listener);
        select! {
            () = self.farewell.cancelled() => admission.all(super::Connection::leave),
            () = signals.stopping().cancelled() => {}
        }
        select! {
            () = admission.emptied() => {}
            () = signals.stopping().cancelled() => {
                admission.all(super::Connection::cut);
                admission.emptied().await;
            }
        }
    }
}

async fn accept(listener: &TcpListener, admission: &Arc<Admission>, shared: &Arc<Shared>, tasks: &Tasks) {
    let [mut pause, longest] = BACK_OFF;
    while let Some(slot) = admission.slot().await {
        let (socket, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) if is_of_one_connection(&error) => continue,
            Err(error) => {
                tracing::warn!(%error, ?pause, "cannot accept connections");
                count(&shared.metrics, "accept");
                sleep(pause).await;
                pause = longest.min(pause * 2);
                continue;
            }
        };
        pause = BACK_OFF[0];
        match admission.admit(peer, shared.tls.is_some(), slot) {
            Ok(ticket) => {
                prepare(&socket);
                tasks.spawn("connection", drive(Arc::clone(shared), socket, ticket));
            }
            Err(turned) => count(&shared.metrics, turned.label()),
        }
    }
}

fn count(metrics: &Metrics, cause: &'static str) {
    metrics.connections_cut.get_or_create(&CauseLabel { cause }).inc();
}

/// The peer went away before it was accepted; the listener is well.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

fn prepare(socket: &TcpStream) {
    let prepared = socket.set_nodelay(true);
    #[cfg(target_os = "linux")]
    let prepared = prepared.and_then(|()| {
        let socket = SockRef::from(socket);
        socket.set_tcp_user_timeout(Some(TCP_USER_TIMEOUT))?;
        socket.set_tcp_notsent_lowat(TCP_UNSENT_BYTES_MAX)
    });
    if let Err(error) = prepared {
        tracing::debug!(%error, "cannot set options of a socket");
    }
}
