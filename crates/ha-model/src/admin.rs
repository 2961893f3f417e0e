//! What an operator asks of the cluster and what it answers; the same types from `hactl` to the leader.
//!
//! Invariant: no internally tagged enum: they go over the wire between nodes too, whose format does not describe
//! itself.

use crate::ids::{DeviceId, Index, InstanceId, NodeId, ResourceId, Term};
use crate::notice::{Level, TimelineEvent};
use crate::time::WallMs;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// A request of an operator.
#[derive(Clone, PartialEq, Debug, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdminRequest {
    /// The state of everything.
    Status,
    /// The newest events, oldest first.
    Timeline {
        /// At most so many (bounded by the cluster's own limit).
        limit: u32,
    },
    /// The configuration text in force.
    ConfigShow,
    /// Check a text on the nodes and put it in force.
    ConfigApply {
        /// File name, for messages.
        name: String,
        /// Text.
        text: String,
    },
    /// Everything off the node, nothing new on it.
    NodeStandby {
        /// Node.
        node: NodeId,
    },
    /// Takes back standby and releases a hold.
    NodeOnline {
        /// Node.
        node: NodeId,
    },
    /// Start, whatever the file says.
    ResourceStart {
        /// Resource.
        resource: ResourceId,
    },
    /// Stop, whatever the file says.
    ResourceStop {
        /// Resource.
        resource: ResourceId,
    },
    /// Stop and start once.
    ResourceRestart {
        /// Resource.
        resource: ResourceId,
    },
    /// Run there until a time.
    ResourceMove {
        /// Resource.
        resource: ResourceId,
        /// Where; `None`: away from where it is.
        to: Option<NodeId>,
        /// For how long the wish holds, seconds.
        for_s: u64,
    },
    /// Forget failures.
    ResourceCleanup {
        /// Resource; `None`: all.
        resource: Option<ResourceId>,
        /// Node; `None`: all.
        node: Option<NodeId>,
    },
    /// Fence now.
    FenceOff {
        /// Node.
        node: NodeId,
    },
    /// Power on a fenced node now.
    FenceOn {
        /// Node.
        node: NodeId,
    },
    /// A human has made sure that the node is off.
    FenceConfirm {
        /// Node.
        node: NodeId,
    },
    /// Test the paths to a node without harm; answered when done.
    FenceTest {
        /// Node; `None`: every node.
        node: Option<NodeId>,
    },
    /// Past fences.
    FenceHistory {
        /// Node; `None`: every node.
        node: Option<NodeId>,
    },
}

/// Marks an answer that a node gave by itself, because it could not ask a leader: it may be older than what the
/// others know.
#[derive(Clone, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
pub struct OwnView {
    /// The node.
    pub node: NodeId,
    /// The leader that it could not ask; `None`: it knows of none.
    pub leader: Option<NodeId>,
    /// Why not, as the beginning of a sentence: "cannot reach the leader alpha".
    pub why: String,
    /// The newest position of the log that is applied there.
    pub position: Index,
}

impl OwnView {
    /// The one sentence that stands above such an answer.
    #[must_use]
    pub fn text(&self) -> String {
        let OwnView { node, why, position, .. } = self;
        format!("{why}: this is what {node} knows itself, as of log position {position}")
    }
}

/// The answer.
#[derive(Clone, PartialEq, Debug, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdminReply {
    /// Done, and what follows from it.
    Done {
        /// One sentence.
        message: String,
    },
    /// Not done.
    Refused {
        /// What stands in the way.
        why: String,
        /// What to do.
        help: Option<String>,
    },
    /// No leader can be reached now.
    Unavailable {
        /// What is missing.
        why: String,
    },
    /// Status.
    Status(Box<StatusView>),
    /// Timeline.
    Timeline {
        /// Events, oldest first.
        events: Vec<TimelineEvent>,
        /// Set where the leader could not be asked.
        own_view: Option<OwnView>,
    },
    /// Configuration.
    Config {
        /// File name as applied.
        name: String,
        /// Text.
        text: String,
        /// SHA-256 in hexadecimal.
        sha256: String,
        /// Set where the leader could not be asked.
        own_view: Option<OwnView>,
    },
    /// Path tests.
    FenceTest {
        /// One per device and node.
        paths: Vec<PathView>,
    },
    /// History.
    FenceHistory {
        /// Oldest first.
        events: Vec<TimelineEvent>,
        /// Set where the leader could not be asked.
        own_view: Option<OwnView>,
    },
}

