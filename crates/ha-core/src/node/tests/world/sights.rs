//! What a story sees of a world, from outside or from the leader's state.

use super::{Host, World};
use crate::message::Order;
use crate::node::Node;
use ha_model::{AdminReply, Incarnation, NodeId, Notice, Term};
use ha_scheduler::NodeStatus;

impl World {
    pub fn reply(&mut self, name: &str, id: u64) -> Option<AdminReply> {
        self.hosts.get_mut(&name.into()).unwrap().replies.remove(&id)
    }

    pub fn leaders_but(&self, not: &NodeId) -> Vec<NodeId> {
        self.leaders().into_iter().filter(|l| l != not).collect()
    }

    pub fn leading(&self) -> &Node {
        self.hosts[&self.leader()].node.as_ref().unwrap()
    }

    pub fn term(&self) -> Term {
        self.leading().votes().term()
    }

    pub fn path_hash(&self, device: &str) -> [u8; 32] {
        self.leading().config.devices[&device.into()].path_hash
    }

    /// The boot in which its daemon runs.
    pub fn boot_of(&self, name: &str) -> Option<Incarnation> {
        self.hosts[&name.into()].node.as_ref().map(|n| n.setup.incarnation)
    }

    pub fn is_standby(&self, name: &str) -> bool {
        let node = self.hosts[&self.leader()].node.as_ref().unwrap();
        node.state().node(&name.into()).is_some_and(|r| r.standby.is_some())
    }

    pub(super) fn leaders(&self) -> Vec<NodeId> {
        let leads = |h: &Host| h.node.as_ref().is_some_and(|n| n.raft.is_leader()) && !h.is_frozen;
        self.hosts.iter().filter(|(_, h)| leads(h)).map(|(n, _)| n.clone()).collect()
    }

    /// Whom a node takes for the leader.
    pub fn leader_of(&self, name: &NodeId) -> Option<NodeId> {
        self.hosts[name].node.as_ref().and_then(|n| n.votes().leader().cloned())
    }

    pub fn has_leader(&self) -> bool {
        !self.leaders().is_empty()
    }

    pub fn leader(&self) -> NodeId {
        self.leaders().first().cloned().expect("somebody leads")
    }

    pub fn core(&mut self, name: &NodeId) -> &mut Node {
        self.hosts.get_mut(name).and_then(|h| h.node.as_mut()).expect("it runs")
    }

    pub fn owners(&self, instance: &str) -> Vec<NodeId> {
        let runs = |h: &Host| h.is_on && h.running.contains(instance);
        self.hosts.iter().filter(|(_, h)| runs(h)).map(|(n, _)| n.clone()).collect()
    }

    pub fn owner(&self, instance: &str) -> Option<NodeId> {
        let owners = self.owners(instance);
        assert!(self.lie || owners.len() <= 1, "S1: {instance} runs on {owners:?}: {:?}", self.journal);
        owners.first().cloned()
    }

    pub fn power_of(&self, name: &str) -> bool {
        self.hosts[&name.into()].is_on
    }

    pub fn is_member(&self, name: &str) -> bool {
        let Some(leader) = self.leaders().first().cloned() else { return false };
        let node = self.hosts[&leader].node.as_ref().unwrap();
        node.state().node(&name.into()).is_some_and(|r| r.status == NodeStatus::Member)
    }

    /// Whether the leader has proposed that the node is lost, and the log has not taken it yet.
    pub fn is_loss_proposed(&self, name: &str) -> bool {
        self.leading().lead.as_ref().is_some_and(|l| l.is_lost_proposed(&name.into()))
    }

    pub fn saw(&self, which: impl Fn(&Notice) -> bool) -> bool {
        self.notices.iter().any(which)
    }

    pub fn count(&self, which: impl Fn(&Notice) -> bool) -> usize {
        self.notices.iter().filter(|n| which(n)).count()
    }

    /// What was told, in its order.
    pub fn told(&self) -> Vec<String> {
        self.notices.iter().map(Notice::text).collect()
    }

    pub fn log_of(&self, verb: &str) -> Vec<String> {
        let prefix = format!("{verb} ");
        self.journal.iter().filter_map(|l| l.strip_prefix(&prefix)).map(str::to_owned).collect()
    }

    /// After the last off of the node something started elsewhere, and nothing did between its loss and the off.
    pub fn fenced_before_start(&self, name: &str) -> bool {
        let off = self.journal.iter().rposition(|l| *l == format!("cut {name}"));
        let start = self.journal.iter().rposition(|l| l.starts_with("start ") && !l.contains(name));
        let first_elsewhere = self.journal.iter().position(|l| l.starts_with("start ") && !l.contains(name));
        matches!((off, start, first_elsewhere), (Some(o), Some(s), Some(f)) if o < s && o < f)
    }

    pub fn last_order(&self, name: &str) -> Option<Order> {
        self.orders.get(&name.into()).cloned()
    }

    /// How many entries the leader has applied.
    pub fn applied(&self) -> u64 {
        self.leading().applied.0
    }

    fn path_tests(&self) -> impl Iterator<Item = i64> {
        let records = self.leading().state().paths.values().flat_map(|by_node| by_node.values());
        records.flat_map(|p| p.tests.values().map(|t| t.at.0))
    }

    /// When the log's newest test of a fence path was, by the clock of the leader that wrote it.
    pub fn newest_path_test(&self) -> i64 {
        self.path_tests().max().expect("paths were tested")
    }

    pub fn oldest_path_test(&self) -> i64 {
        self.path_tests().min().expect("paths were tested")
    }
}
