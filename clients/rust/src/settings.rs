//! How a session or a client connects: address, credentials, who it says it is, and how long it waits. Set by the
//! builders, then never changed. Makes the HTTP/2 channel, one per session.

use std::{collections::BTreeMap, time::Duration};

use rialto_proto::v1;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};

use crate::{
    backlog::OfflineBuffer,
    error::{Error, deepest},
    token::TokenSource,
};

/// How long any one command may take unless the caller says otherwise.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);
/// How long connecting and greeting may take together.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Events that wait for a slow application in each of its streams, before the session stops reading.
pub(crate) const EVENTS_WAITING: usize = 256;
/// Largest message taken from a server: one carries everything that waited in the session's outbox.
pub(crate) const MESSAGE_BYTES_MAX: usize = 16 << 20;
/// Bytes that HTTP/2 lets the server send ahead of the application; the rest waits at the server, which has a policy.
const STREAM_WINDOW_BYTES: u32 = 256 << 10;
const CONNECTION_WINDOW_BYTES: u32 = 512 << 10;
/// A connection without a sign of life for the sum of both is dead.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Everything that holds for a session from its beginning to its end.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) server: String,
    pub(crate) authority: Option<Certificate>,
    pub(crate) token: TokenSource,
    pub(crate) user: String,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) program: v1::ClientInfo,
    pub(crate) deadline: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) events_waiting: usize,
    pub(crate) patient: bool,
    pub(crate) offline: OfflineBuffer,
}

impl Settings {
    pub(crate) fn new(server: String) -> Self {
        Self {
            server,
            authority: None,
            token: TokenSource::Absent,
            user: String::new(),
            attributes: BTreeMap::new(),
            program: v1::ClientInfo {
                name: env!("CARGO_PKG_NAME").to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            },
            deadline: DEADLINE,
            connect_timeout: CONNECT_TIMEOUT,
            events_waiting: EVENTS_WAITING,
            patient: false,
            offline: OfflineBuffer::default(),
        }
    }

    /// Where and how to connect.
    pub(crate) fn endpoint(&self) -> Result<Endpoint, Error> {
        let wrong = |what: String| Error::Invalid(format!("server address {:?}: {what}", self.server));
        let endpoint = Endpoint::from_shared(self.server.clone()).map_err(|error| wrong(deepest(&error)))?;
        let secure = match endpoint.uri().scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(wrong("it begins with neither http:// nor https://".to_owned())),
        };
        let endpoint = endpoint
            .connect_timeout(self.connect_timeout)
            .tcp_nodelay(true)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .keep_alive_while_idle(true);
        if !secure {
            return Ok(endpoint);
        }
        let tls = match &self.authority {
            Some(authority) => ClientTlsConfig::new().ca_certificate(authority.clone()),
            None => ClientTlsConfig::new().with_enabled_roots(),
        };
        endpoint.tls_config(tls).map_err(|error| wrong(deepest(&error)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_none_is_refused_before_anything_is_sent() {
        for server in ["", "localhost:7400", "ftp://localhost", "http://"] {
            let refused = Settings::new(server.to_owned()).endpoint();
            assert!(matches!(refused, Err(Error::Invalid(_))), "{server:?}: {refused:?}");
        }
        Settings::new("http://127.0.0.1:7400".to_owned()).endpoint().unwrap();
    }
}
