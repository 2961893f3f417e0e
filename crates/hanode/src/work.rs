//! Runs of agents on behalf of the core: from its effects to jobs, from their outcomes to inputs.
//!
//! Every run ends in exactly one input; a cancelled run ends in one too.

use ha_agent::{
    Action, AddressCheck, Agents, Cancel, FenceAction, FenceJob, FenceResult, Gate, How, Outcome,
    ProcessExited, ResourceAgent, ResourceJob,
};
use ha_core::{AgentOp, AgentOutcome, AgentRun, FenceRun, Input};
use ha_fencing::{CallAction, CallOutcome};
use ha_model::{EffectId, FenceVerdict};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// Runs agents; results go into the engine's queue.
#[derive(Clone)]
pub struct Work {
    agents: Agents,
    gate: Gate,
    inputs: mpsc::Sender<Input>,
    running: Arc<Mutex<BTreeMap<EffectId, Cancel>>>,
    tasks: Handle,
}

impl Work {
    /// `tasks` is the runtime on which runs are driven.
    pub fn new(agents: Agents, gate: Gate, inputs: mpsc::Sender<Input>, tasks: Handle) -> Self {
        Self { agents, gate, inputs, running: Arc::default(), tasks }
    }

    /// Cancels a run; its outcome still comes.
    pub fn cancel(&self, id: EffectId) {
        if let Some(cancel) = self.lock().get(&id) {
            cancel.cancel();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<EffectId, Cancel>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enlist(&self, id: EffectId) -> Cancel {
        let cancel = Cancel::default();
        self.lock().insert(id, cancel.clone());
        cancel
    }

    async fn ended(&self, id: EffectId, input: Input) {
        self.lock().remove(&id);
        // The engine is gone only when the daemon ends.
        let _ = self.inputs.send(input).await;
    }

    /// Runs a resource agent.
    pub fn agent(&self, run: AgentRun) {
        let (work, cancel) = (self.clone(), self.enlist(run.id));
        self.tasks.spawn(async move {
            let (id, worker) = (run.id, work.clone());
            // A task of its own: a bug in it is a failed run, not one that never ends.
            let running = work.tasks.spawn(async move { worker.run_agent(run, cancel).await });
            let outcome = running.await.unwrap_or_else(|e| AgentOutcome::Failed { why: bug(&e) });
            work.ended(id, Input::AgentDone { id, outcome }).await;
        });
    }

    async fn run_agent(&self, run: AgentRun, cancel: Cancel) -> AgentOutcome {
        let Some(agent) = ResourceAgent::by_name(run.agent.as_str()) else {
            return AgentOutcome::NeverStarted { why: format!("there is no agent {}", run.agent) };
        };
        let gate = if run.needs_grant { self.gate.clone() } else { Gate::always() };
        let job = ResourceJob {
            instance: run.instance,
            agent,
            action: match run.op {
                AgentOp::Start => Action::Start,
                AgentOp::Stop => Action::Stop,
                AgentOp::Monitor => Action::Monitor,
                AgentOp::Probe => Action::Probe,
            },
            options: run.options,
            timeout: run.timeout,
            interval: run.interval,
            gate: gate.clone(),
            address_check: if run.is_address_free { AddressCheck::Short } else { AddressCheck::Full },
            cancel: cancel.clone(),
        };
        match self.agents.run(job).await {
            Outcome::Running => AgentOutcome::Running,
            Outcome::NotRunning => AgentOutcome::NotRunning,
            Outcome::NeverStarted { .. } if cancel.is_cancelled() => AgentOutcome::Cancelled,
            Outcome::NeverStarted { .. } if !gate.is_open() => AgentOutcome::GrantLapsed,
            Outcome::NeverStarted { why } => AgentOutcome::NeverStarted { why },
            Outcome::Failed { reason, .. } => AgentOutcome::Failed { why: reason },
        }
    }

    /// Runs a fence agent.
    pub fn fence(&self, run: FenceRun) {
        let (work, cancel) = (self.clone(), self.enlist(run.id));
        self.tasks.spawn(async move {
            let (id, worker) = (run.id, work.clone());
            let running = work.tasks.spawn(async move { worker.run_fence(run, cancel).await });
            let outcome = running.await.unwrap_or_else(|e| CallOutcome::Failed { why: bug(&e) });
            work.ended(id, Input::FenceCallDone { id, outcome }).await;
        });
    }

    async fn run_fence(&self, run: FenceRun, cancel: Cancel) -> CallOutcome {
        let action = match run.action {
            CallAction::Off => FenceAction::Off,
            CallAction::On => FenceAction::On,
            CallAction::Status => FenceAction::Status,
        };
        let job = FenceJob {
            device: run.device,
            agent: run.agent.to_string(),
            action,
            plug: Some(run.plug),
            node: Some(run.target),
            options: run.options,
            timeout: run.timeout,
            cancel,
        };
        match (run.action, self.agents.fence(job).await.result) {
            (CallAction::Off | CallAction::On, FenceResult::Done) => CallOutcome::Done,
            (CallAction::Status, FenceResult::On) => CallOutcome::Read(FenceVerdict::On),
            (CallAction::Status, FenceResult::Off) => CallOutcome::Read(FenceVerdict::Off),
            (_, FenceResult::Error { reason, .. }) => CallOutcome::Failed { why: reason },
            (_, FenceResult::TimedOut) => CallOutcome::TimedOut,
            (_, FenceResult::Refused { why }) => CallOutcome::Failed { why },
            (_, FenceResult::Done) => CallOutcome::Failed { why: "its answer holds no state".to_owned() },
            (_, FenceResult::On) => CallOutcome::Failed { why: "it told a state instead: on".to_owned() },
            (_, FenceResult::Off) => CallOutcome::Failed { why: "it told a state instead: off".to_owned() },
        }
    }
}

/// The end of a process nobody asked to end.
pub fn exited(event: ProcessExited) -> Input {
    let how = match event.how {
        How::Code(code) => format!("ended with exit code {code}"),
        How::Signal(signal) => format!("was killed by signal {signal}"),
        How::Unknown => "ended".to_owned(),
    };
    Input::ProcessExited { instance: event.instance, how }
}

/// What a run ended with that came to no end of its own.
fn bug(error: &tokio::task::JoinError) -> String {
    format!("hanode failed while running it ({error}): look at its journal; this is a bug, please report it")
}
