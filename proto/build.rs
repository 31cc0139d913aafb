//! Compiles `rialto/v1/*.proto` without protoc: messages, client stubs, and the descriptor set for reflection.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message;

const FILES: [&str; 3] =
    ["rialto/v1/messaging.proto", "rialto/v1/directory.proto", "rialto/v1/room_service.proto"];

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
    Ok(())
}
