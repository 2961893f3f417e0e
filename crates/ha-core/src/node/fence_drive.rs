//! The leader drives open fence requests: an executor, an attempt, a verdict, a pause, the next attempt.
//!
//! Must not know: agents. Invariants: an order leaves after its attempt is in the log (the boot is condemned from
//! there on); no voter is cut while the others that live are no quorum; no proof while the target still speaks, to us
//! or to others; what was never attempted does not outlive its reason.

use super::Node;
use super::jobs::{Job, ORDER_VALID};
use super::lead::Key;
use super::silence::Held;
use super::warnings::About;
use crate::message::{ExecJob, ExecReport, ExecResult};
use crate::state::{FenceRecord, InstanceRecord};
use ha_fencing::{Attempt, AttemptReport, Claim, judge, level_plans, retry_pause};
use ha_model::sabotage::{self, Sabotage};
use ha_model::{BootNs, Entry, FenceId, FenceReason, InstanceState, Level, NodeId, Now};
use ha_scheduler::NodeStatus;
use std::collections::BTreeMap;
use std::time::Duration;

/// An operator's request to cut a node that takes part waits for so long where it cannot be done at once. Whoever asked
/// looks at what comes of it; hours later it would be a blow from nowhere.
const ASKED_WAIT: Duration = Duration::from_secs(60);

/// Why an attempt of an earlier leader is over.
const LEFT_OVER: &str = "whoever led when it began leads no more, and nobody told what came of it";

/// The leader's clock for one request.
#[derive(Clone, Debug, Hash)]
pub(super) struct FenceClock {
    /// The attempt we gave out: its number, its executor.
    pub running: Option<(u32, NodeId)>,
    /// A proof that waits for the target's silence.
    pub held: Option<Box<Held>>,
    /// Why no attempt is made now.
    pub waits_for: Option<String>,
    pub wakes_at: BootNs,
}

impl FenceClock {
    pub fn wait_until(wakes_at: BootNs) -> Self {
        Self { running: None, held: None, waits_for: None, wakes_at }
    }
}

impl Node {
    pub(super) fn drive_fences(&mut self, now: Now) {
        let open: Vec<_> = self.state.fences.iter().map(|(id, f)| (*id, f.clone())).collect();
        let Some(lead) = &mut self.lead else { return };
        let mut orphans = Vec::new();
        lead.fences.retain(|id, clock| {
            let is_open = open.iter().any(|(o, _)| o == id);
            if let (false, Some((_, executor))) = (is_open, &clock.running) {
                orphans.push((*id, executor.clone()));
            }
            is_open
        });
        for (id, executor) in orphans {
            self.cancel_cut(now, id, &executor);
        }
        if let Some(lead) = &mut self.lead {
            lead.jobs.retain(|_, (_, job)| !job.is_idle(|id| self.state.fences.contains_key(id)));
            lead.told.retain(|id, _| self.state.fences.contains_key(id));
        }
        for (id, record) in open {
            let Some(lead) = &mut self.lead else { return };
            let clock = lead.fences.entry(id).or_insert_with(|| FenceClock::wait_until(now.boot)).clone();
            if let Some((attempt, executor)) = &clock.running {
                if now.boot >= clock.wakes_at || !self.is_at_work(now, executor) {
                    let why = format!("{executor}, which ran the fence agents, did not answer");
                    self.attempt_failed(now, id, *attempt, why);
                }
                continue;
            }
            if let Some(held) = clock.held {
                self.judge_silence(now, id, &record.target, *held);
                continue;
            }
            if now.boot < clock.wakes_at || self.is_proposed(&Key::Attempt(id)) {
                continue;
            }
            // Before the first attempt nothing moves the clock: it tells since when we know of the request.
            if record.attempts == 0 && self.is_moot(now, &record, clock.wakes_at) {
                self.propose(now, Key::Attempt(id), Entry::FenceWithdrawn { id });
                continue;
            }
            // After a broken word an off is sent all the same: whatever helps.
            let is_last_resort = record.reason == FenceReason::HeardAfterConfirmation;
            let unprovable = self.why_unprovable(now, &record.target).filter(|_| !is_last_resort);
            let obstacle = unprovable.or_else(|| self.why_not_cut(now, &record.target));
            let is_handed_over = obstacle.is_none() && self.hand_over_before_own_cut(now, &record.target);
            if let Some(clock) = self.lead.as_mut().and_then(|l| l.fences.get_mut(&id)) {
                clock.waits_for.clone_from(&obstacle);
            }
            let is_free = obstacle.is_none() && !is_handed_over;
            let executor =
                is_free.then(|| self.pick_executor(now, &record.target, record.attempts)).flatten();
            if let Some(executor) = executor {
                let entry = Entry::FenceAttempt { id, attempt: record.attempts + 1, executor };
                self.propose(now, Key::Attempt(id), entry);
            } else if self.is_left_over(now, &record) {
                // Nothing follows it now, and for as long as it counts as under way, nobody else may be cut (L3).
                let (attempt, why) = (record.attempts, LEFT_OVER.to_owned());
                self.propose(now, Key::Attempt(id), Entry::FenceFailed { id, attempt, why });
            }
        }
    }

