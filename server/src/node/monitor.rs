//! What servers of NATS tell about themselves to whoever asks their monitors: whether they sync what they store before they
//! acknowledge it. The connection of a node does not tell it, and nothing is promised that is not known.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Uri, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::base::{clock, tasks::Tasks};

/// How long those that do not answer are asked again.
const ASKED_FOR: Duration = Duration::from_secs(3);
/// The wait between two attempts.
const AGAIN_AFTER: Duration = Duration::from_millis(100);
/// Time for one answer.
const ANSWER_MAX: Duration = Duration::from_secs(3);
/// Bytes of one answer.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Whether all of these servers sync before they acknowledge. `monitors` are addresses, separated by commas. Of one that does not
/// answer it is not known: so they do not.
///
/// # Errors
/// Says which one is no address.
pub(super) async fn all_sync(monitors: &str, tasks: &Tasks) -> Result<bool, String> {
    let (mut all, until) = (true, clock::now() + ASKED_FOR);
    for monitor in monitors.split(',').map(str::trim) {
        let uri: Uri = monitor.parse().map_err(|error| format!("{monitor}: {error}"))?;
        let host = uri.host().filter(|_| uri.scheme_str() == Some("http"));
        let host = host.ok_or_else(|| format!("{monitor} is no http:// address"))?;
        all &= loop {
            let asked = timeout(ANSWER_MAX, syncs(host, uri.port_u16().unwrap_or(80), tasks)).await;
            match asked.unwrap_or_else(|_| Err("no answer".to_owned())) {
                Ok(synced) => break synced,
                Err(error) if clock::now() > until => {
                    tracing::warn!(
                        monitor,
                        error,
                        "it is not known whether NATS syncs, so nothing is said to be"
                    );
                    break false;
                }
                // It may just be starting.
                Err(_) => sleep(AGAIN_AFTER).await,
            }
        };
    }
    Ok(all)
}

async fn syncs(host: &str, port: u16, tasks: &Tasks) -> Result<bool, String> {
    let stream = TcpStream::connect((host, port)).await.map_err(text)?;
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
