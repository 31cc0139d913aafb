//! Compiles the protos without protoc: messages and client stubs of `rialto.v1`, the descriptor set for reflection, and what
//! nodes say to each other, which reflection does not show.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message;

const FILES: [&str; 6] = [
    "rialto/v1/messaging.proto",
    "rialto/v1/directory.proto",
    "rialto/v1/room_service.proto",
    "rialto/v1/admin.proto",
    "rialto/v1/job_service.proto",
    "rialto/v1/worker_service.proto",
];

const NODE_FILE: &str = "rialto/node/v1/envelope.proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=rialto");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut compiler = protox::Compiler::new(["."])?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(FILES)?;
    fs::write(out.join("rialto_v1.binpb"), compiler.encode_file_descriptor_set())?;

    let descriptors = compiler.file_descriptor_set();
    debug_assert!(descriptors.encoded_len() > 0);
    tonic_prost_build::configure().build_server(false).bytes(".").btree_map(".").compile_fds(descriptors)?;

    let mut compiler = protox::Compiler::new(["."])?;
    compiler.include_imports(true);
    compiler.open_file(NODE_FILE)?;
    tonic_prost_build::configure()
        .build_client(false)
        .build_server(false)
        .bytes(".")
        .btree_map(".")
        .extern_path(".rialto.v1", "crate::v1")
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
