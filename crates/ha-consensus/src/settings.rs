//! What the core is told at its start: who it is, its times, its bounds, and what its store gave back.
//!
//! Invariant: `Settings::check` refuses times that would let two leases overlap.

use crate::log::{Entry, Snapshot};
use crate::message::Mark;
use crate::peers::PeerMemory;
use ha_model::{Index, NodeId, SessionId, StoreId, Term};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// Bounds on everything that could grow (S13).
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub struct Limits {
    /// Entries in one message: keeps a message's handling short beside the beats.
    pub message_entries: usize,
    /// Payload bytes in one message or snapshot piece (one entry may exceed it alone, up to `entry_bytes`).
    pub message_bytes: usize,
    /// Bytes of one proposed payload: what the stream's largest frame can carry.
    pub entry_bytes: usize,
    /// Messages under way to one follower before one is acknowledged.
    pub in_flight: usize,
    /// Entries kept behind a snapshot, so that a follower that is a little late needs no snapshot.
    pub log_tail: usize,
    /// Entries after the snapshot that make `Event::SnapshotWanted`.
    pub snapshot_after: usize,
    /// Entries in memory at which proposals are refused.
    pub log_entries: usize,
    /// Bytes of a snapshot.
    pub snapshot_bytes: usize,
    /// A new voter's log may lag by this many entries, not more.
    pub catch_up: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_entries: 256,
            message_bytes: 256 << 10,
            entry_bytes: 4 << 20,
            in_flight: 16,
            log_tail: 1024,
            snapshot_after: 4096,
            log_entries: 65_536,
            snapshot_bytes: 64 << 20,
            catch_up: 256,
        }
    }
}

/// Who this node is and how it shall behave. `P` is the application's payload.
#[derive(Clone, Debug, Hash)]
pub struct Settings<P> {
    /// This node.
    pub node: NodeId,
    /// Its store. A store that was lost, damaged or put back from a copy gets a new id.
    pub store: StoreId,
    /// This start of the daemon.
    pub session: SessionId,
    /// Silence after which a node counts as lost.
    pub t_lost: Duration,
    /// Lease; at most 0.8 `t_lost`.
    pub t_lease: Duration,
    /// From its start on a node votes for nobody for so long: its longest promise of an earlier session; at least
    /// `t_lease`.
    pub start_wait: Duration,
    /// Distance between candidates of neighbouring rank.
    pub rank_delay: Duration,
    /// Longest wait before a further attempt at an election; drawn from its upper half.
    pub retry_max: Duration,
    /// Unacknowledged appends are sent again after this.
    pub retransmit: Duration,
    /// Bounds.
    pub limits: Limits,
    /// Encoded size of a payload in bytes, for the bounds on messages.
    pub size_of: fn(&P) -> usize,
}

impl<P> Settings<P> {
    /// Settings with every time derived from `t_lost`.
    #[must_use]
    pub fn derived(
        node: NodeId,
        store: StoreId,
        session: SessionId,
        t_lost: Duration,
        size_of: fn(&P) -> usize,
    ) -> Self {
        Self {
            node,
            store,
            session,
            t_lost,
            t_lease: t_lost * 4 / 5,
            start_wait: t_lost * 4 / 5,
            rank_delay: Duration::from_millis(20),
            retry_max: t_lost / 2,
            retransmit: t_lost / 4,
            limits: Limits::default(),
            size_of,
        }
    }

    /// Checks the inequalities that safety and progress rest on.
    ///
    /// # Errors
    /// The first that fails.
    pub fn check(&self) -> Result<(), StartError> {
        let l = &self.limits;
        let counts = [l.message_entries, l.message_bytes, l.entry_bytes, l.in_flight, l.log_entries];
        if self.t_lease.is_zero() || self.t_lease > self.t_lost * 4 / 5 {
            return Err(StartError::Lease { t_lease: self.t_lease, t_lost: self.t_lost });
        }
        if self.retry_max.is_zero() || self.retransmit.is_zero() || counts.contains(&0) {
            return Err(StartError::Zero);
        }
        if l.log_entries <= l.snapshot_after + l.log_tail {
            return Err(StartError::LogBound);
        }
        Ok(())
    }
}

/// The part of the state that must be durable before what depends on it is said (Raft §5.1).
#[derive(Clone, PartialEq, Eq, Debug, Default, Hash, Serialize, Deserialize)]
pub struct HardState {
    /// Newest term.
    pub term: Term,
    /// Who got this store's vote in `term`; following a leader counts as having voted for it.
    pub voted_for: Option<NodeId>,
    /// Highest index acknowledged in `term`.
    pub acked: Index,
    /// Highest index ever acknowledged, or held as a leader, in whatever term; it never falls, though the log may.
    pub promised: Index,
    /// Another voter remembers that the store had promised more, through here: it was put back from a copy, and has no vote
    /// until the members name it later than that.
    pub regressed: Option<Index>,
    /// The store was lost or damaged: no vote until the members name this very store a voter (S16).
    pub no_vote: bool,
}

impl HardState {
    /// How far the store has promised.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark { term: self.term, index: self.acked }
    }
}

/// What the store gave back at start.
#[derive(Clone, PartialEq, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one, for a moment, at a daemon's start")]
pub enum Restored<P> {
    /// A new cluster, formed from a file that is the same on every node.
    Fresh {
        /// The first voters; an odd number.
        voters: Vec<NodeId>,
        /// The first learners.
        learners: Vec<NodeId>,
    },
    /// All that was persisted.
    Intact {
        /// Newest hard state.
        hard: HardState,
        /// Newest snapshot; formation leaves one at index 0.
        snapshot: Snapshot,
        /// All entries held, consecutive, from at most one after the snapshot.
        log: Vec<Entry<P>>,
        /// What is remembered of peers.
        peers: Vec<PeerMemory>,
    },
    /// The store was damaged; a new one (new `StoreId`) was made. Takes part as a learner without a vote.
    Corrupt,
    /// The store is empty where it should not be, or the node joins a running cluster. As `Corrupt`.
    Wiped,
}

/// Why a core refuses to start.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StartError {
    /// The lease is too long for the time after which others stand for election.
    Lease {
        /// As set.
        t_lease: Duration,
        /// As set.
        t_lost: Duration,
    },
    /// A time or bound is zero.
    Zero,
    /// The log's bound leaves no room for the tail and the entries between snapshots.
    LogBound,
    /// The first voters are an even number.
    EvenVoters(usize),
    /// What the store gave back contradicts itself; treat the store as corrupt.
    Inconsistent(&'static str),
    /// The stored snapshot is whole, but of a form that this version does not know: why.
    Unreadable(String),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lease { t_lease, t_lost } => {
                write!(f, "lease {t_lease:?} is not within 0.8 of T_lost {t_lost:?}: shorten the lease")
            }
            Self::Zero => f.write_str("a time or bound of the vote core is zero: set it above zero"),
            Self::LogBound => f.write_str("log_entries must exceed snapshot_after + log_tail: raise it"),
            Self::EvenVoters(n) => {
                write!(f, "{n} voters: the number of voters must be odd; add a witness or make one a learner")
            }
            Self::Inconsistent(what) => {
                write!(
                    f,
                    "the stored votes and log contradict themselves ({what}): treat the store as corrupt"
                )
            }
            Self::Unreadable(why) => {
                write!(
                    f,
                    "the stored snapshot cannot be read ({why}): a newer hanode wrote it; upgrade hanode on this node (keep its store: it holds the votes)"
                )
            }
        }
    }
}

impl std::error::Error for StartError {}
