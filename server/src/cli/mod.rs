//! Floor 6: the command line.

pub mod serve;
pub mod token;
