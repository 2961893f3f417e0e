//! Words of fencing: readings, verdicts, evidence, proofs. The rules that turn one into the next are in
//! `ha-fencing`.

use crate::ids::{DeviceId, Incarnation, NodeId, ObjectId};
use crate::time::WallMs;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// What a device says, or what we conclude: three values, and unknown is never off.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum FenceVerdict {
    /// Explicitly off.
    Off,
    /// Explicitly on.
    On,
    /// Time-out, error, pending, no such outlet, anything else.
    Unknown,
}

impl fmt::Display for FenceVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::On => "on",
            Self::Unknown => "unknown",
        })
    }
}

/// Why a node is to be fenced.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Hash, Serialize, Deserialize)]
pub enum FenceReason {
    /// It fell silent while it may hold something.
    Lost,
    /// Not seen since the cluster formed, and not clean in the log.
    NeverSeen,
    /// A stop failed there.
    StopFailed {
        /// What could not be stopped, and how it failed.
        what: String,
    },
    /// Its daemon died and did not come back within the grace.
    DaemonGone,
    /// An operator asked.
    Asked {
        /// Who.
        by: String,
    },
    /// It spoke again although a human had confirmed it off.
    HeardAfterConfirmation,
}

/// What a proof covers. An address is never covered by a disk.
#[derive(Clone, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
pub enum ProofScope {
    /// Everything of that incarnation: it has no power, or a human says so.
    Everything,
    /// These objects only (a disk's reservation, a switch port).
    Objects(BTreeSet<ObjectId>),
}

impl ProofScope {
    /// Whether the proof covers an object.
    #[must_use]
    pub fn covers(&self, object: &ObjectId) -> bool {
        match self {
            ProofScope::Everything => true,
            ProofScope::Objects(objects) => objects.contains(object),
        }
    }
}

/// What the proof rests on.
#[derive(Clone, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
pub enum Evidence {
    /// Every outlet of every device of a level read off, twice, a settle time apart.
    ReadOff {
        /// The level, from 1.
        level: u32,
        /// Devices that were read.
        devices: Vec<DeviceId>,
        /// Number of off readings per outlet, the smallest.
        readings: u32,
    },
    /// A human said so.
    Confirmed {
        /// Who, as the node that took the command knows him.
        by: String,
    },
    /// The node was heard in a newer boot.
    NewBoot {
        /// That boot.
        incarnation: Incarnation,
    },
}

/// Proof that one incarnation of one node can touch nothing in its scope any more (S7).
#[derive(Clone, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
pub struct FenceProof {
    /// The node.
    pub target: NodeId,
    /// The boot that is proven gone; `None`: whichever it was, the node was never seen by this cluster.
    pub incarnation: Option<Incarnation>,
    /// What is covered.
    pub scope: ProofScope,
    /// The node that executed, or took the confirmation.
    pub by: NodeId,
    /// What it rests on.
    pub evidence: Evidence,
    /// When it was established (display).
    pub at: WallMs,
}

/// An outlet of a node was read *on* through this path while the node's heartbeats were arriving. Without it no
/// later "off" counts. Lapses with the device's `path_hash`.
#[derive(Clone, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
pub struct PathEvidence {
    /// Device.
    pub device: DeviceId,
    /// Node whose outlets were read.
    pub target: NodeId,
    /// The device's configuration at that time.
    pub path_hash: [u8; 32],
    /// When.
    pub at: WallMs,
}

/// What a failed test of a fence path says against every "off" that is read through it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
pub enum PathDoubt {
    /// An outlet of the node read off while the node lived: it feeds something else.
    Outlet,
    /// The agent answers for an outlet that cannot exist: what the executor reads with it says nothing.
    Agent,
}
