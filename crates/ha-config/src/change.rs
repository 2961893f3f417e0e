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

/// What a change does to what runs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Consequence {
    /// The next call uses it.
    NextTime,
    /// It starts where the scores say.
    Starts,
    /// It stops.
    Stops,
    /// It stops with its old settings and starts with the new ones.
    Restart,
    /// It, or what depends on it, may move.
    MayMove,
    /// Members may move to join the group, and restart for the new order.
    Reordered,
    /// Everything on the node stops there first.
    StopsOnNode,
    /// The node connects anew.
    Reconnects,
    /// The set of voters changes in two steps.
    VotersChange,
    /// The node joins when it is started.
    Joins,
    /// The node leaves for good.
    Leaves,
    /// The path proves nothing until outlets were read on again.
    EvidenceLapses,
    /// The node cannot be fenced any more.
    PathGone,
    /// Every node adopts the times together.
    NewPace,
    /// What is refused and what is accepted changes.
    SafetyChanges,
    /// A cluster keeps its name for life.
    NewIdentity,
}

impl Consequence {
    /// In words that follow "it", without a full stop.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Consequence::NextTime => "used from the next time on; nothing that runs is touched",
            Consequence::Starts => "it will be started",
            Consequence::Stops => "it will be stopped",
            Consequence::Restart => "it will be restarted",
            Consequence::MayMove => "it may move",
            Consequence::Reordered => "members may move and restart to follow it",
            Consequence::StopsOnNode => "everything that runs there will be stopped or moved",
            Consequence::Reconnects => "the node connects anew; nothing that runs is touched",
            Consequence::VotersChange => "the voters change by joint consensus",
            Consequence::Joins => "it joins when its daemon is started there",
            Consequence::Leaves => {
                "everything that runs there will be stopped or moved, then its certificate is revoked"
            }
            Consequence::EvidenceLapses => {
                "the path proves nothing until its outlets were read on again (`hactl fence test`)"
            }
            Consequence::PathGone => "what it fenced loses this path; refused while a fence request is open",
            Consequence::NewPace => "all nodes adopt it together; nothing that runs is touched",
            Consequence::SafetyChanges => "`hactl status` shows every waiver that stands",
            Consequence::NewIdentity => "refused: a cluster keeps its name for life",
        }
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
    pub(crate) fn when_added(&self) -> Consequence {
        match self {
            Item::Node(_) => Consequence::Joins,
            Item::Device(_) => Consequence::EvidenceLapses,
            Item::Resource(_) => Consequence::Starts,
            Item::Group(_) => Consequence::Reordered,
            Item::Levels(_) | Item::Cluster | Item::Timing => Consequence::NextTime,
        }
    }

    pub(crate) fn when_removed(&self) -> Consequence {
        match self {
            Item::Node(_) => Consequence::Leaves,
            Item::Device(_) | Item::Levels(_) => Consequence::PathGone,
            Item::Resource(_) => Consequence::Stops,
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
    /// `resource web: option start changes from /bin/a to /bin/b: it will be restarted`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (item, words) = (&self.item, self.consequence.words());
        match &self.kind {
            ChangeKind::Added => write!(f, "{item}: new: {words}"),
            ChangeKind::Removed => write!(f, "{item}: removed: {words}"),
            ChangeKind::Changed { field, old, new } => {
                write!(f, "{item}: {field} changes from {old} to {new}: {words}")
            }
        }
    }
}
