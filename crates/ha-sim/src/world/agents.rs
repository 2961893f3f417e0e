//! What agents of resources truly do.
//!
//! What a probe or a stop called dead though it lives runs on as a stray, until somebody finds and stops it: where agents lie,
//! nothing can be promised (docs/INVARIANTS.md), and no check counts a stray. What is dead and called alive is judged.

use super::host::Run;
use super::{MS, World};
use crate::act::{Agents, Fault};
use ha_core::{AgentOp, AgentOutcome, AgentRun, Input};
use ha_model::{EffectId, InstanceId, NodeId};

/// What an agent does wrong this time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wrong {
    Nothing,
    /// It fails, in one of so many ways.
    Fails(u64),
    /// What lives is called dead, or what is dead alive.
    Lies,
}

fn timed_out() -> AgentOutcome {
    AgentOutcome::Failed { why: "it did not end in time".into() }
}

fn failed(why: &str) -> AgentOutcome {
    AgentOutcome::Failed { why: why.into() }
}

impl World {
    /// How long a run takes, and whether it hangs: then it is killed at its time-out.
    pub(super) fn agent_takes(&mut self, run: &AgentRun) -> (u64, bool) {
        let hangs = matches!(self.agents, Agents::Hanging(p) if self.rng.percent(u64::from(p)));
        let own = self.parts.agent_faults.get(&run.instance);
        let hangs = hangs
            || run.op == AgentOp::Start && own == Some(&Fault::StartHangs)
            || run.op == AgentOp::Stop && own == Some(&Fault::StopHangs);
        if hangs {
            self.meets(if run.op == AgentOp::Stop { "stops hang" } else { "agents hang" });
            return (run.timeout.as_nanos() as u64, true);
        }
        let is_long = self.rng.percent(5);
        ((if is_long { self.rng.range(300, 3000) } else { self.rng.range(1, 60) }) * MS, false)
    }

    /// Something runs on a host from now on (S1).
    pub(super) fn begins(&mut self, id: &NodeId, instance: &InstanceId) {
        self.check_begins(id, instance);
        let host = self.host(id);
        host.strays.remove(instance);
        host.seems_alive.remove(instance);
        host.running.insert(instance.clone());
        *self.ledger.begun.entry(instance.clone()).or_default() += 1;
        self.tell(format!("{instance} RUNS on {id}"));
    }

    /// Something runs on a host no more; false where it did not run.
    fn ended(&mut self, id: &NodeId, instance: &InstanceId) -> bool {
        let t = self.t;
        let host = self.host(id);
        host.stops_failed.remove(instance);
        host.strays.remove(instance);
        host.seems_alive.remove(instance);
        let ran = host.running.remove(instance);
        if ran {
            host.ended.insert(instance.clone(), t);
        }
        ran
    }

    /// An agent has called dead what lives on.
    fn strays(&mut self, id: &NodeId, instance: &InstanceId) {
        if self.ended(id, instance) {
            self.host(id).strays.insert(instance.clone());
            self.tell(format!("{instance} is called dead on {id}, and lives"));
        }
    }

    /// Their operator ends what lives on though its agent called it dead.
    pub(super) fn end_strays(&mut self) {
        for id in self.names() {
            for instance in std::mem::take(&mut self.host(&id).strays) {
                let how = "was killed by its operator".to_owned();
                self.step(&id, Input::ProcessExited { instance, how });
            }
        }
    }

    pub(super) fn agent_ends(&mut self, id: &NodeId, effect: EffectId) {
        let now = self.hosts[id].clock.at(self.t);
        let Some(daemon) = &mut self.host(id).daemon else { return };
        let Some(run) = daemon.runs.remove(&effect) else { return };
        let has_grant = daemon.grant.is_some_and(|g| now < g);
        self.note_late(id, &run);
        let outcome = match run.run.op {
            AgentOp::Start => self.start_ends(id, &run, has_grant),
            AgentOp::Stop => self.stop_ends(id, &run),
            AgentOp::Monitor | AgentOp::Probe => self.look_ends(id, &run),
        };
        self.record_outcome(&outcome);
        self.step(id, Input::AgentDone { id: effect, outcome });
    }

    fn own_fault(&self, run: &Run) -> Fault {
        self.parts.agent_faults.get(&run.run.instance).copied().unwrap_or(Fault::Sound)
    }

    fn wrong(&mut self) -> Wrong {
        let dice = self.rng.range(0, 99);
        match self.agents {
            Agents::Failing(p) if dice < u64::from(p) => {
                self.meets("agents fail");
                Wrong::Fails(dice)
            }
            Agents::Lying(p) if dice < u64::from(p) => Wrong::Lies,
            Agents::Failing(_) | Agents::Lying(_) | Agents::Sound | Agents::Hanging(_) => Wrong::Nothing,
        }
    }

