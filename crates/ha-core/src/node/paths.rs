//! Continuous, harmless tests of every fence path from every node that could be executor: at join, every few
//! minutes, sooner after a failure, at once when the device is configured anew. The first reading of on is the evidence
//! without which no off counts; a reading of off takes it away where the node is known to have lived after it (S7).

use super::Node;
use super::jobs::Job;
use super::lead::Key;
use crate::message::ExecJob;
use ha_fencing::{DevicePlan, PathTestReport};
use ha_model::{BootNs, ClusterConfig, DeviceId, Entry, NodeId, Now, PathDoubt, PathEvidence, Waiver};
use ha_scheduler::NodeStatus;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// A path as one executor tests it: device, target, executor.
pub(super) type PathKey = (DeviceId, NodeId, NodeId);

/// A failed path is tested again this soon: an operator who mends it sees it within a coffee's sip.
const RETEST_FAILED: Duration = Duration::from_secs(5);

/// Heartbeats after which an executor knows of the configuration that the leader has just applied: asked sooner, it
/// would say that it has no such device.
const EXECUTOR_LEARNS_BEATS: u32 = 2;

/// The leader's clock for one path and executor.
#[derive(Clone, Debug, Hash)]
pub(super) struct PathClock {
    pub wakes_at: BootNs,
    pub is_running: bool,
    /// Operators' requests that wait for the result.
    pub is_asked: bool,
    /// The device as it is configured where this counts: another is another path.
    path_hash: [u8; 32],
    /// An outlet was read off by then: a real cut, or another machine's outlet.
    read_off: Option<(BootNs, String)>,
}

impl PathClock {
    fn wait_until(wakes_at: BootNs, path_hash: [u8; 32]) -> Self {
        Self { wakes_at, is_running: false, is_asked: false, path_hash, read_off: None }
    }
}

impl Node {
    pub(super) fn drive_paths(&mut self, now: Now) {
        self.judge_readings_of_off(now);
        let due = self.paths_due(now);
        for (device, target, executor, plan) in due {
            let timeout = plan.timeout * (u32::try_from(plan.plugs.len()).unwrap_or(u32::MAX) + 2);
            let Some(lead) = &mut self.lead else { return };
            let key = (device.clone(), target.clone(), executor.clone());
            if let Some(clock) = lead.paths.get_mut(&key) {
                (clock.wakes_at, clock.is_running) = (now.boot + timeout, true);
            }
            let is_missing_off_waived =
                self.config.waivers.contains_key(&Waiver::BelieveAgentThatCallsMissingOutletsOff);
            let is_shared = self.config.devices.get(&device).is_some_and(|spec| {
                spec.outlets.values().collect::<BTreeSet<_>>().len() > 1 // the same for all: one cut is the other's
            });
            let job = Job::Test { device, target: target.clone(), path_hash: plan.path_hash };
            let what = ExecJob::Test { plan, is_missing_off_waived, is_shared };
            self.give_job(now, &executor, &target, job, what);
        }
    }

