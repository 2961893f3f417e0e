//! One change between two configurations, and its words.

use ha_model::{DeviceId, GroupId, NodeId, ResourceId};
use std::fmt;

/// What a change is about.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Item {
    /// The whole cluster.
    Cluster,
    /// The table of times.
    Timing,
    /// A node.
    Node(NodeId),
    /// A fence device.
    Device(DeviceId),
    /// The fence levels of a node.
    Levels(NodeId),
    /// A resource.
    Resource(ResourceId),
    /// A group.
    Group(GroupId),
}

/// What happened to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// One of its fields differs.
    Changed {
        /// The field in words of the cluster file: `option start`, `links`.
        field: String,
        /// The value before.
        old: String,
        /// The value after.
        new: String,
    },
}

/// How a cluster gets other nodes, links or votes today, as the end of a sentence.
pub const FORM_ANEW: &str = "form the cluster anew: stop every resource, then hanode on every node; move its data \
                             directory away; put the new file on every node (and a new node's keys); start hanode";

/// How a running cluster gets times that the votes rest on, as the end of a sentence.
pub const PACE_ANEW: &str = "change the file on every node, stop hanode on all of them, start it again, then apply \
                             the file; the votes follow when each hanode is started once more";

/// What a change does to what runs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Consequence {
    /// The next call uses it.
    NextTime,
    /// It starts where the scores say.
    Starts,
    /// It is new and disabled.
    StaysStopped,
    /// It stops.
    Stops,
    /// What it is changes; not while it runs.
    StopFirst,
    /// It is gone; not while it runs.
    StopForGood,
    /// It, or what depends on it, may move.
    MayMove,
    /// Members may move to join the group, and restart for the new order.
    Reordered,
    /// Nodes, their roles, links and votes stay.
    NodesStay,
    /// A node cannot be taken out.
    NodeStaysIn,
    /// The next fence uses it.
    NextFence,
    /// The path proves nothing until outlets were read on again.
    EvidenceLapses,
    /// The node cannot be fenced by it any more.
    PathGone,
    /// Every node adopts the times together.
    NewPace,
    /// Each daemon reads it once, when it starts.
    NextDaemonStart,
    /// The votes rest on it: as every voter was started.
    VotesRestOnIt,
    /// What is refused and what is accepted changes.
    SafetyChanges,
    /// A cluster keeps its name for life.
    NewIdentity,
}

/// When the cluster does not take a change, and the whole file with it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Refused {
    /// It is taken.
    Never,
    /// While the resource may be running.
    WhileItRuns,
    /// While a node that it concerns is lost or being fenced, and not proven off.
    WhileUnproven,
    /// While the daemons were started with another one.
    UntilRestarted,
    /// Always.
    Always,
}

impl Consequence {
    /// When the cluster refuses it.
    #[must_use]
    pub fn refused(self) -> Refused {
        match self {
            Consequence::NextTime
            | Consequence::Starts
            | Consequence::StaysStopped
            | Consequence::Stops
            | Consequence::MayMove
            | Consequence::Reordered
            | Consequence::NewPace
            | Consequence::NextDaemonStart
            | Consequence::SafetyChanges => Refused::Never,
            Consequence::StopFirst | Consequence::StopForGood => Refused::WhileItRuns,
            Consequence::NextFence | Consequence::EvidenceLapses | Consequence::PathGone => {
                Refused::WhileUnproven
            }
            Consequence::VotesRestOnIt => Refused::UntilRestarted,
            Consequence::NodesStay | Consequence::NodeStaysIn | Consequence::NewIdentity => Refused::Always,
        }
    }