    fn start_ends(&mut self, id: &NodeId, run: &Run, has_grant: bool) -> AgentOutcome {
        let instance = run.run.instance.clone();
        let (own, wrong) = (self.own_fault(run), self.wrong());
        let is_running = self.hosts[id].is_alive(&instance);
        let was_checked = has_grant || is_running || !run.run.needs_grant;
        if run.is_cancelled || run.hangs {
            if own != Fault::StartHangs && self.rng.percent(50) {
                self.note_exec(run, has_grant);
                self.begins(id, &instance);
            }
            return if run.is_cancelled { AgentOutcome::Cancelled } else { timed_out() };
        }
        if !was_checked && !run.is_past_check {
            return AgentOutcome::GrantLapsed;
        }
        match own {
            Fault::StartFails => {
                self.meets("agents fail");
                return failed("exit code 1: it cannot bind its port");
            }
            Fault::NoProgram => {
                self.meets("agents fail");
                return AgentOutcome::NeverStarted { why: "there is no such program".into() };
            }
            Fault::Sound
            | Fault::StartHangs
            | Fault::StopFails
            | Fault::StopHangs
            | Fault::StopLies
            | Fault::CheckFails
            | Fault::SeemsAlive
            | Fault::SeemsDead => {}
        }
        match wrong {
            Wrong::Fails(dice) if dice % 4 == 0 => AgentOutcome::NeverStarted { why: "no program".into() },
            Wrong::Fails(dice) if dice % 4 == 1 => timed_out(),
            Wrong::Fails(dice) if dice % 4 == 2 => AgentOutcome::NotRunning,
            Wrong::Fails(_) => {
                self.note_exec(run, has_grant);
                self.begins(id, &instance);
                failed("half of it")
            }
            Wrong::Nothing | Wrong::Lies => {
                self.note_exec(run, has_grant);
                self.begins(id, &instance);
                AgentOutcome::Running
            }
        }
    }

    fn stop_ends(&mut self, id: &NodeId, run: &Run) -> AgentOutcome {
        let instance = run.run.instance.clone();
        let (own, wrong) = (self.own_fault(run), self.wrong());
        if run.is_cancelled {
            return AgentOutcome::Cancelled;
        }
        if self.is_another(id, &run.run) {
            return AgentOutcome::NotRunning;
        }
        if run.hangs {
            // Killed at its time-out: it may have done its work, and nobody knows.
            if own != Fault::StopHangs && self.rng.percent(50) {
                self.stops(id, &instance);
            } else {
                self.host(id).stops_failed.insert(instance);
            }
            return timed_out();
        }
        if own == Fault::StopLies || wrong == Wrong::Lies && self.hosts[id].running.contains(&instance) {
            self.meets("stops lie");
            self.strays(id, &instance);
            return AgentOutcome::NotRunning;
        }
        // Fewer stops fail than starts, in each way: its node is cut for it.
        let fails = own == Fault::StopFails || matches!(wrong, Wrong::Fails(dice) if dice.is_multiple_of(5));
        if fails {
            self.meets("agents fail");
            self.host(id).stops_failed.insert(instance);
            let runs = matches!(wrong, Wrong::Fails(dice) if dice.is_multiple_of(10));
            return if runs { AgentOutcome::Running } else { failed("it does not stop") };
        }
        self.stops(id, &instance);
        AgentOutcome::NotRunning
    }

    fn stops(&mut self, id: &NodeId, instance: &InstanceId) {
        if self.ended(id, instance) {
            self.tell(format!("{instance} stopped on {id}"));
        }
    }

    fn look_ends(&mut self, id: &NodeId, run: &Run) -> AgentOutcome {
        let instance = &run.run.instance;
        let (own, wrong) = (self.own_fault(run), self.wrong());
        let is_running = self.hosts[id].is_alive(instance) && !self.is_another(id, &run.run);
        let is_probe = run.run.op == AgentOp::Probe;
        // What lives is seldom probed: by a daemon that starts again.
        let is_seldom = is_running && is_probe && matches!(self.agents, Agents::Lying(_));
        let lies = wrong == Wrong::Lies || is_seldom && self.rng.percent(30);
        if run.is_cancelled {
            return AgentOutcome::Cancelled;
        }
        if run.hangs || wrong == Wrong::Fails(0) && !is_probe {
            return timed_out();
        }
        if own == Fault::CheckFails && !is_probe {
            self.meets("monitors lie");
            return failed("exit code 1: it does not answer");
        }
        if !is_running && (own == Fault::SeemsAlive || lies) {
            self.meets("the dead are called alive");
            self.host(id).seems_alive.insert(instance.clone());
            return AgentOutcome::Running;
        }
        if is_running && (own == Fault::SeemsDead || lies) {
            self.meets(if is_probe { "probes lie" } else { "monitors lie" });
            // After a check it is stopped first.
            if is_probe {
                self.strays(id, instance);
            }
            return AgentOutcome::NotRunning;
        }
        let t = self.t;
        let host = self.host(id);
        if host.seems_alive.remove(instance) && !is_running {
            host.ended.insert(instance.clone(), t);
        }
        if is_running { AgentOutcome::Running } else { AgentOutcome::NotRunning }
    }

    /// True where it ran.
    pub(super) fn kill_process(&mut self, id: &NodeId, instance: &InstanceId) -> bool {
        if self.hosts[id].is_frozen || self.hosts[id].is_stalled() || !self.ended(id, instance) {
            return false;
        }
        self.tell(format!("KILL {instance} on {id}"));
        let how = "was killed by signal 9".to_owned();
        self.step(id, Input::ProcessExited { instance: instance.clone(), how });
        true
    }
}
