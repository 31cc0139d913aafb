//! Floor 5: the edge.

pub mod edge;
