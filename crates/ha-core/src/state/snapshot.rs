//! From the replicated state to what the scheduler may know.

use super::{ClusterState, NodeRecord, PathRecord, PathTestRecord};
use ha_fencing::{DevicePlan, LevelPlan, level_plans, never_read_on};
use ha_model::sabotage::{self, Sabotage};
use ha_model::{
    ClusterConfig, DeviceId, FenceReason, InstanceId, InstanceState, NodeId, Origin, PathDoubt, PathEvidence,
    ResourceId, Role, Waiver, WallMs,
};
use ha_scheduler::{FailureView, MayRunView, MoveWish, NodeStatus, NodeView, ObservedView, Snapshot, Wishes};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What only the leader knows at this moment.
#[derive(Clone, Debug, Default)]
pub struct Overlay {
    /// Nodes that have reported to this leader.
    pub ready: BTreeSet<NodeId>,
    /// Nodes that the forming cluster still waits for.
    pub awaited: BTreeSet<NodeId>,
    /// Orders under way.
    pub in_flight: BTreeSet<(NodeId, InstanceId)>,
}

impl ClusterState {
    /// The scheduler's input; `None` before a configuration is in force.
    #[must_use]
    pub fn snapshot(&self, now: WallMs, overlay: &Overlay) -> Option<Snapshot> {
        let config = Arc::clone(self.parsed()?);
        let nodes = config
            .nodes
            .keys()
            .map(|id| {
                let record = self.nodes.get(id).cloned().unwrap_or_default();
                (id.clone(), self.node_view(&config, id, &record, overlay))
            })
            .collect();
        Some(Snapshot {
            nodes,
            observed: self.observed_views(overlay),
            may_run: self
                .may_run
                .iter()
                .filter(|_| !sabotage::is(Sabotage::StartOverPermission))
                .map(|(object, m)| {
                    let view = MayRunView {
                        instance: m.instance.clone(),
                        node: m.node.clone(),
                        incarnation: m.incarnation,
                    };
                    (object.clone(), view)
                })
                .collect(),
            failures: self.failure_views(&config, now),
            wishes: self.wish_views(now),
            attributes: BTreeMap::new(),
            now,
            config,
        })
    }

    fn node_view(
        &self,
        config: &ClusterConfig,
        id: &NodeId,
        record: &NodeRecord,
        overlay: &Overlay,
    ) -> NodeView {
        NodeView {
            status: record.status,
            incarnation: record.incarnation.filter(|_| record.status == NodeStatus::Member),
            is_ready: overlay.ready.contains(id),
            standby: record.standby.clone(),
            is_held: record.is_held,
            no_exclusive: self.why_no_exclusive(config, id),
            fence_open: self.fence_of(id).is_some(),
            is_awaited: overlay.awaited.contains(id),
        }
    }

    /// Why no exclusive resource may start on a node: its power was never read on through any whole level. Of a sole member
    /// nobody takes over.
    #[must_use]
    pub fn why_no_exclusive(&self, config: &ClusterConfig, id: &NodeId) -> Option<String> {
        if config.nodes.get(id).is_none_or(|n| n.role == Role::Witness) {
            return None;
        }
        if config.members().count() == 1 || sabotage::is(Sabotage::UntestedTakesExclusive) {
            return None;
        }
        let levels = config.levels.get(id).map(Vec::as_slice).unwrap_or_default();
        if levels.is_empty() {
            let is_waived = config.waivers.contains_key(&Waiver::UnfencedMembersBlockRecovery);
            return (!is_waived).then(|| format!("{id} has no fence path"));
        }
        if levels.iter().any(|l| l.devices.iter().all(|d| self.has_evidence(config, d, id))) {
            return None;
        }
        if let Some(doubt) = self.why_doubted(config, id) {
            return Some(format!("no fence path proves {id} off: {doubt}; type: hactl fence test {id}"));
        }
        let devices = levels.iter().flat_map(|l| &l.devices).collect::<BTreeSet<_>>();
        let why = devices
            .iter()
            .find_map(|d| self.path(d, id)?.tests.values().find_map(|t| t.failed.clone()))
            .unwrap_or_else(|| "not tested yet".to_owned());
        Some(format!("the power of {id} was never read on: {why}; type: hactl fence test {id}"))
    }

    fn path(&self, device: &DeviceId, id: &NodeId) -> Option<&PathRecord> {
        self.paths.get(device)?.get(id)
    }

    /// Whether a later "off" of the node on the device counts, whoever reads it of those whose agent is not in doubt.
    #[must_use]
    pub fn has_evidence(&self, config: &ClusterConfig, device: &DeviceId, id: &NodeId) -> bool {
        if sabotage::is(Sabotage::NoEvidence) {
            return true;
        }
        let is_any = sabotage::is(Sabotage::EvidenceOfAnotherPath);
        let hash = config.devices.get(device).map(|d| d.path_hash);
        let Some(path) = self.path(device, id) else { return false };
        let is_believed =
            path.tests.is_empty() || path.tests.values().any(|t| t.doubt != Some(PathDoubt::Agent));
        is_believed && path.evidence.as_ref().is_some_and(|e| Some(e.path_hash) == hash || is_any)
    }

