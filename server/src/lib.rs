//! The Rialto server.

#![recursion_limit = "256"]

pub mod auth;
pub mod base;
pub mod cli;
pub mod grpc;
pub mod hub;
pub mod node;
pub mod router;
pub mod session;
pub mod wire;
