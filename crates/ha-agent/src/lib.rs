//! Running agents: processes, addresses and fence agents, as the core asks.
//!
//! Must not know: plans, votes, other nodes. It carries out one job and says truthfully how that ended.
//! Invariants: one instance's jobs never overlap; nothing is begun once its gate has closed; every job ends within its
//! time-out plus [`runner::KILL_WAIT`]; output, queues and retries are bounded.

mod cancel;
mod cgroup;
mod child;
mod fd;
mod gate;
mod leash;
mod output;
pub mod runner;
mod spawn;

pub use cancel::Cancel;
pub use child::{DEFAULT_PATH, How};
pub use gate::{Gate, boot_now};
pub use leash::{CgroupRoot, Leash};
pub use output::{HEAD_BYTES, Output, TAIL_BYTES};
