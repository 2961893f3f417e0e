//! Hosts in namespaces, a simulated power switch, and outside observers.
//!
//! A lab is a tree of processes in namespaces of its own on one machine. `Lab::start` makes one; what a test does to
//! it and what it judges by are methods of `Lab` (through `Remote`). Nothing in here knows the cluster manager except
//! `cluster` (its files and command line) and `demo`; the real daemons run in the hosts as any program would.
//!
//! ```text
//! ha-lab run            outer: makes the namespaces; whatever ends it ends everything
//! └ lab-init            process 1 of the lab
//!   └ supervise         bridges, cuts, commands, observers; DIR/control.sock
//!     ├ power           the only one that gives and takes power; the simulated PDUs; DIR/power.jsonl
//!     │ └ host-launch   one a running host; its child is the host's process 1, which runs the services
//!     ├ ledger          the shared disk; DIR/ledger.jsonl
//!     └ probe, arp-watch, alive-watch  outside observers; DIR/clients/NAME.jsonl
//! ```
//!
//! What differs from real hosts, and a test must know:
//! - A frozen host's kernel still answers ARP and accepts connections. Judge by the application's answer and its MAC.
//! - The kernel's boot id is the same in every host; the incarnation is in the host's `/run/ha/boot_id`.
//! - A host's files share the machine's page cache: what must not survive its writer goes to the ledger.
//! - Without root there are no control groups: freezing is SIGSTOP of every process (not one instant, and visible to
//!   parents in the host), and a host has no cgroup2 of its own. Realtime scheduling and memory locks are refused.

pub mod alive_watch;
pub mod arp_watch;
pub mod bench;
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
pub mod ndp;
pub mod neighbour;
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
pub mod terminal;
pub mod tool;
pub mod web;
pub mod web_ask;

pub use alive_watch::{Alive, AliveRound};
pub use arp_watch::ArpRound;
pub use error::{LabError, Result};
pub use host_init::PROGRAM;
pub use lab::{Lab, Remote, find_program, wait_for};
pub use ledger::LedgerRecord;
pub use observe::{AliveWatch, ArpWatch, Client, ClientSpec};
pub use outage::{Outage, ProbeRecord};
pub use proto::{Direction, HostState, Output, PowerEffect, PowerRecord};
pub use spec::{HostSpec, LabSpec, LinkSpec, PduSpec, ServiceSpec};
