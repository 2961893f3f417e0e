//! S20: while the planner fails, nothing that runs is stopped, nor anything started.
//!
//! Must not know: why it fails.

use crate::world::World;
use ha_core::{OrderOp, PeerMessage, PlannerInput};
use ha_model::NodeId;
use ha_model::sabotage::{self, Sabotage};

impl World {
    /// The planner failed, and its input was kept. It never does, unless it is made to.
    pub(crate) fn judge_planner(&mut self, id: &NodeId, input: &PlannerInput) {
        if !sabotage::is(Sabotage::PanicStops) {
            return self.fail("S20", format!("planner failed: {}", input.why));
        }
        self.tell(format!("planner of {id} failed: {}", input.why));
        let under_way = input.snapshot.observed.iter().flat_map(|(instance, by_node)| {
            let under_way = by_node.iter().filter(|(_, view)| view.in_flight);
            under_way.map(|(node, _)| (node.clone(), instance.clone()))
        });
        self.ledger.held.insert(id.clone(), under_way.collect());
    }

    /// S20: an order of a leader that holds was under way when it began to.
    pub(crate) fn check_hold(&mut self, id: &NodeId, to: &NodeId, message: &PeerMessage) {
        let PeerMessage::Order(order) = message else { return };
        if order.op == OrderOp::Probe || !self.ledger.held.contains_key(id) {
            return;
        }
        let unfinished = self.hosts[id].node().and_then(ha_core::Node::unfinished);
        if !unfinished.is_some_and(|what| what.starts_with("hold:")) {
            self.ledger.held.remove(id);
            return;
        }
        if !self.ledger.held[id].contains(&(to.clone(), order.instance.clone())) {
            let (op, instance) = (order.op, &order.instance);
            self.fail("S20", format!("{id} orders {op:?} of {instance} on {to} while its planner fails"));
        }
    }
}
