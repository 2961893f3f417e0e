//! The leader drives open fence requests: an executor, an attempt, a verdict, a pause, the next attempt; and
//! switches power on again after a proof.

use super::Node;
use super::lead::{Job, Key};
use crate::message::{ExecJob, ExecOrder, ExecReport, ExecResult, PeerMessage};
use crate::state::Power;
use ha_fencing::{Attempt, AttemptReport, Claim, judge, level_plans, retry_pause};
use ha_model::{BootNs, Entry, FenceId, FenceMarks, FenceReason, Level, NodeId, Now};
use ha_scheduler::NodeStatus;
use std::time::Duration;

/// What an executor gets beyond the longest time its agents can take, before the leader asks another.
const EXECUTOR_MARGIN: Duration = Duration::from_secs(2);

/// The leader's clock for one request.
#[derive(Clone, Debug)]
pub(super) struct FenceClock {
    /// The attempt we gave out: its number, its executor.
    pub running: Option<(u32, NodeId)>,
    pub wakes_at: BootNs,
}

/// The leader's clock for switching a node on.
#[derive(Clone, Debug)]
pub(super) struct PowerClock {
    /// The end of the dwell; then, while an executor is at it, until when it may take.
    pub wakes_at: BootNs,
}

impl Node {
    pub(super) fn drive_fences(&mut self, now: Now) {
        let open: Vec<_> = self.state.fences.iter().map(|(id, f)| (*id, f.clone())).collect();
        let Some(lead) = &mut self.lead else { return };
        lead.fences.retain(|id, _| open.iter().any(|(o, _)| o == id));
        for (id, record) in open {
            let Some(lead) = &mut self.lead else { return };
            let clock =
                lead.fences.entry(id).or_insert(FenceClock { running: None, wakes_at: now.boot }).clone();
            if let Some((attempt, executor)) = &clock.running {
                let is_gone = *executor != self.setup.me && !self.membership.is_present(executor, now.boot);
                if now.boot >= clock.wakes_at || is_gone {
                    let why = format!("{executor}, which ran the fence agents, did not answer");
                    self.attempt_failed(now, id, *attempt, why);
                }
                continue;
            }
            if now.boot < clock.wakes_at || self.is_proposed(&Key::Attempt(id)) {
                continue;
            }
            let Some(executor) = self.pick_executor(now, &record.target, record.attempts) else { continue };
            let entry = Entry::FenceAttempt { id, attempt: record.attempts + 1, executor };
            self.propose(now, Key::Attempt(id), entry);
        }
    }

    /// A node that may run agents against the target: present, not the target itself; those whose test of a path
    /// to it passed come first, this node before others, and each failed attempt moves on to the next.
    fn pick_executor(&self, now: Now, target: &NodeId, attempts: u32) -> Option<NodeId> {
        let me = &self.setup.me;
        let mut candidates: Vec<NodeId> = self
            .config
            .nodes
            .keys()
            .filter(|id| *id != target)
            .filter(|id| *id == me || self.membership.is_present(id, now.boot))
            .filter(|id| self.state.node(id).is_some_and(|r| r.status == NodeStatus::Member))
            .cloned()
            .collect();
        candidates.sort_by_key(|id| (!self.has_passed(now, id, target), id != me));
        let passed = candidates.iter().filter(|id| self.has_passed(now, id, target)).count();
        let pool = if passed > 0 { passed } else { candidates.len() };
        (pool > 0).then(|| candidates[attempts as usize % pool].clone())
    }

    /// Whether the executor's newest test of some path to the target passed, and is no older than such a test may be.
    fn has_passed(&self, now: Now, executor: &NodeId, target: &NodeId) -> bool {
        let fresh = i64::try_from(self.config.timing.path_fresh.as_millis()).unwrap_or(i64::MAX);
        self.state.paths.values().any(|by_node| {
            by_node
                .get(target)
                .and_then(|p| p.tests.get(executor))
                .is_some_and(|t| t.failed.is_none() && now.wall.0 - t.at.0 < fresh)
        })
    }

    /// Our attempt is in the log: the boot is condemned, now the order may leave.
    pub(super) fn attempt_applied(&mut self, now: Now, id: FenceId, attempt: u32, executor: &NodeId) {
        let Some(record) = self.state.fences.get(&id).filter(|f| f.attempts == attempt).cloned() else {
            return;
        };
        let levels = level_plans(&self.config, &record.target);
        let deadline = now.boot + Attempt::longest(&levels) + EXECUTOR_MARGIN;
        let Some(lead) = &mut self.lead else { return };
        if !lead.is_serving {
            return; // an attempt of an earlier leader: ours will follow
        }
        lead.fences.insert(id, FenceClock { running: Some((attempt, executor.clone())), wakes_at: deadline });
        let job = Job::Cut { id, attempt };
        self.give_job(executor, &record.target, job, ExecJob::Cut(levels));
    }

    pub(super) fn give_job(&mut self, executor: &NodeId, target: &NodeId, job: Job, what: ExecJob) {
        let Some(lead) = &mut self.lead else { return };
        let number = lead.next_job;
        lead.next_job += 1;
        lead.jobs.insert(number, (executor.clone(), job));
        let order = ExecOrder { term: lead.term, job: number, target: target.clone(), what };
        self.send(executor, PeerMessage::ExecOrder(order));
    }

