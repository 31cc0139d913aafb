//! What servers of NATS tell about themselves to whoever asks their monitors: whether they sync what they store before they
//! acknowledge it. The connection of a node does not tell it, and nothing is promised that is not known.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Uri, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};

use crate::base::tasks::Tasks;

/// Time for one answer.
const ANSWER_MAX: Duration = Duration::from_secs(3);
/// Bytes of one answer.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Whether all of these servers sync before they acknowledge. `monitors` are addresses, separated by commas.
///
/// # Errors
/// Says which one did not answer, and how.
pub(super) async fn all_sync(monitors: &str, tasks: &Tasks) -> Result<bool, String> {
    let mut all = true;
    for monitor in monitors.split(',').map(str::trim) {
        let asked = timeout(ANSWER_MAX, syncs(monitor, tasks)).await;
        let answered = asked.unwrap_or_else(|_| Err("no answer".to_owned()));
        all &= answered.map_err(|error| format!("the monitor of NATS at {monitor}: {error}"))?;
    }
    Ok(all)
}

async fn syncs(monitor: &str, tasks: &Tasks) -> Result<bool, String> {
    let uri: Uri = monitor.parse().map_err(text)?;
    let host = uri.host().filter(|_| uri.scheme_str() == Some("http")).ok_or("is no http:// address")?;
    let stream = TcpStream::connect((host, uri.port_u16().unwrap_or(80))).await.map_err(text)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(text)?;
    tasks.spawn("monitor", async move { drop(connection.await) });
    let request =
        Request::get("/jsz").header(header::HOST, host).body(Empty::<Bytes>::new()).map_err(text)?;
    let answer = sender.send_request(request).await.map_err(text)?;
    let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await.map_err(text)?;
    let told: serde_json::Value = serde_json::from_slice(&body.to_bytes()).map_err(text)?;
    Ok(told["config"]["sync_always"].as_bool().unwrap_or_default())
}

fn text(error: impl ToString) -> String {
    error.to_string()
}
