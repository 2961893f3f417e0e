//! The node: routes inputs through the pure crates, carries out plans, holds the invariants.
//!
//! Must not know: clocks, sockets, files, threads, processes. `Node::step(now, Input) -> Vec<Effect>` is total and
//! deterministic (S15). The shells (`hanode`, the simulator) carry the effects out and bring their results back.
//!
//! Where to start reading: [`node`] (the step), [`state`] (what is replicated and the rules of applying it, where
//! S2, S17, S18 and S19 are enforced), `node::lead` (what a leader does), `node::local` (what a node does with
//! orders).

pub mod effect;
pub mod input;
pub mod message;
pub mod node;
pub mod state;

pub use effect::*;
pub use input::*;
pub use message::*;
pub use node::{Node, Restored, Setup};
pub use state::{Applied, ClusterState};
