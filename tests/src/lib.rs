//! .

pub mod raw;
