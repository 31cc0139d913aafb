//! .

pub mod tools;
