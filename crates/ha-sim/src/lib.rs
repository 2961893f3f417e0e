//! A whole cluster's life from one seed: the very core that the daemon runs, in a simulated world, with every fault
//! that it must survive, judged from outside after every event.
//!
//! Where to start reading: [`story`] (one life), `world` (what happens next), `check` (what must hold), [`schedule`]
//! (what goes wrong), [`golden`] (lives told in text files). Must not know: sockets, real time, files but those of golden
//! scenarios. Invariant: a seed decides everything (S15).

pub mod act;
pub mod batch;
mod check;
mod disturb;
pub mod golden;
mod heal;
pub mod rng;
pub mod schedule;
pub mod scope;
pub mod shape;
pub mod shrink;
pub mod story;
pub mod tally;
mod world;

pub use check::Judged;
pub use world::{Pace, Violation};
