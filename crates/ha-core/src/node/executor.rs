//! The executor's side of fencing: runs one job per order, one agent call at a time, and reports to the leader that
//! ordered it. Orders of an older term are refused; whatever runs dies with this daemon's session.

use super::Node;
use crate::effect::{Effect, FenceRun};
use crate::message::{ExecJob, ExecOrder, ExecReport, ExecResult, PeerMessage};
use ha_fencing::{Attempt, Call, CallAction, CallId, CallOutcome, DevicePlan, PathTest, Step};
use ha_model::sabotage::{self, Sabotage};
use ha_model::{AgentName, BootNs, EffectId, Index, NodeId, Now, Term};
use std::collections::BTreeMap;

/// Jobs at a time on one executor: every path of a 32-node cluster could be tested at once.
const JOBS_MAX: usize = 256;

#[derive(Clone, Debug, Hash)]
enum Machine {
    Cut(Attempt),
    Test(PathTest),
    On(PowerOn),
}

/// Reports of cuts kept at most: a leader waits for one of each node.
const REPORTS_MAX: usize = 64;

/// Switching on: each outlet once; the first failure is told, the others are tried all the same.
#[derive(Clone, Debug, Hash)]
struct PowerOn {
    outlets: Vec<(DevicePlan, String)>,
    next: usize,
    in_flight: Option<Call>,
    failed: Option<String>,
}

impl PowerOn {
    fn step(&mut self) -> Step<Result<(), String>> {
        if let Some(call) = &self.in_flight {
            return Step::Call(call.clone());
        }
        let Some((device, plug)) = self.outlets.get(self.next) else {
            return Step::Done(self.failed.clone().map_or(Ok(()), Err));
        };
        let call = Call {
            id: CallId(u32::try_from(self.next).unwrap_or(u32::MAX)),
            device: device.device.clone(),
            path_hash: device.path_hash,
            plug: plug.clone(),
            action: CallAction::On,
            timeout: device.timeout,
        };
        self.in_flight = Some(call.clone());
        Step::Call(call)
    }

    fn call_done(&mut self, outcome: &CallOutcome) {
        let Some(call) = self.in_flight.take() else { return };
        self.next += 1;
        let why = match outcome {
            CallOutcome::Done => return,
            CallOutcome::Failed { why } => why.clone(),
            CallOutcome::TimedOut => format!("no answer within {} s", call.timeout.as_secs_f32()),
            CallOutcome::Read(verdict) => format!("it answered that the outlet is {verdict}"),
        };
        self.failed.get_or_insert(format!("{} outlet {}: {why}", call.device, call.plug));
    }
}

#[derive(Clone, Debug, Hash)]
struct RunningJob {
    leader: NodeId,
    target: NodeId,
    /// What the leader had applied when it ordered.
    position: Index,
    machine: Machine,
    run: Option<(EffectId, CallId)>,
    wakes_at: Option<BootNs>,
}

/// Jobs under way here.
#[derive(Clone, Debug, Default, Hash)]
pub(super) struct Executor {
    jobs: BTreeMap<(Term, u64), RunningJob>,
    /// Reports of cuts in the newest term: a stream may break with one under way.
    reported: BTreeMap<(Term, u64), ExecReport>,
}

impl Executor {
    pub fn next_deadline(&self) -> Option<BootNs> {
        self.jobs.values().filter_map(|j| j.wakes_at).min()
    }

    fn keep(&mut self, report: &ExecReport) {
        self.reported.retain(|(term, _), _| *term == report.term);
        if let ExecResult::Cut(_) = report.result {
            self.reported.insert((report.term, report.job), report.clone());
        }
        if self.reported.len() > REPORTS_MAX {
            self.reported.pop_first();
        }
    }
}

impl Node {
    pub(super) fn exec_order(&mut self, now: Now, from: &NodeId, order: ExecOrder) {
        let is_deposed = order.term < self.raft.term() || self.raft.leader() != Some(from);
        if is_deposed && !sabotage::is(Sabotage::ObeyDeposed) {
            return; // S3
        }
        let key = (order.term, order.job);
        if self.executor.jobs.contains_key(&key) {
            return; // repeated, and known
        }
        if let Some(report) = self.executor.reported.get(&key).cloned() {
            self.send(from, PeerMessage::ExecReport(report));
            return;
        }
        if now.boot > order.valid_until {
            return; // the leader's own deadline ends the job
        }
        let machine = match order.what {
            ExecJob::Cut(levels) => {
                // Whatever an older leader wanted of this target is over.
                self.cancel_jobs(|_, job| job.target == order.target);
                Machine::Cut(Attempt::new(levels, now.boot))
            }
            ExecJob::Test { plan, is_missing_off_waived, is_shared } => {
                Machine::Test(PathTest::new(plan, is_missing_off_waived, is_shared))
            }
            ExecJob::PowerOn(devices) => {
                let outlets = devices
                    .iter()
                    .flat_map(|d| d.plugs.iter().map(move |p| (d.clone(), p.clone())))
                    .collect();
                Machine::On(PowerOn { outlets, next: 0, in_flight: None, failed: None })
            }
            ExecJob::Cancel => {
                self.cancel_jobs(|_, job| job.target == order.target);
                return;
            }
        };
        if self.executor.jobs.len() >= JOBS_MAX {
            return; // the leader's own deadline ends the job
        }
        let job = RunningJob {
            leader: from.clone(),
            target: order.target,
            position: order.position,
            machine,
            run: None,
            wakes_at: Some(now.boot),
        };
        self.executor.jobs.insert(key, job);
    }

