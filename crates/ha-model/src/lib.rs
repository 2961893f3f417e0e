//! The words every other crate speaks: ids, time, orders, configuration, replicated log, notices.
//!
//! Pure: no clock, no socket, no file, no thread, no randomness.

pub mod config;
pub mod ids;
pub mod origin;
pub mod time;
pub mod timing;

pub use config::*;
pub use ids::*;
pub use origin::*;
pub use time::*;
pub use timing::*;
