//! Floor 5: the edge. gRPC services, each thin over the router; statuses; and under [`edge`] the connections.
//!
//! * [`attach`]: a session on one stream, both ways
//! * [`web`]: the same session in two halves
//! * [`unary`]: publishing and calling without a session
//! * [`rooms`]: what rooms keep
//! * [`jobs`]: handing work over; [`workers`]: doing it
//! * [`directory`]: looking inside; [`admin`]: who may come in
//! * [`conversation`]: what `attach` and `web` share: commands in, bursts out
//! * [`mod@line`]: the connection under a session
//! * [`status`]: the only place that turns refusals and closes into gRPC statuses

pub mod admin;
pub mod attach;
pub mod conversation;
pub mod directory;
pub mod edge;
pub mod jobs;
pub mod line;
pub mod messaging;
pub mod rooms;
pub mod status;
pub mod unary;
pub mod web;
pub mod workers;

/// Service traits of `rialto.v1`, generated at build time; response messages of streams are bursts of encoded frames.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::too_many_lines, clippy::wildcard_imports)]
pub mod services {
    tonic::include_proto!("rialto.v1");
}

use std::sync::Arc;

use tonic::{
    Request, Status,
    codec::CompressionEncoding,
    service::{Routes, interceptor::InterceptedService},
};

use crate::{base::limits::REQUEST_BYTES_MAX, router::Router};
use services::{
    admin_service_server::AdminServiceServer, directory_service_server::DirectoryServiceServer,
    job_service_server::JobServiceServer, messaging_service_server::MessagingServiceServer,
    room_service_server::RoomServiceServer, worker_service_server::WorkerServiceServer,
};

/// The services of Rialto, without health and reflection; the directory and what is for operators only when `inspection` is
/// wanted.
pub fn routes(router: &Arc<Router>, inspection: bool) -> Routes {
    let gzip = CompressionEncoding::Gzip;
    let zstd = CompressionEncoding::Zstd;
    let messaging = MessagingServiceServer::new(messaging::Messaging::new(Arc::clone(router)))
        .max_decoding_message_size(REQUEST_BYTES_MAX)
        .accept_compressed(gzip)
        .accept_compressed(zstd)
        .send_compressed(gzip)
        .send_compressed(zstd);
    let rooms = RoomServiceServer::new(rooms::Rooms::new(Arc::clone(router)))
        .max_decoding_message_size(REQUEST_BYTES_MAX)
        .accept_compressed(gzip)
        .accept_compressed(zstd)
        .send_compressed(gzip)
        .send_compressed(zstd);
    let jobs = JobServiceServer::new(jobs::Jobs::new(Arc::clone(router)))
        .max_decoding_message_size(REQUEST_BYTES_MAX)
        .accept_compressed(gzip)
        .accept_compressed(zstd)
        .send_compressed(gzip)
        .send_compressed(zstd);
    let workers = WorkerServiceServer::new(workers::Workers::new(Arc::clone(router)))
        .max_decoding_message_size(REQUEST_BYTES_MAX)
        .accept_compressed(gzip)
        .accept_compressed(zstd)
        .send_compressed(gzip)
        .send_compressed(zstd);
    let mut routes = Routes::new(InterceptedService::new(messaging, compressed_on_demand))
        .add_service(rooms)
        .add_service(jobs)
        .add_service(InterceptedService::new(workers, compressed_on_demand));
    if inspection {
        let directory = DirectoryServiceServer::new(directory::Directory::new(Arc::clone(router)))
            .max_decoding_message_size(REQUEST_BYTES_MAX)
            .accept_compressed(gzip)
            .accept_compressed(zstd)
            .send_compressed(gzip)
            .send_compressed(zstd);
        let admin = AdminServiceServer::new(admin::Admin::new(Arc::clone(router)))
            .max_decoding_message_size(REQUEST_BYTES_MAX);
        routes = routes.add_service(directory).add_service(admin);
    }
    routes
}

/// A client that wants what it is sent compressed says so with this metadata key; the value is not looked at.
const COMPRESS: &str = "rialto-compress";

/// Takes the client's word that it can read compressed messages out of the request, unless it asks for them. Many
/// clients always say that they can; but frames are small and grow by it, and each stream would be compressed by itself.
#[allow(clippy::result_large_err, clippy::unnecessary_wraps, reason = "the signature of interceptors")]
fn compressed_on_demand(mut request: Request<()>) -> Result<Request<()>, Status> {
    if !request.metadata().contains_key(COMPRESS) {
        request.metadata_mut().remove("grpc-accept-encoding");
    }
    Ok(request)
}
