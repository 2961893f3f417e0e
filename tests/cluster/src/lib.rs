//! Clusters of real processes in network namespaces, judged from outside.
//!
//! `Cluster::start(Plan)` puts up real daemons on simulated hosts with a simulated power switch; a scenario acts on it
//! and asks the `Judge`. What decides is only what an outsider can see: who answers at the address (the application's
//! words and the MAC), what the power switch truly did, what the disk's ledger holds. The daemon's own word (`hactl`)
//! is used to wait for a quiet cluster and to learn who leads, never to pass a safety test.
//! Must not know: the cluster's insides. Each cluster lives in a directory and namespaces of its own, so tests run side
//! by side; dropping it ends and removes everything, after a failure it first says what happened.

mod acts;
mod alive;
pub mod chaos;
mod cluster;
mod disk;
mod dump;
mod files;
mod hactl;
mod judge;
mod plan;
mod sights;
mod switches;
mod watched;

pub use alive::Tenure;
pub use cluster::{Cluster, LONG, SOON};
pub use disk::make_disks_breakable;
pub use files::{edit_cluster_file, helper, write_secret};
pub use judge::{Judge, Owner, Takeover, Violation};
pub use plan::{Plan, SecondPdu, Writer, exec_resource, vip_and_web};
pub use sights::Answer;
pub use switches::Opened;
