//! Everything that one port answers, as one router: probes, metrics, pages, and as the fallback all gRPC services behind
//! their rules. Order matters and is written down once, in [`App::router`]. `node` builds it, `serve` runs it.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{StatusCode, header};
use tonic::service::Routes;
use tonic_web::GrpcWebLayer;
use tower::util::MapResponseLayer;
use tower_http::compression::CompressionLayer;

use super::{
    call::CallLayer, check::CheckLayer, health::Health, health::add_reflection, origin::Origins, pages,
    strict::Strict,
};
use crate::base::{config::WebConfig, limits::ConnectionLimits, metrics::Metrics};

/// What a port answers.
#[derive(Debug)]
pub struct App {
    /// Bounds of requests.
    pub limits: ConnectionLimits,
    /// Pages, origins, and whether the node may be looked into.
    pub web: WebConfig,
    /// Whether clients must say who they are. Where they need not, pages are believed less.
    pub authenticates: bool,
    /// What `/metrics` shows, and where refusals are counted.
    pub metrics: Arc<Metrics>,
    /// What `/readyz` and `grpc.health.v1` say.
    pub health: Health,
    /// The gRPC services, without health and reflection.
    pub services: Routes,
}

impl App {
    /// One router of it all.
    ///
    /// *Errors*: the descriptors of the services cannot be read.
    pub fn router(self) -> Result<Router, tonic_reflection::server::Error> {
        let mut router = Router::new()
            .route("/healthz", get("alive\n"))
            .route("/readyz", get(readiness).with_state(self.health.clone()));
        let mut services = self.services.add_service(self.health.service());
        if self.web.inspection {
            router = router.route("/metrics", get(metrics).with_state(Arc::clone(&self.metrics)));
            services = add_reflection(services)?;
        }
        if self.web.pages {
            router = router.merge(pages::routes().layer(CompressionLayer::new()));
        }
        let origins =
            Arc::new(Origins::new(&self.web.origins, self.limits.header_fields_max, self.authenticates));
        // The first sees the request first. CORS is outside grpc-web, which would answer preflights with 400.
        let rules = (
            CheckLayer::new(Arc::clone(&origins), Arc::clone(&self.metrics)),
            origins.cors(),
            CheckLayer::new(Arc::new(Strict), Arc::clone(&self.metrics)),
            MapResponseLayer::new(|response: Response<tonic::body::Body>| response.map(Body::new)),
            GrpcWebLayer::new(),
            CallLayer { message_timeout: self.limits.message_timeout, metrics: self.metrics },
        );
        Ok(router.fallback_service(services.into_axum_router().layer(rules)))
    }
}

async fn readiness(State(health): State<Health>) -> Response {
    if health.is_serving() {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response()
    }
}

async fn metrics(State(metrics): State<Arc<Metrics>>) -> Response {
    let format = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match metrics.exposition() {
        Ok(text) => ([(header::CONTENT_TYPE, format)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
