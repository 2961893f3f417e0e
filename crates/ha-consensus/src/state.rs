//! The states of a node and what each remembers.
//!
//! Invariants: one enum; what a state remembers is gone when it is left. `Failed` is left only by a restart.

use crate::message::TransferToken;
use crate::progress::Progress;
use ha_model::{BootNs, NodeId, StoreId};
use std::collections::BTreeMap;

/// What a node is to others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Follows or waits for a leader; has a vote.
    Follower,
    /// Gets the log and has no vote.
    Learner,
    /// Asks whether it would be elected.
    PreCandidate,
    /// Stands for election.
    Candidate,
    /// Leads.
    Leader,
    /// A write failed: says nothing until restarted.
    Failed,
}

/// An election as its candidate sees it.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Ballot {
    /// Answers, each with the store that gave it.
    pub(crate) votes: BTreeMap<NodeId, (StoreId, bool)>,
    /// When it is given up.
    pub(crate) until: BootNs,
}

/// A hand-over under way.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Transfer {
    pub(crate) to: NodeId,
    pub(crate) token: TransferToken,
    pub(crate) until: BootNs,
    pub(crate) sent: bool,
}

/// What a leader remembers.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Leading {
    pub(crate) since: BootNs,
    pub(crate) progress: BTreeMap<NodeId, Progress>,
    pub(crate) transfer: Option<Transfer>,
    /// Hand-overs begun in this term.
    pub(crate) transfers: u64,
    /// Leave once this hand-over ends: the members no longer name this node.
    pub(crate) leaving: bool,
}

/// The state machine.
#[derive(Clone, Debug, Hash)]
pub(crate) enum State {
    Follower,
    PreCandidate(Ballot),
    Candidate(Ballot),
    Leader(Box<Leading>),
    Failed,
}

/// The promise to a leader: no vote for another before `until`.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Hash)]
pub(crate) struct Lock {
    pub(crate) until: BootNs,
    pub(crate) term: ha_model::Term,
    /// Hand-overs of that leader through this number are called off.
    pub(crate) cancelled: u64,
}

impl Lock {
    /// Whether the promise forbids a vote at `now`, for an election with this token.
    pub(crate) fn forbids(&self, now: BootNs, token: Option<TransferToken>) -> bool {
        match token {
            Some(t) if t.term == self.term && t.seq > self.cancelled => false,
            Some(_) | None => now < self.until,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ha_model::Term;

    #[test]
    fn only_a_live_hand_over_of_the_same_leader_opens_the_lock() {
        let lock = Lock { until: BootNs(100), term: Term(3), cancelled: 1 };
        let token = |term, seq| Some(TransferToken { term: Term(term), seq });
        let table = [
            (99, None, true),
            (100, None, false),
            (99, token(3, 2), false),
            (99, token(3, 1), true),
            (99, token(2, 9), true),
            (99, token(4, 9), true),
            (100, token(3, 1), false),
        ];
        for (now, token, want) in table {
            assert_eq!(lock.forbids(BootNs(now), token), want, "{now} {token:?}");
        }
    }
}
