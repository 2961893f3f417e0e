//! What is cut, proven and switched on: S3, S7, S8, S9, S18.

use super::{AFTER_THAW, TOLD_KEPT, WINDOW};
use crate::act::Moment;
use crate::world::{Host, World};
use ha_fencing::FENCES_PER_WINDOW;
use ha_model::{Incarnation, NodeId, Notice, TimelineEvent};

impl World {
    /// S3: nothing begins to be cut that no committed request is for. (An off that was begun may come to be done after its
    /// request was closed: no design can call it back.)
    pub(crate) fn check_off(&mut self, id: &NodeId, target: &NodeId) {
        let now = self.hosts[id].clock.at(self.t);
        let was_thawed = now.0 < self.hosts[id].thawed_at.0 + AFTER_THAW;
        let is_asked = |h: &Host| h.node().is_some_and(|n| n.state().fence_of(target).is_some());
        if !was_thawed && !self.hosts.values().any(is_asked) {
            self.fail("S3", format!("{id} cuts {target}, and no fence is open for it"));
        }
    }

    /// What the log says, at the first node that applies it.
    pub(crate) fn told(&mut self, id: &NodeId, event: &TimelineEvent) {
        let told = (event.index, event.notice.text());
        let is_old = event.index.0 + TOLD_KEPT < self.ledger.told.last().map_or(0, |(index, _)| index.0);
        if is_old || !self.ledger.told.insert(told) {
            return;
        }
        while self.ledger.told.first().is_some_and(|(index, _)| index.0 + TOLD_KEPT < event.index.0) {
            self.ledger.told.pop_first();
        }
        self.record_said(id, &event.notice);
        self.tell(format!("    {id}: {}", event.notice.text()));
        match &event.notice {
            Notice::NodeLost { .. } => self.moment(Moment::Lost),
            Notice::FenceRequested { .. } => self.moment(Moment::FenceRequested),
            Notice::FenceProven { node, .. } => {
                self.judge_proof(id, node);
                self.moment(Moment::FenceProven);
            }
            Notice::NodeJoined { node, incarnation, .. } => {
                self.judge_join(node, *incarnation);
                self.moment(Moment::Joined);
            }
            _ => {}
        }
    }

    /// S7: what is proven off is off: that boot has no power any more.
    pub(crate) fn judge_proof(&mut self, id: &NodeId, target: &NodeId) {
        self.ledger.cut_at.remove(target);
        let (Some(host), Some(node)) = (self.hosts.get(target), self.hosts[id].node()) else { return };
        let boot = self.incarnation(target);
        let is_over = node.state().node(target).is_some_and(|r| r.has_ended(boot));
        if host.is_on && is_over && self.ledger.unseen.contains(target) {
            // A human's false word, as a switch's.
            self.has_lied = true;
        }
        let host = &self.hosts[target];
        if host.is_on && is_over && !self.has_lied {
            self.fail("S7", format!("{target} is proven off and has power"));
        }
    }

    /// S8, S18: a boot that was over before this step does not come back.
    pub(crate) fn judge_join(&mut self, joined: &NodeId, incarnation: Incarnation) {
        if self.ledger.ended.contains(&(joined.clone(), incarnation)) {
            self.fail("S8", format!("{joined} joins in a boot that is over"));
        }
    }

    /// S9: a node is not cut and switched on again and again.
    pub(crate) fn judge_power_on(&mut self, node: &NodeId) {
        let t = self.t;
        let times = self.ledger.switched_on.entry(node.clone()).or_default();
        times.retain(|at| t - at < WINDOW);
        times.push(t);
        let bound = FENCES_PER_WINDOW * (1 + self.ledger.helped.get(node).copied().unwrap_or(0));
        if times.len() > bound {
            let count = times.len();
            self.fail("S9", format!("{node} was switched on {count} times in an hour"));
        }
    }

    /// An operator released a node, or switched it: it may be cut as often again.
    pub(crate) fn note_help(&mut self, node: &NodeId) {
        *self.ledger.helped.entry(node.clone()).or_default() += 1;
    }
}
