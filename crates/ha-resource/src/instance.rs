//! An instance with its data, and how events enter it.

use crate::event::{Event, Op, OrderKind, Outcome, Output};
use crate::transition::{Input, transition};
use ha_model::sabotage::{self, Sabotage};
use ha_model::{
    BootNs, FailedOp, InstanceId, InstanceState, MonitorConfig, Observation, Observed, PlanId,
    ResourceConfig, Term,
};
use std::time::Duration;

/// What runs for so long is started anew, where that is broken on purpose.
const WORN: Duration = Duration::from_secs(10);

/// What an instance must know of its resource.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct InstanceSpec {
    /// Periodic check; an interval of zero: none.
    pub monitor: MonitorConfig,
    /// Longest start, also of the first probe.
    pub start_timeout: Duration,
    /// Longest stop.
    pub stop_timeout: Duration,
    /// Whether it may run only under a grant.
    pub exclusive: bool,
}

impl From<&ResourceConfig> for InstanceSpec {
    fn from(resource: &ResourceConfig) -> Self {
        Self {
            monitor: resource.monitor,
            start_timeout: resource.start_timeout,
            stop_timeout: resource.stop_timeout,
            exclusive: !resource.objects.is_empty(),
        }
    }
}

/// One resource instance on this node.
#[derive(Clone, PartialEq, Debug, Hash)]
pub struct Instance {
    id: InstanceId,
    spec: InstanceSpec,
    pub(crate) state: InstanceState,
    pub(crate) since: BootNs,
    /// What is wrong, one sentence.
    pub(crate) why: Option<String>,
    order: Option<(Term, PlanId)>,
    failures: u32,
    failed_op: Option<FailedOp>,
    /// The agent run that is under way.
    pub(crate) run: Option<Op>,
    is_cancelling: bool,
    monitor_at: Option<BootNs>,
    /// Its process ended while a start or probe had not yet ended.
    exited: Option<String>,
    /// Whether it may have been started in this boot and was not surely stopped since.
    may_have_run: bool,
}

impl Instance {
    /// An instance of a session that begins, in a boot in which the instance may have been started already.
    /// Nothing is known of it until a probe.
    #[must_use]
    pub fn new(id: InstanceId, spec: InstanceSpec, now: BootNs) -> Self {
        Self {
            id,
            spec,
            state: InstanceState::Unknown,
            since: now,
            why: None,
            order: None,
            failures: 0,
            failed_op: None,
            run: None,
            is_cancelling: false,
            monitor_at: None,
            exited: None,
            may_have_run: true,
        }
    }

