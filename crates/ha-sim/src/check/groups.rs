//! The order of a group's members: S11. Judged when a start or stop is ordered, and when the start has done its work.

use super::{Broken, TOLD_WITHIN};
use crate::world::World;
use ha_core::{Order, OrderOp};
use ha_model::{InstanceId, NodeId};

impl World {
    /// S11: a member is ordered to start where the one before it runs, and to stop where the one after it does not.
    pub(super) fn judge_group(&self, id: &NodeId, to: &NodeId, order: &Order) -> Broken {
        let host = &self.hosts[to];
        // To another life it is void.
        let is_for_it = order.stamp.incarnation == host.incarnation && host.is_session(order.stamp.session);
        let instance = &order.instance;
        match order.op {
            // Who stood still hears late of what has ended meanwhile.
            OrderOp::Start if is_for_it && !self.is_behind(id) => {
                let first = self.before(instance)?;
                let is_there = self.ran_after(to, &first, self.t.saturating_sub(TOLD_WITHIN));
                (!is_there)
                    .then(|| ("S11", format!("{id} orders {instance} to start on {to} before {first}")))
            }
            OrderOp::Stop if is_for_it => {
                let next = self.shape.after(instance.as_str()).map(InstanceId::from)?;
                let runs = host.running.contains(&next);
                runs.then(|| ("S11", format!("{id} orders {instance} to stop on {to} before {next}")))
            }
            OrderOp::Start | OrderOp::Stop | OrderOp::Probe => None,
        }
    }

    /// S11: what comes to run has the one before it beside it, unless that ended since it was ordered.
    pub(super) fn judge_begin(&self, id: &NodeId, instance: &InstanceId) -> Broken {
        let first = self.before(instance)?;
        if self.ledger.ordered_behind.contains(&(id.clone(), instance.clone())) {
            return None;
        }
        let ordered = self.ledger.ordered.get(&(id.clone(), instance.clone()));
        let since = ordered.map_or(self.t, |(_, at)| *at);
        let is_there = self.ran_after(id, &first, since.saturating_sub(TOLD_WITHIN));
        (!is_there).then(|| ("S11", format!("{instance} runs on {id} before {first}")))
    }

    /// Whether it has just gone on after it stood still, with its clock or without.
    fn is_behind(&self, id: &NodeId) -> bool {
        let host = &self.hosts[id];
        let since_thaw = host.clock.at(self.t).0.saturating_sub(host.thawed_at.0);
        self.is_out_of_time(host) || (host.thawed_at.0 > 0 && since_thaw < TOLD_WITHIN)
    }

    fn before(&self, instance: &InstanceId) -> Option<InstanceId> {
        self.shape.before(instance.as_str()).map(InstanceId::from)
    }

    /// Whether it runs there, or has run until then, and ended otherwise than by a leader's order.
    fn ran_after(&self, id: &NodeId, instance: &InstanceId, since: u64) -> bool {
        let host = &self.hosts[id];
        let is_ordered_away = self
            .ledger
            .ordered
            .get(&(id.clone(), instance.clone()))
            .is_some_and(|(op, _)| *op == OrderOp::Stop);
        let has_ended = host.ended.get(instance).is_some_and(|at| *at >= since);
        // Whom its agent calls alive, nobody can know to be dead.
        let seems = host.seems_alive.contains(instance);
        host.is_alive(instance) || seems || (has_ended && !is_ordered_away)
    }

    pub(super) fn note_order(&mut self, id: &NodeId, to: &NodeId, order: &Order) {
        let of_it = (to.clone(), order.instance.clone());
        if self.is_behind(id) {
            self.ledger.ordered_behind.insert(of_it);
        } else {
            self.ledger.ordered_behind.remove(&of_it);
        }
        self.ledger.ordered.insert((to.clone(), order.instance.clone()), (order.op, self.t));
    }
}
