//! Why a request to the core is refused: what, and what to do next.

use ha_model::{Index, NodeId, StoreId};
use std::fmt;

/// Why a proposal is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ProposeError {
    /// Another node leads, or none.
    NotLeader {
        /// Ask this one.
        leader: Option<NodeId>,
    },
    /// Leadership is being handed over.
    Transferring {
        /// To this node.
        to: NodeId,
    },
    /// The log is at its bound until a snapshot is taken.
    LogFull {
        /// Entries held.
        entries: usize,
    },
    /// One payload is past its bound.
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The bound.
        limit: usize,
    },
    /// Nothing was proposed.
    Empty,
}

impl fmt::Display for ProposeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLeader { leader: Some(leader) } => write!(f, "not the leader: ask {leader}"),
            Self::NotLeader { leader: None } => {
                f.write_str("no leader is known: wait until a majority of the voters is up and connected")
            }
            Self::Transferring { to } => write!(f, "leadership is being handed to {to}: ask it in a moment"),
            Self::LogFull { entries } => {
                write!(f, "the log holds {entries} entries, its bound: a snapshot must be taken first")
            }
            Self::TooLarge { bytes, limit } => {
                write!(f, "an entry of {bytes} bytes is past the bound of {limit}: make it smaller")
            }
            Self::Empty => f.write_str("nothing to propose"),
        }
    }
}

impl std::error::Error for ProposeError {}

/// Why a change of voters is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ChangeError {
    /// This node cannot take it now.
    NotServing(ProposeError),
    /// A change is under way, or this leader is new.
    InProgress,
    /// The number of voters would be even.
    EvenVoters(usize),
    /// A node is named twice.
    Twice(NodeId),
    /// Nothing would change.
    NoChange,
    /// No store was heard for a new voter.
    UnknownStore(NodeId),
    /// Another store speaks for the node than the one named.
    OtherStore {
        /// The node.
        node: NodeId,
        /// The store that was heard.
        speaks: StoreId,
    },
    /// Too few of the new voters are heard with the right store: the change could never be completed.
    NoQuorum,
    /// A new voter lacks too much of the log.
    NotCaughtUp {
        /// The node.
        node: NodeId,
        /// By so many entries.
        behind: u64,
    },
}

impl fmt::Display for ChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotServing(why) => write!(f, "voters unchanged: {why}"),
            Self::InProgress => {
                f.write_str("voters unchanged: the change before is not finished: wait for it and ask again")
            }
            Self::EvenVoters(n) => {
                write!(f, "voters unchanged: {n} is even; add a voter or make one of them a learner")
            }
            Self::Twice(node) => write!(f, "voters unchanged: {node} is named twice: name it once"),
            Self::NoChange => f.write_str("the members are as asked already"),
            Self::UnknownStore(node) => {
                write!(f, "voters unchanged: {node} has not been heard: start it, or leave it out")
            }
            Self::OtherStore { node, speaks } => {
                write!(f, "voters unchanged: {node} speaks with store {speaks}: name that one")
            }
            Self::NoQuorum => f.write_str(
                "voters unchanged: a majority of the new voters is silent or has no vote: start them, or leave them out",
            ),
            Self::NotCaughtUp { node, behind } => write!(
                f,
                "voters unchanged: {node} lacks {behind} entries: add it as a learner and wait until it has them"
            ),
        }
    }
}

impl std::error::Error for ChangeError {}

/// Why a hand-over is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TransferError {
    /// This node cannot hand over now.
    NotServing(ProposeError),
    /// It leads already.
    ToSelf,
    /// The node is no voter, or its store is barred.
    NoVoter(NodeId),
    /// The node is not heard.
    Silent(NodeId),
}

impl fmt::Display for TransferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotServing(why) => write!(f, "leadership unchanged: {why}"),
            Self::ToSelf => f.write_str("this node leads already"),
            Self::NoVoter(node) => write!(f, "leadership unchanged: {node} has no vote: name a voter"),
            Self::Silent(node) => {
                write!(f, "leadership unchanged: {node} is not heard: name a voter that is")
            }
        }
    }
}

impl std::error::Error for TransferError {}

/// Why a snapshot is not kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SnapshotError {
    /// Past its bound.
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The bound.
        limit: usize,
    },
    /// A newer one is held.
    NotNewer {
        /// As of this index.
        have: Index,
    },
    /// It claims entries that were not handed out.
    NotApplied {
        /// Handed out through here.
        applied: Index,
    },
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes, limit } => {
                write!(f, "snapshot of {bytes} bytes is past the bound of {limit}: the state must shrink")
            }
            Self::NotNewer { have } => write!(f, "snapshot not kept: one as of entry {have} is held"),
            Self::NotApplied { applied } => {
                write!(f, "snapshot not kept: entries are applied through {applied} only")
            }
        }
    }
}

impl std::error::Error for SnapshotError {}
