//! Applying entries of fencing (S2, S7, S18, S19).

use super::apply::Void;
use super::{ClusterState, FenceRecord, PathRecord, PathTestRecord, Power};
use ha_fencing::{FENCE_WINDOW, FENCES_PER_WINDOW};
use ha_model::sabotage::{self, Sabotage};
use ha_model::{
    DeviceId, Evidence, FenceId, FenceMarks, FenceProof, FenceReason, Incarnation, Index, InstanceId, NodeId,
    Notice, PathDoubt, PathEvidence, ProofScope, WallMs,
};
use ha_scheduler::NodeStatus;

impl ClusterState {
    pub(super) fn apply_fence_requested(
        &mut self,
        index: Index,
        at: WallMs,
        target: &NodeId,
        incarnation: Option<Incarnation>,
        reason: &FenceReason,
    ) -> Result<Vec<Notice>, Void> {
        if self.fence_of(target).is_some() {
            return Err(format!("a fence of {target} is open already"));
        }
        let record = self.known_node(target)?;
        if record.incarnation != incarnation {
            return Err(format!("{target} is in another boot"));
        }
        let is_gone = matches!(record.status, NodeStatus::Lost | NodeStatus::Condemned | NodeStatus::Unseen);
        let is_for_absence =
            matches!(reason, FenceReason::Lost | FenceReason::NeverSeen | FenceReason::DaemonGone);
        if is_for_absence && !is_gone {
            return Err(format!("{target} is not lost any more")); // it returned, and runs what it ran
        }
        let was_confirmed = *reason == FenceReason::HeardAfterConfirmation;
        if record.status == NodeStatus::Off && !was_confirmed {
            return Err(format!("{target} is off already"));
        }
        let record = FenceRecord {
            target: target.clone(),
            incarnation,
            reason: reason.clone(),
            since: at,
            attempts: 0,
            executor: None,
            is_running: false,
            last_failure: None,
        };
        self.fences.insert(FenceId(index.0), record);
        Ok(vec![Notice::FenceRequested { node: target.clone(), reason: reason.clone() }])
    }

    pub(super) fn apply_fence_withdrawn(&mut self, id: FenceId) -> Result<Vec<Notice>, Void> {
        let fence = self.open_fence(id)?;
        if fence.attempts > 0 && !sabotage::is(Sabotage::WithdrawAfterOff) {
            return Err(format!("an off may have been sent to {}", fence.target)); // S18
        }
        let node = fence.target.clone();
        self.fences.remove(&id);
        Ok(vec![Notice::FenceWithdrawn { node }])
    }

    pub(super) fn apply_fence_attempt(
        &mut self,
        id: FenceId,
        attempt: u32,
        executor: &NodeId,
    ) -> Result<Vec<Notice>, Void> {
        let fence = self.open_fence(id)?;
        if attempt != fence.attempts + 1 {
            return Err(format!("attempt {attempt} follows {}", fence.attempts));
        }
        fence.attempts = attempt;
        fence.executor = Some(executor.clone());
        fence.is_running = true;
        let (target, incarnation) = (fence.target.clone(), fence.incarnation);
        let path = self
            .parsed()
            .map(|c| self.levels_to_try(c, &target, executor))
            .and_then(|levels| levels.first().map(ha_fencing::LevelPlan::path))
            .unwrap_or_else(|| "no device".to_owned());
        let record = self.known_node(&target)?;
        let is_spared = sabotage::is(Sabotage::WithdrawAfterOff);
        if !is_spared {
            record.status = NodeStatus::Condemned;
        }
        if let Some(incarnation) = incarnation.filter(|_| !is_spared) {
            record.end(incarnation);
        }
        Ok(vec![Notice::FenceAttempt { node: target, attempt, executor: executor.clone(), path }])
    }

