//! What others may read of the core: for status, for decisions, for tests. Changes nothing.

use crate::log::{Entry, LogPos, Snapshot};
use crate::message::Identity;
use crate::node::Raft;
use crate::peers::BarReason;
use crate::progress::Flow;
use crate::settings::HardState;
use crate::state::{Role, State};
use ha_model::{BootNs, Index, NodeId, StoreId, Term};
use std::collections::BTreeMap;
use std::fmt::Debug;

/// The leader's view of one follower.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FollowerView {
    /// Its log is durable and the same through here.
    pub matched: Index,
    /// It is being sent a snapshot.
    pub in_snapshot: bool,
    /// The store that speaks for it.
    pub store: Option<StoreId>,
    /// When it was last heard, by this node's clock.
    pub heard_at: Option<BootNs>,
    /// Why it has no vote, though it is a voter.
    pub barred: Option<BarReason>,
}

impl<P: Clone + PartialEq + Debug> Raft<P> {
    /// This node's part.
    #[must_use]
    pub fn role(&self) -> Role {
        match &self.state {
            State::Follower if self.may_stand() => Role::Follower,
            State::Follower => Role::Learner,
            State::PreCandidate(_) => Role::PreCandidate,
            State::Candidate(_) => Role::Candidate,
            State::Leader(_) => Role::Leader,
            State::Failed => Role::Failed,
        }
    }

    /// Who this node is to its peers.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Whether this node leads. That alone proves nothing about now: see `lease_until`.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        matches!(self.state, State::Leader(_))
    }

    /// Whether this node leads and knows all that is committed: the first entry of its term is.
    #[must_use]
    pub fn is_serving(&self) -> bool {
        self.check_serving().is_ok() && self.log.term_at(self.commit) == Some(self.hard.term)
    }

    /// To whom this leader is handing over; while it does it has no lease.
    #[must_use]
    pub fn transferring(&self) -> Option<&NodeId> {
        let State::Leader(leading) = &self.state else { return None };
        leading.transfer.as_ref().map(|t| &t.to)
    }

    /// The leader of this term, where known.
    #[must_use]
    pub fn leader(&self) -> Option<&NodeId> {
        self.leader.as_ref()
    }

    /// Until when this node votes for nobody, by its own clock, because it acknowledged a leader's beat; in the past where
    /// nothing binds it. A hand-over of that leader alone is voted on earlier.
    #[must_use]
    pub fn promised_until(&self) -> BootNs {
        self.lock.until
    }

    /// This node's term.
    #[must_use]
    pub fn term(&self) -> Term {
        self.hard.term
    }

    /// The newest hard state, durable or not.
    #[must_use]
    pub fn hard_state(&self) -> &HardState {
        &self.hard
    }

    /// Entries through here are committed, as far as this node knows.
    #[must_use]
    pub fn commit_index(&self) -> Index {
        self.commit
    }

    /// Entries through here were handed out.
    #[must_use]
    pub fn applied_index(&self) -> Index {
        self.applied
    }

    /// End of the log.
    #[must_use]
    pub fn last_log(&self) -> LogPos {
        self.log.last()
    }

    /// An entry that is still in memory.
    #[must_use]
    pub fn entry(&self, index: Index) -> Option<&Entry<P>> {
        self.log.get(index)
    }

    /// Term of the entry at `index`, while it or the position just before the log is held.
    #[must_use]
    pub fn term_at(&self, index: Index) -> Option<Term> {
        self.log.term_at(index)
    }

    /// Number of entries in memory.
    #[must_use]
    pub fn log_len(&self) -> usize {
        self.log.len()
    }

    /// The newest snapshot.
    #[must_use]
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Why `node` has no vote, though it is a voter: as far as this node heard.
    #[must_use]
    pub fn barred(&self, node: &NodeId) -> Option<BarReason> {
        self.peers.bar(node, self.peers.store_of(node)?, self.membership())
    }

    /// The store that speaks for `node`.
    #[must_use]
    pub fn store_of(&self, node: &NodeId) -> Option<StoreId> {
        self.voice_of(node)
    }

    /// The followers as the leader sees them; empty on others.
    #[must_use]
    pub fn progress(&self) -> BTreeMap<NodeId, FollowerView> {
        let State::Leader(leading) = &self.state else { return BTreeMap::new() };
        let view = |(node, progress): (&NodeId, &crate::progress::Progress)| {
            let view = FollowerView {
                matched: progress.matched,
                in_snapshot: matches!(progress.flow, Flow::Snapshot { .. }),
                store: progress.identity.map(|i| i.store),
                heard_at: self.peers.get(node).and_then(|p| p.heard_at),
                barred: self.barred(node),
            };
            (node.clone(), view)
        };
        leading.progress.iter().map(view).collect()
    }
}
