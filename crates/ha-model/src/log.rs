//! What is replicated. Each entry is validated before it is proposed and applied by every node in the same
//! order; `ha-core::state` holds the rules of applying.
//!
//! Variants are only appended: the position of a variant is its number on the wire and on disk.

use crate::fence::{FenceProof, FenceReason, PathDoubt, PathEvidence};
use crate::ids::{
    DeviceId, FenceId, Incarnation, InstanceId, NodeId, ObjectId, OrderStamp, PlanId, ResourceId, SessionId,
    Term,
};
use crate::origin::Origin;
use crate::time::WallMs;
use crate::watchdog::ArmedWatchdog;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One entry of the replicated log, with the wall time at which it was proposed.
#[derive(Clone, PartialEq, Debug, Hash, Serialize, Deserialize)]
pub struct LogEntry {
    /// Wall time of the proposer, for display.
    pub at: WallMs,
    /// What happened or is decided.
    pub entry: Entry,
}

/// What happened or is decided.
#[derive(Clone, PartialEq, Debug, Hash, Serialize, Deserialize)]
pub enum Entry {
    /// The configuration: the source text itself.
    Config {
        /// File name as given, for origins.
        name: String,
        /// The whole text.
        text: String,
        /// Who applied it.
        origin: Origin,
    },
    /// A node speaks in this incarnation and session.
    NodeJoined {
        /// The node.
        node: NodeId,
        /// Its boot.
        incarnation: Incarnation,
        /// Its daemon's start.
        session: SessionId,
    },
    /// A node is lost: from here on nothing is granted to that incarnation (S18).
    NodeLost {
        /// The node.
        node: NodeId,
        /// Its boot; `None`: it was never seen.
        incarnation: Option<Incarnation>,
        /// In words: silent for so long, its core stands still, its daemon died.
        why: LostReason,
    },
    /// A lost node spoke again in the same incarnation before an off may have been sent.
    NodeReturned {
        /// The node.
        node: NodeId,
        /// Its boot.
        incarnation: Incarnation,
    },
    /// A node said that it leaves and that nothing runs there.
    NodeLeft {
        /// The node.
        node: NodeId,
        /// Its boot.
        incarnation: Incarnation,
    },
    /// A node must be fenced.
    FenceRequested {
        /// The node.
        target: NodeId,
        /// Its boot.
        incarnation: Option<Incarnation>,
        /// Why.
        reason: FenceReason,
    },
    /// The request is void: nothing was sent, and the reason is gone.
    FenceWithdrawn {
        /// The request.
        id: FenceId,
    },
    /// An off may be sent from here on: the incarnation is condemned.
    FenceAttempt {
        /// The request.
        id: FenceId,
        /// Number of the attempt, from 1.
        attempt: u32,
        /// The node that runs the agents.
        executor: NodeId,
    },
    /// The attempt ended without proof.
    FenceFailed {
        /// The request.
        id: FenceId,
        /// Number of the attempt.
        attempt: u32,
        /// Why, naming device and outlet.
        why: String,
    },
    /// Power was read off; the reading that completes the proof.
    FenceProven {
        /// The request.
        id: FenceId,
        /// The proof.
        proof: FenceProof,
        /// Milliseconds from the order to: off accepted, first off reading. For the timeline.
        marks: FenceMarks,
    },
    /// An outlet read on, or the path failed.
    PathTested {
        /// Device.
        device: DeviceId,
        /// Node whose outlets were read.
        target: NodeId,
        /// Node that ran the agent.
        executor: NodeId,
        /// The evidence, or why there is none.
        result: Result<PathEvidence, String>,
        /// What the failure says against earlier evidence.
        doubt: Option<PathDoubt>,
    },
    /// Power on was ordered for a fenced node.
    PowerOnRequested {
        /// The node.
        target: NodeId,
        /// Who runs the agents.
        executor: NodeId,
    },
    /// The attempt to power on ended.
    PowerOnEnded {
        /// The node.
        target: NodeId,
        /// Success, or why not.
        result: Result<(), String>,
    },
    /// From here on the instance may run there; the start order follows (S17).
    MayRun {
        /// Every object that the instance holds.
        objects: Vec<ObjectId>,
        /// The instance.
        instance: InstanceId,
        /// Where.
        node: NodeId,
        /// In which boot.
        incarnation: Incarnation,
        /// The order that will be sent.
        stamp: OrderStamp,
    },
    /// What a node says of an instance. Closes the instance's MayRun where it says stopped after acting on, or
    /// refusing, the order that opened it.
    Observed {
        /// The node.
        node: NodeId,
        /// Its boot.
        incarnation: Incarnation,
        /// Its daemon's start.
        session: SessionId,
        /// Number of the report within the session; older ones are void.
        seq: u64,
        /// Newest order that the node has acted on; it refuses older ones.
        acted: (Term, PlanId),
        /// What changed.
        instances: Vec<(InstanceId, Observed)>,
    },
    /// An operator's wish.
    Wish {
        /// Who, when.
        origin: Origin,
        /// What.
        wish: Wish,
    },
    /// A leader begins: the first entry it proposes.
    Leads {
        /// Who.
        leader: NodeId,
        /// Its term.
        term: Term,
    },
    /// A human has made sure that a node is off; taken by a quorate leader only.
    FenceConfirmed {
        /// The proof.
        proof: FenceProof,
    },
    /// Whatever ends by time alone has ended at the entry's time: a move that was wished until then, a failure that
    /// counted for so long.
    Expired,
    /// A node's watchdog counts down: it told so after its device did. Void where the configuration names no such device: who
    /// applies one without it knows that nobody counts on it any more, and may disarm it.
    WatchdogArmed {
        /// The node.
        node: NodeId,
        /// Its boot.
        incarnation: Incarnation,
        /// The device.
        watchdog: ArmedWatchdog,
    },
}