    /// As [`Instance::new`], where the ledger says that no permission for it was open in this boot: an agent that
    /// cannot even be executed (a missing program) then means stopped, not failed. Without this a mistyped path
    /// would end in a failed stop, and so in fencing.
    #[must_use]
    pub fn never_permitted(id: InstanceId, spec: InstanceSpec, now: BootNs) -> Self {
        Self { may_have_run: false, ..Self::new(id, spec, now) }
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> &InstanceId {
        &self.id
    }

    /// Its state.
    #[must_use]
    pub fn state(&self) -> InstanceState {
        self.state
    }

    /// When it came into its state.
    #[must_use]
    pub fn since(&self) -> BootNs {
        self.since
    }

    /// The agent run that is under way.
    #[must_use]
    pub fn running_agent(&self) -> Option<Op> {
        self.run
    }

    /// What the next runs follow. Changes nothing that is under way.
    pub fn set_spec(&mut self, spec: InstanceSpec) {
        self.spec = spec;
    }

    /// New time-outs and a new pause between checks, also of what runs: the next runs follow the time-outs, a changed
    /// pause begins now. What is under way keeps its time-out; nothing else changes, not even `exclusive`.
    pub fn set_times(&mut self, now: BootNs, times: InstanceSpec) -> Vec<Output> {
        let is_other_pause = times.monitor.interval != self.spec.monitor.interval;
        self.spec = InstanceSpec { exclusive: self.spec.exclusive, ..times };
        let is_checked_now = self.run == Some(Op::Monitor);
        if self.state != InstanceState::Running || !is_other_pause || is_checked_now {
            return Vec::new();
        }
        let had_one = self.monitor_at.take().is_some();
        let mut change = Change { instance: self, now, out: Vec::new() };
        change.arm_monitor();
        if had_one && change.out.is_empty() {
            change.out.push(Output::ClearMonitor);
        }
        change.out
    }

    /// When [`Event::MonitorDue`] is to be delivered.
    #[must_use]
    pub fn next_deadline(&self) -> Option<BootNs> {
        self.monitor_at
    }

    /// What the node says of it. `failed_op` is the operation of the newest counted failure of this session; it is
    /// new when [`Observed::failures`] has grown.
    #[must_use]
    pub fn observation(&self) -> Observation {
        Observation { state: self.state, why: self.why.clone(), order: self.order, failed_op: self.failed_op }
    }

    /// The observation with the number of failures counted in this session: a report may be repeated or lost, each
    /// failure still counts once.
    #[must_use]
    pub fn observed(&self) -> Observed {
        Observed { observation: self.observation(), failures: self.failures }
    }

    /// One event. Total: whatever comes in whatever state has a defined answer.
    pub fn step(&mut self, now: BootNs, event: Event) -> Vec<Output> {
        let input = match event {
            Event::Order { order, key } => {
                self.order = Some(key);
                match order {
                    OrderKind::Probe => Input::OrderProbe,
                    OrderKind::Start => Input::OrderStart,
                    OrderKind::Stop => Input::OrderStop,
                }
            }
            Event::AgentDone { op, outcome } => {
                if self.run != Some(op) {
                    // No such run: nothing follows from its end.
                    return Vec::new();
                }
                self.run = None;
                self.is_cancelling = false;
                if own_op(self.state) == Some(op) {
                    done(outcome)
                } else {
                    let may_be_active = match outcome {
                        Outcome::Running | Outcome::Failed { .. } => true,
                        Outcome::NotRunning
                        | Outcome::NeverStarted { .. }
                        | Outcome::GrantLapsed
                        | Outcome::Cancelled => false,
                    };
                    self.may_have_run |= may_be_active;
                    if sabotage::is(Sabotage::ForgetWaiting) {
                        return Vec::new();
                    }
                    Input::LeftoverEnded
                }
            }
            Event::ProcessExited { how } => Input::ProcessExited { how },
            Event::MonitorDue if self.monitor_at.is_none_or(|at| now < at) => return self.early(),
            Event::MonitorDue => Input::MonitorDue,
            Event::GrantLost if !self.spec.exclusive => return Vec::new(),
            Event::GrantLost => Input::GrantLost,
        };
        let mut change = Change { instance: self, now, out: Vec::new() };
        transition(&mut change, input);
        change.out
    }

    /// For the table: a check is due.
    pub(crate) fn set_due(&mut self, at: BootNs) {
        self.monitor_at = Some(at);
    }

    fn early(&self) -> Vec<Output> {
        self.monitor_at.map(Output::SetMonitor).into_iter().collect()
    }

    fn timeout(&self, op: Op) -> Duration {
        match op {
            Op::Probe | Op::Start => self.spec.start_timeout,
            Op::Stop => self.spec.stop_timeout,
            Op::Monitor => self.spec.monitor.timeout,
        }
    }
}

/// The run whose end moves a state on. Any other run is left over from before and only waited for.
pub(crate) fn own_op(state: InstanceState) -> Option<Op> {
    match state {
        InstanceState::Probing => Some(Op::Probe),
        InstanceState::Starting => Some(Op::Start),
        InstanceState::Running => Some(Op::Monitor),
        InstanceState::Stopping => Some(Op::Stop),
        InstanceState::Unknown
        | InstanceState::Stopped
        | InstanceState::Failed
        | InstanceState::StopFailed => None,
    }
}

fn done(outcome: Outcome) -> Input {
    match outcome {
        Outcome::Running => Input::DoneRunning,
        Outcome::NotRunning => Input::DoneNotRunning,
        Outcome::Failed { why } => Input::DoneFailed { why },
        Outcome::NeverStarted { why } => Input::DoneNeverStarted { why },
        Outcome::GrantLapsed => Input::DoneGrantLapsed,
        Outcome::Cancelled => Input::DoneCancelled,
    }
}

/// One step under way: what transitions may do to an instance.
pub(crate) struct Change<'i> {
    pub instance: &'i mut Instance,
    pub now: BootNs,
    pub out: Vec<Output>,
}

