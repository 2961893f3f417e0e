//! Applying entries: nodes, configuration. Fencing is in `fences`, permissions and observations in `runs`, operators'
//! wishes in `wishes`.

use super::{Applied, ClusterState, ConfigInForce, NodeRecord, Power};
use ha_config::parse;
use ha_model::sabotage::{self, Sabotage};
use ha_model::{ArmedWatchdog, Entry, Incarnation, Index, LogEntry, NodeId, Notice, Origin, SessionId};
use ha_scheduler::NodeStatus;
use std::sync::Arc;

/// Why an entry has no effect.
pub(super) type Void = String;

impl ClusterState {
    /// Applies one committed entry. Total: an entry that is out of date or would break a rule changes nothing and
    /// gives [`Notice::EntryVoid`].
    pub fn apply(&mut self, index: Index, log_entry: &LogEntry) -> Applied {
        let is_config = matches!(log_entry.entry, Entry::Config { .. });
        let (notices, is_config_new) = match self.apply_entry(index, log_entry) {
            Ok(notices) => {
                self.drop_idle_restarts();
                (notices, is_config)
            }
            Err(why) => (vec![Notice::EntryVoid { index, why }], false),
        };
        for notice in &notices {
            self.push_event(index, log_entry.at, notice);
        }
        Applied { notices, is_config_new }
    }

    fn apply_entry(&mut self, index: Index, log_entry: &LogEntry) -> Result<Vec<Notice>, Void> {
        let at = log_entry.at;
        match &log_entry.entry {
            Entry::Config { name, text, origin } => self.apply_config(index, name, text, origin),
            Entry::NodeJoined { node, incarnation, session } => {
                self.apply_joined(node, *incarnation, *session)
            }
            Entry::NodeLost { node, incarnation, why } => {
                let record = self.known_node(node)?;
                let may_be_lost = match record.status {
                    NodeStatus::Member => record.incarnation == *incarnation,
                    NodeStatus::Unseen => incarnation.is_none(),
                    NodeStatus::Lost | NodeStatus::Condemned | NodeStatus::Off | NodeStatus::Left => false,
                };
                if !may_be_lost {
                    return Err(format!("{node} is {}, not in that boot", record.status));
                }
                record.status = NodeStatus::Lost;
                if sabotage::is(Sabotage::SkipFenceWait) {
                    self.may_run.retain(|_, m| m.node != *node);
                }
                Ok(vec![Notice::NodeLost { node: node.clone(), why: why.clone() }])
            }
            Entry::NodeReturned { node, incarnation } => self.apply_returned(node, *incarnation),
            Entry::NodeLeft { node, incarnation } => {
                if let Some((object, _)) = self.may_run_on(node).next() {
                    return Err(format!("{node} may still run {object}")); // S19
                }
                let record = self.known_node(node)?;
                if record.status != NodeStatus::Member || record.incarnation != Some(*incarnation) {
                    return Err(format!("{node} is not a member in that boot"));
                }
                record.status = NodeStatus::Left;
                record.watchdog = None;
                Ok(vec![Notice::NodeLeft { node: node.clone() }])
            }
            Entry::FenceRequested { target, incarnation, reason } => {
                self.apply_fence_requested(index, at, target, *incarnation, reason)
            }
            Entry::FenceWithdrawn { id } => self.apply_fence_withdrawn(*id),
            Entry::FenceAttempt { id, attempt, executor } => {
                self.apply_fence_attempt(*id, *attempt, executor)
            }
            Entry::FenceFailed { id, attempt, why } => self.apply_fence_failed(*id, *attempt, why),
            Entry::FenceProven { id, proof, marks } => self.apply_fence_proven(*id, proof, *marks, at),
            Entry::Leads { leader, term } => {
                Ok(vec![Notice::LeaderElected { leader: leader.clone(), term: *term }])
            }
            Entry::FenceConfirmed { proof } => self.apply_fence_confirmed(proof, at),
            Entry::PathTested { device, target, executor, result, doubt } => {
                self.apply_path_tested(device, target, executor, (result, *doubt), at)
            }
            Entry::PowerOnRequested { target, executor } => {
                let record = self.known_node(target)?;
                if record.status != NodeStatus::Off {
                    return Err(format!("{target} is not off"));
                }
                record.power = Power::OnRequested { executor: executor.clone() };
                Ok(vec![Notice::PowerOn { node: target.clone() }])
            }
            Entry::PowerOnEnded { target, result } => {
                let record = self.known_node(target)?;
                if !matches!(record.power, Power::OnRequested { .. }) {
                    return Err(format!("no power on of {target} is under way"));
                }
                record.power = match result {
                    Ok(()) => Power::On,
                    Err(why) => Power::OnFailed { why: why.clone() },
                };
                Ok(vec![Notice::PowerOnEnded { node: target.clone(), failed: result.clone().err() }])
            }
            Entry::MayRun { objects, instance, node, incarnation, stamp } => {
                self.apply_may_run(objects, instance, node, *incarnation, *stamp)
            }
            Entry::Observed { node, incarnation, session, seq, acted, instances } => {
                self.apply_observed(node, (*incarnation, *session), *seq, *acted, instances, at)
            }
            Entry::Wish { origin, wish } => self.apply_wish(origin, wish),
            Entry::WatchdogArmed { node, incarnation, watchdog } => {
                self.apply_watchdog(node, *incarnation, watchdog)
            }
            Entry::Expired => Ok(self.apply_expired(at)),
        }
    }

