//! What can be seen of the world from outside.

use super::World;
use crate::act::Who;
use ha_core::AgentOp;
use ha_model::{Incarnation, InstanceId, NodeId};
use ha_scheduler::NodeStatus;

impl World {
    /// Nodes that lead as far as they know, and are not frozen.
    pub(crate) fn leaders_now(&self) -> Vec<NodeId> {
        self.hosts
            .iter()
            .filter(|(_, h)| !h.is_frozen && !h.is_stalled() && h.leads())
            .map(|(id, _)| id.clone())
            .collect()
    }

    pub(crate) fn owners(&self, instance: &InstanceId) -> Vec<NodeId> {
        self.hosts.iter().filter(|(_, h)| h.running.contains(instance)).map(|(n, _)| n.clone()).collect()
    }

    pub(crate) fn all_owners(&self) -> Vec<Vec<NodeId>> {
        self.shape.instances().iter().map(|i| self.owners(&i.as_str().into())).collect()
    }

    /// The host's present boot.
    pub(crate) fn incarnation(&self, id: &NodeId) -> Incarnation {
        let index = 1 + self.shape.nodes.iter().position(|n| n.name == id.as_str()).unwrap_or(0) as u128;
        Incarnation((self.hosts[id].boots << 100) | index)
    }

    /// Who is meant, now.
    pub(crate) fn resolve(&self, who: &Who) -> Option<NodeId> {
        let leaders = self.leaders_now();
        let leader = leaders.first().filter(|_| leaders.len() == 1);
        match who {
            Who::Node(name) => Some(NodeId::from(name.as_str())).filter(|n| self.hosts.contains_key(n)),
            Who::Leader => leader.cloned(),
            Who::Owner(instance) => self.owners(&instance.as_str().into()).first().cloned(),
            Who::Starter => {
                let starts = |h: &super::Host| {
                    h.daemon.as_ref().is_some_and(|d| d.runs.values().any(|r| r.run.op == AgentOp::Start))
                };
                self.hosts.iter().find(|(_, h)| starts(h)).map(|(n, _)| n.clone())
            }
            Who::Bystander => {
                let others: Vec<_> =
                    self.hosts.iter().filter(|(n, h)| Some(*n) != leader && h.is_on).collect();
                let idle = others.iter().find(|(_, h)| h.running.is_empty());
                idle.or(others.first()).map(|(n, _)| (*n).clone())
            }
        }
    }

    /// The whole cluster works: every resource runs where its group is, everybody takes part, nothing is pending.
    pub(crate) fn is_well(&self) -> bool {
        self.why_not_well().is_none()
    }

    /// What is missing, in words.
    pub(crate) fn why_not_well(&self) -> Option<String> {
        let leaders = self.leaders_now();
        let [leader] = leaders.as_slice() else { return Some(format!("leaders: {leaders:?}")) };
        let node = self.hosts[leader].node()?;
        for (id, host) in &self.hosts {
            let Some(record) = node.state().node(id) else { return Some(format!("{id} is not known")) };
            if host.node().is_none() || record.incarnation != Some(host.incarnation) {
                return Some(format!("{id} is not back (on: {})", host.is_on));
            }
            if record.status != NodeStatus::Member {
                return Some(format!("{id} is {}", record.status));
            }
        }
        for name in self.shape.instances() {
            let owners = self.owners(&name.as_str().into());
            if owners.len() != 1 {
                return Some(format!("{name} runs on {owners:?}"));
            }
        }
        let [vip, web] = crate::shape::GROUP.map(|i| self.owners(&i.into()));
        if vip != web {
            return Some(format!("vip on {vip:?}, web on {web:?}"));
        }
        if !node.state().fences.is_empty() {
            return Some("a fence is open".to_owned());
        }
        // What a node stops by itself is no order of the leader's.
        let changes = |op| matches!(op, AgentOp::Start | AgentOp::Stop);
        let runs = self.hosts.values().filter_map(|h| h.daemon.as_ref()).flat_map(|d| d.runs.values());
        if let Some(run) = runs.map(|r| &r.run).find(|r| changes(r.op)) {
            return Some(format!("{:?} of {} is under way", run.op, run.instance));
        }
        node.unfinished()
    }
}
