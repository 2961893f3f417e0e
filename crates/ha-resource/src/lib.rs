//! One resource instance on one node: lifecycle, monitor, failures.
//!
//! Purpose: turn orders, agents' answers and the loss of the grant into agent runs and a state that the leader can
//! rely on.
//! Must not know: the cluster, other instances, what an agent does, the clock.
//! Invariants: one agent of an instance runs at a time; `Stopped` is said only when nothing of it can be running
//! (S1): after a stop or probe that said so, or a start that never began; a stop that did anything else is
//! `StopFailed`; a failure is counted once.
//!
//! The caller refuses orders that are not newer than the newest acted on (S6) and answers each
//! [`Output::RunAgent`] with exactly one [`Event::AgentDone`], also after [`Output::CancelAgent`].

mod event;
mod instance;
mod table;
mod transition;

pub use event::*;
pub use instance::*;
pub use table::state_table;
