//! Formation: the first configuration, and for whom a forming cluster waits.

use super::Node;
use super::lead::Key;
use ha_membership::Presence;
use ha_model::{BootNs, DeviceId, Entry, NodeId, Now, Origin};
use ha_scheduler::NodeStatus;
use std::collections::BTreeSet;

impl Node {
    pub(super) fn propose_config(&mut self, now: Now) {
        let name = self.setup.file_name.clone();
        let entry = Entry::Config {
            origin: Origin::File { name: name.clone(), line: 1, column: 1 },
            name,
            text: self.setup.file_text.clone(),
        };
        self.propose(now, Key::Config, entry);
    }

    /// When the wait for unseen members ends.
    pub(super) fn formation_ends(&self) -> Option<BootNs> {
        self.lead.as_ref().map(|l| l.since + self.config.timing.startup_wait)
    }

    /// Members for which a forming cluster waits: not heard yet, about to join, or joined while their power has not
    /// been looked at for the first time. Placing before that would ignore the operator's preferences.
    pub(super) fn awaited(&self, now: Now) -> BTreeSet<NodeId> {
        let is_forming = self.formation_ends().is_some_and(|end| now.boot < end);
        let is_awaited = |id: &NodeId| {
            let is_me = *id == self.setup.me;
            let presence = if is_me { Presence::Present } else { self.membership.presence(id, now.boot) };
            match self.state.node(id).map_or(NodeStatus::Unseen, |r| r.status) {
                NodeStatus::Unseen => is_forming || presence == Presence::Present,
                NodeStatus::Member => {
                    is_forming && (presence == Presence::NeverHeard || self.is_untested(id))
                }
                NodeStatus::Lost | NodeStatus::Condemned | NodeStatus::Off | NodeStatus::Left => false,
            }
        };
        self.config.members().filter(|id| is_awaited(id)).cloned().collect()
    }

    /// Whether no fence path to the node is known to work, and some was not tested yet.
    fn is_untested(&self, id: &NodeId) -> bool {
        let is_tested = |d: &DeviceId| {
            self.state.paths.get(d).and_then(|n| n.get(id)).is_some_and(|p| !p.tests.is_empty())
        };
        let levels = self.config.levels.get(id).map(Vec::as_slice).unwrap_or_default();
        // With nobody else up there is nobody to test it.
        self.state.nodes.values().filter(|r| r.status == NodeStatus::Member).count() > 1
            && levels.iter().flat_map(|l| &l.devices).any(|d| !is_tested(d))
            && self.state.why_no_exclusive(&self.config, id).is_some()
    }
}
