//! Running agents: processes, addresses and fence agents, as the core asks.
//!
//! Must not know: plans, votes, other nodes. It carries out one job and says truthfully how that ended.
//! Invariants: one instance's jobs never overlap; nothing is begun once its gate has closed; every job ends within its
//! time-out plus [`runner::KILL_WAIT`]; output, queues and retries are bounded.

mod agents;
pub mod argv;
pub mod canary;
mod cancel;
mod cgroup;
mod child;
mod exec;
mod fd;
mod fence;
mod gate;
mod job;
mod leash;
mod nearest;
pub mod ocf;
mod output;
mod root;
pub mod runner;
mod spawn;
pub mod vip;

pub use agents::{Agents, AgentsConfig};
pub use cancel::Cancel;
pub use child::{DEFAULT_PATH, How};
pub use exec::{Exec, OUTPUT_FILE_BYTES, ProcessExited};
pub use fence::{
    ActionInfo, FenceAction, FenceJob, FenceOutcome, FenceResult, Metadata as FenceMetadata, Parameter,
};
pub use gate::{Gate, boot_now};
pub use job::{Action, AddressCheck, Outcome, ResourceAgent, ResourceJob};
pub use leash::Leash;
pub use output::{HEAD_BYTES, Output, TAIL_BYTES};
pub use root::CgroupRoot;
