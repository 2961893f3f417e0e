//! What leaves a node and what arrives there: S3, S6, S16, S17.

use super::{AFTER_THAW, Broken};
use crate::world::{Host, World};
use ha_core::{AgentOp, Effect, Order, OrderOp, PeerMessage};
use ha_model::NodeId;

fn op_of(op: OrderOp) -> AgentOp {
    match op {
        OrderOp::Probe => AgentOp::Probe,
        OrderOp::Start => AgentOp::Start,
        OrderOp::Stop => AgentOp::Stop,
    }
}

impl World {
    /// S17: no start order leaves without its open permission. S3: who orders a cut has a lease. S16: nothing is acknowledged
    /// before it is durable.
    pub(crate) fn check_message(&mut self, id: &NodeId, message: &PeerMessage) {
        let host = &self.hosts[id];
        let Some(node) = host.node() else { return };
        let broken = match message {
            PeerMessage::Order(order) if order.op == OrderOp::Start => {
                let missing = order.spec.objects.iter().find(|object| {
                    let may_run = node.state().may_run.get(*object);
                    !may_run.is_some_and(|m| m.stamp == order.stamp && m.instance == order.instance)
                });
                missing.map(|o| {
                    ("S17", format!("{id} orders a start of {} without a permission for {o}", order.instance))
                })
            }
            // Who stood still with its clock believes in a lease that is over; who hears it knows better.
            PeerMessage::ExecOrder(_) if self.is_out_of_time(host) => None,
            PeerMessage::ExecOrder(order) => {
                let is_newer = |h: &Host| {
                    h.node().is_some_and(|n| n.votes().is_leader() && n.votes().term() > order.term)
                };
                let newer = self.hosts.iter().find(|(_, h)| is_newer(h));
                newer.map(|(other, _)| {
                    let (what, target, term) = (&order.what, &order.target, order.term);
                    ("S3", format!("{id}, of {term}, orders {what:?} of {target}, and {other} leads"))
                })
            }
            PeerMessage::Raft(message) => self.judge_promise(id, message),
            _ => None,
        };
        if let Some((rule, what)) = broken {
            self.fail(rule, what);
        }
    }

    fn is_out_of_time(&self, host: &Host) -> bool {
        host.clock_stood_until.is_some_and(|at| host.clock.at(self.t).0 < at.0 + AFTER_THAW)
    }

    /// S6: what is older than what the host acted on, or is for another life of it, moves nothing. (Judged in the step in
    /// which the order arrives.)
    pub(crate) fn check_order(&self, id: &NodeId, order: &Order, effects: &[Effect]) -> Broken {
        let host = &self.hosts[id];
        let session = host.daemon.as_ref().map(|d| d.session);
        let stamp = order.stamp;
        let is_begun = |op: AgentOp| {
            effects
                .iter()
                .any(|e| matches!(e, Effect::RunAgent(r) if r.instance == order.instance && r.op == op))
        };
        let is_for_it = stamp.incarnation == host.incarnation && Some(stamp.session) == session;
        if is_for_it && host.disk.stored.acted < stamp.age_key() && is_begun(op_of(order.op)) {
            return Some((
                "S16",
                format!("{id} carries out {:?} of {} before that is durable", order.op, order.instance),
            ));
        }
        let is_stale = !is_for_it || stamp.age_key() < host.disk.stored.acted;
        let op = op_of(order.op);
        (is_stale && is_begun(op)).then(|| {
            let (instance, acted) = (&order.instance, host.disk.stored.acted);
            ("S6", format!("{id} carries out {op:?} of {instance} by {stamp:?}, acted on {acted:?}"))
        })
    }
}
