//! The link over NATS, core subjects only. The one file that knows the library.
//!
//! That a listening has begun is certain when the server has answered something that was asked after it: it takes what a
//! connection says in order. What is asked goes to a subject where nobody listens, and the server itself says so.

use std::{
    future::{Ready, ready},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use async_nats::{
    Client, ConnectOptions, Event, HeaderMap, HeaderName, HeaderValue, Message, ReconnectToServer,
    RequestErrorKind, Server, ServerAddr, ServerInfo, Subscriber,
};
use bytes::Bytes;
use futures_util::{
    FutureExt, StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use percent_encoding::percent_decode_str;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    link::{Link, LinkError, LinkState},
    plain::Plain,
};
use crate::base::{clock, config::ClusterConfig};

/// Messages of one subject that wait for this node; what comes beyond is lost, and noticed.
const LISTENING_MAX: usize = 16 << 10;
/// The name under which nodes share what programs publish.
const TAKERS: &str = "rialto";
/// Time for connecting.
const CONNECT_MAX: Duration = Duration::from_secs(2);
/// How often a server that says nothing is asked whether it is there. One that has not answered three times is left for another one:
/// that of a machine that is gone, or a network that is cut, does not say so.
const PINGED_EVERY: Duration = Duration::from_millis(700);
/// Waits between attempts to connect again grow from here.
const RECONNECT_FIRST: Duration = Duration::from_millis(100);
/// And up to here.
const RECONNECT_MAX: Duration = Duration::from_secs(4);
/// The oldest server whose behaviour is relied upon.
const VERSION_MIN: (u32, u32) = (2, 14);

/// A connection to NATS.
#[derive(Debug)]
pub struct NatsLink {
    client: Client,
    state: watch::Sender<LinkState>,
    /// What the server has not permitted, if there was something.
    refused: watch::Receiver<Option<String>>,
    /// Where nobody listens.
    nowhere: String,
}

impl NatsLink {
    /// Connects, and holds when messages of `message_bytes_max` can be carried.
    pub async fn connect(cluster: &ClusterConfig, message_bytes_max: usize) -> Result<Self, LinkError> {
        let urls = cluster.nats.as_str();
        let addresses = urls.split(',').map(|url| url.trim().parse::<ServerAddr>()).collect::<Result<_, _>>();
        let urls = shown(urls);
        let unfit = |error| LinkError::Unfit(format!("{urls} is no list of addresses of NATS: {error}"));
        let addresses: Vec<ServerAddr> = addresses.map_err(unfit)?;
        let state = watch::Sender::new(LinkState { up: true, losses: 0 });
        let told = state.clone();
        let (refusal, refused) = watch::channel(None);
        let options = identified(cluster, &addresses)?
            .name("rialto")
            .custom_inbox_prefix(format!("rl.{}.inbox", cluster.name))
            .no_echo()
            .connection_timeout(CONNECT_MAX)
            .ping_interval(PINGED_EVERY)
            .subscription_capacity(LISTENING_MAX)
            .reconnect_delay_callback(wait)
            .reconnect_to_server_callback(in_turn())
            .event_callback(move |event| {
                note(&told, &event);
                if let Event::ServerError(error) = &event
                    && error.to_string().contains("Permissions Violation")
                {
                    refusal.send_replace(Some(error.to_string()));
                }
                async {}
            });
        let away = |error: &dyn std::fmt::Display| LinkError::Away(format!("NATS at {urls}: {error}"));
        let client = options.connect(addresses).await.map_err(|error| away(&error))?;
        let info = client.server_info();
        if version(&info.version).is_none_or(|version| version < VERSION_MIN) {
            let (major, minor) = VERSION_MIN;
            return Err(LinkError::Unfit(format!(
                "NATS at {urls} is version {}; {major}.{minor} or newer is needed",
                info.version
            )));
        }
        if info.max_payload < message_bytes_max {
            return Err(LinkError::Unfit(format!(
                "NATS at {urls} takes messages of {} bytes; its max_payload must be {message_bytes_max} or more for the \
                 largest payload_bytes_max that is configured",
                info.max_payload
            )));
        }
        Ok(Self { client, state, refused, nowhere: format!("rl.{}.nowhere", cluster.name) })
    }

    /// Waits until the server does not permit something.
    pub async fn refused(&self) -> LinkError {
        let mut refused = self.refused.clone();
        match refused.wait_for(Option::is_some).await {
            Ok(refused) => LinkError::Unfit(refused.clone().unwrap_or_default()),
            Err(_) => std::future::pending().await,
        }
    }

    /// The connection, for what else goes over it.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    async fn begin(&self, subject: String) -> Result<Subscriber, LinkError> {
        let away = |error: &dyn std::fmt::Display| LinkError::Away(error.to_string());
        if !self.state.borrow().up {
            return Err(away(&"NATS is away"));
        }
        let messages = self.client.subscribe(subject).await.map_err(|error| away(&error))?;
        self.there_and_back().await?;
        Ok(messages)
    }

    async fn begin_taking(
        &self,
        subject: String,
        ends: CancellationToken,
    ) -> Result<BoxStream<'static, Plain>, LinkError> {
        let away = |error: &dyn std::fmt::Display| LinkError::Away(error.to_string());
        let taken = self.client.queue_subscribe(subject, TAKERS.to_owned()).await;
        let messages = taken.map_err(|error| away(&error))?;
        self.there_and_back().await?;
        let taken = stream::unfold((messages, ends, false), |(mut messages, ends, mut leaves)| async move {
            loop {
                tokio::select! {
                    biased;
                    () = ends.cancelled(), if !leaves => {
                        leaves = true;
                        if let Err(error) = messages.drain().await {
                            tracing::warn!(%error, "what programs say was not left to other nodes");
                        }
                    }
                    message = messages.next() => return Some((plain(message?), (messages, ends, leaves))),
                }
            }
        });
        Ok(taken.boxed())
    }

    /// When it returns, the server has taken everything that was said before.
    async fn there_and_back(&self) -> Result<(), LinkError> {
        match self.client.request(self.nowhere.clone(), Bytes::new()).await {
            Err(error) if error.kind() == RequestErrorKind::NoResponders => Ok(()),
            Err(error) => Err(LinkError::Away(error.to_string())),
            Ok(_) => Err(LinkError::Away("somebody listens where nobody should".to_owned())),
        }
    }
}

