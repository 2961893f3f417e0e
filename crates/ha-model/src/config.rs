//! The configuration of a cluster as the rest of the program sees it: complete, checked, every item with its
//! origin. Built by `ha-config` from text; nothing here reads or checks text.

use crate::ids::{AgentName, DeviceId, GroupId, NodeId, ObjectId, ResourceId};
use crate::origin::Origin;
use crate::timing::{Profile, Timing};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::time::Duration;

/// A preference or cost. Integers only; ±[`SCORE_INFINITY`] saturate (the field's ±INFINITY).
pub type Score = i64;

/// The score that no finite sum outweighs.
pub const SCORE_INFINITY: Score = 1_000_000;

/// A whole checked configuration.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ClusterConfig {
    /// The cluster's name.
    pub name: String,
    /// The pace.
    pub profile: Profile,
    /// Every protocol time, derived from the profile and overridden by the file.
    pub timing: Timing,
    /// All nodes by name.
    pub nodes: BTreeMap<NodeId, NodeConfig>,
    /// Fence devices by name.
    pub devices: BTreeMap<DeviceId, DeviceConfig>,
    /// Fence levels of each node in order; every device of a level must succeed.
    pub levels: BTreeMap<NodeId, Vec<FenceLevel>>,
    /// Resources by name.
    pub resources: BTreeMap<ResourceId, ResourceConfig>,
    /// Groups by name.
    pub groups: BTreeMap<GroupId, GroupConfig>,
    /// Score that a running resource has for the node where it runs, unless it says otherwise.
    pub stickiness: Score,
    /// Waivers that were typed, shown by `status` for as long as they stand.
    pub waivers: BTreeMap<Waiver, Origin>,
    /// SHA-256 of the source text.
    pub sha256: [u8; 32],
}

/// What a node is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Role {
    /// Runs resources; votes when chosen as a voter.
    Member,
    /// Votes, runs nothing.
    Witness,
}

/// One node.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct NodeConfig {
    /// Member or witness.
    pub role: Role,
    /// Addresses of the node, one for each link, in the order of links.
    pub links: Vec<IpAddr>,
    /// Device that resets the host when its daemon cannot keep what it was granted for: `/dev/watchdog`.
    pub watchdog: Option<String>,
    /// Whether it is a voter in a newly formed cluster (their number is odd).
    pub votes: bool,
    /// Position in the file; breaks ties.
    pub position: u32,
    /// Where it stands.
    pub origin: Origin,
}

/// One fence device.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct DeviceConfig {
    /// The fence agent's name or path.
    pub agent: AgentName,
    /// Options as passed to the agent; secrets only as names of files.
    pub options: BTreeMap<String, String>,
    /// The outlets (plugs) of each node on this device.
    pub outlets: BTreeMap<NodeId, Vec<String>>,
    /// Longest run of one agent call.
    pub timeout: Duration,
    /// Distance of the two readings on this device.
    pub off_settle: Duration,
    /// SHA-256 over agent, options and outlets: evidence gathered through the device lapses when it changes.
    pub path_hash: [u8; 32],
    /// Where it stands.
    pub origin: Origin,
}

/// One fence level of a node.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FenceLevel {
    /// Devices that must all succeed, in order.
    pub devices: Vec<DeviceId>,
    /// Where it stands.
    pub origin: Origin,
}

/// Periodic check of a running resource.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
pub struct MonitorConfig {
    /// Pause between two checks.
    pub interval: Duration,
    /// Longest run of one check.
    pub timeout: Duration,
}

/// One resource.
#[derive(Clone, PartialEq, Debug, Hash, Serialize, Deserialize)]
pub struct ResourceConfig {
    /// Agent: `vip`, `exec`, later `ocf:…`, `systemd:…`.
    pub agent: AgentName,
    /// Options of the agent.
    pub options: BTreeMap<String, String>,
    /// Periodic check.
    pub monitor: MonitorConfig,
    /// Longest start.
    pub start_timeout: Duration,
    /// Longest stop; a stop that fails or takes longer fences the node.
    pub stop_timeout: Duration,
    /// Things of which there is one in the cluster (address, lock, disk). Empty: may run anywhere at once.
    pub objects: Vec<ObjectId>,
    /// Scores for nodes, each with its line.
    pub prefer: BTreeMap<NodeId, Preference>,
    /// Score for the node where it runs; `None`: the cluster's.
    pub stickiness: Option<Score>,
    /// Failures on a node after which it is banned there until they expire. 0: never.
    pub migration_threshold: u32,
    /// Age at which a failure no longer counts.
    pub failure_timeout: Duration,
    /// Higher is placed first.
    pub priority: Score,
    /// Whether it should run.
    pub enabled: bool,
    /// Position in the file; breaks ties.
    pub position: u32,
    /// Where it stands.
    pub origin: Origin,
}