impl Change<'_> {
    /// Tells the leader that an order was taken note of.
    pub fn acknowledge(&mut self) {
        if self.out.last() != Some(&Output::Changed) {
            self.out.push(Output::Changed);
        }
    }

    /// Enters a state. A state with a run of its own begins it, behind one that still runs.
    pub fn enter(&mut self, state: InstanceState, why: Option<String>) {
        let i = &mut *self.instance;
        if i.state == InstanceState::Running && state != InstanceState::Running && i.monitor_at.is_some() {
            i.monitor_at = None;
            self.out.push(Output::ClearMonitor);
        }
        i.state = state;
        i.since = self.now;
        i.why = why;
        match state {
            InstanceState::Probing | InstanceState::Starting => i.exited = None,
            InstanceState::Stopped => i.may_have_run = false,
            // Also where a probe found it so, unordered.
            InstanceState::Running | InstanceState::Failed | InstanceState::StopFailed => {
                i.may_have_run = true
            }
            InstanceState::Unknown | InstanceState::Stopping => {}
        }
        match state {
            InstanceState::Running => self.arm_monitor(),
            InstanceState::Probing | InstanceState::Starting => self.launch(),
            InstanceState::Stopping => {
                self.cancel();
                self.launch();
            }
            InstanceState::Failed | InstanceState::StopFailed => self.cancel(),
            InstanceState::Unknown | InstanceState::Stopped => {}
        }
        self.acknowledge();
    }

    /// As [`Change::enter`], and counts a failure.
    pub fn fail(&mut self, op: FailedOp, state: InstanceState, why: String) {
        self.instance.failures = self.instance.failures.saturating_add(1);
        self.instance.failed_op = Some(op);
        self.enter(state, Some(why));
    }

    /// Begins the run of the present state, unless another run is still under way: its end comes back here.
    pub fn launch(&mut self) {
        let before = self.instance.run.filter(|_| !sabotage::is(Sabotage::AgentsOverlap));
        if let (Some(op), None) = (own_op(self.instance.state), before) {
            self.instance.run = Some(op);
            if op == Op::Start {
                self.instance.may_have_run = true;
            }
            self.out.push(Output::RunAgent { op, timeout: self.instance.timeout(op) });
        }
    }

    /// Ends the run that is under way, once.
    fn cancel(&mut self) {
        if let Some(op) = self.instance.run.filter(|_| !self.instance.is_cancelling) {
            self.instance.is_cancelling = true;
            self.out.push(Output::CancelAgent { op });
        }
    }

    /// Never, unless what runs well is not to be left alone.
    pub fn is_worn(&self) -> bool {
        sabotage::is(Sabotage::Restless) && self.now.since(self.instance.since) >= WORN
    }

    /// Next check: an interval after now, the end of the previous one.
    pub fn arm_monitor(&mut self) {
        let interval = self.instance.spec.monitor.interval;
        if interval > Duration::ZERO {
            let at = self.now + interval;
            self.instance.monitor_at = Some(at);
            self.out.push(Output::SetMonitor(at));
        }
    }

    /// Begins a check before its time, unless one runs.
    pub fn check_now(&mut self) {
        if self.instance.monitor_at.is_some() {
            self.out.push(Output::ClearMonitor);
        }
        self.check();
    }

    /// Begins a check.
    pub fn check(&mut self) {
        self.instance.monitor_at = None;
        self.launch();
    }

    /// The process ended while a start or probe still runs; its outcome will be judged by that.
    pub fn note_exit(&mut self, how: String) {
        self.instance.exited = Some(how);
    }

    /// How the process ended meanwhile, if it did.
    pub fn take_exit(&mut self) -> Option<String> {
        self.instance.exited.take()
    }

    /// Whether it may have been started in this boot and was not surely stopped since.
    pub fn may_have_run(&self) -> bool {
        self.instance.may_have_run
    }
}
