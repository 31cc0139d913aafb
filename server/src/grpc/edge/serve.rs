//! The listener: accepts connections within their bounds and gives each one task (`drive`), with every setting of
//! HTTP/1.1, HTTP/2 and TCP written down. It knows nothing of requests. Run by `node`, in a task of its own.
//!
//! *Stopping*: when `Tasks::draining` is cancelled the socket closes and nothing new is accepted. When `farewell` is
//! cancelled, which the node does after the sessions were closed, connections get GOAWAY and end with their last
//! stream. When `Tasks::stopping` is cancelled all that is left is cut. `Edge::serve` returns after the last connection.

use std::{future::Future, io, sync::Arc, time::Duration};

use axum::Router;
use hyper_util::{rt::TokioTimer, server::conn::auto::Builder};
#[cfg(target_os = "linux")]
use socket2::SockRef;
use tokio::{
    net::{TcpListener, TcpStream},
    select,
    time::sleep,
};
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;

use super::{
    admission::Admission,
    connection::bound,
    drive::{Shared, drive},
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
/// Pauses after an accept that failed for want of resources: retrying at once would spin.
const BACK_OFF: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(1)];
/// Bytes of one HTTP/2 frame; the smallest that the protocol permits.
const FRAME_BYTES_MAX: u32 = 16 << 10;
/// The largest window that HTTP/2 knows.
const WINDOW_BYTES_MAX: u32 = (1 << 31) - 1;
/// Time for the answer to a ping when the configuration sets no bound.
pub(super) const PONG_FALLBACK: Duration = Duration::from_secs(60);
/// Bytes that HTTP/1 reads ahead at least; hyper takes no less.
const HTTP1_BUFFER_BYTES_MIN: usize = 8 << 10;
/// Header fields when the configuration sets no bound.
const HEADER_FIELDS_FALLBACK: usize = 1_000;

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

/// Every setting of both protocols: tonic would turn off two bounds that hyper has, and some defaults are generous.
fn protocol(limits: &ConnectionLimits, tasks: &Tasks) -> Builder<StreamExecutor> {
    let header_bytes = limits.header_list_bytes_max as usize;
    let fields = match limits.header_fields_max as usize {
        0 => HEADER_FIELDS_FALLBACK,
        fields => fields,
    };
    let mut builder = Builder::new(StreamExecutor(tasks.clone()));
    builder
        .http1()
        .timer(TokioTimer::new())
        // Also the time between two requests; heads have less, see `Connection::due`.
        .header_read_timeout(bound(limits.idle_timeout))
        .max_headers(fields)
        .max_buf_size(HTTP1_BUFFER_BYTES_MIN.max(2 * header_bytes))
        .half_close(false)
        .keep_alive(true)
        .pipeline_flush(false)
        .ignore_invalid_headers(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams_max.max(1))
        .max_pending_accept_reset_streams(limits.pending_resets_max as usize)
        .max_local_error_reset_streams(limits.local_error_resets_max as usize)
        .max_header_list_size(limits.header_list_bytes_max)
        .max_frame_size(FRAME_BYTES_MAX)
        .max_send_buf_size(limits.stream_send_buffer_bytes as usize)
        .adaptive_window(false)
        .initial_connection_window_size(limits.window_bytes.min(WINDOW_BYTES_MAX))
        .initial_stream_window_size(limits.stream_window_bytes.min(WINDOW_BYTES_MAX))
        .keep_alive_interval(bound(limits.keepalive_interval))
        .keep_alive_timeout(bound(limits.keepalive_timeout).unwrap_or(PONG_FALLBACK));
    builder
}

/// Runs the streams of HTTP/2 connections as tracked tasks.
#[derive(Debug, Clone)]
pub(super) struct StreamExecutor(Tasks);

impl<F> hyper::rt::Executor<F> for StreamExecutor
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, stream: F) {
        drop(self.0.spawn("stream", stream));
    }
}