    fn paths_due(&mut self, now: Now) -> Vec<(DeviceId, NodeId, NodeId, DevicePlan)> {
        let is_up = |id: &NodeId| {
            (*id == self.setup.me || self.membership.is_present(id, now.boot))
                && self.state.node(id).is_some_and(|r| r.status == NodeStatus::Member)
        };
        let up: Vec<_> = self.config.nodes.keys().filter(|id| is_up(id)).cloned().collect();
        let learns = self.config.timing.beat * EXECUTOR_LEARNS_BEATS;
        let Some(lead) = &mut self.lead else { return vec![] };
        let executors: Vec<_> = up.iter().filter(|id| lead.ready.contains_key(*id)).cloned().collect();
        let is_seen = lead.paths_of.as_ref().is_some_and(|(targets, by, config)| {
            Arc::ptr_eq(config, &self.config) && *targets == up && *by == executors
        });
        let is_due = |((_, target, executor), clock): (&PathKey, &PathClock)| {
            clock.wakes_at <= now.boot && up.contains(target) && executors.contains(executor)
        };
        if is_seen && !lead.paths.iter().any(is_due) {
            return vec![]; // nearly always
        }
        lead.paths_of = Some((up.clone(), executors.clone(), Arc::clone(&self.config)));
        lead.paths.retain(|(device, target, _), _| {
            self.config.devices.get(device).is_some_and(|d| d.outlets.contains_key(target))
        });
        let mut due = Vec::new();
        for (device, spec) in &self.config.devices {
            for (target, plugs) in spec.outlets.iter().filter(|(t, _)| up.contains(t)) {
                for executor in executors.iter().filter(|e| *e != target) {
                    let clock = lead.paths.entry((device.clone(), target.clone(), executor.clone()));
                    let clock = clock.or_insert_with(|| PathClock::wait_until(now.boot, spec.path_hash));
                    if clock.path_hash != spec.path_hash {
                        // The evidence lapsed: whoever is lost before the next is proven by nothing.
                        let at = if *executor == self.setup.me { now.boot } else { now.boot + learns };
                        let is_asked = clock.is_asked;
                        *clock = PathClock { is_asked, ..PathClock::wait_until(at, spec.path_hash) };
                    }
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

    /// A stream to an executor is new: orders to test, or what came of them, may be lost. Testing twice harms nobody.
    pub(super) fn repeat_tests(&mut self, now: Now, executor: &NodeId) {
        let Some(lead) = &mut self.lead else { return };
        for (_, clock) in lead.paths.iter_mut().filter(|(key, c)| key.2 == *executor && c.is_running) {
            if clock.read_off.is_none() {
                (clock.wakes_at, clock.is_running) = (now.boot, false);
            }
        }
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
        let key = (device.clone(), target.clone(), executor.clone());
        let Some(lead) = &mut self.lead else { return };
        let Some(clock) = lead.paths.get_mut(&key).filter(|c| c.is_running && c.path_hash == path_hash)
        else {
            return; // of a boot before, or of a device that is another now: it is tested anew
        };
        if report.doubt == Some(PathDoubt::Outlet) {
            let t_lost = self.config.timing.t_lost;
            let settle = self.config.devices.get(device).map(|d| d.off_settle).unwrap_or_default();
            clock.wakes_at =
                now.boot + settle + if *target == self.setup.me { Duration::ZERO } else { t_lost };
            clock.read_off = Some((now.boot + settle, report.result.err().unwrap_or_default()));
            return self.judge_readings_of_off(now);
        }
        // "While the node's heartbeats were arriving": judged when the reading comes in.
        let is_alive = *target == self.setup.me || self.membership.is_present(target, now.boot);
        match report.result {
            Ok(()) if !is_alive => self.rest_path(&key, now.boot + RETEST_FAILED),
            Ok(()) => {
                let (device, target) = (device.clone(), target.clone());
                self.test_ended(now, key, Ok(PathEvidence { device, target, path_hash, at: now.wall }), None);
            }
            Err(why) => self.test_ended(now, key, Err(why), report.doubt),
        }
    }

    /// Outlets that were read off, each by the time after which no supply holds its charge: where the node lives on, it
    /// is not fed by them; where it is silent, it was really cut, and its power is proven off the better.
    fn judge_readings_of_off(&mut self, now: Now) {
        let Some(lead) = &self.lead else { return };
        let read_off: Vec<_> = lead
            .paths
            .iter()
            .filter_map(|(key, c)| c.read_off.clone().map(|(at, why)| (key.clone(), at, why, c.wakes_at)))
            .collect();
        for (key, at, why, wakes_at) in read_off {
            if self.state.node(&key.1).is_none_or(|r| r.status != NodeStatus::Member) {
                self.rest_path(&key, now.boot + RETEST_FAILED); // it may have been our own off that was read
            } else if self.has_lived_after(now, &key.1, at) {
                self.test_ended(now, key, Err(why), Some(PathDoubt::Outlet));
            } else if now.boot >= wakes_at {
                self.test_ended(now, key, Err(why), None);
            }
        }
    }

    /// Whether the boot of a node that takes part lived at a time of our clock, or after it.
    fn has_lived_after(&self, now: Now, node: &NodeId, at: BootNs) -> bool {
        if *node == self.setup.me {
            return now.boot >= at;
        }
        let boot = self.state.node(node).and_then(|r| r.incarnation);
        let is_it = self.membership.life(node).is_some_and(|(incarnation, _)| boot == Some(incarnation));
        is_it && self.membership.lived_after(node).is_some_and(|lived| lived > at)
    }

    fn rest_path(&mut self, key: &(DeviceId, NodeId, NodeId), wakes_at: BootNs) {
        if let Some(clock) = self.lead.as_mut().and_then(|l| l.paths.get_mut(key)) {
            *clock = PathClock::wait_until(wakes_at, clock.path_hash);
        }
    }

    /// A test is over: what is news of it goes into the log.
    fn test_ended(
        &mut self,
        now: Now,
        key: (DeviceId, NodeId, NodeId),
        result: Result<PathEvidence, String>,
        doubt: Option<PathDoubt>,
    ) {
        let pause = if result.is_ok() { self.config.timing.path_test } else { RETEST_FAILED };
        let was_asked = self.lead.as_ref().and_then(|l| l.paths.get(&key)).is_some_and(|c| c.is_asked);
        self.rest_path(&key, now.boot + pause);
        let (device, target, executor) = &key;
        let takes_evidence = doubt == Some(PathDoubt::Outlet)
            && self.state.paths.get(device).and_then(|n| n.get(target)).is_some_and(|p| p.evidence.is_some());
        if was_asked || takes_evidence || self.is_path_news(now, device, target, executor, &result) {
            let entry = Entry::PathTested {
                device: device.clone(),
                target: target.clone(),
                executor: executor.clone(),
                result,
                doubt,
            };
            let proposal = Key::Path(device.clone(), target.clone(), executor.clone());
            if self.propose(now, proposal, entry).is_none() {
                self.rest_path(&key, now.boot + RETEST_FAILED); // its news must not wait for the next regular test
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
