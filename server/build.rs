//! Generates the server side of the services. The response messages of the two streams are mapped to
//! `wire::Burst`, which writes frames that are encoded already; all other messages are those of `rialto-proto`.

use std::error::Error;

const FILES: [&str; 6] = [
    "rialto/v1/messaging.proto",
    "rialto/v1/directory.proto",
    "rialto/v1/room_service.proto",
    "rialto/v1/admin.proto",
    "rialto/v1/job_service.proto",
    "rialto/v1/worker_service.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=../proto/rialto");
    // Pages that were added are embedded too.
    println!("cargo:rerun-if-changed=../web/dist");
    let descriptors = protox::compile(FILES, ["../proto"])?;
    tonic_prost_build::configure()
        .build_client(false)
        .codec_path("crate::wire::FrameCodec")
        .extern_path(".rialto.v1.AttachResponse", "crate::wire::Burst")
        .extern_path(".rialto.v1.ListenResponse", "crate::wire::Burst")
        .extern_path(".rialto.v1", "::rialto_proto::v1")
        .compile_fds(descriptors)?;
    Ok(())
}
