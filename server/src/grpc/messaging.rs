//! `MessagingService`: which call goes where.

use std::{net::IpAddr, sync::Arc, time::Duration};

use rialto_proto::v1::{
    AttachRequest, CallRequest, CallResponse, ListenRequest, PublishBatchRequest, PublishBatchResponse,
    PublishRequest, PublishResponse, PushRequest, PushResponse,
};
use tonic::{Request, Response, Status, Streaming, metadata::MetadataMap};

use super::{
    attach, conversation::Conversation, edge::Connection, line::Line,
    services::messaging_service_server::MessagingService, status, unary, web,
};
use crate::{
    auth::Identity,
    base::refusal::Refusal,
    router::{Router, life::Peer},
};

/// The service.
#[derive(Debug)]
pub struct Messaging {
    router: Arc<Router>,
}

impl Messaging {
    /// The service over a router.
    pub fn new(router: Arc<Router>) -> Self {
        Self { router }
    }

    fn refused(&self, refusal: Refusal) -> Status {
        status::refused(&self.router.count_refusal(refusal))
    }
}

#[tonic::async_trait]
impl MessagingService for Messaging {
    type AttachStream = Conversation;
    type ListenStream = Conversation;

    async fn attach(
        &self,
        request: Request<Streaming<AttachRequest>>,
    ) -> Result<Response<Conversation>, Status> {
        let (peer, line) = peer(&self.router, &request, Duration::ZERO);
        let conversation = attach::converse(&self.router, peer, line, request.into_inner());
        Ok(Response::new(conversation))
    }

    async fn listen(&self, request: Request<ListenRequest>) -> Result<Response<Conversation>, Status> {
        let (peer, line) = peer(&self.router, &request, self.router.limits.session.ping_interval);
        let conversation = web::listen(&self.router, peer, line, request.into_inner()).await?;
        Ok(Response::new(conversation))
    }

    async fn push(&self, request: Request<PushRequest>) -> Result<Response<PushResponse>, Status> {
        web::push(&self.router, request.into_inner()).await.map(Response::new)
    }

    async fn publish(&self, request: Request<PublishRequest>) -> Result<Response<PublishResponse>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        let published = unary::publish(&self.router, &identity, request.into_inner()).await;
        published.map(Response::new).map_err(|refusal| self.refused(refusal))
    }

    async fn publish_batch(
        &self,
        request: Request<PublishBatchRequest>,
    ) -> Result<Response<PublishBatchResponse>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        let published = unary::publish_batch(&self.router, &identity, request.into_inner()).await;
        published.map(Response::new).map_err(|refusal| self.refused(refusal))
    }

    async fn call(&self, request: Request<CallRequest>) -> Result<Response<CallResponse>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        let deadline = deadline(request.metadata());
        let called = unary::call(&self.router, &identity, request.into_inner(), deadline).await;
        called.map(Response::new).map_err(|refusal| self.refused(refusal))
    }
}

/// Who makes a call without a session.
pub(super) fn identity(router: &Router, metadata: &MetadataMap) -> Result<Identity, Status> {
    if router.tasks.draining().is_cancelled() {
        return Err(status::refused(&router.count_refusal(Refusal::draining())));
    }
    let identity = router.identify(bearer(metadata).as_deref(), None);
    identity.map_err(|refusal| status::refused(&router.count_refusal(refusal)))
}

/// What is known of a client before it greets.
fn peer<T>(router: &Router, request: &Request<T>, ping_interval: Duration) -> (Peer, Option<Line>) {
    let line = request.extensions().get::<Connection>().cloned().map(Line::new);
    let counted = |address: &IpAddr| router.limits.connection.loopback_counted || !address.is_loopback();
    let address = line.as_ref().map(Line::address).filter(counted);
    let cut = line.as_ref().map(Line::cut);
    (Peer { address, bearer: bearer(request.metadata()), ping_interval, cut }, line)
}

pub(super) fn bearer(metadata: &MetadataMap) -> Option<String> {
    let text = metadata.get("authorization")?.to_str().ok()?;
    let (scheme, token) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

/// A time that a client has asked for, or less when it does not wait so long. What is no time stays what it is.
pub(super) fn within(
    asked: Option<prost_types::Duration>,
    waits: Option<Duration>,
) -> Option<prost_types::Duration> {
    let Some(waits) = waits else { return asked };
    match asked.map(Duration::try_from) {
        Some(Ok(time)) if time > waits => prost_types::Duration::try_from(waits).ok(),
        _ => asked,
    }
}

/// What `grpc-timeout` allows; the edge has refused a malformed one.
pub(super) fn deadline(metadata: &MetadataMap) -> Option<Duration> {
    let text = metadata.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let count: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(count.saturating_mul(3600)),
        "M" => Duration::from_secs(count.saturating_mul(60)),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}
