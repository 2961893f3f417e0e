//! The words every other crate speaks: ids, time, orders, configuration, replicated state, notices.
//!
//! Pure: no clock, no socket, no file, no thread, no randomness.

pub mod ids;
pub mod time;

pub use ids::*;
pub use time::*;
