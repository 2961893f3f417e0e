//! Applying permissions and observations: the ledger of who may run what (S1, S17, S18).

use super::apply::Void;
use super::{ClusterState, FAILURES_MAX, FailureRecord, InstanceRecord, MayRunRecord};
use ha_model::sabotage::{self, Sabotage};
use ha_model::{
    FailedOp, Incarnation, InstanceId, InstanceState, NodeId, Notice, ObjectId, Observed, OrderStamp, PlanId,
    ResourceId, SessionId, Term, WallMs,
};
use ha_scheduler::NodeStatus;

impl ClusterState {
    pub(super) fn apply_may_run(
        &mut self,
        objects: &[ObjectId],
        instance: &InstanceId,
        node: &NodeId,
        incarnation: Incarnation,
        stamp: OrderStamp,
    ) -> Result<Vec<Notice>, Void> {
        let record = self.known_node(node)?;
        let is_life = record.incarnation == Some(incarnation) && record.session == Some(stamp.session);
        if record.status != NodeStatus::Member || !is_life || record.has_ended(incarnation) {
            return Err(format!("{node} does not take part in boot {incarnation}")); // S18
        }
        let resource = ResourceId::from(instance.as_str());
        let configured = self.parsed().and_then(|c| c.resources.get(&resource)).map(|r| &r.objects[..]);
        if configured != Some(objects) {
            // Planned before the configuration in force: what it would start is not what it is now (S1, S19).
            return Err(format!("{instance} does not hold these objects any more"));
        }
        for object in objects {
            if let Some(open) = self.may_run.get(object) {
                let is_same =
                    open.instance == *instance && open.node == *node && open.incarnation == incarnation;
                if !is_same && !sabotage::is(Sabotage::StartOverPermission) {
                    return Err(format!("{object} may still be held by {} on {}", open.instance, open.node)); // S17
                }
            }
        }
        for object in objects {
            let record = MayRunRecord { instance: instance.clone(), node: node.clone(), incarnation, stamp };
            self.may_run.insert(object.clone(), record);
        }
        self.last_ran.insert(instance.clone(), node.clone());
        Ok(vec![Notice::Starting { instance: instance.clone(), node: node.clone() }])
    }

    /// Whether the log shows of every member that it does not have the instance: seen stopped in its present boot, left
    /// cleanly, or read off. A human's word shows nothing, nor does silence (ADR 11).
    pub(crate) fn is_shown_free(&self, instance: &InstanceId) -> bool {
        let Some(config) = self.parsed() else { return false };
        let by_node = self.instances.get(instance);
        let is_permitted =
            |id: &NodeId| self.may_run.values().any(|m| m.node == *id && m.instance == *instance);
        config.members().all(|id| {
            let Some(record) = self.nodes.get(id) else { return false };
            let observed = by_node.and_then(|n| n.get(id));
            let is_stopped = observed.is_some_and(|r| r.state() == InstanceState::Stopped);
            match record.status {
                NodeStatus::Unseen => false,
                NodeStatus::Member => is_stopped,
                // Without a permission it has begun nothing since it was seen.
                NodeStatus::Lost | NodeStatus::Condemned => is_stopped && !is_permitted(id),
                NodeStatus::Off => !record.is_off_by_word(),
                NodeStatus::Left => true,
            }
        })
    }

    pub(super) fn apply_observed(
        &mut self,
        node: &NodeId,
        (incarnation, session): (Incarnation, SessionId),
        seq: u64,
        acted: (Term, PlanId),
        instances: &[(InstanceId, Observed)],
        at: WallMs,
    ) -> Result<Vec<Notice>, Void> {
        let record = self.known_node(node)?;
        let is_heard = record.status == NodeStatus::Condemned && sabotage::is(Sabotage::HearTheCondemned);
        if (record.status != NodeStatus::Member && !is_heard)
            || record.incarnation != Some(incarnation)
            || record.session != Some(session)
        {
            return Err(format!("{node} does not take part in that session")); // S18
        }
        if seq <= record.report_seq {
            return Err(format!("report {seq} of {node} is older than {}", record.report_seq));
        }
        record.report_seq = seq;
        record.acted = record.acted.max(acted);
        let mut notices = Vec::new();
        for (instance, observed) in instances {
            self.observe(node, session, instance, observed, at, &mut notices);
            if observed.observation.state == InstanceState::Stopped {
                self.close_stopped(node, incarnation, instance, acted);
            }
        }
        Ok(notices)
    }

    fn observe(
        &mut self,
        node: &NodeId,
        session: SessionId,
        instance: &InstanceId,
        observed: &Observed,
        at: WallMs,
        notices: &mut Vec<Notice>,
    ) {
        let by_node = self.instances.entry(instance.clone()).or_default();
        let before = by_node.get(node).filter(|r| r.session == session);
        let was = before.map_or(InstanceState::Unknown, InstanceRecord::state);
        let counted = before.map_or(0, |r| r.failures);
        let since = before.filter(|_| was == observed.observation.state).map_or(at, |r| r.since);
        let record = InstanceRecord {
            session,
            observation: observed.observation.clone(),
            failures: observed.failures,
            since,
        };
        by_node.insert(node.clone(), record);
        let state = observed.observation.state;
        let why = observed.observation.why.clone().unwrap_or_else(|| "no reason was given".to_owned());
        if observed.failures > counted {
            let op = observed.observation.failed_op.unwrap_or(FailedOp::Monitor);
            self.count_failure(
                &ResourceId::from(instance.as_str()),
                node,
                FailureRecord { at, op, why: why.clone() },
            );
        }
        let was_quiet =
            matches!(was, InstanceState::Unknown | InstanceState::Probing | InstanceState::Stopped);
        if state == InstanceState::Stopped && !was_quiet {
            // The stop that was wished for; a node that never ran it says nothing about that.
            self.wishes.restart.remove(&ResourceId::from(instance.as_str()));
        }
        let (instance, node) = (instance.clone(), node.clone());
        let has_failed = observed.failures > counted;
        let notice = match (was, state) {
            (a, b) if a == b && !has_failed => None,
            (_, InstanceState::Running) => Some(Notice::Running { instance, node }),
            (_, InstanceState::Stopping) => Some(Notice::Stopping { instance, node }),
            (_, InstanceState::Failed) => Some(Notice::Failed { instance, node, why }),
            (_, InstanceState::StopFailed) => Some(Notice::StopFailed { instance, node, why }),
            (_, InstanceState::Stopped) if has_failed => Some(Notice::Failed { instance, node, why }),
            (InstanceState::Unknown | InstanceState::Probing, InstanceState::Stopped) => None,
            (_, InstanceState::Stopped) => Some(Notice::Stopped { instance, node }),
            (_, InstanceState::Unknown | InstanceState::Probing | InstanceState::Starting) => None,
        };
        notices.extend(notice);
    }

    fn count_failure(&mut self, resource: &ResourceId, node: &NodeId, failure: FailureRecord) {
        let list = self.failures.entry(resource.clone()).or_default().entry(node.clone()).or_default();
        if list.len() >= FAILURES_MAX {
            list.remove(0);
        }
        list.push(failure);
    }

    /// "Stopped", said after acting on the newest start order or after refusing it for ever, ends the permission.
    fn close_stopped(
        &mut self,
        node: &NodeId,
        incarnation: Incarnation,
        instance: &InstanceId,
        acted: (Term, PlanId),
    ) {
        self.may_run.retain(|_, m| {
            !(m.instance == *instance
                && m.node == *node
                && m.incarnation == incarnation
                && acted >= m.stamp.age_key())
        });
    }
}
