//! What the core asks its shell to do, and what it tells.
//!
//! Order of carrying out: start the persist; send the messages; apply `install_snapshot`, then `committed`; handle
//! the events. Nothing in a `Ready` depends on a write that `Raft::persisted` has not yet confirmed: what does
//! is held inside until then (S16). The shell must not send again, reorder persists, or apply twice.

use crate::log::{Entry, Snapshot};
use crate::membership::Membership;
use crate::message::Message;
use crate::peers::{BarReason, PeerMemory};
use crate::settings::HardState;
use ha_model::{Index, NodeId, StoreId, Term};

/// Names one write; writes are confirmed in the order in which they were handed out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct PersistId(pub u64);

/// One write, atomic: all of it or nothing. Applied in the order of the fields.
#[derive(Clone, PartialEq, Debug, Hash)]
pub struct Persist<P> {
    /// Its name.
    pub id: PersistId,
    /// Replaces the hard state.
    pub hard: HardState,
    /// Replaces the snapshot.
    pub snapshot: Option<Snapshot>,
    /// Drop the whole log (a snapshot from the leader replaces it).
    pub reset_log: bool,
    /// Drop entries through this index (compaction).
    pub discard_through: Option<Index>,
    /// Drop entries from this index on (they lost against the leader's).
    pub truncate_from: Option<Index>,
    /// Append these.
    pub append: Vec<Entry<P>>,
    /// Replaces what is remembered of peers.
    pub peers: Vec<PeerMemory>,
}

/// Why a node ceased to lead.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum StepDown {
    /// A quorum did not acknowledge for `t_lost`.
    NoQuorum,
    /// A higher term was seen, or leadership was handed over.
    HigherTerm,
    /// The members no longer name it a voter.
    Removed,
    /// Its store failed.
    StoreFailed,
    /// It was told to let another lead.
    Aside,
}

/// Why this node itself has no vote.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum NoVote {
    /// Its store was damaged, empty, or new: it waits to be named a voter.
    StoreLost,
    /// Another voter remembers that its store had promised more: a copy was put back. It has none until the members do without
    /// the store and name it again.
    PutBack,
    /// A write failed: until restarted it acknowledges nothing.
    WriteFailed,
}

/// What the core tells.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub enum Event {
    /// This node leads. It may serve once the empty entry of its term is among `committed`.
    BecameLeader {
        /// In this term.
        term: Term,
    },
    /// This node no longer leads.
    SteppedDown {
        /// The term it led.
        term: Term,
        /// Why.
        why: StepDown,
    },
    /// Another leader, or none, is known.
    LeaderChanged {
        /// This node's term.
        term: Term,
        /// The leader.
        leader: Option<NodeId>,
    },
    /// A membership was committed.
    VotersChanged {
        /// At this entry.
        index: Index,
        /// The members from there on.
        membership: Membership,
    },
    /// A peer's store has no vote, though the node is a voter.
    VoteBarred {
        /// The node.
        node: NodeId,
        /// The store that speaks for it.
        store: StoreId,
        /// Why it does not count.
        why: BarReason,
    },
    /// This node has no vote.
    NoVote(NoVote),
    /// A hand-over was not taken up in time; this node leads on.
    TransferFailed {
        /// Who should have taken over.
        to: NodeId,
    },
    /// The log has grown: call `snapshot_taken`.
    SnapshotWanted,
}

/// All that is to be done after one input.
#[derive(Clone, PartialEq, Debug)]
pub struct Ready<P> {
    /// A write to start.
    pub persist: Option<Persist<P>>,
    /// Messages to send; loss is survived.
    pub messages: Vec<(NodeId, Message<P>)>,
    /// Replace the application's state by this before `committed`.
    pub install_snapshot: Option<Snapshot>,
    /// Entries to apply; each once, in order.
    pub committed: Vec<Entry<P>>,
    /// What happened.
    pub events: Vec<Event>,
}

impl<P> Ready<P> {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.persist.is_none()
            && self.messages.is_empty()
            && self.install_snapshot.is_none()
            && self.committed.is_empty()
            && self.events.is_empty()
    }
}
