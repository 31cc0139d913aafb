//! Floor 1: bytes ⇄ meaning. Everything here is pure: no waiting, no locks, no sockets.
//!
//! * [`frame`]: what goes to clients, encoded once for all of them
//! * [`codec`]: how encoded frames become one gRPC message
//! * [`delta`]: a payload as the difference to an earlier one
//! * [`command`]: what comes from clients, checked once at the edge; [`state`], [`target`], [`content`]: its parts
//! * [`job`]: the same of jobs; [`job_json`]: what rooms are told of them

pub mod codec;
pub mod command;
pub mod content;
pub mod delta;
pub mod frame;
pub mod job;
pub mod job_json;
mod names;
pub mod new_job;
pub mod settings;
pub mod state;
pub mod target;

pub use codec::{Burst, FrameCodec};
pub use frame::{Class, Frame};