    pub(super) fn exec_report(&mut self, now: Now, from: &NodeId, report: ExecReport) {
        let Some(lead) = &mut self.lead else { return };
        if report.term != lead.term || lead.jobs.get(&report.job).is_none_or(|(executor, _)| executor != from)
        {
            return;
        }
        let Some((_, job)) = lead.jobs.remove(&report.job) else { return };
        match (job, report.result) {
            (Job::Cut { id, attempt }, ExecResult::Cut(report)) => {
                self.cut_reported(now, id, attempt, from, &report)
            }
            (Job::Test { device, target, path_hash }, ExecResult::Test(report)) => {
                self.test_reported(now, &device, &target, from, path_hash, report);
            }
            (Job::PowerOn { target }, ExecResult::PowerOn(result)) => {
                lead.power.remove(&target);
                self.propose(now, Key::Power(target.clone()), Entry::PowerOnEnded { target, result });
            }
            (Job::Cut { .. } | Job::Test { .. } | Job::PowerOn { .. }, _) => {}
        }
    }

    fn cut_reported(
        &mut self,
        now: Now,
        id: FenceId,
        attempt: u32,
        executor: &NodeId,
        report: &AttemptReport,
    ) {
        let Some(record) = self.state.fences.get(&id).filter(|f| f.attempts == attempt) else { return };
        let levels = level_plans(&self.config, &record.target);
        let claim = Claim {
            target: record.target.clone(),
            incarnation: record.incarnation,
            executor: executor.clone(),
            at: now.wall,
        };
        let evidence = |device: &ha_model::DeviceId| {
            self.state.paths.get(device)?.get(&record.target)?.evidence.as_ref()
        };
        match judge(&self.config, &levels, report, &claim, evidence) {
            Ok(proof) => {
                let marks: FenceMarks = report.marks;
                let entry = Entry::FenceProven { id, proof, marks };
                let is_taken = self.propose(now, Key::Attempt(id), entry).is_some();
                // Where the log does not take it now, the next attempt proves it again.
                let pause = retry_pause(1, &self.config.timing);
                let wakes_at = if is_taken { BootNs(u64::MAX) } else { now.boot + pause };
                if let Some(lead) = &mut self.lead {
                    lead.fences.insert(id, FenceClock { running: None, wakes_at });
                }
            }
            Err(why) => self.attempt_failed(now, id, attempt, why),
        }
    }

    fn attempt_failed(&mut self, now: Now, id: FenceId, attempt: u32, why: String) {
        let pause = retry_pause(attempt, &self.config.timing);
        if let Some(lead) = &mut self.lead {
            lead.fences.insert(id, FenceClock { running: None, wakes_at: now.boot + pause });
        }
        self.propose(now, Key::Attempt(id), Entry::FenceFailed { id, attempt, why });
    }

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
        for (id, power, is_held) in off {
            let may_return = match power {
                Power::Off { returns, .. } => returns && !is_held,
                Power::OnRequested { .. } => true,
                Power::Assumed | Power::On | Power::OnFailed { .. } => false,
            };
            // An earlier attempt that never reported may still send its off: wait until none can be alive.
            let wait = match power {
                Power::Off { attempts: 2.., .. } => {
                    dwell.max(Attempt::longest(&level_plans(&self.config, &id)) + EXECUTOR_MARGIN)
                }
                _ => dwell,
            };
            let Some(lead) = &mut self.lead else { return };
            if !may_return {
                lead.power.remove(&id);
                continue;
            }
            let clock = lead.power.entry(id.clone()).or_insert(PowerClock { wakes_at: now.boot + wait });
            if now.boot < clock.wakes_at {
                continue;
            }
            self.request_power_on(now, &id);
        }
    }

    pub(super) fn executor_for(&self, now: Now, target: &NodeId) -> Option<NodeId> {
        self.pick_executor(now, target, 0)
    }

    /// A boot that is over was heard. After a human's confirmation it is fenced at once; after a proof by power its
    /// outlets feed another machine, which nobody but an operator can put right.
    pub(super) fn heard_after_its_end(&mut self, now: Now, node: &NodeId) {
        let Some(record) = self.state.node(node) else { return };
        let was_confirmed = record.is_off_by_word();
        let t_lost = i64::try_from(self.config.timing.t_lost.as_millis()).unwrap_or(i64::MAX);
        // What was under way when the power went is no sign of life.
        let is_long_off = record.fenced_at.last().is_none_or(|at| now.wall.0 - at.0 > t_lost);
        if record.status == NodeStatus::Off && !was_confirmed && is_long_off {
            let text = format!(
                "{node} is heard although its power was read off: wrong outlet? What it ran may run twice; cut \
                 {node} off by hand, then correct its outlets in the cluster file"
            );
            self.warn(Level::Alarm, text);
        }
        if was_confirmed && self.state.fence_of(node).is_none() && self.config.has_fence_path(node) {
            self.request_fence(now, node, FenceReason::HeardAfterConfirmation);
        }
    }

    /// Proposes to switch a node on; false where nobody can do it now.
    pub(super) fn request_power_on(&mut self, now: Now, target: &NodeId) -> bool {
        let Some(executor) = self.pick_executor(now, target, 0) else { return false };
        let entry = Entry::PowerOnRequested { target: target.clone(), executor };
        self.propose(now, Key::Power(target.clone()), entry);
        true
    }

    pub(super) fn power_applied(&mut self, now: Now, target: &NodeId, executor: &NodeId) {
        if !self.state.node(target).is_some_and(|r| matches!(r.power, Power::OnRequested { .. })) {
            return;
        }
        let levels = level_plans(&self.config, target);
        let deadline = now.boot + Attempt::longest(&levels) + EXECUTOR_MARGIN;
        let Some(lead) = &mut self.lead else { return };
        if !lead.is_serving {
            return;
        }
        lead.power.insert(target.clone(), PowerClock { wakes_at: deadline });
        let devices = levels.into_iter().flat_map(|l| l.devices).collect();
        self.give_job(executor, target, Job::PowerOn { target: target.clone() }, ExecJob::PowerOn(devices));
    }
}