    pub(super) fn apply_fence_failed(
        &mut self,
        id: FenceId,
        attempt: u32,
        why: &str,
    ) -> Result<Vec<Notice>, Void> {
        let fence = self.open_fence(id)?;
        if fence.attempts != attempt {
            return Err(format!("attempt {attempt} is not the newest"));
        }
        fence.is_running = false;
        fence.last_failure = Some(why.to_owned());
        Ok(vec![Notice::FenceFailed { node: fence.target.clone(), attempt, why: why.to_owned() }])
    }

    pub(super) fn apply_fence_proven(
        &mut self,
        id: FenceId,
        proof: &FenceProof,
        marks: FenceMarks,
        at: WallMs,
    ) -> Result<Vec<Notice>, Void> {
        let fence = self.open_fence(id)?;
        if fence.target != proof.target || fence.incarnation != proof.incarnation {
            return Err(format!("the proof is for another boot of {}", proof.target)); // S7
        }
        if fence.attempts == 0 {
            return Err(format!("no off was sent to {}", proof.target)); // S7
        }
        let returns = !matches!(fence.reason, FenceReason::Asked { .. });
        let attempts = fence.attempts;
        self.fences.remove(&id);
        let mut notices = vec![Notice::FenceReadOff { node: proof.target.clone(), marks }];
        notices.extend(self.take_proof(proof, at, (returns, attempts))?);
        Ok(notices)
    }

    pub(super) fn apply_fence_confirmed(
        &mut self,
        proof: &FenceProof,
        at: WallMs,
    ) -> Result<Vec<Notice>, Void> {
        let record = self.known_node(&proof.target)?;
        if record.incarnation != proof.incarnation {
            return Err(format!("{} is in another boot", proof.target));
        }
        if !matches!(record.status, NodeStatus::Unseen | NodeStatus::Lost | NodeStatus::Condemned) {
            return Err(format!("{} is not lost", proof.target));
        }
        // A word that was broken, and given again, frees nothing new: what the first freed still runs elsewhere (S1).
        let earlier = record.freed_by_word.clone();
        self.fences.retain(|_, f| f.target != proof.target);
        let notices = self.take_proof(proof, at, (false, 0))?;
        let freed = &mut self.known_node(&proof.target)?.freed_by_word;
        freed.extend(earlier);
        freed.sort();
        freed.dedup();
        Ok(notices)
    }

    /// Takes a proof in: closes what it covers, and ends the boot.
    fn take_proof(
        &mut self,
        proof: &FenceProof,
        at: WallMs,
        (returns, attempts): (bool, u32),
    ) -> Result<Vec<Notice>, Void> {
        let freed = self.close_covered(&proof.target, proof.incarnation, &proof.scope);
        if proof.scope != ProofScope::Everything {
            return Ok(vec![Notice::FenceProven {
                node: proof.target.clone(),
                evidence: proof.evidence.clone(),
                freed,
            }]);
        }
        for by_node in self.instances.values_mut() {
            by_node.remove(&proof.target);
        }
        let level = match &proof.evidence {
            Evidence::ReadOff { level, .. } => *level,
            Evidence::Confirmed { .. } | Evidence::NewBoot { .. } => 0,
        };
        let record = self.known_node(&proof.target)?;
        record.status = NodeStatus::Off;
        if let Some(incarnation) = proof.incarnation {
            record.end(incarnation);
        }
        record.power = Power::Off { since: at, level, returns: returns && level > 0, attempts };
        record.off_by_word = level == 0;
        record.freed_by_word = if level == 0 { freed.clone() } else { Vec::new() };
        let window = i64::try_from(FENCE_WINDOW.as_millis()).unwrap_or(i64::MAX);
        record.fenced_at.retain(|t| at.0 - t.0 < window);
        // A loop is what the cluster cuts and switches on again by itself; what a human asked or said is none.
        if returns && level > 0 {
            record.fenced_at.push(at);
        }
        let count = record.fenced_at.len();
        let mut notices =
            vec![Notice::FenceProven { node: proof.target.clone(), evidence: proof.evidence.clone(), freed }];
        if count >= FENCES_PER_WINDOW && !record.is_held && !sabotage::is(Sabotage::EndlessFences) {
            record.is_held = true; // S9
            notices.push(Notice::NodeHeld {
                node: proof.target.clone(),
                fences: u32::try_from(count).unwrap_or(u32::MAX),
            });
        }
        Ok(notices)
    }

