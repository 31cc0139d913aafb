//! `DirectoryService`: each call thin over the router.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Fuse},
};
use rialto_proto::v1::{self, RoomEventKind, WatchRoomsResponse};
use tokio_stream::{
    Stream,
    wrappers::{BroadcastStream, errors::BroadcastStreamRecvError},
};
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::{Request, Response, Status};

use super::{messaging::identity, services::directory_service_server::DirectoryService, status};
use crate::{
    base::{metrics::Metrics, refusal::Refusal},
    hub::RoomEvent,
    router::{Router, watching::Watched},
};

/// The service.
#[derive(Debug)]
pub struct Directory {
    router: Arc<Router>,
}

impl Directory {
    /// The service over a router.
    pub fn new(router: Arc<Router>) -> Self {
        Self { router }
    }

    /// Finds out who asks, does what is asked, makes a response or a status of it.
    fn answered<A>(&self, answer: Result<A, Refusal>) -> Result<Response<A>, Status> {
        answer.map(Response::new).map_err(|refusal| status::refused(&self.router.count_refusal(refusal)))
    }
}

#[tonic::async_trait]
impl DirectoryService for Directory {
    type WatchRoomsStream = Watch;

    async fn list_namespaces(
        &self,
        request: Request<v1::ListNamespacesRequest>,
    ) -> Result<Response<v1::ListNamespacesResponse>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        self.answered(self.router.list_namespaces(&identity, request.into_inner()).await)
    }

    async fn get_namespace(
        &self,
        request: Request<v1::GetNamespaceRequest>,
    ) -> Result<Response<v1::GetNamespaceResponse>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        self.answered(self.router.get_namespace(&identity, request.into_inner()).await)
    }

    async fn create_namespace(
        &self,
        request: Request<v1::CreateNamespaceRequest>,
    ) -> Result<Response<v1::CreateNamespaceResponse>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        let namespace = self.router.create_namespace(&identity, request.into_inner()).await;
        self.answered(namespace.map(|namespace| v1::CreateNamespaceResponse { namespace: Some(namespace) }))
    }

    async fn update_namespace(
        &self,
        request: Request<v1::UpdateNamespaceRequest>,
    ) -> Result<Response<v1::UpdateNamespaceResponse>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        let namespace = self.router.update_namespace(&identity, request.into_inner()).await;
        self.answered(namespace.map(|namespace| v1::UpdateNamespaceResponse { namespace: Some(namespace) }))
    }

    async fn delete_namespace(
        &self,
        request: Request<v1::DeleteNamespaceRequest>,
    ) -> Result<Response<v1::DeleteNamespaceResponse>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        let left = self.router.delete_namespace(&identity, request.into_inner().namespace).await;
        self.answered(left.map(|sessions_changed| v1::DeleteNamespaceResponse { sessions_changed }))
    }

    async fn list_rooms(
        &self,
        request: Request<v1::ListRoomsRequest>,
    ) -> Result<Response<v1::ListRoomsResponse>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        self.answered(self.router.list_rooms(&identity, request.into_inner()).await)
    }

    async fn get_room(
        &self,
        request: Request<v1::GetRoomRequest>,
    ) -> Result<Response<v1::GetRoomResponse>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        self.answered(self.router.get_room(&identity, request.into_inner()).await)
    }

    async fn list_members(
        &self,
        request: Request<v1::ListMembersRequest>,
    ) -> Result<Response<v1::ListMembersResponse>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        self.answered(self.router.list_members(&identity, request.into_inner()).await)
    }

    async fn get_session(
        &self,
        request: Request<v1::GetSessionRequest>,
    ) -> Result<Response<v1::GetSessionResponse>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        let session = self.router.get_session(&identity, &request.into_inner().session_id).await;
        self.answered(session.map(|session| v1::GetSessionResponse { session: Some(session) }))
    }

    async fn join_members(
        &self,
        request: Request<v1::JoinMembersRequest>,
    ) -> Result<Response<v1::JoinMembersResponse>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        let reach = self.router.join_members(&identity, request.into_inner()).await;
        let answer = reach.map(|(reach, nodes_missing)| v1::JoinMembersResponse {
            sessions_changed: reach.changed,
            sessions_refused: reach.refused,
            nodes_missing,
        });
        self.answered(answer)
    }

    async fn part_members(
        &self,
        request: Request<v1::PartMembersRequest>,
    ) -> Result<Response<v1::PartMembersResponse>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        let reach = self.router.part_members(&identity, request.into_inner()).await;
        let answer = reach.map(|(reach, nodes_missing)| v1::PartMembersResponse {
            sessions_changed: reach.changed,
            nodes_missing,
        });
        self.answered(answer)
    }

    async fn disconnect_members(
        &self,
        request: Request<v1::DisconnectMembersRequest>,
    ) -> Result<Response<v1::DisconnectMembersResponse>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        let reach = self.router.disconnect_members(&identity, request.into_inner()).await;
        let answer = reach.map(|(reach, nodes_missing)| v1::DisconnectMembersResponse {
            sessions_changed: reach.changed,
            nodes_missing,
        });
        self.answered(answer)
    }

    async fn update_attributes(
        &self,
        request: Request<v1::UpdateAttributesRequest>,
    ) -> Result<Response<v1::UpdateAttributesResponse>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        let reach = self.router.update_attributes(&identity, request.into_inner()).await;
        let answer = reach.map(|(reach, nodes_missing)| v1::UpdateAttributesResponse {
            sessions_changed: reach.changed,
            sessions_refused: reach.refused,
            nodes_missing,
        });
        self.answered(answer)
    }

    async fn watch_rooms(&self, request: Request<v1::WatchRoomsRequest>) -> Result<Response<Watch>, Status> {
        let identity = identity(&self.router, request.metadata())?;
        let request = request.into_inner();
        let (router, room) = (&self.router, request.room.clone());
        let watch = async {
            let count = Count::take(&router.metrics, router.limits.node.watches_max)?;
            let Watched { events, nodes_missing } = router.watch_rooms(&identity, request).await?;
            let beginning = WatchRoomsResponse {
                kind: RoomEventKind::Watching.into(),
                nodes_missing,
                ..Default::default()
            };
            Ok(Watch {
                events: BroadcastStream::new(events),
                room,
                beginning: Some(beginning),
                stopping: Box::pin(router.tasks.stopping().clone().cancelled_owned()),
                lapsed: Arc::clone(router).lapsed(identity).boxed().fuse(),
                _count: count,
            })
        };
        self.answered(watch.await)
    }
}