    /// Whether a request of which nothing came yet has lost its reason while its target takes part.
    fn is_moot(&self, now: Now, record: &FenceRecord, since: BootNs) -> bool {
        let is_member = self.state.node(&record.target).is_some_and(|r| r.status == NodeStatus::Member);
        let is_stuck = |by_node: &BTreeMap<NodeId, InstanceRecord>| {
            by_node.get(&record.target).is_some_and(|r| r.state() == InstanceState::StopFailed)
        };
        is_member
            && match record.reason {
                FenceReason::StopFailed { .. } => !self.state.instances.values().any(is_stuck),
                FenceReason::Asked { .. } => now.boot.since(since) >= ASKED_WAIT,
                FenceReason::Lost
                | FenceReason::NeverSeen
                | FenceReason::DaemonGone
                | FenceReason::HeardAfterConfirmation => false,
            }
    }

    /// The request was closed by another boot of the target, or by a human: an off that is still to come would cut what
    /// is healthy.
    fn cancel_cut(&mut self, now: Now, id: FenceId, executor: &NodeId) {
        let Some(lead) = &mut self.lead else { return };
        let of_it = lead.jobs.values().find_map(|(_, job)| match job {
            Job::Cut { id: cut, target, .. } if *cut == id => Some(target.clone()),
            Job::Cut { .. } | Job::Test { .. } | Job::PowerOn { .. } => None,
        });
        if let Some(target) = of_it {
            let job = Job::cancel(id, target.clone());
            self.give_job(now, executor, &target, job, ExecJob::Cancel);
        }
    }

    /// Why an off would prove nothing: it is not even sent, because a node that boots slowly would be cut each time.
    pub(super) fn why_unprovable(&self, now: Now, target: &NodeId) -> Option<String> {
        (!self.is_provable(now, target)).then(|| {
            let why = match self.state.why_doubted(&self.config, target) {
                Some(doubt) => format!("its last test said: {doubt}"),
                None => "its outlets were never read on while it was up".to_owned(),
            };
            format!(
                "{why}, so reading them off would prove nothing: when {target} is surely off, type: hactl fence confirm \
                 {target}"
            )
        })
    }

    /// Why a node cannot be cut now without ending the cluster's quorum: without one nobody would commit the proof,
    /// nor switch the node on again (L1, L3).
    pub(super) fn why_not_cut(&self, now: Now, target: &NodeId) -> Option<String> {
        let voters = self.raft.membership();
        let is_being_cut = |node: &NodeId| {
            self.state.fence_of(node).is_some_and(|(id, f)| {
                let clock = self.lead.as_ref().and_then(|l| l.fences.get(&id));
                let is_under_way = clock.is_some_and(|c| c.running.is_some() || c.held.is_some());
                f.is_running || is_under_way || self.is_proposed(&Key::Attempt(id))
            })
        };
        let lives = |node: &NodeId| {
            let is_me = *node == self.setup.me;
            // What is off was heard until just before.
            let is_off = !is_me && self.state.node(node).is_some_and(|r| r.status == NodeStatus::Off);
            let is_heard = is_me || self.membership.is_present(node, now.boot);
            is_heard && !is_off && !is_being_cut(node)
        };
        let stays = |node: &NodeId| node != target && lives(node);
        if !voters.is_voter(target) || voters.is_quorum(stays) {
            return None;
        }
        let missing: Vec<_> = voters
            .voter_nodes()
            .into_iter()
            .filter(|v| v != target && !lives(v))
            .map(|v| v.to_string())
            .collect();
        Some(format!(
            "without {target} the voters that are left would be no quorum, and nobody could switch it on again: \
             waits for {}",
            missing.join(" and ")
        ))
    }

    /// A leader that is to be cut itself lets another lead first: it saves the time in which its end is noticed. True
    /// while that is under way.
    fn hand_over_before_own_cut(&mut self, now: Now, target: &NodeId) -> bool {
        if *target != self.setup.me {
            return false;
        }
        let me = target.clone();
        let candidates: Vec<_> = self.raft.membership().voter_nodes().into_iter().collect();
        let to = candidates.into_iter().find(|v| *v != me && self.is_at_work(now, v));
        let Some(lead) = &mut self.lead else { return false };
        if lead.handover_at.contains_key(&me) {
            return false; // it was tried: whoever leads does what is to be done
        }
        lead.handover_at.insert(me, now.boot);
        to.is_some_and(|to| self.raft.transfer(now.boot, &to).is_ok())
    }

