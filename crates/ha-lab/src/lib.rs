//! Hosts in namespaces, a simulated power switch, and outside observers.
//!
//! A lab is a tree of processes in namespaces of its own on one machine. `Lab::start` makes one; what a test does to
//! it and what it judges by are methods of `Lab` (through `Remote`). Nothing in here knows the cluster manager: the
//! real daemons run in the hosts as any program would.

pub mod arp_watch;
pub mod cgroup;
pub mod check;
pub mod clock;
pub mod cluster;
pub mod cut;
pub mod demo;
pub mod error;
pub mod exec;
pub mod host;
pub mod host_init;
pub mod host_launch;
pub mod host_root;
pub mod json_log;
pub mod lab;
pub mod lab_init;
pub mod ledger;
pub mod network;
pub mod observe;
pub mod outage;
pub mod outer;
pub mod power;
pub mod probe;
pub mod process;
pub mod proto;
pub mod room;
pub mod rpc;
pub mod spawn;
pub mod spec;
pub mod supervisor;
pub mod switch;
pub mod tool;
pub mod web;
pub mod web_ask;

pub use arp_watch::ArpRound;
pub use error::{LabError, Result};
pub use host_init::PROGRAM;
pub use lab::{Lab, Remote, find_program, wait_for};
pub use ledger::LedgerRecord;
pub use observe::{ArpWatch, Client, ClientSpec};
pub use outage::{Outage, ProbeRecord};
pub use proto::{Direction, HostState, Output, PowerEffect, PowerRecord};
pub use spec::{HostSpec, LabSpec, LinkSpec, PduSpec, ServiceSpec};
