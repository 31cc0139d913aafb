//! Whether the node serves, for load balancers and people: `grpc.health.v1` and the state behind `/readyz`. Unlike
//! tonic's own service, a watch of an unknown service stays open and says so, as the protocol wants. Also reflection,
//! since both describe the node and not the messaging. `node` sets the state.

use std::{pin::Pin, sync::Arc};

use futures_util::{Stream, stream};
use tokio::sync::watch;
use tonic::{Request, Response, Status, service::Routes};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse,
    health_check_response::ServingStatus as Wire,
    health_server::{self, HealthServer},
};

/// What can be asked about. The empty name is the node.
const SERVICES: [&str; 4] =
    ["", "rialto.v1.MessagingService", "rialto.v1.DirectoryService", "rialto.v1.AdminService"];

/// Whether the node serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Starting,
    Serving,
    /// Nothing passes to other nodes, or from them.
    Cut,
    Draining,
    Stopped,
}

/// The node's state. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct Health {
    state: Arc<watch::Sender<State>>,
}

impl Default for Health {
    /// A node that starts: it is alive and does not serve yet.
    fn default() -> Self {
        Self { state: Arc::new(watch::Sender::new(State::Starting)) }
    }
}

impl Health {
    /// The node serves.
    pub fn serve(&self) {
        self.state.send_replace(State::Serving);
    }

    /// Whether what is said passes to other nodes. Only a node that serves is concerned by that.
    pub fn passes(&self, passes: bool) {
        self.state.send_if_modified(|state| {
            let (from, to) = if passes { (State::Cut, State::Serving) } else { (State::Serving, State::Cut) };
            let changes = *state == from;
            if changes {
                tracing::warn!(passes, "what is said between this node and the others");
                *state = to;
            }
            changes
        });
    }

    /// The node takes nothing new. Watches are told and stay open.
    pub fn drain(&self) {
        self.state.send_replace(State::Draining);
    }

    /// Ends all watches, so that their connections can end.
    pub fn stop(&self) {
        self.state.send_replace(State::Stopped);
    }

    /// Whether the node serves.
    pub fn is_serving(&self) -> bool {
        *self.state.borrow() == State::Serving
    }

    /// The gRPC service.
    pub fn service(&self) -> HealthServer<Self> {
        HealthServer::new(self.clone())
    }
}

fn seen(state: State) -> HealthCheckResponse {
    match state {
        State::Serving => answer(Wire::Serving),
        State::Starting | State::Cut | State::Draining | State::Stopped => answer(Wire::NotServing),
    }
}

fn answer(status: Wire) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}

type Answers = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

#[tonic::async_trait]
impl health_server::Health for Health {
    type WatchStream = Answers;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        if SERVICES.contains(&request.get_ref().service.as_str()) {
            Ok(Response::new(seen(*self.state.borrow())))
        } else {
            Err(Status::not_found("there is no such service"))
        }
    }

    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Answers>, Status> {
        let known = SERVICES.contains(&request.get_ref().service.as_str());
        let mut states = self.state.subscribe();
        states.mark_changed();
        let answers = stream::unfold(Some((states, None)), move |watch| async move {
            let (mut states, last) = watch?;
            loop {
                states.changed().await.ok()?;
                let state = *states.borrow_and_update();
                if state == State::Stopped {
                    return Some((Err(Status::unavailable("the node is stopping")), None));
                }
                let seen = if known { seen(state) } else { answer(Wire::ServiceUnknown) };
                // Different states may look the same from outside.
                if last != Some(seen.status) {
                    let status = seen.status;
                    return Some((Ok(seen), Some((states, Some(status)))));
                }
            }
        });
        Ok(Response::new(Box::pin(answers)))
    }
}

/// Adds reflection of all services of the node, in both versions that tools ask for.
pub fn add_reflection(routes: Routes) -> Result<Routes, tonic_reflection::server::Error> {
    let builder = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(rialto_proto::DESCRIPTOR_SET)
            // So that grpcurl and its like can show the details of errors.
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
    };
    Ok(routes.add_service(builder().build_v1()?).add_service(builder().build_v1alpha()?))
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;
    use tonic_health::pb::health_server::Health as _;

    use super::*;

    async fn watch(health: &Health, service: &str) -> Answers {
        let request = HealthCheckRequest { service: service.to_owned() };
        health.watch(Request::new(request)).await.unwrap().into_inner()
    }

    async fn next(answers: &mut Answers) -> i32 {
        answers.next().await.unwrap().unwrap().status
    }

    #[tokio::test]
    async fn a_watch_sees_each_change_and_the_end() {
        let health = Health::default();
        let mut answers = watch(&health, "rialto.v1.MessagingService").await;
        assert_eq!(next(&mut answers).await, 2);
        health.serve();
        assert_eq!(next(&mut answers).await, 1);
        health.drain();
        assert_eq!(next(&mut answers).await, 2);
        health.stop();
        assert!(answers.next().await.unwrap().is_err());
        assert!(answers.next().await.is_none());
    }

    #[tokio::test]
    async fn only_a_node_that_serves_is_cut_off() {
        let health = Health::default();
        health.passes(true);
        assert!(!health.is_serving());
        health.serve();
        health.passes(false);
        assert!(!health.is_serving());
        health.passes(true);
        assert!(health.is_serving());
        health.drain();
        health.passes(true);
        assert!(!health.is_serving());
    }

    #[tokio::test]
    async fn a_watch_of_an_unknown_service_stays_open() {
        let health = Health::default();
        let mut answers = watch(&health, "no.such.Service").await;
        assert_eq!(next(&mut answers).await, 3);
        health.serve();
        assert!(futures_util::poll!(answers.next()).is_pending());
        health.stop();
        assert!(answers.next().await.unwrap().is_err());
    }
}