    /// A request that our own log shows closed, by another boot of the target above all: the leader's word that calls the cut
    /// off may come later than the cut would.
    fn leave_closed_requests(&mut self) {
        let is_closed = |job: &RunningJob| {
            matches!(job.machine, Machine::Cut(_))
                && self.applied >= job.position
                && self.state.fence_of(&job.target).is_none()
                && !sabotage::is(Sabotage::CutWithoutRequest)
        };
        let closed: Vec<_> =
            self.executor.jobs.iter().filter(|(_, j)| is_closed(j)).map(|(_, j)| j.target.clone()).collect();
        if !closed.is_empty() {
            self.cancel_jobs(|_, job| matches!(job.machine, Machine::Cut(_)) && closed.contains(&job.target));
        }
    }

    fn cancel_jobs(&mut self, which: impl Fn(Term, &RunningJob) -> bool) {
        let mut runs = Vec::new();
        self.executor.jobs.retain(|(term, _), job| {
            let is_over = which(*term, job);
            if is_over {
                runs.extend(job.run.map(|(id, _)| id));
            }
            !is_over
        });
        self.out.extend(runs.into_iter().map(|id| Effect::CancelFence { id }));
    }

    pub(super) fn fence_call_done(&mut self, now: Now, id: EffectId, outcome: CallOutcome) {
        let found = self.executor.jobs.values_mut().find(|j| j.run.is_some_and(|(run, _)| run == id));
        let Some(job) = found else { return };
        let Some((_, call)) = job.run.take() else { return };
        match &mut job.machine {
            Machine::Cut(attempt) => attempt.call_done(now.boot, call, outcome),
            Machine::Test(test) => test.call_done(call, &outcome),
            Machine::On(on) => on.call_done(&outcome),
        }
        job.wakes_at = Some(now.boot);
    }

    pub(super) fn executor_duties(&mut self, now: Now) {
        let term = self.raft.term();
        self.cancel_jobs(|t, _| t < term && !sabotage::is(Sabotage::ObeyDeposed)); // S3: a newer leader reads back from scratch
        self.leave_closed_requests();
        let due: Vec<_> = self
            .executor
            .jobs
            .iter()
            .filter(|(_, j)| j.run.is_none() && j.wakes_at.is_some_and(|w| w <= now.boot))
            .map(|(key, _)| *key)
            .collect();
        for key in due {
            self.step_job(now, key);
        }
    }

    fn step_job(&mut self, now: Now, key: (Term, u64)) {
        let Some(job) = self.executor.jobs.get_mut(&key) else { return };
        let step = match &mut job.machine {
            Machine::Cut(attempt) => map(attempt.step(now.boot), ExecResult::Cut),
            Machine::Test(test) => map(test.step(), ExecResult::Test),
            Machine::On(on) => map(on.step(), ExecResult::PowerOn),
        };
        match step {
            Step::Call(call) => {
                let target = job.target.clone();
                job.wakes_at = None;
                let id = self.effect_id();
                if let Some(job) = self.executor.jobs.get_mut(&key) {
                    job.run = Some((id, call.id));
                }
                self.run_fence(id, &target, call);
            }
            Step::WaitUntil(at) => job.wakes_at = Some(at),
            Step::Done(result) => {
                let report = ExecReport { term: key.0, job: key.1, target: job.target.clone(), result };
                let leader = job.leader.clone();
                self.executor.jobs.remove(&key);
                self.executor.keep(&report);
                self.send(&leader, PeerMessage::ExecReport(report));
            }
        }
    }

    fn run_fence(&mut self, id: EffectId, target: &NodeId, call: Call) {
        let device = self.config.devices.get(&call.device).filter(|d| d.path_hash == call.path_hash);
        let (agent, options) = match device {
            Some(device) => (device.agent.clone(), device.options.clone()),
            // Our configuration is not the leader's: the shell finds no such agent and says so. What we would cut
            // or read may be another machine.
            None => (
                AgentName::from(format!("(device {} is not so configured here)", call.device)),
                BTreeMap::new(),
            ),
        };
        self.out.push(Effect::RunFence(FenceRun {
            id,
            device: call.device,
            agent,
            options,
            plug: call.plug,
            target: target.clone(),
            action: call.action,
            timeout: call.timeout,
        }));
    }
}

fn map<A, B>(step: Step<A>, f: impl FnOnce(A) -> B) -> Step<B> {
    match step {
        Step::Call(call) => Step::Call(call),
        Step::WaitUntil(at) => Step::WaitUntil(at),
        Step::Done(done) => Step::Done(f(done)),
    }
}
