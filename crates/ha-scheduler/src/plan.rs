//! The output of planning: actions, the order between them, and the report that says why.

use ha_model::{FenceReason, InstanceId, NodeId, Origin, Score};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Position of an action in [`Plan::actions`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ActionIx(pub u32);

/// What must be done to get from the snapshot to the wished state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Actions in a stable order.
    pub actions: Vec<Action>,
    /// (before, after): the second starts only when the first has succeeded.
    pub edges: Vec<(ActionIx, ActionIx)>,
    /// What comes later, but cannot be ordered yet: something outside this plan must happen first (an operation
    /// under way ends, a fence is proven, a node appears). Never executed; for display only.
    #[serde(default)]
    pub waiting: Vec<Waiting>,
    /// Why.
    pub report: Report,
}

impl Plan {
    /// The actions without a predecessor: all that may be ordered now.
    pub fn roots(&self) -> impl Iterator<Item = (ActionIx, &Action)> {
        let blocked: BTreeSet<ActionIx> = self.edges.iter().map(|(_, after)| *after).collect();
        (0u32..).map(ActionIx).zip(&self.actions).filter(move |(ix, _)| !blocked.contains(ix))
    }

    /// Whether nothing is left to do and nothing is waited for.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.actions.is_empty() && self.waiting.is_empty()
    }
}

/// An action that must not be ordered yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Waiting {
    /// What will be done.
    pub action: Action,
    /// One sentence: what must happen first.
    pub until: String,
}

/// One action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Action {
    /// What.
    pub kind: ActionKind,
    /// The node that it concerns; for a fence, the target.
    pub node: NodeId,
    /// The instance; none for node actions.
    pub instance: Option<InstanceId>,
    /// One sentence.
    pub why: String,
}

/// Every kind of action there is. Probe, start, stop and fence are planned; no cluster file can ask for the others yet
/// (unknown keys are errors), so no plan has them. A plan that has one all the same is not carried out: the core holds
/// and says so (S20).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ActionKind {
    /// Find out whether it runs.
    Probe,
    /// Start.
    Start,
    /// Stop.
    Stop,
    /// Promote.
    Promote,
    /// Demote.
    Demote,
    /// Hand over to another node while running.
    MigrateTo {
        /// Where to.
        target: NodeId,
    },
    /// Take over from another node while running.
    MigrateFrom {
        /// Where from.
        source: NodeId,
    },
    /// Tell a clone's instances what happens.
    Notify,
    /// Reload changed parameters.
    Reload,
    /// Begin or end periodic checks.
    Monitor,
    /// Fence the node.
    Fence {
        /// Why.
        reason: FenceReason,
    },
    /// Give the node access again.
    Unfence,
}

impl fmt::Display for ActionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Probe => f.write_str("probe"),
            Self::Start => f.write_str("start"),
            Self::Stop => f.write_str("stop"),
            Self::Promote => f.write_str("promote"),
            Self::Demote => f.write_str("demote"),
            Self::MigrateTo { target } => write!(f, "migration to {target}"),
            Self::MigrateFrom { source } => write!(f, "migration from {source}"),
            Self::Notify => f.write_str("notify"),
            Self::Reload => f.write_str("reload"),
            Self::Monitor => f.write_str("monitor"),
            Self::Fence { .. } => f.write_str("fencing"),
            Self::Unfence => f.write_str("unfencing"),
        }
    }
}

/// Why everything is where it is; `hactl explain` and `status` read it and never recompute.
#[derive(Clone, Debug, Default, PartialEq, Hash, Serialize, Deserialize)]
pub struct Report {
    /// Per instance.
    pub instances: BTreeMap<InstanceId, InstanceReport>,
    /// Per node: what keeps it from taking part, one sentence.
    pub nodes: BTreeMap<NodeId, String>,
}

/// Why one instance is where it is.
#[derive(Clone, Debug, Default, PartialEq, Hash, Serialize, Deserialize)]
pub struct InstanceReport {
    /// The node it should run on.
    pub wanted: Option<NodeId>,
    /// One sentence: why there, or why nowhere, or what it waits for. Empty when all is as wished.
    pub why: String,
    /// Terms of the score on each node; their sum is what placement used.
    pub scores: BTreeMap<NodeId, Vec<ScoreTerm>>,
}

/// One term of a score.
#[derive(Clone, Debug, PartialEq, Hash, Serialize, Deserialize)]
pub struct ScoreTerm {
    /// How much; −INFINITY bans.
    pub score: Score,
    /// Why, in words.
    pub why: String,
    /// The line that said so.
    pub origin: Origin,
}
