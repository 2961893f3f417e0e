//! Immutable snapshot to plan and report, in ten pure phases.

pub mod plan;
pub mod snapshot;

pub use plan::*;
pub use snapshot::*;
