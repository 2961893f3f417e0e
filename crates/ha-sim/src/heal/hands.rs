//! What people do while a cluster heals. First they take back what was asked or switched off by hand: no cluster may do that
//! for them. Later an operator clears everything.

use super::bound::unseen;
use crate::world::{Host, S, World};
use ha_consensus::Role;
use ha_core::ClusterState;
use ha_core::state::{NodeRecord, Power};
use ha_fencing::level_plans;
use ha_model::{AdminRequest, ClusterConfig, NodeId};
use ha_scheduler::NodeStatus;

impl World {
    /// Wishes, and power that no cluster gives back; true where too few were left to decide anything, and power was given to all.
    pub(super) fn take_back(&mut self, mended: u64) -> bool {
        let Some(leader) = self.leaders_now().first().cloned() else { return self.power_for_a_majority() };
        let state = self.hosts[&leader].node().map(|n| n.state().clone()).unwrap_or_default();
        for (id, record) in &state.nodes {
            let is_cut_by_hand = matches!(record.power, Power::Off { returns: false, .. });
            if record.is_held {
                continue;
            }
            if record.standby.is_some() {
                self.ask(&leader, AdminRequest::NodeOnline { node: id.clone() });
            }
            if record.status == NodeStatus::Off && is_cut_by_hand {
                self.note_help(id);
                self.ask(&leader, AdminRequest::FenceOn { node: id.clone() });
            }
        }
        for resource in state.wishes.enabled.iter().filter(|(_, (on, _))| !on).map(|(id, _)| id) {
            self.ask(&leader, AdminRequest::ResourceStart { resource: resource.clone() });
        }
        if self.t >= mended + unseen(&self.shape) {
            let dark: Vec<_> =
                self.hosts.iter().filter(|(_, h)| !h.is_on).map(|(id, _)| id.clone()).collect();
            for id in dark.iter().filter(|id| is_left_dark(&state, id)) {
                // Who hangs on one supply is switched on together, lest the one be cut for the other's sake again.
                self.with_supply(id).iter().for_each(|id| self.power_on(id));
            }
        }
        false
    }

    /// Nobody leads. Where too few voters have power, all hosts get it.
    fn power_for_a_majority(&mut self) -> bool {
        let newest = self.hosts.values().filter_map(Host::node).max_by_key(|n| n.applied());
        let votes = |host: &Host| {
            let role = host.node().map(|n| n.votes().role());
            host.is_on && role.is_none_or(|r| !matches!(r, Role::Learner | Role::Failed))
        };
        let is_majority = newest
            .is_some_and(|n| n.votes().membership().is_quorum(|id| self.hosts.get(id).is_some_and(votes)));
        let is_dark = self.hosts.values().any(|h| !h.is_on);
        if is_majority || !is_dark {
            return false;
        }
        self.names().iter().for_each(|id| self.power_on(id));
        true
    }

    /// Why somebody must help: what no cluster may decide by itself, as its leader shows it.
    pub(super) fn needs(&self) -> Vec<&'static str> {
        let leaders = self.leaders_now();
        let Some(node) = leaders.first().and_then(|l| self.hosts[l].node()) else { return vec![] };
        let (state, config) = (node.state(), node.config());
        let is_alone = |(_, host): (&NodeId, &Host)| !host.stops_failed.is_empty() && self.hosts.len() == 1;
        let needs = [
            ("a node is held", state.nodes.values().any(|r| r.is_held)),
            (
                "an off would prove nothing",
                state.fences.values().any(|f| is_unprovable(state, config, &leaders[0], &f.target)),
            ),
            ("a resource failed too often", self.has_failed_too_often(state, config)),
            ("a stop failed on a member alone", self.hosts.iter().any(is_alone)),
        ];
        needs.into_iter().filter(|(_, is)| *is).map(|(why, _)| why).collect()
    }

    /// Something runs nowhere, and a node is barred to it by its failures there.
    fn has_failed_too_often(&self, state: &ClusterState, config: &ClusterConfig) -> bool {
        config.resources.iter().any(|(id, spec)| {
            let most = state.failures.get(id).and_then(|n| n.values().map(Vec::len).max()).unwrap_or(0);
            let is_barred = spec.migration_threshold > 0 && most >= spec.migration_threshold as usize;
            is_barred && self.owners(&id.as_str().into()).is_empty()
        })
    }

    /// An operator releases what is held, makes anew what failed, cuts what lives on in spite of a proof.
    pub(super) fn help(&mut self) {
        for id in self.names() {
            let host = &self.hosts[&id];
            if !host.is_on && self.t - host.off_since > 15 * S {
                self.with_supply(&id).iter().for_each(|id| self.power_on(id));
            }
        }
        self.operator();
        self.cycle_the_ended();
        self.restart_the_alone();
    }

    /// Hosts that live on although they were taken for off, after a switch that lied: a human cuts them, as the warnings ask.
    fn cycle_the_ended(&mut self) {
        if !self.has_lied {
            return;
        }
        let newest = self.hosts.values().filter_map(Host::node).max_by_key(|n| n.applied());
        let ended: Vec<_> = self
            .names()
            .into_iter()
            .filter(|id| {
                let record = newest.and_then(|n| n.state().node(id));
                self.hosts[id].is_on && record.is_some_and(|r| r.has_ended(self.incarnation(id)))
            })
            .collect();
        for id in ended {
            self.power_off(&id);
            self.power_on(&id);
        }
    }

    /// A member alone has nobody who would cut it after a stop that failed: its operator restarts it.
    fn restart_the_alone(&mut self) {
        for id in self.names() {
            if self.hosts.len() == 1 && !self.hosts[&id].stops_failed.is_empty() {
                self.power_off(&id);
                self.power_on(&id);
            }
        }
    }

    fn operator(&mut self) {
        let Some(leader) = self.leaders_now().first().cloned() else { return };
        for node in self.names() {
            self.note_help(&node);
            self.ask(&leader, AdminRequest::NodeOnline { node: node.clone() });
            self.ask(&leader, AdminRequest::FenceOn { node });
        }
        for name in self.shape.instances() {
            self.ask(&leader, AdminRequest::ResourceStart { resource: name.as_str().into() });
        }
        self.ask(&leader, AdminRequest::ResourceCleanup { resource: None, node: None });
        self.ask(&leader, AdminRequest::FenceTest { node: None });
    }
}

/// A dark host that the cluster owes nothing: it was not cut, and need not be; or it was switched on, and went dark again.
fn is_left_dark(state: &ClusterState, id: &NodeId) -> bool {
    let unseen = NodeRecord::default();
    let record = state.node(id).unwrap_or(&unseen);
    match record.status {
        NodeStatus::Lost | NodeStatus::Unseen | NodeStatus::Left => state.fence_of(id).is_none(),
        NodeStatus::Off => matches!(record.power, Power::On | Power::Assumed),
        NodeStatus::Member | NodeStatus::Condemned => false,
    }
}

/// No level of the node is such that reading it off would count, whoever of those that may run agents reads it.
fn is_unprovable(state: &ClusterState, config: &ClusterConfig, leader: &NodeId, target: &NodeId) -> bool {
    let is_there = |(_, r): &(&NodeId, &NodeRecord)| r.status == NodeStatus::Member;
    let members = state.nodes.iter().filter(is_there).map(|(id, _)| id);
    let mut executors = members.chain([leader]).filter(|id| *id != target);
    let levels = level_plans(config, target);
    !executors.any(|by| levels.iter().any(|level| state.counts_by(config, level, by, target)))
}
