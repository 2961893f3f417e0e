//! Fence agent for power switches with an SNMP interface.

fn main() {}
