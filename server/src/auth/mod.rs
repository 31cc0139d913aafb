//! Floor 3: who may do what.
