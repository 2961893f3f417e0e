//! The immutable input of a plan: everything the scheduler may know, and nothing else. A saved snapshot is a
//! test.

use ha_model::{
    ClusterConfig, FailedOp, FenceReason, Incarnation, InstanceId, InstanceState, NodeId, ObjectId, Origin,
    ResourceId, WallMs,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Everything a plan depends on.
#[derive(Clone, Debug, PartialEq, Hash, Serialize, Deserialize)]
pub struct Snapshot {
    /// The configuration.
    pub config: Arc<ClusterConfig>,
    /// Every configured node.
    pub nodes: BTreeMap<NodeId, NodeView>,
    /// What is known of each instance on each node; absent means never reported.
    pub observed: BTreeMap<InstanceId, BTreeMap<NodeId, ObservedView>>,
    /// Open permissions. A start of an instance whose object is open for another node is blocked.
    pub may_run: BTreeMap<ObjectId, MayRunView>,
    /// Failures that have not expired, by resource and node.
    pub failures: BTreeMap<ResourceId, BTreeMap<NodeId, FailureView>>,
    /// Operators' wishes that still hold.
    pub wishes: Wishes,
    /// Node attributes, for rules.
    pub attributes: BTreeMap<NodeId, BTreeMap<String, String>>,
    /// Wall time, for date rules and expiry.
    pub now: WallMs,
}

/// What happened before, as far as it bears on where things go next.
#[derive(Clone, Debug, Default, PartialEq, Hash, Serialize, Deserialize)]
pub struct History {
    /// Where each instance was last ordered to start. While it is active nowhere its stickiness counts there, so
    /// that a failed or restarted instance comes back in place although planning starts afresh after its stop.
    /// An instance that is missing here counts as having run where its newest failure was.
    pub last_ran: BTreeMap<InstanceId, NodeId>,
}

/// Where a node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum NodeStatus {
    /// Never spoke to this cluster; may hold anything until proven otherwise.
    Unseen,
    /// Takes part.
    Member,
    /// Lost; nothing was sent yet.
    Lost,
    /// An off may have been sent.
    Condemned,
    /// Proven off, or its old boot is proven gone.
    Off,
    /// Left cleanly.
    Left,
}

impl fmt::Display for NodeStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unseen => "not seen yet",
            Self::Member => "a member",
            Self::Lost => "lost",
            Self::Condemned => "condemned",
            Self::Off => "off",
            Self::Left => "gone, cleanly",
        })
    }
}

/// A node, as far as planning goes.
#[derive(Clone, Debug, PartialEq, Hash, Serialize, Deserialize)]
pub struct NodeView {
    /// Where it stands.
    pub status: NodeStatus,
    /// Its boot, when it takes part.
    pub incarnation: Option<Incarnation>,
    /// Whether it has reported to the present leader: before that nothing can be ordered there.
    pub is_ready: bool,
    /// Nothing may run there; the operator's wish with its origin.
    pub standby: Option<Origin>,
    /// Fenced too often: nothing starts there until an operator releases it.
    pub is_held: bool,
    /// Why no new exclusive resource may start there (fence path never proven, …); `None`: it may.
    pub no_exclusive: Option<String>,
    /// A fence request is open for it.
    pub fence_open: bool,
    /// Whether the cluster still waits for it to appear (formation).
    pub is_awaited: bool,
}

/// What is known of an instance on a node.
#[derive(Clone, Debug, PartialEq, Hash, Serialize, Deserialize)]
pub struct ObservedView {
    /// State.
    pub state: InstanceState,
    /// In words, where not as wished.
    pub why: Option<String>,
    /// An order for it is under way to that node or being acted on: plan nothing more for it there.
    pub in_flight: bool,
}

/// An open permission.
#[derive(Clone, Debug, PartialEq, Hash, Serialize, Deserialize)]
pub struct MayRunView {
    /// Which instance.
    pub instance: InstanceId,
    /// Where.
    pub node: NodeId,
    /// In which boot.
    pub incarnation: Incarnation,
}

/// Failures of a resource on a node.
#[derive(Clone, Debug, PartialEq, Hash, Serialize, Deserialize)]
pub struct FailureView {
    /// How many count.
    pub count: u32,
    /// The operation of the last.
    pub last_op: FailedOp,
    /// When the last was, and why, in words.
    pub last_at: WallMs,
    /// One sentence.
    pub why: String,
}

/// Operators' wishes.
#[derive(Clone, Debug, Default, PartialEq, Hash, Serialize, Deserialize)]
pub struct Wishes {
    /// Start or stop, whatever the file says.
    pub enabled: BTreeMap<ResourceId, (bool, Origin)>,
    /// Stop and start once; cleared when it has been stopped.
    pub restart: BTreeMap<ResourceId, Origin>,
    /// Run there until a time.
    pub moves: BTreeMap<ResourceId, MoveWish>,
}

/// A move with its end.
#[derive(Clone, Debug, PartialEq, Hash, Serialize, Deserialize)]
pub struct MoveWish {
    /// Where.
    pub to: NodeId,
    /// Until when.
    pub until: WallMs,
    /// Who asked.
    pub origin: Origin,
}

/// A fence that observation makes necessary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FenceNeed {
    /// The node.
    pub node: NodeId,
    /// Why.
    pub reason: FenceReason,
}
