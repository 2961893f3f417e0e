//! Fence agent for power switches with an HTTP interface.

fn main() {}