    /// What makes an "off" count that the executor reads, or why it proves nothing (S7).
    ///
    /// # Errors
    /// The end of a sentence about the outlet.
    pub fn evidence_for(
        &self,
        device: &DeviceId,
        id: &NodeId,
        executor: &NodeId,
    ) -> Result<&PathEvidence, String> {
        let never = || never_read_on(id);
        let path = self.path(device, id).ok_or_else(never)?;
        let said = |t: &PathTestRecord| t.failed.clone().unwrap_or_default();
        if let Some(test) = path.tests.get(executor).filter(|t| t.doubt == Some(PathDoubt::Agent)) {
            return Err(said(test));
        }
        let refuted = || path.tests.values().find(|t| t.doubt == Some(PathDoubt::Outlet));
        path.evidence
            .as_ref()
            .ok_or_else(|| refuted().map_or_else(never, |t| format!("a test of it before said: {}", said(t))))
    }

    /// Whether an off of the target counts which this node reads by this level.
    #[must_use]
    pub fn counts_by(
        &self,
        config: &ClusterConfig,
        level: &LevelPlan,
        executor: &NodeId,
        target: &NodeId,
    ) -> bool {
        let counts = |d: &DevicePlan| {
            self.has_evidence(config, &d.device, target)
                && self.evidence_for(&d.device, target, executor).is_ok()
        };
        !level.devices.is_empty() && level.devices.iter().all(counts)
    }

    /// Levels in order, but those by which this executor cannot prove anything last: an attempt ends at the first that reads
    /// off.
    #[must_use]
    pub fn levels_to_try(
        &self,
        config: &ClusterConfig,
        target: &NodeId,
        executor: &NodeId,
    ) -> Vec<LevelPlan> {
        let mut levels = level_plans(config, target);
        levels.sort_by_key(|l| !self.counts_by(config, l, executor, target));
        levels
    }

    /// What a test said against the paths to a node.
    #[must_use]
    pub fn why_doubted(&self, config: &ClusterConfig, id: &NodeId) -> Option<String> {
        let levels = config.levels.get(id).map(Vec::as_slice).unwrap_or_default();
        let tests = levels.iter().flat_map(|l| &l.devices).filter_map(|d| self.path(d, id));
        tests.flat_map(|p| p.tests.values()).find(|t| t.doubt.is_some())?.failed.clone()
    }

    fn observed_views(&self, overlay: &Overlay) -> BTreeMap<InstanceId, BTreeMap<NodeId, ObservedView>> {
        let mut views: BTreeMap<InstanceId, BTreeMap<NodeId, ObservedView>> = self
            .instances
            .iter()
            .map(|(instance, by_node)| {
                let by_node = by_node
                    .iter()
                    .map(|(node, r)| {
                        let view = ObservedView {
                            state: r.state(),
                            why: r.observation.why.clone(),
                            in_flight: overlay.in_flight.contains(&(node.clone(), instance.clone())),
                        };
                        (node.clone(), view)
                    })
                    .collect();
                (instance.clone(), by_node)
            })
            .collect();
        for (node, instance) in &overlay.in_flight {
            views.entry(instance.clone()).or_default().entry(node.clone()).or_insert(ObservedView {
                state: InstanceState::Unknown,
                why: None,
                in_flight: true,
            });
        }
        views
    }

    /// Failures that still count.
    #[must_use]
    pub fn failure_views(
        &self,
        config: &ClusterConfig,
        now: WallMs,
    ) -> BTreeMap<ResourceId, BTreeMap<NodeId, FailureView>> {
        let mut views: BTreeMap<ResourceId, BTreeMap<NodeId, FailureView>> = BTreeMap::new();
        for (resource, by_node) in &self.failures {
            let Some(spec) = config.resources.get(resource) else { continue };
            let age = i64::try_from(spec.failure_timeout.as_millis()).unwrap_or(i64::MAX);
            for (node, list) in by_node {
                let counting: Vec<_> = list.iter().filter(|f| now.0 - f.at.0 < age).collect();
                let Some(last) = counting.last() else { continue };
                let view = FailureView {
                    count: u32::try_from(counting.len()).unwrap_or(u32::MAX),
                    last_op: last.op,
                    last_at: last.at,
                    why: last.why.clone(),
                };
                views.entry(resource.clone()).or_default().insert(node.clone(), view);
            }
        }
        views
    }

    /// A node was confirmed off, speaks all the same, and cannot be fenced: what was freed by that word stops.
    fn stopped_by_broken_word(&self, now: WallMs) -> impl Iterator<Item = (ResourceId, (bool, Origin))> + '_ {
        let broken = self
            .fences
            .values()
            .filter(|f| f.reason == FenceReason::HeardAfterConfirmation && f.last_failure.is_some());
        broken.flat_map(move |f| {
            let who = format!("the cluster: {} was confirmed off, is alive and cannot be fenced", f.target);
            let origin = Origin::Admin { who, when: now, until: None };
            let freed = self.nodes.get(&f.target).map(|r| r.freed_by_word.as_slice()).unwrap_or_default();
            freed.iter().map(move |i| (ResourceId::from(i.as_str()), (false, origin.clone())))
        })
    }

    fn wish_views(&self, now: WallMs) -> Wishes {
        let mut enabled = self.wishes.enabled.clone();
        enabled.extend(self.stopped_by_broken_word(now));
        Wishes {
            enabled,
            restart: self.wishes.restart.clone(),
            moves: self
                .wishes
                .moves
                .iter()
                .filter(|(_, (_, until, _))| now < *until)
                .map(|(resource, (to, until, origin))| {
                    let wish = MoveWish { to: to.clone(), until: *until, origin: origin.clone() };
                    (resource.clone(), wish)
                })
                .collect(),
        }
    }
}
