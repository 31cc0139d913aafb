//! What several nodes do together over a real nats-server.

mod access;
mod directory;
mod faults;
mod history;
mod jobs;
mod moves;
mod partitions;
mod presence;
mod programs;
mod replies;
mod revocation;
mod rolling;
mod together;
mod users;
