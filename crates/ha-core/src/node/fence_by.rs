//! Who runs fence agents for the leader: whom it picks, whose report counts, and when nothing that was ordered by an
//! earlier leader can be under way any more.
//!
//! Must not know: agents, verdicts. Invariants: nobody cuts itself; who is lost or condemned is not ordered to cut, but
//! the leader where nobody else is left.

use super::Node;
use super::jobs::ORDER_VALID;
use crate::state::FenceRecord;
use ha_fencing::{Attempt, level_plans};
use ha_model::{NodeId, Now};
use ha_scheduler::NodeStatus;

impl Node {
    /// An executor that is lost or condemned itself reports nothing that counts. A condemned leader does: whoever judges
    /// reports is no less to be believed when it reads by itself.
    pub(super) fn is_at_work(&self, now: Now, executor: &NodeId) -> bool {
        let status = self.state.node(executor).map(|r| r.status);
        if *executor == self.setup.me {
            return matches!(status, Some(NodeStatus::Member | NodeStatus::Condemned));
        }
        self.membership.is_present(executor, now.boot) && status == Some(NodeStatus::Member)
    }

    /// Nodes that may run agents against the target: present, not the target itself. Where whoever lives is condemned, only
    /// the leader is left. Its word is what a proof rests on anyway: it judges. So it is where nobody else's counts.
    fn candidates(&self, now: Now, target: &NodeId) -> Vec<NodeId> {
        let me = &self.setup.me;
        let mut candidates: Vec<NodeId> = self
            .config
            .nodes
            .keys()
            .filter(|id| *id != target)
            .filter(|id| *id == me || self.membership.is_present(id, now.boot))
            .filter(|id| self.state.node(id).is_some_and(|r| r.status == NodeStatus::Member))
            .cloned()
            .collect();
        let is_believed = candidates.iter().any(|id| self.counts_word_of(id, target));
        if !is_believed && me != target && self.is_at_work(now, me) && !candidates.contains(me) {
            candidates.push(me.clone());
        }
        candidates
    }

    /// Of those who may run agents against the target: those whose word of it counts come first, then those whose test of a
    /// path to it passed, this node before others; each failed attempt moves on to the next of the best.
    pub(super) fn pick_executor(&self, now: Now, target: &NodeId, attempts: u32) -> Option<NodeId> {
        let rank = |id: &NodeId| (!self.counts_word_of(id, target), !self.has_passed(now, id, target));
        let mut candidates = self.candidates(now, target);
        candidates.sort_by_key(|id| (rank(id), *id != self.setup.me));
        let best = candidates.first().map(rank)?;
        let pool = candidates.iter().filter(|id| rank(id) == best).count();
        Some(candidates[attempts as usize % pool].clone())
    }

    /// Whether some level of the target is such that an off of it counts which this node reads.
    fn counts_word_of(&self, executor: &NodeId, target: &NodeId) -> bool {
        level_plans(&self.config, target)
            .iter()
            .any(|level| self.state.counts_by(&self.config, level, executor, target))
    }

    /// Whether the word of some node that can run agents against the target counts.
    pub(super) fn is_provable(&self, now: Now, target: &NodeId) -> bool {
        let candidates = self.candidates(now, target);
        // Nobody is there to ask: that is told elsewhere.
        candidates.is_empty() || candidates.iter().any(|id| self.counts_word_of(id, target))
    }

    /// Whether the executor's newest test of some path to the target passed, and is no older than such a test may be.
    fn has_passed(&self, now: Now, executor: &NodeId, target: &NodeId) -> bool {
        self.state.paths.iter().any(|(device, by_node)| {
            let test = by_node.get(target).and_then(|p| p.tests.get(executor));
            let key = (device.clone(), target.clone(), executor.clone());
            let is_fresh = || self.is_test_younger(now, &key, self.config.timing.path_fresh);
            test.is_some_and(|t| t.failed.is_none()) && is_fresh()
        })
    }

    pub(super) fn executor_for(&self, now: Now, target: &NodeId) -> Option<NodeId> {
        self.pick_executor(now, target, 0)
    }

    /// Whether the log shows an attempt under way that an earlier leader ordered, and that cannot be: our own, which our
    /// term ended (S3), and an off that was sent just before would show in the target's silence; or any, when no order
    /// of an earlier leader holds since we lead, and the longest attempt after it is over.
    pub(super) fn is_left_over(&self, now: Now, record: &FenceRecord) -> bool {
        let Some(lead) = self.lead.as_ref().filter(|_| record.is_running) else { return false };
        let levels = level_plans(&self.config, &record.target);
        let wait = if record.executor.as_ref() == Some(&self.setup.me) {
            let settle = levels.iter().flat_map(|l| &l.devices).map(|d| d.off_settle).max();
            settle.unwrap_or_default() + self.config.timing.t_lost
        } else {
            Attempt::longest(&levels) + ORDER_VALID
        };
        now.boot.since(lead.since) > wait
    }
}
