//! Acting on who may come in, for operators and backends: a thin typed front of `AdminService`.

use std::time::Duration;

use rialto_proto::v1::{self, admin_service_client::AdminServiceClient, revoked::What};

use crate::{
    client::Client,
    directory::{Page, PageOf},
    error::Error,
};

/// Revocations of a server. Needs the right `admin` in all namespaces.
#[derive(Debug, Clone)]
pub struct Admin {
    client: Client,
}

/// What is revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revoked {
    /// A user, with all tokens that were made until now.
    User(String),
    /// A token, by its id (`jti`).
    Token(String),
    /// A session, by its id.
    Session(String),
}

impl From<Revoked> for v1::Revoked {
    fn from(revoked: Revoked) -> Self {
        let what = match revoked {
            Revoked::User(name) => What::User(name),
            Revoked::Token(id) => What::TokenId(id),
            Revoked::Session(id) => What::SessionId(id),
        };
        Self { what: Some(what) }
    }
}

impl Client {
    /// Acting on who may come in.
    pub fn admin(&self) -> Admin {
        Admin { client: self.clone() }
    }
}

/// Makes one call.
macro_rules! ask {
    ($admin:expr, $call:ident, $message:expr) => {{
        let call = async |channel, request| AdminServiceClient::new(channel).$call(request).await;
        $admin.client.unary($message, $admin.client.deadline(), call).await
    }};
}

impl Admin {
    /// Takes back what a user, a token or a session may. In force everywhere when it returns, but at the nodes that are named.
    /// Kept for `keep`, or 30 days.
    pub async fn revoke(
        &self,
        revoked: Revoked,
        keep: Option<Duration>,
        reason: impl Into<String>,
    ) -> Result<v1::RevokeResponse, Error> {
        // What cannot be said is too long for the server as well.
        let longest = prost_types::Duration { seconds: i64::MAX, nanos: 0 };
        let keep = keep.map(|keep| prost_types::Duration::try_from(keep).unwrap_or(longest));
        let request = v1::RevokeRequest { revoked: Some(revoked.into()), keep, reason: reason.into() };
        ask!(self, revoke, request)
    }

    /// What is revoked, the newest first.
    pub async fn revocations(&self, page: PageOf) -> Result<Page<v1::Revocation>, Error> {
        let request = v1::ListRevocationsRequest { page_size: page.size, page_token: page.token };
        let response = ask!(self, list_revocations, request)?;
        Ok(Page {
            items: response.revocations,
            next: response.next_page_token,
            total: response.total_count,
            nodes_missing: Vec::new(),
        })
    }

    /// Ends a revocation before its time. Tells whether there was one, and which nodes did not answer.
    pub async fn reinstate(&self, revoked: Revoked) -> Result<v1::ReinstateResponse, Error> {
        let request = v1::ReinstateRequest { revoked: Some(revoked.into()) };
        ask!(self, reinstate, request)
    }
}