/// What a node says of one instance, with the failures it counted.
#[derive(Clone, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
pub struct Observed {
    /// The observation.
    pub observation: Observation,
    /// Failures since the start of the session; each is counted once, however often it is reported.
    pub failures: u32,
}

/// Why a node is lost.
#[derive(Clone, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
pub enum LostReason {
    /// No heartbeat on any link.
    Silent {
        /// For so long, ms.
        for_ms: u64,
    },
    /// It speaks, but does not hear.
    OneWay,
    /// Its heartbeats say that its core, its disk or its fork and exec stand still.
    Stalled {
        /// Which.
        what: Stalled,
        /// Age, ms.
        age_ms: u64,
    },
    /// Its host answers, its daemon is gone past the grace.
    DaemonGone,
    /// Not heard since the cluster formed.
    NeverSeen,
}

/// What a heartbeat says stands still.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
pub enum Stalled {
    /// The core does not step.
    Core,
    /// A write does not end.
    Disk,
    /// Fork and exec do not succeed.
    Spawn,
}

/// Times of a fence attempt, ms after the order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash, Serialize, Deserialize)]
pub struct FenceMarks {
    /// The off command was accepted.
    pub off_done_ms: u64,
    /// First reading of off on every outlet.
    pub first_off_ms: u64,
    /// Last reading.
    pub settled_ms: u64,
}

/// State of one instance on one node, as the node sees it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash, Serialize, Deserialize)]
pub enum InstanceState {
    /// Not probed in this session.
    Unknown,
    /// A probe runs.
    Probing,
    /// Surely not running.
    Stopped,
    /// A start runs.
    Starting,
    /// Running.
    Running,
    /// A stop runs.
    Stopping,
    /// Failed; must be stopped before anything else.
    Failed,
    /// A stop failed: only fencing helps.
    StopFailed,
}

impl fmt::Display for InstanceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "unknown",
            Self::Probing => "probing",
            Self::Stopped => "stopped",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Failed => "failed",
            Self::StopFailed => "its stop failed",
        })
    }
}

/// What a node says of one instance.
#[derive(Clone, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
pub struct Observation {
    /// The state.
    pub state: InstanceState,
    /// One sentence where something is not as wished.
    pub why: Option<String>,
    /// Newest order acted on for this instance.
    pub order: Option<(Term, PlanId)>,
    /// Set when this observation is a new failure that counts.
    pub failed_op: Option<FailedOp>,
}

/// How a failure counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash, Serialize, Deserialize)]
pub enum Severity {
    /// May go better next time, here or elsewhere.
    #[default]
    Soft,
    /// Cannot go better on this node before somebody mends it.
    Hard,
    /// Cannot go better anywhere: the resource's options are wrong.
    Fatal,
}

/// The operation that failed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash, Serialize, Deserialize)]
pub enum FailedOp {
    /// Start.
    Start,
    /// Stop.
    Stop,
    /// Monitor, or the death of the process.
    Monitor,
}

/// An operator's wish.
#[derive(Clone, PartialEq, Debug, Hash, Serialize, Deserialize)]
pub enum Wish {
    /// Move everything off the node and keep it off; or take that back.
    Standby {
        /// The node.
        node: NodeId,
        /// On or off.
        on: bool,
    },
    /// Start or stop, whatever the file says; no wish is kept where the file says the same.
    Enabled {
        /// The resource.
        resource: ResourceId,
        /// Start.
        enabled: bool,
    },
    /// Stop and start once.
    Restart {
        /// The resource.
        resource: ResourceId,
    },
    /// Run there until a time; `to: None` takes the wish back.
    Move {
        /// The resource (or the first of its group).
        resource: ResourceId,
        /// Where.
        to: Option<NodeId>,
        /// Until when.
        until: WallMs,
    },
    /// Forget failures.
    Cleanup {
        /// Of this resource only.
        resource: Option<ResourceId>,
        /// On this node only.
        node: Option<NodeId>,
    },
    /// Let a held node take part again.
    ReleaseHold {
        /// The node.
        node: NodeId,
    },
}
