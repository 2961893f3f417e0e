//! The daemon of each node.

fn main() {}