    /// Only a new boot ends the old one without a proof by power.
    pub(super) fn close_by_new_boot(&mut self, node: &NodeId, new: Incarnation) -> Vec<Notice> {
        let stale: Vec<_> = self
            .may_run
            .iter()
            .filter(|(_, m)| m.node == *node && m.incarnation != new)
            .map(|(object, m)| (object.clone(), m.instance.clone()))
            .collect();
        let had_fence = self.fences.values().any(|f| f.target == *node);
        self.fences.retain(|_, f| f.target != *node);
        let mut freed: Vec<InstanceId> = stale.iter().map(|(_, i)| i.clone()).collect();
        freed.dedup();
        for (object, _) in stale {
            self.may_run.remove(&object);
        }
        if freed.is_empty() && !had_fence {
            return vec![];
        }
        vec![Notice::FenceProven {
            node: node.clone(),
            evidence: Evidence::NewBoot { incarnation: new },
            freed,
        }]
    }

    fn close_covered(
        &mut self,
        node: &NodeId,
        incarnation: Option<Incarnation>,
        scope: &ProofScope,
    ) -> Vec<InstanceId> {
        let covered: Vec<_> = self
            .may_run
            .iter()
            .filter(|(object, m)| {
                m.node == *node && incarnation.is_none_or(|i| m.incarnation == i) && scope.covers(object)
            })
            .map(|(object, m)| (object.clone(), m.instance.clone()))
            .collect();
        let mut freed = Vec::new();
        for (object, instance) in covered {
            self.may_run.remove(&object);
            if !freed.contains(&instance) {
                freed.push(instance);
            }
        }
        freed
    }

    pub(super) fn apply_path_tested(
        &mut self,
        device: &DeviceId,
        target: &NodeId,
        executor: &NodeId,
        (result, doubt): (&Result<PathEvidence, String>, Option<PathDoubt>),
        at: WallMs,
    ) -> Result<Vec<Notice>, Void> {
        let hash = self
            .parsed()
            .and_then(|c| c.devices.get(device))
            .map(|d| d.path_hash)
            .ok_or_else(|| format!("no fence device {device} is configured"))?;
        if result.as_ref().is_ok_and(|evidence| evidence.path_hash != hash) {
            return Err(format!("{device} was configured differently when it was tested"));
        }
        let is_member = self.nodes.get(target).is_some_and(|n| n.status == NodeStatus::Member);
        let record = self.paths.entry(device.clone()).or_default().entry(target.clone()).or_default();
        let works = |r: &PathRecord| r.evidence.is_some() && r.tests.values().any(|t| t.failed.is_none());
        let worked = works(record);
        let failed = result.as_ref().err().cloned();
        record.tests.insert(executor.clone(), PathTestRecord { at, failed: failed.clone(), doubt });
        if let (Ok(evidence), true) = (result, is_member) {
            record.evidence = Some(evidence.clone());
        }
        if doubt == Some(PathDoubt::Outlet) {
            record.evidence = None; // S7: its "off" would have been a proof, of a node that lives
        }
        let works = works(record);
        Ok(match (worked, failed) {
            (false, None) if works => {
                vec![Notice::PathWorks { device: device.clone(), node: target.clone() }]
            }
            (true, Some(why)) if !works => {
                vec![Notice::PathBroken { device: device.clone(), node: target.clone(), why }]
            }
            (false, Some(why)) if record.tests.len() == 1 => {
                vec![Notice::PathBroken { device: device.clone(), node: target.clone(), why }]
            }
            (true | false, None | Some(_)) => vec![],
        })
    }

    fn open_fence(&mut self, id: FenceId) -> Result<&mut FenceRecord, Void> {
        self.fences.get_mut(&id).ok_or_else(|| format!("fence request {id} is not open"))
    }
}
