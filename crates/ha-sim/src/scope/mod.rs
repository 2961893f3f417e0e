//! Small scopes, explored exhaustively: three voters, one exclusive resource, one switch, and the very core that the daemon runs.
//! From a formed cluster every choice of what happens next is tried, up to a budget; every state is judged from outside.
//!
//! A state is everything that decides what can happen from it: the three cores as they are, their disks with what is durable and
//! what is not, every message under way, agents and calls under way, outlets and power, what truly runs, the time, what is
//! held, and what may still go wrong. Two states are one when all of that is the same; nothing of the core is left out.
//!
//! What is left out of the world, so that its paths end:
//! - Time is the same absolute time for all, to the nanosecond, and only goes on when nothing is under way that is not held: what is
//!   not slow takes no time. What is slow is a choice (`Hold`), and ends at any later moment (`Release`) or never.
//! - Where a scope is not interleaved, what is under way at one moment happens in one order (`Item`'s), except for what is held.
//!   Steps of different nodes at one moment do not see each other, so that most orders come to the same.
//! - Heartbeats take no time, and are lost where the network is cut. A deadline is kept at the next of a grid of 20 ms: late ticks
//!   do no harm by the core's own contract.
//! - Clocks start elsewhere on each node and do not drift. Logs are short: no snapshot is taken.
//! - A fence agent or an agent of the resource dies with its daemon, except that a start under way has then done its work.
//!
//! Where to start reading: [`scopes`] (what is explored), `moves` (what can happen next), `judge` (what must hold), `explore`.
//! Must not know: how the core decides. Invariant: the same scope gives the same states (S15).

mod cluster;
pub(crate) mod digest;
pub mod explore;
mod faults;
mod host;
mod judge;
pub mod milestones;
mod moves;
mod net;
mod power;
pub mod run;
pub mod scopes;
mod start;
mod step;
mod world;

pub use moves::{Budget, Move};
pub use world::Violation;