/// The stream of `WatchRooms`: that it has begun, then room events as they happen, until the node stops or the
/// identity ends.
pub struct Watch {
    events: BroadcastStream<RoomEvent>,
    room: String,
    beginning: Option<WatchRoomsResponse>,
    stopping: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Whoever watches may not any more.
    lapsed: Fuse<BoxFuture<'static, Refusal>>,
    _count: Count,
}

/// One of the watches that there may be at once.
struct Count(Arc<Metrics>);

impl Count {
    fn take(metrics: &Arc<Metrics>, max: u32) -> Result<Self, Refusal> {
        let count = Self(Arc::clone(metrics));
        if metrics.watches.inc() >= i64::from(max) {
            return Err(Refusal::limit("watches_max", max));
        }
        Ok(count)
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        self.0.watches.dec();
    }
}

impl Stream for Watch {
    type Item = Result<WatchRoomsResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(beginning) = self.beginning.take() {
            return Poll::Ready(Some(Ok(beginning)));
        }
        if self.stopping.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(Err(status::refused(&Refusal::draining()))));
        }
        if let Poll::Ready(refusal) = self.lapsed.poll_unpin(context) {
            return Poll::Ready(Some(Err(status::refused(&refusal))));
        }
        loop {
            let event = ready!(Pin::new(&mut self.events).poll_next(context));
            match event {
                Some(Ok(event)) if !is_about(&event, &self.room) => {}
                other => return Poll::Ready(other.map(|event| Ok(shown(event)))),
            }
        }
    }
}

/// Whether an event is about a room, or about any where `room` is empty.
fn is_about(event: &RoomEvent, room: &str) -> bool {
    room.is_empty() || event.room.is_empty() || *event.room == *room
}

fn shown(event: Result<RoomEvent, BroadcastStreamRecvError>) -> WatchRoomsResponse {
    match event {
        Ok(event) => WatchRoomsResponse {
            kind: event.kind.into(),
            room: event.room.to_string(),
            who: event.who,
            member_count: event.member_count,
            missed_count: event.missed_count,
            nodes_missing: Vec::new(),
        },
        Err(BroadcastStreamRecvError::Lagged(missed)) => WatchRoomsResponse {
            kind: RoomEventKind::Missed.into(),
            missed_count: u32::try_from(missed).unwrap_or(u32::MAX),
            ..WatchRoomsResponse::default()
        },
    }
}
