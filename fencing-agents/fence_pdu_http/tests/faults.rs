//! The agent against a faulty simulated switch.

#![allow(clippy::unwrap_used)]

mod common;
#[path = "../../tests/faults.rs"]
mod every_agent;
