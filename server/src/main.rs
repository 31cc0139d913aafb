//! The binary `rialto`.

fn main() {}