/// A score with its line.
#[derive(Clone, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
pub struct Preference {
    /// The score.
    pub score: Score,
    /// Where it stands.
    pub origin: Origin,
}

/// A group: members start in order on one node and stop in reverse order.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct GroupConfig {
    /// Members in order.
    pub members: Vec<ResourceId>,
    /// Scores for nodes.
    pub prefer: BTreeMap<NodeId, Preference>,
    /// Score for the node where it runs; `None`: the cluster's.
    pub stickiness: Option<Score>,
    /// Where it stands.
    pub origin: Origin,
}

/// An unsafe thing that the operator insists on. One per reason; its name says what is given up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Waiver {
    /// Two members without a witness: the loss of either stops everything.
    TwoMembersStopWhenOneIsLost,
    /// A member without a fence path may run exclusive resources: after its loss they stay down until a human
    /// confirms.
    UnfencedMembersBlockRecovery,
    /// Two nodes share one outlet: fencing one cuts both.
    SharedOutletCutsBothNodes,
    /// An agent that says "off" of an outlet that does not exist is believed.
    BelieveAgentThatCallsMissingOutletsOff,
    /// A forced list of voters is even: the last one listed becomes a learner, the vote stays odd.
    EvenVoterListLosesItsLastVote,
    /// Two resources with one object: they never run at the same time, whichever comes first keeps it.
    SharedObjectRunsOneResourceAtATime,
    /// The table of times breaks an inequality; the lease stays bounded all the same.
    UnsoundTimingsFenceHealthyNodes,
}

impl Waiver {
    /// Every waiver.
    pub const ALL: [Waiver; 7] = [
        Waiver::TwoMembersStopWhenOneIsLost,
        Waiver::UnfencedMembersBlockRecovery,
        Waiver::SharedOutletCutsBothNodes,
        Waiver::BelieveAgentThatCallsMissingOutletsOff,
        Waiver::EvenVoterListLosesItsLastVote,
        Waiver::SharedObjectRunsOneResourceAtATime,
        Waiver::UnsoundTimingsFenceHealthyNodes,
    ];

    /// The word in the cluster file, `waivers = ["…"]`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Waiver::TwoMembersStopWhenOneIsLost => "i-accept-that-two-members-stop-when-one-is-lost",
            Waiver::UnfencedMembersBlockRecovery => "i-accept-that-unfenced-members-block-recovery",
            Waiver::SharedOutletCutsBothNodes => "i-accept-that-a-shared-outlet-cuts-both-nodes",
            Waiver::BelieveAgentThatCallsMissingOutletsOff => {
                "i-accept-data-loss-when-the-agent-calls-missing-outlets-off"
            }
            Waiver::EvenVoterListLosesItsLastVote => "i-accept-that-the-last-listed-voter-gets-no-vote",
            Waiver::SharedObjectRunsOneResourceAtATime => {
                "i-accept-that-resources-with-one-object-exclude-each-other"
            }
            Waiver::UnsoundTimingsFenceHealthyNodes => "i-accept-that-unsound-timings-fence-healthy-nodes",
        }
    }
}

impl ResourceConfig {
    /// Whether what runs as one of them runs as the other: the same agent, options and objects. All else can change
    /// under it.
    #[must_use]
    pub fn runs_as(&self, other: &Self) -> bool {
        (&self.agent, &self.options, &self.objects) == (&other.agent, &other.options, &other.objects)
    }
}

/// The file's hash stands for what was read of it: `ha-config` makes the same of the same text.
impl Hash for ClusterConfig {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.sha256.hash(state);
    }
}

impl ClusterConfig {
    /// The voters of a newly formed cluster, in order of names.
    #[must_use]
    pub fn voters(&self) -> Vec<NodeId> {
        self.nodes.iter().filter(|(_, n)| n.votes).map(|(id, _)| id.clone()).collect()
    }

    /// Nodes that hold the log without a vote.
    #[must_use]
    pub fn learners(&self) -> Vec<NodeId> {
        self.nodes.iter().filter(|(_, n)| !n.votes).map(|(id, _)| id.clone()).collect()
    }

    /// Members: the nodes that may run resources.
    pub fn members(&self) -> impl Iterator<Item = &NodeId> {
        self.nodes.iter().filter(|(_, n)| n.role == Role::Member).map(|(id, _)| id)
    }

    /// The group that a resource belongs to.
    #[must_use]
    pub fn group_of(&self, resource: &ResourceId) -> Option<(&GroupId, &GroupConfig)> {
        self.groups.iter().find(|(_, g)| g.members.contains(resource))
    }

    /// Whether the node has at least one fence level.
    #[must_use]
    pub fn has_fence_path(&self, node: &NodeId) -> bool {
        self.levels.get(node).is_some_and(|l| !l.is_empty())
    }
}
