//! What the core asks of the shells. A step's effects are carried out in their order: persist, send, heartbeat
//! contents, agents and fence calls as they begin and are called off, notices, deadline. Whatever depends on a write
//! is released by its `Persisted` only.

use crate::message::{BeatBody, PeerMessage};
use ha_consensus::Persist;
use ha_fencing::CallAction;
use ha_model::{
    AdminReply, AgentName, BootNs, ClusterConfig, DeviceId, EffectId, InstanceId, LogEntry, NodeId, Notice,
    PlanId, Term, TimelineEvent, WatchdogPlan,
};
use ha_scheduler::{History, Snapshot};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// One effect.
#[derive(Clone, PartialEq, Debug, Hash)]
pub enum Effect {
    /// Write, durably, all of it or nothing; answer `Persisted` in the order of the writes.
    Persist {
        /// Number.
        id: EffectId,
        /// Votes and log.
        votes: Option<Box<Persist<LogEntry>>>,
        /// Newest order acted on.
        acted: Option<(Term, PlanId)>,
    },
    /// Send on the stream; loss is survived.
    Send {
        /// Peer.
        to: NodeId,
        /// Content.
        message: Box<PeerMessage>,
    },
    /// What this node said to itself: it is taken already and nothing is left to do. Whoever judges from outside
    /// hears a leader's orders to itself, and its reports, as those between two nodes.
    SaidToSelf {
        /// Content.
        message: Box<PeerMessage>,
    },
    /// Contents of the next heartbeats.
    Beat {
        /// Past this the heartbeat thread stays silent.
        valid_until: BootNs,
        /// One for each peer, in order of their names.
        bodies: Vec<(NodeId, BeatBody)>,
        /// Send one now, beside the regular ones: something urgent changed.
        is_urgent: bool,
    },
    /// Until when agents may start exclusive resources; checked just before exec.
    Grant {
        /// The end.
        until: BootNs,
    },
    /// Until when the heartbeat thread may write to the watchdog, each period.
    Pet {
        /// The end.
        until: BootNs,
    },
    /// What the watchdog is to do; answer `Input::Watchdog`.
    Watchdog(WatchdogPlan),
    /// Run a resource agent.
    RunAgent(AgentRun),
    /// Kill a run.
    CancelAgent {
        /// Which.
        id: EffectId,
    },
    /// Run a fence agent.
    RunFence(FenceRun),
    /// Kill it.
    CancelFence {
        /// Which.
        id: EffectId,
    },
    /// The answer to an operator at this node.
    AdminReply {
        /// Number of the request.
        id: u64,
        /// Answer.
        reply: Box<AdminReply>,
    },
    /// A configuration came into force: addresses, peers.
    ConfigInForce(Arc<ClusterConfig>),
    /// Tell the journal.
    Tell(TimelineEvent),
    /// Tell the journal something of this node alone.
    TellLocal(Notice),
    /// Keep what the planner failed on, for whoever mends it.
    KeepPlannerInput(Box<PlannerInput>),
    /// Step with `Tick` at this time at the latest.
    Deadline(BootNs),
    /// End the daemon: this node cannot follow the others and takes no further part. Alone in its step, and in each
    /// step after it.
    Halt {
        /// Why, and what the operator should do.
        why: String,
    },
}

/// What a planner was given that made no plan of it (S20).
#[derive(Clone, PartialEq, Debug, Hash, Serialize, Deserialize)]
pub struct PlannerInput {
    /// What went wrong.
    pub why: String,
    /// Everything that the plan depends on.
    pub snapshot: Snapshot,
    /// And what came before.
    pub history: History,
}

/// One run of a resource agent.
#[derive(Clone, PartialEq, Debug, Hash)]
pub struct AgentRun {
    /// Number.
    pub id: EffectId,
    /// Instance.
    pub instance: InstanceId,
    /// Agent.
    pub agent: AgentName,
    /// Options.
    pub options: BTreeMap<String, String>,
    /// Action.
    pub op: AgentOp,
    /// Killed at this age.
    pub timeout: Duration,
    /// Pause between two monitors, for agents that are told of it.
    pub interval: Duration,
    /// The grant is checked just before exec.
    pub needs_grant: bool,
    /// The log shows of every member that it does not have it: two quick probes of an address suffice (ADR 11).
    pub is_address_free: bool,
}

/// Action of a resource agent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum AgentOp {
    /// Start.
    Start,
    /// Stop.
    Stop,
    /// Periodic check.
    Monitor,
    /// First look.
    Probe,
}

/// One run of a fence agent.
#[derive(Clone, PartialEq, Debug, Hash)]
pub struct FenceRun {
    /// Number.
    pub id: EffectId,
    /// Device, for the journal.
    pub device: DeviceId,
    /// Agent.
    pub agent: AgentName,
    /// Options.
    pub options: BTreeMap<String, String>,
    /// Outlet.
    pub plug: String,
    /// The node that is meant.
    pub target: NodeId,
    /// Action.
    pub action: CallAction,
    /// Killed at this age.
    pub timeout: Duration,
}