/// Whether the cluster works.
#[derive(Clone, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Waiting for nodes; nothing was started yet.
    Forming {
        /// For whom it waits.
        waits_for: Vec<NodeId>,
        /// How much longer before it goes on without them, ms.
        remaining_ms: u64,
    },
    /// No majority of voters is heard from here.
    NoQuorum {
        /// Voters heard, this node included.
        heard: Vec<NodeId>,
        /// Voters needed.
        needed: u32,
    },
    /// A leader decides.
    Active,
    /// Resources stay as they are, safety rules go on.
    Hold {
        /// Why.
        why: String,
    },
}

/// The state of everything, as one node sees it (the leader, where there is one).
#[derive(Clone, PartialEq, Debug, Hash, Serialize, Deserialize)]
pub struct StatusView {
    /// Cluster name.
    pub cluster: String,
    /// The node whose view it is.
    pub seen_by: NodeId,
    /// When.
    pub at: WallMs,
    /// Whether the cluster works.
    pub state: Phase,
    /// The leader.
    pub leader: Option<NodeId>,
    /// Its term.
    pub term: Term,
    /// Voters.
    pub voters: Vec<NodeId>,
    /// Nodes.
    pub nodes: Vec<NodeRow>,
    /// Resource instances.
    pub resources: Vec<ResourceRow>,
    /// Open fence requests.
    pub fences: Vec<FenceRow>,
    /// Fence paths.
    pub paths: Vec<PathView>,
    /// Waivers in force: word and place.
    pub waivers: Vec<(String, String)>,
    /// Warnings of any node.
    pub warnings: Vec<(NodeId, Level, String)>,
    /// Set where the leader could not be asked: then it is what `seen_by` knows itself.
    pub own_view: Option<OwnView>,
}

/// A node.
#[derive(Clone, PartialEq, Debug, Hash, Serialize, Deserialize)]
pub struct NodeRow {
    /// Name.
    pub name: NodeId,
    /// `member` or `witness`.
    pub role: String,
    /// `voter` or `learner`.
    pub vote: String,
    /// One word: online, standby, joining, lost, fencing, off, held, unseen, left, daemon-gone.
    pub state: String,
    /// Boot, shortened.
    pub boot: Option<String>,
    /// Links: address and whether it is heard over it. Of `seen_by` itself, `false` where it hears others, but nobody
    /// over this link: then the silence of theirs is its own.
    pub links: Vec<(IpAddr, bool)>,
    /// One sentence where it is not as wished.
    pub why: Option<String>,
}

/// A resource instance.
#[derive(Clone, PartialEq, Debug, Hash, Serialize, Deserialize)]
pub struct ResourceRow {
    /// Instance.
    pub name: InstanceId,
    /// Group.
    pub group: Option<String>,
    /// Agent.
    pub agent: String,
    /// One word: running, starting, stopping, stopped, failed, blocked, unknown.
    pub state: String,
    /// Whether it should run: `false` where the cluster file disables it and no operator ordered it to start. One
    /// that an operator stopped should still run: somebody may have forgotten it.
    pub is_wanted: bool,
    /// Where it is, or is wanted.
    pub node: Option<NodeId>,
    /// Counted failures by node.
    pub failures: Vec<(NodeId, u32)>,
    /// One sentence where it is not as wished, or where a wish holds (a move: until when).
    pub why: Option<String>,
}

/// An open fence request.
#[derive(Clone, PartialEq, Debug, Hash, Serialize, Deserialize)]
pub struct FenceRow {
    /// Node.
    pub node: NodeId,
    /// Why.
    pub reason: String,
    /// Attempts so far.
    pub attempts: u32,
    /// One word: requested, off-sent, waiting, blocked.
    pub state: String,
    /// What the last attempt said, and what to do.
    pub why: Option<String>,
    /// Time to the next attempt, ms.
    pub next_ms: Option<u64>,
}

/// A fence path: one device, one node's outlets.
#[derive(Clone, PartialEq, Debug, Hash, Serialize, Deserialize)]
pub struct PathView {
    /// Device.
    pub device: DeviceId,
    /// Node.
    pub node: NodeId,
    /// Works: read on, with evidence.
    pub works: bool,
    /// Node that tested last.
    pub tested_by: Option<NodeId>,
    /// When.
    pub at: Option<WallMs>,
    /// Why not.
    pub why: Option<String>,
}
