//! What agents of resources truly do.

use super::{MS, World};
use crate::act::{Agents, Fault};
use ha_core::{AgentOp, AgentOutcome, AgentRun, Input};
use ha_model::{EffectId, InstanceId, NodeId};

impl World {
    /// How long a run takes; one that hangs is killed at its time-out.
    pub(super) fn agent_takes(&mut self, id: &NodeId, run: &AgentRun) -> u64 {
        let hangs = matches!(self.agents, Agents::Hanging(p) if self.rng.percent(u64::from(p)));
        let own = self.parts.agent_faults.get(&run.instance);
        let hangs = hangs || run.op == AgentOp::Start && own == Some(&Fault::StartHangs);
        if hangs && run.op != AgentOp::Stop {
            self.ledger.hanging.insert((id.clone(), run.id));
            return run.timeout.as_nanos() as u64;
        }
        let is_long = self.rng.percent(5);
        (if is_long { self.rng.range(300, 3000) } else { self.rng.range(1, 60) }) * MS
    }

    /// Something runs on a host from now on (S1).
    pub(super) fn begins(&mut self, id: &NodeId, instance: &InstanceId) {
        self.check_begins(id, instance);
        self.host(id).running.insert(instance.clone());
        *self.ledger.begun.entry(instance.clone()).or_default() += 1;
        self.tell(format!("{instance} RUNS on {id}"));
    }

    /// Something runs on a host no more; false where it did not run.
    fn ended(&mut self, id: &NodeId, instance: &InstanceId) -> bool {
        let t = self.t;
        let host = self.host(id);
        host.stops_failed.remove(instance);
        let ran = host.running.remove(instance);
        if ran {
            host.ended.insert(instance.clone(), t);
        }
        ran
    }

    pub(super) fn agent_ends(&mut self, id: &NodeId, effect: EffectId) {
        let now = self.hosts[id].clock.at(self.t);
        let Some(daemon) = &mut self.host(id).daemon else { return };
        let Some(run) = daemon.runs.remove(&effect) else { return };
        let (term, has_grant) = (daemon.node.votes().term(), daemon.grant.is_some_and(|g| now < g));
        if run.term < term {
            self.tally.sequence("late agent of an old term");
        }
        let instance = run.run.instance.clone();
        let hung = self.ledger.hanging.remove(&(id.clone(), effect));
        let dice = self.rng.range(0, 99);
        let (fails, lies) = match self.agents {
            Agents::Failing(p) => (dice < u64::from(p), false),
            Agents::Lying(p) => (false, dice < u64::from(p)),
            Agents::Sound | Agents::Hanging(_) => (false, false),
        };
        let own = self.parts.agent_faults.get(&instance).copied().unwrap_or(Fault::Sound);
        let is_running = self.hosts[id].running.contains(&instance);
        let timed_out = || AgentOutcome::Failed { why: "it did not end in time".into() };
        let outcome = match run.run.op {
            AgentOp::Start if run.is_cancelled || hung => {
                if dice < 50 && own != Fault::StartHangs {
                    self.begins(id, &instance);
                }
                if hung { timed_out() } else { AgentOutcome::Cancelled }
            }
            AgentOp::Start if run.run.needs_grant && !has_grant && !is_running => AgentOutcome::GrantLapsed,
            AgentOp::Start if own == Fault::StartFails => {
                AgentOutcome::Failed { why: "exit code 1: it cannot bind its port".into() }
            }
            AgentOp::Start if fails && dice.is_multiple_of(3) => {
                AgentOutcome::NeverStarted { why: "no program".into() }
            }
            AgentOp::Start if fails && dice % 3 == 1 => timed_out(),
            AgentOp::Start => {
                self.begins(id, &instance);
                if fails { AgentOutcome::Failed { why: "half of it".into() } } else { AgentOutcome::Running }
            }
            AgentOp::Stop if run.is_cancelled => AgentOutcome::Cancelled,
            AgentOp::Stop if own == Fault::StopFails || (fails && dice.is_multiple_of(5)) => {
                self.host(id).stops_failed.insert(instance.clone());
                AgentOutcome::Failed { why: "it does not stop".into() }
            }
            AgentOp::Stop => {
                if self.ended(id, &instance) {
                    self.tell(format!("{instance} stopped on {id}"));
                }
                AgentOutcome::NotRunning
            }
            AgentOp::Monitor | AgentOp::Probe if run.is_cancelled => AgentOutcome::Cancelled,
            AgentOp::Monitor if hung || (fails && dice == 0) => timed_out(),
            AgentOp::Probe if hung => timed_out(),
            AgentOp::Monitor if own == Fault::CheckFails => {
                AgentOutcome::Failed { why: "exit code 1: it does not answer".into() }
            }
            // What runs is called dead; what is dead and called alive is an agent that breaks its contract.
            AgentOp::Monitor if lies => AgentOutcome::NotRunning,
            AgentOp::Monitor | AgentOp::Probe if is_running => AgentOutcome::Running,
            AgentOp::Monitor | AgentOp::Probe => AgentOutcome::NotRunning,
        };
        self.step(id, Input::AgentDone { id: effect, outcome });
    }

    pub(super) fn kill_process(&mut self, id: &NodeId, instance: &InstanceId) {
        if self.hosts[id].is_frozen || !self.ended(id, instance) {
            return;
        }
        self.tell(format!("KILL {instance} on {id}"));
        let how = "was killed by signal 9".to_owned();
        self.step(id, Input::ProcessExited { instance: instance.clone(), how });
    }
}