    /// Our attempt is in the log: the boot is condemned, now the order may leave.
    pub(super) fn attempt_applied(&mut self, now: Now, id: FenceId, attempt: u32, executor: &NodeId) {
        let Some(record) = self.state.fences.get(&id).filter(|f| f.attempts == attempt).cloned() else {
            return;
        };
        let levels = self.state.levels_to_try(&self.config, &record.target, executor);
        let deadline = now.boot + Attempt::longest(&levels) + ORDER_VALID;
        let Some(lead) = &mut self.lead else { return };
        if !lead.is_serving {
            return; // an attempt of an earlier leader: ours will follow
        }
        let clock =
            FenceClock { running: Some((attempt, executor.clone())), ..FenceClock::wait_until(deadline) };
        lead.fences.insert(id, clock);
        let job = Job::Cut { id, attempt, target: record.target.clone() };
        self.give_job(now, executor, &record.target, job, ExecJob::Cut(levels));
    }

    /// On the strength of a lease alone: only where that rule is broken on purpose.
    pub(super) fn cut_at_once(&mut self, now: Now, target: &NodeId) {
        let Some(executor) = self.pick_executor(now, target, 0) else { return };
        let levels = self.state.levels_to_try(&self.config, target, &executor);
        let job = Job::Cut { id: FenceId(u64::MAX), attempt: 0, target: target.clone() };
        self.give_job(now, &executor, target, job, ExecJob::Cut(levels));
    }

    pub(super) fn exec_report(&mut self, now: Now, from: &NodeId, report: ExecReport) {
        let is_at_work = self.is_at_work(now, from);
        let Some(lead) = &mut self.lead else { return };
        if report.term != lead.term || lead.jobs.get(&report.job).is_none_or(|(executor, _)| executor != from)
        {
            return;
        }
        let Some((_, job)) = lead.jobs.remove(&report.job) else { return };
        if let Job::Cut { id, .. } = &job {
            *lead.told.entry(*id).or_default() += 1;
        }
        match (job, report.result) {
            (Job::Cut { id, attempt, target: _ }, ExecResult::Cut(report)) if is_at_work => {
                self.cut_reported(now, id, attempt, from, &report);
            }
            (Job::Test { device, target, path_hash }, ExecResult::Test(report)) => {
                self.test_reported(now, &device, &target, from, path_hash, report);
            }
            (Job::PowerOn { target }, ExecResult::PowerOn(result)) => {
                let clock = lead.power.entry(target.clone()).or_default();
                clock.tries = if result.is_ok() { 0 } else { clock.tries + 1 };
                clock.wakes_at = now.boot + retry_pause(clock.tries, &self.config.timing);
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
        let evidence = |device: &_| self.state.evidence_for(device, &record.target, executor);
        match judge(&self.config, &levels, report, &claim, evidence) {
            Ok(proof) => {
                let held = Held::new(now, attempt, proof, report.marks);
                self.hold_or_prove(now, id, held);
            }
            Err(why) => self.attempt_failed(now, id, attempt, why),
        }
    }

    pub(super) fn prove(&mut self, now: Now, id: FenceId, held: Held) {
        let entry = Entry::FenceProven { id, proof: held.proof, marks: held.marks };
        if sabotage::is(Sabotage::UncommittedProof) {
            let at = now.wall;
            let _ = self.state.apply(self.applied, &ha_model::LogEntry { at, entry: entry.clone() });
        }
        let is_taken = self.propose(now, Key::Attempt(id), entry).is_some();
        // Where the log does not take it now, the next attempt proves it again.
        let pause = retry_pause(1, &self.config.timing);
        let wakes_at = if is_taken { BootNs(u64::MAX) } else { now.boot + pause };
        if let Some(lead) = &mut self.lead {
            lead.fences.insert(id, FenceClock::wait_until(wakes_at));
        }
    }

    pub(super) fn attempt_failed(&mut self, now: Now, id: FenceId, attempt: u32, why: String) {
        let pause = retry_pause(attempt, &self.config.timing);
        let is_last = sabotage::is(Sabotage::NoFenceRetry);
        let again = if is_last { BootNs(u64::MAX) } else { now.boot + pause };
        if let Some(lead) = &mut self.lead {
            lead.fences.insert(id, FenceClock::wait_until(again));
        }
        self.propose(now, Key::Attempt(id), Entry::FenceFailed { id, attempt, why });
    }

    /// A boot that is over was heard. After a human's confirmation it is fenced at once; after a proof by power its
    /// outlets feed another machine, which nobody but an operator can put right.
    pub(super) fn heard_after_its_end(&mut self, now: Now, node: &NodeId) {
        let Some(record) = self.state.node(node) else { return };
        let was_confirmed = record.is_off_by_word();
        // What was under way when the power went is no sign of life. The log told of its end here, or before our start.
        let ended = self.life_applied.get(node);
        let is_long_off = ended.is_none_or(|at| now.boot.since(*at) > self.config.timing.t_lost);
        if record.status == NodeStatus::Off && !was_confirmed && is_long_off {
            let text = format!(
                "{node} is heard although its power was read off: wrong outlet? What it ran may run twice; cut \
                 {node} off by hand, then correct its outlets in the cluster file"
            );
            self.warn(About::OverHeard(node.clone()), Level::Alarm, text);
        }
        // Without a fence path the attempt fails, and what the word had freed stops.
        if was_confirmed && self.state.fence_of(node).is_none() {
            self.request_fence(now, node, FenceReason::HeardAfterConfirmation);
        }
    }
}
