//! The leader switches power on again after a proof, once, when no attempt to cut it can be alive any more.

use super::Node;
use super::jobs::{Job, ORDER_VALID};
use super::lead::Key;
use crate::message::ExecJob;
use crate::state::Power;
use ha_fencing::{Attempt, level_plans};
use ha_model::sabotage::{self, Sabotage};
use ha_model::{BootNs, Entry, FenceId, NodeId, Now};
use ha_scheduler::NodeStatus;

/// The leader's clock for switching a node on.
#[derive(Clone, Debug, Default, Hash)]
pub(super) struct PowerClock {
    /// The end of the dwell; then, while an executor is at it, until when it may take.
    pub wakes_at: BootNs,
    /// How often in a row switching on failed.
    pub tries: u32,
}

impl Node {
    /// After a proof by power: on again once, after `off_dwell`, when no attempt can be under way any more.
    pub(super) fn drive_power(&mut self, now: Now) {
        let off: Vec<_> = self
            .state
            .nodes
            .iter()
            .filter(|(_, r)| r.status == NodeStatus::Off)
            .map(|(id, r)| (id.clone(), r.power.clone(), r.is_held))
            .collect();
        let dwell = self.config.timing.off_dwell;
        let Some(lead) = &mut self.lead else { return };
        lead.power.retain(|id, _| off.iter().any(|(o, ..)| o == id));
        lead.all_told.retain(|id| off.iter().any(|(o, ..)| o == id));
        let all_told = lead.all_told.clone();
        for (id, power, is_held) in off {
            let may_return = match power {
                Power::Off { returns, .. } => returns && !is_held && !sabotage::is(Sabotage::NeverSwitchOn),
                Power::OnRequested { .. } | Power::OnFailed { .. } => true,
                Power::Assumed | Power::On => false,
            };
            // Whoever leads counts from when it learned of the proof: all attempts were ordered before that, each holds
            // for `ORDER_VALID` from then at most, and runs no longer than the longest. A leader that has just begun need
            // not count anew.
            let since_proof = self.life_applied.get(&id).copied().unwrap_or(now.boot);
            let wakes_at = match power {
                // An earlier attempt that never reported may still send its off: wait until none can be alive.
                Power::Off { attempts: 2.., .. } if !all_told.contains(&id) => {
                    let longest = Attempt::longest(&level_plans(&self.config, &id));
                    since_proof + dwell.max(longest + ORDER_VALID)
                }
                Power::Off { .. } => since_proof + dwell,
                Power::OnRequested { .. } | Power::OnFailed { .. } | Power::Assumed | Power::On => {
                    now.boot + dwell
                }
            };
            let wakes_at = if sabotage::is(Sabotage::NoDwell) { now.boot } else { wakes_at };
            let Some(lead) = &mut self.lead else { return };
            if !may_return {
                lead.power.remove(&id);
                continue;
            }
            let fresh = PowerClock { wakes_at, tries: 0 };
            let clock = lead.power.entry(id.clone()).or_insert(fresh);
            if now.boot < clock.wakes_at {
                continue;
            }
            self.request_power_on(now, &id);
        }
    }

    /// A node is proven off. Who reports an attempt has ended its agents before: where all told us, nothing is left that
    /// could cut the node once more.
    pub(super) fn proof_applied(&mut self, id: FenceId, target: &NodeId) {
        let Some(lead) = &mut self.lead else { return };
        let told = lead.told.remove(&id).unwrap_or(0);
        let power = self.state.node(target).map(|r| &r.power);
        if matches!(power, Some(Power::Off { attempts, .. }) if told >= *attempts) {
            lead.all_told.insert(target.clone());
        } else {
            lead.all_told.remove(target);
        }
    }

    /// Proposes to switch a node on; false where nobody can do it now.
    pub(super) fn request_power_on(&mut self, now: Now, target: &NodeId) -> bool {
        let Some(executor) = self.executor_for(now, target) else { return false };
        let entry = Entry::PowerOnRequested { target: target.clone(), executor };
        self.propose(now, Key::Power(target.clone()), entry);
        true
    }

    pub(super) fn power_applied(&mut self, now: Now, target: &NodeId, executor: &NodeId) {
        if !self.state.node(target).is_some_and(|r| matches!(r.power, Power::OnRequested { .. })) {
            return;
        }
        let levels = level_plans(&self.config, target);
        let deadline = now.boot + Attempt::longest(&levels) + ORDER_VALID;
        let Some(lead) = &mut self.lead else { return };
        if !lead.is_serving {
            return;
        }
        lead.power.entry(target.clone()).or_default().wakes_at = deadline;
        let devices = levels.into_iter().flat_map(|l| l.devices).collect();
        self.give_job(
            now,
            executor,
            target,
            Job::PowerOn { target: target.clone() },
            ExecJob::PowerOn(devices),
        );
    }
}