    /// In words without a full stop, as the cluster will do it.
    fn words(self, item: &Item) -> String {
        let name = item.name();
        let fixed = match self {
            Consequence::NextTime => "used from the next time on; nothing that runs is touched",
            Consequence::Starts => "it will be started",
            Consequence::StaysStopped => "it is not started: it is disabled",
            Consequence::Stops => "it will be stopped",
            Consequence::StopFirst => {
                return format!(
                    "refused unless it is stopped: first hactl resource stop {name}, then apply, then hactl resource start {name}"
                );
            }
            Consequence::StopForGood => {
                return format!("refused unless it is stopped: first hactl resource stop {name}, then apply");
            }
            Consequence::MayMove => "it may move",
            Consequence::Reordered => "members may move and restart to follow it",
            Consequence::NodesStay => {
                return format!(
                    "refused: a cluster keeps its nodes, their roles, links and votes; {FORM_ANEW}"
                );
            }
            Consequence::NodeStaysIn => {
                return format!(
                    "refused: a cluster keeps its nodes; take work off it with: hactl node standby {name}"
                );
            }
            Consequence::NextFence => {
                "used from the next fence on; refused while a node is lost or being fenced and not proven off"
            }
            Consequence::EvidenceLapses => {
                "the path proves nothing until its outlets were read on again (`hactl fence test`); refused while a \
                 node on it is lost or being fenced and not proven off"
            }
            Consequence::PathGone => {
                "what it fenced loses this path; refused while such a node is lost or being fenced and not proven off"
            }
            Consequence::NewPace => "all nodes adopt it together; nothing that runs is touched",
            Consequence::NextDaemonStart => {
                "each hanode uses it from its next start on: put this file on its node too"
            }
            Consequence::VotesRestOnIt => {
                return format!("refused while hanode runs with the old one: {PACE_ANEW}");
            }
            Consequence::SafetyChanges => "`hactl status` shows every waiver that stands",
            Consequence::NewIdentity => "refused: a cluster keeps its name for life",
        };
        fixed.to_owned()
    }
}

/// One change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// What it is about.
    pub item: Item,
    /// What happened to it.
    pub kind: ChangeKind,
    /// What that does to what runs.
    pub consequence: Consequence,
}

impl Item {
    fn name(&self) -> &str {
        match self {
            Item::Cluster | Item::Timing => "",
            Item::Node(id) | Item::Levels(id) => id.as_str(),
            Item::Device(id) => id.as_str(),
            Item::Resource(id) => id.as_str(),
            Item::Group(id) => id.as_str(),
        }
    }

    pub(crate) fn when_added(&self) -> Consequence {
        match self {
            Item::Node(_) => Consequence::NodesStay,
            Item::Device(_) => Consequence::EvidenceLapses,
            Item::Levels(_) => Consequence::NextFence,
            Item::Resource(_) => Consequence::Starts,
            Item::Group(_) => Consequence::Reordered,
            Item::Cluster | Item::Timing => Consequence::NextTime,
        }
    }

    pub(crate) fn when_removed(&self) -> Consequence {
        match self {
            Item::Node(_) => Consequence::NodeStaysIn,
            Item::Device(_) | Item::Levels(_) => Consequence::PathGone,
            Item::Resource(_) => Consequence::StopForGood,
            Item::Group(_) => Consequence::MayMove,
            Item::Cluster | Item::Timing => Consequence::NextTime,
        }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Item::Cluster => f.write_str("cluster"),
            Item::Timing => f.write_str("timing"),
            Item::Node(id) => write!(f, "node {id}"),
            Item::Device(id) => write!(f, "fence device {id}"),
            Item::Levels(id) => write!(f, "fence levels of {id}"),
            Item::Resource(id) => write!(f, "resource {id}"),
            Item::Group(id) => write!(f, "group {id}"),
        }
    }
}

impl fmt::Display for Change {
    /// `resource web: priority changes from 0 to 5: it may move`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (item, words) = (&self.item, self.consequence.words(&self.item));
        match &self.kind {
            ChangeKind::Added => write!(f, "{item}: new: {words}"),
            ChangeKind::Removed => write!(f, "{item}: removed: {words}"),
            ChangeKind::Changed { field, old, new } => {
                write!(f, "{item}: {field} changes from {old} to {new}: {words}")
            }
        }
    }
}
