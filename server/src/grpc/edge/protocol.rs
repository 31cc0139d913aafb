//! Every setting of HTTP/1.1 and HTTP/2, written down: what hyper would choose by itself is not relied upon. It serves
//! nothing; `serve` makes one builder for all connections and `drive` runs them with it.

use std::{future::Future, time::Duration};

use hyper_util::{rt::TokioTimer, server::conn::auto::Builder};

use super::connection::bound;
use crate::base::{limits::ConnectionLimits, tasks::Tasks};

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

/// Every setting of both protocols: tonic would turn off two bounds that hyper has, and some defaults are generous.
pub(super) fn protocol(limits: &ConnectionLimits, tasks: &Tasks) -> Builder<StreamExecutor> {
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
