//! The record of what the switch was told and what it truly did.
//!
//! Must not know: who reads it.
//!
//! Invariant: records are numbered without a gap; memory is bounded by [`KEPT`].

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};
use serde::Serialize;

use crate::pdu::Command;

/// Records kept in memory; a listener sees all of them.
const KEPT: usize = 4096;

/// How a command came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// SNMP version 1.
    SnmpV1,
    /// SNMP version 2c.
    SnmpV2c,
    /// SNMP version 3.
    SnmpV3,
    /// Digital Loggers REST.
    HttpDli,
    /// NETIO JSON.
    HttpNetio,
    /// The generic HTTP face.
    HttpGeneric,
    /// The switch's own timers.
    Timer,
}

/// What came of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Effect {
    /// The relay of `outlet` was moved.
    Relay {
        /// The outlet that was truly switched.
        outlet: u32,
        /// To on or off.
        on: bool,
    },
    /// It will be done later.
    Scheduled {
        /// In this many milliseconds; `None`: never.
        in_ms: Option<u64>,
    },
    /// Pending commands were dropped.
    Cancelled,
    /// Acknowledged, but not done: the fault's name.
    NotDone {
        /// Which fault.
        fault: &'static str,
    },
    /// Refused: why.
    Refused {
        /// Why.
        why: &'static str,
    },
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Relay { outlet, on } => write!(f, "relay {outlet} {}", if *on { "on" } else { "off" }),
            Self::Scheduled { in_ms: Some(ms) } => write!(f, "scheduled in {ms} ms"),
            Self::Scheduled { in_ms: None } => write!(f, "scheduled for never"),
            Self::Cancelled => f.write_str("pending commands cancelled"),
            Self::NotDone { fault } => write!(f, "acknowledged, not done ({fault})"),
            Self::Refused { why } => write!(f, "refused ({why})"),
        }
    }
}

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Record {
    /// 1, 2, 3 …
    pub number: u64,
    /// CLOCK_BOOTTIME in nanoseconds, the clock that the cluster runs on.
    pub boot_ns: u64,
    /// Wall time in milliseconds since 1970, for display.
    pub unix_ms: u64,
    /// How it came in.
    pub protocol: Protocol,
    /// The outlet that was named.
    pub outlet: u32,
    /// What was asked.
    pub command: Command,
    /// What came of it.
    pub effect: Effect,
}

type Listener = Box<dyn Fn(&Record) + Send + Sync>;

#[derive(Default)]
struct Kept {
    next: u64,
    records: VecDeque<Record>,
}

/// The journal of one switch.
#[derive(Default)]
pub(crate) struct Journal {
    kept: Mutex<Kept>,
    listener: Mutex<Option<Listener>>,
}

impl Journal {
    pub(crate) fn listen(&self, listener: Listener) {
        *self.listener.lock().unwrap_or_else(PoisonError::into_inner) = Some(listener);
    }

    pub(crate) fn write(&self, protocol: Protocol, outlet: u32, command: Command, effect: Effect) {
        let record = {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.next += 1;
            let record = Record {
                number: kept.next,
                boot_ns: boot_ns(),
                unix_ms: unix_ms(),
                protocol,
                outlet,
                command,
                effect,
            };
            if kept.records.len() == KEPT {
                kept.records.pop_front();
            }
            kept.records.push_back(record.clone());
            record
        };
        tracing::info!(outlet, ?command, effect = %record.effect, ?protocol, "command");
        if let Some(listener) = &*self.listener.lock().unwrap_or_else(PoisonError::into_inner) {
            listener(&record);
        }
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).records.iter().cloned().collect()
    }
}

fn boot_ns() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME).expect("every Linux has CLOCK_BOOTTIME");
    u64::try_from(now.tv_sec()).unwrap_or_default() * 1_000_000_000
        + u64::try_from(now.tv_nsec()).unwrap_or_default()
}

fn unix_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
