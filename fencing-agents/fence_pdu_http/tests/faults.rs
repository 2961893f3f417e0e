//! The agent against a faulty simulated switch.

#![allow(clippy::unwrap_used)]

mod common;
#[path = "../../testing/faults.rs"]
mod every_agent;
