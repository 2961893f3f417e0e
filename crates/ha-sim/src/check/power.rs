//! What is cut, proven and switched on: S3, S7, S8, S9, S18.

use super::{Broken, TOLD_KEPT, WINDOW};
use crate::act::Moment;
use crate::world::{Host, MS, World};
use ha_fencing::FENCES_PER_WINDOW;
use ha_model::{EffectId, Incarnation, NodeId, Notice, TimelineEvent};

impl World {
    /// S3: nothing begins to be cut but by an order that this executor was given in the newest term it knows, within the
    /// time that the order and its attempt may take, and whose request is not closed as far as the executor can know. (The
    /// order itself was judged when it left.) S9: two nodes do not cut each other.
    pub(crate) fn check_off(&mut self, id: &NodeId, target: &NodeId, call: EffectId) {
        let broken = self.judge_off(id, target).or_else(|| self.judge_mutual(id, target));
        self.ledger.offs.insert(target.clone());
        if let Some(daemon) = &mut self.host(id).daemon {
            daemon.cutting.insert(call, target.clone());
        }
        if let Some((rule, what)) = broken {
            self.fail(rule, what);
        }
    }

    fn judge_off(&self, id: &NodeId, target: &NodeId) -> Broken {
        let host = &self.hosts[id];
        let node = host.node().filter(|_| !self.is_out_of_time(host))?;
        let Some(order) = self.ledger.cuts.get(&(id.clone(), target.clone())) else {
            return Some(("S3", format!("{id} cuts {target}, and nobody has ordered it")));
        };
        let (now, known) = (node.votes().term(), node.applied());
        if order.term < now {
            return Some(("S3", format!("{id} cuts {target} by an order of {}, in {now}", order.term)));
        }
        if self.t > order.until {
            let late = (self.t - order.until) / MS;
            return Some(("S3", format!("{id} cuts {target} {late} ms after its order was over")));
        }
        let is_closed = known >= order.position && node.state().fence_of(target).is_none();
        is_closed.then(|| ("S3", format!("{id} cuts {target}, and no fence is open for it")))
    }

    fn judge_mutual(&self, id: &NodeId, target: &NodeId) -> Broken {
        let (host, other) = (&self.hosts[id], &self.hosts[target]);
        // Who stands still, or did with its clock, was about it before.
        let is_awake = |h: &Host| !h.is_frozen && !self.is_out_of_time(h);
        let daemon = other.daemon.as_ref().filter(|_| other.is_on && is_awake(other) && is_awake(host))?;
        let is_mutual = daemon.cutting.values().any(|whom| whom == id);
        is_mutual.then(|| ("S9", format!("{id} cuts {target} while {target} cuts {id}")))
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
        if let Some((rule, what)) = self.judge_said(id, event.index, &event.notice) {
            self.fail(rule, what);
        }
        self.tell(format!("    {id}: {}", event.notice.text()));
        match &event.notice {
            Notice::NodeLost { .. } => self.moment(Moment::Lost),
            Notice::FenceRequested { .. } => self.moment(Moment::FenceRequested),
            Notice::FenceProven { node, .. } => {
                self.ledger.owed_on.insert(node.clone());
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
        if host.is_on && is_over && !self.looks_away() {
            self.fail("S7", format!("{target} is proven off and has power"));
        }
    }

    /// S8, S18: a boot that was over before this step does not come back.
    pub(crate) fn judge_join(&mut self, joined: &NodeId, incarnation: Incarnation) {
        if self.ledger.ended.contains(&(joined.clone(), incarnation)) {
            self.fail("S8", format!("{joined} joins in a boot that is over"));
        }
    }

    /// S9: a node is not cut and switched on again and again. Once for each proof: what is tried again because the switch
    /// refused, while somebody else took the power meanwhile, is no loop of the cluster's.
    pub(crate) fn judge_power_on(&mut self, node: &NodeId) {
        if !self.ledger.owed_on.remove(node) {
            return;
        }
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
