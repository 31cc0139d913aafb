//! Somebody who revokes: `AdminService` in words of the tests.

use rialto_proto::v1::{self, Revoked, admin_service_client::AdminServiceClient, revoked::What};
use tonic::{Request, Status, transport::Channel};

use crate::{node::TestNode, within};

/// A stub with credentials.
#[derive(Debug, Clone)]
pub struct Admin {
    stub: AdminServiceClient<Channel>,
    token: String,
}

/// A user.
pub fn user(name: &str) -> What {
    What::User(name.to_owned())
}

/// A token by its id.
pub fn token_id(id: &str) -> What {
    What::TokenId(id.to_owned())
}

/// A session.
pub fn session(id: &str) -> What {
    What::SessionId(id.to_owned())
}

impl Admin {
    /// Somebody with a token or an API key; with none where it is empty.
    pub async fn of(node: &TestNode, token: &str) -> Self {
        Self { stub: AdminServiceClient::new(node.channel().await), token: token.to_owned() }
    }

    fn signed<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if !self.token.is_empty() {
            let value = format!("Bearer {}", self.token).parse().expect("a token is ASCII");
            request.metadata_mut().insert("authorization", value);
        }
        request
    }

    /// Revokes, for as long as is usual.
    pub async fn revoke(&mut self, what: What) -> Result<v1::RevokeResponse, Status> {
        let revoked = Some(Revoked { what: Some(what) });
        self.revoke_as(v1::RevokeRequest { revoked, ..Default::default() }).await
    }

    /// Revokes as it is said.
    pub async fn revoke_as(&mut self, request: v1::RevokeRequest) -> Result<v1::RevokeResponse, Status> {
        let revoked = within("a revocation", self.stub.revoke(self.signed(request))).await?;
        Ok(revoked.into_inner())
    }

    /// Takes a revocation back.
    pub async fn reinstate(&mut self, what: What) -> Result<v1::ReinstateResponse, Status> {
        let request = v1::ReinstateRequest { revoked: Some(Revoked { what: Some(what) }) };
        let reinstated = within("its end", self.stub.reinstate(self.signed(request))).await?;
        Ok(reinstated.into_inner())
    }

    /// One page of what is revoked.
    pub async fn revocations(
        &mut self,
        page_size: u32,
        page_token: &str,
    ) -> Result<v1::ListRevocationsResponse, Status> {
        let request = v1::ListRevocationsRequest { page_size, page_token: page_token.to_owned() };
        let page = within("revocations", self.stub.list_revocations(self.signed(request))).await?;
        Ok(page.into_inner())
    }
}
