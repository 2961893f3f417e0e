//! What must hold after every event, judged from outside the core.

use super::world::World;
use crate::effect::{AgentOp, AgentRun};
use crate::message::{BeatBody, OrderOp, PeerMessage};
use ha_model::{NodeId, ResourceId};
use std::collections::BTreeMap;

impl World {
    /// S5: one leader a term; what is applied is the same everywhere. S4: nothing runs without a grant.
    pub fn check(&mut self, id: &NodeId) {
        let host = &self.hosts[id];
        let Some(node) = &host.node else { return };
        if node.raft.is_leader() {
            let leader = self.leaders.entry(node.raft.term()).or_insert_with(|| id.clone());
            assert_eq!(leader, id, "S5: two leaders in term {}", node.raft.term());
        }
        for index in host.checked + 1..=node.applied().0 {
            if let Some(term) = node.raft.term_at(ha_model::Index(index)) {
                let known = *self.entries.entry(index).or_insert(term);
                assert_eq!(known, term, "S5: entry {index} of {id} differs");
            }
        }
        let (applied, now) = (node.applied().0, host.local(self.t));
        let since = host.session_since.0 + node.config.timing.t_grant.as_nanos() as u64;
        let until = host.grant.map_or(0, |g| g.0).max(since).max(host.thawed_at.0);
        let is_late = now.0 > until + self.stop_bound();
        // A stop that fails is no fault of the core's.
        let is_stopping = host.runs.values().any(|r| r.run.op == AgentOp::Stop);
        let is_owed = is_late && self.agents_fail == 0 && !is_stopping && !host.has_stop_failed;
        assert!(!is_owed || host.running.is_empty(), "S4: {:?} on {id} without a grant", host.running);
        self.host(id).checked = applied;
    }

    /// S18: nothing is granted to a boot that this node knows to be over.
    pub fn check_grants(&self, id: &NodeId, bodies: &BTreeMap<NodeId, BeatBody>) {
        let Some(node) = &self.hosts[id].node else { return };
        for (to, body) in bodies {
            let ended = body.granted.is_some_and(|i| node.state().node(to).is_some_and(|r| r.has_ended(i)));
            assert!(!ended, "S18: {id} grants to a boot of {to} that is over");
        }
    }

    /// S17: no start order leaves without its open permission.
    pub fn check_order(&self, id: &NodeId, message: &PeerMessage) {
        let PeerMessage::Order(order) = message else { return };
        let Some(node) = &self.hosts[id].node else { return };
        if order.op == OrderOp::Start {
            for object in &order.spec.objects {
                let may_run = node.state().may_run.get(object);
                assert!(
                    may_run.is_some_and(|m| m.stamp == order.stamp && m.instance == order.instance),
                    "S17: {id} orders a start of {} without a permission for {object}: {may_run:?}",
                    order.instance
                );
            }
        }
    }

    /// S2: when a start begins, nothing of it runs or is being started on another host that has power.
    pub fn check_start(&self, id: &NodeId, run: &AgentRun) {
        if run.op != AgentOp::Start || self.is_lying {
            return;
        }
        for (other, host) in self.hosts.iter().filter(|(o, _)| *o != id) {
            let starts =
                host.runs.values().any(|r| r.run.op == AgentOp::Start && r.run.instance == run.instance);
            let runs = host.running.contains(run.instance.as_str());
            assert!(!starts && !runs, "S2: {} starts on {id} while {other} is not proven", run.instance);
        }
    }

    /// The whole cluster works: every resource runs where its group is, everybody takes part, nothing is pending.
    pub fn is_well(&self) -> bool {
        let leaders = self.leaders_now();
        let Some(leader) = leaders.first().filter(|_| leaders.len() == 1) else { return false };
        let Some(node) = &self.hosts[leader].node else { return false };
        let all_in = self.hosts.iter().all(|(id, h)| {
            let record = node.state().node(id);
            h.node.is_some()
                && record.is_some_and(|r| {
                    r.status == ha_scheduler::NodeStatus::Member && r.incarnation == Some(h.incarnation)
                })
        });
        let one = |instance: &str| self.owners(instance).len() == 1;
        let is_noted = |instance: &str| {
            let id = ResourceId::from(instance);
            let objects = node.config.resources.get(&id).map(|r| r.objects.clone()).unwrap_or_default();
            objects.iter().all(|o| {
                node.state().may_run.get(o).is_some_and(|m| self.owners(instance) == vec![m.node.clone()])
            })
        };
        all_in
            && ["vip", "web", "db"].into_iter().all(|i| one(i) && is_noted(i))
            && self.owners("vip") == self.owners("web")
            && node.state().fences.is_empty()
            && node.lead.as_ref().is_some_and(|l| l.in_flight.is_empty() && l.hold.is_none())
    }

    /// Nodes that have applied the same entries know the same.
    pub fn check_replicas(&self) {
        let mut seen: BTreeMap<u64, (&NodeId, &crate::ClusterState)> = BTreeMap::new();
        for (id, host) in &self.hosts {
            let Some(node) = &host.node else { continue };
            let (other, state) = *seen.entry(node.applied().0).or_insert((id, node.state()));
            assert!(state == node.state(), "{other} and {id} differ after entry {}", node.applied());
        }
    }
}
