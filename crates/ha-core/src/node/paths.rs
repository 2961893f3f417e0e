//! Continuous, harmless tests of every fence path from every node that could be executor: at join, every few
//! minutes, sooner after a failure. The first reading of on is the evidence without which no off counts.

use super::Node;
use super::lead::{Job, Key};
use crate::message::ExecJob;
use ha_fencing::{DevicePlan, PathTestReport};
use ha_model::{BootNs, ClusterConfig, DeviceId, Entry, NodeId, Now, PathEvidence, Waiver};
use ha_scheduler::NodeStatus;
use std::time::Duration;

/// A path as one executor tests it: device, target, executor.
pub(super) type PathKey = (DeviceId, NodeId, NodeId);

/// A failed path is tested again this soon: an operator who mends it sees it within a coffee's sip.
const RETEST_FAILED: Duration = Duration::from_secs(5);

/// The leader's clock for one path and executor.
#[derive(Clone, Debug)]
pub(super) struct PathClock {
    pub wakes_at: BootNs,
    pub is_running: bool,
    /// Operators' requests that wait for the result.
    pub is_asked: bool,
}

impl Node {
    pub(super) fn drive_paths(&mut self, now: Now) {
        let due = self.paths_due(now);
        for (device, target, executor, plan) in due {
            let timeout = plan.timeout * (u32::try_from(plan.plugs.len()).unwrap_or(u32::MAX) + 2);
            let Some(lead) = &mut self.lead else { return };
            let key = (device.clone(), target.clone(), executor.clone());
            let is_asked = lead.paths.get(&key).is_some_and(|c| c.is_asked);
            lead.paths.insert(key, PathClock { wakes_at: now.boot + timeout, is_running: true, is_asked });
            let is_missing_off_waived =
                self.config.waivers.contains_key(&Waiver::BelieveAgentThatCallsMissingOutletsOff);
            let job = Job::Test { device, target: target.clone(), path_hash: plan.path_hash };
            self.give_job(now, &executor, &target, job, ExecJob::Test { plan, is_missing_off_waived });
        }
    }

    fn paths_due(&mut self, now: Now) -> Vec<(DeviceId, NodeId, NodeId, DevicePlan)> {
        let is_up = |id: &NodeId| {
            (*id == self.setup.me || self.membership.is_present(id, now.boot))
                && self.state.node(id).is_some_and(|r| r.status == NodeStatus::Member)
        };
        let up: Vec<_> = self.config.nodes.keys().filter(|id| is_up(id)).cloned().collect();
        let Some(lead) = &mut self.lead else { return vec![] };
        let mut due = Vec::new();
        for (device, spec) in &self.config.devices {
            for (target, plugs) in spec.outlets.iter().filter(|(t, _)| up.contains(t)) {
                for executor in up.iter().filter(|e| *e != target && lead.ready.contains_key(*e)) {
                    let clock = lead.paths.entry((device.clone(), target.clone(), executor.clone()));
                    let clock =
                        clock.or_insert(PathClock { wakes_at: now.boot, is_running: false, is_asked: false });
                    if now.boot < clock.wakes_at {
                        continue;
                    }
                    let plan = DevicePlan {
                        device: device.clone(),
                        path_hash: spec.path_hash,
                        plugs: plugs.clone(),
                        timeout: spec.timeout,
                        off_settle: spec.off_settle,
                    };
                    due.push((device.clone(), target.clone(), executor.clone(), plan));
                }
            }
        }
        due
    }

    /// Operators ask for a test now; returns the paths that will be tested.
    pub(super) fn ask_tests(&mut self, now: Now, node: Option<&NodeId>) -> Vec<(DeviceId, NodeId, NodeId)> {
        let Some(lead) = &mut self.lead else { return vec![] };
        let mut asked = Vec::new();
        for (key, clock) in &mut lead.paths {
            if node.is_none_or(|n| *n == key.1) {
                clock.is_asked = true;
                if !clock.is_running {
                    clock.wakes_at = now.boot;
                }
                asked.push(key.clone());
            }
        }
        asked
    }

    pub(super) fn test_reported(
        &mut self,
        now: Now,
        device: &DeviceId,
        target: &NodeId,
        executor: &NodeId,
        path_hash: [u8; 32],
        report: PathTestReport,
    ) {
        let timing = self.config.timing;
        let key = (device.clone(), target.clone(), executor.clone());
        let pause = if report.result.is_ok() { timing.path_test } else { RETEST_FAILED };
        let Some(lead) = &mut self.lead else { return };
        let was_asked = lead.paths.get(&key).is_some_and(|c| c.is_asked);
        lead.paths.insert(key, PathClock { wakes_at: now.boot + pause, is_running: false, is_asked: false });
        // "While the node's heartbeats were arriving": judged when the reading comes in.
        let is_alive = *target == self.setup.me || self.membership.is_present(target, now.boot);
        let result = match report.result {
            Ok(()) if !is_alive => return,
            Ok(()) => {
                Ok(PathEvidence { device: device.clone(), target: target.clone(), path_hash, at: now.wall })
            }
            Err(why) => Err(why),
        };
        if was_asked || self.is_path_news(now, device, target, executor, &result) {
            let entry = Entry::PathTested {
                device: device.clone(),
                target: target.clone(),
                executor: executor.clone(),
                result,
            };
            let key = Key::Path(device.clone(), target.clone(), executor.clone());
            if self.propose(now, key, entry).is_none()
                && let Some(lead) = &mut self.lead
            {
                // Its news must not wait for the next regular test.
                let key = (device.clone(), target.clone(), executor.clone());
                let wakes_at = now.boot + RETEST_FAILED;
                lead.paths.insert(key, PathClock { wakes_at, is_running: false, is_asked: false });
            }
        }
    }

    /// A stable cluster is silent (L7): what the log knows already is written again only to keep it fresh.
    fn is_path_news(
        &self,
        now: Now,
        device: &DeviceId,
        target: &NodeId,
        executor: &NodeId,
        result: &Result<PathEvidence, String>,
    ) -> bool {
        let config: &ClusterConfig = &self.config;
        let known =
            self.state.paths.get(device).and_then(|n| n.get(target)).and_then(|p| p.tests.get(executor));
        let is_same = known.is_some_and(|t| t.failed.as_ref() == result.as_ref().err());
        let key = (device.clone(), target.clone(), executor.clone());
        let is_fresh = self.is_test_younger(now, &key, config.timing.path_fresh / 2);
        !(is_same && is_fresh) || (result.is_ok() && !self.state.has_evidence(config, device, target))
    }

    /// Remembers when the log told of a test. Its own time is that of another clock, which may be wrong by hours.
    pub(super) fn note_test(&mut self, now: Now, entry: &Entry) {
        if let Entry::PathTested { device, target, executor, .. } = entry {
            self.tests_applied.insert((device.clone(), target.clone(), executor.clone()), now.boot);
        }
    }

    /// Whether the log told of the newest test less than so long ago; false where it was before our daemon's start.
    pub(super) fn is_test_younger(&self, now: Now, key: &PathKey, age: Duration) -> bool {
        self.tests_applied.get(key).is_some_and(|at| now.boot.since(*at) < age)
    }

    /// The configuration is new: what it does not name is not remembered (S13).
    pub(super) fn forget_tests(&mut self) {
        let config = &self.config;
        self.tests_applied.retain(|(device, target, executor), _| {
            let is_outlet = config.devices.get(device).is_some_and(|d| d.outlets.contains_key(target));
            is_outlet && config.nodes.contains_key(executor)
        });
    }
}
