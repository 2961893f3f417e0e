//! The replicated state: what every node knows after applying the same entries in the same order.
//!
//! Must not know: who leads, what is in flight, the time of day other than as entries carry it. The rules of
//! applying are the last guard of S2, S17, S18 and S19: an entry that would break one has no effect and says so.

mod apply;
mod config_guard;
mod expiry;
mod fences;
mod records;
mod runs;
mod snapshot;
#[cfg(test)]
mod tests;
mod wishes;

pub use records::*;
pub use snapshot::Overlay;

use ha_config::parse;
use ha_model::{
    ClusterConfig, DeviceId, FenceId, Index, InstanceId, NodeId, Notice, ObjectId, Origin, ResourceId,
    TimelineEvent, WallMs,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Events kept for the timeline: some days of a troubled cluster, 100 KiB.
pub const EVENTS_MAX: usize = 1000;

/// The replicated state.
#[derive(Clone, Debug, Default, PartialEq, Hash, Serialize, Deserialize)]
pub struct ClusterState {
    /// The configuration in force.
    pub config: Option<ConfigInForce>,
    /// Every node that was ever configured or spoke.
    pub nodes: BTreeMap<NodeId, NodeRecord>,
    /// What is known of instances, by node.
    pub instances: BTreeMap<InstanceId, BTreeMap<NodeId, InstanceRecord>>,
    /// Open permissions by object (S1, S17).
    pub may_run: BTreeMap<ObjectId, MayRunRecord>,
    /// Open fence requests.
    pub fences: BTreeMap<FenceId, FenceRecord>,
    /// Fence paths: device, then node.
    pub paths: BTreeMap<DeviceId, BTreeMap<NodeId, PathRecord>>,
    /// Failures by resource and node.
    pub failures: BTreeMap<ResourceId, BTreeMap<NodeId, Vec<FailureRecord>>>,
    /// Operators' wishes.
    pub wishes: WishRecords,
    /// Where each exclusive instance was last permitted to run: its stickiness counts there.
    pub last_ran: BTreeMap<InstanceId, NodeId>,
    /// The newest events, oldest first.
    pub events: VecDeque<TimelineEvent>,
    /// The configuration, parsed; made again after a restore.
    #[serde(skip)]
    parsed: Option<Arc<ClusterConfig>>,
}

/// The configuration as it is replicated.
#[derive(Clone, Debug, PartialEq, Hash, Serialize, Deserialize)]
pub struct ConfigInForce {
    /// File name as applied.
    pub name: String,
    /// Source text: the truth.
    pub text: String,
    /// Who applied it.
    pub origin: Origin,
    /// At this entry.
    pub index: Index,
}

/// What applying an entry did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Applied {
    /// What to tell.
    pub notices: Vec<Notice>,
    /// The configuration changed.
    pub is_config_new: bool,
}

impl ClusterState {
    /// The configuration in force, parsed.
    #[must_use]
    pub fn parsed(&self) -> Option<&Arc<ClusterConfig>> {
        self.parsed.as_ref()
    }

    /// Makes the parsed configuration again after a restore from bytes.
    ///
    /// # Errors
    /// The text in force does not parse (a newer version wrote it): the rendered diagnostics.
    pub fn reparse(&mut self) -> Result<(), String> {
        self.parsed = match &self.config {
            Some(c) => Some(Arc::new(parse(&c.name, &c.text).map_err(|d| d.render(false))?.config)),
            None => None,
        };
        Ok(())
    }

    /// A node's record.
    #[must_use]
    pub fn node(&self, node: &NodeId) -> Option<&NodeRecord> {
        self.nodes.get(node)
    }

    /// The open fence request for a node.
    #[must_use]
    pub fn fence_of(&self, node: &NodeId) -> Option<(FenceId, &FenceRecord)> {
        self.fences.iter().find(|(_, f)| f.target == *node).map(|(id, f)| (*id, f))
    }

    /// Open permissions of a node.
    pub fn may_run_on<'a>(
        &'a self,
        node: &'a NodeId,
    ) -> impl Iterator<Item = (&'a ObjectId, &'a MayRunRecord)> {
        self.may_run.iter().filter(move |(_, m)| m.node == *node)
    }

    pub(crate) fn push_event(&mut self, index: Index, at: WallMs, notice: &Notice) {
        if self.events.len() >= EVENTS_MAX {
            self.events.pop_front();
        }
        self.events.push_back(TimelineEvent { index, at, notice: notice.clone() });
    }
}
