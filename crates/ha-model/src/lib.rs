//! The words every other crate speaks: ids, time, orders, configuration, replicated log, notices.
//!
//! Pure: no clock, no socket, no file, no thread, no randomness.

pub mod admin;
pub mod config;
pub mod fence;
pub mod ids;
pub mod log;
pub mod notice;
mod ocf;
pub mod origin;
pub mod sabotage;
pub mod time;
pub mod timing;
pub mod utc;
pub mod watchdog;
mod words;

pub use admin::*;
pub use config::*;
pub use fence::*;
pub use ids::*;
pub use log::*;
pub use notice::*;
pub use ocf::OcfName;
pub use origin::*;
pub use time::*;
pub use timing::*;
pub use watchdog::*;
pub use words::{length, moved};
