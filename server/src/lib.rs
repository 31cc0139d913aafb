//! The Rialto server, as a map. A file imports from floors below its own or from its own folder; neighbours on one
//! floor never see each other (`tests/tests/tidy.rs` holds this).
//!
//! | floor | folder | what it is |
//! |---|---|---|
//! | 8 | `main` | arguments → command → exit code |
//! | 7 | [`cli`] | the command line, one file a subcommand |
//! | 6 | [`node`] | the node put together, and its stages of stopping |
//! | 5 | [`grpc`] | the edge: connections, HTTP, gRPC services, status codes |
//! | 4 | [`router`] | what a client asks for: allowed? done, answered; the only place where the neighbours below meet |
//! | 3 | [`hub`], [`history`], [`jobs`], [`bridge`], [`owners`] | who is where on this node, local fan-out; what rooms keep; job queues; the other nodes; which of them keeps what |
//! | 2 | [`session`] | one client's side, with or without a stream: identity, memberships, outbox, replies |
//! | 1 | [`wire`], [`auth`], [`log`], [`uploads`] | bytes ⇄ meaning, encoded once; who may do what; records that survive; payloads too large for a message |
//! | 0 | [`base`] | words and bounds: names, limits, time, refusals, configuration, metrics, tasks |
//!
//! # The path of an event
//! `grpc::attach` reads a frame → `wire::command` checks it → `router::dispatch` is one match → `router::emit` asks the
//! session's identity and encodes the event once (`wire::frame`) → `hub::emit` puts the shared frame in the
//! `session::outbox` of everyone it is for → `grpc::conversation`, which is the response stream, takes all that waits as
//! one `wire::codec::Burst`.
//!
//! An event that rooms keep has its place first: `router::keep` → `history::stage` gives it its offset and appends it to
//! the `log` → `router::lane` hands it out when it is durable, in the order of the log. What a client has missed is read
//! when its stream comes to it: `router::owed`. A session whose stream is lost is taken up by `router::resume`.

#![recursion_limit = "256"]

pub mod auth;
pub mod base;
pub mod bridge;
pub mod cli;
pub mod grpc;
pub mod history;
pub mod hub;
pub mod jobs;
pub mod log;
pub mod node;
pub mod owners;
pub mod router;
pub mod session;
pub mod uploads;
pub mod wire;