    pub(super) fn known_node(&mut self, node: &NodeId) -> Result<&mut NodeRecord, Void> {
        self.nodes.get_mut(node).ok_or_else(|| format!("no node {node} is configured"))
    }

    fn apply_config(
        &mut self,
        index: Index,
        name: &str,
        text: &str,
        origin: &Origin,
    ) -> Result<Vec<Notice>, Void> {
        let parsed = parse(name, text).map_err(|d| d.render(false))?;
        if let Some((why, _)) = self.why_not_config(&parsed.config) {
            return Err(why); // S19
        }
        for node in parsed.config.nodes.keys() {
            self.nodes.entry(node.clone()).or_default();
        }
        self.wishes_after(&parsed.config);
        for (id, record) in &mut self.nodes {
            let named = parsed.config.nodes.get(id).and_then(|n| n.watchdog.as_ref());
            record.watchdog.take_if(|w| named != Some(&w.device));
        }
        let sha = parsed.config.sha256;
        self.config = Some(ConfigInForce {
            name: name.to_owned(),
            text: text.to_owned(),
            origin: origin.clone(),
            index,
        });
        self.parsed = Some(Arc::new(parsed.config));
        let by = match origin {
            Origin::Admin { who, .. } => format!("by {who}"),
            Origin::File { name, .. } => format!("from {name}"),
            Origin::Cib { .. } | Origin::Default => "at formation".to_owned(),
        };
        Ok(vec![Notice::ConfigApplied { sha: [sha[0], sha[1], sha[2], sha[3]], by }])
    }

    fn apply_joined(
        &mut self,
        node: &NodeId,
        incarnation: Incarnation,
        session: SessionId,
    ) -> Result<Vec<Notice>, Void> {
        let record = self.known_node(node)?;
        let is_sabotaged = sabotage::is(Sabotage::RejoinOldBoot);
        if record.has_ended(incarnation) && !is_sabotaged {
            return Err(format!("boot {incarnation} of {node} is over")); // S18
        }
        let is_same_boot = record.incarnation == Some(incarnation);
        if is_same_boot && matches!(record.status, NodeStatus::Lost | NodeStatus::Condemned) && !is_sabotaged
        {
            return Err(format!("{node} is lost in that boot")); // S18
        }
        if is_same_boot && record.status == NodeStatus::Member && record.session == Some(session) {
            return Err(format!("{node} takes part already"));
        }
        let old = record.incarnation.filter(|_| !is_same_boot);
        if !is_same_boot {
            record.watchdog = None;
        }
        record.status = NodeStatus::Member;
        record.incarnation = Some(incarnation);
        record.session = Some(session);
        record.report_seq = 0;
        record.power = Power::Assumed;
        record.off_by_word = false;
        record.freed_by_word.clear();
        if let Some(old) = old {
            record.end(old);
        }
        if is_same_boot && sabotage::is(Sabotage::ForgetOnRestart) {
            self.may_run.retain(|_, m| m.node != *node);
        }
        // A new session or boot knows nothing yet: everything is probed there (S8).
        for by_node in self.instances.values_mut() {
            by_node.remove(node);
        }
        let mut notices = vec![Notice::NodeJoined { node: node.clone(), incarnation, is_same_boot }];
        if !is_same_boot {
            notices.extend(self.close_by_new_boot(node, incarnation));
        }
        Ok(notices)
    }

    fn apply_watchdog(
        &mut self,
        node: &NodeId,
        incarnation: Incarnation,
        watchdog: &ArmedWatchdog,
    ) -> Result<Vec<Notice>, Void> {
        let named = self.parsed.as_ref().and_then(|c| c.nodes.get(node)?.watchdog.as_ref());
        let is_named = named == Some(&watchdog.device);
        let record = self.known_node(node)?;
        if record.incarnation != Some(incarnation) || record.status != NodeStatus::Member {
            return Err(format!("{node} is not a member in that boot"));
        }
        if !is_named {
            return Err(format!(
                "{} is no watchdog of {node} by the configuration in force",
                watchdog.device
            ));
        }
        if record.watchdog.as_ref() == Some(watchdog) {
            return Err(format!("the watchdog of {node} is known to be armed"));
        }
        record.watchdog = Some(watchdog.clone());
        Ok(vec![Notice::WatchdogArmed { node: node.clone(), watchdog: watchdog.clone() }])
    }

    fn apply_returned(&mut self, node: &NodeId, incarnation: Incarnation) -> Result<Vec<Notice>, Void> {
        let record = self.known_node(node)?;
        if record.status != NodeStatus::Lost
            || record.incarnation != Some(incarnation)
            || record.has_ended(incarnation)
        {
            return Err(format!("{node} cannot return in boot {incarnation}")); // S18
        }
        let mut notices = vec![Notice::NodeReturned { node: node.clone() }];
        if let Some((id, _)) = self.fence_of(node) {
            notices.extend(self.apply_fence_withdrawn(id)?);
        }
        self.known_node(node)?.status = NodeStatus::Member;
        Ok(notices)
    }
}