impl Link for NatsLink {
    fn publish(&self, subject: String, message: Bytes) -> BoxFuture<'_, Result<(), LinkError>> {
        let published = self.client.publish(subject, message);
        async move { published.await.map_err(|error| LinkError::Away(error.to_string())) }.boxed()
    }

    fn publish_plain(&self, plain: Plain) -> BoxFuture<'_, Result<(), LinkError>> {
        let Plain { subject, headers, payload, .. } = plain;
        let published = async move {
            if headers.is_empty() {
                return self.client.publish(subject, payload).await;
            }
            self.client.publish_with_headers(subject, header_map(headers), payload).await
        };
        published.map(|published| published.map_err(|error| LinkError::Away(error.to_string()))).boxed()
    }

    fn take_plain(
        &self,
        subject: String,
        ends: CancellationToken,
    ) -> BoxFuture<'_, Result<BoxStream<'static, Plain>, LinkError>> {
        self.begin_taking(subject, ends).boxed()
    }

    fn listen(&self, subject: String) -> BoxFuture<'_, Result<BoxStream<'static, Bytes>, LinkError>> {
        async { Ok(self.begin(subject).await?.map(|message| message.payload).boxed()) }.boxed()
    }

    fn listen_all(
        &self,
        subject: String,
    ) -> BoxFuture<'_, Result<BoxStream<'static, (String, Bytes)>, LinkError>> {
        async {
            let messages = self.begin(subject).await?;
            Ok(messages.map(|message| (message.subject.to_string(), message.payload)).boxed())
        }
        .boxed()
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), LinkError>> {
        self.there_and_back().boxed()
    }

    fn leave(&self) -> BoxFuture<'_, ()> {
        async move {
            if let Err(error) = self.client.force_reconnect().await {
                tracing::warn!(%error, "the server was not left");
            }
        }
        .boxed()
    }

    fn state(&self) -> watch::Receiver<LinkState> {
        self.state.subscribe()
    }
}

