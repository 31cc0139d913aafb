//! Floor 0: words and bounds. Names, limits, time, refusals, configuration, metrics and tasks, which every other
//! folder may use. Nothing here knows gRPC, rooms or sessions.

pub mod clock;
pub mod config;
pub mod cron;
pub mod hash;
pub mod ids;
pub mod limits;
pub mod metrics;
pub mod partition;
pub mod pattern;
pub mod rate;
pub mod refusal;
pub mod right;
pub mod tasks;
pub mod telemetry;
pub mod text;
