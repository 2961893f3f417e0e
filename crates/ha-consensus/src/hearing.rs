//! Which live voters each voter misses: one whom all hear leads better than one who is cut off from some.
//!
//! Where one pair of voters is cut from each other, whichever of the two leads loses the other, and the other asks for
//! votes for ever. So beats tell whom their sender misses, and a voter that hears more stands first and does not vote
//! for one that hears less.
//!
//! Must not know: how beats travel. Invariant: this orders candidates and delays them by a bound; it grants nothing
//! that safety would refuse.

use crate::log::LogPos;
use crate::node::Raft;
use ha_model::{BootNs, NodeId};
use std::fmt::Debug;
use std::time::Duration;

/// Most missed voters that a beat names: a quorum of nine misses no more, and a beat stays in one datagram.
pub(crate) const MISSES_TOLD: usize = 4;

impl<P: Clone + PartialEq + Debug> Raft<P> {
    /// Voters that this node did not hear within `t_lost`: those of the lowest names, for its beats.
    pub(crate) fn misses(&self, now: BootNs) -> Vec<NodeId> {
        let silent = |node: &&NodeId| {
            **node != self.settings.node && !self.peers.heard_within(node, now, self.settings.t_lost)
        };
        let mut silent: Vec<&NodeId> = self.membership().voters_of_both().filter(silent).collect();
        silent.sort();
        silent.dedup();
        silent.into_iter().take(MISSES_TOLD).cloned().collect()
    }

    /// How long a voter waits, from when it last heard a leader, for a better candidate than the one that asks; and how
    /// long one that fell silent passes for alive in that comparison. The better one stands after one `t_lost`; the
    /// second is for a machine under load, whose first attempt is lost. An election still fits into a grant of three.
    fn patience(&self) -> Duration {
        self.settings.t_lost * 2
    }

    /// How many voters `node` misses though they live, as far as this node knows.
    ///
    /// A peer that said that it misses a voter whom this node heard *later* is deaf to it; had the voter died, both
    /// would have heard its last beat at about the same time. This node is deaf to those that another says it hears;
    /// a leader that both followed does not count there, because its death is noticed by one before the other.
    #[must_use]
    pub fn deafness(&self, node: &NodeId) -> usize {
        let voters = self.membership().voter_nodes();
        if *node != self.settings.node {
            let Some(peer) = self.peers.get(node) else { return 0 };
            let is_alive = |missed: &NodeId| {
                *missed == self.settings.node || self.peers.heard_within(missed, self.now, self.patience())
            };
            return peer.deaf_to().filter(|missed| voters.contains(*missed) && is_alive(missed)).count();
        }
        let t_lost = self.settings.t_lost;
        let lives = |missed: &NodeId| {
            voters.iter().any(|other| {
                other != missed
                    && self.peers.heard_within(other, self.now, t_lost)
                    && self.peers.get(other).is_some_and(|peer| !peer.misses(missed))
            })
        };
        let is_missed = |voter: &&NodeId| {
            **voter != self.settings.node
                && self.leader.as_ref() != Some(*voter)
                && !self.peers.heard_within(voter, self.now, t_lost)
        };
        voters.iter().filter(is_missed).filter(|missed| lives(missed)).count()
    }

    /// Whether this node would be the better leader than `asker`, whose log ends at `last`, and has had little time
    /// yet to become it.
    pub(crate) fn is_better_than(&self, asker: &NodeId, last: LogPos) -> bool {
        self.stands()
            && last == self.log.last()
            && self.now < self.contact + self.patience()
            && self.deafness(asker) > self.deafness(&self.settings.node)
    }
}