fn plain(message: Message) -> Plain {
    let headers = message.headers.iter().flat_map(HeaderMap::iter);
    let headers = headers.filter_map(|(name, values)| Some((name.to_string(), values.first()?.to_string())));
    Plain {
        subject: message.subject.to_string(),
        headers: headers.collect(),
        payload: message.payload,
        answer_to: message.reply.map(|subject| subject.to_string()),
    }
}

/// What cannot stand in a header is left out.
fn header_map(headers: Vec<(String, String)>) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) {
            map.insert(name, value);
        }
    }
    map
}

/// Who the node is to NATS, and by whom it lets itself be told who NATS is.
fn identified(cluster: &ClusterConfig, addresses: &[ServerAddr]) -> Result<ConnectOptions, LinkError> {
    let plain = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let named = addresses.iter().find_map(|address| Some((plain(address.username()?), address.password())));
    let mut options = match named {
        Some((user, Some(password))) => ConnectOptions::with_user_and_password(user, plain(password)),
        Some((token, None)) => ConnectOptions::with_token(token),
        None => ConnectOptions::new(),
    };
    for (key, path) in cluster.files() {
        let unfit = |error: &dyn std::fmt::Display| {
            LinkError::Unfit(format!("{key}: {} cannot be used: {error}", path.display()))
        };
        let text = std::fs::read_to_string(path).map_err(|error| unfit(&error))?;
        options = match key {
            "cluster.credentials" => options.credentials(&text).map_err(|error| unfit(&error))?,
            "cluster.nkey" => options.nkey(text.trim().to_owned()),
            "cluster.tls_ca" => options.add_root_certificates(path.to_owned()),
            "cluster.tls_certificate" => {
                options.add_client_certificate(path.to_owned(), cluster.tls_key.clone())
            }
            _ => options,
        };
    }
    Ok(options)
}

/// Addresses as they may be shown: without the names and passwords that may stand in them.
fn shown(urls: &str) -> String {
    let shown = urls.split(',').map(|url| {
        let (scheme, rest) = url.trim().split_once("://").unwrap_or_else(|| ("nats", url.trim()));
        format!("{scheme}://{}", rest.rsplit_once('@').map_or(rest, |(_, host)| host))
    });
    shown.collect::<Vec<_>>().join(",")
}

/// Chooses one server after the other, from one by chance on: whoever leaves one comes to another one. The library would choose again
/// the one to which it could connect last.
fn in_turn() -> impl Fn(Vec<Server>, ServerInfo) -> Ready<Option<ReconnectToServer>> + Send + Sync + 'static {
    let next = AtomicUsize::new(clock::random_u64() as usize);
    move |servers, last| {
        let at = next.fetch_add(1, Ordering::Relaxed).checked_rem(servers.len());
        // Who begins tries all.
        let server = at.and_then(|at| servers.get(at)).filter(|_| !last.server_id.is_empty());
        ready(server.map(|server| ReconnectToServer { addr: server.addr.clone(), delay: None }))
    }
}

/// How long to wait before the next attempt: all nodes lose a server at the same moment.
fn wait(attempts: usize) -> Duration {
    let doublings = u32::try_from(attempts.min(10)).unwrap_or(10);
    clock::jitter((RECONNECT_FIRST * 2_u32.pow(doublings)).min(RECONNECT_MAX))
}

fn note(state: &watch::Sender<LinkState>, event: &Event) {
    let lost = matches!(event, Event::Connected | Event::SlowConsumer(_));
    let up = match event {
        Event::Connected => Some(true),
        Event::Disconnected | Event::Closed => Some(false),
        _ => None,
    };
    if lost || up.is_some() {
        tracing::info!(%event, "NATS");
        state.send_modify(|state| {
            state.up = up.unwrap_or(state.up);
            state.losses += u64::from(lost);
        });
    }
}

fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split(['.', '-']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_secret_in_an_address_is_not_shown() {
        assert_eq!(shown("nats://ann:p@ss@a:4222, tls://token@b"), "nats://a:4222,tls://b");
        assert_eq!(shown("127.0.0.1:4222"), "nats://127.0.0.1:4222");
    }

    #[test]
    fn versions_are_read() {
        assert_eq!(version("2.15.2"), Some((2, 15)));
        assert_eq!(version("2.12.0-RC.1"), Some((2, 12)));
        assert_eq!(version("new"), None);
    }
}
