//! `AdminService`: each call thin over the router.

use std::sync::Arc;

use rialto_proto::v1;
use tonic::{Request, Response, Status};

use super::{messaging::identity, services::admin_service_server::AdminService, status};
use crate::{base::refusal::Refusal, router::Router};

/// The service.
#[derive(Debug)]
pub struct Admin {
    router: Arc<Router>,
}

impl Admin {
    /// The service over a router.
    pub fn new(router: Arc<Router>) -> Self {
        Self { router }
    }

    fn answered<A>(&self, answer: Result<A, Refusal>) -> Result<Response<A>, Status> {
        answer.map(Response::new).map_err(|refusal| status::refused(&self.router.count_refusal(refusal)))
    }
}

#[tonic::async_trait]
impl AdminService for Admin {
    async fn revoke(
        &self,
        request: Request<v1::RevokeRequest>,
    ) -> Result<Response<v1::RevokeResponse>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        self.answered(self.router.revoke(&identity, request.into_inner()).await)
    }

    async fn list_revocations(
        &self,
        request: Request<v1::ListRevocationsRequest>,
    ) -> Result<Response<v1::ListRevocationsResponse>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        self.answered(self.router.list_revocations(&identity, request.get_ref()))
    }

    async fn reinstate(
        &self,
        request: Request<v1::ReinstateRequest>,
    ) -> Result<Response<v1::ReinstateResponse>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        self.answered(self.router.reinstate(&identity, request.into_inner()).await)
    }
}
