//! A simulated power switch: HTTP and SNMP faces over a relay that the caller supplies.
//!
//! Purpose: fence agents, ours and others', meet a switch that behaves like the real ones, faults included, and
//! that records what it truly did.
//!
//! Must not know: what hangs on an outlet, or anything of the cluster. The caller's [`Relay`] does the cutting.
//!
//! Invariants:
//! * The relay is moved only by a command, never by a reading.
//! * Every command that was received is in the journal, with what came of it.
//! * A command that arrives while the switch is unreachable is lost, also after the fault is lifted.
//!
//! The SNMP face needs the loopback interface to be up: see [`serve_snmp`].

mod faults;
mod http;
mod journal;
mod mib;
mod pdu;
mod relay;
mod snmp;
mod udp_front;

pub use faults::PduFaults;
pub use http::{HttpOptions, HttpServer, serve_http};
pub use journal::{Effect, Protocol, Record};
pub use pdu::{Command, Contact, Pdu, Refusal, View};
pub use relay::{FileRelay, MemoryRelay, Relay};
pub use snmp::{ObjectId, SnmpOptions, SnmpServeError, SnmpServer, SnmpUser, serve_snmp};
