//! The control protocol: what is asked of a lab, and its answers, one JSON object a line.
//!
//! Must not know: how any of it is done. A request is answered by `{"ok": …}` or `{"error": "…"}`.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Longest line of the protocol: an exec answer with both outputs at their bound, escaped.
pub const LINE_MAX: u64 = 8 << 20;
/// Most bytes kept of each output stream of an exec; the rest is dropped and marked.
pub const OUTPUT_MAX: usize = 1 << 20;

/// Which way a cut works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Nothing passes.
    Both,
    /// What `a` sends does not reach `b`; what `b` sends reaches `a`.
    AToB,
}

/// Where a command runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The lab's root namespaces, where the bridges are.
    Lab,
    /// A host (all its namespaces) or another station (its network only).
    Station(String),
}

/// A request to a lab.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "cmd", rename_all = "snake_case")]
pub enum Request {
    /// The state of every host.
    Hosts,
    /// The host's own power button, pressed on.
    PowerOn {
        /// Host.
        host: String,
    },
    /// The host's own power button, held until it is off (outlets stay as they are).
    PowerOff {
        /// Host.
        host: String,
    },
    /// Stops every process of the host where it is.
    Freeze {
        /// Host.
        host: String,
    },
    /// Lets a frozen host go on.
    Thaw {
        /// Host.
        host: String,
    },
    /// Plugs (`up`) or pulls one of the host's cables.
    Cable {
        /// Host.
        host: String,
        /// Link name.
        link: String,
        /// Plugged?
        up: bool,
    },
    /// Sends a signal to a service's main process.
    Signal {
        /// Host.
        host: String,
        /// Service.
        service: String,
        /// Signal number.
        signal: i32,
    },
    /// Keeps the host's init from restarting a service (true) or lets it (false).
    Hold {
        /// Host.
        host: String,
        /// Service.
        service: String,
        /// Held?
        held: bool,
    },
    /// Runs a command.
    Exec {
        /// Where.
        place: Place,
        /// Program and arguments.
        argv: Vec<String>,
        /// Time-out in milliseconds.
        timeout_ms: u64,
    },
    /// Cuts two stations from one another.
    Cut {
        /// One station.
        a: String,
        /// The other.
        b: String,
        /// Which way.
        direction: Direction,
        /// One link, or all.
        link: Option<String>,
    },
    /// Cuts a station from all others.
    CutHost {
        /// Station.
        host: String,
        /// Leave its way to the power switches open.
        keep_pdu: bool,
    },
    /// Removes every cut and impairment and plugs every cable.
    Heal,
    /// Delays or loses what a host sends and receives on one link.
    Impair {
        /// Host.
        host: String,
        /// Link.
        link: String,
        /// One-way delay in milliseconds, on each way.
        delay_ms: u32,
        /// Loss in percent, on each way.
        loss_percent: u8,
    },
    /// Sets or clears (null) a fault of a power switch.
    PduFault {
        /// Switch.
        pdu: String,
        /// The fault, in the words of the simulated switch.
        fault: serde_json::Value,
    },
    /// Starts an observer: program arguments after the name of the own program.
    Watch {
        /// Name; its file is `clients/NAME.jsonl`.
        name: String,
        /// Its station.
        station: String,
        /// Sub-command and options of the own program.
        args: Vec<String>,
    },
    /// Ends an observer.
    Unwatch {
        /// Name.
        name: String,
    },
}

/// A request's answer on the wire.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// It was done; its result.
    Ok(serde_json::Value),
    /// It was refused or failed; why.
    Error(String),
}

/// What a host is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostState {
    /// Name.
    pub name: String,
    /// Runs (also when frozen).
    pub is_on: bool,
    /// Every process of it is stopped.
    pub is_frozen: bool,
    /// Its incarnation, when on.
    pub boot_id: Option<String>,
    /// Process id of its init as the lab sees it, when on.
    pub init_pid: Option<i32>,
    /// Main process of each running service as the lab sees it.
    pub services: BTreeMap<String, i32>,
    /// Cables that are pulled.
    pub pulled: Vec<String>,
}

/// What a command printed and how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Exit code; None when a signal or the time-out ended it.
    pub code: Option<i32>,
    /// The time-out ended it.
    pub is_timed_out: bool,
    /// Standard output, lossy UTF-8, bounded by `OUTPUT_MAX`.
    pub stdout: String,
    /// Standard error, likewise.
    pub stderr: String,
}

impl Output {
    /// Exit code 0.
    pub fn is_success(&self) -> bool {
        self.code == Some(0)
    }
}

/// What the power switch truly did to a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PowerEffect {
    /// An outlet opened or closed without changing a host (already so, or fed twice).
    None,
    /// The host lost its power: no process of it is left.
    Off,
    /// The host booted.
    On,
    /// The host should have booted and did not.
    BootFailed,
}

/// One line of `power.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PowerRecord {
    /// Boot-clock time at which the effect was complete, nanoseconds.
    pub t_ns: u64,
    /// Boot-clock time at which it began, nanoseconds: for off, just before the links went down.
    pub began_ns: u64,
    /// The switch, when an outlet was the cause.
    pub pdu: Option<String>,
    /// Its outlet.
    pub outlet: Option<u32>,
    /// The host.
    pub host: String,
    /// What happened.
    pub effect: PowerEffect,
    /// Why: `button`, `start`, or who asked the switch.
    pub cause: String,
    /// The incarnation that ended or began.
    pub boot_id: Option<String>,
}
