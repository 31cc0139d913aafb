//! What runs that last need: a client that keeps its session through every loss of its connection and writes down what it
//! does and sees, the reading of histories at the end of a run, and disks that fail. It judges nothing: that is for
//! [`crate::checks`]. Every wait of a client has a clock of its own.

mod client;
mod counts;
mod disks;
mod faults;
mod open;
mod reading;
mod seed;
mod sight;

pub use client::{Broken, Client};
pub use counts::Counts;
pub(crate) use disks::run;
pub use disks::{Missing, Mounted, PoweredDisk, pass_over};
pub use faults::{Fault, lose};
pub use reading::{read_histories, said};
pub use seed::Seed;
