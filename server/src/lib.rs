//! The Rialto server. This file is the map and holds no code; `ARCHITECTURE.md` walks it with reasons.
//!
//! A folder sees the floors below its own and never its neighbours:
//!
//! * 7 [`cli`]: one file a subcommand; 6 [`node`]: the parts put together, started and stopped
//! * 5 [`grpc`]: services, conversations, statuses, and under `edge` the connections
//! * 4 [`router`]: what follows from a command, the only place where the neighbours below meet
//! * 3 [`hub`]: who is where on this node, and local fan-out
//! * 2 [`session`]: one client's side of the conversation
//! * 1 [`wire`]: bytes ⇄ meaning; [`auth`]: who may do what
//! * 0 [`base`]: names, bounds, time, refusals, configuration, metrics, tasks
//!
//! The path of an event: `grpc/attach` reads a frame → `wire/command` checks it → `router/dispatch` → `router/emit` asks
//! the identity and encodes once → `hub/emit` finds the receivers → each `session/outbox` holds a reference →
//! `grpc/conversation` hands over all that waits as one `wire/codec` burst.

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
