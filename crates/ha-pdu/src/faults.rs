//! What can be wrong with the switch.
//!
//! Must not know: how a fault is brought about.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// Faults of a switch; the default is a sound one. They can be changed while it runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PduFaults {
    /// Nothing is answered, and nothing that arrives is done.
    pub unreachable: bool,
    /// Every request waits this long (ms) before it is looked at.
    pub slow_ms: u64,
    /// Every request is answered with the device's error; nothing is done.
    pub failing: bool,
    /// Every command is answered as a wrong one (HTTP 400, SNMP badValue); nothing is done. Reading works.
    pub rejecting: bool,
    /// Commands are acknowledged and read back as done, but the relay stays as it is.
    pub lying: bool,
    /// A command is done at once, its answer comes this much later (ms).
    pub answers_late_ms: u64,
    /// Commands are accepted and stay pending for ever.
    pub stuck_pending: bool,
    /// Outlets whose state the switch does not know.
    pub unknown: BTreeSet<u32>,
    /// The outlet reads off at once, but what hangs on it lives on for this long (ms): a supply's charge.
    pub hold_up_ms: u64,
    /// A command acts on the next outlet (the last one's on the first).
    pub wrong_outlet: bool,
}
