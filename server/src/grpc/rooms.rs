//! `RoomService`: what rooms keep, each call thin over the router.

use std::sync::Arc;

use rialto_proto::v1::{
    GetHistoryRequest, GetHistoryResponse, GetPresenceRequest, GetPresenceResponse, GetStateRequest,
    GetStateResponse, SetStateRequest, SetStateResponse,
};
use tonic::{Request, Response, Status};

use super::{messaging::identity, services::room_service_server::RoomService, status};
use crate::{base::refusal::Refusal, router::Router, wire::state::SetState};

/// The service.
#[derive(Debug)]
pub struct Rooms {
    router: Arc<Router>,
}

impl Rooms {
    /// The service over a router.
    pub fn new(router: Arc<Router>) -> Self {
        Self { router }
    }

    fn answer<T>(&self, outcome: Result<T, Refusal>) -> Result<Response<T>, Status> {
        outcome.map(Response::new).map_err(|refusal| status::refused(&self.router.count_refusal(refusal)))
    }
}

#[tonic::async_trait]
impl RoomService for Rooms {
    async fn get_history(
        &self,
        request: Request<GetHistoryRequest>,
    ) -> Result<Response<GetHistoryResponse>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        self.answer(self.router.get_history(&identity, request.into_inner()).await)
    }

    async fn get_presence(
        &self,
        request: Request<GetPresenceRequest>,
    ) -> Result<Response<GetPresenceResponse>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        self.answer(self.router.get_presence(&identity, request.into_inner()).await)
    }

    async fn get_state(
        &self,
        request: Request<GetStateRequest>,
    ) -> Result<Response<GetStateResponse>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        self.answer(self.router.get_state(&identity, request.into_inner()).await)
    }

    async fn set_state(
        &self,
        request: Request<SetStateRequest>,
    ) -> Result<Response<SetStateResponse>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        let set = request.into_inner().set.ok_or_else(|| Refusal::invalid("set", "is missing"));
        let outcome = match set.and_then(SetState::parse) {
            Ok(set) => self.router.publish_state(&identity, set).await,
            Err(refusal) => Err(refusal),
        };
        self.answer(outcome.map(|set| SetStateResponse { set: Some(set) }))
    }
}
