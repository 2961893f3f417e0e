//! The records of the replicated state.

use ha_model::{
    ArmedWatchdog, FailedOp, FenceReason, Incarnation, InstanceId, InstanceState, NodeId, Observation,
    OrderStamp, Origin, PathDoubt, PathEvidence, PlanId, ResourceId, SessionId, Term, WallMs,
};
use ha_scheduler::NodeStatus;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Ended boots kept per node: a delayed message of an older one than these cannot exist, its keys are gone.
pub const ENDED_MAX: usize = 16;

/// Failures kept per resource and node: more than any useful migration threshold.
pub const FAILURES_MAX: usize = 32;

/// A node.
#[derive(Clone, Debug, PartialEq, Hash, Serialize, Deserialize)]
pub struct NodeRecord {
    /// Where it stands.
    pub status: NodeStatus,
    /// Its newest boot.
    pub incarnation: Option<Incarnation>,
    /// Its newest daemon start.
    pub session: Option<SessionId>,
    /// Boots that are over, or condemned: nothing of them counts any more (S18).
    pub ended: Vec<Incarnation>,
    /// Nothing shall run there.
    pub standby: Option<Origin>,
    /// Fenced too often.
    pub is_held: bool,
    /// Times of its fences within the window.
    pub fenced_at: Vec<WallMs>,
    /// Number of the newest report of the session.
    pub report_seq: u64,
    /// Newest order it acted on.
    pub acted: (Term, PlanId),
    /// Its watchdog, as that boot told.
    pub watchdog: Option<ArmedWatchdog>,
    /// Its power, after a fence.
    pub power: Power,
    /// Its end is a human's word and nothing else, whatever was done with its power since.
    pub off_by_word: bool,
    /// What a human's word freed: should the node speak again and resist fencing, these stop (S1).
    pub freed_by_word: Vec<InstanceId>,
}

impl Default for NodeRecord {
    fn default() -> Self {
        Self {
            status: NodeStatus::Unseen,
            incarnation: None,
            session: None,
            ended: Vec::new(),
            standby: None,
            is_held: false,
            fenced_at: Vec::new(),
            report_seq: 0,
            acted: (Term(0), PlanId(0)),
            watchdog: None,
            power: Power::Assumed,
            off_by_word: false,
            freed_by_word: Vec::new(),
        }
    }
}

impl NodeRecord {
    /// Whether the boot is over or condemned.
    #[must_use]
    pub fn has_ended(&self, incarnation: Incarnation) -> bool {
        self.ended.contains(&incarnation)
    }

    /// Whether a human's word, and no device, says that it is off.
    #[must_use]
    pub fn is_off_by_word(&self) -> bool {
        self.status == NodeStatus::Off && self.off_by_word
    }

    pub(crate) fn end(&mut self, incarnation: Incarnation) {
        if !self.has_ended(incarnation) {
            if self.ended.len() >= ENDED_MAX {
                self.ended.remove(0);
            }
            self.ended.push(incarnation);
        }
    }
}

/// What the cluster did with a node's power.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Power {
    /// On, as far as we know; we did nothing.
    Assumed,
    /// Cut by us.
    Off {
        /// Proven at.
        since: WallMs,
        /// Level that succeeded; its outlets are to be switched on. 0: confirmed by a human.
        level: u32,
        /// Whether it comes back by itself.
        returns: bool,
        /// Attempts that it took; each but the last that did not tell of its end may have left an agent behind.
        attempts: u32,
    },
    /// On was ordered.
    OnRequested {
        /// By whom.
        executor: NodeId,
    },
    /// On was done.
    On,
    /// On failed.
    OnFailed {
        /// Why.
        why: String,
    },
}

/// What is known of an instance on a node.
#[derive(Clone, Debug, PartialEq, Hash, Serialize, Deserialize)]
pub struct InstanceRecord {
    /// In which daemon start.
    pub session: SessionId,
    /// What the node said.
    pub observation: Observation,
    /// Failures counted so far in that session.
    pub failures: u32,
    /// Since.
    pub since: WallMs,
}

impl InstanceRecord {
    /// The state.
    #[must_use]
    pub fn state(&self) -> InstanceState {
        self.observation.state
    }
}

/// An open permission.
#[derive(Clone, Debug, PartialEq, Hash, Serialize, Deserialize)]
pub struct MayRunRecord {
    /// The instance.
    pub instance: InstanceId,
    /// Where.
    pub node: NodeId,
    /// In which boot.
    pub incarnation: Incarnation,
    /// The newest start order it was opened for.
    pub stamp: OrderStamp,
}

/// An open fence request.
#[derive(Clone, Debug, PartialEq, Hash, Serialize, Deserialize)]
pub struct FenceRecord {
    /// The node.
    pub target: NodeId,
    /// Its boot; `None`: it was never seen.
    pub incarnation: Option<Incarnation>,
    /// Why.
    pub reason: FenceReason,
    /// Since.
    pub since: WallMs,
    /// Attempts so far; from the first on, the boot is condemned.
    pub attempts: u32,
    /// Who ran the newest.
    pub executor: Option<NodeId>,
    /// The newest attempt is still under way.
    pub is_running: bool,
    /// What the last failed attempt said.
    pub last_failure: Option<String>,
}

/// A fence path.
#[derive(Clone, Debug, Default, PartialEq, Hash, Serialize, Deserialize)]
pub struct PathRecord {
    /// Outlets were read on while the node lived.
    pub evidence: Option<PathEvidence>,
    /// Last test by each executor: when, and why it failed.
    pub tests: BTreeMap<NodeId, PathTestRecord>,
}

/// A test of a path by one executor.
#[derive(Clone, Debug, PartialEq, Hash, Serialize, Deserialize)]
pub struct PathTestRecord {
    /// When.
    pub at: WallMs,
    /// Why it failed; `None`: passed.
    pub failed: Option<String>,
    /// What the failure says against what was read before.
    pub doubt: Option<PathDoubt>,
}

/// A counted failure.
#[derive(Clone, Debug, PartialEq, Hash, Serialize, Deserialize)]
pub struct FailureRecord {
    /// When.
    pub at: WallMs,
    /// Operation.
    pub op: FailedOp,
    /// One sentence.
    pub why: String,
}

/// Operators' wishes.
#[derive(Clone, Debug, Default, PartialEq, Hash, Serialize, Deserialize)]
pub struct WishRecords {
    /// Start or stop, whatever the file says.
    pub enabled: BTreeMap<ResourceId, (bool, Origin)>,
    /// Stop and start once.
    pub restart: BTreeMap<ResourceId, Origin>,
    /// Run there until.
    pub moves: BTreeMap<ResourceId, (NodeId, WallMs, Origin)>,
}
