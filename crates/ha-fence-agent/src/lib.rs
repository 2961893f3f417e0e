//! The standard fence-agent contract, for fence agents written in Rust.
//!
//! Purpose: an agent describes itself ([`AgentDescription`]), implements [`Device`] for its hardware and calls
//! [`run()`]; options, actions, metadata, time limits, secrets and exit codes are the same for all of them and
//! as other cluster managers expect (ClusterLabs `FenceAgentAPI.md`).
//!
//! Must not know: any protocol of a power switch, and nothing of our cluster.
//!
//! Invariants:
//! * A reading has three values. Unknown is never off (`// S7`).
//! * `off` succeeds only after a command that the device accepted and a later explicit off of every outlet.
//! * `off` always sends the command, also to an outlet that already reads off: a pending delayed-on that the
//!   device holds must not survive.
//! * A secret reaches neither the output nor an error message.

mod actions;
mod description;
mod device;
mod input;
mod log;
mod manual;
mod metadata;
mod nearest;
mod patience;
mod run;
mod secret;
mod settings;
mod timing;

pub use actions::Action;
pub use description::{AgentDescription, Kind, OptionSpec};
pub use device::{Device, DeviceError, Outlet, Power, Reading};
pub use log::Log;
pub use metadata::metadata_xml;
pub use run::{Environment, Report, run, run_with};
pub use secret::{Secret, SecretError};
pub use settings::{Settings, UsageError};
pub use timing::Timing;
