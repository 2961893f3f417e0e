//! What agents and the power switch truly do.

use super::clusters;
use super::world::{MS, Pdu, World};
use crate::effect::AgentOp;
use crate::input::{AgentOutcome, Input};
use ha_fencing::{CallAction, CallOutcome};
use ha_model::{EffectId, FenceVerdict, NodeId};

/// Killed before it had done anything.
fn timed_out() -> AgentOutcome {
    AgentOutcome::Failed { why: "it was not active within 20 s".into() }
}

impl World {
    /// Something runs on a host from now on (S1).
    pub fn begins(&mut self, id: &NodeId, instance: &str) {
        self.host(id).running.insert(instance.to_owned());
        self.tell(format!("{instance} RUNS on {id}"));
        let owners = self.owners(instance);
        assert!(owners.len() == 1, "S1: {instance} runs on {owners:?}");
    }

    pub fn owners(&self, instance: &str) -> Vec<NodeId> {
        self.hosts.iter().filter(|(_, h)| h.running.contains(instance)).map(|(n, _)| n.clone()).collect()
    }

    pub fn agent_ends(&mut self, id: &NodeId, effect: EffectId) {
        let Some(run) = self.host(id).runs.remove(&effect) else { return };
        let instance = run.run.instance.to_string();
        let dice = self.rng.range(0, 99);
        let fails = dice < self.agents_fail;
        let is_running = self.hosts[id].running.contains(&instance);
        let now = self.hosts[id].local(self.t);
        let has_grant = self.hosts[id].grant.is_some_and(|g| now < g);
        let outcome = match run.run.op {
            AgentOp::Start if run.is_cancelled => {
                if dice < 50 {
                    self.begins(id, &instance);
                }
                AgentOutcome::Cancelled
            }
            AgentOp::Start if run.run.needs_grant && !has_grant && !is_running => AgentOutcome::GrantLapsed,
            AgentOp::Start if fails && dice.is_multiple_of(3) => {
                AgentOutcome::NeverStarted { why: "no program".into() }
            }
            AgentOp::Start if fails && dice % 3 == 1 => timed_out(),
            AgentOp::Start => {
                self.begins(id, &instance);
                if fails { AgentOutcome::Failed { why: "half of it".into() } } else { AgentOutcome::Running }
            }
            AgentOp::Stop if run.is_cancelled => AgentOutcome::Cancelled,
            AgentOp::Stop if fails && dice == 0 => {
                self.host(id).has_stop_failed = true;
                AgentOutcome::Failed { why: "it does not stop".into() }
            }
            AgentOp::Stop => {
                if self.host(id).running.remove(&instance) {
                    self.tell(format!("{instance} stopped on {id}"));
                }
                AgentOutcome::NotRunning
            }
            AgentOp::Monitor | AgentOp::Probe if run.is_cancelled => AgentOutcome::Cancelled,
            AgentOp::Monitor if fails && dice == 0 => timed_out(),
            AgentOp::Monitor | AgentOp::Probe if is_running => AgentOutcome::Running,
            AgentOp::Monitor | AgentOp::Probe => AgentOutcome::NotRunning,
        };
        self.step(id, Input::AgentDone { id: effect, outcome });
    }

    pub fn fence_ends(&mut self, id: &NodeId, effect: EffectId, plug: &str, action: CallAction) {
        let names = clusters::names(self.kind);
        let target = plug.parse::<usize>().ok().and_then(|n| names.get(n.wrapping_sub(1))).copied();
        let target = target.filter(|n| clusters::is_member(self.kind, n)).map(NodeId::from);
        let failed = |why: &str| CallOutcome::Failed { why: why.into() };
        let is_broken = self.pdu == Pdu::DoesButFails;
        let outcome = match (target, action) {
            (_, _) if self.pdu == Pdu::Dead => failed("no answer"),
            (None, _) => failed("no such outlet"),
            (Some(target), CallAction::Off) => {
                self.tell(format!("switch: {id} asks OFF of {target}"));
                if !self.is_lying {
                    self.power_off(&target);
                }
                if is_broken { CallOutcome::TimedOut } else { CallOutcome::Done }
            }
            (Some(target), CallAction::On) => {
                self.tell(format!("switch: {id} asks ON of {target}"));
                self.power_on(&target);
                if is_broken { failed("cut off") } else { CallOutcome::Done }
            }
            (Some(_), CallAction::Status) if is_broken && self.rng.percent(30) => {
                CallOutcome::Read(FenceVerdict::Unknown)
            }
            (Some(target), CallAction::Status) => {
                let was_cut = self.journal.iter().any(|l| l.ends_with(&format!("asks OFF of {target}")));
                let is_on = self.hosts[&target].is_on && !(self.is_lying && was_cut);
                CallOutcome::Read(if is_on { FenceVerdict::On } else { FenceVerdict::Off })
            }
        };
        self.step(id, Input::FenceCallDone { id: effect, outcome });
    }

    pub fn kill_process(&mut self, id: &NodeId, instance: &str) {
        if self.hosts[id].is_frozen || !self.host(id).running.remove(instance) {
            return;
        }
        self.tell(format!("KILL {instance} on {id}"));
        let how = "was killed by signal 9".to_owned();
        self.step(id, Input::ProcessExited { instance: instance.into(), how });
    }

    /// How long something may still run here after the grant is over: the longest agents before the stop, and it.
    pub fn stop_bound(&self) -> u64 {
        7000 * MS
    }
}
