//! What the agent says about itself.

#![allow(clippy::unwrap_used)]

mod common;
#[path = "../../tests/metadata.rs"]
mod every_agent;
