//! The contract of Rialto as Rust types: messages, enums and client stubs of `rialto.v1`, generated from
//! `proto/rialto/v1/*.proto` at build time. It holds no logic; the server builds its own service traits from the
//! same files, so that responses leave already encoded.

/// Messages, enums and client stubs of the package `rialto.v1`.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::disallowed_types, clippy::wildcard_imports)]
pub mod v1 {
    tonic::include_proto!("rialto.v1");
}

/// What nodes of one cluster say to each other: the package `rialto.node.v1`.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::disallowed_types, clippy::wildcard_imports)]
pub mod node {
    tonic::include_proto!("rialto.node.v1");
}

/// All files of `rialto.v1` and what they import, with comments, as an encoded `FileDescriptorSet`; for reflection.
pub const DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/rialto_v1.binpb"));
